//! The peer book of a running node, and the store that keeps it.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use peerwork_core::address::{Multiaddr, with_peer_id};
use peerwork_core::identity::{Keypair, PeerId};
use peerwork_core::peer_book::{AddPeerError, Origin, PeerChange, PeerStore, PeerStoreError, StoredPeer};
use peerwork_core::seed::Seed;
use peerwork_tokio::{Node, NodeBuilder, RequestError, SAVE_INTERVAL, StartError, Stopped};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn peer(number: u64) -> PeerId {
    Keypair::generate_ed25519(&mut Seed::reproducible(number)).public().to_peer_id()
}

fn address(port: u16) -> Multiaddr {
    format!("/ip4/192.0.2.1/tcp/{port}").parse().unwrap()
}

/// A store in memory. Clones are one store.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Contents>>);

#[derive(Default)]
struct Contents {
    peers: BTreeMap<PeerId, StoredPeer>,
    /// How many changes each call brought.
    calls: Vec<usize>,
    is_broken: bool,
}

impl Memory {
    fn set_broken(&self, is_broken: bool) {
        self.0.lock().unwrap().is_broken = is_broken;
    }

    fn stored(&self) -> Vec<PeerId> {
        self.0.lock().unwrap().peers.keys().copied().collect()
    }

    fn calls(&self) -> Vec<usize> {
        self.0.lock().unwrap().calls.clone()
    }
}

impl PeerStore for Memory {
    fn peers(&mut self) -> Result<Vec<StoredPeer>, PeerStoreError> {
        let contents = self.0.lock().unwrap();
        if contents.is_broken { Err("broken".into()) } else { Ok(contents.peers.values().cloned().collect()) }
    }

    fn save(&mut self, changes: &[PeerChange]) -> Result<(), PeerStoreError> {
        let mut contents = self.0.lock().unwrap();
        contents.calls.push(changes.len());
        if contents.is_broken {
            return Err("broken".into());
        }
        for PeerChange { peer, entry } in changes {
            match entry {
                Some(stored) => drop(contents.peers.insert(*peer, stored.clone())),
                None => drop(contents.peers.remove(peer)),
            }
        }
        Ok(())
    }
}

async fn with_store(store: &Memory) -> Node {
    NodeBuilder::new().peer_store(store.clone()).start().await.unwrap()
}

