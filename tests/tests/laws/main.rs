//! The law checks on every machine: `cargo test -p peerwork-tests --test laws -- --nocapture` prints the table.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod caller;
mod connection;
mod courier;
mod dialer;
mod greeter;
mod identify;
mod negotiation;
mod node;
mod odd;
mod ping;
mod services;
mod toys;

use connection::Connecting;
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::muxer::yamux::Yamux;
use peerwork_core::security::noise::Noise;
use peerwork_core::security::plaintext::Plaintext;
use peerwork_core::security::secio::Secio;
use peerwork_core::security::tls::Tls;
use peerwork_core::security::{Role, SecurityProtocol};
use peerwork_tests::laws::layer::{self, LayerSubject};
use peerwork_tests::laws::machine::{self, MachineSubject};
use peerwork_tests::laws::muxer::MuxerSubject;
use peerwork_tests::laws::protocol::Mounted;
use peerwork_tests::laws::security::SecuritySubject;
use peerwork_tests::laws::{Cases, Report, Violation, table};
use peerwork_tests::recipe::{CRYPTOS, Crypto, Security};
use peerwork_tests::toy::aead::ToyAead;
use std::sync::Arc;
use std::thread;

type Proof = Box<dyn FnOnce(&Cases) -> Result<Vec<Report>, Violation> + Send>;

fn layer(subject: impl LayerSubject + Send + 'static) -> Proof {
    Box::new(move |cases| layer::prove(&subject, cases))
}

fn machine(subject: impl MachineSubject + Send + 'static) -> Proof {
    Box::new(move |cases| machine::prove(&subject, cases))
}

fn security(protocol: impl SecurityProtocol, crypto: Crypto) -> [Proof; 2] {
    let protocol: Arc<dyn SecurityProtocol> = Arc::new(protocol);
    let side = |role| layer(SecuritySubject::new(Arc::clone(&protocol), crypto.provider(), role));
    [side(Role::Dialer), side(Role::Listener)]
}

fn mplex() -> [Proof; 3] {
    let side = |role| MuxerSubject::new(Arc::new(Mplex::default()), role);
    let small = Mplex {
        max_send_payload_bytes: 100,
        max_stream_buffer_bytes: 64,
        max_connection_buffer_bytes: 200,
        ..Mplex::default()
    };
    let small = MuxerSubject::new(Arc::new(small), Role::Dialer).named("mplex, small buffers");
    [layer(side(Role::Dialer)), layer(side(Role::Listener)), layer(small)]
}

fn yamux() -> [Proof; 3] {
    let side = |role| MuxerSubject::new(Arc::new(Yamux::default()), role);
    let small = Yamux { max_send_payload_bytes: 100, max_connection_buffer_bytes: 200, ..Yamux::default() };
    let small = MuxerSubject::new(Arc::new(small), Role::Listener).named("yamux, small buffers");
    [layer(side(Role::Dialer)), layer(side(Role::Listener)), layer(small)]
}

fn every_machine() -> Vec<Proof> {
    let mut proofs = vec![
        layer(greeter::Greeting),
        machine(courier::Couriers),
        layer(negotiation::Dialing { lazy: false }),
        layer(negotiation::Dialing { lazy: true }),
        layer(negotiation::Listening),
    ];
    proofs.extend(security(Plaintext, Crypto::Portable));
    for &crypto in CRYPTOS {
        proofs.extend(security(Tls::default(), crypto));
        proofs.extend(security(Noise, crypto));
        proofs.extend(security(Secio::default(), crypto));
        proofs.extend(security(ToyAead, crypto));
        for security in [Security::Tls(crypto), Security::Noise(crypto), Security::Secio(crypto)] {
            proofs.extend(
                [Role::Dialer, Role::Listener]
                    .map(|role| layer(Connecting { security, ..Connecting::plain(role) })),
            );
        }
    }
    proofs.extend(mplex());
    proofs.extend(yamux());
    proofs.extend([machine(Mounted(ping::Pinging)), machine(Mounted(identify::Identifying))]);
    proofs.extend([machine(Mounted(toys::Counting)), machine(Mounted(toys::Upgrading))]);
    proofs.push(machine(Mounted(caller::Calling)));
    proofs.extend([machine(Mounted(services::Finding)), machine(Mounted(services::Keeping))]);
    proofs.extend([
        machine(node::Networking),
        machine(dialer::Dialing),
        layer(Connecting::plain(Role::Dialer)),
        layer(Connecting {
            security: Security::Secio(Crypto::Portable),
            lazy: true,
            ..Connecting::plain(Role::Dialer)
        }),
        layer(Connecting {
            security: Security::Noise(Crypto::Portable),
            lazy: true,
            ..Connecting::plain(Role::Dialer)
        }),
        layer(Connecting {
            security: Security::Noise(Crypto::Portable),
            lazy: true,
            ..Connecting::plain(Role::Listener)
        }),
        layer(Connecting { private: true, ..Connecting::plain(Role::Dialer) }),
        layer(Connecting { private: true, ..Connecting::plain(Role::Listener) }),
    ]);
    proofs
}

#[test]
fn every_machine_obeys_the_laws() {
    let cases = Cases::from_env();
    let results: Vec<_> = thread::scope(|scope| {
        let proofs = every_machine().into_iter();
        let running: Vec<_> = proofs.map(|proof| scope.spawn(|| proof(&cases))).collect();
        running.into_iter().map(|proof| proof.join().unwrap()).collect()
    });
    let (mut reports, mut violations) = (Vec::new(), String::new());
    for result in results {
        match result {
            Ok(more) => reports.extend(more),
            Err(violation) => violations += &format!("\n{violation}\n"),
        }
    }
    println!("{}", table(&reports));
    assert!(violations.is_empty(), "{violations}");
}
