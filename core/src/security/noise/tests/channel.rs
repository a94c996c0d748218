//! Frames, good and bad.

use super::*;
use crate::crypto::TAG_BYTES;
use crate::machine::Blame;
use crate::security::noise::channel::{CipherState, MAX_PLAINTEXT_BYTES, NoiseChannel};
use crate::security::testing::{carry, seal};
use crate::security::{Channel, ChannelError, Opened};

fn channels_with(crypto: &dyn CryptoProvider) -> (NoiseChannel, NoiseChannel) {
    let cipher = |key| CipherState::new(crypto, &[key; 32]);
    (NoiseChannel::new(cipher(1), cipher(2)), NoiseChannel::new(cipher(2), cipher(1)))
}

fn channels() -> (NoiseChannel, NoiseChannel) {
    channels_with(&Portable)
}

fn open(channel: &mut NoiseChannel, bytes: &[u8]) -> Result<Opened, ChannelError> {
    channel.open(&mut BytesMut::from(bytes))
}

fn plain(bytes: &[u8]) -> Result<Opened, ChannelError> {
    Ok(Opened::Plain(BytesMut::from(bytes)))
}

const TOO_SHORT: ChannelError = ChannelError::Malformed("it is shorter than its authentication tag");

#[test]
fn frames_of_all_sizes_pass() {
    for crypto in real_providers() {
        let (mut a, mut b) = channels_with(&*crypto);
        let sizes = [0, 1, 15, 16, 17, 0, 1000, MAX_PLAINTEXT_BYTES];
        let messages: Vec<_> = sizes.iter().map(|&size| vec![size as u8; size]).collect();
        for chunk in [1, 1000, usize::MAX] {
            carry(&mut a, &mut b, &messages, chunk);
            carry(&mut b, &mut a, &messages, chunk);
        }
    }
}

#[test]
fn the_largest_frame_fills_its_length() {
    let (mut a, _) = channels();
    assert_eq!(a.max_plaintext(), 65_519);
    assert_eq!(seal(&mut a, &[0; 65_519])[..2], [0xff, 0xff]);
}

#[test]
fn a_frame_is_opened_where_it_lies() {
    let (mut a, mut b) = channels();
    let mut input = seal(&mut a, b"one");
    input.unsplit(seal(&mut a, b"two"));
    let start = input.as_ptr();
    let Ok(Opened::Plain(one)) = b.open(&mut input) else { panic!("a frame") };
    assert_eq!((one.as_ptr(), &one[..]), (start.wrapping_add(2), b"one".as_slice()));
    assert_eq!(input.len(), 2 + 3 + TAG_BYTES);
}

#[test]
fn every_prefix_needs_more() {
    let (mut a, mut b) = channels();
    let frame = seal(&mut a, b"hello");
    for end in 0..frame.len() {
        let mut input = BytesMut::from(&frame[..end]);
        assert_eq!(b.open(&mut input), Ok(Opened::NeedMore));
        assert_eq!(input, frame[..end]);
    }
    assert_eq!(open(&mut b, &frame), plain(b"hello"));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let frame = seal(&mut channels().0, b"hello");
    for bit in 0..8 * frame.len() {
        let mut flipped = frame.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let (_, mut b) = channels();
        let expected = match u16::from_be_bytes([flipped[0], flipped[1]]) {
            0..16 => Err(TOO_SHORT),
            22.. => Ok(Opened::NeedMore),
            _ => Err(ChannelError::NotAuthentic),
        };
        assert_eq!(open(&mut b, &flipped), expected, "bit {bit}");
    }
}

