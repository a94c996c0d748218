//! Frames, good and bad.

use super::sides::{carry, channels, parties, seal};
use super::{Protection, SecuritySuite};
use bytes::BytesMut;
use peerwork_core::machine::Blame;
use peerwork_core::security::{Channel, ChannelError, Opened};

/// Larger frames than this are not tried.
const MAX_TRIED_BYTES: usize = 1024 * 1024;

fn pair(suite: &SecuritySuite) -> [Box<dyn Channel>; 2] {
    channels(suite, &parties(suite))
}

fn open(channel: &mut dyn Channel, bytes: &[u8]) -> Result<Opened, ChannelError> {
    channel.open(&mut BytesMut::from(bytes))
}

pub(super) fn carries_frames_of_every_size(suite: &SecuritySuite) {
    let [mut a, mut b] = pair(suite);
    let max = a.max_plaintext();
    assert!(max >= 1024, "a channel carries at least 1,024 bytes in a frame, not {max}");
    assert_eq!((max, a.headroom(), a.tailroom()), (b.max_plaintext(), b.headroom(), b.tailroom()));
    let largest = max.min(MAX_TRIED_BYTES);
    let powers = (6..20).map(|power| 1_usize << power).flat_map(|size| [size - 1, size, size + 1]);
    let sizes = (0..64).chain(powers.filter(|size| *size <= largest)).chain([largest - 1, largest]);
    let messages: Vec<_> = sizes.map(|size| (0..size).map(|at| (at + size) as u8).collect()).collect();
    for chunk in [997, usize::MAX] {
        carry(&mut *a, &mut *b, &messages, chunk);
        carry(&mut *b, &mut *a, &messages, chunk);
    }
    carry(&mut *a, &mut *b, &messages[..64], 1);
}

pub(super) fn refuses_to_seal_too_much(suite: &SecuritySuite) {
    let [mut a, _] = pair(suite);
    let max = a.max_plaintext();
    if max > MAX_TRIED_BYTES {
        return;
    }
    let mut out = BytesMut::zeroed(a.headroom() + max + 1);
    let expected = ChannelError::TooLarge { len: max as u64 + 1, max: max as u64 };
    assert_eq!(a.seal(&mut out, 0), Err(expected));
}

pub(super) fn waits_for_whole_frames(suite: &SecuritySuite) {
    if suite.protection == Protection::Nothing {
        return;
    }
    let [mut a, mut b] = pair(suite);
    let frame = seal(&mut *a, b"hello");
    for end in 0..frame.len() {
        let mut input = BytesMut::from(&frame[..end]);
        assert_eq!(b.open(&mut input), Ok(Opened::NeedMore), "{end} bytes of a frame");
        assert!(input == frame[..end], "{end} bytes of a frame were touched");
    }
    let mut two = frame;
    two.unsplit(seal(&mut *a, b"and more"));
    assert_eq!(b.open(&mut two), Ok(Opened::Plain(BytesMut::from("hello"))), "one frame at a time");
    assert_eq!(b.open(&mut two), Ok(Opened::Plain(BytesMut::from("and more"))));
    assert_eq!(two, "");
}

pub(super) fn hides_what_it_carries(suite: &SecuritySuite) {
    if suite.protection == Protection::Nothing {
        return;
    }
    const PLAIN: &[u8] = b"nobody on the way is to read this";
    let [mut a, mut b] = pair(suite);
    for channel in [&mut a, &mut b] {
        let frames = [seal(&mut **channel, PLAIN), seal(&mut **channel, PLAIN)];
        assert_ne!(frames[0], frames[1], "the same plaintext gives the same frame: it can be recognised");
        for frame in frames {
            let shows = |part: &[u8]| frame.windows(part.len()).any(|window| window == part);
            assert!(!PLAIN.chunks_exact(8).any(shows), "plaintext shows in a sealed frame");
        }
    }
}

pub(super) fn notices_frames_out_of_place(suite: &SecuritySuite) {
    // The frames that arrive, by number, and how many of them are where they belong.
    let table: [(&str, &[usize], usize); 4] = [
        ("in order", &[0, 1, 2], 3),
        ("repeated", &[0, 0, 1], 1),
        ("lost", &[0, 2], 1),
        ("exchanged", &[1, 0], 0),
    ];
    for (what, arriving, good) in table {
        let [mut a, mut b] = pair(suite);
        // The same plaintext, so that nothing but the place of a frame differs.
        let frames = [0; 3].map(|_| seal(&mut *a, b"pay a hundred"));
        for (at, number) in arriving.iter().enumerate() {
            let opened = open(&mut *b, &frames[*number]);
            let whole = opened == Ok(Opened::Plain(BytesMut::from("pay a hundred")));
            match suite.protection {
                Protection::Nothing => {}
                _ if at < good => assert!(whole, "{what}: frame {at} is where it belongs: {opened:?}"),
                Protection::Frames => assert!(!whole, "{what}: frame {at} passes"),
                Protection::Sequence => assert!(opened.is_err(), "{what}: frame {at} gave {opened:?}"),
            }
        }
    }
}

pub(super) fn refuses_its_own_frames(suite: &SecuritySuite) {
    if suite.protection == Protection::Nothing {
        return;
    }
    for mut channel in pair(suite) {
        let frame = seal(&mut *channel, b"mirror");
        let opened = open(&mut *channel, &frame);
        let error = opened.expect_err("its own frame was opened");
        assert_eq!(error.blame(), Blame::Peer, "{error}");
    }
}

pub(super) fn stays_dead_after_a_bad_frame(suite: &SecuritySuite) {
    if suite.protection == Protection::Nothing {
        return;
    }
    let [mut a, mut b] = pair(suite);
    let mut bad = seal(&mut *a, b"bad");
    let last = bad.len() - 1;
    bad[last] ^= 1;
    let error = open(&mut *b, &bad).expect_err("an altered frame was opened");
    assert_eq!(error.blame(), Blame::Peer, "{error}");
    let mut good = seal(&mut *a, b"good");
    let before = good.clone();
    assert_eq!(b.open(&mut good), Err(error), "a dead channel stays dead");
    assert_eq!(good, before, "a dead channel takes nothing");
}

pub(super) fn has_a_largest_frame(suite: &SecuritySuite) {
    /// More than a frame may have that is only refused once it is there.
    const MAX_FRAME_BYTES: usize = 16 * 1024 * 1024;
    if suite.protection == Protection::Nothing {
        return;
    }
    let [mut a, _] = pair(suite);
    let opened = a.open(&mut BytesMut::from(&vec![0xff; MAX_FRAME_BYTES][..]));
    let error = opened.expect_err("16 MiB of noise were taken for a frame, or for the start of one");
    assert_eq!(error.blame(), Blame::Peer, "{error}");
}
