//! perf over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use futures_util::{AsyncReadExt, AsyncWriteExt, StreamExt};
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::protocols::StreamError;
use peerwork_core::protocols::perf::{PROTOCOL, PerfError};
use peerwork_core::security::secio::Secio;
use peerwork_tokio::{Amount, MAX_PERF_STREAMS, MeasureError, Node, NodeBuilder, Perf, RequestError, Target};
use std::time::Duration;

async fn node() -> Node {
    NodeBuilder::new().security(Secio::default()).muxer(Mplex::default()).start().await.unwrap()
}

/// Two connected nodes, and how the first one sees the second.
async fn pair() -> (Node, Node, Target) {
    let (client, server) = (node().await, node().await);
    let listening = server.listen("/ip4/127.0.0.1/tcp/0".parse().unwrap()).await.unwrap();
    let connected = client.dial(listening.address).await.unwrap();
    (client, server, Target::Peer(connected.peer))
}

/// A pair whose second node answers one stream as the test says, and what comes of measuring with it.
async fn measure_with<F: Future<Output = ()>>(
    answer: impl FnOnce(peerwork_tokio::Stream) -> F,
) -> MeasureError {
    let (client, server, target) = pair().await;
    let mut incoming = server.handle_protocol(&PROTOCOL).await.unwrap();
    let perf = Perf::new().unwrap().patience(Duration::from_millis(300));
    let measuring = perf.measure(&client, target, Amount::Bytes(1_000), Amount::Bytes(10), |_| {});
    let answering = async {
        answer(incoming.next().await.unwrap()).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        measured = measuring => match measured.unwrap_err() {
            RequestError::Failed(error) => error,
            RequestError::Stopped => panic!("nobody stops the node"),
        },
        () = answering => unreachable!(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_and_times_are_measured() {
    let (client, server, target) = pair().await;
    let perf = Perf::new().unwrap();
    perf.serve(&server).await.unwrap();
    let taken = perf.serve(&server).await;
    assert!(matches!(taken, Err(RequestError::Failed(_))), "it is served once");
    for (upload, download) in [(0, 0), (1, 0), (0, 1), (3_000_000, 0), (0, 3_000_000), (100_000, 200_000)] {
        let mut seen = Vec::new();
        let amounts = (Amount::Bytes(upload), Amount::Bytes(download));
        let measured = perf
            .measure(&client, target, amounts.0, amounts.1, |measured| seen.push(*measured))
            .await
            .unwrap();
        assert_eq!((measured.uploaded, measured.downloaded), (upload, download));
        assert_eq!(measured.upload_time.is_zero(), upload == 0, "{measured:?}");
        assert!(!measured.download_time.is_zero() || upload > 0, "{measured:?}");
        assert!(seen.is_sorted_by_key(|measured| (measured.uploaded, measured.downloaded)));
        assert_eq!(seen.last(), Some(&measured));
    }
    let time = Duration::from_millis(200);
    for (upload, download) in [(Amount::For(time), Amount::NONE), (Amount::NONE, Amount::For(time))] {
        let measured = perf.measure(&client, target, upload, download, |_| {}).await.unwrap();
        assert!(measured.uploaded + measured.downloaded > 100_000, "{measured:?}");
        let taken = measured.upload_time + measured.download_time;
        assert!(taken >= time && taken < Duration::from_secs(20), "{measured:?}");
    }
    // The connection has taken no harm from the download that was cut short.
    let measured = perf.measure(&client, target, Amount::Bytes(5), Amount::Bytes(5), |_| {}).await.unwrap();
    assert_eq!((measured.uploaded, measured.downloaded), (5, 5));
}

#[tokio::test]
async fn a_peer_that_is_no_server() {
    let (client, _server, target) = pair().await;
    let perf = Perf::new().unwrap();
    let error = perf.measure(&client, target, Amount::NONE, Amount::NONE, |_| {}).await.unwrap_err();
    assert!(
        matches!(error, RequestError::Failed(MeasureError::Open(StreamError::Unsupported(_)))),
        "{error}"
    );
}

#[tokio::test]
async fn bad_servers() {
    let error = measure_with(|mut stream| async move {
        stream.read_to_end(&mut Vec::new()).await.unwrap();
        stream.write_all(&[0; 9]).await.unwrap();
        stream.close().await.unwrap();
        std::future::pending::<()>().await;
    });
    let error = error.await;
    assert!(
        matches!(error, MeasureError::Protocol(PerfError::TooFew { wanted: 10, received: 9 })),
        "{error}"
    );
    let error = measure_with(|mut stream| async move {
        stream.write_all(&[0; 11]).await.unwrap();
        std::future::pending::<()>().await;
    });
    let error = error.await;
    assert!(matches!(error, MeasureError::Protocol(PerfError::TooMany { wanted: 10 })), "{error}");
    let error = measure_with(|stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    assert_eq!(error.to_string(), "no byte went either way for 0.3 s");
    let error = measure_with(|mut stream| async move {
        stream.read_exact(&mut [0; 8]).await.unwrap();
        stream.reset();
    })
    .await;
    assert!(matches!(error, MeasureError::Broken(_)), "{error}");
}

#[tokio::test]
async fn a_server_serves_so_many_streams_and_resets_those_that_stand_still() {
    let (client, server, target) = pair().await;
    Perf::new().unwrap().patience(Duration::from_millis(500)).serve(&server).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..MAX_PERF_STREAMS {
        held.push(client.open_stream(target, &[PROTOCOL]).await.unwrap());
    }
    let mut measured = Vec::new();
    let perf = Perf::new().unwrap();
    for _ in 0..100 {
        measured.push(perf.measure(&client, target, Amount::NONE, Amount::Bytes(1), |_| {}).await.is_ok());
        if measured.last() == Some(&true) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(measured.first(), Some(&false), "one too many");
    assert_eq!(measured.last(), Some(&true), "streams on which nothing moves are reset");
}
