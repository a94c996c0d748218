//! A short life of two nodes, disturbed at every turn in every way. Whatever phase it is in, every command has exactly one
//! outcome and nothing is left.

use peerwork_core::address::Multiaddr;
use peerwork_core::connection::{ConnectionId, Pipeline};
use peerwork_core::identity::PeerId;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::protocols::StreamKey;
use peerwork_core::swarm::{DialId, SwarmInput, Usage};
use peerwork_core::time::Instant;
use peerwork_tests::drivers::host::{LoopHost, run, run_while};
use peerwork_tests::drivers::network::{Engine, Faults, Network};
use peerwork_tests::drivers::{Gone, Host, HostStream};
use peerwork_tests::memory::MemoryCarrier;
use peerwork_tests::recipe::{self, Crypto, Security};
use peerwork_tests::scenario::{self, Toys};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

static ECHO: ProtocolId = ProtocolId::from_static("/phases/echo");

/// Pieces so small that every message of every negotiation takes several turns.
const FAULTS: Faults = Faults { max_piece: 60, capacity: 300, max_stall: Duration::from_millis(2) };

const MAX_DELAY: Duration = Duration::from_millis(2);

/// How much each side sends on its stream.
const PAYLOAD: usize = 200;

/// What the life of a connection consists of, as both nodes see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Dialing,
    /// Agreeing on security, the handshake, agreeing on a muxer.
    Upgrading,
    /// One side has finished, the other does not know yet.
    OpenAtOneSide,
    /// Streams are being negotiated.
    Open,
    StreamOpen,
    HalfClosed,
    /// Over for one of the nodes, and not yet for the other, or for the socket.
    Closing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Dialer,
    Listener,
    Both,
}

impl Who {
    const ALL: [Self; 3] = [Self::Dialer, Self::Listener, Self::Both];

