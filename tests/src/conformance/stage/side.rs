//! A node on its thread, and what it can be asked for there. Whatever does not happen in time panics, and says what was waited for.

use super::{CHUNK_BYTES, ECHO, Pattern, RAW, Watch, any_port};
use crate::conformance::subject::{Command, Event, StreamEnd, Subject, Token};
use bytes::{Buf, Bytes};
use peerwork_core::address::Multiaddr;
use peerwork_core::connection::ConnectionId;
use peerwork_core::identity::PeerId;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::protocols::{StreamError, StreamKey, Target};
use peerwork_core::swarm::{DialError, DialTarget, ListenError, ListenerId};
use peerwork_runtime::Node;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long it drives the node before it looks whether the case has failed elsewhere.
const WAIT_SLICE: Duration = Duration::from_millis(100);

/// A node, on its thread.
pub(in crate::conformance) struct Side<S> {
    pub(in crate::conformance) subject: S,
    name: &'static str,
    patience: Duration,
    pub(super) watch: Arc<Watch>,
    /// Events that nobody has waited for yet.
    seen: VecDeque<Event>,
    /// Streams that are echoed, and what is still to be sent.
    echoes: BTreeMap<StreamKey, Bytes>,
    tokens: u64,
}

impl<S: Subject> Side<S> {
    pub(super) fn new(subject: S, name: &'static str, patience: Duration, watch: Arc<Watch>) -> Self {
        Self { subject, name, patience, watch, seen: VecDeque::new(), echoes: BTreeMap::new(), tokens: 0 }
    }

    pub(in crate::conformance) fn token(&mut self) -> Token {
        self.tokens += 1;
        Token(self.tokens)
    }

    /// Drives the node until it has something to tell, or the time is over.
    pub(super) fn idle(&mut self, patience: Duration) {
        if let Some(event) = self.subject.next_event(patience) {
            self.hear(event);
        }
    }

    /// Drives the node for so long, whatever it tells.
    pub(in crate::conformance) fn drive(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let left = end.saturating_duration_since(Instant::now())
            && !left.is_zero()
        {
            self.idle(left);
        }
    }

    /// Echoes, and keeps other events for whoever asks for them.
    fn hear(&mut self, event: Event) {
        match event {
            Event::Incoming { stream, protocol, .. } if protocol == ECHO => {
                self.echoes.insert(stream, Bytes::new());
                self.echo(stream);
            }
            Event::Readable(stream) | Event::Writable(stream) if self.echoes.contains_key(&stream) => {
                self.echo(stream);
            }
            event => self.seen.push_back(event),
        }
    }

    fn echo(&mut self, stream: StreamKey) {
        let Some(unsent) = self.echoes.get_mut(&stream) else { return };
        let end = loop {
            let step = if unsent.is_empty() {
                self.subject.read(stream, CHUNK_BYTES).map(|bytes| *unsent = bytes)
            } else {
                self.subject.write(stream, unsent).map(|written| unsent.advance(written))
            };
            if let Err(end) = step {
                break end;
            }
        };
        if end != StreamEnd::Blocked {
            if end == StreamEnd::Ended {
                self.subject.close(stream);
            }
            self.subject.drop_stream(stream);
            self.echoes.remove(&stream);
        }
    }

    /// Waits for an event that `pick` takes; panics if it does not come.
    pub(in crate::conformance) fn wait<T>(
        &mut self,
        what: impl Display,
        pick: impl FnMut(&Event) -> Option<T>,
    ) -> T {
        match self.wait_for(self.patience, &what, pick) {
            Some(found) => found,
            None => panic!(
                "{} has waited {:?} for {what}; it has heard {:?} meanwhile",
                self.name,
                self.patience,
                self.seen.iter().rev().take(8).rev().collect::<Vec<_>>()
            ),
        }
    }

