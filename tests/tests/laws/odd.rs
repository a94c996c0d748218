//! What the checks notice besides the broken twins.

use crate::courier::{self, Courier, Couriers, Street};
use crate::greeter::{Greeter, GreeterError, GreeterEvent, Greeting};
use bytes::BytesMut;
use peerwork_core::machine::{Close, End, Layer};
use peerwork_core::seed::Seed;
use peerwork_core::time::{Deadline, Instant};
use peerwork_tests::laws::layer::{self, LayerSubject, Step};
use peerwork_tests::laws::machine::{self, MachineSubject};
use peerwork_tests::laws::{Cases, Law, Log};

/// What is odd about a greeter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Oddity {
    None,
    MiscountsSent,
    IgnoresMax,
    ChangesOut,
    SendsForEver,
    TellsForEver,
    ReopensItself,
    ChangesInput,
    Panics,
    OversleepsForGood,
    WritesInput,
}

struct OddGreeter {
    inner: Greeter,
    oddity: Oddity,
    closed: bool,
    overslept: Option<Deadline>,
}

impl Layer for OddGreeter {
    type Event = GreeterEvent;
    type Error = GreeterError;

    fn handle_input(&mut self, input: &mut BytesMut, now: Instant) -> Result<(), GreeterError> {
        match self.oddity {
            Oddity::Panics => panic!("an odd greeter panics"),
            Oddity::ChangesInput => input.iter_mut().for_each(|byte| *byte ^= 0x80),
            Oddity::WritesInput => input.extend_from_slice(b"more"),
            _ => {}
        }
        self.inner.handle_input(input, now)
    }

    fn handle_end(&mut self, end: End, now: Instant) {
        self.inner.handle_end(end, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        let late = self.inner.poll_timeout().filter(|deadline| deadline.at < now);
        if self.oddity == Oddity::OversleepsForGood && late.is_some() {
            self.overslept = late;
        }
        self.inner.handle_timeout(now);
    }

    fn poll_transmit(&mut self, out: &mut BytesMut, max: usize, now: Instant) -> usize {
        let count = match self.oddity {
            Oddity::IgnoresMax => self.inner.poll_transmit(out, usize::MAX, now),
            _ => self.inner.poll_transmit(out, max, now),
        };
        match self.oddity {
            Oddity::MiscountsSent if count > 0 => count + 1,
            Oddity::ChangesOut if max > 0 => {
                out[0] = 0;
                count
            }
            Oddity::SendsForEver if max > 0 => {
                out.extend_from_slice(b"?");
                count + 1
            }
            _ => count,
        }
    }

    fn poll_event(&mut self) -> Option<GreeterEvent> {
        match self.oddity {
            Oddity::TellsForEver => Some(GreeterEvent::Bored),
            _ => self.inner.poll_event(),
        }
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.overslept.or_else(|| self.inner.poll_timeout())
    }

    fn wants_input(&self) -> bool {
        self.inner.wants_input()
    }

    fn poll_close(&mut self) -> Option<Close> {
        let close = self.inner.poll_close();
        let again = std::mem::replace(&mut self.closed, close.is_some());
        if again && self.oddity == Oddity::ReopensItself { None } else { close }
    }
}

struct Odd(Oddity);

impl LayerSubject for Odd {
    type Layer = OddGreeter;

    fn name(&self) -> String {
        format!("{:?}", self.0)
    }

    fn build(&self, case: u64, now: Instant) -> OddGreeter {
        let inner = Greeting.build(case, now);
        OddGreeter { inner, oddity: self.0, closed: false, overslept: None }
    }

    fn script(&self, case: u64) -> Result<Vec<Step>, String> {
        Greeting.script(case)
    }

