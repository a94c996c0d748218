//! Streams that do not wait for the answer to their proposal, on a carrier that does what the test says.

use super::*;
use crate::machine::Blame;
use crate::muxer::{ReadError, ResetCause, Streams, WriteError};
use crate::wire::FrameError;
use smallvec::smallvec;
use std::collections::VecDeque;
use std::time::Duration;

const NOW: Instant = Instant::ORIGIN;
const ID: StreamId = StreamId(0);
const OPEN: OpenId = OpenId(7);

const HEADER: &[u8] = b"\x13/multistream/1.0.0\n";
const NA: &[u8] = b"\x03na\n";
const ECHO: &[u8] = b"\x0a/chat/1.0\n";
const CHAT: ProtocolId = ProtocolId::from_static("/chat/1.0");
const TALK: ProtocolId = ProtocolId::from_static("/talk/1.0");

/// One stream, of which the test says what can be read.
#[derive(Default)]
struct Script {
    incoming: VecDeque<Bytes>,
    incoming_ended: bool,
    written: BytesMut,
    write_ended: bool,
    /// Reset by us, or gone.
    closed: bool,
    events: VecDeque<CarrierEvent>,
}

impl Streams for Script {
    fn open_stream(&mut self, _now: Instant) -> Result<StreamId, OpenError> {
        Ok(ID)
    }

    fn write(&mut self, _: StreamId, data: &[u8], _now: Instant) -> Result<usize, WriteError> {
        self.written.extend_from_slice(data);
        Ok(data.len())
    }

    fn read(&mut self, _: StreamId, max: usize, _now: Instant) -> Result<Bytes, ReadError> {
        match self.incoming.front_mut() {
            _ if self.closed => Err(ReadError::Closed),
            Some(front) => {
                let bytes = front.split_to(max.min(front.len()));
                if front.is_empty() {
                    self.incoming.pop_front();
                }
                Ok(bytes)
            }
            None if self.incoming_ended => Err(ReadError::Ended),
            None => Err(ReadError::Blocked),
        }
    }

    fn close_write(&mut self, _: StreamId, _now: Instant) {
        self.write_ended = true;
    }

    fn reset(&mut self, _: StreamId, _now: Instant) {
        self.closed = true;
    }
}

impl Carrier for Script {
    fn poll_event(&mut self) -> Option<CarrierEvent> {
        self.events.pop_front()
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_timeout(&self) -> Option<Deadline> {
        None
    }

    fn close(&mut self, reason: ConnectionError, _now: Instant) {
        self.closed = true;
        self.events.push_back(CarrierEvent::Closed(reason));
    }
}

/// A connection with one stream, which we have opened without waiting.
struct Bench(Connection<Script>);

impl Bench {
    fn open(options: StreamOptions, protocols: &[ProtocolId]) -> Self {
        let config = Arc::new(ConnectionConfig { idle_timeout: None, ..ConnectionConfig::default() });
        let mut connection = Connection::new(ConnectionId(1), config, Arc::default(), Script::default());
        let open = NodeMessage::Open { open: OPEN, protocols: protocols.into(), options };
        connection.handle_message(ToConnection(open), NOW);
        Self(connection)
    }

    /// A raw stream for one protocol, of which the node has heard.
    fn raw() -> Self {
        let options = StreamOptions { lazy: true, ..StreamOptions::raw() };
        let mut bench = Self::open(options, &[CHAT]);
        assert_eq!(bench.messages(), [opened(options)]);
        bench
    }

    fn framed() -> Self {
        let framing = Framing::LengthPrefixed { max_bytes: 10 };
        let options = StreamOptions { framing, credit: 9, keep_alive: false, lazy: true };
        let mut bench = Self::open(options, &[CHAT]);
        assert_eq!(bench.messages(), [opened(options)]);
        bench
    }

    fn arrive(&mut self, pieces: &[&[u8]], ended: bool) {
        self.0.with_carrier(NOW, |script| {
            script.incoming.extend(pieces.iter().map(|piece| Bytes::copy_from_slice(piece)));
            script.incoming_ended |= ended;
            script.events.push_back(CarrierEvent::Stream(StreamsEvent::Readable(ID)));
        });
    }

    fn happen(&mut self, event: CarrierEvent) {
        self.0.with_carrier(NOW, |script| {
            script.closed = true;
            script.events.push_back(event);
        });
    }

    fn tell(&mut self, message: NodeMessage) {
        self.0.handle_message(ToConnection(message), NOW);
    }

    fn messages(&mut self) -> Vec<ConnectionMessage> {
        std::iter::from_fn(|| self.0.poll_message()).map(|message| message.0).collect()
    }

