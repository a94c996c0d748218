//! The subjects of loops of one's own: the examples, which have neither tasks nor a runtime that could be broken.

use bytes::Bytes;
use peerwork_core::address;
use peerwork_core::connection::StreamEvent;
use peerwork_core::identity::PeerId;
use peerwork_core::muxer::{ReadError, WriteError};
use peerwork_core::node::{LocalNode, LocalOutput, NodeEvent};
use peerwork_core::protocols::{RequestId, StreamCloseCause, StreamKey};
use peerwork_core::swarm::{ConnectionInfo, DialError, DialId, ListenerId, SwarmEvent, SwarmInput};
use peerwork_core::time::Instant;
use peerwork_examples::loops::build;
use peerwork_examples::loops::frames::FrameNode;
use peerwork_examples::loops::mio::MioNode;
use peerwork_examples::loops::threads::ThreadNode;
use peerwork_tests::conformance::{Command, Event, Setup, StreamEnd, Subject, Token};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

type Output = LocalOutput<Infallible>;

/// A loop around a [`LocalNode`].
pub(crate) trait Loop: Sized + 'static {
    const NAME: &'static str;

    fn start(node: LocalNode) -> Self;

    /// Does something with the node.
    fn call<T: Send + 'static>(
        &mut self,
        call: impl FnOnce(&mut LocalNode, Instant) -> T + Send + 'static,
    ) -> T;

    /// Drives the node until there is an output for the application, or `patience` is over.
    fn next_output(&mut self, patience: Duration) -> Option<Output>;

    /// How often it has gone round, where it does so only with a reason.
    fn turns(&self) -> Option<usize> {
        None
    }
}

/// When `patience` is over.
fn end_of(patience: Duration) -> std::time::Instant {
    std::time::Instant::now() + patience
}

fn left(end: std::time::Instant) -> Duration {
    end.saturating_duration_since(std::time::Instant::now())
}

/// The loop on mio, and how often it has gone round.
pub(crate) struct Mio(MioNode, usize);

impl Loop for Mio {
    const NAME: &'static str = "mio";

    fn start(node: LocalNode) -> Self {
        Self(MioNode::new(node).unwrap(), 0)
    }

    fn call<T: Send + 'static>(
        &mut self,
        call: impl FnOnce(&mut LocalNode, Instant) -> T + Send + 'static,
    ) -> T {
        let now = self.0.now();
        call(self.0.node(), now)
    }

    fn next_output(&mut self, patience: Duration) -> Option<Output> {
        let end = end_of(patience);
        loop {
            match (self.0.poll_output(), left(end)) {
                (Some(output), _) => return Some(output),
                (None, Duration::ZERO) => return None,
                (None, left) => self.0.turn(Some(left)).unwrap(),
            }
            self.1 += 1;
        }
    }

    fn turns(&self) -> Option<usize> {
        Some(self.1)
    }
}

/// The loop that is called once per frame.
pub(crate) struct Frames(FrameNode);

/// How much of a frame is the node's, and how much is somebody else's.
const FRAME: Duration = Duration::from_millis(1);

impl Loop for Frames {
    const NAME: &'static str = "frames";

    fn start(node: LocalNode) -> Self {
        Self(FrameNode::new(node))
    }

    fn call<T: Send + 'static>(
        &mut self,
        call: impl FnOnce(&mut LocalNode, Instant) -> T + Send + 'static,
    ) -> T {
        let now = self.0.now();
        call(self.0.node(), now)
    }

    fn next_output(&mut self, patience: Duration) -> Option<Output> {
        let end = end_of(patience);
        loop {
            let is_idle = self.0.frame(FRAME).done;
            match (self.0.poll_output(), left(end)) {
                (Some(output), _) => return Some(output),
                (None, Duration::ZERO) => return None,
                (None, left) if is_idle => std::thread::sleep(left.min(FRAME)),
                (None, _) => {}
            }
        }
    }
}

/// The loop of threads that block, and what it tells.
pub(crate) struct Threads(ThreadNode, Receiver<Output>);

impl Loop for Threads {
    const NAME: &'static str = "threads";

    fn start(node: LocalNode) -> Self {
        let (sender, outputs) = mpsc::channel();
        let application = move |_: &mut LocalNode, output, _| drop(sender.send(output));
        Self(ThreadNode::start(node, application).unwrap(), outputs)
    }

