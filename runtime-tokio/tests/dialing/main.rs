//! Dialling over real sockets, on loopback and ports that the system gives. `tests/tests/dialing` tells the same in virtual time, where
//! it can be said when exactly everything happens.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod front;
mod pair;

use front::{Door, Front, Seen};
use futures_util::StreamExt;
use peerwork_core::address::{self, Multiaddr};
use peerwork_core::identity::{Keypair, PeerId};
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::node::NodeConfig;
use peerwork_core::security::noise::Noise;
use peerwork_core::swarm::dialer::{AttemptError, AttemptState, DialProgress, Token};
use peerwork_core::swarm::{DialTarget, SwarmEvent, TransportError};
use peerwork_tokio::{Connected, Event, Node, NodeBuilder};
use std::future::Future;
use std::time::Duration;
use tokio::task::JoinSet;

/// Bounds a test in time.
async fn bounded<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), test).await.expect("the test ends in time")
}

/// How many peers are dialled.
const PEERS: u8 = 100;

/// How many want to be connected to each of them.
const CALLERS: usize = 5;

/// How many addresses each of them has, of which one answers.
const ADDRESSES: u8 = 5;

/// Which of its addresses answers. That of every other peer is the first that is dialled, those of the rest come later, as many at each
/// place.
fn good(peer: u8) -> Door {
    let place = if peer.is_multiple_of(2) { 1 } else { 2 + peer / 2 % (ADDRESSES - 1) };
    Door { peer, number: place }
}

/// How long silent addresses keep others waiting. A good one has connected by then, however busy the machine is.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// A node that has nothing to do of its own accord, and little to compute.
fn builder() -> NodeBuilder {
    let quiet = |config: &mut NodeConfig| config.ping.interval = None;
    NodeBuilder::new().security(Noise).muxer(Mplex::default()).configure(quiet)
}

/// A node that dials.
fn dialer() -> NodeBuilder {
    builder().configure(|config: &mut NodeConfig| config.swarm.dialer.local_attempt_timeout = ATTEMPT_TIMEOUT)
}

/// The same, which tells how each address fares.
async fn reporting_dialer() -> Node {
    let reporting = dialer().configure(|config: &mut NodeConfig| config.swarm.reports_attempts = true);
    reporting.start().await.unwrap()
}

