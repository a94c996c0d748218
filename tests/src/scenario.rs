//! One story of two nodes, told on every driver and every transport, which must always end in the same way.

use crate::drivers::{Gone, Host, HostStream};
use crate::toy::CommandId;
use crate::toy::counter::{Count, Counted, Counter};
use crate::toy::upgrade::{self, Upgrade, Upgraded, Upgrader};
use peerwork_core::address::{self, Multiaddr};
use peerwork_core::identity::PeerId;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::protocols::OneOf2;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// The user's protocols of both nodes.
pub type Toys = (Counter, Upgrader);

/// What is sent on such a stream comes back.
pub static ECHO: ProtocolId = ProtocolId::from_static("/scenario/echo");
static RESET: ProtocolId = ProtocolId::from_static("/scenario/reset");
static SINK: ProtocolId = ProtocolId::from_static("/scenario/sink");
static NOBODYS: ProtocolId = ProtocolId::from_static("/scenario/nobodys");

/// More than any buffer on the way holds.
const MUCH: usize = 300_000;

/// More than the swarm lets wait on one stream.
const STEPS: u64 = 2_000;

/// What happened, line by line. Nothing in it depends on the driver, the transport or time.
pub type Story = Vec<String>;

/// Two nodes meet and use everything there is. `b` dials `a`; each does the same towards the other, at the same time.
pub async fn tell<H: Host<Protocols = Toys>>(a: &H, b: &H) -> Story {
    let mut story = Story::new();
    for host in [a, b] {
        for protocol in [&ECHO, &RESET, &SINK, &upgrade::ID] {
            host.handle(protocol).await;
        }
    }
    let address = a.listen().await.expect("listening on loopback works");
    fail_to_dial(b, &address, &mut story).await;
    let (connection, peer) = b.dial(address).await.expect("the other node listens");
    story.push(format!("b is connected to a: {}", peer == a.peer()));

    // Only once `a` knows of the connection can it ask for anything on it.
    story.push(format!("a is connected to b: {}", a.connected().await == b.peer()));
    let (to_b, to_a) = both(live(a, b.peer()), live(b, a.peer())).await;
    story.extend(to_b.into_iter().map(|line| format!("a to b: {line}")));
    story.extend(to_a.into_iter().map(|line| format!("b to a: {line}")));

    // An orderly close: what was written arrives, and so does the end.
    let mut sink = b.open(a.peer(), &SINK).await.expect("a has a sink");
    let mut drain = a.accept(&SINK).await;
    let (written, ()) = both(
        async {
            sink.write_all(&pattern(MUCH)).await?;
            sink.close().await;
            b.disconnect(connection).await;
            Ok::<_, Gone>(())
        },
        async { story.push(format!("the last words: {:?}", drain.read_to_end().await.map(is_pattern))) },
    )
    .await;
    story.push(format!("they were taken: {written:?}"));
    drop((sink, drain));
    story.push(format!("a: {}, b: {}", a.disconnected().await, b.disconnected().await));
    story.push(format!("b pings nobody: {:?}", b.ping(a.peer()).await.map(drop)));
    story
}

/// Ends both nodes. Returns what is left of them before and after, which should be nothing.
pub async fn end<H: Host>(a: &H, b: &H) -> Vec<String> {
    let mut left = Vec::new();
    for (host, name) in [(a, "a"), (b, "b")] {
        left.extend(host.leftovers().into_iter().map(|what| format!("{name} while it runs: {what}")));
    }
    both(a.shutdown(), b.shutdown()).await;
    for (host, name) in [(a, "a"), (b, "b")] {
        left.extend(host.leftovers().into_iter().map(|what| format!("{name} after its end: {what}")));
    }
    left
}

