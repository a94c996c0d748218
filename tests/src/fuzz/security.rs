//! Security protocols.

use super::layers::{Outcome, feed, split_chunk};
use bytes::BytesMut;
use peerwork_core::crypto::Insecure;
use peerwork_core::identity::{Keypair, PeerId};
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::security::noise::Noise;
use peerwork_core::security::plaintext::Plaintext;
use peerwork_core::security::secio::Secio;
use peerwork_core::security::tls::Tls;
use peerwork_core::security::{
    Channel, ChannelError, Handshake, HandshakeSetup, Opened, Role, Secured, SecurityError, SecurityProtocol,
};
use peerwork_core::seed::Seed;
use peerwork_core::time::Instant;
use std::sync::Arc;

/// The largest secio frame, so that the fuzzer reaches the limit.
const MAX_FRAME_BYTES: u32 = 2_048;

/// The muxers that a handshake may agree on.
const MUXERS: [ProtocolId; 2] =
    [ProtocolId::from_static("/yamux/1.0.0"), ProtocolId::from_static("/mplex/6.7.0")];

/// A remote's Exchange, and what follows it.
pub fn plaintext_exchange(data: &[u8]) {
    handshake(&Plaintext, Role::Listener, data);
}

/// A remote's Propose, Exchange and nonce, and the frames that follow.
pub fn secio_handshake(data: &[u8]) {
    handshake(&secio(), Role::Listener, data);
}

/// A remote's messages in either role, and the frames that follow.
pub fn noise_handshake(data: &[u8]) {
    handshake(&Noise, Role::Listener, data);
    handshake(&Noise, Role::Dialer, data);
}

/// A remote's records in either role, and those that follow.
pub fn tls_handshake(data: &[u8]) {
    handshake(&Tls::default(), Role::Listener, data);
    handshake(&Tls::default(), Role::Dialer, data);
}

/// A remote's certificate, in a handshake that is fine but for that.
pub fn tls_certificate(data: &[u8]) {
    let outcome = feed(&mut *start(&Tls::default(), Role::Listener), &with_certificate(data), usize::MAX);
    for secured in outcome.events {
        assert_eq!(secured.peer, secured.public_key.to_peer_id());
    }
}

/// The encrypted frames of a remote: what is opened does not depend on how it is cut, and is never more than was sent.
pub fn secio_frames(data: &[u8]) {
    frames(&secio(), data);
}

/// The same for noise.
pub fn noise_frames(data: &[u8]) {
    frames(&Noise, data);
}

/// The same for TLS.
pub fn tls_records(data: &[u8]) {
    frames(&Tls::default(), data);
}

/// What a dialer with this certificate sends where nothing is encrypted and every signature and code holds.
fn with_certificate(certificate: &[u8]) -> BytesMut {
    const CERTIFICATE: u8 = 11;
    const CERTIFICATE_VERIFY: u8 = 15;
    const FINISHED: u8 = 20;
    let message = |kind: u8, body: &[u8]| [&[kind][..], &u24(body.len()), body].concat();
    // No context; a list of one certificate without extensions.
    let entry = [&u24(certificate.len()), certificate, &[0, 0]].concat();
    let list = [&[0][..], &u24(entry.len()), &entry].concat();
    let messages = [
        message(CERTIFICATE, &list),
        // ECDSA on P-256 with SHA-256; a signature of one byte.
        message(CERTIFICATE_VERIFY, &[4, 3, 0, 1, 0]),
        message(FINISHED, &[0; 32]),
    ];
    let mut out = BytesMut::new();
    start(&Tls::default(), Role::Dialer).poll_transmit(&mut out, usize::MAX, Instant::ORIGIN);
    for part in messages.concat().chunks(16 * 1024) {
        // The type of the content, and a tag.
        let body = [part, &[22], &[0; 16]].concat();
        out.extend_from_slice(&[23, 3, 3]);
        out.extend_from_slice(&(body.len() as u16).to_be_bytes());
        out.extend_from_slice(&body);
    }
    out
}

fn u24(len: usize) -> [u8; 3] {
    let [_, bytes @ ..] = (len as u32).to_be_bytes();
    bytes
}

fn frames(protocol: &dyn SecurityProtocol, data: &[u8]) {
    let (chunk, data) = split_chunk(data);
    let whole = open_all(channel(protocol), data, data.len());
    assert!(whole.0.len() <= data.len());
    assert_eq!(whole, open_all(channel(protocol), data, chunk));
}

fn secio() -> Secio {
    Secio { max_frame_bytes: MAX_FRAME_BYTES, ..Secio::default() }
}

fn start(protocol: &dyn SecurityProtocol, role: Role) -> Box<dyn Handshake> {
    let mut seed = Seed::reproducible(role as u64);
    let setup = HandshakeSetup {
        role,
        keypair: Arc::new(Keypair::generate_ed25519(&mut seed)),
        expected_peer: None,
        crypto: Arc::new(Insecure),
        muxers: Arc::new(MUXERS),
        wall_clock: None,
        seed,
    };
    protocol.start(setup, Instant::ORIGIN)
}

