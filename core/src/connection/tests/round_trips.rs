//! Two connections, and how many times something must cross between them.

use super::*;
use crate::crypto::Portable;
use crate::identity::Keypair;
use crate::muxer::ReadError;
use crate::muxer::mplex::Mplex;
use crate::negotiation::ProtocolId;
use crate::security::plaintext::Plaintext;
use crate::security::secio::Secio;
use crate::security::{Handshake, HandshakeSetup, Role, Secured, SecurityError, SecurityProtocol};
use crate::seed::Seed;
use smallvec::smallvec;

const NOW: Instant = Instant::ORIGIN;
const CHAT: ProtocolId = ProtocolId::from_static("/chat/1.0");
const TALK: ProtocolId = ProtocolId::from_static("/talk/1.0");

/// Plaintext whose listener speaks second, as that of noise does.
#[derive(Debug)]
struct DialerFirst;

struct Shy {
    inner: Box<dyn Handshake>,
    may_speak: bool,
}

impl SecurityProtocol for DialerFirst {
    fn id(&self) -> ProtocolId {
        ProtocolId::from_static("/dialer-first/1.0")
    }

    fn start(&self, setup: HandshakeSetup, now: Instant) -> Box<dyn Handshake> {
        let may_speak = setup.role == Role::Dialer;
        Box::new(Shy { inner: Plaintext.start(setup, now), may_speak })
    }
}

impl Layer for Shy {
    type Event = Secured;
    type Error = SecurityError;

    fn handle_input(&mut self, input: &mut BytesMut, now: Instant) -> Result<(), SecurityError> {
        self.may_speak |= !input.is_empty();
        self.inner.handle_input(input, now)
    }

    fn handle_end(&mut self, end: End, now: Instant) {
        self.inner.handle_end(end, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.inner.handle_timeout(now);
    }

    fn poll_transmit(&mut self, out: &mut BytesMut, max: usize, now: Instant) -> usize {
        if self.may_speak { self.inner.poll_transmit(out, max, now) } else { 0 }
    }

    fn poll_event(&mut self) -> Option<Secured> {
        self.inner.poll_event()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.inner.poll_timeout()
    }

    fn wants_input(&self) -> bool {
        self.inner.wants_input()
    }

    fn poll_close(&mut self) -> Option<Close> {
        self.inner.poll_close()
    }
}

fn config(security: Arc<dyn SecurityProtocol>, lazy: [bool; 2]) -> ConnectionConfig {
    let [lazy_security, lazy_streams] = lazy;
    let lazy_streams = if lazy_streams { LazyStreams::Always } else { LazyStreams::Never };
    let muxers: Vec<Arc<dyn crate::muxer::MuxerProtocol>> = vec![Arc::new(Mplex::default())];
    ConnectionConfig { security: vec![security], muxers, lazy_security, lazy_streams, ..Default::default() }
}

/// A dialer that opens a stream, writes and closes; and a listener that echoes.
struct Pair {
    ends: [Connection; 2],
    /// `wires[i]` leads to end `i`.
    wires: [BytesMut; 2],
    /// How much is handed over at a time.
    chunk: usize,
    wanted: ProtocolId,
    /// What the dialer writes, and whether it then closes.
    question: (&'static [u8], bool),
    streams: [Option<StreamId>; 2],
    answer: Vec<u8>,
    ended: bool,
    /// What the nodes are told.
    told: [Vec<ConnectionMessage>; 2],
    events: [Vec<StreamEvent>; 2],
}

impl Pair {
    fn new(configs: [ConnectionConfig; 2], wanted: ProtocolId) -> Self {
        let mut protocols = ProtocolTable::default();
        protocols.0.insert(CHAT, StreamOptions::raw());
        let protocols = Arc::new(protocols);
        let mut sides = [Role::Dialer, Role::Listener].into_iter().zip(configs);
        let ends = [0, 1].map(|number| {
            let (role, config) = sides.next().unwrap();
            let mut seed = Seed::reproducible(number);
            let keypair = Arc::new(Keypair::generate_ed25519(&mut seed));
            let crypto = Arc::new(Portable);
            let setup = HandshakeSetup {
                role,
                keypair,
                expected_peer: None,
                crypto,
                muxers: config.muxer_ids(),
                wall_clock: None,
                seed,
            };
            let config = Arc::new(config);
            let pipeline = Pipeline::new(Arc::clone(&config), setup, NOW);
            Connection::new(ConnectionId(number), config, Arc::clone(&protocols), pipeline)
        });
        Self {
            ends,
            wires: Default::default(),
            chunk: usize::MAX,
            wanted,
            question: (b"hello", true),
            streams: [None; 2],
            answer: Vec::new(),
            ended: false,
            told: Default::default(),
            events: Default::default(),
        }
    }