    /// The listener is node 0, the dialer node 1.
    fn seats(self) -> &'static [usize] {
        match self {
            Self::Dialer => &[1],
            Self::Listener => &[0],
            Self::Both => &[0, 1],
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Disturbance {
    CancelDial,
    Cut,
    Disconnect(Who),
    Shutdown(Who),
    Reset(Who),
    Close(Who),
    Abandon(Who),
    RemoveProtocol(Who),
    /// The listener dials the dialer.
    DialBack,
}

fn disturbances() -> Vec<Disturbance> {
    use Disturbance::{
        Abandon, CancelDial, Close, Cut, DialBack, Disconnect, RemoveProtocol, Reset, Shutdown,
    };
    let by_somebody = [Disconnect, Shutdown, Reset, Close, Abandon, RemoveProtocol];
    let mut all = vec![CancelDial, Cut, DialBack];
    all.extend(by_somebody.iter().flat_map(|how| Who::ALL.map(how)));
    all
}

/// Two nodes, and what the disturber must know of them.
struct Life<E: Engine> {
    network: Rc<RefCell<Network<E>>>,
    hosts: [LoopHost<E>; 2],
    /// The streams that are in use, with their seats.
    streams: RefCell<BTreeSet<(usize, StreamKey)>>,
    half_closed: RefCell<BTreeSet<(usize, StreamKey)>>,
    /// Those that their holders are to drop.
    abandoned: RefCell<BTreeSet<(usize, StreamKey)>>,
    addresses: RefCell<Vec<Multiaddr>>,
}

impl<E: Engine<Protocols = Toys>> Life<E> {
    fn new(network: Rc<RefCell<Network<E>>>) -> Self {
        let hosts = [0, 1].map(|seat| LoopHost::new(&network, seat));
        let life = Self {
            network: network.clone(),
            hosts,
            streams: RefCell::default(),
            half_closed: RefCell::default(),
            abandoned: RefCell::default(),
            addresses: RefCell::default(),
        };
        run(&network, async {
            for host in &life.hosts {
                host.handle(&ECHO).await;
                let address = host.listen().await.unwrap();
                life.addresses.borrow_mut().push(address);
            }
        });
        life
    }

    /// One node dials the other, each echoes what the other sends, and then the dialer closes the connection.
    async fn live(&self) {
        let [listener, dialer] = &self.hosts;
        let address = self.addresses.borrow()[0].clone();
        let done = async {
            let Ok((connection, _)) = dialer.dial(address).await else { return };
            scenario::both(self.exchange(1, listener.peer()), self.exchange(0, dialer.peer())).await;
            dialer.disconnect(connection).await;
        };
        let (mut done, mut served) = (pin!(done), pin!(scenario::both(self.serve(0), self.serve(1))));
        std::future::poll_fn(|cx| {
            assert!(served.as_mut().poll(cx).is_pending(), "serving never ends");
            done.as_mut().poll(cx)
        })
        .await;
    }

    /// An echo, unless it is disturbed.
    async fn exchange(&self, seat: usize, peer: PeerId) {
        self.try_exchange(seat, peer).await.ok();
    }

    async fn try_exchange(&self, seat: usize, peer: PeerId) -> Result<(), Gone> {
        let mut stream = self.hosts[seat].open(peer, &ECHO).await.map_err(|_| Gone)?;
        let key = (seat, stream.key());
        let talk = async {
            stream.write_all(&[7; PAYLOAD]).await?;
            stream.close().await;
            self.half_closed.borrow_mut().insert(key);
            stream.read_to_end().await.map(drop)
        };
        let result = self.hold(key, talk).await;
        self.half_closed.borrow_mut().remove(&key);
        result
    }

    /// Uses a stream until it is over or abandoned.
    async fn hold(
        &self,
        key: (usize, StreamKey),
        talk: impl Future<Output = Result<(), Gone>>,
    ) -> Result<(), Gone> {
        self.streams.borrow_mut().insert(key);
        let mut talk = pin!(talk);
        let result = std::future::poll_fn(|cx| match self.abandoned.borrow().contains(&key) {
            true => Poll::Ready(Err(Gone)),
            false => talk.as_mut().poll(cx),
        })
        .await;
        self.streams.borrow_mut().remove(&key);
        result
    }

    async fn serve(&self, seat: usize) {
        let mut tasks = Vec::new();
        loop {
            let mut next = Box::pin(self.hosts[seat].accept(&ECHO));
            let stream = std::future::poll_fn(|cx| {
                tasks.retain_mut(|task: &mut std::pin::Pin<Box<dyn Future<Output = ()> + '_>>| {
                    task.as_mut().poll(cx).is_pending()
                });
                next.as_mut().poll(cx)
            })
            .await;
            drop(next);
            tasks.push(Box::pin(async move {
                let key = (seat, stream.key());
                self.hold(key, echo(stream)).await.ok();
            }));
        }
    }

    /// Where the life is, as far as it can be seen from outside.
    fn phase(&self) -> Option<Phase> {
        let network = self.network.borrow();
        let [listener, dialer] = [0, 1].map(|seat| network.engine(seat));
        let usage = [listener, dialer].map(|engine| engine.node().swarm().usage());
        let counts = usage.map(|it| (it.connections.total(), it.pending.total()));
        let kept = listener.kept_connections() + dialer.kept_connections();
        Some(match counts {
            [(0, 0), (1, 1)] => Phase::Dialing,
            [(1, 1), (1, 1)] => Phase::Upgrading,
            [(1, 0), (1, 1)] | [(1, 1), (1, 0)] => Phase::OpenAtOneSide,
            [(1, 0), (1, 0)] if !self.half_closed.borrow().is_empty() => Phase::HalfClosed,
            [(1, 0), (1, 0)] if !self.streams.borrow().is_empty() => Phase::StreamOpen,
            [(1, 0), (1, 0)] => Phase::Open,
            _ if kept > 0 => Phase::Closing,
            _ => return None,
        })
    }

    fn disturb(&self, how: Disturbance) {
        let streams = |who: Who, action: fn(&mut E, StreamKey, Instant)| {
            let streams = self.streams.borrow();
            for (seat, key) in streams.iter().filter(|(seat, _)| who.seats().contains(seat)) {
                self.hosts[*seat].meddle(|engine, now| action(engine, *key, now));
            }
        };
        let hosts = |who: Who| who.seats().iter().map(|seat| &self.hosts[*seat]);
        match how {
            // The dialer's first commands were to listen and to dial.
            Disturbance::CancelDial => self.hosts[1].input(SwarmInput::CancelDial { dial: DialId(2) }),
            Disturbance::Cut => self.network.borrow_mut().cut_wires(),
            Disturbance::Disconnect(who) => hosts(who).for_each(|host| {
                (0..4)
                    .map(ConnectionId)
                    .for_each(|connection| host.input(SwarmInput::Disconnect { connection }));
            }),
            Disturbance::Shutdown(who) => hosts(who).for_each(|host| host.input(SwarmInput::Shutdown)),
            Disturbance::Reset(who) => streams(who, E::reset),
            Disturbance::Close(who) => streams(who, E::close_write),
            Disturbance::Abandon(who) => {
                let streams = self.streams.borrow();
                let dropped = streams.iter().filter(|(seat, _)| who.seats().contains(seat));
                self.abandoned.borrow_mut().extend(dropped);
            }
            Disturbance::RemoveProtocol(who) => hosts(who)
                .for_each(|host| host.input(SwarmInput::StopHandlingProtocol { protocol: ECHO.clone() })),
            Disturbance::DialBack => {
                let dial = self.hosts[0].dial(self.addresses.borrow()[1].clone());
                // It is commanded at once; its outcome is for the host to note.
                assert!(pin!(dial).poll(&mut Context::from_waker(Waker::noop())).is_pending());
            }
        }
    }

    /// Lives, and is disturbed at the given turn. Tells the phase of each turn.
    fn run(&self, turn: usize, how: Option<Disturbance>) -> Vec<Option<Phase>> {
        let mut phases = Vec::new();
        {
            let mut life = pin!(self.live());
            let disturbed = std::future::poll_fn(|cx| {
                phases.push(self.phase());
                if phases.len() == turn
                    && let Some(how) = how
                {
                    self.disturb(how);
                }
                life.as_mut().poll(cx)
            });
            run(&self.network, disturbed);
        }
        if how.is_none() {
            // The connection is still closing.
            let closed = std::future::poll_fn(|_| {
                let phase = self.phase();
                phases.push(phase);
                if phase.is_none() { Poll::Ready(()) } else { Poll::Pending }
            });
            run(&self.network, closed);
        }
        phases
    }

    /// Brings everything to its end. Nothing may be left.
    fn end(&self) {
        self.hosts.iter().for_each(LoopHost::leave);
        run_while(&self.network, Duration::from_secs(60));
        let streams = [0, 1].map(|seat| self.network.borrow().engine(seat).stream_count());
        assert_eq!(streams, [0, 0], "streams are left");
        let [a, b] = &self.hosts;
        run(&self.network, scenario::both(a.shutdown(), b.shutdown()));
        run_while(&self.network, Duration::from_secs(60));
        for (seat, host) in self.hosts.iter().enumerate() {
            assert_eq!(host.leftovers(), Vec::<String>::new(), "node {seat}");
            assert_eq!(
                self.network.borrow().engine(seat).node().swarm().usage(),
                Usage::default(),
                "node {seat}"
            );
        }
    }
}

async fn echo(mut stream: impl HostStream) -> Result<(), Gone> {
    while let Some(bytes) = stream.read().await? {
        stream.write_all(&bytes).await?;
    }
    stream.close().await;
    Ok(())
}

/// Disturbs at every `stride`th turn of each life, in every way.
fn disturb_everywhere<E: Engine<Protocols = Toys>>(
    network: impl Fn() -> Rc<RefCell<Network<E>>>,
    stride: usize,
) -> BTreeMap<Phase, usize> {
    let life = Life::new(network());
    let phases = life.run(0, None);
    life.end();
    for turn in (1..=phases.len()).step_by(stride) {
        for how in disturbances() {
            println!("turn {turn} ({:?}), {how:?}", phases[turn - 1]);
            let life = Life::new(network());
            life.run(turn, Some(how));
            life.end();
        }
    }
    let mut turns = BTreeMap::new();
    for phase in phases.into_iter().flatten() {
        *turns.entry(phase).or_default() += 1;
    }
    println!("{turns:?}");
    turns
}

#[test]
fn bare_loop() {
    let turns = disturb_everywhere(|| recipe::local(Security::Plaintext, FAULTS, 1), 1);
    // Each of its three negotiations takes a turn for each direction at least.
    assert!(turns[&Phase::Upgrading] >= 6, "{turns:?}");
    let phases: Vec<Phase> = turns.into_keys().collect();
    let all = [
        Phase::Dialing,
        Phase::Upgrading,
        Phase::OpenAtOneSide,
        Phase::Open,
        Phase::StreamOpen,
        Phase::HalfClosed,
        Phase::Closing,
    ];
    assert_eq!(phases, all, "every phase is disturbed");
}

#[test]
fn bare_loop_with_secio() {
    disturb_everywhere(|| recipe::local(Security::Secio(Crypto::Portable), FAULTS, 2), 11);
}

#[test]
fn bare_loop_with_tls() {
    disturb_everywhere(|| recipe::local(Security::Tls(Crypto::Portable), FAULTS, 2), 11);
}

#[test]
fn bare_loop_with_noise() {
    disturb_everywhere(|| recipe::local(Security::Noise(Crypto::Portable), FAULTS, 2), 11);
}

#[test]
fn delayed_messages() {
    for chance in 0..3 {
        let network = || recipe::halves::<Pipeline>(Security::Plaintext, FAULTS, MAX_DELAY, chance);
        disturb_everywhere(network, 3);
    }
}

#[test]
fn streams_without_bytes_below() {
    let faults = Faults { max_piece: 1, capacity: 4, ..FAULTS };
    for chance in 0..3 {
        let network = || recipe::halves::<MemoryCarrier>(Security::Plaintext, faults, MAX_DELAY, chance);
        disturb_everywhere(network, 2);
    }
}
