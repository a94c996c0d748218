//! The subject of every async adapter: a node of `peerwork-runtime` and its handles.

use super::alarm::Alarm;
use super::faulty::{Faults, Faulty};
use super::subject::{Command, Event, Setup, StreamEnd, Subject, Token};
use bytes::Bytes;
use futures_util::future::{AbortHandle, abortable};
use futures_util::stream::FuturesUnordered;
use futures_util::{AsyncWrite, FutureExt, StreamExt};
use peerwork_core::identity::PeerId;
use peerwork_core::node::NodeEvent;
use peerwork_core::protocols::{StreamError, StreamKey};
use peerwork_core::swarm::{DialError, ListenError};
use peerwork_runtime::{BoxFuture, Events, Incoming, Node, NodeBuilder, RequestError, Runtime, Stream};
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// An adapter: a crate that brings a [`Runtime`]. A value of it is an executor of its own.
pub trait Adapter: Sized + 'static {
    /// The runtime under test.
    type Runtime: Runtime;

    /// What the report calls it.
    fn name() -> String;

    /// Makes an executor. Dropping it ends what runs on it, where it does not belong to the whole process.
    fn new() -> Self;

    /// Runs a future to its end on the calling thread. The tasks that were spawned run at least meanwhile.
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T;

    /// The runtime. Called within [`block_on`](Self::block_on).
    ///
    /// # Panics
    /// If there is none: then the adapter does not work at all.
    fn runtime(&self) -> Self::Runtime {
        Self::Runtime::current().unwrap_or_else(|error| panic!("{error}"))
    }
}

/// A node on the adapter `A`, over a [`Faulty`] runtime.
pub struct AsyncSubject<A: Adapter> {
    // Dropped in this order.
    held: HeldHandles,
    adapter: A,
    local_peer: PeerId,
    faults: Arc<Faults>,
    alarm: Alarm,
}

/// The handles, and what they wait for.
struct HeldHandles {
    node: Option<Node>,
    told: Option<Events<Infallible>>,
    incoming: Vec<Incoming>,
    streams: BTreeMap<StreamKey, Held>,
    /// The outcomes of commands that are to come.
    pending: FuturesUnordered<BoxFuture<Outcome>>,
    dials: BTreeMap<Token, AbortHandle>,
    /// Events that are there at once.
    events: VecDeque<Event>,
    woken: Arc<Woken>,
}

/// A stream, and whom it wakes.
struct Held {
    stream: Stream,
    reader: Waker,
    writer: Waker,
}

/// What became of a command.
enum Outcome {
    Told(Event),
    Opened { token: Token, stream: Stream },
    Handles(Incoming),
    Done,
}

/// Streams that can go on, and who waits for that.
#[derive(Default)]
struct Woken(Mutex<(VecDeque<Event>, Option<Waker>)>);

