mod lazy;
mod openings;

use super::*;
use crate::machine::{Close, End, Layer};
use crate::time::Instant;
use bytes::BytesMut;
use data_encoding::HEXLOWER;
use proptest::collection::vec;
use proptest::prelude::*;
use smallvec::smallvec;
use std::collections::BTreeMap;
use std::sync::Arc;

const NOW: Instant = Instant::ORIGIN;

const HEADER: &str = "132f6d756c746973747265616d2f312e302e300a";
const MPLEX: &str = "0d2f6d706c65782f362e372e300a";
const YAMUX: &str = "0d2f79616d75782f312e302e300a";
const NA: &str = "036e610a";
const LS: &str = "036c730a";

const MPLEX_ID: ProtocolId = ProtocolId::from_static("/mplex/6.7.0");
const YAMUX_ID: ProtocolId = ProtocolId::from_static("/yamux/1.0.0");

type Supporting = Listener<[ProtocolId]>;

fn dialer(proposals: &[ProtocolId]) -> Dialer {
    Dialer::new(proposals.iter().cloned().collect(), NOW)
}

fn listener(supported: &[ProtocolId]) -> Supporting {
    Listener::new(supported.into(), NOW)
}

fn bytes(hex: &[&str]) -> BytesMut {
    HEXLOWER.decode(hex.concat().as_bytes()).unwrap().as_slice().into()
}

/// A message as it is on the wire; the length is right also where the protocol forbids it.
fn message(body: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    crate::wire::frame::encode(body, &mut out);
    out
}

fn transmit(layer: &mut impl Layer, max: usize) -> BytesMut {
    let mut out = BytesMut::new();
    loop {
        let before = out.len();
        assert_eq!(layer.poll_transmit(&mut out, max, NOW), out.len() - before);
        if out.len() == before {
            return out;
        }
    }
}

/// Feeds `input` in pieces of `chunk` bytes; what the layer leaves comes again in front of the next piece.
fn feed<L: Layer>(layer: &mut L, input: &[u8], chunk: usize) -> Result<BytesMut, L::Error> {
    let mut pending = BytesMut::new();
    for piece in input.chunks(chunk) {
        pending.extend_from_slice(piece);
        layer.handle_input(&mut pending, NOW)?;
    }
    Ok(pending)
}

#[test]
fn names_of_the_reference() {
    let table = [
        ("/mplex/6.7.0", MPLEX),
        ("/yamux/1.0.0", YAMUX),
        ("/secio/1.0.0", "0d2f736563696f2f312e302e300a"),
        ("/noise", "072f6e6f6973650a"),
        ("/tls/1.0.0", "0b2f746c732f312e302e300a"),
        ("/plaintext/2.0.0", "112f706c61696e746578742f322e302e300a"),
        ("/ipfs/id/1.0.0", "0f2f697066732f69642f312e302e300a"),
        ("/ipfs/ping/1.0.0", "112f697066732f70696e672f312e302e300a"),
        ("/ipfs/kad/1.0.0", "102f697066732f6b61642f312e302e300a"),
    ];
    for (name, hex) in table {
        let id = ProtocolId::new(name).unwrap();
        let mut dialer = dialer(std::slice::from_ref(&id));
        assert_eq!(transmit(&mut dialer, usize::MAX), bytes(&[HEADER, hex]), "{name}");
        feed(&mut dialer, &bytes(&[HEADER, hex]), 1).unwrap();
        assert_eq!(dialer.poll_event(), Some(Negotiated(id.clone())), "{name}");

        let mut listener = listener(std::slice::from_ref(&id));
        feed(&mut listener, &bytes(&[HEADER, hex]), 1).unwrap();
        assert_eq!(listener.poll_event(), Some(Negotiated(id)), "{name}");
        assert_eq!(transmit(&mut listener, usize::MAX), bytes(&[HEADER, hex]), "{name}");
    }
}

#[test]
fn a_name_of_301_bytes_has_a_length_of_two() {
    let id = ProtocolId::new(&format!("/{}", "a".repeat(300))).unwrap();
    let out = transmit(&mut dialer(&[id]), usize::MAX);
    assert_eq!(out[20..23], [0xae, 0x02, 0x2f]);
}

#[test]
fn lists_of_the_reference() {
    let table: [(&[ProtocolId], &str); 3] = [
        (&[], "010a"),
        (&[MPLEX_ID], "0f0d2f6d706c65782f362e372e300a0a"),
        (&[YAMUX_ID, MPLEX_ID], "1d0d2f79616d75782f312e302e300a0d2f6d706c65782f362e372e300a0a"),
    ];
    for (supported, hex) in table {
        let mut listener = listener(supported);
        feed(&mut listener, &bytes(&[HEADER, LS]), 1).unwrap();
        assert_eq!(transmit(&mut listener, usize::MAX), bytes(&[HEADER, hex]));
    }
}

