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

/// How many questions may be open; a further one fails with [`FindError::TooMany`].
pub const MAX_QUERIES: usize = 256;

/// How many addresses of a peer are passed on in one query; further ones are dropped, so that a source that lies cannot flood the
/// node.
pub const MAX_ADDRESSES: usize = 100;

/// How long the sources may take; then the query ends with what they have said.
pub const QUERY_TIMEOUT: Duration = Duration::from_secs(60);

/// One question to the sources. Chosen by whoever asks them, from a counter.
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
#[derive(Debug, Default)]
pub struct Routing {
    sources: Vec<Box<dyn PeerRouting>>,
    queries: BTreeMap<QueryId, Query>,
    timers: Timers<QueryId>,
    events: VecDeque<RoutingEvent>,
    is_over: bool,
    latest: Latest,
}

#[derive(Debug)]
struct Query {
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
                if let Err(error) = self.find(query, peer, now) {
                    self.events.push_back(RoutingEvent::Failed { query, error });
                }
            }
            RoutingCommand::Cancel { query } => self.give_up(query, now),
        }
        self.collect();
    }

    fn find(&mut self, query: QueryId, peer: PeerId, now: Instant) -> Result<(), FindError> {
        if self.is_over {
            return Err(FindError::ShutDown);
        }
        if self.sources.is_empty() {
            return Err(FindError::NoRouting);
        }
        if self.queries.contains_key(&query) {
            return Err(FindError::IdInUse);
        }
        if self.queries.len() >= MAX_QUERIES {
            return Err(FindError::TooMany);
        }
        let asked = (0..self.sources.len()).collect();
        self.queries.insert(query, Query { peer, asked, told: BTreeSet::new() });
        self.timers.set(query, Some(Deadline::new(now + QUERY_TIMEOUT, "peer routing timeout")));
        for source in &mut self.sources {
            source.handle_input(RoutingInput::Find { query, peer }, now);
        }
        Ok(())
    }

    /// Ends a query whose sources may still be at work.
    fn give_up(&mut self, query: QueryId, now: Instant) {
        if let Some(Query { asked, .. }) = self.queries.get(&query) {
            for &source in asked {
                self.sources[source].handle_input(RoutingInput::Cancel { query }, now);
            }
            self.finish(query);
        }
    }

    fn finish(&mut self, query: QueryId) {
        self.timers.set(query, None);
        if let Some(Query { peer, .. }) = self.queries.remove(&query) {
            self.events.push_back(RoutingEvent::Finished { query, peer });
        }
    }

    /// Takes what the sources have to say.
    fn collect(&mut self) {
        for index in 0..self.sources.len() {
            while let Some(output) = self.sources[index].poll_output() {
                match output {
                    RoutingOutput::Found { query, addresses } => self.found(index, query, addresses),
                    RoutingOutput::Finished { query } => self.finished(index, query),
                }
            }
        }
    }

    fn found(&mut self, source: usize, query: QueryId, addresses: Vec<Multiaddr>) {
        let Some(state) = self.queries.get_mut(&query).filter(|state| state.asked.contains(&source)) else {
            return;
        };
        let mut fresh = Vec::new();
        for address in addresses {
            if state.told.len() < MAX_ADDRESSES && state.told.insert(address.clone()) {
                fresh.push(address);
            }
        }
        if !fresh.is_empty() {
            self.events.push_back(RoutingEvent::Found { query, peer: state.peer, addresses: fresh });
        }
    }

    fn finished(&mut self, source: usize, query: QueryId) {
        if let Some(state) = self.queries.get_mut(&query)
            && state.asked.remove(&source)
            && state.asked.is_empty()
        {
            self.finish(query);
        }
    }
}

impl Machine for Routing {
    type Input = FromSwarm<RoutingCommand>;
    type Output = ToSwarm<RoutingEvent>;

    fn handle_input(&mut self, input: Self::Input, now: Instant) {
        let now = self.latest.see(now);
        if let FromSwarm::Command(command) = input {
            self.command(command, now);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.latest.see(now);
        for source in &mut self.sources {
            source.handle_timeout(now);
        }
        self.collect();
        while let Some(query) = self.timers.pop_due(now) {
            self.give_up(query, now);
        }
        self.collect();
    }

    fn poll_output(&mut self) -> Option<Self::Output> {
        self.events.pop_front().map(ToSwarm::Event)
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

    fn shut_down(&mut self, now: Instant) {
        self.is_over = true;
        let queries: Vec<QueryId> = self.queries.keys().copied().collect();
        for query in queries {
            self.give_up(query, now);
        }
    }
}
