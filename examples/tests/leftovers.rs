//! What the loops leave behind: no thread, no descriptor, no wake-up without work. One test, because others at the same time would be
//! counted too.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use peerwork_core::address::Multiaddr;
use peerwork_core::node::{LocalNode, LocalOutput, NodeBuilder};
use peerwork_core::swarm::SwarmEvent;
use peerwork_examples::loops::build;
use peerwork_examples::loops::frames::FrameNode;
use peerwork_examples::loops::mio::MioNode;
use peerwork_examples::loops::threads::ThreadNode;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// How many descriptors and threads this process has.
fn held() -> [usize; 2] {
    ["/proc/self/fd", "/proc/self/task"].map(|entries| std::fs::read_dir(entries).unwrap().count())
}

fn node() -> LocalNode {
    build(NodeBuilder::new()).unwrap()
}

fn anywhere() -> Multiaddr {
    "/ip4/127.0.0.1/tcp/0".parse().unwrap()
}

/// Listens twice, connects to a peer, and dials somebody who says nothing; then it is dropped in the middle of all that.
fn threads(peer: &Multiaddr, silent: &Multiaddr) {
    let (connected, is_connected) = channel();
    let threads = ThreadNode::start(node(), move |_, output, _| {
        if let LocalOutput::Event(SwarmEvent::Connected { .. }) = output {
            connected.send(()).unwrap();
        }
    });
    let threads = threads.unwrap();
    let (peer, silent) = (peer.clone(), silent.clone());
    threads.call(|node, now| [node.listen(anywhere(), now), node.listen(anywhere(), now)]).unwrap();
    threads.call(|node, now| [node.dial(peer, now), node.dial(silent, now)]).unwrap();
    is_connected.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(held()[1] > 5, "the node, two that accept, two for each socket");
}

fn mio(peer: &Multiaddr, silent: &Multiaddr) {
    let mut mio = MioNode::new(node()).unwrap();
    let now = mio.now();
    let _ = [mio.node().listen(anywhere(), now), mio.node().listen(anywhere(), now)];
    let _ = [mio.node().dial(peer.clone(), now), mio.node().dial(silent.clone(), now)];
    let mut connected = false;
    while !connected {
        mio.turn(Some(Duration::from_secs(10))).unwrap();
        while let Some(output) = mio.poll_output() {
            connected |= matches!(output, LocalOutput::Event(SwarmEvent::Connected { .. }));
        }
    }
    // Identify and the first ping are soon over. After that it sleeps as long as it may.
    let pause = Duration::from_millis(300);
    let (mut turns, mut start) = (0, Instant::now());
    while turns < 1 || start.elapsed() < pause {
        (turns, start) = (turns + 1, Instant::now());
        assert!(turns < 100, "it wakes without work");
        mio.turn(Some(pause)).unwrap();
        while mio.poll_output().is_some() {}
    }
}

fn frames(peer: &Multiaddr, silent: &Multiaddr) {
    let mut frames = FrameNode::new(node());
    let now = frames.now();
    let _ = [frames.node().listen(anywhere(), now), frames.node().listen(anywhere(), now)];
    let _ = [frames.node().dial(peer.clone(), now), frames.node().dial(silent.clone(), now)];
    let mut connected = false;
    while !connected {
        frames.frame(Duration::from_millis(1));
        while let Some(output) = frames.poll_output() {
            connected |= matches!(output, LocalOutput::Event(SwarmEvent::Connected { .. }));
        }
    }
}

#[test]
fn nothing_is_left_behind() {
    let (listening, addresses) = channel();
    let peer = ThreadNode::start(node(), move |_, output, _| {
        if let LocalOutput::Event(SwarmEvent::Listening { address, .. }) = output {
            listening.send(address).unwrap();
        }
    });
    let peer = peer.unwrap();
    peer.call(|node, now| node.listen(anywhere(), now)).unwrap();
    let address = addresses.recv_timeout(Duration::from_secs(10)).unwrap();
    let mute = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let silent = peerwork_core::address::from_socket_address(mute.local_addr().unwrap());
    let before = held();
    for (name, run) in [("threads", threads as fn(&_, &_)), ("mio", mio), ("frames", frames)] {
        run(&address, &silent);
        // The peer notices by and by.
        let end = Instant::now() + Duration::from_secs(10);
        while held() != before {
            assert!(
                Instant::now() < end,
                "{name}: {before:?} descriptors and threads before, {:?} after",
                held()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    drop(peer);
    drop(mute);
    let after = held();
    assert!(after[0] < before[0] && after[1] < before[1], "{before:?}, {after:?}");
}