async fn fail_to_dial<H: Host>(host: &H, address: &Multiaddr, story: &mut Story) {
    let own = host.listen().await.expect("listening on loopback works");
    let stranger: PeerId =
        "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA".parse().expect("this is a peer id");
    let (plain, _) = address::split_peer_id(&own).expect("its end is a peer id");
    let nowhere = "/ip4/127.0.0.1/tcp/1".parse().expect("this is an address");
    let wrong = [
        ("its own address", own.clone()),
        ("its own address without an id", plain),
        ("another's address", address::with_peer_id(address.clone(), &stranger)),
        ("where nobody listens", nowhere),
    ];
    for (what, address) in wrong {
        let failure = host.dial(address).await.expect_err("this cannot be dialled");
        story.push(format!("b dials {what}: {failure}"));
    }
}

/// Everything that one node does with the other while they are connected, while it serves the other.
async fn live<H: Host<Protocols = Toys>>(host: &H, peer: PeerId) -> Story {
    let mut story = Story::new();
    // Serving never ends of itself: it ends when both have told each other that they are done, with their last stream.
    let done = async {
        act(host, peer, &mut story).await;
        // The other may still be at work: it opens a stream when it no longer is.
        let mut goodbye = host.open(peer, &SINK).await.expect("the peer has a sink");
        goodbye.close().await;
        let mut welcome = host.accept(&SINK).await;
        welcome.close().await;
        both(goodbye.read_to_end(), welcome.read_to_end()).await
    };
    let bye = first(done, serve(host)).await;
    story.push(format!("goodbye: {bye:?}"));
    story
}

async fn act<H: Host<Protocols = Toys>>(host: &H, peer: PeerId, story: &mut Story) {
    story.push(format!("ping: {:?}", host.ping(peer).await.map(drop)));
    let info = host.identify(peer).await;
    let info = info.map(|info| (info.agent_version.clone(), info.protocols.clone()));
    story.push(format!("identify: {info:?}"));
    let streams = both(echo(host, peer, 1), echo(host, peer, MUCH)).await;
    story.push(format!("echoes: {streams:?}"));
    let (counted, upgraded) = both(commands(host, peer), raw_upgrade(host)).await;
    story.extend(counted);
    story.push(upgraded);
    story.push(format!("reset by the peer: {:?}", provoke_reset(host, peer).await));
    let refusal = host.open(peer, &NOBODYS).await.map(|_| ());
    story.push(format!("a protocol that nobody has: {refusal:?}"));
}

/// One echo: everything is written and the direction closed before it has all come back.
///
/// # Errors
/// What went wrong, in words.
pub async fn echo<H: Host>(host: &H, peer: PeerId, len: usize) -> Result<bool, String> {
    let mut stream = host.open(peer, &ECHO).await.map_err(|error| error.to_string())?;
    let sent = pattern(len);
    let mut received = Vec::new();
    let mut unsent = &sent[..];
    // Reading and writing in turns: what one waits for, the other may bring.
    while received.len() < len {
        let part = unsent.len().min(10_000);
        if part > 0 {
            stream.write_all(&unsent[..part]).await.map_err(|Gone| "gone while writing")?;
            unsent = &unsent[part..];
            if unsent.is_empty() {
                stream.close().await;
            }
        }
        let chunk = stream.read().await.map_err(|Gone| "gone while reading")?;
        received.extend_from_slice(&chunk.ok_or("ended too early")?);
    }
    let end = stream.read().await.map_err(|Gone| "gone at the end")?;
    Ok(end.is_none() && received == sent)
}

/// Counting and an upgrade, commanded at once; their outcomes come as events, in either order.
async fn commands<H: Host<Protocols = Toys>>(host: &H, peer: PeerId) -> Story {
    host.command(OneOf2::First(Count { id: CommandId(1), peer, steps: STEPS })).await;
    host.command(OneOf2::First(Count { id: CommandId(2), peer, steps: 1 })).await;
    host.command(OneOf2::Second(Upgrade { id: CommandId(3), peer })).await;
    let mut outcomes = Story::new();
    for _ in 0..3 {
        outcomes.push(match host.event().await {
            OneOf2::First(Counted { id, result }) => format!("count {}: {result:?}", id.0),
            OneOf2::Second(Upgraded { id, result }) => format!("upgrade {}: {:?}", id.0, result.map(drop)),
        });
    }
    outcomes.sort();
    outcomes
}