/// All dials at once, with so many attempts at a time, in all and to one peer. Returns what was seen where they arrived.
async fn crowd(max_descriptors: usize, max_attempts_per_peer: usize) -> Seen {
    rlimit::increase_nofile_limit(2_000).unwrap();
    let mut front = Front::bind().await;
    let port = front.port;
    let mut peers = Vec::new();
    for peer in 1..=PEERS {
        let door = good(peer);
        let node = builder().identity(Keypair::ed25519_from_secret(&[peer; 32]));
        let node = node.transport(front.put_node(door)).listen(door.address(port)).start().await.unwrap();
        peers.push(node);
    }
    let limited = dialer().configure(|config: &mut NodeConfig| {
        let dialer = &mut config.swarm.dialer;
        (dialer.max_descriptors, dialer.max_attempts_per_peer) = (max_descriptors, max_attempts_per_peer);
    });
    let dialer = limited.start().await.unwrap();
    let seen = front.open(dialer.events().await.unwrap());
    let mut dials = JoinSet::new();
    for _ in 0..CALLERS {
        for (number, node) in (1..=PEERS).zip(&peers) {
            let (dialer, peer) = (dialer.clone(), node.local_peer());
            let addresses = (1..=ADDRESSES).map(|it| Door { peer: number, number: it }.address(port));
            let target = DialTarget { peer: Some(peer), addresses: addresses.collect() };
            dials.spawn(async move {
                let connected = dialer.dial(target).await.unwrap();
                assert_eq!(connected.peer, peer);
                assert_eq!(connected.remote_address, good(number).address(port));
                // Whoever is at the other end proves it by answering.
                dialer.ping(peer).await.unwrap();
            });
        }
    }
    assert_eq!(dials.join_all().await.len(), CALLERS * usize::from(PEERS));
    for node in peers.iter().chain([&dialer]) {
        node.shutdown().await;
    }
    std::mem::take(&mut *seen.lock().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_dials_at_once_keep_within_the_limits() {
    bounded(async {
        let seen = crowd(16, 4).await;
        assert_eq!((seen.most, seen.most_per_peer), (16, 4));
        let is_good = |door: &&Door| **door == good(door.peer);
        // Those who want the same peer share one dial.
        assert_eq!(seen.accepted.iter().filter(is_good).count(), usize::from(PEERS));
        // It was not luck: to many peers silent addresses came first.
        let had_silent = |peer| {
            let first = seen.accepted.iter().find(|door| door.peer == peer);
            first.is_some_and(|door| *door != good(peer))
        };
        assert!((1..=PEERS).filter(|peer| had_silent(*peer)).count() >= usize::from(PEERS) / 3);
    })
    .await;
}

/// The check can fail: where more may be in flight, more is seen. For one peer's limit, [`nine_silent`] says so.
#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_dials_with_a_higher_limit_are_seen_to_exceed_the_lower() {
    let most = bounded(crowd(64, 4)).await.most;
    assert!(most > 16 && most <= 64, "{most}");
}

/// Dials a peer at these addresses. Returns what happened to them, in order.
async fn attempts(
    dialer: &Node,
    peer: PeerId,
    addresses: Vec<Multiaddr>,
) -> (Connected, Vec<(Multiaddr, AttemptState)>) {
    let mut events = dialer.events().await.unwrap();
    let target = DialTarget { peer: Some(peer), addresses };
    let connected = dialer.dial(target).await.unwrap();
    assert_eq!(connected.peer, peer);
    let mut progress = Vec::new();
    loop {
        match events.next().await.unwrap() {
            Event::Swarm(SwarmEvent::Dialed { .. }) => return (connected, progress),
            event => progress.extend(progress_of(event)),
        }
    }
}

/// What happened to an address of a dial.
fn progress_of(event: Event) -> Option<(Multiaddr, AttemptState)> {
    match event {
        Event::Swarm(SwarmEvent::Dialing(DialProgress { address, state, .. })) => Some((address, state)),
        _ => None,
    }
}

/// The addresses of which this is told, in that order.
fn of(progress: &[(Multiaddr, AttemptState)], state: &AttemptState) -> Vec<Multiaddr> {
    progress.iter().filter(|(_, it)| it == state).map(|(address, _)| address.clone()).collect()
}

#[tokio::test]
async fn nine_addresses_refuse_and_the_tenth_is_good() {
    bounded(async {
        let listener = builder().start().await.unwrap();
        let good = listener.listen("/ip4/127.0.0.1/tcp/0".parse().unwrap()).await.unwrap().address;
        let good = address::split_peer_id(&good).unwrap().0;
        let port = address::tcp_socket_address(&good).unwrap().port();
        // Elsewhere nobody has the port.
        let refusing = (1..=9).map(|it| address::from_socket_address(([127, 0, 1, it], port).into()));
        let addresses: Vec<_> = refusing.chain([good.clone()]).collect();
        let dialer = reporting_dialer().await;
        let (connected, progress) = attempts(&dialer, listener.local_peer(), addresses.clone()).await;
        assert_eq!(connected.remote_address, good);
        // In the order of their ranks: the first alone, and once it has failed as many as may be.
        assert_eq!(of(&progress, &AttemptState::Started), addresses);
        let failed = AttemptState::Failed { error: TransportError::Refused.into() };
        let place = |address: &Multiaddr, state: &AttemptState| {
            progress.iter().position(|(of, it)| of == address && it == state).unwrap()
        };
        assert!(place(&addresses[0], &failed) < place(&addresses[1], &AttemptState::Started));
        let mut refused = of(&progress, &failed);
        refused.sort();
        assert_eq!(refused, addresses[..9]);
        assert_eq!(of(&progress, &AttemptState::Won), [good]);
    })
    .await;
}

/// Ten addresses of which one answers. Returns how many had to time out before it had its turn.
async fn nine_silent(good: u8) -> usize {
    let mut front = Front::bind().await;
    let port = front.port;
    let door = |number| Door { peer: 1, number };
    let listener = builder().transport(front.put_node(door(good)));
    let listener = listener.listen(door(good).address(port)).start().await.unwrap();
    let dialer = reporting_dialer().await;
    let seen = front.open(dialer.events().await.unwrap());
    let addresses: Vec<_> = (1..=10).map(|number| door(number).address(port)).collect();
    let (connected, progress) = attempts(&dialer, listener.local_peer(), addresses.clone()).await;
    assert_eq!(connected.remote_address, door(good).address(port));
    // In the order of their ranks, eight at a time; each is told of where it arrives.
    let started = of(&progress, &AttemptState::Started);
    assert_eq!(started, addresses[..started.len()]);
    assert_eq!(seen.lock().unwrap().most_per_peer, 8);
    assert_eq!(of(&progress, &AttemptState::Waiting { token: Token::Peer }), addresses[8..]);
    let its_start = (door(good).address(port), AttemptState::Started);
    let before = progress.iter().position(|it| *it == its_start).unwrap();
    of(&progress[..before], &AttemptState::Failed { error: AttemptError::Timeout }).len()
}

#[tokio::test]
async fn nine_addresses_are_silent_and_one_is_good() {
    bounded(async {
        assert_eq!(nine_silent(3).await, 0, "it has to wait for the delay of its rank only");
        assert!(nine_silent(10).await >= 2, "it has to wait for the token of one that times out");
    })
    .await;
}
