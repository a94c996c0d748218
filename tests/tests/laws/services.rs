//! Peer routing and record stores, whose sources answer at once, late or never.

use bytes::Bytes;
use peerwork_core::identity::{Keypair, PeerId};
use peerwork_core::machine::Machine;
use peerwork_core::records::{
    MemoryStore, Record, RecordKey, RecordStore, Records, RecordsCommand, RecordsEvent, RecordsId,
    StoreInput, StoreOutput, Validators,
};
use peerwork_core::routing::{
    KnownPeers, PeerRouting, QueryId, Routing, RoutingCommand, RoutingEvent, RoutingInput, RoutingOutput,
};
use peerwork_core::seed::Seed;
use peerwork_core::time::{Deadline, Instant, Latest, Timers};
use peerwork_tests::laws::protocol::ProtocolSubject;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub(crate) struct Finding;

impl ProtocolSubject for Finding {
    type Protocol = Routing;
    type Id = QueryId;

    fn name(&self) -> String {
        "peer routing".to_owned()
    }

    fn build(&self, case: u64, _now: Instant) -> Routing {
        let slow = Delayed::new(case, |input| match input {
            RoutingInput::Find { query, .. } => Ok((*query, RoutingOutput::Finished { query: *query })),
            RoutingInput::Cancel { query } => Err(*query),
        });
        let known = Keypair::ed25519_from_secret(&[1; 32]).public().to_peer_id();
        let list = KnownPeers::new().with(known, "/ip4/192.0.2.1/tcp/4001".parse().unwrap());
        let mut sources: Vec<Box<dyn PeerRouting>> = vec![Box::new(list)];
        // Without it every answer comes at once.
        if case.is_multiple_of(2) {
            sources.push(Box::new(slow));
        }
        Routing::new(sources)
    }

    fn command(&self, number: u64, peers: &[PeerId], draw: &mut Seed) -> Option<RoutingCommand> {
        let peer = peers[draw.below(peers.len() as u64) as usize];
        Some(match draw.below(8) {
            0 => RoutingCommand::Cancel { query: QueryId(draw.below(number + 1)) },
            _ => RoutingCommand::Find { query: QueryId(number), peer },
        })
    }

    fn command_id(&self, command: &RoutingCommand) -> Option<QueryId> {
        match command {
            RoutingCommand::Find { query, .. } => Some(*query),
            RoutingCommand::Cancel { .. } => None,
        }
    }

    fn outcome_id(&self, event: &RoutingEvent) -> Option<QueryId> {
        match event {
            RoutingEvent::Found { .. } => None,
            RoutingEvent::Finished { query, .. } | RoutingEvent::Failed { query, .. } => Some(*query),
        }
    }
}

pub(crate) struct Keeping;

impl ProtocolSubject for Keeping {
    type Protocol = Records;
    type Id = RecordsId;

    fn name(&self) -> String {
        "record stores".to_owned()
    }

    fn build(&self, case: u64, _now: Instant) -> Records {
        let slow = Delayed::new(case, |input| match input {
            StoreInput::Put { request, .. } => Ok((*request, StoreOutput::Stored { request: *request })),
            StoreInput::Get { request, .. } => {
                Ok((*request, StoreOutput::Found { request: *request, value: None }))
            }
            StoreInput::Cancel { request } => Err(*request),
        });
        let mut stores: Vec<Box<dyn RecordStore>> = vec![Box::new(MemoryStore::default())];
        if case.is_multiple_of(2) {
            stores.push(Box::new(slow));
        }
        Records::new(stores, Validators::default())
    }

    fn command(&self, number: u64, peers: &[PeerId], draw: &mut Seed) -> Option<RecordsCommand> {
        let id = RecordsId(number);
        let peer = peers[draw.below(peers.len() as u64) as usize];
        let key = RecordKey::new([b"/pk/", peer.as_bytes()].concat()).unwrap();
        // An Ed25519 peer id holds its key behind two bytes.
        let value = Bytes::copy_from_slice(&peer.as_bytes()[2..]);
        Some(match draw.below(2) {
            0 => RecordsCommand::Put { id, record: Record { key, value } },
            _ => RecordsCommand::Get { id, key },
        })
    }

    fn command_id(&self, command: &RecordsCommand) -> Option<RecordsId> {
        let (RecordsCommand::Put { id, .. } | RecordsCommand::Get { id, .. }) = command;
        Some(*id)
    }

    fn outcome_id(&self, event: &RecordsEvent) -> Option<RecordsId> {
        let (RecordsEvent::Stored { id, .. }
        | RecordsEvent::Found { id, .. }
        | RecordsEvent::Failed { id, .. }) = event;
        Some(*id)
    }
}

/// Takes up to two minutes to answer: longer than anybody waits.
#[derive(Debug)]
struct Delayed<I, K, O> {
    draw: Seed,
    /// The request and its answer, or the request that is cancelled.
    read: fn(&I) -> Result<(K, O), K>,
    waiting: BTreeMap<K, O>,
    timers: Timers<K>,
    answers: VecDeque<O>,
    latest: Latest,
}

impl<I, K: Ord + Copy, O> Delayed<I, K, O> {
    fn new(case: u64, read: fn(&I) -> Result<(K, O), K>) -> Self {
        let (waiting, timers, answers) = (BTreeMap::new(), Timers::default(), VecDeque::new());
        Self { draw: Seed::reproducible(case), read, waiting, timers, answers, latest: Latest::default() }
    }
}

impl<I, K: Ord + Copy, O> Machine for Delayed<I, K, O> {
    type Input = I;
    type Output = O;

    fn handle_input(&mut self, input: I, now: Instant) {
        let now = self.latest.see(now);
        match (self.read)(&input) {
            Ok((request, answer)) => {
                let delay = Duration::from_secs(1 + self.draw.below(120));
                self.waiting.insert(request, answer);
                self.timers.set(request, Some(Deadline::new(now + delay, "answer")));
            }
            Err(request) => {
                self.waiting.remove(&request);
                self.timers.set(request, None);
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.latest.see(now);
        while let Some(request) = self.timers.pop_due(now) {
            self.answers.extend(self.waiting.remove(&request));
        }
    }

    fn poll_output(&mut self) -> Option<O> {
        self.answers.pop_front()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.timers.next()
    }
}
