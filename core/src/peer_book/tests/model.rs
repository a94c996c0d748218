//! Whatever is thrown at the book, it agrees with a naive one that walks over everything, and keeps its limits.

use super::*;
use crate::time::Latest;
use proptest::collection::vec;
use proptest::prelude::*;

const MAX_PEERS: usize = 4;
const MAX_ADDRESSES: usize = 3;
const PEERS: u64 = 8;
const PORTS: u16 = 6;
const TODAY: Duration = Duration::from_secs(1_800_000_000);

/// What can happen, to the peer with this number.
#[derive(Debug, Clone)]
enum Op {
    Add(u16),
    Routed(Vec<u16>),
    Identified(Vec<u16>),
    Signed(u64, Vec<u16>),
    Connected(Option<u16>),
    Disconnected,
    Failed(u16),
    WrongPeer(u16),
    ForgetAddress(u16),
    Forget,
}

#[derive(Debug, Clone, Default)]
struct NaivePeer {
    number: u64,
    connections: usize,
    sequence: Option<u64>,
    addresses: Vec<NaiveAddress>,
}

#[derive(Debug, Clone, PartialEq)]
struct NaiveAddress {
    port: u16,
    origin: Origin,
    expires: Option<Instant>,
    told: Instant,
    reached: Option<Instant>,
    has_failed: bool,
}

impl NaiveAddress {
    fn standing(&self) -> Standing {
        match (self.origin, self.reached) {
            (Origin::User, _) => Standing::User,
            (_, Some(_)) => Standing::Reached,
            (Origin::Record, None) => Standing::Certified,
            (Origin::Identify | Origin::Dialed, None) => Standing::Met,
            (Origin::Routing, None) => Standing::Hearsay,
        }
    }

    fn renew(&mut self, now: Instant) {
        let ttl = match self.origin {
            Origin::User => {
                self.expires = None;
                return;
            }
            _ if self.reached.is_some() && !self.has_failed => REACHED_TTL,
            Origin::Record => RECORD_TTL,
            Origin::Identify | Origin::Dialed => IDENTIFY_TTL,
            Origin::Routing => ROUTING_TTL,
        };
        self.expires = self.expires.max(Some(now + ttl));
    }
}

impl NaivePeer {
    fn standing(&self) -> Standing {
        let without = if self.connections > 0 { Standing::Met } else { Standing::Hearsay };
        self.addresses.iter().map(NaiveAddress::standing).fold(without, Standing::max)
    }

    fn tell(&mut self, port: u16, origin: Origin, now: Instant) {
        match self.addresses.iter_mut().find(|known| known.port == port) {
            Some(known) if known.origin > origin => {}
            Some(known) => {
                (known.origin, known.told) = (origin, now);
                known.renew(now);
            }
            None => {
                let expires = Some(now);
                let mut new =
                    NaiveAddress { port, origin, expires, told: now, reached: None, has_failed: false };
                new.renew(now);
                self.insert(new);
            }
        }
    }

    fn insert(&mut self, new: NaiveAddress) {
        if self.addresses.len() == MAX_ADDRESSES {
            let mut order: Vec<_> = (0..MAX_ADDRESSES).collect();
            order.sort_by_key(|&index| {
                let known = &self.addresses[index];
                (known.standing(), known.expires, known.told, index)
            });
            let weakest = &self.addresses[order[0]];
            if weakest.standing() > new.standing() || weakest.origin == Origin::User {
                return;
            }
            self.addresses.remove(order[0]);
        }
        self.addresses.push(new);
    }