    fn events(&mut self) -> Vec<StreamEvent> {
        std::iter::from_fn(|| self.0.poll_stream_event()).collect()
    }

    fn read(&mut self) -> Result<Bytes, ReadError> {
        self.0.read(ID, 100, NOW)
    }

    fn written(&self) -> &[u8] {
        &self.0.carrier.written
    }

    /// The stream has ended for `cause`: node and application know, and nothing is left of it.
    fn expect_end(&mut self, what: &str, cause: StreamCloseCause) {
        assert_eq!(self.events(), [StreamEvent::Closed(ID, cause.clone())], "{what}");
        assert_eq!(self.messages(), [ConnectionMessage::StreamClosed { stream: ID, cause }], "{what}");
        assert_eq!(self.read(), Err(ReadError::Closed), "{what}");
        assert_eq!(self.0.write(ID, b"x", NOW), Err(WriteError::Closed), "{what}");
        assert_eq!((self.0.stream_count(), self.0.next_deadline()), (0, None), "{what}");
        assert!(self.0.carrier.closed, "{what}");
    }
}

fn opened(options: StreamOptions) -> ConnectionMessage {
    ConnectionMessage::StreamOpened { stream: ID, protocol: CHAT, options, open: Some(OPEN) }
}

fn not_agreed(error: StreamError) -> StreamCloseCause {
    StreamCloseCause::NotAgreed(Box::new(error))
}

#[test]
fn data_leaves_right_behind_the_proposal() {
    let mut bench = Bench::raw();
    assert_eq!(bench.0.write(ID, b"hello", NOW), Ok(5));
    assert_eq!(bench.written(), [HEADER, ECHO, b"hello"].concat());
}

#[test]
fn the_answer_does_not_reach_the_reader_however_it_is_cut() {
    let stream = [HEADER, ECHO, b"hello"].concat();
    for chunk in 1..=stream.len() {
        let mut bench = Bench::raw();
        let mut read = Vec::new();
        for piece in stream.chunks(chunk) {
            assert_eq!(bench.read(), Err(ReadError::Blocked));
            bench.arrive(&[piece], false);
            let is_readable = bench.events() == [StreamEvent::Readable(ID)];
            while let Ok(bytes) = bench.read() {
                assert!(is_readable, "whoever waits is woken");
                read.extend(bytes);
            }
        }
        assert_eq!(read, b"hello", "chunks of {chunk}");
        assert_eq!(bench.0.next_deadline(), None);
    }
}

#[test]
fn what_comes_behind_the_answer_is_read_before_what_comes_later() {
    let mut bench = Bench::raw();
    bench.arrive(&[&[HEADER, ECHO, b"hello"].concat(), b" there"], true);
    let chunks = std::iter::from_fn(|| bench.0.read(ID, 3, NOW).ok());
    assert_eq!(chunks.collect::<Vec<_>>(), ["hel", "lo", " th", "ere"]);
    assert_eq!(bench.read(), Err(ReadError::Ended));
}

#[test]
fn what_comes_behind_a_refusal_is_not_read() {
    let mut bench = Bench::raw();
    bench.arrive(&[&[HEADER, NA, b"hello"].concat()], false);
    assert_eq!(bench.read(), Err(ReadError::Closed));
    bench.expect_end("refused", not_agreed(StreamError::Unsupported(smallvec![CHAT])));
}

#[test]
fn the_end_may_come_with_the_answer() {
    let mut bench = Bench::raw();
    assert_eq!(bench.read(), Err(ReadError::Blocked));
    bench.arrive(&[HEADER, ECHO], true);
    assert_eq!(bench.events(), [StreamEvent::Readable(ID)]);
    assert_eq!(bench.read(), Err(ReadError::Ended));
    bench.0.close_write(ID, NOW);
    let ended = ConnectionMessage::StreamClosed { stream: ID, cause: StreamCloseCause::Ended };
    assert_eq!(bench.messages(), [ended]);
    assert_eq!(bench.0.stream_count(), 0);
}

#[test]
fn messages_come_behind_the_answer_however_it_is_cut() {
    let stream = [HEADER, ECHO, b"\x02hi\x01!"].concat();
    for chunk in 1..=stream.len() {
        let mut bench = Bench::framed();
        bench.tell(NodeMessage::Send { stream: ID, message: Bytes::from_static(b"hey") });
        assert_eq!(bench.written(), [HEADER, ECHO, b"\x03hey"].concat());
        let mut messages = Vec::new();
        for (number, piece) in stream.chunks(chunk).enumerate() {
            bench.arrive(&[piece], (number + 1) * chunk >= stream.len());
            messages.extend(bench.messages());
        }
        let message = |bytes| ConnectionMessage::Message { stream: ID, message: bytes, received_at: NOW };
        messages.retain(|message| !matches!(message, ConnectionMessage::Sent { .. }));
        assert_eq!(
            messages,
            [
                message(Bytes::from_static(b"hi")),
                message(Bytes::from_static(b"!")),
                ConnectionMessage::RemoteClosed { stream: ID }
            ]
        );
        bench.tell(NodeMessage::Close { stream: ID });
        assert_eq!(bench.0.stream_count(), 1, "the node has yet to hear");
        bench.messages();
        assert_eq!(bench.0.stream_count(), 0);
    }
}

#[test]
fn a_stream_can_be_handed_over_before_the_answer() {
    let mut bench = Bench::framed();
    bench.tell(NodeMessage::IntoRaw { stream: ID });
    assert_eq!(bench.messages(), [ConnectionMessage::Raw { stream: ID }]);
    assert_eq!(bench.read(), Err(ReadError::Blocked));
    bench.arrive(&[HEADER, ECHO, b"raw"], false);
    assert_eq!(bench.events(), [StreamEvent::Readable(ID)]);
    assert_eq!(bench.read().unwrap(), "raw");
}

#[test]
fn a_failure_ends_the_stream_and_names_the_cause() {
    let unsupported = StreamError::Unsupported(smallvec![CHAT]);
    let negotiation = |text: &str| StreamError::Negotiation(text.into());
    type Case<'a> = (&'a str, &'a [&'a [u8]], bool, StreamError, Blame);
    let table: [Case<'_>; 6] = [
        ("refused", &[HEADER, NA], false, unsupported.clone(), Blame::Peer),
        ("refused, and ended", &[HEADER, NA], true, unsupported, Blame::Peer),
        ("ended before the answer", &[], true, StreamError::Refused, Blame::Closed),
        ("ended within the answer", &[HEADER, &ECHO[..4]], true, StreamError::Refused, Blame::Closed),
        (
            "no header",
            &[b"hello"],
            false,
            negotiation("the peer does not speak multistream-select 1.0"),
            Blame::Peer,
        ),
        (
            "another protocol",
            &[HEADER, b"\x03/x\n"],
            false,
            negotiation("the peer answered a proposal with \"/x\""),
            Blame::Peer,
        ),
    ];
    for (what, pieces, ended, error, blame) in table {
        let cause = not_agreed(error);
        assert_eq!(cause.blame(), blame, "{what}");
        let mut bench = Bench::raw();
        bench.0.write(ID, b"lost", NOW).unwrap();
        bench.arrive(pieces, ended);
        bench.expect_end(what, cause.clone());

        let mut bench = Bench::framed();
        bench.arrive(pieces, ended);
        let closed = ConnectionMessage::StreamClosed { stream: ID, cause };
        assert_eq!(bench.messages(), [closed], "{what}");
        assert_eq!((bench.0.stream_count(), bench.0.next_deadline()), (0, None), "{what}");
    }
    assert_eq!(
        not_agreed(StreamError::Unsupported(smallvec![CHAT])).to_string(),
        "the peer does not speak /chat/1.0"
    );
}