#[test]
fn a_list_is_cut_where_a_message_is_full() {
    let supported: Vec<_> = (0..500).map(|n| ProtocolId::new(&format!("/protocol/{n}")).unwrap()).collect();
    let mut listener = listener(&supported);
    feed(&mut listener, &bytes(&[HEADER, LS]), 1).unwrap();
    let out = transmit(&mut listener, usize::MAX);
    let (message, len) = codec::decode(&out[20..]).unwrap().unwrap();
    assert_eq!(len, out.len() - 20);
    assert!((MAX_MESSAGE_BYTES - 20..=MAX_MESSAGE_BYTES + 2).contains(&len));
    assert!(matches!(message, codec::Message::Name(list) if list.contains("/protocol/60\n")));
}

#[test]
fn the_dialer_proposes_again_after_a_refusal() {
    let mut dialer = dialer(&[YAMUX_ID, MPLEX_ID]);
    assert_eq!(transmit(&mut dialer, usize::MAX), bytes(&[HEADER, YAMUX]));
    feed(&mut dialer, &bytes(&[HEADER, NA]), 1).unwrap();
    assert_eq!(dialer.poll_event(), None);
    assert_eq!(transmit(&mut dialer, usize::MAX), bytes(&[MPLEX]));
    let rest = feed(&mut dialer, &bytes(&[MPLEX, "beef"]), 1).unwrap();
    assert_eq!(rest, bytes(&["beef"]));
    assert_eq!(dialer.poll_event(), Some(Negotiated(MPLEX_ID)));
    assert_eq!(dialer.poll_event(), None);
    assert_eq!(dialer.poll_close(), None);
}

#[test]
fn the_dialer_takes_answers_that_come_before_it_has_asked() {
    let mut dialer = dialer(&[YAMUX_ID, MPLEX_ID]);
    feed(&mut dialer, &bytes(&[HEADER, NA, MPLEX]), usize::MAX).unwrap();
    assert_eq!(dialer.poll_event(), Some(Negotiated(MPLEX_ID)));
    assert_eq!(transmit(&mut dialer, 1), bytes(&[HEADER, YAMUX, MPLEX]));
}

#[test]
fn the_listener_says_nothing_before_the_dialer_does() {
    let mut listener = listener(&[MPLEX_ID]);
    assert_eq!(transmit(&mut listener, usize::MAX), "");
    feed(&mut listener, &bytes(&[HEADER]), 1).unwrap();
    assert_eq!(transmit(&mut listener, usize::MAX), bytes(&[HEADER]));
}

#[test]
fn a_map_is_a_set_of_protocols() {
    let map = BTreeMap::from([(MPLEX_ID, 1), (YAMUX_ID, 2)]);
    let mut listener = Listener::new(Arc::new(map), NOW);
    feed(&mut listener, &bytes(&[HEADER, LS, NA, YAMUX]), 1).unwrap();
    let list = "1d0d2f6d706c65782f362e372e300a0d2f79616d75782f312e302e300a0a";
    assert_eq!(transmit(&mut listener, usize::MAX), bytes(&[HEADER, list, NA, YAMUX]));
    assert_eq!(listener.poll_event(), Some(Negotiated(YAMUX_ID)));
}

/// Messages that are wrong wherever a message may stand behind the header.
fn bad_messages() -> Vec<(&'static str, BytesMut, NegotiationError)> {
    use NegotiationError::{Malformed, TooLarge};
    let raw = |bytes: &[u8]| BytesMut::from(bytes);
    vec![
        ("no newline", message(b"/mplex/6.7.0"), Malformed("no newline at the end of a message")),
        ("no newline, one byte", raw(b"\x01a"), Malformed("no newline at the end of a message")),
        ("empty", raw(&[0]), Malformed("an empty message")),
        ("length not minimal", raw(&[0x83, 0]), Malformed("the length is not a minimal varint")),
        ("not UTF-8", message(b"/\xff\n"), Malformed("a message that is not UTF-8")),
        ("one byte too long", raw(&[0x81, 0x08]), TooLarge),
        ("longest length of two bytes", raw(&[0xff, 0x7f]), TooLarge),
        ("a length of three bytes", raw(&[0x80, 0x80]), TooLarge),
    ]
}

