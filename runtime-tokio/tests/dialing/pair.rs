//! Two nodes that dial each other at the same moment, again and again.

use crate::{bounded, progress_of};
use futures_util::{AsyncReadExt, AsyncWriteExt, StreamExt};
use peerwork_core::connection::ConnectionId;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::NodeConfig;
use peerwork_core::swarm::dialer::{AttemptState, DialerCounters};
use peerwork_core::swarm::{SwarmEvent, Usage};
use peerwork_tokio::{Connected, Event, Events, Listening, Node, NodeBuilder, Target};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Barrier;

const ROUNDS: usize = 50;

const ECHO: ProtocolId = ProtocolId::from_static("/dialing/echo");

/// A node and what it says of its connections.
struct End {
    node: Node,
    listening: Listening,
    events: Events<Infallible>,
    open: BTreeSet<ConnectionId>,
    /// Attempts that were started and have not ended.
    under_way: usize,
    /// Attempts that brought a connection, in this round.
    won: usize,
    /// The dial of this round has its answer.
    answered: bool,
}

impl End {
    /// There is room for what one round needs and for nothing more, so that whatever was left of a round would fail the next one.
    async fn start() -> Self {
        let tight = |config: &mut NodeConfig| {
            config.swarm.reports_attempts = true;
            // A connection that is not closed in order is waited for until the test fails.
            config.swarm.connection.close_timeout = Duration::from_secs(600);
            let dialer = &mut config.swarm.dialer;
            (dialer.max_descriptors, dialer.max_attempts_per_peer, dialer.max_dials) = (1, 1, 1);
            let limits = &mut config.swarm.limits;
            *limits = limits.with_max_connections(2);
            (limits.max_pending_inbound, limits.max_pending_outbound) = (1, 1);
        };
        let node = NodeBuilder::new().configure(tight).start().await.unwrap();
        let listening = node.listen("/ip4/127.0.0.1/tcp/0".parse().unwrap()).await.unwrap();
        let events = node.events().await.unwrap();
        let mut incoming = node.handle_protocol(&ECHO).await.unwrap();
        tokio::spawn(async move {
            while let Some(stream) = incoming.next().await {
                let (mut reader, mut writer) = stream.split();
                futures_util::io::copy(&mut reader, &mut writer).await.unwrap();
                writer.close().await.unwrap();
            }
        });
        Self { node, listening, events, open: BTreeSet::new(), under_way: 0, won: 0, answered: false }
    }

    /// Notes the next event.
    async fn hear(&mut self) {
        match self.events.next().await.expect("the node runs") {
            Event::Swarm(SwarmEvent::Connected { connection, .. }) => {
                assert!(self.open.insert(connection), "{connection:?} is connected twice");
            }
            Event::Swarm(SwarmEvent::Disconnected { connection, .. }) => {
                assert!(
                    self.open.remove(&connection),
                    "{connection:?} is disconnected and was not connected"
                );
            }
            Event::Swarm(SwarmEvent::Dialed { .. }) => self.answered = true,
            event => match progress_of(event) {
                Some((_, AttemptState::Started)) => self.under_way += 1,
                Some((_, AttemptState::Won)) => {
                    self.under_way -= 1;
                    self.won += 1;
                }
                Some((address, AttemptState::Failed { error })) => panic!("{address}: {error}"),
                _ => {}
            },
        }
    }

    async fn hear_until(&mut self, is_enough: impl Fn(&Self) -> bool) {
        while !is_enough(self) {
            self.hear().await;
        }
    }

    /// Whether it has its answer, and nothing is under way any more.
    fn is_done(&self) -> bool {
        self.answered && self.under_way == 0
    }

    /// Dials the other at the same moment as it dials us.
    async fn dial(&self, other: &Self, start: Arc<Barrier>) -> Connected {
        let (node, address) = (self.node.clone(), other.listening.address.clone());
        let dial = tokio::spawn(async move {
            start.wait().await;
            node.dial(address).await
        });
        let connected = dial.await.unwrap().unwrap();
        assert_eq!(connected.peer, other.node.local_peer());
        connected
    }

    /// Nothing is left, and the numbers of what was agree.
    async fn count(&self) {
        let counters = self.node.metrics().await.unwrap().swarm;
        assert_eq!((counters.usage, counters.peers), (Usage::default(), 0));
        assert_eq!(counters.connections_opened.total(), counters.connections_closed.total());
        let DialerCounters { dials_waiting, peer_tokens, descriptors, .. } = counters.dialer;
        assert_eq!((dials_waiting, peer_tokens, descriptors), Default::default());
    }

    /// Uses the connection that the dial brought, whoever made it.
    async fn talk(&self, connected: &Connected) {
        self.node.ping(connected.peer).await.unwrap();
        let on_it = Target::Connection(connected.connection);
        let mut stream = self.node.open_stream(on_it, &[ECHO]).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        stream.close().await.unwrap();
        let mut echo = Vec::new();
        stream.read_to_end(&mut echo).await.unwrap();
        assert_eq!(echo, b"hello");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_dial_each_other_at_once_agree() {
    bounded(async {
        let (mut a, mut b) = (End::start().await, End::start().await);
        for _ in 0..ROUNDS {
            let start = Arc::new(Barrier::new(2));
            let (of_a, of_b) = tokio::join!(a.dial(&b, start.clone()), b.dial(&a, start));
            tokio::join!(a.talk(&of_a), b.talk(&of_b));
            // No attempt is left over, and of each connection both know.
            tokio::join!(a.hear_until(End::is_done), b.hear_until(End::is_done));
            let made = a.won + b.won;
            assert!((1..=2).contains(&made), "{made} connections");
            tokio::join!(a.hear_until(|a| a.open.len() == made), b.hear_until(|b| b.open.len() == made));
            assert!(a.open.contains(&of_a.connection) && b.open.contains(&of_b.connection));
            // Each ends what it has. Whichever is first, both hear once of each end.
            for end in [&a, &b] {
                for connection in &end.open {
                    end.node.disconnect(*connection).await.unwrap();
                }
            }
            tokio::join!(a.hear_until(|a| a.open.is_empty()), b.hear_until(|b| b.open.is_empty()));
            tokio::join!(a.count(), b.count());
            for end in [&mut a, &mut b] {
                (end.won, end.answered) = (0, false);
            }
        }
        for mut end in [a, b] {
            end.node.shutdown().await;
            while let Some(event) = end.events.next().await {
                assert!(!matches!(event, Event::Swarm(SwarmEvent::Disconnected { .. })), "{event:?}");
            }
        }
    })
    .await;
}
