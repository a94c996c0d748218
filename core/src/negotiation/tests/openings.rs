//! Everything that a negotiation may begin with, and what comes of it.

use super::*;
use NegotiationError::*;

/// What the other side sends, in the order in which it does.
type Pieces<'a> = &'a [&'a [u8]];

const H: &[u8] = b"\x13/multistream/1.0.0\n";
const M: &[u8] = b"\x0d/mplex/6.7.0\n";
const Y: &[u8] = b"\x0d/yamux/1.0.0\n";
const N: &[u8] = b"\x03na\n";
const L: &[u8] = b"\x03ls\n";
const LIST: &[u8] = b"\x0f\x0d/mplex/6.7.0\n\n";

/// A proposal that takes `len` bytes behind its length.
fn proposal(len: usize) -> BytesMut {
    message(format!("/{}\n", "a".repeat(len - 2)).as_bytes())
}

/// The outcome of a listener that has mplex: what it sends, what is left for the next layer, the error.
fn listen(input: Pieces<'_>, chunk: usize, max: usize) -> (BytesMut, Result<BytesMut, NegotiationError>) {
    let mut listener = listener(&[MPLEX_ID]);
    let left = feed(&mut listener, &input.concat(), chunk);
    let agreed = left.is_ok() && !listener.wants_input();
    assert_eq!(listener.poll_event(), agreed.then_some(Negotiated(MPLEX_ID)));
    assert_eq!(listener.poll_event(), None);
    (transmit(&mut listener, max), left)
}

#[test]
fn the_listener_takes_every_opening() {
    let longest = proposal(1_024);
    let table: &[(&str, Pieces<'_>, Pieces<'_>, &[u8])] = &[
        ("nothing", &[], &[], b""),
        ("a part of the header", &[&H[..19]], &[], &H[..19]),
        ("the header alone: most listeners wait for it", &[H], &[H], b""),
        ("header and proposal together, as go, rust and js send them", &[H, M], &[H, M], b""),
        ("a part of the proposal", &[H, &M[..13]], &[H], &M[..13]),
        ("lazy, with what follows right behind", &[H, M, b"\0\xff"], &[H, M], b"\0\xff"),
        ("lazy, and what follows is a negotiation", &[H, M, H, Y], &[H, M], &[H, Y].concat()),
        ("several proposals, each after a refusal", &[H, Y, b"\x03/x\n", M], &[H, N, N, M], b""),
        ("several proposals at once, then what follows", &[H, Y, M, b"\0"], &[H, N, M], b"\0"),
        ("the same proposal again", &[H, Y, Y, M], &[H, N, N, M], b""),
        ("a question for the list", &[H, L, M], &[H, LIST, M], b""),
        ("the question alone", &[H, L], &[H, LIST], b""),
        ("a question between proposals", &[H, Y, L, L, M], &[H, N, LIST, LIST, M], b""),
        ("a list, which nobody has asked for", &[H, LIST, M], &[H, N, M], b""),
        ("simultaneous connect", &[H, b"\x1d/libp2p/simultaneous-connect\n", M], &[H, N, M], b""),
        ("the header again", &[H, H, M], &[H, N, M], b""),
        ("a refusal, as a proposal", &[H, N, M], &[H, N, M], b""),
        ("an id without a slash, which go allows", &[H, b"\x06mplex\n", M], &[H, N, M], b""),
        ("an empty id", &[H, b"\x01\n", M], &[H, N, M], b""),
        ("white space behind the id, which js trims", &[H, b"\x0e/mplex/6.7.0 \n", M], &[H, N, M], b""),
        ("a carriage return", &[H, b"\x0e/mplex/6.7.0\r\n", M], &[H, N, M], b""),
        ("another case", &[H, b"\x0d/MPLEX/6.7.0\n", M], &[H, N, M], b""),
        ("two newlines", &[H, b"\x0e/mplex/6.7.0\n\n", M], &[H, N, M], b""),
        ("the longest proposal", &[H, &longest, M], &[H, N, M], b""),
    ];
    for &(what, input, output, rest) in table {
        for chunk in (1..=40).chain([usize::MAX]) {
            for max in [1, 30, usize::MAX] {
                let outcome = listen(input, chunk, max);
                assert_eq!(outcome, (output.concat()[..].into(), Ok(rest.into())), "{what}");
            }
        }
    }
}

#[test]
fn the_listener_refuses_every_other_opening() {
    let no_newline = || Malformed("no newline at the end of a message");
    let not_minimal = || Malformed("the length is not a minimal varint");
    let table: &[(&str, Pieces<'_>, NegotiationError)] = &[
        ("the proposal without the header", &[M], BadHeader),
        ("the header late", &[M, H], BadHeader),
        ("a question without the header", &[L], BadHeader),
        ("a refusal without the header", &[N], BadHeader),
        ("another version", &[b"\x13/multistream/2.0.0\n"], BadHeader),
        ("white space behind the header", &[b"\x14/multistream/1.0.0 \n"], BadHeader),
        ("the header with a longer varint", &[b"\x93\0/multistream/1.0.0\n"], BadHeader),
        ("the header without its length", &[&H[1..]], BadHeader),
        ("the header without its newline", &[&H[..19], M], BadHeader),
        ("an empty message first", &[b"\0"], BadHeader),
        ("an empty message", &[H, b"\0"], Malformed("an empty message")),
        ("a longer varint than needed", &[H, b"\x8d\0/mplex/6.7.0\n"], not_minimal()),
        ("no newline", &[H, b"\x0c/mplex/6.7.0"], no_newline()),
        ("the newline too early", &[H, b"\x0e/mplex/6.7.0\n\0"], no_newline()),
        ("not UTF-8", &[H, b"\x03/\xff\n"], Malformed("a message that is not UTF-8")),
        ("1,025 bytes, which only rust would take", &[H, b"\x81\x08"], TooLarge),
        ("16,383 bytes, the longest of rust", &[H, b"\xff\x7f"], TooLarge),
        ("16,384 bytes, which nobody takes", &[H, b"\x80\x80\x01"], TooLarge),
        ("an endless length", &[H, &[0xff; 20]], TooLarge),
    ];
    for (what, input, error) in table {
        for chunk in (1..=40).chain([usize::MAX]) {
            assert_eq!(listen(input, chunk, 1), (BytesMut::new(), Err(error.clone())), "{what}");
        }
    }
}

#[test]
fn a_lazy_dialer_that_is_refused_learns_why() {
    // The first message of secio, of plaintext, of TLS, and a frame of mplex.
    for payload in [&b"\0\0\x01\x40"[..], b"\x2c\x0a\x26", b"\x16\x03\x01\x02", b"\0\x01\x30"] {
        for chunk in [1, 3, usize::MAX] {
            let refused = Err(Refused);
            match listen(&[H, Y, payload], chunk, 7) {
                (sent, outcome) if outcome == refused => assert_eq!(sent, [H, N].concat()[..]),
                // It looks like the start of a proposal so far.
                (sent, rest) => {
                    assert_eq!(rest, Ok(payload.into()));
                    assert_eq!(sent, [H, N].concat()[..]);
                }
            }
        }
    }
}

/// The outcome of a dialer that proposes yamux and then mplex, and sends all before anything arrives, or after.
fn dial(
    input: Pieces<'_>,
    chunk: usize,
    send_first: bool,
) -> (BytesMut, Result<(BytesMut, bool), NegotiationError>) {
    let mut dialer = dialer(&[YAMUX_ID, MPLEX_ID]);
    let mut sent = BytesMut::new();
    if send_first {
        sent.unsplit(transmit(&mut dialer, 5));
    }
    let left = feed(&mut dialer, &input.concat(), chunk);
    sent.unsplit(transmit(&mut dialer, 5));
    (sent, left.map(|left| (left, dialer.poll_event().is_some())))
}

#[test]
fn the_dialer_takes_every_answer() {
    let table: &[(&str, Pieces<'_>, Pieces<'_>, &[u8], bool)] = &[
        ("nothing: most listeners wait for our header", &[], &[H, Y], b"", false),
        ("the header unprompted, as go sends it", &[H], &[H, Y], b"", false),
        ("a part of the header", &[&H[..7]], &[H, Y], &H[..7], false),
        ("the echo", &[H, Y], &[H, Y], b"", true),
        ("the echo, and what follows", &[H, Y, b"\0"], &[H, Y], b"\0", true),
        ("a refusal", &[H, N], &[H, Y, M], b"", false),
        ("a refusal, then the echo", &[H, N, M], &[H, Y, M], b"", true),
        ("the same, and what follows is a header", &[H, N, M, H], &[H, Y, M], H, true),
    ];
    for &(what, input, output, rest, agreed) in table {
        for chunk in (1..=40).chain([usize::MAX]) {
            for send_first in [true, false] {
                let expected = (output.concat()[..].into(), Ok((rest.into(), agreed)));
                assert_eq!(dial(input, chunk, send_first), expected, "{what}");
            }
        }
    }
}

#[test]
fn the_dialer_refuses_every_other_answer() {
    let unexpected = |text: &str| UnexpectedAnswer(text.into());
    let table: &[(&str, Pieces<'_>, NegotiationError)] = &[
        ("the echo without the header", &[Y], BadHeader),
        ("the header late", &[Y, H], BadHeader),
        ("a refusal without the header", &[N], BadHeader),
        ("the header twice", &[H, H], unexpected("/multistream/1.0.0")),
        ("what was not proposed yet", &[H, M], unexpected("/mplex/6.7.0")),
        ("what was refused before", &[H, N, Y], unexpected("/yamux/1.0.0")),
        ("white space behind the echo", &[H, b"\x0e/yamux/1.0.0 \n"], unexpected("/yamux/1.0.0 ")),
        ("a question", &[H, L], unexpected("ls")),
        ("a list", &[H, LIST], unexpected("\r/mplex/6.7.0\n")),
        ("an empty list", &[H, b"\x01\n"], unexpected("")),
        ("two refusals", &[H, N, N], Unsupported(smallvec![YAMUX_ID, MPLEX_ID])),
        ("an empty message", &[H, b"\0"], Malformed("an empty message")),
        ("1,025 bytes", &[H, b"\x81\x08"], TooLarge),
    ];
    for (what, input, error) in table {
        for chunk in (1..=40).chain([usize::MAX]) {
            assert_eq!(dial(input, chunk, false), (BytesMut::new(), Err(error.clone())), "{what}");
        }
    }
}