fn assert_dies<L: Layer<Event = Negotiated, Error = NegotiationError>>(
    what: &str,
    start: impl Fn() -> L,
    input: &[u8],
    error: &NegotiationError,
) {
    for chunk in [1, 3, usize::MAX] {
        let mut layer = start();
        assert_eq!(feed(&mut layer, input, chunk).as_ref(), Err(error), "{what}, chunks of {chunk}");
        let close = if *error == NegotiationError::Refused { Close::Flush } else { Close::Now };
        assert_eq!(layer.poll_close(), Some(close), "{what}");
        if close == Close::Flush {
            assert_eq!(transmit(&mut layer, 1), bytes(&[HEADER, NA]), "{what}: the dialer learns why");
        }
        let mut more = bytes(&[HEADER, MPLEX]);
        assert_eq!(layer.handle_input(&mut more, NOW).as_ref(), Err(error), "{what}: dead means dead");
        layer.handle_end(End::Closed, NOW);
        assert_eq!(layer.handle_input(&mut more, NOW).as_ref(), Err(error), "{what}: dead means dead");
        assert_eq!(more, bytes(&[HEADER, MPLEX]), "{what}: a dead layer takes nothing");
        assert_eq!(layer.poll_event(), None, "{what}");
        assert_eq!(transmit(&mut layer, usize::MAX), "", "{what}");
    }
}

#[test]
fn bad_input() {
    use NegotiationError::*;
    let one_dialer = || dialer(&[MPLEX_ID]);
    let one_listener = || listener(&[MPLEX_ID]);
    for (what, bad, error) in bad_messages() {
        let mut input = bytes(&[HEADER]);
        input.extend_from_slice(&bad);
        assert_dies(what, one_dialer, &input, &error);
        assert_dies(what, one_listener, &input, &error);

        let mut input = bytes(&[HEADER, YAMUX]);
        input.extend_from_slice(&bad);
        assert_dies(what, one_listener, &input, &Refused);
    }
    for (what, input) in [
        ("a protocol without the header", bytes(&[MPLEX])),
        ("another version", message(b"/multistream/2.0.0\n")),
        ("HTTP", BytesMut::from(&b"GET / HTTP/1.1\r\n"[..])),
        ("TLS", BytesMut::from(&b"\x16\x03\x01"[..])),
        ("a zero byte", BytesMut::from(&b"\0"[..])),
    ] {
        assert_dies(what, one_dialer, &input, &BadHeader);
        assert_dies(what, one_listener, &input, &BadHeader);
    }
    for (what, answer, text) in [
        ("another protocol", YAMUX, "/yamux/1.0.0"),
        ("the header again", HEADER, "/multistream/1.0.0"),
        ("a question", LS, "ls"),
        ("a list", "0f0d2f6d706c65782f362e372e300a0a", "\r/mplex/6.7.0\n"),
    ] {
        assert_dies(what, one_dialer, &bytes(&[HEADER, answer]), &UnexpectedAnswer(text.into()));
    }
    assert_dies("refused", one_dialer, &bytes(&[HEADER, NA]), &Unsupported(smallvec![MPLEX_ID]));
    let both = || dialer(&[YAMUX_ID, MPLEX_ID]);
    assert_dies("all refused", both, &bytes(&[HEADER, NA, NA]), &Unsupported(smallvec![YAMUX_ID, MPLEX_ID]));
    assert_dies("nothing to propose", || dialer(&[]), &bytes(&[HEADER]), &NothingProposed);
}

#[test]
fn endless_proposals_have_an_end() {
    for proposal in [YAMUX, NA, LS] {
        let mut input = vec![HEADER];
        input.extend([proposal; MAX_PROPOSALS]);
        let mut patient = listener(&[MPLEX_ID]);
        feed(&mut patient, &bytes(&input), 5).unwrap();
        input.push(proposal);
        assert_dies("endless", || listener(&[MPLEX_ID]), &bytes(&input), &NegotiationError::TooManyProposals);
    }
}

#[test]
fn the_end_before_agreement_is_an_error_at_every_byte() {
    fn check<L: Layer<Event = Negotiated, Error = NegotiationError>>(
        start: impl Fn() -> L,
        input: &[u8],
        refused_from: usize,
    ) {
        for end in 0..=input.len() {
            let mut layer = start();
            layer.handle_input(&mut BytesMut::new(), NOW).unwrap();
            feed(&mut layer, &input[..end], usize::MAX).unwrap();
            layer.handle_end(End::Closed, NOW);
            let outcome = layer.handle_input(&mut BytesMut::new(), NOW);
            if end < input.len() {
                let (error, close) = match end < refused_from {
                    true => (NegotiationError::Ended, Close::Now),
                    false => (NegotiationError::Refused, Close::Flush),
                };
                assert_eq!(outcome, Err(error), "at {end}");
                assert_eq!(layer.poll_close(), Some(close), "at {end}");
                assert_eq!(layer.poll_event(), None, "at {end}");
            } else {
                assert_eq!(outcome, Ok(()));
                assert_eq!(layer.poll_close(), None);
                assert_eq!(layer.poll_event(), Some(Negotiated(MPLEX_ID)));
            }
        }
    }
    let input = bytes(&[HEADER, NA, MPLEX]);
    check(|| dialer(&[YAMUX_ID, MPLEX_ID]), &input, usize::MAX);
    check(|| listener(&[MPLEX_ID]), &input, bytes(&[HEADER, NA]).len());
}

