//! The dialer that does not wait for the answer to its last proposal.

use super::*;

fn lazy(proposals: &[ProtocolId]) -> Dialer {
    Dialer::lazy(proposals.iter().cloned().collect(), NOW)
}

/// Feeds a dialer as a driver does, which offers again what was left while an event waited.
fn drive(
    dialer: &mut Dialer,
    input: &[u8],
    chunk: usize,
) -> (Vec<Negotiated>, Result<BytesMut, NegotiationError>) {
    let mut events: Vec<_> = dialer.poll_event().into_iter().collect();
    let mut pending = BytesMut::new();
    for piece in input.chunks(chunk) {
        pending.extend_from_slice(piece);
        loop {
            if let Err(error) = dialer.handle_input(&mut pending, NOW) {
                return (events, Err(error));
            }
            match dialer.poll_event() {
                Some(event) => events.push(event),
                None => break,
            }
        }
    }
    (events, Ok(pending))
}

#[test]
fn one_proposal_is_agreed_on_at_once() {
    let mut dialer = lazy(&[MPLEX_ID]);
    assert!(!dialer.wants_input(), "the event comes first");
    assert_eq!(dialer.poll_event(), Some(Negotiated(MPLEX_ID)));
    assert_eq!(dialer.poll_event(), None);
    assert!(dialer.wants_input(), "the answer has not come");
    assert_eq!(transmit(&mut dialer, 1), bytes(&[HEADER, MPLEX]));
    assert_eq!(feed(&mut dialer, &bytes(&[HEADER, MPLEX, "beef"]), 1), Ok(bytes(&["beef"])));
    assert!(!dialer.wants_input());
    assert_eq!((dialer.poll_event(), dialer.poll_close()), (None, None));
}

#[test]
fn of_several_proposals_the_last_is_not_waited_for() {
    let mut dialer = lazy(&[YAMUX_ID, MPLEX_ID]);
    assert_eq!(dialer.poll_event(), None);
    assert_eq!(transmit(&mut dialer, usize::MAX), bytes(&[HEADER, YAMUX]));
    let rest = feed(&mut dialer, &bytes(&[HEADER, NA, MPLEX, "beef"]), usize::MAX);
    assert_eq!(rest, Ok(bytes(&[MPLEX, "beef"])), "no input is taken while the event waits");
    assert_eq!(dialer.poll_event(), Some(Negotiated(MPLEX_ID)));
    assert_eq!(transmit(&mut dialer, usize::MAX), bytes(&[MPLEX]));
    assert_eq!(feed(&mut dialer, &rest.unwrap(), 1), Ok(bytes(&["beef"])));
}

#[test]
fn an_accepted_first_proposal_is_an_agreement_as_ever() {
    let mut dialer = lazy(&[YAMUX_ID, MPLEX_ID]);
    assert_eq!(feed(&mut dialer, &bytes(&[HEADER, YAMUX, "beef"]), 1), Ok(bytes(&["beef"])));
    assert_eq!(dialer.poll_event(), Some(Negotiated(YAMUX_ID)));
    assert!(!dialer.wants_input());
}

#[test]
fn the_bytes_are_those_of_a_patient_dialer() {
    for proposals in [&[MPLEX_ID][..], &[YAMUX_ID, MPLEX_ID]] {
        for max in [1, 21, usize::MAX] {
            let [lazy, patient] = [lazy(proposals), dialer(proposals)].map(|mut dialer| {
                let mut sent = transmit(&mut dialer, max);
                dialer.poll_event();
                dialer.handle_input(&mut bytes(&[HEADER, NA]), NOW).err();
                sent.unsplit(transmit(&mut dialer, max));
                sent
            });
            assert_eq!(lazy, patient);
        }
    }
}

#[test]
fn a_failure_comes_after_the_event() {
    use NegotiationError::*;
    let table = [
        ("refused", bytes(&[HEADER, NA]), Unsupported(smallvec![MPLEX_ID])),
        ("another protocol", bytes(&[HEADER, YAMUX]), UnexpectedAnswer("/yamux/1.0.0".into())),
        ("no header", bytes(&[MPLEX]), BadHeader),
        ("an empty message", bytes(&[HEADER, "00"]), Malformed("an empty message")),
        ("too long", bytes(&[HEADER, "8108"]), TooLarge),
    ];
    for (what, input, error) in table {
        for chunk in [1, 3, usize::MAX] {
            let mut dialer = lazy(&[MPLEX_ID]);
            assert_eq!(dialer.poll_event(), Some(Negotiated(MPLEX_ID)), "{what}");
            assert_eq!(feed(&mut dialer, &input, chunk).as_ref(), Err(&error), "{what}");
            assert_eq!(dialer.poll_close(), Some(Close::Now), "{what}");
            assert_eq!(transmit(&mut dialer, usize::MAX), "", "{what}");
        }
    }
    let mut nothing = lazy(&[]);
    assert_eq!(nothing.poll_event(), None);
    assert_eq!(nothing.handle_input(&mut BytesMut::new(), NOW), Err(NothingProposed));
}

#[test]
fn the_end_before_the_answer_is_an_error_at_every_byte() {
    let input = bytes(&[HEADER, MPLEX]);
    for end in 0..=input.len() {
        for asked in [true, false] {
            let mut dialer = lazy(&[MPLEX_ID]);
            if asked {
                assert_eq!(dialer.poll_event(), Some(Negotiated(MPLEX_ID)));
                feed(&mut dialer, &input[..end], usize::MAX).unwrap();
            }
            dialer.handle_end(End::Closed, NOW);
            let outcome = dialer.handle_input(&mut BytesMut::new(), NOW);
            let whole = asked && end == input.len();
            assert_eq!(outcome, if whole { Ok(()) } else { Err(NegotiationError::Ended) }, "at {end}");
            assert_eq!(dialer.poll_event(), None);
        }
    }
}

proptest! {
    #[test]
    fn the_outcome_is_the_same_in_any_chunks(
        answers in vec(prop_oneof![Just(NA), Just(YAMUX), Just(MPLEX), Just(HEADER), Just("00"), Just("036e")], 0..4),
        proposals in 1_usize..4,
        chunk in 1_usize..10,
    ) {
        let proposals = &[ProtocolId::from_static("/x"), YAMUX_ID, MPLEX_ID][3 - proposals..];
        let input = bytes(&[&[HEADER], &answers[..]].concat());
        let whole = drive(&mut lazy(proposals), &input, usize::MAX);
        prop_assert_eq!(&drive(&mut lazy(proposals), &input, chunk), &whole);
        let (events, outcome) = whole;
        let (patient, expected) = drive(&mut dialer(proposals), &input, usize::MAX);
        prop_assert_eq!(outcome, expected, "laziness changes when, not what");
        prop_assert!(events.starts_with(&patient));
    }
}
