//! Executors of the user's own.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use futures_util::future::{Either, select};
use futures_util::{AsyncReadExt, AsyncWriteExt, StreamExt};
use peerwork_smol::core::address;
use peerwork_smol::core::swarm::dialer::RecordKind;
use peerwork_smol::{Dns, Node, NodeBuilder, Resolver, Runtime, Smol, Target};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

async fn listening(smol: &Smol) -> (Node, SocketAddr) {
    let builder = NodeBuilder::new().runtime(smol.clone()).listen("/ip4/127.0.0.1/tcp/0".parse().unwrap());
    let node = builder.start().await.unwrap();
    let (listening, _) = address::split_peer_id(&node.listen_addresses().await.unwrap()[0]).unwrap();
    (node, address::tcp_socket_address(&listening).unwrap())
}

#[test]
fn what_an_executor_ran_ends_with_it() {
    let executor = Arc::new(smol::Executor::new());
    let smol = Smol::on(&executor);
    let (node, address) = smol::block_on(executor.run(async {
        let (server, client) = (listening(&smol).await, listening(&smol).await);
        let echo = "/echo/1.0.0".parse().unwrap();
        let mut incoming = server.0.handle_protocol(&echo).await.unwrap();
        let to = address::from_socket_address(server.1);
        let peer = client.0.dial(to).await.unwrap().peer;
        let mut stream = client.0.open_stream(Target::Peer(peer), &[echo]).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        let mut accepted = incoming.next().await.unwrap();
        accepted.read_exact(&mut [0; 5]).await.unwrap();
        // Handles outlive it; the streams are dropped while it runs no more.
        server
    }));
    TcpStream::connect(address).unwrap();
    drop(executor);
    assert!(TcpStream::connect(address).is_err(), "the listener is closed");
    let error = smol::block_on(node.listen_addresses()).unwrap_err();
    assert_eq!(error.to_string(), "the node has stopped");
    // Nothing runs any more what is started on it.
    assert!(
        smol::block_on(
            NodeBuilder::new().runtime(smol).listen("/ip4/127.0.0.1/tcp/0".parse().unwrap()).start()
        )
        .is_err()
    );
}

#[test]
fn an_executor_may_have_several_threads() {
    let executor = Arc::new(smol::Executor::new());
    let smol = Smol::on(&executor);
    let (_stop, stopped) = smol::channel::bounded::<()>(1);
    for _ in 0..3 {
        let (executor, stopped) = (executor.clone(), stopped.clone());
        thread::spawn(move || smol::block_on(executor.run(stopped.recv())));
    }
    smol::block_on(async {
        let (server, client) = (listening(&smol).await, listening(&smol).await);
        let peer = client.0.dial(address::from_socket_address(server.1)).await.unwrap().peer;
        client.0.ping(peer).await.unwrap();
    });
}

#[test]
fn lookups_leave_no_task_behind() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let executor = Arc::new(smol::Executor::new());
    let smol = Smol::on(&executor);
    smol::block_on(executor.run(async {
        let dns = Dns::on(smol.clone()).servers([silent.local_addr().unwrap()]);
        let lookup = dns.lookup("node.example.org", RecordKind::Ip4);
        let waited = smol.sleep(Duration::from_millis(100));
        assert!(matches!(select(lookup, waited).await, Either::Right(_)));
        assert!(silent.recv(&mut [0; 512]).is_ok());
        assert!(!executor.is_empty());
        drop(dns);
        while !executor.is_empty() {
            smol.sleep(Duration::from_millis(1)).await;
        }
    }));
}