    fn call<T: Send + 'static>(
        &mut self,
        call: impl FnOnce(&mut LocalNode, Instant) -> T + Send + 'static,
    ) -> T {
        self.0.call(call).unwrap()
    }

    fn next_output(&mut self, patience: Duration) -> Option<Output> {
        self.1.recv_timeout(patience).ok()
    }
}

/// A node on a loop.
pub(crate) struct LoopSubject<L> {
    /// `None` once it is dropped.
    node: Option<L>,
    local_peer: PeerId,
    listens: BTreeMap<ListenerId, Token>,
    dials: BTreeMap<DialId, Token>,
    opens: BTreeMap<RequestId, Token>,
    /// Streams that were ended from outside.
    closed: BTreeMap<StreamKey, StreamCloseCause>,
    /// Streams that we have ended for writing.
    ended: BTreeSet<StreamKey>,
    events: VecDeque<Event>,
}

impl<L: Loop> Subject for LoopSubject<L> {
    fn name() -> String {
        L::NAME.to_owned()
    }

    fn start(setup: Setup) -> Self {
        let node = build(setup.into_builder()).unwrap();
        Self {
            local_peer: node.local_peer(),
            node: Some(L::start(node)),
            listens: BTreeMap::new(),
            dials: BTreeMap::new(),
            opens: BTreeMap::new(),
            closed: BTreeMap::new(),
            ended: BTreeSet::new(),
            events: VecDeque::new(),
        }
    }

    fn local_peer(&self) -> PeerId {
        self.local_peer
    }

    fn command(&mut self, command: Command) {
        let Some(node) = &mut self.node else { return };
        let mut input = |input| node.call(move |node, now| node.handle_input(input, now));
        match command {
            Command::StopListening { listener } => input(SwarmInput::StopListening { listener }),
            Command::Disconnect { connection } => input(SwarmInput::Disconnect { connection }),
            Command::HandleProtocol { protocol } => input(SwarmInput::HandleProtocol { protocol }),
            Command::Shutdown => input(SwarmInput::Shutdown),
            Command::CancelDial { token } => {
                let dial = self.dials.iter().find(|(_, of)| **of == token);
                dial.into_iter().for_each(|(&dial, _)| input(SwarmInput::CancelDial { dial }));
            }
            Command::Listen { token, address } => {
                let listener = node.call(move |node, now| node.listen(address, now));
                self.listens.insert(listener, token);
            }
            Command::Dial { token, target } => {
                let dial = node.call(move |node, now| node.dial(target, now));
                self.dials.insert(dial, token);
            }
            Command::OpenStream { token, target, protocol } => {
                let request = node.call(move |node, now| node.open_stream(target, protocol, now));
                self.opens.insert(request, token);
            }
            Command::Drop => {
                self.node = None;
                self.events.push_back(Event::ShutDown);
            }
        }
    }

    fn next_event(&mut self, patience: Duration) -> Option<Event> {
        let end = end_of(patience);
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let Some(node) = &mut self.node else {
                std::thread::sleep(left(end));
                return None;
            };
            let output = node.next_output(left(end))?;
            self.hear(output);
        }
    }

    fn read(&mut self, stream: StreamKey, max: usize) -> Result<Bytes, StreamEnd> {
        let node = self.node.as_mut().ok_or(StreamEnd::ConnectionClosed)?;
        node.call(move |node, now| node.read(stream, max, now)).map_err(|error| match error {
            ReadError::Blocked => StreamEnd::Blocked,
            ReadError::Ended => StreamEnd::Ended,
            ReadError::Closed => self.end_of(stream),
        })
    }

    fn write(&mut self, stream: StreamKey, data: &[u8]) -> Result<usize, StreamEnd> {
        let node = self.node.as_mut().ok_or(StreamEnd::ConnectionClosed)?;
        if self.ended.contains(&stream) {
            return Err(StreamEnd::Ended);
        }
        let data = data.to_vec();
        node.call(move |node, now| node.write(stream, &data, now)).map_err(|error| match error {
            WriteError::Blocked => StreamEnd::Blocked,
            WriteError::Closed => self.end_of(stream),
        })
    }

    fn close(&mut self, stream: StreamKey) {
        self.ended.insert(stream);
        self.call(move |node, now| node.close_write(stream, now));
    }

    fn reset(&mut self, stream: StreamKey) {
        self.call(move |node, now| node.reset(stream, now));
        self.forget(stream);
    }

    fn drop_stream(&mut self, stream: StreamKey) {
        self.call(move |node, now| node.abandon(stream, now));
        self.forget(stream);
    }

    fn wake_ups(&self) -> Option<usize> {
        self.node.as_ref()?.turns()
    }
}