#[test]
fn blame_is_told() {
    use crate::machine::Blame;
    let table = [
        (NegotiationError::Unsupported(smallvec![MPLEX_ID]), Blame::Peer),
        (NegotiationError::NothingProposed, Blame::Caller),
        (NegotiationError::BadHeader, Blame::Peer),
        (NegotiationError::TooLarge, Blame::Peer),
        (NegotiationError::Malformed(""), Blame::Peer),
        (NegotiationError::UnexpectedAnswer("".into()), Blame::Peer),
        (NegotiationError::TooManyProposals, Blame::Limit),
        (NegotiationError::Refused, Blame::Closed),
        (NegotiationError::Ended, Blame::Closed),
    ];
    for (error, blame) in table {
        assert_eq!(error.blame(), blame, "{error}");
    }
    let unsupported = NegotiationError::Unsupported(smallvec![YAMUX_ID, MPLEX_ID]);
    assert_eq!(unsupported.to_string(), "the peer does not speak /yamux/1.0.0, /mplex/6.7.0");
}

#[test]
fn a_negotiation_is_small() {
    assert!(size_of::<Dialer>() <= 104, "{}", size_of::<Dialer>());
    assert!(size_of::<Supporting>() <= 128, "{}", size_of::<Supporting>());
}

/// Moves bytes from one layer to the other, `cut` bytes at most.
fn carry(
    from: &mut impl Layer,
    wire: &mut BytesMut,
    to: &mut impl Layer,
    pending: &mut BytesMut,
    cut: usize,
) {
    from.poll_transmit(wire, cut, NOW);
    pending.extend_from_slice(&wire.split_to(cut.min(wire.len())));
    // The outcome is asked for at the end.
    let _ = to.handle_input(pending, NOW);
}

proptest! {
    #[test]
    fn both_sides_agree_on_the_first_common_proposal(
        proposals in vec(0_u8..12, 1..6),
        supported in vec(0_u8..12, 0..6),
        cuts in vec(1_usize..40, 1..20),
    ) {
        let ids = |numbers: &[u8]| -> Vec<_> {
            numbers.iter().map(|n| ProtocolId::new(&format!("/{}", "p".repeat(usize::from(*n) + 1))).unwrap()).collect()
        };
        let expected = proposals.iter().find(|n| supported.contains(n)).map(|n| ids(&[*n]).remove(0));
        let mut dialer = dialer(&ids(&proposals));
        let mut listener = listener(&ids(&supported));
        let mut wires = [BytesMut::new(), BytesMut::new()];
        let mut inputs = [BytesMut::new(), BytesMut::new()];
        for cut in cuts.iter().cycle().take(2_000) {
            carry(&mut dialer, &mut wires[0], &mut listener, &mut inputs[0], *cut);
            carry(&mut listener, &mut wires[1], &mut dialer, &mut inputs[1], *cut);
        }
        prop_assert!(wires.iter().all(|left| left.is_empty()));
        prop_assert_eq!(dialer.poll_event(), expected.clone().map(Negotiated));
        prop_assert_eq!(listener.poll_event(), expected.clone().map(Negotiated));
        let outcome = dialer.handle_input(&mut BytesMut::new(), NOW);
        match expected {
            Some(_) => {
                prop_assert_eq!(outcome, Ok(()));
                prop_assert!(inputs.iter().all(|left| left.is_empty()));
            }
            None => {
                prop_assert_eq!(outcome, Err(NegotiationError::Unsupported(ids(&proposals).into())));
                listener.handle_end(End::Closed, NOW);
                prop_assert_eq!(listener.handle_input(&mut BytesMut::new(), NOW), Err(NegotiationError::Refused));
            }
        }
    }

    #[test]
    fn noise_gives_the_same_outcome_in_any_chunks(
        noise in vec(prop_oneof![any::<u8>(), 0_u8..4, Just(b'\n')], 0..60),
        header: bool,
        chunk in 1_usize..10,
    ) {
        let mut input = if header { bytes(&[HEADER]) } else { BytesMut::new() };
        input.extend_from_slice(&noise);
        let outcome = |chunk: usize| {
            let mut listener = listener(&[MPLEX_ID]);
            let left = feed(&mut listener, &input, chunk);
            (left, listener.poll_event(), transmit(&mut listener, usize::MAX))
        };
        prop_assert_eq!(outcome(chunk), outcome(usize::MAX));
    }
}
