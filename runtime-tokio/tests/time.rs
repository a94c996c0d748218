//! A node's time is tokio's.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use peerwork_core::address;
use peerwork_core::swarm::DialError;
use peerwork_tokio::{NodeBuilder, RequestError};
use std::net::TcpListener;
use std::time::Duration;
use tokio::time::{Instant, timeout};

#[tokio::test(start_paused = true)]
async fn timeouts_pass_while_tests_stop_the_clock() {
    // Connections come up, and nothing ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = address::from_socket_address(silent.local_addr().unwrap());
    let node = NodeBuilder::new().start().await.unwrap();
    let (started, really_started) = (Instant::now(), std::time::Instant::now());
    let result = timeout(Duration::from_secs(3_600), node.dial(address)).await.unwrap();
    assert!(
        matches!(result, Err(RequestError::Failed(DialError::Timeout(_) | DialError::Failed(_)))),
        "{result:?}"
    );
    assert!(started.elapsed() >= Duration::from_secs(1), "no timeout is as short as {:?}", started.elapsed());
    assert!(really_started.elapsed() < Duration::from_secs(1), "it took {:?}", really_started.elapsed());
}