#[test]
fn replayed_lost_and_reordered_frames_are_noticed() {
    let (mut a, _) = channels();
    let [first, second] = [seal(&mut a, b"pay"), seal(&mut a, b"pay")];
    assert_ne!(first, second);
    // The frames that arrive, and how many of them open.
    let table = [(vec![&first, &second], 2), (vec![&first, &first, &second], 1), (vec![&second, &first], 0)];
    for (arriving, good) in table {
        let (_, mut b) = channels();
        for (index, frame) in arriving.iter().enumerate() {
            let expected = if index < good { plain(b"pay") } else { Err(ChannelError::NotAuthentic) };
            assert_eq!(open(&mut b, frame), expected, "frame {index}");
        }
    }
}

#[test]
fn a_frame_of_our_own_is_not_authentic() {
    let (mut a, _) = channels();
    let frame = seal(&mut a, b"mirror");
    assert_eq!(open(&mut a, &frame), Err(ChannelError::NotAuthentic));
}

/// RUSTSEC-2024-0011: elsewhere a bad frame was counted, and the good ones after it no longer opened. Here there are none after it.
#[test]
fn bad_frames() {
    let short = |len: u8| [&[0, len], vec![0; len.into()].as_slice()].concat();
    let table: [(Vec<u8>, ChannelError); 6] = [
        (short(0), TOO_SHORT),
        (short(1), TOO_SHORT),
        // Refused by the length alone.
        (vec![0, 15], TOO_SHORT),
        (short(16), ChannelError::NotAuthentic),
        (short(17), ChannelError::NotAuthentic),
        ([&[0xff; 2][..], &[0; 65_535]].concat(), ChannelError::NotAuthentic),
    ];
    for (bytes, error) in table {
        let (mut a, mut b) = channels();
        assert_eq!(open(&mut b, &bytes), Err(error.clone()));
        assert_eq!((error.blame(), b.inbound.nonce), (Blame::Peer, 0));
        assert_eq!(open(&mut b, &seal(&mut a, b"good")), Err(error), "a dead channel stays dead");
        seal(&mut b, b"last words");
    }
}

/// CVE-2021-4239: elsewhere the count began anew.
#[test]
fn the_count_of_frames_ends_at_its_maximum() {
    let (mut a, mut b) = channels();
    (a.outbound.nonce, b.inbound.nonce) = (u64::MAX - 2, u64::MAX - 2);
    carry(&mut a, &mut b, &[b"one".to_vec(), b"and the last".to_vec()], usize::MAX);
    for _ in 0..3 {
        let mut out = BytesMut::zeroed(7);
        assert_eq!(a.seal(&mut out, 0), Err(ChannelError::Exhausted));
        assert_eq!(out, [0; 7][..]);
        assert_eq!(open(&mut b, &[&[0, 16][..], &[0; 16]].concat()), Err(ChannelError::Exhausted));
    }
    assert_eq!((a.outbound.nonce, b.inbound.nonce), (u64::MAX, u64::MAX));
    // The other direction has a count of its own.
    carry(&mut b, &mut a, &[b"back".to_vec()], usize::MAX);
    assert_eq!(ChannelError::Exhausted.blame(), Blame::Limit);
}

#[test]
fn what_cannot_be_sealed_is_refused_and_changes_nothing() {
    let (mut a, mut b) = channels();
    let too_large =
        ChannelError::TooLarge { len: MAX_PLAINTEXT_BYTES as u64 + 1, max: MAX_PLAINTEXT_BYTES as u64 };
    let no_headroom = ChannelError::Malformed("it was begun without headroom");
    let table =
        [(2 + MAX_PLAINTEXT_BYTES + 1, 0, too_large), (1, 0, no_headroom.clone()), (2, 3, no_headroom)];
    for (len, frame_start, error) in table {
        let mut out = BytesMut::zeroed(len);
        assert_eq!(a.seal(&mut out, frame_start), Err(error));
        assert_eq!(out, vec![0; len]);
    }
    carry(&mut a, &mut b, &[b"still good".to_vec()], 1);
}

#[test]
fn an_idle_channel_is_small() {
    assert!(size_of::<NoiseChannel>() <= 72);
}
