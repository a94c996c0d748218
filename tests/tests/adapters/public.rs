//! The public names: what is written for one adapter is right for another once the name of its runtime is changed.

use crate::{Adapter, Tokio};

/// A program over an adapter that uses every public name, but for traits that need no naming.
macro_rules! program {
    ($module:ident, $adapter:ident, $runtime:ident) => {
        mod $module {
            #[expect(unused_imports, reason = "it is enough that they are there")]
            use $adapter::{
                Amount, BoxFuture, BoxStream, Connected, Dns, Event, Events, Incoming, Io, Link, Listener,
                Listening, MAX_PERF_STREAMS, MAX_WAITING_EVENTS, MeasureError, Measured, Metrics, Node,
                NodeBuilder, Perf, ProtocolTaken, RequestError, ResolveError, Resolver, Runtime,
                SAVE_INTERVAL, Socket, StartError, Stopped, Stream, Target, Tcp, TcpListener, Transport,
                bind_tcp, computes_aes, core::identity::PeerId, transport_error, $runtime,
            };

            pub(super) async fn start() -> Node {
                let runtime = $runtime::current().unwrap();
                let listening = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
                let builder: NodeBuilder<()> = NodeBuilder::new();
                let builder = builder.runtime(runtime.clone()).transport(Tcp::new(runtime));
                let node = builder.resolver(Dns::system()).listen(listening).start().await.unwrap();
                let perf: Perf = Perf::new().unwrap();
                perf.serve(&node).await.unwrap();
                node
            }

            pub(super) async fn measure(node: &Node, other: &Node) {
                let connected = node.dial(other.listen_addresses().await.unwrap().remove(0)).await;
                let peer: PeerId = connected.unwrap().peer;
                assert_eq!(peer, other.local_peer());
                let perf: Perf = Perf::new().unwrap();
                let (upload, download) = (Amount::Bytes(100_000), Amount::Bytes(200_000));
                let measured = perf.measure(node, Target::Peer(peer), upload, download, |_| {}).await;
                let measured: Measured = measured.unwrap();
                assert_eq!((measured.uploaded, measured.downloaded), (100_000, 200_000));
            }
        }
    };
}

program!(on_tokio, peerwork_tokio, Tokio);
program!(on_smol, peerwork_smol, Smol);
program!(on_async_std, peerwork_async_std, AsyncStd);

#[test]
fn nodes_on_different_runtimes_meet_in_one_program() {
    Tokio::run(meet());
}

async fn meet() {
    let (tokio, smol) = (on_tokio::start().await, on_smol::start().await);
    let async_std = on_async_std::start().await;
    on_tokio::measure(&tokio, &smol).await;
    on_smol::measure(&smol, &async_std).await;
    on_async_std::measure(&async_std, &tokio).await;
}

#[test]
fn features_are_alike() {
    let manifests = [
        include_str!("../../../runtime-tokio/Cargo.toml"),
        include_str!("../../../runtime-smol/Cargo.toml"),
        include_str!("../../../runtime-async-std/Cargo.toml"),
    ];
    let features = manifests.map(|manifest| {
        let (_, features) = manifest.split_once("[features]\n").unwrap();
        let (features, _) = features.split_once("\n[").unwrap_or((features, ""));
        let names = features.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
        (features.lines().next().unwrap(), names.collect::<Vec<_>>())
    });
    assert_eq!(features[0], ("default = [\"aws-lc\", \"tls\"]", vec!["default", "aws-lc", "tls"]));
    assert!(features.iter().all(|other| *other == features[0]), "{features:?}");
}
