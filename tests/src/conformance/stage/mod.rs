//! Where the cases play: subjects, each on a thread of its own, and what is asked of them.

mod actor;
mod side;

pub(super) use actor::{Actor, Doing};

use super::Options;
use super::faulty::{Faults, Held};
use super::subject::{Setup, Subject};
use super::system::{self, Relay};
use peerwork_core::address::{self, Multiaddr};
use peerwork_core::negotiation::ProtocolId;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The protocol that actors echo.
pub(super) const ECHO: ProtocolId = ProtocolId::from_static("/conformance/echo");

/// The protocol whose streams the cases handle themselves.
pub(super) const RAW: ProtocolId = ProtocolId::from_static("/conformance/raw");

/// The most that is read or written at a time.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

/// When the number of sockets has not changed for so long, it is taken for what it is.
const SETTLED_AFTER: Duration = Duration::from_millis(50);

/// What a case has at hand.
pub(super) struct Bed<S> {
    pub(super) options: Options,
    pub(super) watch: Arc<Watch>,
    subject: PhantomData<fn() -> S>,
}

/// What is known of a case that runs.
#[derive(Default)]
pub(super) struct Watch(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// The first thing that went wrong.
    failure: Option<String>,
    /// Why it cannot be played on this machine.
    skipped: Option<String>,
    /// The case is over before its end, so nobody need wait any more.
    is_given_up: bool,
    /// Who waits for what.
    waiting: BTreeMap<&'static str, String>,
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what went wrong, unless it is what follows from something else.
    fn fail(&self, what: &str) {
        let mut seen = self.lock();
        if !seen.is_given_up {
            seen.failure = Some(what.to_owned());
            seen.is_given_up = true;
        }
    }

    pub(super) fn give_up(&self) {
        self.lock().is_given_up = true;
    }

    fn is_given_up(&self) -> bool {
        self.lock().is_given_up
    }

    pub(super) fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    pub(super) fn skipped(&self) -> Option<String> {
        self.lock().skipped.clone()
    }

    /// Who waits for what, in words.
    pub(super) fn waiting(&self) -> String {
        let waiting = self.lock().waiting.clone();
        let each = waiting.iter().map(|(who, what)| format!("{who} waits for {what}"));
        each.collect::<Vec<_>>().join("; ")
    }
}

impl<S: Subject> Bed<S> {
    pub(super) fn new(options: Options) -> Self {
        Self { options, watch: Arc::default(), subject: PhantomData }
    }

    /// The case cannot be played on this machine.
    pub(super) fn skip(&self, reason: impl Display) {
        self.watch.lock().skipped = Some(reason.to_string());
    }

    /// Puts a node on a thread of its own.
    pub(super) fn actor(&self, name: &'static str, setup: Setup) -> Actor<S> {
        Actor::start_thread(name, setup, self.watch.clone(), self.options.patience)
    }

    /// Two nodes: one that dials, and one that listens and echoes, with its address.
    pub(super) fn pair(&self, dialer: Setup, listener: Setup) -> (Actor<S>, Actor<S>, Multiaddr) {
        let (dialer, listener) = (self.actor("the dialer", dialer), self.actor("the listener", listener));
        let address = listener.run(|side| side.serve());
        (dialer, listener, address)
    }

    /// As [`pair`](Self::pair), with a relay between them, whose address it gives.
    pub(super) fn relayed_pair(
        &self,
        dialer: Setup,
        listener: Setup,
    ) -> (Actor<S>, Actor<S>, Relay, Multiaddr) {
        let (dialer, listener, address) = self.pair(dialer, listener);
        let target = address::tcp_socket_address(&without_peer(&address)).expect("it is a TCP address");
        let relay = Relay::new(target).expect("loopback has another port");
        let address = address::from_socket_address(relay.address());
        (dialer, listener, relay, address)
    }

    /// Waits until `check` holds, and says what it said last if it never does.
    pub(super) fn eventually<T: std::fmt::Debug + PartialEq>(
        &self,
        what: &str,
        expected: &T,
        mut check: impl FnMut() -> T,
    ) {
        let deadline = Instant::now() + self.options.patience;
        loop {
            let seen = check();
            if seen == *expected {
                return;
            }
            assert!(Instant::now() < deadline, "{what}: {seen:?}, and not {expected:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// How many sockets the process has when those that are being closed are gone; `None` where they cannot be counted.
    pub(super) fn settled_sockets(&self) -> Option<usize> {
        let deadline = Instant::now() + self.options.patience;
        let (mut count, mut since) = (system::open_sockets(), Instant::now());
        while since.elapsed() < SETTLED_AFTER && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
            if system::open_sockets() != count {
                (count, since) = (system::open_sockets(), Instant::now());
            }
        }
        count
    }

    /// Waits until the process has so many sockets again. Where they cannot be counted, it takes that for granted.
    pub(super) fn expect_sockets(&self, expected: Option<usize>) {
        self.eventually("sockets of the process", &expected, system::open_sockets);
    }

    /// Waits until a node that does not listen has closed all its sockets.
    pub(super) fn expect_no_sockets_held(&self, faults: Option<&Faults>) {
        if let Some(faults) = faults {
            self.eventually("sockets that the node still holds", &0, || faults.held().sockets);
        }
    }

    /// Waits until a node holds nothing of its runtime any more.
    pub(super) fn expect_nothing_held(&self, faults: Option<&Faults>) {
        if let Some(faults) = faults {
            self.eventually("what the node still holds", &Held::default(), || faults.held());
        }
    }
}
/// Bytes that show where they belong.
pub(super) struct Pattern(Vec<u8>);

/// After how many bytes the pattern repeats: a prime, so that it does not fit any buffer.
const PERIOD: usize = 251;

impl Pattern {
    pub(super) fn new() -> Self {
        Self((0..CHUNK_BYTES + PERIOD).map(|index| (index % PERIOD) as u8).collect())
    }

    /// Whether these are its bytes from its start on.
    pub(super) fn begins_with(&self, bytes: &[u8]) -> bool {
        let mut chunks = bytes.chunks(CHUNK_BYTES).enumerate();
        chunks.all(|(index, chunk)| chunk == self.part(index * CHUNK_BYTES, chunk.len()))
    }

    /// The bytes from `start` on, `max` at most.
    pub(super) fn part(&self, start: usize, max: usize) -> &[u8] {
        let start = start % PERIOD;
        &self.0[start..start + max.min(CHUNK_BYTES)]
    }
}

/// Loopback, on a port of the system's choice.
pub(super) fn any_port() -> Multiaddr {
    parse("/ip4/127.0.0.1/tcp/0")
}

/// An address that the suite has written itself.
pub(super) fn parse(text: &str) -> Multiaddr {
    address::parse(text).expect("this is an address")
}

/// The address without its peer id.
pub(super) fn without_peer(address: &Multiaddr) -> Multiaddr {
    address::split_peer_id(address).expect("the node's own address has its own id").0
}