    /// What both applications do at once when they hear something.
    fn act(&mut self, me: usize) {
        while let Some(ToNode(message)) = self.ends[me].poll_message() {
            match &message {
                ConnectionMessage::Established(_) if me == 0 => {
                    let protocols = smallvec![self.wanted.clone()];
                    let options = StreamOptions::raw();
                    let open = NodeMessage::Open { open: OpenId(1), protocols, options };
                    self.ends[0].handle_message(ToConnection(open), NOW);
                }
                ConnectionMessage::StreamOpened { stream, .. } => {
                    self.streams[me] = Some(*stream);
                    if me == 0 {
                        let (question, closes) = self.question;
                        self.ends[0].write(*stream, question, NOW).unwrap();
                        if closes {
                            self.ends[0].close_write(*stream, NOW);
                        }
                    }
                }
                _ => {}
            }
            self.told[me].push(message);
        }
        self.read(me);
        self.events[me].extend(std::iter::from_fn(|| self.ends[me].poll_stream_event()));
    }

    fn read(&mut self, me: usize) {
        let Some(stream) = self.streams[me] else { return };
        loop {
            match self.ends[me].read(stream, 100, NOW) {
                Ok(bytes) if me == 0 => self.answer.extend_from_slice(&bytes),
                Ok(bytes) => assert_eq!(self.ends[1].write(stream, &bytes, NOW), Ok(bytes.len())),
                Err(ReadError::Ended) if me == 0 => return self.ended = true,
                Err(ReadError::Ended) => return self.ends[1].close_write(stream, NOW),
                Err(_) => return,
            }
        }
    }

    /// Everything that waits crosses once, in one direction. Says whether there was something.
    fn cross(&mut self, from: usize) -> bool {
        let to = 1 - from;
        self.act(from);
        while self.ends[from].poll_transmit(&mut self.wires[to], 10_000, NOW) > 0 {}
        let mut arrived = BytesMut::new();
        let crossing = self.wires[to].split();
        for piece in crossing.chunks(self.chunk) {
            arrived.extend_from_slice(piece);
            self.ends[to].handle_input(&mut arrived, NOW).ok();
            self.act(to);
        }
        !crossing.is_empty()
    }

    /// Runs until nothing moves, and says after how many crossings the answer was there.
    fn run(&mut self) -> Option<usize> {
        let mut answered = None;
        let mut silent = 0;
        for crossing in 1.. {
            silent = if self.cross((crossing + 1) % 2) { 0 } else { silent + 1 };
            if answered.is_none() && !self.answer.is_empty() {
                answered = Some(crossing);
            }
            if silent == 2 {
                break;
            }
        }
        answered
    }

