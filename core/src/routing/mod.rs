//! Peer routing: where is a peer?
//!
//! A [`PeerRouting`] answers that out of what it knows: a list ([`KnownPeers`]), a network's distributed table, the local
//! network. [`Routing`] asks all that were added to a node, at once, and passes their answers on as they come. It is mounted
//! like any protocol, though it has no streams.
//!
//! Addresses are claims. Whoever dials one learns from the security handshake whether the peer is there.

mod known;
#[cfg(test)]
mod tests;

pub use known::KnownPeers;

use crate::address::Multiaddr;
use crate::identity::PeerId;
use crate::machine::{Blame, Machine};
use crate::protocols::{FromSwarm, InboundProtocol, Protocol, ToSwarm};
use crate::time::{Deadline, Instant, Latest, Timers};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Debug;
use std::time::Duration;

/// How many questions may be open. A further one of the user's fails with [`FindError::TooMany`]; the peer of a dial waits for a place
/// instead, as long as the dial lasts, so no more wait than the [dialer](crate::swarm::DialerConfig::max_dials) has dials. Stops whoever
/// makes this node dial unknown peers from flooding the sources.
pub const MAX_QUERIES: usize = 256;

/// How many addresses of a peer are passed on in one query; further ones are dropped, so that a source that lies cannot flood the
/// node.
pub const MAX_ADDRESSES: usize = 100;

/// How long the sources may take; then the query ends with what they have said.
pub const QUERY_TIMEOUT: Duration = Duration::from_secs(60);

/// A question: the user's to the node, or the node's to its sources. Chosen by whoever asks, from a counter of his own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub u64);

/// What a source is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoutingInput {
    /// Where is `peer`? Answered by any number of [`RoutingOutput::Found`] and then one [`RoutingOutput::Finished`].
    Find {
        /// Comes back in the answers.
        query: QueryId,
        /// Whom.
        peer: PeerId,
    },
    /// Nobody waits any more. Needs no answer.
    Cancel {
        /// Which question.
        query: QueryId,
    },
}

/// What a source answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoutingOutput {
    /// Addresses at which the peer may be.
    Found {
        /// Which question.
        query: QueryId,
        /// The addresses, with or without the peer id at their end.
        addresses: Vec<Multiaddr>,
    },
    /// There is nothing more to say.
    Finished {
        /// Which question.
        query: QueryId,
    },
}

/// A source of peers' addresses: any [`Machine`] that takes and gives these values.
pub trait PeerRouting: Machine<Input = RoutingInput, Output = RoutingOutput> + Debug + Send {}

impl<T: Machine<Input = RoutingInput, Output = RoutingOutput> + Debug + Send> PeerRouting for T {}

/// What the user asks of a node's routing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoutingCommand {
    /// Ask every source where `peer` is. Answered by any number of [`RoutingEvent::Found`], and by one
    /// [`RoutingEvent::Finished`] or [`RoutingEvent::Failed`].
    Find {
        /// Comes back in the answers. Chosen by the user, from a counter.
        query: QueryId,
        /// Whom.
        peer: PeerId,
    },
    /// Stop asking. The query ends with [`RoutingEvent::Finished`].
    Cancel {
        /// Which query.
        query: QueryId,
    },
}

/// What a node's routing tells the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoutingEvent {
    /// Addresses at which the peer may be, none of them told before in this query.
    Found {
        /// Which query.
        query: QueryId,
        /// Whose.
        peer: PeerId,
        /// The addresses.
        addresses: Vec<Multiaddr>,
    },
    /// Every source has finished, the time is up, or the node shuts down.
    Finished {
        /// Which query.
        query: QueryId,
        /// Who was looked for.
        peer: PeerId,
    },
    /// The query could not be started.
    Failed {
        /// Which query.
        query: QueryId,
        /// Why.
        error: FindError,
    },
}

/// Why peers could not be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// The node has nobody to ask. Blame: the caller.
    #[error("the node has no peer routing; add one when it is built")]
    NoRouting,
    /// [`MAX_QUERIES`] are open. Blame: a limit.
    #[error("{MAX_QUERIES} queries are open already")]
    TooMany,
    /// A query with this id is open. Blame: the caller.
    #[error("the query id is in use")]
    IdInUse,
    /// The node is over. Blame: closed.
    #[error("the node is shut down")]
    ShutDown,
}

