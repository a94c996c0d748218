//! A flood of sockets that say nothing, over real sockets: it locks out nobody but its own address. `core/tests/silent.rs` has the same in
//! virtual time.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use peerwork_core::address::{self, Multiaddr};
use peerwork_tokio::NodeBuilder;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};

/// How many sockets the flood has.
const SILENT: usize = 1_100;

/// Both ends of each socket are in this process.
const DESCRIPTORS: u64 = 2 * SILENT as u64 + 200;

/// A socket from the flood's address; other sockets of this process have 127.0.0.1.
async fn silent_socket(to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    socket.connect(to).await.unwrap()
}

/// Whether the node closed a socket.
async fn is_refused(socket: &mut TcpStream) -> bool {
    let read = tokio::time::timeout(Duration::from_secs(2), socket.read(&mut [0; 1024])).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}

fn without_peer(address: &Multiaddr) -> Multiaddr {
    address::split_peer_id(address).unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_silent_sockets_locks_out_only_its_own_address() {
    rlimit::increase_nofile_limit(DESCRIPTORS).unwrap();
    let server = NodeBuilder::new().start().await.unwrap();
    let listening = server.listen("/ip4/127.0.0.1/tcp/0".parse().unwrap()).await.unwrap();
    let socket_address = address::tcp_socket_address(&without_peer(&listening.address)).unwrap();
    let mut flood = Vec::new();
    for _ in 0..SILENT {
        flood.push(silent_socket(socket_address).await);
    }
    assert!(is_refused(flood.last_mut().unwrap()).await, "the last of the flood comes over a limit");

    let client = NodeBuilder::new().start().await.unwrap();
    let started = Instant::now();
    let connected = client.dial(listening.address).await.unwrap();
    client.ping(connected.peer).await.unwrap();
    let taken = started.elapsed();
    // The handshake timeout, which ends the flood's own connections, is 15 s.
    assert!(
        taken < Duration::from_secs(5),
        "an honest peer at another address connects at once, not in {taken:?}"
    );
    assert!(!is_refused(&mut flood[0]).await, "the first of the flood waits for its handshake still");
    client.shutdown().await;
    server.shutdown().await;
}
