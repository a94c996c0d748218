//! Frames, good and bad.

use super::*;
use crate::machine::Blame;
use crate::security::secio::channel::MAX_PLAINTEXT_BYTES;
use crate::security::testing::{carry, seal};
use crate::security::{Channel, ChannelError, Opened};

const MAC_BYTES: usize = 32;

fn channels() -> (SecioChannel, SecioChannel) {
    (A.channel(DEFAULT_MAX_FRAME_BYTES), B.channel(DEFAULT_MAX_FRAME_BYTES))
}

fn open(channel: &mut SecioChannel, bytes: &[u8]) -> Result<Opened, ChannelError> {
    channel.open(&mut BytesMut::from(bytes))
}

fn plain(bytes: &[u8]) -> Result<Opened, ChannelError> {
    Ok(Opened::Plain(BytesMut::from(bytes)))
}

#[test]
fn frames_of_all_sizes_pass() {
    let (mut a, mut b) = channels();
    let sizes = [0, 1, 15, 16, 17, 0, 1000, MAX_PLAINTEXT_BYTES];
    let messages: Vec<_> = sizes.iter().map(|&size| vec![size as u8; size]).collect();
    for chunk in [1, 1000, usize::MAX] {
        carry(&mut a, &mut b, &messages, chunk);
        carry(&mut b, &mut a, &messages, chunk);
    }
}

#[test]
fn a_frame_is_opened_where_it_lies() {
    let (mut a, mut b) = channels();
    let mut input = seal(&mut a, b"one");
    input.unsplit(seal(&mut a, b"two"));
    let start = input.as_ptr();
    let Ok(Opened::Plain(one)) = b.open(&mut input) else { panic!("a frame") };
    assert_eq!((one.as_ptr(), &one[..]), (start.wrapping_add(4), b"one".as_slice()));
    assert_eq!(input.len(), 4 + 3 + MAC_BYTES);
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
    let hello = hex(B.hello_frame);
    for bit in 0..8 * hello.len() {
        let mut receiver = A.channel(DEFAULT_MAX_FRAME_BYTES);
        assert!(matches!(open(&mut receiver, &hex(B.nonce_frame)), Ok(Opened::Plain(_))));
        let mut frame = hello.clone();
        frame[bit / 8] ^= 1 << (bit % 8);
        let expected = if bit < 32 { wrong_length(&frame) } else { Err(ChannelError::NotAuthentic) };
        assert_eq!(open(&mut receiver, &frame), expected, "bit {bit}");
    }
}

/// What a frame whose length was altered gives.
fn wrong_length(frame: &[u8]) -> Result<Opened, ChannelError> {
    let len = u32::from_be_bytes(*frame.first_chunk().unwrap());
    if len > DEFAULT_MAX_FRAME_BYTES {
        Err(ChannelError::TooLarge { len: len.into(), max: DEFAULT_MAX_FRAME_BYTES.into() })
    } else if len < MAC_BYTES as u32 {
        Err(ChannelError::Malformed("it is shorter than its authentication code"))
    } else if len as usize > frame.len() - 4 {
        Ok(Opened::NeedMore)
    } else {
        Err(ChannelError::NotAuthentic)
    }
}

/// The code does not cover the frame's place, so such frames are authentic to secio; what they hold is noise.
#[test]
fn replayed_lost_and_reordered_frames_give_noise() {
    let (mut a, _) = channels();
    // The same plaintext, so that nothing but the place of the frame differs.
    let [first, second] = [seal(&mut a, b"pay"), seal(&mut a, b"pay")];
    assert_ne!(first, second);
    // The frames that arrive, and how many of them open as they were sent.
    let table = [(vec![&first, &second], 2), (vec![&first, &first, &second], 1), (vec![&second, &first], 0)];
    for (arriving, good) in table {
        let (_, mut b) = channels();
        for (index, frame) in arriving.iter().enumerate() {
            let Ok(Opened::Plain(opened)) = open(&mut b, frame) else { panic!("frame {index}") };
            assert_eq!(opened == "pay", index < good, "frame {index}");
        }
    }
}

#[test]
fn a_frame_of_our_own_is_not_authentic() {
    let (mut a, _) = channels();
    let frame = seal(&mut a, b"mirror");
    assert_eq!(open(&mut a, &frame), Err(ChannelError::NotAuthentic));
}

#[test]
fn bad_frames() {
    let short = |len: u8| [&[0, 0, 0, len], vec![0; len.into()].as_slice()].concat();
    let too_short = ChannelError::Malformed("it is shorter than its authentication code");
    let too_large = |len| ChannelError::TooLarge { len, max: DEFAULT_MAX_FRAME_BYTES.into() };
    let table: [(Vec<u8>, ChannelError); 7] = [
        (short(0), too_short.clone()),
        (short(1), too_short.clone()),
        (short(31), too_short),
        (short(32), ChannelError::NotAuthentic),
        (short(33), ChannelError::NotAuthentic),
        // Refused by the length alone.
        (vec![0, 0x80, 0, 1], too_large(0x80_0001)),
        (vec![0xff; 4], too_large(0xffff_ffff)),
    ];
    for (bytes, error) in table {
        let (mut a, mut b) = channels();
        assert_eq!(open(&mut b, &bytes), Err(error.clone()));
        assert_eq!(error.blame(), Blame::Peer);
        assert_eq!(open(&mut b, &seal(&mut a, b"good")), Err(error), "a dead channel stays dead");
        seal(&mut b, b"last words");
    }
}

#[test]
fn the_limit_itself_is_allowed() {
    let mut a = A.channel(DEFAULT_MAX_FRAME_BYTES);
    let frame = seal(&mut a, &[7; 100]);
    let max = 100 + MAC_BYTES as u32;
    assert_eq!(open(&mut B.channel(max), &frame), plain(&[7; 100]));
    let error = ChannelError::TooLarge { len: max.into(), max: u64::from(max) - 1 };
    assert_eq!(open(&mut B.channel(max - 1), &frame), Err(error));
    assert_eq!(open(&mut B.channel(DEFAULT_MAX_FRAME_BYTES), &[0, 0x80, 0, 0]), Ok(Opened::NeedMore));
}

#[test]
fn what_cannot_be_sealed_is_refused_and_changes_nothing() {
    let (mut a, mut b) = channels();
    let too_large =
        ChannelError::TooLarge { len: MAX_PLAINTEXT_BYTES as u64 + 1, max: MAX_PLAINTEXT_BYTES as u64 };
    let no_headroom = ChannelError::Malformed("it was begun without headroom");
    let table =
        [(4 + MAX_PLAINTEXT_BYTES + 1, 0, too_large), (3, 0, no_headroom.clone()), (4, 5, no_headroom)];
    for (len, frame_start, error) in table {
        let mut out = BytesMut::zeroed(len);
        assert_eq!(a.seal(&mut out, frame_start), Err(error));
        assert_eq!(out, vec![0; len]);
    }
    carry(&mut a, &mut b, &[b"still good".to_vec()], 1);
}

#[test]
fn an_idle_channel_is_small() {
    assert!(size_of::<SecioChannel>() <= 112);
}