    /// Waits for an event that `pick` takes, for so long.
    pub(in crate::conformance) fn wait_for<T>(
        &mut self,
        time: Duration,
        what: impl Display,
        mut pick: impl FnMut(&Event) -> Option<T>,
    ) -> Option<T> {
        for index in 0..self.seen.len() {
            if let Some(found) = pick(&self.seen[index]) {
                self.seen.remove(index);
                return Some(found);
            }
        }
        self.watch.lock().waiting.insert(self.name, what.to_string());
        let end = Instant::now() + time;
        let found = loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break None;
            }
            assert!(!self.watch.is_given_up(), "given up: the case has failed elsewhere");
            self.idle(left.min(WAIT_SLICE));
            if let Some(last) = self.seen.back()
                && let Some(found) = pick(last)
            {
                self.seen.pop_back();
                break Some(found);
            }
        };
        self.watch.lock().waiting.remove(self.name);
        found
    }

    pub(in crate::conformance) fn listen(
        &mut self,
        address: Multiaddr,
    ) -> Result<(ListenerId, Multiaddr), ListenError> {
        let token = self.token();
        self.subject.command(Command::Listen { token, address });
        self.wait("the outcome of listening", |event| match event {
            Event::Listened { token: of, result } if *of == token => Some(result.clone()),
            _ => None,
        })
    }

    /// Listens on a port of the system's choice, and accepts streams of both protocols; gives the address.
    pub(in crate::conformance) fn serve(&mut self) -> Multiaddr {
        for protocol in [ECHO, RAW] {
            self.subject.command(Command::HandleProtocol { protocol });
        }
        match self.listen(any_port()) {
            Ok((_, address)) => address,
            Err(error) => panic!("{} cannot listen on loopback: {error}", self.name),
        }
    }

    pub(in crate::conformance) fn start_dial(&mut self, target: impl Into<DialTarget>) -> Token {
        let (token, target) = (self.token(), target.into());
        self.subject.command(Command::Dial { token, target });
        token
    }

    pub(in crate::conformance) fn dialed(
        &mut self,
        token: Token,
    ) -> Result<(ConnectionId, PeerId), DialError> {
        self.wait("the outcome of a dial", |event| match event {
            Event::Dialed { token: of, result } if *of == token => Some(result.clone()),
            _ => None,
        })
    }

    pub(in crate::conformance) fn dial(
        &mut self,
        target: impl Into<DialTarget>,
    ) -> Result<(ConnectionId, PeerId), DialError> {
        let token = self.start_dial(target);
        self.dialed(token)
    }

    /// Dials, which must work.
    pub(in crate::conformance) fn connect(
        &mut self,
        target: impl Into<DialTarget>,
    ) -> (ConnectionId, PeerId) {
        match self.dial(target) {
            Ok(connected) => connected,
            Err(error) => panic!("{} cannot dial: {error}", self.name),
        }
    }

    pub(in crate::conformance) fn start_open(&mut self, target: Target, protocol: ProtocolId) -> Token {
        let token = self.token();
        self.subject.command(Command::OpenStream { token, target, protocol });
        token
    }

    pub(in crate::conformance) fn opened(&mut self, token: Token) -> Result<StreamKey, StreamError> {
        self.wait("the outcome of opening a stream", |event| match event {
            Event::Opened { token: of, result } if *of == token => Some(result.clone()),
            _ => None,
        })
    }

    /// Opens a stream, which must work.
    pub(in crate::conformance) fn open(&mut self, target: Target, protocol: ProtocolId) -> StreamKey {
        let token = self.start_open(target, protocol);
        match self.opened(token) {
            Ok(stream) => stream,
            Err(error) => panic!("{} cannot open a stream: {error}", self.name),
        }
    }

    /// The next stream of the protocol [`RAW`] that a remote opens.
    pub(in crate::conformance) fn accept(&mut self) -> StreamKey {
        self.wait("a stream of the remote", |event| match event {
            Event::Incoming { stream, protocol, .. } if *protocol == RAW => Some(*stream),
            _ => None,
        })
    }

    /// Reads what there is, or waits for it.
    pub(in crate::conformance) fn read(&mut self, stream: StreamKey) -> Result<Bytes, StreamEnd> {
        loop {
            match self.subject.read(stream, CHUNK_BYTES) {
                Err(StreamEnd::Blocked) => self.wait_readable(stream),
                other => return other,
            }
        }
    }

    fn wait_readable(&mut self, stream: StreamKey) {
        self.wait("bytes to read", |event| (*event == Event::Readable(stream)).then_some(()));
    }

    /// Reads so many bytes exactly, unless the stream ends before.
    pub(in crate::conformance) fn read_exact(
        &mut self,
        stream: StreamKey,
        count: usize,
    ) -> Result<Vec<u8>, StreamEnd> {
        let mut all = Vec::new();
        while all.len() < count {
            match self.subject.read(stream, count - all.len()) {
                Ok(bytes) => all.extend_from_slice(&bytes),
                Err(StreamEnd::Blocked) => self.wait_readable(stream),
                Err(end) => return Err(end),
            }
        }
        Ok(all)
    }

    /// Reads until the remote ends its direction.
    pub(in crate::conformance) fn read_to_end(&mut self, stream: StreamKey) -> Result<Vec<u8>, StreamEnd> {
        let mut all = Vec::new();
        loop {
            match self.read(stream) {
                Ok(bytes) => all.extend_from_slice(&bytes),
                Err(StreamEnd::Ended) => return Ok(all),
                Err(end) => return Err(end),
            }
        }
    }

    /// Writes everything.
    pub(in crate::conformance) fn write(
        &mut self,
        stream: StreamKey,
        mut data: &[u8],
    ) -> Result<(), StreamEnd> {
        while !data.is_empty() {
            match self.subject.write(stream, data) {
                Ok(written) => data = &data[written..],
                Err(StreamEnd::Blocked) => {
                    self.wait("room to write", |event| (*event == Event::Writable(stream)).then_some(()));
                }
                Err(end) => return Err(end),
            }
        }
        Ok(())
    }

    /// Sends `total` bytes, ends our direction, and meanwhile reads as many until the remote ends its own: each must be what was sent.
    pub(in crate::conformance) fn exchange(&mut self, stream: StreamKey, total: usize) {
        let pattern = Pattern::new();
        let (mut sent, mut received) = (0, 0);
        loop {
            let mut is_blocked = true;
            if sent < total {
                match self.subject.write(stream, pattern.part(sent, total - sent)) {
                    Ok(written) => (sent, is_blocked) = (sent + written, false),
                    Err(StreamEnd::Blocked) => {}
                    Err(end) => panic!("after {sent} bytes were written: {end}"),
                }
                if sent == total {
                    self.subject.close(stream);
                }
            }
            match self.subject.read(stream, CHUNK_BYTES) {
                Ok(bytes) => {
                    assert!(
                        bytes == pattern.part(received, bytes.len()),
                        "what follows byte {received} was not sent so"
                    );
                    (received, is_blocked) = (received + bytes.len(), false);
                }
                Err(StreamEnd::Blocked) => {}
                Err(StreamEnd::Ended) => break,
                Err(end) => panic!("after {received} bytes were read: {end}"),
            }
            if is_blocked {
                let what =
                    format!("room to write or bytes to read ({sent} bytes are sent, {received} received)");
                self.wait(what, |event| {
                    matches!(event, Event::Readable(of) | Event::Writable(of) if *of == stream).then_some(())
                });
            }
        }
        assert_eq!((sent, received), (total, total), "bytes that went and came");
    }

    /// Exchanges so many bytes with the echo of a peer.
    pub(in crate::conformance) fn echo_with(&mut self, target: Target, total: usize) {
        let stream = self.open(target, ECHO);
        self.exchange(stream, total);
        self.subject.drop_stream(stream);
    }

    pub(in crate::conformance) fn shut_down(&mut self) {
        self.subject.command(Command::Shutdown);
        self.wait("its own end", |event| (*event == Event::ShutDown).then_some(()));
    }

    /// The node's handle, in a case that needs it.
    pub(in crate::conformance) fn handle(&self) -> Node {
        self.subject.handle().expect("the case is only for subjects with a handle")
    }
}