/// Lets the time until the next save pass, which costs none, and the store's thread do its work.
async fn after_the_next_save(store: &Memory) {
    let before = store.calls().len();
    tokio::time::sleep(SAVE_INTERVAL).await;
    for _ in 0..1_000 {
        if store.calls().len() > before {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_known_can_be_told_asked_and_forgotten() {
    let node = NodeBuilder::new().start().await.unwrap();
    assert_eq!(node.known_peer(peer(1)).await, Ok(None));
    node.add_address(peer(1), with_peer_id(address(1), &peer(1))).await.unwrap();
    node.add_address(peer(1), address(2)).await.unwrap();
    node.add_address(peer(2), address(3)).await.unwrap();
    let known = node.known_peer(peer(1)).await.unwrap().unwrap();
    let addresses: Vec<_> = known.addresses.iter().map(|known| known.address.clone()).collect();
    assert_eq!((known.peer, addresses), (peer(1), vec![address(2), address(1)]), "the latest first");
    assert_eq!((known.addresses[0].origin, known.is_connected), (Origin::User, false));
    let mut all: Vec<_> = node.known_peers().await.unwrap().iter().map(|known| known.peer).collect();
    all.sort_by_key(|known| *known != peer(1));
    assert_eq!(all, [peer(1), peer(2)]);

    let other = node.add_address(peer(1), with_peer_id(address(1), &peer(2))).await;
    assert_eq!(other, Err(RequestError::Failed(AddPeerError::OtherPeer(peer(2)))));
    let empty = node.add_address(peer(1), Multiaddr::empty()).await;
    assert!(matches!(empty, Err(RequestError::Failed(AddPeerError::Address(_)))), "{empty:?}");

    node.forget_peer(peer(1)).await.unwrap();
    assert_eq!(node.known_peer(peer(1)).await, Ok(None));
    node.shutdown().await;
    assert_eq!(node.add_address(peer(1), address(1)).await, Err(RequestError::Stopped));
    assert_eq!(node.forget_peer(peer(1)).await, Err(Stopped));
    assert_eq!(node.known_peers().await, Err(Stopped));
}

#[tokio::test]
async fn a_node_that_stops_leaves_what_it_knows_to_the_next() {
    let store = Memory::default();
    let node = with_store(&store).await;
    node.add_address(peer(1), address(1)).await.unwrap();
    node.add_address(peer(2), address(2)).await.unwrap();
    node.shutdown().await;
    assert_eq!(Arc::strong_count(&store.0), 1, "the store is closed");

    let node = with_store(&store).await;
    assert_eq!(node.known_peer(peer(1)).await.unwrap().unwrap().addresses[0].address, address(1));
    node.forget_peer(peer(2)).await.unwrap();
    // Without a word of farewell.
    drop(node);
    while Arc::strong_count(&store.0) > 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(store.stored(), [peer(1)]);

    with_store(&store).await.shutdown().await;
    assert_eq!(store.calls(), [2, 1], "a run that learns nothing saves nothing");
}

#[tokio::test]
async fn whom_a_node_has_met_the_next_one_finds_by_the_peer_id_alone() {
    let server = NodeBuilder::new().listen("/ip4/127.0.0.1/tcp/0".parse().unwrap()).start().await.unwrap();
    let (peer, address) = (server.local_peer(), server.listen_addresses().await.unwrap().remove(0));
    let store = Memory::default();
    let node = with_store(&store).await;
    node.dial(address).await.unwrap();
    node.identify(peer).await.unwrap();
    let known = node.known_peer(peer).await.unwrap().unwrap();
    assert!(known.is_connected && known.addresses[0].was_reached, "{known:?}");
    assert!(known.agent_version.is_some_and(|agent| agent.starts_with("peerwork/")));
    node.shutdown().await;

    let node = with_store(&store).await;
    assert!(!node.known_peer(peer).await.unwrap().unwrap().is_connected);
    assert_eq!(node.dial(peer).await.unwrap().peer, peer);
}

#[tokio::test(start_paused = true)]
async fn a_running_node_saves_now_and_then() {
    let store = Memory::default();
    let node = with_store(&store).await;
    for number in 1..4 {
        node.add_address(peer(number), address(1)).await.unwrap();
        after_the_next_save(&store).await;
        assert_eq!(store.stored().len() as u64, number);
    }
    assert_eq!(store.calls(), [1, 1, 1]);
    node.shutdown().await;
    assert_eq!(store.calls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_saved_is_tried_again() {
    let store = Memory::default();
    let node = with_store(&store).await;
    store.set_broken(true);
    node.add_address(peer(1), address(1)).await.unwrap();
    after_the_next_save(&store).await;
    node.add_address(peer(2), address(2)).await.unwrap();
    after_the_next_save(&store).await;
    assert_eq!((store.stored().len(), store.calls()), (0, vec![1, 2]));
    store.set_broken(false);
    after_the_next_save(&store).await;
    assert_eq!((store.stored().len(), store.calls()), (2, vec![1, 2, 2]));

    // And a store that is broken at the end holds nothing up.
    store.set_broken(true);
    node.forget_peer(peer(1)).await.unwrap();
    node.shutdown().await;
    assert_eq!((store.stored().len(), store.calls()), (2, vec![1, 2, 2, 1]));
}

#[tokio::test]
async fn many_changes_are_saved_in_parts() {
    let store = Memory::default();
    let node = with_store(&store).await;
    for number in 0..2_500_u64 {
        let peer = PeerId::from_public_key_protobuf(&number.to_be_bytes());
        node.add_address(peer, address(1)).await.unwrap();
    }
    node.shutdown().await;
    assert_eq!((store.stored().len(), store.calls()), (2_500, vec![1_000, 1_000, 500]));
    let node = with_store(&store).await;
    assert_eq!(node.known_peers().await.unwrap().len(), 2_500);
}

#[tokio::test]
async fn a_store_that_cannot_be_read_starts_no_node() {
    let store = Memory::default();
    store.set_broken(true);
    let started = NodeBuilder::new().peer_store(store.clone()).start().await;
    let Err(StartError::PeerStore(error)) = started else { panic!("{started:?}") };
    assert_eq!(error.to_string(), "broken");
}

/// A store that panics, in any of its calls.
struct Mad {
    is_readable: bool,
}

impl PeerStore for Mad {
    fn peers(&mut self) -> Result<Vec<StoredPeer>, PeerStoreError> {
        assert!(self.is_readable, "mad");
        Ok(Vec::new())
    }

    fn save(&mut self, _: &[PeerChange]) -> Result<(), PeerStoreError> {
        panic!("mad");
    }
}

#[tokio::test]
async fn a_store_that_panics_takes_no_node_with_it() {
    let started = NodeBuilder::new().peer_store(Mad { is_readable: false }).start().await;
    assert!(matches!(started, Err(StartError::PeerStore(_))), "{started:?}");
    let node = NodeBuilder::new().peer_store(Mad { is_readable: true }).start().await.unwrap();
    node.add_address(peer(1), address(1)).await.unwrap();
    node.shutdown().await;
}