    fn ends_of_streams(&self, me: usize) -> Vec<&StreamCloseCause> {
        let ends = self.told[me].iter().filter_map(|message| match message {
            ConnectionMessage::StreamClosed { cause, .. } => Some(cause),
            _ => None,
        });
        ends.collect()
    }
}

fn securities() -> [Arc<dyn SecurityProtocol>; 3] {
    [Arc::new(Plaintext), Arc::new(Secio::default()), Arc::new(DialerFirst)]
}

#[test]
fn lazy_negotiation_saves_round_trips() {
    // Crossings until the dialer has the first byte of the answer: patient, lazy in security, in streams, in both.
    let table = [[8, 8, 6, 6], [10, 10, 8, 8], [10, 8, 8, 6]];
    for (security, expected) in securities().into_iter().zip(table) {
        let lazy = [[false, false], [true, false], [false, true], [true, true]];
        let crossings = lazy.map(|lazy| {
            let configs = [config(Arc::clone(&security), lazy), config(Arc::clone(&security), [false; 2])];
            let mut pair = Pair::new(configs, CHAT);
            let crossings = pair.run().unwrap();
            assert_eq!((&pair.answer[..], pair.ended), (&b"hello"[..], true));
            crossings
        });
        assert_eq!(crossings, expected, "{security:?}");
    }
}

#[test]
fn nothing_is_lost_however_the_wire_cuts() {
    for security in securities() {
        for chunk in [1, 2, 7, 33] {
            for lazy in [[true, true], [true, false], [false, true]] {
                let configs = [0, 1].map(|_| config(Arc::clone(&security), lazy));
                let mut pair = Pair::new(configs, CHAT);
                pair.chunk = chunk;
                pair.run().unwrap();
                assert_eq!((&pair.answer[..], pair.ended), (&b"hello"[..], true), "{security:?}, {chunk}");
                for me in [0, 1] {
                    assert_eq!(pair.ends_of_streams(me), [&StreamCloseCause::Ended]);
                    assert_eq!(pair.ends[me].stream_count(), 0);
                }
            }
        }
    }
}

#[test]
fn a_refused_stream_ends_with_the_reason_at_one_end_and_unnoticed_at_the_other() {
    // What is written looks like nothing, like half a proposal, like a wrong one, like a right one.
    for question in [&b"\0\0\0"[..], b"\x0a/ch", b"hello, hello", b"\x0a/chat/1.0\n"] {
        for (closes, chunk) in [(true, usize::MAX), (true, 1), (false, usize::MAX), (false, 1)] {
            let configs = [0, 1].map(|_| config(Arc::new(Plaintext), [true, true]));
            let mut pair = Pair::new(configs, TALK);
            pair.question = (question, closes);
            pair.chunk = chunk;
            pair.run();
            let what = format!("{question:?}, closes: {closes}, chunks of {chunk}");
            let unsupported = StreamError::Unsupported(smallvec![TALK]);
            let cause = StreamCloseCause::NotAgreed(Box::new(unsupported));
            assert_eq!(pair.ends_of_streams(0), [&cause], "{what}");
            assert_eq!(pair.events[0], [StreamEvent::Closed(pair.streams[0].unwrap(), cause)], "{what}");
            assert_eq!(pair.ends[0].stream_count(), 0, "{what}");
            assert_eq!(pair.answer, b"", "{what}");
            // The listener's application may have been offered what the dialer meant otherwise, and heard of its end.
            assert_eq!(pair.ends[1].stream_count(), 0, "{what}");
        }
    }
}

#[test]
fn a_stream_over_the_listeners_limit_is_reset() {
    let mut configs = [0, 1].map(|_| config(Arc::new(Plaintext), [false, true]));
    configs[1].max_negotiating_streams = 0;
    let mut pair = Pair::new(configs, CHAT);
    pair.run();
    let reset = StreamCloseCause::Reset(crate::muxer::ResetCause::Remote);
    assert_eq!(pair.ends_of_streams(0), [&reset]);
    assert_eq!(pair.ends[0].stream_count(), 0);
}

#[test]
fn a_refused_security_protocol_is_named_lazy_or_not() {
    for (lazy, chunk) in [(false, usize::MAX), (true, usize::MAX), (false, 1), (true, 1)] {
        let ids = [Plaintext.id(), Secio::default().id()];
        for (dialer, listener, wanted) in [(0, 1, &ids[0]), (1, 0, &ids[1])] {
            let [plaintext, secio, _] = securities();
            let both = [plaintext, secio];
            let configs = [dialer, listener].map(|which| config(Arc::clone(&both[which]), [lazy, false]));
            let mut pair = Pair::new(configs, CHAT);
            pair.chunk = chunk;
            pair.run();
            let error = NegotiationError::Unsupported(smallvec![wanted.clone()]);
            let error = ConnectionError::Negotiation { what: "security protocol", error };
            assert_eq!(pair.told[0], [ConnectionMessage::Closed(error)], "lazy: {lazy}, chunks of {chunk}");
            assert_eq!(pair.ends[0].poll_close(), Some(Close::Now));
            if let Some(message) = pair.told[1].first() {
                let error = NegotiationError::Refused;
                let error = ConnectionError::Negotiation { what: "security protocol", error };
                assert_eq!(message, &ConnectionMessage::Closed(error));
                assert_eq!(pair.ends[1].poll_close(), Some(Close::Flush), "the dialer is to read why");
            }
        }
    }
}
