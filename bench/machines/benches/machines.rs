//! What the machines cost alone, without sockets or a driver: two of them in memory, and what one appends is the other's input.

#![allow(missing_docs, reason = "criterion's macros make functions without any")]
#![allow(clippy::unwrap_used, reason = "a benchmark that panics has failed")]

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use peerwork_core::crypto;
use peerwork_core::identity::Keypair;
use peerwork_core::machine::Layer;
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::muxer::yamux::Yamux;
use peerwork_core::muxer::{MuxerProtocol, StreamsEvent};
use peerwork_core::negotiation::{Dialer, Listener, ProtocolId};
use peerwork_core::security::noise::Noise;
use peerwork_core::security::plaintext::Plaintext;
use peerwork_core::security::secio::Secio;
use peerwork_core::security::tls::Tls;
use peerwork_core::security::{Channel, HandshakeSetup, Opened, Role, Secured, SecurityProtocol};
use peerwork_core::seed::Seed;
use peerwork_core::time::Instant;
use smallvec::smallvec;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const NOW: Instant = Instant::ORIGIN;

/// As much as the connection gives a channel at a time, and as little as a small message.
const PAYLOADS: [usize; 2] = [32, 16 * 1024];

criterion_group!(machines, negotiation, handshakes, channels, muxers);
criterion_main!(machines);

fn negotiation(criterion: &mut Criterion) {
    let id = ProtocolId::from_static("/bench/1");
    let supported: Arc<[ProtocolId]> = Arc::new([id.clone()]);
    criterion.bench_function("negotiation, both ends", |bencher| {
        bencher.iter(|| {
            let mut dialer = Dialer::new(smallvec![id.clone()], NOW);
            let mut listener = Listener::new(supported.clone(), NOW);
            talk(&mut dialer, &mut listener);
            black_box((dialer.poll_event().unwrap(), listener.poll_event().unwrap()))
        });
    });
}

fn securities() -> [(&'static str, Box<dyn SecurityProtocol>); 4] {
    [
        ("noise", Box::new(Noise)),
        ("tls", Box::new(Tls::default())),
        ("secio", Box::new(Secio::default())),
        ("plaintext", Box::new(Plaintext)),
    ]
}

fn handshakes(criterion: &mut Criterion) {
    for (name, protocol) in securities() {
        criterion.bench_function(&format!("handshake, {name}, both ends"), |bencher| {
            bencher.iter_batched(
                setups,
                |setups| black_box(secure(&*protocol, setups)),
                BatchSize::SmallInput,
            );
        });
    }
}

fn channels(criterion: &mut Criterion) {
    for (name, protocol) in securities() {
        let [dialer, listener] = secure(&*protocol, setups());
        let (mut sender, mut receiver) = (dialer.channel, listener.channel);
        let mut group = criterion.benchmark_group(format!("seal and open, {name}"));
        for size in PAYLOADS {
            group.throughput(Throughput::Bytes(size as u64));
            let (mut wire, payload) = (BytesMut::new(), vec![0x5a; size.min(sender.max_plaintext())]);
            group.bench_function(format!("{size} bytes"), |bencher| {
                bencher.iter(|| carry(&mut *sender, &mut *receiver, &payload, &mut wire));
            });
        }
    }
}

fn muxers(criterion: &mut Criterion) {
    let protocols: [(&str, Box<dyn MuxerProtocol>); 2] =
        [("yamux", Box::new(Yamux::default())), ("mplex", Box::new(Mplex::default()))];
    for (name, protocol) in protocols {
        let mut dialer = protocol.start(Role::Dialer, NOW);
        let mut listener = protocol.start(Role::Listener, NOW);
        let ours = dialer.open_stream(NOW).unwrap();
        talk(&mut *dialer, &mut *listener);
        let Some(StreamsEvent::Opened(theirs)) = listener.poll_event() else {
            panic!("no stream was opened")
        };
        let mut group = criterion.benchmark_group(format!("write and read, {name}"));
        for size in PAYLOADS {
            group.throughput(Throughput::Bytes(size as u64));
            let (mut wire, payload) = (BytesMut::new(), vec![0x5a; size]);
            group.bench_function(format!("{size} bytes"), |bencher| {
                bencher.iter(|| {
                    assert_eq!(dialer.write(ours, &payload, &mut wire, 2 * size + 64, NOW), Ok(size));
                    listener.handle_input(&mut wire, NOW).unwrap();
                    while let Ok(read) = listener.read(theirs, usize::MAX, NOW) {
                        black_box(read);
                    }
                    // What it costs to give and take credit is part of it.
                    talk(&mut *listener, &mut *dialer);
                    while listener.poll_event().or_else(|| dialer.poll_event()).is_some() {}
                });
            });
        }
    }
}

/// Two ends that accept each other.
fn setups() -> [HandshakeSetup; 2] {
    [(Role::Dialer, 1), (Role::Listener, 2)].map(|(role, secret)| HandshakeSetup {
        role,
        keypair: Arc::new(Keypair::ed25519_from_secret(&[secret; 32])),
        expected_peer: None,
        crypto: crypto::default_provider(),
        muxers: Arc::new([]),
        wall_clock: Some(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)),
        seed: Seed::reproducible(secret.into()),
    })
}

fn secure(protocol: &dyn SecurityProtocol, setups: [HandshakeSetup; 2]) -> [Secured; 2] {
    let [mut dialer, mut listener] = setups.map(|setup| protocol.start(setup, NOW));
    talk(&mut *dialer, &mut *listener);
    [dialer, listener].map(|mut end| end.poll_event().unwrap())
}

/// Carries bytes both ways until there are none.
fn talk<A: Layer + ?Sized, B: Layer + ?Sized>(a: &mut A, b: &mut B) {
    let mut wires = [BytesMut::new(), BytesMut::new()];
    loop {
        let sent =
            a.poll_transmit(&mut wires[0], usize::MAX, NOW) + b.poll_transmit(&mut wires[1], usize::MAX, NOW);
        if sent == 0 {
            return;
        }
        assert!(b.handle_input(&mut wires[0], NOW).is_ok() && a.handle_input(&mut wires[1], NOW).is_ok());
    }
}

/// Seals and opens one frame.
fn carry(sender: &mut dyn Channel, receiver: &mut dyn Channel, payload: &[u8], wire: &mut BytesMut) {
    wire.resize(sender.headroom(), 0);
    wire.extend_from_slice(payload);
    sender.seal(wire, 0).unwrap();
    let Ok(Opened::Plain(plain)) = receiver.open(wire) else { panic!("a frame is not what was sealed") };
    black_box(plain);
    wire.clear();
}