impl FindError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::NoRouting | Self::IdInUse => Blame::Caller,
            Self::TooMany => Blame::Limit,
            Self::ShutDown => Blame::Closed,
        }
    }
}

/// All sources of a node. See the [module documentation](self).
///
/// They are asked for the user, and for dials to peers of whom no other address is known.
#[derive(Debug, Default)]
pub struct Routing {
    sources: Vec<Box<dyn PeerRouting>>,
    /// By what the sources know them as.
    queries: BTreeMap<QueryId, Query>,
    /// The peers of dials for which there is no place among them, the first one first.
    waiting: BTreeMap<QueryId, PeerId>,
    /// Who waits for which query.
    askers: BTreeMap<Asker, QueryId>,
    next_query: u64,
    timers: Timers<QueryId>,
    outputs: VecDeque<ToSwarm<RoutingEvent>>,
    is_over: bool,
    latest: Latest,
}

/// Who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asker {
    /// The user, with his id.
    User(QueryId),
    /// A dial to this peer.
    Dial(PeerId),
}

#[derive(Debug)]
struct Query {
    asker: Asker,
    peer: PeerId,
    /// The sources that have not finished.
    asked: BTreeSet<usize>,
    /// At most [`MAX_ADDRESSES`].
    told: BTreeSet<Multiaddr>,
}

impl Routing {
    /// Asks `sources`, all at once.
    pub fn new(sources: Vec<Box<dyn PeerRouting>>) -> Self {
        Self { sources, ..Self::default() }
    }

    fn command(&mut self, command: RoutingCommand, now: Instant) {
        match command {
            RoutingCommand::Find { query, peer } => {
                if let Err(error) = self.find(Asker::User(query), peer, now) {
                    self.outputs.push_back(ToSwarm::Event(RoutingEvent::Failed { query, error }));
                }
            }
            RoutingCommand::Cancel { query } => self.cancel(query, now),
        }
    }

    fn find(&mut self, asker: Asker, peer: PeerId, now: Instant) -> Result<(), FindError> {
        if self.is_over {
            return Err(FindError::ShutDown);
        }
        if self.sources.is_empty() {
            return Err(FindError::NoRouting);
        }
        if self.askers.contains_key(&asker) {
            return Err(FindError::IdInUse);
        }
        let has_place = self.queries.len() < MAX_QUERIES;
        if !has_place && matches!(asker, Asker::User(_)) {
            return Err(FindError::TooMany);
        }
        let query = QueryId(self.next_query);
        self.next_query += 1;
        self.askers.insert(asker, query);
        if has_place {
            self.ask(query, asker, peer, now);
        } else {
            self.waiting.insert(query, peer);
        }
        Ok(())
    }

    fn ask(&mut self, query: QueryId, asker: Asker, peer: PeerId, now: Instant) {
        let asked = (0..self.sources.len()).collect();
        self.queries.insert(query, Query { asker, peer, asked, told: BTreeSet::new() });
        self.timers.set(query, Some(Deadline::new(now + QUERY_TIMEOUT, "peer routing timeout")));
        for source in &mut self.sources {
            source.handle_input(RoutingInput::Find { query, peer }, now);
        }
    }

    /// Asks for those who wait, as far as there is a place now. Whether there was one.
    fn ask_next(&mut self, now: Instant) -> bool {
        let mut has_asked = false;
        while self.queries.len() < MAX_QUERIES
            && let Some((query, peer)) = self.waiting.pop_first()
        {
            self.ask(query, Asker::Dial(peer), peer, now);
            has_asked = true;
        }
        has_asked
    }

    fn cancel(&mut self, query: QueryId, now: Instant) {
        if let Some(&query) = self.askers.get(&Asker::User(query)) {
            let answer = self.give_up(query, now);
            self.outputs.extend(answer);
        }
    }

    /// Nobody waits for where a peer is. Nothing is answered: by then the swarm might have asked again.
    fn stop_finding(&mut self, peer: PeerId, now: Instant) {
        self.outputs.retain(|output| !matches!(output, ToSwarm::FindFinished { peer: of } if *of == peer));
        let asker = Asker::Dial(peer);
        let Some(&query) = self.askers.get(&asker) else { return };
        if self.waiting.remove(&query).is_some() {
            self.askers.remove(&asker);
        } else {
            self.give_up(query, now);
        }
    }

