//! tokio, broken as adapters are.

use bytes::BytesMut;
use futures_util::{FutureExt, StreamExt};
use peerwork_runtime::{BoxFuture, Resolver, Runtime, Socket, StartError, TcpListener};
use peerwork_tests::conformance::Adapter;
use peerwork_tokio::Tokio;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::mem::{ManuallyDrop, forget};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::thread::ThreadId;
use std::time::Duration;

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Sleeps last for ever.
    NeverRings,
    /// A socket that has nothing to read wakes nobody when it has.
    LosesReaders,
    /// A socket that is full wakes nobody when it is not any more.
    LosesWriters,
    /// A few bytes wait in a socket until there are more.
    BuffersWrites,
    /// Sockets that are dropped stay open.
    LeaksSockets,
    /// Tasks that have ended are kept.
    LeaksTasks,
    /// The remote does not hear that our direction ends.
    SwallowsShutdown,
    /// What wakes a task on another thread than its own is lost.
    WakesOnOneThread,
    /// IPv6 sockets take IPv4 too.
    TakesBothVersionsOfIp,
    /// Who gives up connecting connects all the same.
    KeepsConnecting,
    /// Listeners that are dropped stay open.
    KeepsListening,
    /// Every error is the same.
    ForgetsErrors,
    /// Tasks are polled whether they were woken or not.
    PollsAllTheTime,
}

static FAULT: Mutex<Fault> = Mutex::new(Fault::NeverRings);

/// Sets what is broken in twins that start from now on.
pub(super) fn set_fault(fault: Fault) {
    *FAULT.lock().unwrap() = fault;
}

/// The adapter.
pub(super) struct BrokenTokio(tokio::runtime::Runtime, Fault);

impl Adapter for BrokenTokio {
    type Runtime = Broken;

    fn name() -> String {
        format!("tokio that {:?}", *FAULT.lock().unwrap())
    }

    fn new() -> Self {
        Self(
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            *FAULT.lock().unwrap(),
        )
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }

    fn runtime(&self) -> Broken {
        Broken { tokio: Tokio::current().unwrap(), fault: self.1 }
    }
}

/// The runtime.
#[derive(Debug, Clone)]
pub(super) struct Broken {
    tokio: Tokio,
    fault: Fault,
}

impl Runtime for Broken {
    fn current() -> Result<Self, StartError> {
        Ok(Self { tokio: Tokio::current()?, fault: *FAULT.lock().unwrap() })
    }

    fn spawn(&self, mut task: BoxFuture<()>) {
        match self.fault {
            Fault::LeaksTasks => self.tokio.spawn(Box::pin(async {
                let mut task = ManuallyDrop::new(task);
                poll_fn(|cx| task.as_mut().poll(cx)).await;
            })),
            Fault::WakesOnOneThread => self.tokio.spawn(Box::pin(poll_fn(move |cx| {
                let own = Waker::from(Arc::new(OneThread { waker: cx.waker().clone(), thread: here() }));
                task.as_mut().poll(&mut Context::from_waker(&own))
            }))),
            Fault::PollsAllTheTime => {
                let runtime = self.tokio.clone();
                self.tokio.spawn(Box::pin(async move {
                    while !poll_fn(|cx| Poll::Ready(task.as_mut().poll(cx).is_ready())).await {
                        runtime.sleep(Duration::from_millis(2)).await;
                    }
                }));
            }
            _ => self.tokio.spawn(task),
        }
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        match self.fault {
            Fault::NeverRings => Box::pin(pending()),
            _ => self.tokio.sleep(duration),
        }
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<io::Result<Box<dyn Socket>>> {
        let (connecting, fault) = (self.tokio.connect(address), self.fault);
        let connecting = connecting.map(move |result| match result {
            Ok(socket) => Ok(BrokenSocket::boxed(socket, fault)),
            Err(_) if fault == Fault::ForgetsErrors => Err(io::ErrorKind::Other.into()),
            Err(error) => Err(error),
        });
        if fault != Fault::KeepsConnecting {
            return Box::pin(connecting);
        }
        let (sender, connected) = tokio::sync::oneshot::channel();
        self.tokio.spawn(Box::pin(connecting.map(|result| drop(sender.send(result)))));
        Box::pin(connected.map(|connected| connected.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))))
    }

    fn listen(&self, mut address: SocketAddr) -> BoxFuture<io::Result<TcpListener>> {
        if let (Fault::TakesBothVersionsOfIp, IpAddr::V6(ip)) = (self.fault, address.ip())
            && ip.to_ipv4_mapped().is_some()
        {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        let (listening, fault) = (self.tokio.listen(address), self.fault);
        Box::pin(async move {
            let TcpListener { address, incoming } = listening.await.map_err(|error| {
                if fault == Fault::ForgetsErrors { io::ErrorKind::Other.into() } else { error }
            })?;
            let mut incoming = Kept { is_kept: fault == Fault::KeepsListening, kept: Some(incoming) };
            let accepted = futures_util::stream::poll_fn(move |cx| {
                let accepted = ready!(incoming.kept.as_mut().unwrap().poll_next_unpin(cx));
                Poll::Ready(accepted.map(|accepted| {
                    accepted.map(|(socket, from)| (BrokenSocket::boxed(socket, fault), from))
                }))
            });
            Ok(TcpListener { address, incoming: Box::pin(accepted) })
        })
    }

    fn resolver(&self) -> Arc<dyn Resolver> {
        self.tokio.resolver()
    }
}

fn here() -> ThreadId {
    std::thread::current().id()
}

/// Wakes a task, from one thread only.
struct OneThread {
    waker: Waker,
    thread: ThreadId,
}

impl Wake for OneThread {
    fn wake(self: Arc<Self>) {
        if self.thread == here() {
            self.waker.wake_by_ref();
        }
    }
}

/// Something that is perhaps never dropped.
struct Kept<T> {
    is_kept: bool,
    kept: Option<T>,
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        if self.is_kept {
            forget(self.kept.take());
        }
    }
}

/// How many bytes a socket keeps that buffers.
const BUFFERED_BYTES: usize = 4096;

struct BrokenSocket {
    socket: Kept<Box<dyn Socket>>,
    fault: Fault,
    buffered: BytesMut,
}

impl BrokenSocket {
    fn boxed(socket: Box<dyn Socket>, fault: Fault) -> Box<dyn Socket> {
        let socket = Kept { is_kept: fault == Fault::LeaksSockets, kept: Some(socket) };
        Box::new(Self { socket, fault, buffered: BytesMut::new() })
    }

    fn socket(&mut self) -> &mut dyn Socket {
        self.socket.kept.as_mut().unwrap().as_mut()
    }
}

impl Socket for BrokenSocket {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        if self.fault == Fault::LosesReaders {
            return self.socket().poll_read(&mut Context::from_waker(Waker::noop()), buffer);
        }
        self.socket().poll_read(cx, buffer)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.fault == Fault::LosesWriters {
            return self.socket().poll_write(&mut Context::from_waker(Waker::noop()), bytes);
        }
        if self.fault != Fault::BuffersWrites {
            return self.socket().poll_write(cx, bytes);
        }
        while self.buffered.len() >= BUFFERED_BYTES {
            let buffered = self.buffered.clone();
            let written = ready!(self.socket().poll_write(cx, &buffered))?;
            drop(self.buffered.split_to(written));
        }
        self.buffered.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.fault == Fault::SwallowsShutdown {
            return Poll::Ready(Ok(()));
        }
        self.socket().poll_shutdown(cx)
    }
}