impl Woken {
    fn push(&self, event: Event) {
        let waker = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.0.push_back(event);
            state.1.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Event> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.0.pop_front() {
            Some(event) => Poll::Ready(event),
            None => {
                state.1 = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// The waker of one direction of a stream.
struct StreamWaker {
    event: Event,
    woken: Arc<Woken>,
}

impl Wake for StreamWaker {
    fn wake(self: Arc<Self>) {
        self.woken.push(self.event.clone());
    }
}

impl<A: Adapter> Subject for AsyncSubject<A> {
    fn name() -> String {
        A::name()
    }

    fn start(setup: Setup) -> Self {
        let (adapter, faults) = (A::new(), Arc::new(Faults::default()));
        let (node, told) = adapter.block_on(async {
            let runtime = Faulty::new(adapter.runtime(), faults.clone());
            let node = NodeBuilder::from(setup.into_builder()).runtime(runtime).start().await;
            let node = node.unwrap_or_else(|error| panic!("the node does not start: {error}"));
            let told = node.events().await.expect("the node runs");
            (node, told)
        });
        let local_peer = node.local_peer();
        Self { held: HeldHandles::new(node, told), adapter, local_peer, faults, alarm: Alarm::new() }
    }

    fn local_peer(&self) -> PeerId {
        self.local_peer
    }

    fn command(&mut self, command: Command) {
        self.held.command(command);
    }

    fn next_event(&mut self, patience: Duration) -> Option<Event> {
        let Self { held, adapter, alarm, .. } = self;
        let end = Instant::now() + patience;
        adapter.block_on(poll_fn(|cx| match held.poll_event(cx) {
            Poll::Ready(event) => Poll::Ready(Some(event)),
            Poll::Pending => alarm.poll(end, cx).map(|()| None),
        }))
    }

    fn read(&mut self, stream: StreamKey, max: usize) -> Result<Bytes, StreamEnd> {
        let Held { stream, reader, .. } = self.held.stream(stream)?;
        match stream.poll_read_chunk(&mut Context::from_waker(reader), max) {
            Poll::Ready(Ok(chunk)) if chunk.is_empty() => Err(StreamEnd::Ended),
            Poll::Ready(Ok(chunk)) => Ok(chunk),
            Poll::Ready(Err(error)) => Err(stream_end(&error)),
            Poll::Pending => Err(StreamEnd::Blocked),
        }
    }

    fn write(&mut self, stream: StreamKey, data: &[u8]) -> Result<usize, StreamEnd> {
        let Held { stream, writer, .. } = self.held.stream(stream)?;
        match Pin::new(stream).poll_write(&mut Context::from_waker(writer), data) {
            Poll::Ready(Ok(written)) => Ok(written),
            Poll::Ready(Err(error)) => Err(stream_end(&error)),
            Poll::Pending => Err(StreamEnd::Blocked),
        }
    }

    fn close(&mut self, stream: StreamKey) {
        if let Ok(Held { stream, writer, .. }) = self.held.stream(stream) {
            let closed = Pin::new(stream).poll_close(&mut Context::from_waker(writer));
            assert!(matches!(closed, Poll::Ready(Ok(()))), "closing a stream neither waits nor fails");
        }
    }

    fn reset(&mut self, stream: StreamKey) {
        if let Some(held) = self.held.streams.remove(&stream) {
            held.stream.reset();
        }
    }

    fn drop_stream(&mut self, stream: StreamKey) {
        self.held.streams.remove(&stream);
    }

    fn faults(&self) -> Option<Arc<Faults>> {
        Some(self.faults.clone())
    }

    fn handle(&self) -> Option<Node> {
        self.held.node.clone()
    }
}

/// What an error of a stream's handle means.
///
/// # Panics
/// If it is none of those that [`Stream`] promises.
fn stream_end(error: &io::Error) -> StreamEnd {
    match error.kind() {
        io::ErrorKind::ConnectionReset => StreamEnd::Reset,
        io::ErrorKind::ConnectionAborted => StreamEnd::ConnectionClosed,
        io::ErrorKind::BrokenPipe => StreamEnd::Ended,
        kind => panic!("a stream's error is of the kind {kind:?}: {error}"),
    }
}

impl HeldHandles {
    fn new(node: Node, told: Events<Infallible>) -> Self {
        Self {
            node: Some(node),
            told: Some(told),
            incoming: Vec::new(),
            streams: BTreeMap::new(),
            pending: FuturesUnordered::new(),
            dials: BTreeMap::new(),
            events: VecDeque::new(),
            woken: Arc::default(),
        }
    }

    fn stream(&mut self, stream: StreamKey) -> Result<&mut Held, StreamEnd> {
        self.streams.get_mut(&stream).ok_or(StreamEnd::Reset)
    }

    fn hold(&mut self, stream: Stream) -> StreamKey {
        let key = stream.key();
        let waker = |event| Waker::from(Arc::new(StreamWaker { event, woken: self.woken.clone() }));
        let (reader, writer) = (waker(Event::Readable(key)), waker(Event::Writable(key)));
        self.streams.insert(key, Held { stream, reader, writer });
        key
    }

    fn command(&mut self, command: Command) {
        let Some(node) = self.node.clone() else { return };
        let outcome: BoxFuture<Outcome> = match command {
            Command::Listen { token, address } => Box::pin(async move {
                let listening = node.listen(address).await;
                let result = listening
                    .map(|it| (it.listener, it.address))
                    .map_err(|error| failure(error, ListenError::ShuttingDown));
                Outcome::Told(Event::Listened { token, result })
            }),
            Command::StopListening { listener } => Box::pin(async move {
                let _ = node.stop_listening(listener).await;
                Outcome::Done
            }),
            Command::Dial { token, target } => {
                let (dial, handle) = abortable(async move { node.dial(target).await });
                self.dials.insert(token, handle);
                Box::pin(dial.map(move |dialed| {
                    let result = match dialed {
                        Ok(connected) => connected
                            .map(|it| (it.connection, it.peer))
                            .map_err(|error| failure(error, DialError::ShuttingDown)),
                        Err(_) => Err(DialError::Cancelled),
                    };
                    Outcome::Told(Event::Dialed { token, result })
                }))
            }
            Command::CancelDial { token } => {
                self.dials.remove(&token).iter().for_each(AbortHandle::abort);
                return;
            }
            Command::OpenStream { token, target, protocol } => Box::pin(async move {
                match node.open_stream(target, &[protocol]).await {
                    Ok(stream) => Outcome::Opened { token, stream },
                    Err(error) => {
                        let result = Err(failure(error, StreamError::NotConnected));
                        Outcome::Told(Event::Opened { token, result })
                    }
                }
            }),
            Command::HandleProtocol { protocol } => Box::pin(async move {
                node.handle_protocol(&protocol).await.map_or(Outcome::Done, Outcome::Handles)
            }),
            Command::Disconnect { connection } => Box::pin(async move {
                let _ = node.disconnect(connection).await;
                Outcome::Done
            }),
            Command::Shutdown => Box::pin(async move {
                node.shutdown().await;
                Outcome::Told(Event::ShutDown)
            }),
            Command::Drop => return self.drop_handles(),
        };
        self.pending.push(outcome);
    }

    /// Only the subscription to events is kept: its end is that of the node.
    fn drop_handles(&mut self) {
        let told = self.told.take();
        self.node = None;
        self.streams.clear();
        self.incoming.clear();
        self.pending.clear();
        self.pending.push(Box::pin(async {
            if let Some(told) = told {
                told.for_each(|_| async {}).await;
            }
            Outcome::Told(Event::ShutDown)
        }));
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        while let Poll::Ready(Some(outcome)) = self.pending.poll_next_unpin(cx) {
            let event = match outcome {
                Outcome::Told(event) => event,
                Outcome::Opened { token, stream } => Event::Opened { token, result: Ok(self.hold(stream)) },
                Outcome::Handles(incoming) => {
                    self.incoming.push(incoming);
                    continue;
                }
                Outcome::Done => continue,
            };
            self.events.push_back(event);
        }
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        for index in 0..self.incoming.len() {
            if let Poll::Ready(Some(stream)) = self.incoming[index].poll_next_unpin(cx) {
                let (peer, protocol) = (stream.peer(), stream.protocol().clone());
                return Poll::Ready(Event::Incoming { stream: self.hold(stream), peer, protocol });
            }
        }
        while let Some(told) = &mut self.told
            && let Poll::Ready(event) = told.poll_next_unpin(cx)
        {
            use peerwork_runtime::Event as Told;
            match event {
                Some(Told::Swarm(event)) => return Poll::Ready(Event::Swarm(event)),
                Some(Told::Protocol(NodeEvent::Ping(event))) => return Poll::Ready(Event::Ping(event)),
                // Nobody waits for what is dropped where there is so much.
                Some(Told::Protocol(_) | Told::Missed(_)) => {}
                None => self.told = None,
            }
        }
        self.woken.poll(cx)
    }
}

/// Why a command failed: `when_stopped` if the node is over.
fn failure<E>(error: RequestError<E>, when_stopped: E) -> E {
    match error {
        RequestError::Failed(error) => error,
        RequestError::Stopped => when_stopped,
    }
}
