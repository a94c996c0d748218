//! The handshake: rustls, fed a record at a time.
//!
//! Of what follows the last record of the handshake nothing is taken, so the channel starts exactly there.

use super::channel::TlsChannel;
use super::errors::Offers;
use super::provider::cipher_of;
use super::scope::{Found, Scope};
use super::secrets::RecordKeys;
use super::{ALPN, Tls, certificate, configs, errors, record};
use crate::identity::Keypair;
use crate::negotiation::ProtocolId;
use crate::security::stepwise::{Progress, Step, Stepwise};
use crate::security::{HandshakeSetup, Role, Secured, SecurityError};
use bytes::BytesMut;
use rustls::server::{Accepted, Acceptor, ClientHello};
use rustls::sign::CertifiedKey;
use rustls::{Connection, Error};
use std::io;
use std::sync::Arc;

/// The most bytes of a remote's handshake that are accepted, records and all. With the largest keys that identities and certificates
/// can have, and a key share of a key exchange that we do not even have, 8 KiB would do.
const MAX_HANDSHAKE_BYTES: usize = 32 * 1024;

/// Starts a handshake, with this certificate or one that is made for it. A dialer's begins with its ClientHello; a listener does nothing
/// costly before it has seen one.
pub(super) fn start(
    config: &Tls,
    certificate: Option<CertifiedKey>,
    setup: HandshakeSetup,
) -> Stepwise<TlsStep> {
    let HandshakeSetup { role, keypair, expected_peer, crypto, muxers, wall_clock, seed } = setup;
    let own_key = keypair.public().clone();
    let scope = Box::new(Scope { crypto, seed, own_key, expected_peer, wall_clock, found: Found::default() });
    let local = Local { prefer_aes: config.prefer_aes, keypair, certificate, muxers };
    let room = MAX_HANDSHAKE_BYTES;
    match role {
        Role::Listener => {
            let hello = AwaitHello { local, scope, acceptor: Acceptor::default(), room };
            Stepwise::new(TlsStep::Hello(Box::new(hello)), BytesMut::new())
        }
        Role::Dialer => dial(local, scope, room).unwrap_or_else(Stepwise::failed),
    }
}

fn dial(mut local: Local, mut scope: Box<Scope>, room: usize) -> Result<Stepwise<TlsStep>, SecurityError> {
    let certificate = local.take_certificate(&mut scope)?;
    let mut protocols: Vec<Vec<u8>> = local.muxers.iter().map(|muxer| muxer.as_str().into()).collect();
    protocols.push(ALPN.into());
    let (scope, connection) = scope.run(|| configs::dialer(local.prefer_aes, certificate, protocols));
    let connection = connection.map_err(errors::ours)?.into();
    let mut running = Running { role: Role::Dialer, muxers: local.muxers, scope, connection, room };
    let mut transmit = BytesMut::new();
    running.send(&mut transmit);
    Ok(Stepwise::new(TlsStep::Running(Box::new(running)), transmit))
}

/// What is given on our side.
struct Local {
    prefer_aes: bool,
    keypair: Arc<Keypair>,
    certificate: Option<CertifiedKey>,
    muxers: Arc<[ProtocolId]>,
}

impl Local {
    fn take_certificate(&mut self, scope: &mut Scope) -> Result<CertifiedKey, SecurityError> {
        match self.certificate.take() {
            Some(certificate) => Ok(certificate),
            None => certificate::make(&self.keypair, &scope.crypto, &mut scope.seed),
        }
    }
}

/// What the remote has yet to send.
pub(super) enum TlsStep {
    Hello(Box<AwaitHello>),
    Running(Box<Running>),
}

impl Step for TlsStep {
    fn awaits(&self) -> &'static str {
        match self {
            Self::Hello(_) => "its ClientHello",
            Self::Running(running) => match running.role {
                Role::Dialer => "its ServerHello, certificate and Finished",
                Role::Listener => "its certificate and Finished",
            },
        }
    }

    fn advance(self, input: &mut BytesMut, transmit: &mut BytesMut) -> Result<Progress<Self>, SecurityError> {
        match self {
            Self::Hello(mut step) => match record::split(input, &mut step.room, true)? {
                None => Ok(Progress::NeedMore(Self::Hello(step))),
                Some(record) => step.receive(&record, transmit),
            },
            Self::Running(mut step) => match record::split(input, &mut step.room, false)? {
                None => Ok(Progress::NeedMore(Self::Running(step))),
                Some(record) => step.receive(&record, transmit),
            },
        }
    }
}

/// A listener before the ClientHello: what it offers decides how we are configured.
pub(super) struct AwaitHello {
    local: Local,
    scope: Box<Scope>,
    acceptor: Acceptor,
    /// How many bytes of the remote's handshake may still come.
    room: usize,
}

impl AwaitHello {
    fn receive(self, mut record: &[u8], transmit: &mut BytesMut) -> Result<Progress<TlsStep>, SecurityError> {
        let Self { local, scope, mut acceptor, room } = self;
        let (mut scope, accepted) = scope.run(|| {
            while !record.is_empty() && acceptor.read_tls(&mut record).is_ok_and(|taken| taken > 0) {}
            acceptor.accept()
        });
        match accepted {
            Ok(None) => {
                let hello = Self { local, scope, acceptor, room };
                Ok(Progress::Next(TlsStep::Hello(Box::new(hello))))
            }
            Ok(Some(accepted)) => accept(local, scope, accepted, room, transmit),
            Err((error, mut alert)) => {
                drop(alert.write_all(&mut Sink(transmit)));
                Err(errors::of_peer(error, &mut scope.found, &Offers::default()))
            }
        }
    }
}

