//! perf over real streams: serving it, and measuring with it.

use crate::node::{Node, ProtocolTaken, RequestError, StartError};
use crate::runtime::{BoxFuture, Runtime};
use crate::stream::Stream;
use futures_io::AsyncWrite;
use futures_util::StreamExt;
use peerwork_core::protocols::perf::{CHUNK_BYTES, Measurement, PROTOCOL, PerfError, Step};
use peerwork_core::protocols::{Protocols, StreamError, Target};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// How many streams a node serves at a time; more are reset. It bounds what strangers can have a node do at once.
pub const MAX_PERF_STREAMS: usize = 32;

/// How long nothing may move by default.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often a measurement that waits looks at the clock.
const TICK: Duration = Duration::from_millis(50);

/// [perf](peerwork_core::protocols::perf), `/perf/1.0.0`, on the runtime `R`: serves it, and measures with it.
#[derive(Debug, Clone)]
pub struct Perf<R> {
    runtime: R,
    patience: Duration,
}

/// How much to send in a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many bytes.
    Bytes(u64),
    /// As many as this time allows.
    For(Duration),
}

impl Amount {
    /// Nothing.
    pub const NONE: Self = Self::Bytes(0);

    fn bytes(self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::For(_) => u64::MAX,
        }
    }

    fn is_used_up(self, taken: Duration) -> bool {
        matches!(self, Self::For(time) if taken >= time)
    }
}

/// What was measured on one stream, from when it was open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measured {
    /// How many bytes went to the peer.
    pub uploaded: u64,
    /// How long that took, until the peer had all and began to answer.
    pub upload_time: Duration,
    /// How many bytes came back.
    pub downloaded: u64,
    /// How long that took: from the beginning of the answer to its end, or from the start if nothing was uploaded.
    pub download_time: Duration,
}

