//! What a protocol has sent still leaves when the connection is closed in order.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod pair;

use bytes::Bytes;
use pair::Pair;
use peerwork_core::connection::{ConnectionId, Framing};
use peerwork_core::machine::Machine;
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::{LocalOutput, NodeBuilder, NodeCommand, NodeEvent};
use peerwork_core::protocols::{
    FromSwarm, InboundProtocol, Protocol, RequestId, StreamOptions, Target, ToSwarm,
};
use peerwork_core::security::Role;
use peerwork_core::security::secio::Secio;
use peerwork_core::swarm::{SwarmEvent, SwarmInput};
use peerwork_core::time::{Deadline, Instant};
use smallvec::smallvec;
use std::collections::VecDeque;
use std::time::Duration;

const FAREWELL: ProtocolId = ProtocolId::from_static("/farewell");

/// More than a connection's transmit buffer holds.
const WORDS: usize = 500_000;

const OPTIONS: StreamOptions = StreamOptions {
    framing: Framing::LengthPrefixed { max_bytes: WORDS },
    credit: 9,
    keep_alive: false,
    lazy: false,
};

/// Whoever has dialled says many words and closes the connection in the same breath.
#[derive(Default)]
struct Farewell {
    outputs: VecDeque<ToSwarm<usize>>,
    dialed: Option<ConnectionId>,
}

impl Machine for Farewell {
    type Input = FromSwarm<()>;
    type Output = ToSwarm<usize>;

    fn handle_input(&mut self, input: FromSwarm<()>, _now: Instant) {
        match input {
            FromSwarm::Connected { connection, role: Role::Dialer, .. } => self.dialed = Some(connection),
            FromSwarm::Command(()) => {
                let target = Target::Connection(self.dialed.unwrap());
                let (request, protocols) = (RequestId(0), smallvec![FAREWELL]);
                self.outputs.push_back(ToSwarm::OpenStream { request, target, protocols, options: OPTIONS });
            }
            FromSwarm::StreamOpened { stream, request: Some(_), .. } => {
                let message = Bytes::from(vec![7; WORDS]);
                let connection = stream.connection;
                self.outputs.extend([
                    ToSwarm::Send { stream, message },
                    ToSwarm::Close { stream },
                    ToSwarm::Disconnect { connection },
                ]);
            }
            FromSwarm::Message { message, .. } => self.outputs.push_back(ToSwarm::Event(message.len())),
            _ => {}
        }
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_output(&mut self) -> Option<ToSwarm<usize>> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        None
    }
}

impl Protocol for Farewell {
    type Command = ();
    type Event = usize;

    fn inbound(&self) -> Vec<InboundProtocol> {
        vec![InboundProtocol { id: FAREWELL, options: OPTIONS }]
    }
}

fn pair() -> Pair<Farewell> {
    Pair::connected(|| {
        let builder = NodeBuilder::new()
            .security(Secio::default())
            .muxer(Mplex::default())
            .protocols(Farewell::default());
        builder.configure(|config| config.ping.interval = None)
    })
}

fn say_farewell(pair: &mut Pair<Farewell>) {
    let command = NodeCommand::Protocol(());
    pair.nodes[0].handle_input(SwarmInput::Command(command), pair.now);
}

fn is_over(pair: &Pair<Farewell>, me: usize) -> bool {
    matches!(pair.events[me].last(), Some(SwarmEvent::Disconnected { .. }))
}

#[test]
fn the_last_words_arrive() {
    let mut pair = pair();
    say_farewell(&mut pair);
    pair.run();
    assert!(is_over(&pair, 0) && is_over(&pair, 1));
    assert_eq!(pair.protocol_events[1].last(), Some(&NodeEvent::Protocol(WORDS)));
}

#[test]
fn who_does_not_take_them_costs_the_close_timeout() {
    let mut pair = pair();
    say_farewell(&mut pair);
    // Only the agreement on the protocol still gets through; the socket takes nothing more.
    let (connection, remote) = (pair.ids[0].unwrap(), pair.ids[1].unwrap());
    for (from, id, to) in [(0, connection, 1), (1, remote, 0)] {
        pair.nodes[from].poll_transmit(id, &mut pair.wires[to], 64 * 1024, pair.now);
        let id = pair.ids[to].unwrap();
        pair.nodes[to].handle_bytes(id, &mut pair.wires[to], pair.now);
    }
    let deadline = pair.nodes[0].poll_timeout().unwrap();
    assert_eq!((deadline.at, deadline.reason), (pair.now + Duration::from_secs(5), "close timeout"));
    pair.nodes[0].handle_timeout(deadline.at);
    while let Some(output) = pair.nodes[0].poll_output() {
        if let LocalOutput::Event(event) = output {
            pair.events[0].push(event);
        }
    }
    assert!(is_over(&pair, 0));
}
