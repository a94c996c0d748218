//! Each curve, with each provider: bad points, draws that are out of range, and secrets that begin with zeros.

use super::*;
use crate::crypto::EphemeralKey;
use crate::machine::Blame;
use crate::security::testing::{Side, carry, feed, meet, sent};
use crate::security::{ChannelError, Secured, SecurityError};

const CURVES: [Curve; 3] = [Curve::P256, Curve::P384, Curve::P521];

/// Does this for each provider and curve.
fn for_each_curve(check: impl Fn(&Arc<dyn CryptoProvider>, Curve)) {
    for crypto in real_providers() {
        for curve in CURVES {
            println!("{} {curve:?}", crypto.name());
            check(&crypto, curve);
        }
    }
}

/// Offers `curve` and no other.
fn only(curve: Curve) -> Secio {
    Secio { curves: vec![curve], ..Secio::default() }
}

fn scalar(curve: Curve, number: u16) -> Vec<u8> {
    let mut scalar = vec![0; curve.field_bytes() - 2];
    scalar.extend_from_slice(&number.to_be_bytes());
    scalar
}

fn key(crypto: &Arc<dyn CryptoProvider>, curve: Curve, number: u16) -> Box<dyn EphemeralKey> {
    crypto.ephemeral_key(curve, &scalar(curve, number)).unwrap()
}

/// A point that its sender has signed and that is none: were it computed with, the sender would learn something of our scalar, or
/// know the secret without one.
#[test]
fn bad_points_are_refused() {
    const NO_POINT: SecurityError =
        SecurityError::NotAuthentic("the ephemeral key is not a point on the curve");
    for_each_curve(|crypto, curve| {
        let width = curve.field_bytes();
        let point = key(crypto, curve, 7).public_point().to_vec();
        let start = || A.start_with(only(curve), Arc::clone(crypto), None, vec![scalar(curve, 5)]);
        let propose = hex(B.propose);
        let ours = sent(&mut *start(), usize::MAX).split_off(4);
        let answer = |point: &[u8]| {
            let exchange = B.signed_exchange(&propose, &ours, point);
            let mut handshake = start();
            feed(&mut *handshake, &[B.propose(), exchange].concat(), usize::MAX)?;
            Ok(handshake)
        };
        assert!(answer(&point).is_ok());

        let edited = |edit: &dyn Fn(&mut Vec<u8>)| {
            let mut point = point.clone();
            edit(&mut point);
            point
        };
        let other = if curve == Curve::P256 { Curve::P384 } else { Curve::P256 };
        let table = [
            ("nothing", vec![]),
            ("infinity", vec![0]),
            ("infinity, at full width", vec![0; 1 + 2 * width]),
            ("off the curve", edited(&|point| point[2 * width] ^= 1)),
            ("compressed, even", [&[2], &point[1..=width]].concat()),
            ("compressed, odd", [&[3], &point[1..=width]].concat()),
            ("hybrid", edited(&|point| point[0] = 6 | (point[2 * width] & 1))),
            ("not below the field's prime", edited(&|point| point[1..].fill(0xff))),
            ("a byte too wide", edited(&|point| point.push(0))),
            ("a byte too narrow", edited(&|point| point.truncate(2 * width))),
            ("without its form", point[1..].to_vec()),
            ("of another curve", key(crypto, other, 7).public_point().to_vec()),
        ];
        for (what, point) in table {
            let error = answer(&point).err();
            assert_eq!(error, Some(NO_POINT), "{what}");
            assert_eq!(NO_POINT.blame(), Blame::Peer);
        }
    });
}

#[test]
fn draws_out_of_range_are_drawn_again() {
    for_each_curve(|crypto, curve| {
        let width = curve.field_bytes();
        let good = scalar(curve, 5);
        let first_message = |draws: Vec<Vec<u8>>| {
            let mut handshake = A.start_with(only(curve), Arc::clone(crypto), None, draws);
            feed(&mut *handshake, &B.propose(), usize::MAX).map(|_| sent(&mut *handshake, usize::MAX))
        };
        let expected = first_message(vec![good.clone()]).unwrap();
        assert_eq!(first_message(vec![vec![0; width], vec![0xff; width], good]).unwrap(), expected);
        // All draws in vain: a provider that refuses every scalar is one without the curve.
        assert_eq!(first_message(vec![vec![0xff; width]]).unwrap_err().blame(), Blame::Caller);
    });
}

/// Of a draw for P-521, which has 528 bits, only 521 count, so that nearly every draw is in range.
#[test]
fn a_draw_is_cut_to_the_bits_of_the_order() {
    for crypto in real_providers() {
        let first_message = |first_byte: u8| {
            let mut draw = scalar(Curve::P521, 5);
            draw[0] = first_byte;
            let mut handshake = A.start_with(only(Curve::P521), Arc::clone(&crypto), None, vec![draw]);
            feed(&mut *handshake, &B.propose(), usize::MAX).unwrap();
            sent(&mut *handshake, usize::MAX)
        };
        assert_eq!(first_message(0xfe), first_message(0));
        assert_eq!(first_message(0xff), first_message(1));
        assert_ne!(first_message(1), first_message(0));
    }
}

/// A with 1 for its scalar, so that the secret is the X coordinate of B's point, and B with this one.
fn meet_with(
    crypto: &Arc<dyn CryptoProvider>,
    curve: Curve,
    number: u16,
    widths: (SecretWidth, SecretWidth),
) -> Result<(Secured, Secured), SecurityError> {
    let side = |transcript: &Transcript, secret_width, number| {
        let config = Secio { secret_width, ..only(curve) };
        Side::new(transcript.start_with(config, Arc::clone(crypto), None, vec![scalar(curve, number)]))
    };
    meet(&mut side(&A, widths.0, 1), &mut side(&B, widths.1, number), || usize::MAX)
}

#[test]
fn widths_must_agree_only_for_secrets_that_begin_with_zeros() {
    use SecretWidth::{Full, Stripped};
    const MIXED: SecurityError = SecurityError::Channel(ChannelError::NotAuthentic);
    for_each_curve(|crypto, curve| {
        let begins_with_zero = |number: &u16| key(crypto, curve, *number).public_point()[1] == 0;
        let zero = (1..=u16::MAX).find(begins_with_zero).unwrap();
        let other = (1..=u16::MAX).find(|number| !begins_with_zero(number)).unwrap();
        for widths in [(Full, Full), (Stripped, Stripped), (Full, Stripped), (Stripped, Full)] {
            let (mut a, mut b) = meet_with(crypto, curve, other, widths).unwrap();
            carry(&mut *a.channel, &mut *b.channel, &[b"hello".to_vec()], 3);
            match meet_with(crypto, curve, zero, widths) {
                Ok((mut a, mut b)) => {
                    assert_eq!(widths.0, widths.1);
                    carry(&mut *b.channel, &mut *a.channel, &[b"hello".to_vec()], 3);
                }
                Err(error) => {
                    assert_ne!(widths.0, widths.1);
                    assert_eq!((error.blame(), error), (Blame::Peer, MIXED));
                }
            }
        }
    });
}
