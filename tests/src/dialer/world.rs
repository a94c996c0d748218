//! What is around a dialer: users, a peer book, a name service and a network, all of them moody.

use peerwork_core::address::{Multiaddr, Protocol, with_peer_id};
use peerwork_core::connection::ConnectionId;
use peerwork_core::identity::PeerId;
use peerwork_core::swarm::dialer::{
    AddressSource, AttemptError, AttemptId, Cost, DialId, DialOptions, DialTarget, Dialable, DialerInput,
    DialerOutput, LookupId, PeerCondition, RecordKind, Records,
};
use peerwork_core::swarm::{AccessDenied, TransportError};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// Draws a number below the one that it is given, which is not zero.
pub type Draw<'a> = &'a mut dyn FnMut(u64) -> u64;

/// Other peers there are.
const PEERS: u8 = 4;

/// Addresses in a list that somebody tells, at most.
const MAX_TOLD: u64 = 6;

/// A peer. Number 0 is the dialer's own node.
pub fn peer(number: u8) -> PeerId {
    let digest = [&[0x12, 0x20][..], &[number; 32]].concat();
    PeerId::from_bytes(&digest).expect("it is the hash of a key")
}

/// Where the dialer's own node listens, if it is told so.
pub fn listening() -> Vec<Multiaddr> {
    vec![text("/ip4/10.0.0.1/tcp/4001"), text("/ip4/1.2.3.1/tcp/4001")]
}

/// Takes all but `/memory`, and charges a descriptor for TCP without a relay.
#[derive(Debug, Clone, Copy)]
pub struct NoMemory;

impl Dialable for NoMemory {
    fn cost(&self, address: &Multiaddr) -> Result<Cost, TransportError> {
        if address.iter().any(|part| matches!(part, Protocol::Memory(_))) {
            return Err(TransportError::Unsupported { expected: "no memory".to_owned() });
        }
        Ok(cost(address))
    }
}

/// What an attempt costs, as whoever knows addresses would say.
pub fn cost(address: &Multiaddr) -> Cost {
    let text = address.to_string();
    if text.contains("/tcp/") && !text.contains("/p2p-circuit") { Cost::Descriptor } else { Cost::Nothing }
}

fn text(text: &str) -> Multiaddr {
    text.parse().expect("the address is well-formed")
}

/// Everything that a dialer is told, drawn at random. Whoever drives it says what came out.
#[derive(Debug, Default)]
pub struct World {
    next_dial: u64,
    next_connection: u64,
    /// The wishes without an answer.
    wishes: BTreeSet<DialId>,
    /// The attempts that were started and are not cancelled.
    running: BTreeMap<AttemptId, Option<PeerId>>,
    /// Those of which nothing more is expected.
    ended: Vec<AttemptId>,
    lookups: BTreeMap<LookupId, (String, RecordKind)>,
    finds: BTreeSet<(PeerId, AddressSource)>,
    connected: BTreeMap<PeerId, ConnectionId>,
}

impl World {
    /// What happens next. `None`: nothing that could.
    pub fn draw(&mut self, draw: Draw<'_>) -> Option<DialerInput> {
        match draw(40) {
            0..10 => Some(self.dial(draw)),
            10..12 => Some(DialerInput::Cancel { dial: pick(&self.wishes, draw).copied()? }),
            12..15 => Some(Self::tell(draw)),
            15..19 => self.exhaust(draw),
            19..23 => self.look_up(draw),
            23..25 => Some(DialerInput::Upgrading { attempt: *pick(self.running.keys(), draw)? }),
            25..35 => self.result(draw),
            35 => {
                let attempt = *pick(&self.ended, draw)?;
                let late = DialerInput::Upgrading { attempt };
                Some(if draw(4) == 0 { late } else { self.outcome(attempt, Some(peer(1)), draw) })
            }
            36 | 37 => {
                let peer = remote(draw);
                Some(DialerInput::Connected { connection: self.connect(peer), peer })
            }
            38 => {
                // The connections to a peer are gone.
                self.connected.remove(&remote(draw));
                None
            }
            _ => {
                let addresses = if draw(2) == 0 { listening() } else { Vec::new() };
                Some(DialerInput::Listening { addresses })
            }
        }
    }

