//! Private networks over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use peerwork_core::connection::ConnectionError;
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::security::pnet::PreSharedKey;
use peerwork_core::security::secio::Secio;
use peerwork_core::swarm::DialError;
use peerwork_core::swarm::dialer::AttemptError;
use peerwork_tokio::{Node, NodeBuilder, RequestError};
use std::time::Duration;

async fn node(key: Option<u8>) -> Node {
    let mut builder = NodeBuilder::new().security(Secio::default()).muxer(Mplex::default());
    if let Some(byte) = key {
        builder = builder.private_network(PreSharedKey::from_secret(&[byte; 32]));
    }
    builder.start().await.unwrap()
}

/// What comes of dialling a node with the second key from one with the first.
async fn dial(ours: Option<u8>, theirs: Option<u8>) -> Result<(), DialError> {
    let (dialer, listener) = (node(ours).await, node(theirs).await);
    let listening = listener.listen("/ip4/127.0.0.1/tcp/0".parse().unwrap()).await.unwrap();
    let dialed = tokio::time::timeout(Duration::from_secs(30), dialer.dial(listening.address)).await;
    let connected = match dialed.expect("the dial ends in time") {
        Ok(connected) => connected,
        Err(RequestError::Failed(error)) => return Err(error),
        Err(RequestError::Stopped) => panic!("nobody stops the node"),
    };
    dialer.ping(connected.peer).await.unwrap();
    listener.ping(dialer.local_peer()).await.unwrap();
    Ok(())
}

#[tokio::test]
async fn only_nodes_with_the_same_key_connect() {
    assert_eq!(dial(None, None).await, Ok(()));
    assert_eq!(dial(Some(1), Some(1)).await, Ok(()));
    for theirs in [Some(2), None] {
        let error = dial(Some(1), theirs).await.unwrap_err();
        let [(_, AttemptError::Connection(ConnectionError::PrivateNetwork(_)))] = error.failures() else {
            panic!("{error}")
        };
    }
    let error = dial(None, Some(1)).await.unwrap_err();
    let [(_, AttemptError::Connection(ConnectionError::Negotiation { .. }))] = error.failures() else {
        panic!("{error}")
    };
}