/// Feeds a handshake, whole and in pieces, and then the channel that it may turn into.
fn handshake(protocol: &dyn SecurityProtocol, role: Role, data: &[u8]) {
    let (chunk, data) = split_chunk(data);
    let outcome = |chunk| {
        let Outcome { events, rest, sent } = feed(&mut *start(protocol, role), data, chunk);
        let secured: Vec<_> = events.into_iter().map(|event| continue_in_channel(event, &rest)).collect();
        (secured, sent)
    };
    let whole = outcome(data.len());
    assert_eq!(whole, outcome(chunk));
}

fn continue_in_channel(secured: Secured, rest: &[u8]) -> (PeerId, Opening) {
    assert_eq!(secured.peer, secured.public_key.to_peer_id());
    assert!(secured.muxer.is_none_or(|muxer| MUXERS.contains(&muxer)));
    let (opened, end) = open_all(secured.channel, rest, rest.len());
    let mut plain = secured.plain;
    plain.unsplit(opened);
    (secured.peer, (plain, end))
}

/// The plaintext of all frames, and the error that ended it.
type Opening = (BytesMut, Result<(), ChannelError>);

fn open_all(mut channel: Box<dyn Channel>, data: &[u8], chunk: usize) -> Opening {
    let (mut input, mut plain) = (BytesMut::new(), BytesMut::new());
    for piece in data.chunks(chunk.max(1)) {
        input.extend_from_slice(piece);
        loop {
            match channel.open(&mut input) {
                Ok(Opened::Plain(bytes)) => plain.unsplit(bytes),
                Ok(Opened::NeedMore) => break,
                Ok(Opened::Closed) => return (plain, Ok(())),
                Err(error) => {
                    assert_eq!(channel.open(&mut input), Err(error.clone()), "dead means dead");
                    return (plain, Err(error));
                }
            }
        }
    }
    (plain, Ok(()))
}

/// The channel of a handshake between two nodes of ours.
fn channel(protocol: &dyn SecurityProtocol) -> Box<dyn Channel> {
    let (mut ours, mut theirs) = (start(protocol, Role::Listener), start(protocol, Role::Dialer));
    let mut pipe = [BytesMut::new(), BytesMut::new()];
    loop {
        exchange(&mut *ours, &mut pipe).expect("a handshake with ourselves succeeds");
        if let Some(secured) = ours.poll_event() {
            return secured.channel;
        }
        pipe.reverse();
        exchange(&mut *theirs, &mut pipe).expect("a handshake with ourselves succeeds");
        pipe.reverse();
    }
}

fn exchange(node: &mut dyn Handshake, [input, output]: &mut [BytesMut; 2]) -> Result<(), SecurityError> {
    node.handle_input(input, Instant::ORIGIN)?;
    node.poll_transmit(output, usize::MAX, Instant::ORIGIN);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// So that the fuzzer need not find a handshake by itself.
    #[test]
    fn whole_handshakes_of_the_corpus_reach_the_channel() {
        assert_eq!(whole_handshakes("secio_handshake", &secio(), Role::Listener, "whole"), 3);
        assert_eq!(whole_handshakes("noise_handshake", &Noise, Role::Listener, "whole"), 3);
        assert_eq!(whole_handshakes("noise_handshake", &Noise, Role::Dialer, "answer"), 2);
        assert_eq!(whole_handshakes("tls_handshake", &Tls::default(), Role::Listener, "whole"), 1);
    }

    /// How many inputs of a corpus, of those whose names start so, end in a channel that opens a frame.
    fn whole_handshakes(target: &str, protocol: &dyn SecurityProtocol, role: Role, prefix: &str) -> usize {
        let corpus = format!("{}/../fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
        let paths = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path());
        let whole = paths.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix));
        let mut count = 0;
        for path in whole {
            let data = fs::read(&path).unwrap();
            let outcome = feed(&mut *start(protocol, role), &data[1..], data.len());
            let [secured] = &mut <[_; 1]>::try_from(outcome.events).unwrap();
            assert!(secured.plain.is_empty());
            let opened = secured.channel.open(&mut outcome.rest.clone()).unwrap();
            assert_eq!(opened, Opened::Plain(BytesMut::from("hello")), "{path:?}");
            count += 1;
        }
        count
    }

    /// Signatures always hold here, so the specification's invalid certificate is fine too.
    #[test]
    fn whole_certificates_of_the_corpus_are_accepted() {
        let corpus = format!("{}/../fuzz/corpus/tls_certificate", env!("CARGO_MANIFEST_DIR"));
        for name in ["spec_1", "spec_2", "spec_3", "spec_4"] {
            let bytes = with_certificate(&fs::read(format!("{corpus}/{name}")).unwrap());
            let outcome = feed(&mut *start(&Tls::default(), Role::Listener), &bytes, usize::MAX);
            assert_eq!(outcome.events.len(), 1, "{name}: {:?}", outcome.sent);
        }
    }
}
