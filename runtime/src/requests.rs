//! What handles ask of the node's own protocols, and who waits for the answer.

use crate::node::RequestError;
use futures_channel::oneshot;
use peerwork_core::address::Multiaddr;
use peerwork_core::identity::PeerId;
use peerwork_core::node::{NodeCommand, NodeEvent};
use peerwork_core::protocols::identify::{
    IdentifyCommand, IdentifyError, IdentifyEvent, IdentifyId, IdentifyInfo,
};
use peerwork_core::protocols::ping::{PingCommand, PingError, PingEvent, PingId};
use peerwork_core::records::{Record, RecordKey, RecordsCommand, RecordsError, RecordsEvent, RecordsId};
use peerwork_core::routing::{FindError, QueryId, RoutingCommand, RoutingEvent};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Where the answer to a call goes.
pub(crate) type Reply<T, E> = oneshot::Sender<Result<T, RequestError<E>>>;

/// What a handle asks.
pub(crate) enum Request {
    Ping { peer: PeerId, reply: Reply<Duration, PingError> },
    Identify { peer: PeerId, reply: Reply<Arc<IdentifyInfo>, IdentifyError> },
    FindPeer { peer: PeerId, reply: Reply<Vec<Multiaddr>, FindError> },
    PutRecord { record: Record, reply: Reply<usize, RecordsError> },
    GetRecord { key: RecordKey, reply: Reply<Option<Record>, RecordsError> },
}

/// The calls that wait for a protocol's answer. Bounded by the protocols, which refuse what is too much.
#[derive(Default)]
pub(crate) struct Requests {
    pings: BTreeMap<PingId, Reply<Duration, PingError>>,
    identifies: BTreeMap<IdentifyId, Reply<Arc<IdentifyInfo>, IdentifyError>>,
    finds: BTreeMap<QueryId, Find>,
    puts: BTreeMap<RecordsId, Reply<usize, RecordsError>>,
    gets: BTreeMap<RecordsId, Reply<Option<Record>, RecordsError>>,
    next: u64,
}

/// A search for a peer, and the addresses that are found already.
struct Find {
    found: Vec<Multiaddr>,
    reply: Reply<Vec<Multiaddr>, FindError>,
}

impl Requests {
    /// Notes who waits, and makes the node's command.
    pub(crate) fn start<C>(&mut self, request: Request) -> NodeCommand<C> {
        let number = self.next;
        self.next += 1;
        match request {
            Request::Ping { peer, reply } => {
                let id = PingId(number);
                self.pings.insert(id, reply);
                NodeCommand::Ping(PingCommand::Ping { id, peer })
            }
            Request::Identify { peer, reply } => {
                let id = IdentifyId(number);
                self.identifies.insert(id, reply);
                NodeCommand::Identify(IdentifyCommand::Identify { id, peer })
            }
            Request::FindPeer { peer, reply } => {
                let query = QueryId(number);
                self.finds.insert(query, Find { found: Vec::new(), reply });
                NodeCommand::Routing(RoutingCommand::Find { query, peer })
            }
            Request::PutRecord { record, reply } => {
                let id = RecordsId(number);
                self.puts.insert(id, reply);
                NodeCommand::Records(RecordsCommand::Put { id, record })
            }
            Request::GetRecord { key, reply } => {
                let id = RecordsId(number);
                self.gets.insert(id, reply);
                NodeCommand::Records(RecordsCommand::Get { id, key })
            }
        }
    }

    /// Answers whoever waits for this.
    pub(crate) fn note<E>(&mut self, event: &NodeEvent<E>) {
        match event {
            NodeEvent::Ping(PingEvent::Pong { id: Some(id), round_trip, .. }) => {
                succeed(self.pings.remove(id), round_trip);
            }
            NodeEvent::Ping(PingEvent::Failed { id: Some(id), error, .. }) => {
                fail(self.pings.remove(id), error);
            }
            NodeEvent::Identify(IdentifyEvent::Received { id: Some(id), info, .. }) => {
                succeed(self.identifies.remove(id), info);
            }
            NodeEvent::Identify(IdentifyEvent::Failed { id: Some(id), error, .. }) => {
                fail(self.identifies.remove(id), error);
            }
            NodeEvent::Routing(event) => self.note_routing(event),
            NodeEvent::Records(event) => self.note_records(event),
            NodeEvent::Ping(_) | NodeEvent::Identify(_) | NodeEvent::Protocol(_) => {}
        }
    }

    fn note_routing(&mut self, event: &RoutingEvent) {
        match event {
            RoutingEvent::Found { query, addresses, .. } => {
                if let Some(Find { found, .. }) = self.finds.get_mut(query) {
                    found.extend_from_slice(addresses);
                }
            }
            RoutingEvent::Finished { query, .. } => {
                if let Some(Find { found, reply }) = self.finds.remove(query) {
                    answer(reply, Ok(found));
                }
            }
            RoutingEvent::Failed { query, error } => {
                fail(self.finds.remove(query).map(|find| find.reply), error);
            }
        }
    }

    fn note_records(&mut self, event: &RecordsEvent) {
        match event {
            RecordsEvent::Stored { id, stores } => succeed(self.puts.remove(id), stores),
            RecordsEvent::Found { id, record } => succeed(self.gets.remove(id), record),
            RecordsEvent::Failed { id, error } => {
                fail(self.puts.remove(id), error);
                fail(self.gets.remove(id), error);
            }
        }
    }
}

/// Answers a call whose caller may have gone.
pub(crate) fn answer<T, E>(reply: Reply<T, E>, result: Result<T, E>) {
    drop(reply.send(result.map_err(RequestError::Failed)));
}

pub(crate) fn succeed<T: Clone, E>(reply: Option<Reply<T, E>>, result: &T) {
    if let Some(reply) = reply {
        answer(reply, Ok(result.clone()));
    }
}

pub(crate) fn fail<T, E: Clone>(reply: Option<Reply<T, E>>, error: &E) {
    if let Some(reply) = reply {
        answer(reply, Err(error.clone()));
    }
}