    /// Ends what the users wish.
    pub fn wind_down(&self) -> Option<DialerInput> {
        self.wishes.first().map(|dial| DialerInput::Cancel { dial: *dial })
    }

    /// Takes note of what the dialer says.
    pub fn hear(&mut self, output: &DialerOutput) {
        match output {
            DialerOutput::FindAddresses { peer, source } => drop(self.finds.insert((*peer, *source))),
            DialerOutput::StopFinding { peer, source } => drop(self.finds.remove(&(*peer, *source))),
            DialerOutput::Lookup { lookup, name, kind } => {
                self.lookups.insert(*lookup, (name.clone(), *kind));
            }
            DialerOutput::CancelLookup { lookup } => drop(self.lookups.remove(lookup)),
            DialerOutput::Start { attempt, peer, .. } => drop(self.running.insert(*attempt, *peer)),
            DialerOutput::CancelAttempt { attempt } => self.end(*attempt),
            DialerOutput::Finished { dial, .. } => drop(self.wishes.remove(dial)),
            DialerOutput::Progress(_) => {}
        }
    }

    fn end(&mut self, attempt: AttemptId) {
        self.running.remove(&attempt);
        self.ended.push(attempt);
    }

    fn connect(&mut self, peer: PeerId) -> ConnectionId {
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        self.connected.insert(peer, connection);
        connection
    }

    fn dial(&mut self, draw: Draw<'_>) -> DialerInput {
        let dial = DialId(self.next_dial);
        self.next_dial += 1;
        self.wishes.insert(dial);
        let condition = match draw(6) {
            0 => PeerCondition::Always,
            1 => PeerCondition::NotDialing,
            _ => PeerCondition::Disconnected,
        };
        let timeout = (draw(3) == 0).then(|| Duration::from_millis(draw(20_000)));
        let options = DialOptions { condition, timeout, ignore_backoff: draw(8) == 0 };
        let target = match draw(12) {
            0 => DialTarget::from(peer(0)),
            1 | 2 => {
                // Each of them at a place of its own, so that who looks on can tell them apart.
                let port = 10_000 + (dial.0 % 50_000) as u16;
                let addresses = [(4, "1.2.3.9"), (4, "10.0.0.9"), (4, "0.0.0.0")];
                let told = addresses.iter().take(draw(4) as usize);
                let told = told.map(|(family, ip)| text(&format!("/ip{family}/{ip}/tcp/{port}")));
                DialTarget { peer: None, addresses: told.collect() }
            }
            _ => {
                let number = 1 + draw(PEERS.into()) as u8;
                DialTarget { peer: Some(peer(number)), addresses: told(number, draw) }
            }
        };
        let connected = target.peer.and_then(|peer| self.connected.get(&peer).copied());
        DialerInput::Dial { dial, target, options, connected }
    }

    fn tell(draw: Draw<'_>) -> DialerInput {
        let number = 1 + draw(PEERS.into()) as u8;
        let source = [AddressSource::Book, AddressSource::Routing, AddressSource::Peer][draw(3) as usize];
        DialerInput::Addresses { peer: peer(number), source, addresses: told(number, draw) }
    }

    fn exhaust(&mut self, draw: Draw<'_>) -> Option<DialerInput> {
        let (peer, source) = *pick(&self.finds, draw)?;
        self.finds.remove(&(peer, source));
        Some(DialerInput::Exhausted { peer, source })
    }

    fn look_up(&mut self, draw: Draw<'_>) -> Option<DialerInput> {
        let lookup = *pick(self.lookups.keys(), draw)?;
        let (name, kind) = self.lookups.remove(&lookup)?;
        let fitting = if draw(10) == 0 { RecordKind::Txt } else { kind };
        let number = owner_of_name(&name)?;
        let count = draw(4);
        let records = match fitting {
            RecordKind::Txt => {
                Records::Texts((0..count).map(|_| format!("dnsaddr={}", one(number, draw))).collect())
            }
            RecordKind::Ip4 => ips(["1.2.3.1", "10.0.0.2", "0.0.0.0", "1.2.3.2"], count),
            RecordKind::Ip6 => ips(["2001:db8::1", "1.2.3.4", "fe80::1", "2001:db8::2"], count),
        };
        let failed = TransportError::Name { name, reason: "there is no such name".to_owned() };
        Some(DialerInput::LookedUp { lookup, result: if draw(4) == 0 { Err(failed) } else { Ok(records) } })
    }