    /// Ends a query whose sources may still be at work. Returns its answer.
    fn give_up(&mut self, query: QueryId, now: Instant) -> Option<ToSwarm<RoutingEvent>> {
        for &source in &self.queries.get(&query)?.asked {
            self.sources[source].handle_input(RoutingInput::Cancel { query }, now);
        }
        self.end(query)
    }

    /// Ends a query. Returns its answer.
    fn end(&mut self, query: QueryId) -> Option<ToSwarm<RoutingEvent>> {
        self.timers.set(query, None);
        let Query { asker, peer, .. } = self.queries.remove(&query)?;
        self.askers.remove(&asker);
        Some(match asker {
            Asker::User(query) => ToSwarm::Event(RoutingEvent::Finished { query, peer }),
            Asker::Dial(peer) => ToSwarm::FindFinished { peer },
        })
    }

    /// Takes what the sources have to say, until there is nothing more to ask them.
    fn collect(&mut self, now: Instant) {
        loop {
            self.hear();
            if !self.ask_next(now) {
                return;
            }
        }
    }

    fn hear(&mut self) {
        for index in 0..self.sources.len() {
            while let Some(output) = self.sources[index].poll_output() {
                match output {
                    RoutingOutput::Found { query, addresses } => self.found(index, query, addresses),
                    RoutingOutput::Finished { query } => self.finished(index, query),
                }
            }
        }
    }

    fn found(&mut self, source: usize, query: QueryId, found: Vec<Multiaddr>) {
        let Some(state) = self.queries.get_mut(&query).filter(|state| state.asked.contains(&source)) else {
            return;
        };
        let mut addresses = Vec::new();
        for address in found {
            if state.told.len() < MAX_ADDRESSES && state.told.insert(address.clone()) {
                addresses.push(address);
            }
        }
        if !addresses.is_empty() {
            let peer = state.peer;
            self.outputs.push_back(match state.asker {
                Asker::User(query) => ToSwarm::Event(RoutingEvent::Found { query, peer, addresses }),
                Asker::Dial(peer) => ToSwarm::Addresses { peer, addresses },
            });
        }
    }

    fn finished(&mut self, source: usize, query: QueryId) {
        if let Some(state) = self.queries.get_mut(&query)
            && state.asked.remove(&source)
            && state.asked.is_empty()
        {
            let answer = self.end(query);
            self.outputs.extend(answer);
        }
    }
}

impl Machine for Routing {
    type Input = FromSwarm<RoutingCommand>;
    type Output = ToSwarm<RoutingEvent>;

    fn handle_input(&mut self, input: Self::Input, now: Instant) {
        let now = self.latest.see(now);
        match input {
            FromSwarm::Command(command) => self.command(command, now),
            FromSwarm::FindPeer { peer } => {
                if self.find(Asker::Dial(peer), peer, now).is_err() {
                    self.outputs.push_back(ToSwarm::FindFinished { peer });
                }
            }
            FromSwarm::StopFinding { peer } => self.stop_finding(peer, now),
            _ => return,
        }
        self.collect(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.latest.see(now);
        for source in &mut self.sources {
            source.handle_timeout(now);
        }
        self.collect(now);
        while let Some(query) = self.timers.pop_due(now) {
            let answer = self.give_up(query, now);
            self.outputs.extend(answer);
        }
        self.collect(now);
    }

    fn poll_output(&mut self) -> Option<Self::Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.sources.iter().map(|source| source.poll_timeout()).fold(self.timers.next(), Deadline::earlier)
    }
}

impl Protocol for Routing {
    type Command = RoutingCommand;
    type Event = RoutingEvent;

    fn inbound(&self) -> Vec<InboundProtocol> {
        Vec::new()
    }

    fn finds_peers(&self) -> bool {
        !self.sources.is_empty()
    }

    fn shut_down(&mut self, now: Instant) {
        self.is_over = true;
        for (_, peer) in std::mem::take(&mut self.waiting) {
            self.askers.remove(&Asker::Dial(peer));
            self.outputs.push_back(ToSwarm::FindFinished { peer });
        }
        let queries: Vec<QueryId> = self.queries.keys().copied().collect();
        for query in queries {
            let answer = self.give_up(query, now);
            self.outputs.extend(answer);
        }
    }
}