impl<L: Loop> LoopSubject<L> {
    fn call(&mut self, call: impl FnOnce(&mut LocalNode, Instant) + Send + 'static) {
        if let Some(node) = &mut self.node {
            node.call(call);
        }
    }

    fn forget(&mut self, stream: StreamKey) {
        self.closed.remove(&stream);
        self.ended.remove(&stream);
    }

    /// Why a stream is closed. Its end may not have been heard yet.
    fn end_of(&mut self, stream: StreamKey) -> StreamEnd {
        let is_connected = self.node.as_mut().is_some_and(|node| {
            node.call(move |node, _| node.node().swarm().has_connection(stream.connection))
        });
        match self.closed.get(&stream) {
            Some(StreamCloseCause::ConnectionClosed) => StreamEnd::ConnectionClosed,
            None if !is_connected => StreamEnd::ConnectionClosed,
            _ => StreamEnd::Reset,
        }
    }

    /// Makes the suite's events of what the node tells.
    fn hear(&mut self, output: Output) {
        match output {
            LocalOutput::Event(SwarmEvent::ShutDown) => self.events.push_back(Event::ShutDown),
            LocalOutput::Event(event) => {
                let outcome = self.outcome(&event);
                self.events.extend(outcome);
                self.events.push_back(Event::Swarm(event));
            }
            LocalOutput::Protocol(NodeEvent::Ping(event)) => self.events.push_back(Event::Ping(event)),
            LocalOutput::Stream(connection, event) => {
                let key = |stream| StreamKey { connection, stream };
                match event {
                    StreamEvent::Readable(stream) => self.events.push_back(Event::Readable(key(stream))),
                    StreamEvent::Writable(stream) => self.events.push_back(Event::Writable(key(stream))),
                    StreamEvent::Closed(stream, cause) => {
                        self.closed.insert(key(stream), cause);
                        self.events.extend([Event::Readable(key(stream)), Event::Writable(key(stream))]);
                    }
                }
            }
            _ => {}
        }
    }

    /// What an event says of a command.
    fn outcome(&mut self, event: &SwarmEvent) -> Option<Event> {
        Some(match event {
            SwarmEvent::Listening { listener, address } => {
                let token = self.listens.remove(listener)?;
                let address = address::with_peer_id(address.clone(), &self.local_peer);
                Event::Listened { token, result: Ok((*listener, address)) }
            }
            SwarmEvent::ListenFailed { listener, error } => {
                Event::Listened { token: self.listens.remove(listener)?, result: Err(error.clone()) }
            }
            SwarmEvent::Dialed { dial, connection } => {
                let (token, connection) = (self.dials.remove(dial)?, *connection);
                let info = move |node: &mut LocalNode, _| node.node().swarm().connection_info(connection);
                let peer = self.node.as_mut()?.call(info).map(|ConnectionInfo { peer, .. }| peer);
                // It may be gone already.
                let result = peer.map(|peer| (connection, peer)).ok_or(DialError::NoAddresses);
                Event::Dialed { token, result }
            }
            SwarmEvent::DialFailed { dial, error } => {
                Event::Dialed { token: self.dials.remove(dial)?, result: Err(error.clone()) }
            }
            SwarmEvent::StreamOpened { stream, peer, protocol, request: None } => {
                Event::Incoming { stream: *stream, peer: *peer, protocol: protocol.clone() }
            }
            SwarmEvent::StreamOpened { stream, request: Some(request), .. } => {
                Event::Opened { token: self.opens.remove(request)?, result: Ok(*stream) }
            }
            SwarmEvent::StreamFailed { request, error } => {
                Event::Opened { token: self.opens.remove(request)?, result: Err(error.clone()) }
            }
            _ => return None,
        })
    }
}
