//! Two nodes whose sockets take little at a time.

use super::{Broken, LocalNode, LocalOutput, Sockets};
use crate::address::Multiaddr;
use crate::connection::ConnectionId;
use crate::machine::End;
use crate::muxer::mplex::Mplex;
use crate::muxer::{ReadError, WriteError};
use crate::negotiation::ProtocolId;
use crate::node::NodeBuilder;
use crate::protocols::{StreamKey, Target};
use crate::seed::Seed;
use crate::swarm::dialer::DialError;
use crate::swarm::{ListenError, ListenerId, SwarmEvent, SwarmInput, TransportError};
use crate::time::Instant;
use bytes::BytesMut;
use std::collections::VecDeque;

const NOW: Instant = Instant::ORIGIN;
const TALK: ProtocolId = ProtocolId::from_static("/talk");

/// One end of a connection of which there is only one.
#[derive(Default)]
struct Fake {
    connection: Option<ConnectionId>,
    dialing: Option<(ConnectionId, Multiaddr)>,
    /// What was written and has not been read by the other end.
    written: VecDeque<u8>,
    /// How much may be so.
    room: usize,
    ended: bool,
    closed: bool,
    broken: bool,
    /// How often it was told to go on reading.
    resumed: usize,
}

impl Sockets for Fake {
    fn listen(&mut self, _: ListenerId, address: &Multiaddr) -> Result<Multiaddr, TransportError> {
        if self.broken { Err(TransportError::InUse) } else { Ok(address.clone()) }
    }

    fn stop_listening(&mut self, _: ListenerId) {}

    fn dial(&mut self, connection: ConnectionId, address: &Multiaddr) -> Result<(), TransportError> {
        self.dialing = Some((connection, address.clone()));
        if self.broken { Err(TransportError::NotLocal) } else { Ok(()) }
    }

    fn write(&mut self, connection: ConnectionId, bytes: &[u8]) -> Result<usize, Broken> {
        assert_eq!(Some(connection), self.connection);
        assert!(!self.ended && !bytes.is_empty());
        let len = bytes.len().min(self.room - self.written.len());
        self.written.extend(&bytes[..len]);
        if self.broken { Err(Broken) } else { Ok(len) }
    }

    fn end(&mut self, _: ConnectionId) {
        self.ended = true;
    }

    fn resume(&mut self, _: ConnectionId) {
        self.resumed += 1;
    }

    fn close(&mut self, _: ConnectionId) {
        self.closed = true;
    }
}

struct Pair {
    nodes: [LocalNode; 2],
    sockets: [Fake; 2],
    events: [Vec<LocalOutput<<() as crate::protocols::Protocols>::Event>>; 2],
    /// How many bytes a read gives at most.
    read_bytes: usize,
}

impl Pair {
    fn new(room: usize, read_bytes: usize) -> Self {
        // A muxer without windows: its connections do not want all that comes.
        let builder = || NodeBuilder::new().muxer(Mplex::default());
        let build = |number| builder().build_local(Seed::reproducible(number), NOW).unwrap();
        let sockets = [Fake { room, ..Fake::default() }, Fake { room, ..Fake::default() }];
        let mut pair = Self { nodes: [build(1), build(2)], sockets, events: Default::default(), read_bytes };
        pair.nodes[1].handle_protocol(TALK, NOW);
        pair
    }

    /// Connects them, and opens a stream. Gives each end's key.
    fn open() -> (Self, [StreamKey; 2]) {
        let mut pair = Self::new(1_000, 100);
        let listener = pair.nodes[1].listen("/ip4/10.0.0.2/tcp/4001".parse().unwrap(), NOW);
        pair.nodes[0].dial("/ip4/10.0.0.2/tcp/4001".parse::<Multiaddr>().unwrap(), NOW);
        pair.run();
        let (dialer, address) = pair.sockets[0].dialing.take().unwrap();
        pair.nodes[0].handle_dialed(dialer, Ok(address), NOW);
        let accepted =
            pair.nodes[1].handle_incoming(listener, "/ip4/10.0.0.1/tcp/50000".parse().unwrap(), NOW);
        (pair.sockets[0].connection, pair.sockets[1].connection) = (Some(dialer), Some(accepted));
        pair.run();
        pair.nodes[0].open_stream(Target::Connection(dialer), TALK, NOW);
        pair.run();
        let keys = [0, 1].map(|me| pair.stream(me).unwrap());
        (pair, keys)
    }

    fn stream(&self, me: usize) -> Option<StreamKey> {
        self.events[me].iter().find_map(|event| match event {
            LocalOutput::Event(SwarmEvent::StreamOpened { stream, .. }) => Some(*stream),
            _ => None,
        })
    }