/// Both upgraded streams, ours and the peer's: bytes go out at once, right behind the last message.
async fn raw_upgrade<H: Host>(host: &H) -> String {
    let exchange = async || {
        let mut stream = host.accept(&upgrade::ID).await;
        stream.write_all(&pattern(10_000)).await?;
        stream.close().await;
        stream.read_to_end().await.map(is_pattern)
    };
    let results: (Result<_, Gone>, Result<_, Gone>) = both(exchange(), exchange()).await;
    format!("raw after the upgrade: {results:?}")
}

async fn provoke_reset<H: Host>(host: &H, peer: PeerId) -> Result<usize, String> {
    let mut stream = host.open(peer, &RESET).await.map_err(|error| error.to_string())?;
    stream.write_all(b"reset me").await.map_err(|Gone| "gone too early")?;
    let read = stream.read().await;
    // A reset of ours must reach the peer as well: it waits for it.
    let other = host.open(peer, &RESET).await.map_err(|error| error.to_string())?;
    other.reset();
    match read {
        Err(Gone) => Ok(0),
        Ok(bytes) => Err(format!("not reset, but {bytes:?}")),
    }
}

/// Echoes what is to be echoed and resets what is to be reset, for ever.
pub async fn serve<H: Host>(host: &H) -> std::convert::Infallible {
    let accept = async |protocol: &ProtocolId| host.accept(protocol).await;
    let mut tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = Vec::new();
    let mut next_echo = Box::pin(accept(&ECHO));
    let mut next_reset = Box::pin(accept(&RESET));
    std::future::poll_fn(|cx| {
        while let Poll::Ready(stream) = next_echo.as_mut().poll(cx) {
            tasks.push(Box::pin(serve_echo(stream)));
            next_echo = Box::pin(accept(&ECHO));
        }
        while let Poll::Ready(stream) = next_reset.as_mut().poll(cx) {
            tasks.push(Box::pin(serve_reset(stream)));
            next_reset = Box::pin(accept(&RESET));
        }
        tasks.retain_mut(|task| task.as_mut().poll(cx).is_pending());
        Poll::Pending
    })
    .await
}

async fn serve_echo(mut stream: impl HostStream) {
    while let Ok(Some(bytes)) = stream.read().await {
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
    stream.close().await;
}

async fn serve_reset(mut stream: impl HostStream) {
    if let Ok(Some(_)) = stream.read().await {
        stream.reset();
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
}

fn is_pattern(bytes: Vec<u8>) -> (usize, bool) {
    let len = bytes.len();
    (len, bytes == pattern(len))
}

/// Both results. Both futures are polled every time, whichever was woken.
pub async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut a_done, mut b_done) = (None, None);
    std::future::poll_fn(|cx| {
        poll_once(a.as_mut(), &mut a_done, cx);
        poll_once(b.as_mut(), &mut b_done, cx);
        match (a_done.take(), b_done.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            unfinished => {
                (a_done, b_done) = unfinished;
                Poll::Pending
            }
        }
    })
    .await
}

fn poll_once<F: Future>(future: Pin<&mut F>, done: &mut Option<F::Output>, cx: &mut Context<'_>) {
    if done.is_none()
        && let Poll::Ready(result) = future.poll(cx)
    {
        *done = Some(result);
    }
}

/// The result of `a`, while `b`, which never ends, runs beside it.
pub async fn first<A: Future>(a: A, b: impl Future<Output = std::convert::Infallible>) -> A::Output {
    let (mut a, mut b) = (pin!(a), pin!(b));
    std::future::poll_fn(|cx| {
        if let Poll::Ready(never) = b.as_mut().poll(cx) {
            match never {}
        }
        a.as_mut().poll(cx)
    })
    .await
}