/// Answers a ClientHello.
fn accept(
    mut local: Local,
    mut scope: Box<Scope>,
    hello: Accepted,
    room: usize,
    transmit: &mut BytesMut,
) -> Result<Progress<TlsStep>, SecurityError> {
    let protocol = choose_protocol(&local.muxers, &hello.client_hello());
    let offers = Offers::of(&hello.client_hello());
    let certificate = local.take_certificate(&mut scope)?;
    let (mut scope, accepted) = scope.run(|| {
        // Where nothing is in common rustls finds the same.
        let name = match &protocol {
            Ok(Some(muxer)) => muxer.as_str(),
            Ok(None) | Err(_) => ALPN,
        };
        let config = configs::listener(local.prefer_aes, certificate, name);
        config.map(|config| hello.into_connection(config))
    });
    match accepted.map_err(errors::ours)? {
        Ok(connection) => {
            let connection = connection.into();
            let running = Running { role: Role::Listener, muxers: local.muxers, scope, connection, room };
            // There may be more in the record.
            running.receive(&[], transmit)
        }
        Err((error, mut alert)) => {
            drop(alert.write_all(&mut Sink(transmit)));
            Err(protocol.err().unwrap_or_else(|| errors::of_peer(error, &mut scope.found, &offers)))
        }
    }
}

/// The first of the dialer's application protocols that we speak: a muxer, or `None` for libp2p without one.
fn choose_protocol(
    muxers: &[ProtocolId],
    hello: &ClientHello<'_>,
) -> Result<Option<ProtocolId>, SecurityError> {
    let Some(offered) = hello.alpn() else { return Ok(None) };
    let offered: Vec<_> = offered.collect();
    for &protocol in &offered {
        if protocol == ALPN.as_bytes() {
            return Ok(None);
        }
        if let Some(muxer) = find_muxer(muxers, protocol) {
            return Ok(Some(muxer));
        }
    }
    Err(errors::no_common_protocol(muxers, &offered))
}

fn find_muxer(muxers: &[ProtocolId], protocol: &[u8]) -> Option<ProtocolId> {
    muxers.iter().find(|muxer| muxer.as_str().as_bytes() == protocol).cloned()
}

/// A handshake that rustls runs.
pub(super) struct Running {
    role: Role,
    muxers: Arc<[ProtocolId]>,
    scope: Box<Scope>,
    connection: Connection,
    /// How many bytes of the remote's handshake may still come.
    room: usize,
}

impl Running {
    fn receive(self, mut record: &[u8], transmit: &mut BytesMut) -> Result<Progress<TlsStep>, SecurityError> {
        let Self { role, muxers, scope, mut connection, room } = self;
        let (scope, result) = scope.run(|| feed(&mut connection, &mut record));
        let mut running = Self { role, muxers, scope, connection, room };
        running.send(transmit);
        match result {
            Err(error) => Err(errors::of_peer(error, &mut running.scope.found, &Offers::default())),
            Ok(()) if running.connection.is_handshaking() => {
                Ok(Progress::Next(TlsStep::Running(Box::new(running))))
            }
            Ok(()) => running.finish().map(Progress::Done),
        }
    }

    /// Appends what rustls has to send.
    fn send(&mut self, transmit: &mut BytesMut) {
        while self.connection.wants_write() && self.connection.write_tls(&mut Sink(transmit)).is_ok() {}
    }

    fn finish(self) -> Result<Secured, SecurityError> {
        let Self { role, muxers, scope, connection, .. } = self;
        let muxer = connection.alpn_protocol().and_then(|protocol| find_muxer(&muxers, protocol));
        let cipher = connection.negotiated_cipher_suite().and_then(|suite| cipher_of(suite.suite()));
        let Scope { crypto, found, .. } = *scope;
        let Found { identity, dialer_secret, listener_secret, .. } = found;
        let (Some(cipher), Some(public_key), Some(dialer), Some(listener)) =
            (cipher, identity, dialer_secret, listener_secret)
        else {
            return Err(SecurityError::Local("the handshake ended without keys or identity".into()));
        };
        let [dialer, listener] = [dialer, listener].map(|secret| RecordKeys::new(&*crypto, cipher, secret));
        let (outbound, inbound) = match role {
            Role::Dialer => (dialer, listener),
            Role::Listener => (listener, dialer),
        };
        let channel = Box::new(TlsChannel::new(role, crypto, cipher, outbound, inbound));
        Ok(Secured { peer: public_key.to_peer_id(), public_key, channel, muxer, plain: BytesMut::new() })
    }
}

/// Lets rustls take a record, of which it reads a part at a time.
fn feed(connection: &mut Connection, record: &mut &[u8]) -> Result<(), Error> {
    loop {
        let taken = connection.read_tls(record).map_err(|error| Error::General(error.to_string()))?;
        connection.process_new_packets()?;
        if record.is_empty() || taken == 0 {
            return Ok(());
        }
    }
}

/// Where rustls writes to.
struct Sink<'a>(&'a mut BytesMut);

impl io::Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