    /// Moves bytes until none moves.
    fn run(&mut self) {
        loop {
            for me in 0..2 {
                while let Some(event) = self.nodes[me].poll_event(&mut self.sockets[me], NOW) {
                    self.events[me].push(event);
                }
            }
            let moved = (0..2).filter(|me| self.receive(*me)).count();
            if moved == 0 {
                return;
            }
        }
    }

    /// Reads once, if the connection wants that and there is something.
    fn receive(&mut self, me: usize) -> bool {
        let (node, Some(connection)) = (&mut self.nodes[me], self.sockets[me].connection) else {
            return false;
        };
        let wire = &mut self.sockets[1 - me].written;
        if !node.wants_input(connection) || wire.is_empty() {
            return false;
        }
        let read_bytes = self.read_bytes;
        let read = node.receive(connection, NOW, |room| {
            assert!(room.len() >= 32 * 1024);
            let len = wire.len().min(read_bytes).min(room.len());
            room.iter_mut().zip(wire.drain(..len)).for_each(|(to, from)| *to = from);
            Ok::<_, Broken>(len)
        });
        assert!(read.unwrap() > 0);
        // The other end's socket has room again.
        if let Some(other) = self.sockets[1 - me].connection {
            self.nodes[1 - me].drive(other, &mut self.sockets[1 - me], NOW);
        }
        true
    }
}

#[test]
fn what_a_socket_or_a_connection_does_not_take_comes_again() {
    let (mut pair, [alice, bob]) = Pair::open();
    let said: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let (mut sent, mut heard, mut blocked) = (0, Vec::new(), 0);
    let mut buffer = [0; 10_000];
    while heard.len() < said.len() {
        while sent < said.len() {
            match pair.nodes[0].write(alice, &said[sent..], NOW) {
                Ok(written) => sent += written,
                Err(WriteError::Blocked) => break,
                Err(WriteError::Closed) => panic!("nobody has closed it"),
            }
        }
        pair.run();
        blocked += usize::from(!pair.nodes[1].wants_input(bob.connection));
        match pair.nodes[1].read_into(bob, &mut buffer, NOW) {
            Ok(len) => heard.extend_from_slice(&buffer[..len]),
            Err(error) => assert_eq!(error, ReadError::Blocked),
        }
        pair.run();
    }
    assert_eq!(heard, said);
    assert!(blocked > 0 && pair.sockets[1].resumed > 0, "it was too much at times");
}

#[test]
fn input_that_reports_held_up_is_taken_to_its_end() {
    const STREAMS: usize = 900;
    let (mut pair, [alice, bob]) = Pair::open();
    (pair.sockets[0].room, pair.read_bytes) = (usize::MAX, usize::MAX);
    // Twice as many streams as there may be at a time, and more than a connection tells its node at a time, in one read.
    for _ in 0..2 {
        let mut opened = Vec::new();
        for _ in 0..STREAMS {
            pair.nodes[0].open_stream(Target::Connection(alice.connection), TALK, NOW);
            while let Some(event) = pair.nodes[0].poll_event(&mut pair.sockets[0], NOW) {
                if let LocalOutput::Event(SwarmEvent::StreamOpened { stream, .. }) = event {
                    opened.push(stream);
                }
            }
        }
        assert_eq!(opened.len(), STREAMS);
        opened.into_iter().for_each(|stream| pair.nodes[0].reset(stream, NOW));
        while pair.nodes[0].poll_event(&mut pair.sockets[0], NOW).is_some() {}
    }
    assert!(pair.receive(1) && pair.sockets[0].written.is_empty());
    assert!(pair.nodes[1].wants_input(bob.connection));
    let kept = pair.nodes[1].buffers.input(bob.connection, BytesMut::new());
    assert_eq!(kept.len(), 0, "it wants input, and was not given what there is");
}

#[test]
fn reading_into_memory_gives_the_same_as_reading() {
    let (mut pair, [alice, bob]) = Pair::open();
    for chunk in [1, 100, 5_000, 20_000] {
        pair.nodes[0].write(alice, &vec![7; chunk], NOW).unwrap();
        pair.run();
        assert_eq!(pair.nodes[1].read_into(bob, &mut [], NOW), Ok(0));
        let mut heard = Vec::new();
        loop {
            let mut small = [0; 1_000];
            match pair.nodes[1].read_into(bob, &mut small, NOW) {
                Ok(len) => heard.extend_from_slice(&small[..len]),
                Err(error) => break assert_eq!(error, ReadError::Blocked),
            }
            heard.extend(pair.nodes[1].read(bob, 10, NOW).unwrap_or_default());
        }
        assert_eq!(heard, vec![7; chunk]);
    }
    pair.nodes[0].close_write(alice, NOW);
    pair.run();
    assert_eq!(pair.nodes[1].read_into(bob, &mut [0; 10], NOW), Err(ReadError::Ended));
    pair.nodes[1].reset(bob, NOW);
    assert_eq!(pair.nodes[1].read_into(bob, &mut [0; 10], NOW), Err(ReadError::Closed));
}