    fn apply(&mut self, op: &Op, now: Instant) {
        let first = |ports: &[u16]| ports[..ports.len().min(MAX_ADDRESSES)].to_vec();
        match op {
            Op::Add(port) => self.tell(*port, Origin::User, now),
            Op::Routed(ports) => {
                first(ports).into_iter().for_each(|port| self.tell(port, Origin::Routing, now));
            }
            Op::Identified(ports) => {
                let ports = first(ports);
                if !ports.is_empty() {
                    self.addresses
                        .retain(|known| known.origin != Origin::Identify || ports.contains(&known.port));
                }
                ports.into_iter().for_each(|port| self.tell(port, Origin::Identify, now));
            }
            Op::Signed(sequence, _) if Some(*sequence) < self.sequence => {}
            Op::Signed(sequence, ports) => {
                let ports = first(ports);
                if Some(*sequence) > self.sequence {
                    self.addresses.retain(|known| {
                        ports.contains(&known.port)
                            || !matches!(known.origin, Origin::Identify | Origin::Record)
                    });
                }
                self.sequence = Some(*sequence);
                ports.into_iter().for_each(|port| self.tell(port, Origin::Record, now));
            }
            Op::Connected(dialed) => {
                self.connections += 1;
                if let Some(port) = *dialed {
                    self.reach(port, now);
                }
            }
            Op::Disconnected => {
                self.connections = self.connections.saturating_sub(1);
                if self.connections == 0 {
                    self.hold(now);
                }
            }
            Op::Failed(port) => {
                let known = self.addresses.iter_mut().filter(|known| known.port == *port);
                known.for_each(|known| known.has_failed = true);
            }
            Op::WrongPeer(port) => {
                self.apply(&Op::Failed(*port), now);
                self.addresses.retain(|known| known.port != *port || known.origin == Origin::User);
            }
            Op::ForgetAddress(port) => self.addresses.retain(|known| known.port != *port),
            Op::Forget => (self.addresses, self.sequence) = (Vec::new(), None),
        }
    }

    fn reach(&mut self, port: u16, now: Instant) {
        let reached = Some(now);
        if let Some(known) = self.addresses.iter_mut().find(|known| known.port == port) {
            (known.reached, known.has_failed) = (reached, false);
            return known.renew(now);
        }
        let (origin, expires) = (Origin::Dialed, Some(now + REACHED_TTL));
        self.insert(NaiveAddress { port, origin, expires, told: now, reached, has_failed: false });
    }

    fn hold(&mut self, now: Instant) {
        let held = |known: &&mut NaiveAddress| known.origin != Origin::Routing || known.reached.is_some();
        self.addresses.iter_mut().filter(held).for_each(|known| known.renew(now));
    }

    fn expire(&mut self, now: Instant) {
        let is_due = |known: &NaiveAddress| known.expires.is_some_and(|expires| expires <= now);
        if self.connections > 0 && self.addresses.iter().any(is_due) {
            self.hold(now);
        }
        self.addresses.retain(|known| !is_due(known));
    }

    fn is_void(&self) -> bool {
        self.addresses.is_empty() && self.connections == 0
    }

    fn best_first(&self) -> Vec<Multiaddr> {
        let mut addresses: Vec<_> = self.addresses.iter().collect();
        addresses.sort_by(|a, b| {
            let is_sure = |known: &NaiveAddress| known.origin >= Origin::Record;
            (a.has_failed.cmp(&b.has_failed))
                .then(is_sure(b).cmp(&is_sure(a)))
                .then(b.reached.cmp(&a.reached))
                .then(b.told.cmp(&a.told))
        });
        addresses.into_iter().map(|known| port(known.port)).collect()
    }
}

#[derive(Debug, Default)]
struct Naive {
    peers: Vec<NaivePeer>,
    latest: Latest,
}

impl Naive {
    fn apply(&mut self, number: u64, op: &Op, now: Instant) {
        let now = self.latest.see(now);
        self.peers.iter_mut().for_each(|known| known.expire(now));
        self.peers.retain(|known| !known.is_void());
        if let Some(known) = self.peers.iter_mut().find(|known| known.number == number) {
            known.apply(op, now);
        } else {
            let mut new = NaivePeer { number, ..NaivePeer::default() };
            new.apply(op, now);
            if !new.is_void() && self.make_room(new.standing()) {
                self.peers.push(new);
            }
        }
        self.peers.retain(|known| !known.is_void());
    }

    fn make_room(&mut self, standing: Standing) -> bool {
        let place = |known: &NaivePeer| {
            let expires = known.addresses.iter().filter_map(|address| address.expires).max();
            (known.standing(), expires, peer(known.number))
        };
        let can_go = |known: &&NaivePeer| known.connections == 0 && known.standing() < Standing::User;
        if self.peers.len() < MAX_PEERS {
            return true;
        }
        match self.peers.iter().filter(can_go).map(place).min() {
            Some((lowest, _, first)) if lowest <= standing => {
                self.peers.retain(|known| peer(known.number) != first);
                true
            }
            _ => false,
        }
    }
}

