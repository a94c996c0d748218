//! What hickory's resolver knows of a runtime.

use crate::AsyncIo;
use crate::executor::Executor;
use crate::tcp::TcpStream;
use futures_util::future::{self, Either, select};
use hickory_resolver::net::runtime::{DnsTcpStream, DnsUdpSocket, RuntimeProvider, Spawn, Time};
use peerwork_runtime::{BoxFuture, Runtime};
use smol::{Async, Timer};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// How long hickory waits for a connection where it does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

impl<E: Executor> RuntimeProvider for AsyncIo<E> {
    type Handle = Self;
    type Timer = DnsTimer;
    type Udp = UdpSocket;
    type Tcp = TcpStream;

    fn create_handle(&self) -> Self {
        self.clone()
    }

    /// Connects from any of this machine's addresses: none is ever said here.
    fn connect_tcp(
        &self,
        address: SocketAddr,
        _from: Option<SocketAddr>,
        timeout: Option<Duration>,
    ) -> BoxFuture<io::Result<TcpStream>> {
        Box::pin(
            async move { in_time(timeout.unwrap_or(CONNECT_TIMEOUT), TcpStream::connect(address)).await? },
        )
    }

    fn bind_udp(&self, local: SocketAddr, _server: SocketAddr) -> BoxFuture<io::Result<UdpSocket>> {
        Box::pin(async move { Async::<std::net::UdpSocket>::bind(local).map(UdpSocket) })
    }
}

impl<E: Executor> Spawn for AsyncIo<E> {
    fn spawn_bg(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        Runtime::spawn(self, Box::pin(task));
    }
}

/// Timers.
pub struct DnsTimer;

impl Time for DnsTimer {
    fn delay_for<'a>(duration: Duration) -> future::BoxFuture<'a, ()> {
        Box::pin(async move {
            Timer::after(duration).await;
        })
    }

    fn timeout<'a, F>(duration: Duration, future: F) -> future::BoxFuture<'a, io::Result<F::Output>>
    where
        F: Future + Send + 'static + 'a,
    {
        Box::pin(in_time(duration, future))
    }
}

async fn in_time<F: Future>(duration: Duration, future: F) -> io::Result<F::Output> {
    match select(pin!(future), Timer::after(duration)).await {
        Either::Left((output, _)) => Ok(output),
        Either::Right(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

impl DnsTcpStream for TcpStream {
    type Time = DnsTimer;
}

/// A socket for datagrams.
pub struct UdpSocket(Async<std::net::UdpSocket>);

impl DnsUdpSocket for UdpSocket {
    type Time = DnsTimer;

    fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        loop {
            match self.0.get_ref().recv_from(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return Poll::Ready(received),
            }
            ready!(self.0.poll_readable(cx))?;
        }
    }

    fn poll_send_to(&self, cx: &mut Context<'_>, bytes: &[u8], to: SocketAddr) -> Poll<io::Result<usize>> {
        loop {
            match self.0.get_ref().send_to(bytes, to) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
            ready!(self.0.poll_writable(cx))?;
        }
    }
}