#[test]
fn an_orderly_close_ends_our_direction_when_all_is_written() {
    let (mut pair, [alice, bob]) = Pair::open();
    pair.nodes[0].handle_input(SwarmInput::Disconnect { connection: alice.connection }, NOW);
    pair.run();
    assert!(pair.sockets[0].ended && !pair.sockets[0].closed);
    // The end of the remote's direction ends the rest.
    let read = pair.nodes[1].receive(bob.connection, NOW, |_| Ok::<_, Broken>(0));
    assert_eq!(read, Ok(0));
    pair.run();
    assert!(pair.sockets[1].closed);
    pair.nodes[0].handle_end(alice.connection, End::Closed, NOW);
    pair.run();
    assert!(pair.sockets[0].closed);
    assert_eq!(pair.nodes.each_ref().map(|node| node.node().swarm().connection_count()), [0, 0]);
}

#[test]
fn a_node_has_shut_down_when_the_last_socket_is_closed() {
    let (mut pair, [alice, _]) = Pair::open();
    let is_over = |pair: &Pair| pair.events[0].contains(&LocalOutput::Event(SwarmEvent::ShutDown));
    // More than the socket takes, and nobody reads.
    pair.nodes[0].write(alice, &[7; 5_000], NOW).unwrap();
    pair.nodes[0].handle_input(SwarmInput::Shutdown, NOW);
    while let Some(event) = pair.nodes[0].poll_event(&mut pair.sockets[0], NOW) {
        pair.events[0].push(event);
    }
    assert!(!pair.sockets[0].ended && !is_over(&pair));
    pair.run();
    assert!(pair.sockets[0].ended && !pair.sockets[0].closed && !is_over(&pair));
    pair.nodes[0].handle_end(alice.connection, End::Closed, NOW);
    pair.run();
    assert!(pair.sockets[0].closed && is_over(&pair));
}

#[test]
fn a_broken_socket_costs_its_connection() {
    let (mut pair, [alice, _]) = Pair::open();
    pair.nodes[0].write(alice, b"lost", NOW).unwrap();
    pair.sockets[0].broken = true;
    pair.run();
    assert!(pair.sockets[0].closed);
    assert_eq!(pair.nodes[0].node().swarm().connection_count(), 0);
    // What was left of it is forgotten: nothing is written any more.
    pair.sockets[0].ended = true;
    pair.nodes[0].drive(alice.connection, &mut pair.sockets[0], NOW);
}

#[test]
fn an_error_of_reading_is_given_back_and_changes_nothing() {
    let (mut pair, [alice, _]) = Pair::open();
    let result = pair.nodes[0].receive(alice.connection, NOW, |_| Err(Broken));
    assert_eq!(result, Err(Broken));
    assert_eq!(pair.nodes[0].poll_output(), None);
}

#[test]
fn what_cannot_even_begin_has_failed() {
    let mut pair = Pair::new(0, 0);
    pair.sockets[0].broken = true;
    pair.nodes[0].listen("/ip4/10.0.0.1/tcp/4001".parse().unwrap(), NOW);
    pair.nodes[0].dial("/ip4/10.0.0.2/tcp/4001".parse::<Multiaddr>().unwrap(), NOW);
    pair.nodes[0].dial("/dns4/example.com/tcp/4001".parse::<Multiaddr>().unwrap(), NOW);
    pair.run();
    let in_use = |event: &LocalOutput<_>| match event {
        LocalOutput::Event(SwarmEvent::ListenFailed { error, .. }) => {
            *error == ListenError::Transport(TransportError::InUse)
        }
        _ => false,
    };
    assert!(pair.events[0].iter().any(in_use));
    let errors: Vec<&DialError> = pair.events[0]
        .iter()
        .filter_map(|event| match event {
            LocalOutput::Event(SwarmEvent::DialFailed { error, .. }) => Some(error),
            _ => None,
        })
        .collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
}

#[test]
fn buffers_are_kept_within_their_limit_and_only_if_they_are_of_use() {
    let mut spare = super::buffers::Spare::default();
    spare.give(bytes::BytesMut::new());
    spare.give(bytes::BytesMut::with_capacity(100));
    assert_eq!(spare.len(), 0);
    for _ in 0..100 {
        // As it is when a socket took all but the end.
        let mut buffer = bytes::BytesMut::zeroed(64 * 1024);
        bytes::Buf::advance(&mut buffer, 60 * 1024);
        buffer.clear();
        spare.give(buffer);
    }
    assert_eq!(spare.len(), 16);
    assert!(spare.take().capacity() >= 64 * 1024);
    assert_eq!(spare.len(), 15);
}