    fn result(&mut self, draw: Draw<'_>) -> Option<DialerInput> {
        let (attempt, expected) = pick(&self.running, draw).map(|(attempt, peer)| (*attempt, *peer))?;
        self.end(attempt);
        Some(self.outcome(attempt, expected, draw))
    }

    fn outcome(&mut self, attempt: AttemptId, expected: Option<PeerId>, draw: Draw<'_>) -> DialerInput {
        let failed = |error| DialerInput::Failed { attempt, error };
        match draw(8) {
            0 | 1 => {
                let peer = expected.unwrap_or_else(|| remote(draw));
                DialerInput::Succeeded { attempt, connection: self.connect(peer), peer }
            }
            2 => {
                // It may be the wrong one; then the connection is none to count on.
                let connection = ConnectionId(self.next_connection);
                self.next_connection += 1;
                DialerInput::Succeeded { attempt, connection, peer: remote(draw) }
            }
            3 => failed(AttemptError::Blocked(AccessDenied::BlockedPeer)),
            4 => failed(AttemptError::Timeout),
            _ => failed(TransportError::Refused.into()),
        }
    }
}

fn remote(draw: Draw<'_>) -> PeerId {
    peer(1 + draw(PEERS.into()) as u8)
}

fn pick<T>(all: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>, draw: Draw<'_>) -> Option<T> {
    let mut all = all.into_iter();
    let count = all.len() as u64;
    if count == 0 { None } else { all.nth(draw(count) as usize) }
}

fn ips(ips: [&str; 4], count: u64) -> Records {
    let ips = ips.iter().filter_map(|ip| ip.parse::<IpAddr>().ok());
    Records::Addresses(ips.take(count as usize).collect())
}

/// Some addresses that are said to be a peer's.
fn told(number: u8, draw: Draw<'_>) -> Vec<Multiaddr> {
    (0..draw(MAX_TOLD)).map(|_| one(number, draw)).collect()
}

/// The peer about whose name is asked.
pub fn owner_of_name(name: &str) -> Option<u8> {
    name.strip_suffix(".example")?.rsplit('.').next()?.parse().ok()
}

/// An address that is said to be a peer's. Names say whose they are.
fn one(number: u8, draw: Draw<'_>) -> Multiaddr {
    let (place, port) = (1 + draw(3), 1 + draw(3));
    let address = match draw(19) {
        0..3 => format!("/ip4/10.0.0.{place}/tcp/{port}"),
        3..6 => format!("/ip4/1.2.3.{place}/tcp/{port}"),
        6..8 => format!("/ip6/2001:db8::{place}/tcp/{port}"),
        8 => format!("/ip4/1.2.3.{place}/udp/{port}/quic-v1"),
        9 => format!("/ip6/fc00::{place}/udp/{port}/quic-v1"),
        10 => format!("/ip4/1.2.3.{place}/tcp/{port}/p2p/{}/p2p-circuit", peer(PEERS)),
        11 => format!("/dns/{place}.{number}.example/tcp/{port}"),
        12 => format!("/dnsaddr/{place}.{number}.example"),
        13 => format!("/dns4/{place}.{number}.example/tcp/{port}"),
        14 => format!("/ip4/1.2.3.{place}/tcp/{port}/ws"),
        15 => format!("/ip4/1.2.3.{place}/udp/{port}/quic"),
        16 => format!("/ip6/fc00::{place}/udp/{port}/quic-v1/webtransport"),
        _ => {
            let odd = ["/ip4/0.0.0.0/tcp/1", "/ip6/fe80::1/tcp/1", "/memory/1", "/ip4/1.2.3.1/tcp/0"];
            let own = listening();
            let odd = odd.map(str::to_owned).into_iter().chain(own.iter().map(Multiaddr::to_string));
            odd.into_iter().nth(draw(6) as usize).unwrap_or_default()
        }
    };
    match draw(8) {
        0 => with_peer_id(text(&address), &peer(number)),
        1 => with_peer_id(text(&address), &remote(draw)),
        _ => text(&address),
    }
}
