use super::*;
use crate::identity::Keypair;
use crate::seed::Seed;
use crate::swarm::{Swarm, SwarmConfig, SwarmEvent, SwarmInput, SwarmOutput};

const NOW: Instant = Instant::from_nanos(1_000);

/// Answers what it is told to, when it is told to.
#[derive(Debug, Default)]
struct Slow {
    delay: Duration,
    addresses: Vec<Multiaddr>,
    waiting: BTreeMap<QueryId, Instant>,
    answers: VecDeque<RoutingOutput>,
}

impl Machine for Slow {
    type Input = RoutingInput;
    type Output = RoutingOutput;

    fn handle_input(&mut self, input: RoutingInput, now: Instant) {
        match input {
            RoutingInput::Find { query, .. } => drop(self.waiting.insert(query, now + self.delay)),
            RoutingInput::Cancel { query } => drop(self.waiting.remove(&query)),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        for query in self.waiting.extract_if(.., |_, at| *at <= now).map(|(query, _)| query) {
            self.answers.push_back(RoutingOutput::Found { query, addresses: self.addresses.clone() });
            self.answers.push_back(RoutingOutput::Finished { query });
        }
    }

    fn poll_output(&mut self) -> Option<RoutingOutput> {
        self.answers.pop_front()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.waiting.values().min().map(|&at| Deadline::new(at, "test"))
    }
}

fn peer(number: u8) -> PeerId {
    Keypair::ed25519_from_secret(&[number; 32]).public().to_peer_id()
}

fn addresses(ports: impl IntoIterator<Item = u16>) -> Vec<Multiaddr> {
    ports.into_iter().map(|port| format!("/ip4/10.0.0.1/tcp/{port}").parse().unwrap()).collect()
}

fn known(ports: impl IntoIterator<Item = u16>) -> Box<dyn PeerRouting> {
    let list =
        addresses(ports).into_iter().fold(KnownPeers::new(), |list, address| list.with(peer(1), address));
    Box::new(list)
}

fn slow(delay: Duration, ports: impl IntoIterator<Item = u16>) -> Box<dyn PeerRouting> {
    Box::new(Slow { delay, addresses: addresses(ports), ..Slow::default() })
}

fn command(routing: &mut Routing, command: RoutingCommand, now: Instant) -> Vec<RoutingEvent> {
    routing.handle_input(FromSwarm::Command(command), now);
    events(routing)
}

fn find(routing: &mut Routing, query: u64) -> Vec<RoutingEvent> {
    command(routing, RoutingCommand::Find { query: QueryId(query), peer: peer(1) }, NOW)
}

fn events(routing: &mut Routing) -> Vec<RoutingEvent> {
    let outputs = std::iter::from_fn(|| routing.poll_output());
    outputs
        .map(|output| if let ToSwarm::Event(event) = output { event } else { panic!("{output:?}") })
        .collect()
}

fn found(query: u64, ports: impl IntoIterator<Item = u16>) -> RoutingEvent {
    RoutingEvent::Found { query: QueryId(query), peer: peer(1), addresses: addresses(ports) }
}

fn finished(query: u64) -> RoutingEvent {
    RoutingEvent::Finished { query: QueryId(query), peer: peer(1) }
}

fn failed(query: u64, error: FindError) -> RoutingEvent {
    RoutingEvent::Failed { query: QueryId(query), error }
}

#[test]
fn every_source_is_asked_and_nothing_is_told_twice() {
    let second = Duration::from_secs(1);
    let mut routing = Routing::new(vec![known([1, 2]), slow(second, [2, 3]), known([2])]);
    assert_eq!(find(&mut routing, 7), [found(7, [1, 2])]);
    assert_eq!(routing.poll_timeout().unwrap().at, NOW + second);
    routing.handle_timeout(NOW + second);
    assert_eq!(events(&mut routing), [found(7, [3]), finished(7)]);
    assert_eq!(routing.poll_timeout(), None);
}

#[test]
fn a_peer_that_nobody_knows() {
    let mut routing = Routing::new(vec![known([1])]);
    let stranger = RoutingCommand::Find { query: QueryId(1), peer: peer(2) };
    let nothing = RoutingEvent::Finished { query: QueryId(1), peer: peer(2) };
    assert_eq!(command(&mut routing, stranger, NOW), [nothing]);
}

#[test]
fn a_source_that_says_nothing_is_given_up() {
    let mut routing = Routing::new(vec![known([1]), slow(Duration::MAX, [2])]);
    assert_eq!(find(&mut routing, 1), [found(1, [1])]);
    routing.handle_timeout(NOW + QUERY_TIMEOUT);
    assert_eq!(events(&mut routing), [finished(1)]);
    assert_eq!(routing.poll_timeout(), None, "the source was told");
}

#[test]
fn a_query_can_be_cancelled_and_its_id_is_free_again() {
    let mut routing = Routing::new(vec![slow(Duration::from_secs(1), [2])]);
    assert_eq!(find(&mut routing, 1), []);
    assert_eq!(find(&mut routing, 1), [failed(1, FindError::IdInUse)]);
    let cancel = RoutingCommand::Cancel { query: QueryId(1) };
    assert_eq!(command(&mut routing, cancel.clone(), NOW), [finished(1)]);
    assert_eq!(command(&mut routing, cancel, NOW), []);
    assert_eq!(find(&mut routing, 1), []);
}

#[test]
fn limits() {
    assert_eq!(find(&mut Routing::default(), 1), [failed(1, FindError::NoRouting)]);

    let mut routing = Routing::new(vec![known(1..=u16::try_from(MAX_ADDRESSES).unwrap() + 1)]);
    let told = 1..=u16::try_from(MAX_ADDRESSES).unwrap();
    assert_eq!(find(&mut routing, 1), [found(1, told), finished(1)]);

    let mut routing = Routing::new(vec![slow(Duration::from_secs(1), [])]);
    for query in 0..MAX_QUERIES as u64 {
        assert_eq!(find(&mut routing, query), []);
    }
    assert_eq!(find(&mut routing, u64::MAX), [failed(u64::MAX, FindError::TooMany)]);
}

#[test]
fn what_a_source_says_of_no_query_counts_for_nothing() {
    let mut lying = Slow::default();
    let query = QueryId(9);
    lying.answers.push_back(RoutingOutput::Found { query, addresses: addresses([1]) });
    lying.answers.push_back(RoutingOutput::Finished { query });
    lying.answers.push_back(RoutingOutput::Finished { query });
    let mut routing = Routing::new(vec![Box::new(lying), slow(Duration::from_secs(1), [2])]);
    routing.handle_timeout(NOW);
    assert_eq!(events(&mut routing), []);
    assert_eq!(find(&mut routing, 9), []);
}

#[test]
fn a_node_that_shuts_down_ends_its_queries_first() {
    let routing = Routing::new(vec![slow(Duration::from_secs(1), [2])]);
    let (keypair, seed) = (Keypair::ed25519_from_secret(&[9; 32]), Seed::reproducible(1));
    let mut swarm = Swarm::new(SwarmConfig::default(), keypair, routing, seed, NOW);
    let find = |query| SwarmInput::Command(RoutingCommand::Find { query: QueryId(query), peer: peer(1) });
    swarm.handle_input(find(1), NOW);
    swarm.handle_input(SwarmInput::Shutdown, NOW);
    swarm.handle_input(find(2), NOW);
    let outputs: Vec<_> = std::iter::from_fn(|| swarm.poll_output()).collect();
    let (over, refused) = (SwarmOutput::Event(SwarmEvent::ShutDown), failed(2, FindError::ShutDown));
    assert_eq!(outputs, [SwarmOutput::Protocol(finished(1)), over, SwarmOutput::Protocol(refused)]);
}

/// Three peers more than may be looked for at once.
fn strangers() -> Vec<PeerId> {
    let stranger = |number: usize| {
        let mut secret = [7; 32];
        secret[..8].copy_from_slice(&number.to_be_bytes());
        Keypair::ed25519_from_secret(&secret).public().to_peer_id()
    };
    (0..MAX_QUERIES + 3).map(stranger).collect()
}

/// The peers that the swarm is told nothing more of.
fn done(routing: &mut Routing) -> Vec<PeerId> {
    let outputs = std::iter::from_fn(|| routing.poll_output());
    let done = |output| if let ToSwarm::FindFinished { peer } = output { peer } else { panic!("{output:?}") };
    outputs.map(done).collect()
}

#[test]
fn the_peers_of_dials_wait_for_a_place() {
    let second = Duration::from_secs(1);
    let mut routing = Routing::new(vec![slow(second, [])]);
    let all = strangers();
    for &peer in &all {
        routing.handle_input(FromSwarm::FindPeer { peer }, NOW);
    }
    assert_eq!(find(&mut routing, 1), [failed(1, FindError::TooMany)], "the user does not wait");
    // One that has a place, and one that waits, are not looked for any more: another one is asked for at once.
    for peer in [all[0], all[MAX_QUERIES + 1]] {
        routing.handle_input(FromSwarm::StopFinding { peer }, NOW);
    }
    assert_eq!(done(&mut routing), [], "and nobody is told");
    routing.handle_timeout(NOW + second);
    let mut at_once = done(&mut routing);
    at_once.sort();
    let mut expected = all[1..=MAX_QUERIES].to_vec();
    expected.sort();
    assert_eq!(at_once, expected);
    routing.handle_timeout(NOW + second * 2);
    assert_eq!(
        done(&mut routing),
        [all[MAX_QUERIES + 2]],
        "the last one was asked for when places were free"
    );
    assert_eq!((routing.poll_timeout(), routing.askers.len()), (None, 0));
}

#[test]
fn an_answer_that_waits_to_be_taken_is_not_that_of_the_next_question() {
    let second = Duration::from_secs(1);
    let mut routing = Routing::new(vec![slow(second, [])]);
    routing.handle_input(FromSwarm::FindPeer { peer: peer(1) }, NOW);
    routing.handle_timeout(NOW + second);
    routing.handle_input(FromSwarm::StopFinding { peer: peer(1) }, NOW + second);
    routing.handle_input(FromSwarm::FindPeer { peer: peer(1) }, NOW + second);
    assert_eq!(done(&mut routing), []);
    routing.handle_timeout(NOW + second * 2);
    assert_eq!(done(&mut routing), [peer(1)]);
}

#[test]
fn who_waits_when_the_node_shuts_down_is_answered() {
    let mut routing = Routing::new(vec![slow(Duration::MAX, [])]);
    let all = strangers();
    for &peer in &all {
        routing.handle_input(FromSwarm::FindPeer { peer }, NOW);
    }
    routing.shut_down(NOW);
    assert_eq!(done(&mut routing).len(), all.len());
    routing.handle_input(FromSwarm::FindPeer { peer: all[0] }, NOW);
    assert_eq!(done(&mut routing), [all[0]]);
    assert_eq!((routing.waiting.len(), routing.queries.len(), routing.askers.len()), (0, 0, 0));
}