#[test]
fn a_failure_before_the_node_has_heard_comes_after_the_opening() {
    let options = StreamOptions { lazy: true, ..StreamOptions::raw() };
    let mut bench = Bench::open(options, &[CHAT]);
    bench.arrive(&[HEADER, NA], false);
    let cause = not_agreed(StreamError::Unsupported(smallvec![CHAT]));
    assert_eq!(bench.messages(), [opened(options), ConnectionMessage::StreamClosed { stream: ID, cause }]);
}

#[test]
fn of_several_protocols_only_the_last_is_not_waited_for() {
    let options = StreamOptions { lazy: true, ..StreamOptions::raw() };
    let mut bench = Bench::open(options, &[TALK, CHAT]);
    assert_eq!(bench.messages(), []);
    bench.arrive(&[HEADER, NA], false);
    assert_eq!(bench.messages(), [opened(options)]);
    bench.0.write(ID, b"hello", NOW).unwrap();
    assert_eq!(bench.written(), [HEADER, b"\x0a/talk/1.0\n", ECHO, b"hello"].concat());
    bench.arrive(&[NA], false);
    bench.expect_end("all refused", not_agreed(StreamError::Unsupported(smallvec![TALK, CHAT])));
}

#[test]
fn an_answer_that_does_not_come_in_time_ends_the_stream() {
    let mut bench = Bench::raw();
    let deadline = NOW + Duration::from_secs(10);
    assert_eq!(bench.0.next_deadline().unwrap().at, deadline);
    bench.0.handle_time(deadline);
    bench.expect_end("timeout", not_agreed(StreamError::Timeout));
}

