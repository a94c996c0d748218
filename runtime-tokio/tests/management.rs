//! Who may be connected, and for how long, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use futures_util::StreamExt;
use peerwork_core::connection::ConnectionError;
use peerwork_core::swarm::dialer::AttemptError;
use peerwork_core::swarm::{
    AccessDenied, AccessRules, ConnectionLimit, DialError, DialOptions, MAX_NAME_BYTES, PeerOrRange,
    StandingError, SwarmEvent, Watermarks,
};
use peerwork_tokio::{Event, Events, Node, NodeBuilder, RequestError};
use std::convert::Infallible;
use std::time::Duration;

fn loopback() -> PeerOrRange {
    "127.0.0.0/8".parse().unwrap()
}

async fn listening() -> Node {
    NodeBuilder::new().listen("/ip4/127.0.0.1/tcp/0".parse().unwrap()).start().await.unwrap()
}

/// Why the next connection to end has ended.
async fn disconnected(events: &mut Events<Infallible>) -> ConnectionError {
    loop {
        if let Some(Event::Swarm(SwarmEvent::Disconnected { reason, .. })) = events.next().await {
            return reason;
        }
    }
}

/// Why the next remote is not let in.
async fn refused(events: &mut Events<Infallible>) -> ConnectionError {
    loop {
        match events.next().await {
            Some(Event::Swarm(SwarmEvent::IncomingFailed { error, .. })) => return error,
            Some(Event::Swarm(SwarmEvent::Connected { peer, .. })) => panic!("{peer} was let in"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_blocked_peer_is_disconnected_and_stays_out_until_it_is_unblocked() {
    let (server, client) = (listening().await, NodeBuilder::new().start().await.unwrap());
    let address = server.listen_addresses().await.unwrap().remove(0);
    let mut events = server.events().await.unwrap();
    let again = DialOptions { ignore_backoff: true, ..DialOptions::always() };
    for (entry, denied) in [
        (client.local_peer().into(), AccessDenied::BlockedPeer),
        (loopback(), AccessDenied::BlockedRange("127.0.0.0/8".parse().unwrap())),
    ] {
        let connected = client.dial_with(address.clone(), again).await.unwrap();
        client.ping(connected.peer).await.unwrap();
        server.block(entry).await.unwrap();
        assert_eq!(disconnected(&mut events).await, ConnectionError::Denied(denied));
        // Whether the client's handshake is over before it hears of its end is chance.
        drop(client.dial_with(address.clone(), again).await);
        assert_eq!(refused(&mut events).await, ConnectionError::Denied(denied));
        server.unblock(entry).await.unwrap();
        assert_eq!(server.access().await, Ok(AccessRules::default()));
        let connected = client.dial_with(address.clone(), again).await.unwrap();
        client.ping(connected.peer).await.unwrap();
        client.disconnect(connected.connection).await.unwrap();
        disconnected(&mut events).await;
    }
}

#[tokio::test]
async fn nobody_is_dialled_who_may_not_be_connected() {
    let (server, client) = (listening().await, NodeBuilder::new().start().await.unwrap());
    let address = server.listen_addresses().await.unwrap().remove(0);
    client.allow(client.local_peer()).await.unwrap();
    let blocked = DialError::Blocked(AccessDenied::PeerNotAllowed);
    assert_eq!(client.dial(address.clone()).await, Err(RequestError::Failed(blocked)));
    client.disallow(client.local_peer()).await.unwrap();
    client.allow("10.0.0.0/8".parse::<PeerOrRange>().unwrap()).await.unwrap();
    let error = match client.dial(address.clone()).await {
        Err(RequestError::Failed(error)) => error,
        other => panic!("{other:?}"),
    };
    let outside = AttemptError::Blocked(AccessDenied::AddressNotAllowed);
    assert_eq!(error.failures().iter().map(|(_, error)| error).collect::<Vec<_>>(), [&outside]);
    client.allow(loopback()).await.unwrap();
    client.dial(address).await.unwrap();
}

#[tokio::test]
async fn above_the_high_watermark_the_least_useful_connections_are_closed() {
    let marks = Watermarks { grace: Duration::ZERO, ..Watermarks::new(3, 2) };
    let server = NodeBuilder::new()
        .watermarks(marks)
        .listen("/ip4/127.0.0.1/tcp/0".parse().unwrap())
        .start()
        .await
        .unwrap();
    let address = server.listen_addresses().await.unwrap().remove(0);
    let mut events = server.events().await.unwrap();
    let mut clients = Vec::new();
    for number in 0..4 {
        let client = NodeBuilder::new().start().await.unwrap();
        match number {
            0 => server.tag(client.local_peer(), "useful", 5).await.unwrap(),
            3 => server.protect(client.local_peer(), "friend").await.unwrap(),
            _ => {}
        }
        client.dial(address.clone()).await.unwrap();
        clients.push(client);
    }
    let mut closed = Vec::new();
    while closed.len() < 2 {
        if let Some(Event::Swarm(SwarmEvent::Disconnected { peer, reason, .. })) = events.next().await {
            assert_eq!(reason, ConnectionError::Limit(ConnectionLimit::HighWatermark(3)));
            closed.push(peer);
        }
    }
    closed.sort_unstable();
    let mut expected = [1, 2].map(|number: usize| clients[number].local_peer());
    expected.sort_unstable();
    assert_eq!(closed, expected);
    let standing = server.standing(clients[0].local_peer()).await.unwrap();
    assert_eq!((standing.value(), standing.is_protected()), (5, false));
}

#[tokio::test]
async fn handles_say_what_is_wrong() {
    let node = listening().await;
    let peer = node.local_peer();
    let name = "x".repeat(MAX_NAME_BYTES + 1);
    let too_long = Err(RequestError::Failed(StandingError::NameTooLong(MAX_NAME_BYTES + 1)));
    assert_eq!(node.tag(peer, name.clone(), 1).await, too_long);
    assert_eq!(node.protect(peer, name).await, too_long);
    assert_eq!((node.untag(peer, "none").await, node.unprotect(peer, "none").await), (Ok(()), Ok(())));
    let client = NodeBuilder::new().start().await.unwrap();
    let connected = client.dial(node.listen_addresses().await.unwrap().remove(0)).await.unwrap();
    let why = client.why_alive(connected.connection).await.unwrap().unwrap();
    assert_eq!(why.peer, Some(peer));
    client.disconnect(connected.connection).await.unwrap();
    let mut events = client.events().await.unwrap();
    if client.why_alive(connected.connection).await.unwrap().is_some() {
        disconnected(&mut events).await;
    }
    assert_eq!(client.why_alive(connected.connection).await, Ok(None));
    client.shutdown().await;
    assert!(client.block(loopback()).await.is_err());
}
