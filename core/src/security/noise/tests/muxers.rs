//! Agreeing on a muxer in the handshake.

use super::*;
use crate::security::testing::{NOW, Side, feed, meet, sent};
use crate::wire::protobuf::Writer;

const YAMUX: &str = "/yamux/1.0.0";
const MPLEX: &str = "/mplex/6.7.0";
const OTHER: &str = "/other";

#[test]
fn the_first_of_the_dialers_that_the_listener_has_is_chosen() {
    let table: [(&[&str], &[&str], Option<&str>); 10] = [
        (&[], &[], None),
        (&[YAMUX], &[], None),
        (&[], &[YAMUX], None),
        (&[YAMUX], &[MPLEX], None),
        (&[YAMUX], &[YAMUX], Some(YAMUX)),
        (&[YAMUX, MPLEX], &[MPLEX, YAMUX], Some(YAMUX)),
        (&[MPLEX, YAMUX], &[YAMUX, MPLEX], Some(MPLEX)),
        (&[OTHER, MPLEX, YAMUX], &[YAMUX, MPLEX], Some(MPLEX)),
        (&[YAMUX, MPLEX], &[OTHER, MPLEX], Some(MPLEX)),
        (&[YAMUX, YAMUX], &[YAMUX, YAMUX], Some(YAMUX)),
    ];
    for (dialers, listeners, chosen) in table {
        let sides = [(setup(1, Some(peer_id(2))), dialers), (setup(2, None), listeners)];
        let [mut dialer, mut listener] = sides.map(|(setup, muxers)| {
            Side::new(Noise.start(HandshakeSetup { muxers: ids(muxers), ..setup }, NOW))
        });
        let (dialed, accepted) = meet(&mut dialer, &mut listener, || usize::MAX).unwrap();
        let chosen = chosen.map(ProtocolId::from_static);
        assert_eq!((dialed.muxer, accepted.muxer), (chosen.clone(), chosen), "{dialers:?}, {listeners:?}");
    }
}

/// A payload of this side whose extensions are these bytes.
fn with_extensions(side: &Known, extensions: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::from(&side.payload()[..]);
    Writer::new(&mut out).bytes(4, extensions);
    out.to_vec()
}

fn extensions(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut Writer::new(&mut out));
    out.to_vec()
}

/// The names of what the dialer and the listener choose.
type Chosen = [Option<&'static str>; 2];

/// What we choose, in either role, if the remote's payload is this. We have yamux and mplex.
fn chosen(payload: impl Fn(&Known) -> Vec<u8>) -> [Option<ProtocolId>; 2] {
    let muxers = ids(&[YAMUX, MPLEX]);
    let mut dialer = DIALER.start_with(HandshakeSetup { muxers: Arc::clone(&muxers), ..DIALER.setup() });
    let dialed = feed(&mut *dialer, &second(&payload(&LISTENER)), usize::MAX).unwrap().unwrap().0;

    let mut listener = LISTENER.start_with(HandshakeSetup { muxers, ..LISTENER.setup() });
    let mut remote = DIALER.pattern();
    let first = framed(|out| remote.write_first(&[], out).unwrap());
    assert!(feed(&mut *listener, &first, usize::MAX).unwrap().is_none());
    let mut second = BytesMut::from(&sent(&mut *listener, usize::MAX)[2..]);
    let (remote_ephemeral, _) = remote.read_second(&mut second).unwrap();
    let third = framed(|out| remote.write_third(&remote_ephemeral, &payload(&DIALER), out).unwrap());
    let accepted = feed(&mut *listener, &third, usize::MAX).unwrap().unwrap().0;
    [dialed.muxer, accepted.muxer]
}

#[test]
fn what_we_do_not_know_is_passed_over() {
    let both = extensions(|writer| {
        writer.string(2, MPLEX);
        writer.string(2, YAMUX);
    });
    let (yamux, mplex) = (Some(YAMUX), Some(MPLEX));
    let table: [(&str, Vec<u8>, Chosen); 8] = [
        ("nothing in them", vec![], [None, None]),
        ("both muxers", both.clone(), [yamux, mplex]),
        (
            "certificate hashes before and behind",
            [&[0x0a, 2, 0x12, 0x20][..], &both, &[0x0a, 0]].concat(),
            [yamux, mplex],
        ),
        (
            "extensions of the future",
            [extensions(|writer| writer.varint(1_025, 7)), both.clone()].concat(),
            [yamux, mplex],
        ),
        ("a name that is no text", extensions(|writer| writer.bytes(2, &[0xff, 0xfe])), [None, None]),
        ("an empty name", extensions(|writer| writer.string(2, "")), [None, None]),
        ("part of a name", extensions(|writer| writer.string(2, "/yamux")), [None, None]),
        (
            "a thousand others first",
            [extensions(|writer| (0..1_000).for_each(|_| writer.string(2, OTHER))), both].concat(),
            [yamux, mplex],
        ),
    ];
    for (what, extensions, expected) in table {
        let expected = expected.map(|id| id.map(ProtocolId::from_static));
        assert_eq!(chosen(|side| with_extensions(side, &extensions)), expected, "{what}");
    }
}

#[test]
fn the_last_extensions_count() {
    let mplex = extensions(|writer| writer.string(2, MPLEX));
    let twice =
        |side: &Known| [with_extensions(side, &mplex), extensions(|writer| writer.bytes(4, &[]))].concat();
    assert_eq!(chosen(twice), [None, None]);
}

#[test]
fn the_old_field_for_data_is_ignored() {
    let payload = |side: &Known| {
        let data = extensions(|writer| {
            writer.bytes(3, b"data");
            writer.varint(9, 1);
        });
        [data, side.payload()].concat()
    };
    assert_eq!(chosen(payload), [None, None]);
}

#[test]
fn more_muxers_than_a_message_can_hold_are_our_own_fault() {
    let name = format!("/{}", "x".repeat(999));
    let muxers: Arc<[_]> = (0..70).map(|_| ProtocolId::new(&name).unwrap()).collect();
    let mut listener = LISTENER.start_with(HandshakeSetup { muxers, ..LISTENER.setup() });
    let error = feed(&mut *listener, &first(&[]), usize::MAX).unwrap_err();
    assert_eq!(
        error.to_string(),
        "this node cannot take part in the handshake: its message has 70414 bytes of at most 65535: configure fewer muxers"
    );
}