#[test]
fn a_reset_before_the_answer_is_a_reset() {
    let mut bench = Bench::raw();
    bench.happen(CarrierEvent::Stream(StreamsEvent::Reset(ID, ResetCause::Remote)));
    bench.expect_end("by the remote", StreamCloseCause::Reset(ResetCause::Remote));

    let mut bench = Bench::raw();
    bench.0.reset(ID, NOW);
    let cause = StreamCloseCause::ResetHere;
    assert_eq!(bench.messages(), [ConnectionMessage::StreamClosed { stream: ID, cause }]);
    assert_eq!((bench.0.stream_count(), bench.0.next_deadline()), (0, None));
}

#[test]
fn the_end_of_the_connection_before_the_answer_is_the_end_of_the_stream() {
    let mut bench = Bench::raw();
    bench.arrive(&[HEADER], false);
    bench.happen(CarrierEvent::Closed(ConnectionError::ClosedByPeer));
    assert_eq!(bench.events(), [StreamEvent::Closed(ID, StreamCloseCause::ConnectionClosed)]);
    assert_eq!(bench.read(), Err(ReadError::Closed));
    assert_eq!(bench.messages().len(), 2, "of the stream and of the connection");
    assert_eq!(bench.read(), Err(ReadError::Closed));
    assert_eq!(bench.0.stream_count(), 0);
}

#[test]
fn our_direction_may_end_before_the_answer() {
    let mut bench = Bench::raw();
    bench.0.write(ID, b"question", NOW).unwrap();
    bench.0.close_write(ID, NOW);
    assert_eq!(bench.written(), [HEADER, ECHO, b"question"].concat());
    assert!(bench.0.carrier.write_ended);
    assert_eq!(bench.read(), Err(ReadError::Blocked));
    bench.arrive(&[HEADER, ECHO, b"answer"], true);
    assert_eq!(bench.read().unwrap(), "answer");
    assert_eq!(bench.read(), Err(ReadError::Ended));
    assert_eq!(bench.0.stream_count(), 1, "the node has yet to hear");
    bench.messages();
    assert_eq!(bench.0.stream_count(), 0);
}

#[test]
fn an_abandoned_stream_still_reads_the_answer() {
    let mut bench = Bench::raw();
    bench.0.write(ID, b"message", NOW).unwrap();
    bench.0.close_write(ID, NOW);
    bench.0.abandon(ID, NOW);
    bench.arrive(&[HEADER, ECHO], false);
    assert_eq!(bench.0.next_deadline().unwrap().at, NOW + Duration::from_secs(5), "it has to close in time");
    bench.arrive(&[b"dropped"], true);
    assert!(!bench.0.carrier.closed, "it was not reset");
    let ended = ConnectionMessage::StreamClosed { stream: ID, cause: StreamCloseCause::Ended };
    assert_eq!(bench.messages(), [ended]);
    assert_eq!((bench.events(), bench.0.stream_count()), (vec![], 0));

    let mut bench = Bench::raw();
    bench.0.close_write(ID, NOW);
    bench.0.abandon(ID, NOW);
    bench.arrive(&[HEADER, NA], false);
    assert_eq!(bench.events(), [], "nobody listens any more");
    assert_eq!(bench.messages().len(), 1);
    assert_eq!(bench.0.stream_count(), 0);
}

#[test]
fn a_bad_message_behind_the_answer_is_told_as_ever() {
    let mut bench = Bench::framed();
    bench.arrive(&[HEADER, ECHO, b"\x0b"], false);
    let cause = StreamCloseCause::BadMessage(FrameError::TooLarge { len: 11, max: 10 });
    assert_eq!(bench.messages(), [ConnectionMessage::StreamClosed { stream: ID, cause }]);
}

#[test]
fn raw_streams_are_lazy_if_the_connection_says_so() {
    for (lazy_streams, framing, lazy) in [
        (LazyStreams::Always, Framing::Raw, true),
        (LazyStreams::Always, Framing::Fixed(1), false),
        (LazyStreams::Known, Framing::Raw, false),
        (LazyStreams::Never, Framing::Raw, false),
    ] {
        let config = ConnectionConfig { lazy_streams, ..ConnectionConfig::default() };
        let script = Script::default();
        let mut connection = Connection::new(ConnectionId(1), Arc::new(config), Arc::default(), script);
        let options = StreamOptions { framing, ..StreamOptions::raw() };
        let open = NodeMessage::Open { open: OPEN, protocols: smallvec![CHAT], options };
        connection.handle_message(ToConnection(open), NOW);
        assert_eq!(connection.poll_message().is_some(), lazy, "{lazy_streams:?} {framing:?}");
    }
}