/// Why a measurement failed.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The stream could not be opened; the peer may not speak perf.
    #[error("{0}")]
    Open(StreamError),
    /// The peer broke the protocol.
    #[error("{0}")]
    Protocol(#[from] PerfError),
    /// For this long nothing moved.
    #[error("no byte went either way for {} s", .0.as_secs_f64())]
    Silent(Duration),
    /// The stream was reset, or the connection is gone.
    #[error("the measurement broke off: {0}")]
    Broken(#[from] io::Error),
}

impl<R: Runtime> Perf<R> {
    /// On the runtime of the calling task.
    ///
    /// # Errors
    /// The caller is not inside one.
    pub fn new() -> Result<Self, StartError> {
        R::current().map(Self::on)
    }

    /// On this runtime.
    pub fn on(runtime: R) -> Self {
        Self { runtime, patience: PATIENCE }
    }

    /// Sets how long nothing may move on a stream until it is given up, or reset by a server. 20 seconds, if this is not called.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Serves perf from now on, until the node stops: at most [`MAX_PERF_STREAMS`] streams at a time. Whoever connects can then have
    /// this node send as much as they like, so it is nothing for a node that strangers can reach.
    ///
    /// # Errors
    /// The protocol has a handler already; or the node has stopped.
    pub async fn serve<P>(&self, node: &Node<P>) -> Result<(), RequestError<ProtocolTaken>>
    where
        P: Protocols + Send + 'static,
        P::Command: Send,
        P::Event: Send + Sync,
    {
        let mut incoming = node.handle_protocol(&PROTOCOL).await?;
        let (perf, slots) = (self.clone(), Arc::new(()));
        self.runtime.spawn(Box::pin(async move {
            while let Some(stream) = incoming.next().await {
                // Its own place is one of them.
                if Arc::strong_count(&slots) > MAX_PERF_STREAMS {
                    stream.reset();
                    continue;
                }
                let (perf, slot) = (perf.clone(), Arc::clone(&slots));
                perf.runtime.clone().spawn(Box::pin(async move {
                    let peer = stream.peer();
                    if let Err(error) = perf.answer(stream).await {
                        tracing::debug!(%peer, %error, "a measurement ended early");
                    }
                    drop(slot);
                }));
            }
        }));
        Ok(())
    }

    async fn answer(&self, stream: Stream) -> Result<(), MeasureError> {
        let mut conductor = Conductor::new(self, stream, Measurement::server());
        while conductor.advance().await? != Moved::Done {}
        Ok(())
    }

    /// Uploads to `target` and then downloads from it, on one stream. Calls `on_progress` again and again, at least every 50
    /// milliseconds, with what was measured so far.
    ///
    /// # Errors
    /// See [`MeasureError`]; or the node has stopped.
    pub async fn measure<P>(
        &self,
        node: &Node<P>,
        target: Target,
        upload: Amount,
        download: Amount,
        mut on_progress: impl FnMut(&Measured),
    ) -> Result<Measured, RequestError<MeasureError>>
    where
        P: Protocols + Send + 'static,
        P::Command: Send,
        P::Event: Send + Sync,
    {
        let stream = node.open_stream(target, &[PROTOCOL]).await.map_err(|error| match error {
            RequestError::Failed(error) => RequestError::Failed(MeasureError::Open(error)),
            RequestError::Stopped => RequestError::Stopped,
        })?;
        let measurement = Measurement::client(upload.bytes(), download.bytes());
        let mut conductor = Conductor::new(self, stream, measurement);
        let mut watch = Watch::new(upload, self.runtime.now());
        loop {
            let moved = conductor.advance().await.map_err(RequestError::Failed)?;
            let measured = watch.note(&conductor.measurement, self.runtime.now());
            on_progress(&measured);
            if moved == Moved::Done {
                return Ok(measured);
            }
            if upload.is_used_up(measured.upload_time) {
                conductor.measurement.stop_upload();
            }
            if watch.answered.is_some() && download.is_used_up(measured.download_time) {
                conductor.stream.reset();
                return Ok(measured);
            }
        }
    }
}

/// Keeps the time of a client's measurement.
struct Watch {
    start: Instant,
    uploads: bool,
    /// When the upload was over.
    answered: Option<Instant>,
}

impl Watch {
    fn new(upload: Amount, start: Instant) -> Self {
        let uploads = upload != Amount::NONE;
        Self { start, uploads, answered: (!uploads).then_some(start) }
    }

    fn note(&mut self, measurement: &Measurement, now: Instant) -> Measured {
        if measurement.is_answered() {
            self.answered.get_or_insert(now);
        }
        let answered = self.answered.unwrap_or(now);
        Measured {
            uploaded: measurement.sent(),
            upload_time: if self.uploads { answered - self.start } else { Duration::ZERO },
            downloaded: measurement.received(),
            download_time: now - answered,
        }
    }
}

/// Does with a stream what its measurement says.
struct Conductor<'a, R> {
    perf: &'a Perf<R>,
    stream: Stream,
    measurement: Measurement,
    tick: BoxFuture<()>,
    moved_at: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moved {
    Something,
    Nothing,
    Done,
}

impl<'a, R: Runtime> Conductor<'a, R> {
    fn new(perf: &'a Perf<R>, stream: Stream, measurement: Measurement) -> Self {
        Self { perf, stream, measurement, tick: perf.runtime.sleep(TICK), moved_at: perf.runtime.now() }
    }

    /// Takes the next step, or waits for it as long as a tick.
    async fn advance(&mut self) -> Result<Moved, MeasureError> {
        poll_fn(|cx| self.poll_advance(cx)).await
    }

    fn poll_advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<Moved, MeasureError>> {
        if let Poll::Ready(result) = self.poll_step(cx) {
            self.moved_at = self.perf.runtime.now();
            return Poll::Ready(result);
        }
        ready!(self.tick.as_mut().poll(cx));
        self.tick = self.perf.runtime.sleep(TICK);
        let patience = self.perf.patience;
        let is_silent = self.perf.runtime.now().saturating_duration_since(self.moved_at) >= patience;
        Poll::Ready(if is_silent { Err(MeasureError::Silent(patience)) } else { Ok(Moved::Nothing) })
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Result<Moved, MeasureError>> {
        let Self { stream, measurement, .. } = self;
        match measurement.step() {
            Step::Write(bytes) => {
                let written = ready!(Pin::new(stream).poll_write(cx, bytes))?;
                measurement.handle_written(written);
            }
            Step::Close => {
                ready!(Pin::new(stream).poll_close(cx))?;
                measurement.handle_closed();
            }
            Step::Read => {
                let chunk = ready!(stream.poll_read_chunk(cx, CHUNK_BYTES))?;
                if chunk.is_empty() {
                    measurement.handle_end()?;
                } else {
                    measurement.handle_input(&chunk)?;
                }
            }
            Step::Done => return Poll::Ready(Ok(Moved::Done)),
        }
        Poll::Ready(Ok(Moved::Something))
    }
}