fn op() -> impl Strategy<Value = Op> {
    let number = || 0..PORTS;
    let list = || {
        vec(0..PORTS, 0..5).prop_map(|mut ports| {
            ports.dedup();
            ports
        })
    };
    prop_oneof![
        1 => number().prop_map(Op::Add),
        3 => list().prop_map(Op::Routed),
        3 => list().prop_map(Op::Identified),
        3 => (0_u64..4, list()).prop_map(|(sequence, ports)| Op::Signed(sequence, ports)),
        3 => proptest::option::of(number()).prop_map(Op::Connected),
        4 => Just(Op::Disconnected),
        1 => number().prop_map(Op::Failed),
        1 => number().prop_map(Op::WrongPeer),
        1 => number().prop_map(Op::ForgetAddress),
        1 => Just(Op::Forget),
    ]
}

fn apply(book: &mut PeerBook, of: PeerId, op: &Op, now: Instant) {
    let list = |numbers: &[u16]| ports(numbers.iter().copied());
    match op {
        Op::Add(number) => drop(book.add(of, &port(*number), now)),
        Op::Routed(numbers) => book.routed(of, &list(numbers), now),
        Op::Identified(numbers) => book.identified(of, &info(list(numbers)), now),
        Op::Signed(sequence, numbers) => book.identified(of, &signed_info(of, *sequence, list(numbers)), now),
        Op::Connected(dialed) => book.connected(of, dialed.map(port).as_ref(), now),
        Op::Disconnected => book.disconnected(of, now),
        Op::Failed(number) => book.failed(of, &port(*number), now),
        Op::WrongPeer(number) => book.wrong_peer(of, &port(*number), now),
        Op::ForgetAddress(number) => book.forget_address(of, &port(*number), now),
        Op::Forget => book.forget(of, now),
    }
}

/// What must hold at any time.
fn check(book: &PeerBook) -> Result<(), TestCaseError> {
    prop_assert!(book.peers.len() <= MAX_PEERS);
    prop_assert!(book.changed.len() <= 2 * MAX_PEERS);
    prop_assert!(book.expiries.len() <= book.peers.len());
    let places: BTreeSet<_> = (book.peers.iter())
        .filter_map(|(&peer, entry)| entry.place().map(|(standing, expires)| (standing, expires, peer)))
        .collect();
    prop_assert_eq!(&book.replaceable, &places);
    for (&peer, entry) in &book.peers {
        prop_assert!(!entry.is_void());
        prop_assert_eq!(book.expiries.contains(peer), entry.next_expiry().is_some());
        let known = entry.known(peer, book.latest.get()).ok_or_else(|| TestCaseError::fail("nothing"))?;
        prop_assert!(known.addresses.len() <= MAX_ADDRESSES);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn agrees_with_a_naive_book(ops in vec((0..PEERS, op(), 0_u64..900), 1..60)) {
        let mut book = PeerBook::new(PeerBookConfig { max_peers: MAX_PEERS, max_addresses_per_peer: MAX_ADDRESSES });
        let (mut naive, mut now) = (Naive::default(), NOW);
        // What a store would hold that does as it is told.
        let mut disk = BTreeMap::new();
        for (index, (number, op, seconds)) in ops.iter().enumerate() {
            now = now + Duration::from_secs(*seconds);
            apply(&mut book, peer(*number), op, now);
            naive.apply(*number, op, now);
            check(&book)?;
            let known: BTreeSet<_> = book.peers(now).map(|known| known.peer).collect();
            prop_assert_eq!(known, naive.peers.iter().map(|known| peer(known.number)).collect());
            for known in &naive.peers {
                prop_assert_eq!(book.addresses(peer(known.number), now), known.best_first(), "{:?}", known);
                let sequence = book.get(peer(known.number), now).and_then(|known| known.record_sequence);
                prop_assert_eq!(sequence, known.sequence);
            }
            if index % 5 == 0 {
                while let Some(change) = book.take_change(TODAY, now) {
                    match change.entry {
                        Some(stored) => drop(disk.insert(change.peer, stored)),
                        None => drop(disk.remove(&change.peer)),
                    }
                }
                let worth = naive.peers.iter().filter(|known| known.standing() >= Standing::Certified);
                let worth: BTreeSet<_> = worth.map(|known| peer(known.number)).collect();
                prop_assert_eq!(disk.keys().copied().collect::<BTreeSet<_>>(), worth);
            }
        }
    }
}
