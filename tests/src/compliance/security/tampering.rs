//! What somebody on the way can do to the bytes.

use super::sides::{Heard, HeardEnd, MESSAGES, Party, Recording, play, recordings};
use super::{Protection, SecuritySuite};
use peerwork_core::machine::Blame;
use peerwork_core::security::SecurityError;
use peerwork_core::seed::Seed;

pub(super) fn ends_with_the_bytes(suite: &SecuritySuite) {
    for recording in recordings(suite) {
        let whole = play(suite, &recording.hears, &recording.bytes, usize::MAX);
        assert_eq!(whole.peer, Some(recording.from));
        assert_eq!(whole.plain, MESSAGES.concat());
        for end in 0..recording.bytes.len() {
            let heard = play(suite, &recording.hears, &recording.bytes[..end], usize::MAX);
            match &heard.end {
                HeardEnd::Handshake(SecurityError::Ended(_)) if end < recording.handshake_bytes => {}
                HeardEnd::Ended if heard.peer == Some(recording.from) => {}
                other => panic!("after {end} bytes: {other:?}"),
            }
            expect_prefix(&heard);
        }
        for chunk in [1, 2, 3, 50] {
            assert_eq!(play(suite, &recording.hears, &recording.bytes, chunk), whole, "in pieces of {chunk}");
        }
    }
}

fn expect_prefix(heard: &Heard) {
    let sent = MESSAGES.concat();
    assert!(sent.starts_with(&heard.plain), "{:?} came out and was never sent", heard.plain);
}

/// Plays altered bytes, which must not pass for anything but the start of what was said.
fn expect_no_harm(suite: &SecuritySuite, recording: &Recording, altered: &[u8], what: &str) {
    let heard = play(suite, &recording.hears, altered, usize::MAX);
    if suite.protection == Protection::Nothing {
        // Anybody can say that he is anybody, but not pass for another than the one who is expected.
        let peer = heard.peer.filter(|_| recording.hears.expects.is_some());
        return assert!(peer.is_none_or(|peer| peer == recording.from), "{what} made {peer:?} of the peer");
    }
    assert!(heard.peer.is_none_or(|peer| peer == recording.from), "{what} made {:?} of the peer", heard.peer);
    let sent = MESSAGES.concat();
    assert!(sent.starts_with(&heard.plain), "{what} made {:?} of {sent:?}", heard.plain);
    assert_ne!(heard.plain, sent, "{what} was not noticed");
}

pub(super) fn survives_any_flipped_bit(suite: &SecuritySuite, case: u64) {
    for recording in recordings(suite) {
        let mut altered = recording.bytes.clone();
        // Sixteen cases in a row flip every bit there is.
        for at in (case as usize / 8 % 2..altered.len()).step_by(2) {
            let bit = 1 << ((at as u64 / 2 + case) % 8);
            if suite.meaningless.contains(&(recording.hears.role, at, bit)) {
                continue;
            }
            altered[at] ^= bit;
            let what = format!("the bit {bit:#x} of byte {at}, sent to the {:?},", recording.hears.role);
            expect_no_harm(suite, &recording, &altered, &what);
            altered[at] ^= bit;
        }
    }
}

pub(super) fn survives_a_byte_lost_or_repeated(suite: &SecuritySuite, case: u64) {
    for recording in recordings(suite) {
        let bytes = &recording.bytes;
        // Sixteen cases in a row come by every byte there is.
        for at in (case as usize % 16..bytes.len()).step_by(16) {
            let lost = [&bytes[..at], &bytes[at + 1..]].concat();
            let repeated = [&bytes[..=at], &bytes[at..]].concat();
            // A byte that repeats its neighbour is lost at the end, so nothing shows before.
            expect_no_harm(suite, &recording, &lost, &format!("the loss of byte {at}"));
            expect_no_sense(suite, &recording, &repeated, at);
        }
    }
}

/// A byte came twice: behind the last frame, where it may wait for more, or in the middle, where it must be noticed.
fn expect_no_sense(suite: &SecuritySuite, recording: &Recording, repeated: &[u8], at: usize) {
    if suite.protection > Protection::Nothing && repeated[..recording.bytes.len()] == recording.bytes[..] {
        let heard = play(suite, &recording.hears, repeated, usize::MAX);
        return assert_eq!(heard.plain, MESSAGES.concat(), "a byte behind the last frame changed it");
    }
    expect_no_harm(suite, recording, repeated, &format!("the repetition of byte {at}"));
}

pub(super) fn survives_garbage(suite: &SecuritySuite, case: u64) {
    /// More than any handshake may ask for before it looks at what it has.
    const MAX_BYTES: usize = 128 * 1024;
    let mut draw = Seed::reproducible(case).child("garbage");
    for recording in recordings(suite) {
        let mut noise = vec![0; MAX_BYTES];
        draw.fill(&mut noise);
        let sense = draw.below(recording.handshake_bytes as u64) as usize;
        let half_sensible = [&recording.bytes[..sense], &noise].concat();
        let http = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n".repeat(MAX_BYTES / 16);
        for garbage in [noise, half_sensible, vec![0; MAX_BYTES], vec![0xff; MAX_BYTES], http] {
            let heard = play(suite, &recording.hears, &garbage, 1 + draw.below(2_000) as usize);
            let HeardEnd::Handshake(error) = heard.end else { panic!("garbage secured {:?}", heard.peer) };
            assert!(
                !matches!(error, SecurityError::Ended(_)),
                "{MAX_BYTES} bytes of garbage were not enough"
            );
            assert_eq!(error.blame(), Blame::Peer, "{error}");
        }
    }
}

pub(super) fn believes_no_replay(suite: &SecuritySuite) {
    if suite.protection == Protection::Nothing {
        return;
    }
    for recording in recordings(suite) {
        let hears = Party { chance: 8, ..recording.hears.clone() };
        let heard = play(suite, &hears, &recording.bytes, usize::MAX);
        assert_eq!(heard.plain, b"", "a recording was believed");
        assert!(heard.end != HeardEnd::Ended || heard.peer.is_none(), "a recording was not noticed");
    }
}