    fn operate(&self, layer: &mut OddGreeter, number: u64, now: Instant, log: &mut Log) {
        Greeting.operate(&mut layer.inner, number, now, log);
    }
}

#[test]
fn an_odd_layer_is_noticed() {
    let cases = Cases::new(16);
    for (oddity, law, expected) in [
        (Oddity::MiscountsSent, Law::Pure, "poll_transmit returned 10 but appended 9 bytes"),
        (Oddity::IgnoresMax, Law::Pure, "poll_transmit with a max of 0 sent something"),
        (Oddity::ChangesOut, Law::Pure, "poll_transmit changed bytes that were there before"),
        (Oddity::SendsForEver, Law::Pure, "bytes to send without end"),
        (Oddity::TellsForEver, Law::Pure, "more than 100000 events at once"),
        (Oddity::ReopensItself, Law::Pure, "to None"),
        (Oddity::ChangesInput, Law::ChunkBlind, "handle_input left something else than the end of its input"),
        (Oddity::WritesInput, Law::Pure, "handle_input left something else than the end of its input"),
        (Oddity::Panics, Law::Pure, "it panicked: an odd greeter panics"),
        (Oddity::OversleepsForGood, Law::SoftTime, "or the driver spins"),
    ] {
        assert_eq!(layer::check(&Odd(Oddity::None), law, &cases).map(|cases| cases > 0), Ok(true));
        let violation = layer::check(&Odd(oddity), law, &cases).unwrap_err();
        assert_eq!(violation.law, law);
        assert!(violation.what.contains(expected), "{oddity:?}: {violation}");
    }
}

/// Couriers in a world that does not keep to the rules.
enum OddWorld {
    RepeatsCommands,
    AsksUnasked,
    NeverEnds,
    DoesNothing,
    Exempt,
}

impl MachineSubject for OddWorld {
    type Machine = Courier;
    type World = Street;
    type Id = u64;

    fn name(&self) -> String {
        "odd world".to_owned()
    }

    fn build(&self, case: u64, now: Instant) -> (Courier, Street) {
        Couriers.build(case, now)
    }

    fn input(&self, street: &mut Street, draw: &mut Seed, now: Instant) -> Option<courier::Input> {
        match self {
            Self::RepeatsCommands => Some(courier::Input::Ask { id: 7 }),
            Self::DoesNothing | Self::Exempt => None,
            Self::AsksUnasked | Self::NeverEnds => Couriers.input(street, draw, now),
        }
    }

    fn wind_down(&self, _street: &mut Street) -> Option<courier::Input> {
        matches!(self, Self::NeverEnds).then_some(courier::Input::Answer { token: 0 })
    }

    fn command_id(&self, input: &courier::Input) -> Option<u64> {
        if let Self::AsksUnasked = self { None } else { Couriers.command_id(input) }
    }

    fn outcome_id(&self, output: &courier::Output) -> Option<u64> {
        Couriers.outcome_id(output)
    }

    fn exempt(&self, _law: Law) -> Option<&'static str> {
        matches!(self, Self::Exempt).then_some("it does nothing")
    }
}

#[test]
fn an_odd_description_is_noticed() {
    let cases = Cases::new(4);
    for (world, law, expected) in [
        (OddWorld::RepeatsCommands, Law::Pure, "the description drew the command id 7 twice"),
        (OddWorld::AsksUnasked, Law::OneOutcome, "which was no command"),
        (OddWorld::NeverEnds, Law::Pure, "after 10000 rounds of winding down there is still something to do"),
    ] {
        let violation = machine::check(&world, law, &cases).unwrap_err();
        assert!(violation.law == law && violation.what.contains(expected), "{violation}");
    }
    let violation = machine::prove(&OddWorld::DoesNothing, &cases).unwrap_err();
    assert_eq!((violation.case, &*violation.what), (None, "no case has anything to check"));
    let reports = machine::prove(&OddWorld::Exempt, &cases).unwrap();
    assert!(reports.iter().all(|report| report.cases == 0 && report.exempt.is_some()));
}

#[test]
fn a_violation_says_how_to_repeat_it() {
    let violation = layer::prove(&Odd(Oddity::Panics), &Cases::only(3)).unwrap_err();
    assert_eq!(violation.case, Some(3));
    assert!(violation.to_string().ends_with("PEERWORK_LAW_CASE=3"), "{violation}");
    let reports = layer::prove(&Odd(Oddity::None), &Cases::only(3)).unwrap();
    assert!(reports.iter().all(|report| report.twins.is_empty()));
}
