//! Security protocols.

use super::layers::{Outcome, feed, split_chunk};
use bytes::BytesMut;
use peerwork_core::crypto::Insecure;
use peerwork_core::identity::{Keypair, PeerId};
use peerwork_core::security::plaintext::Plaintext;
use peerwork_core::security::secio::Secio;
use peerwork_core::security::{
    Channel, ChannelError, Handshake, HandshakeSetup, Opened, Role, Secured, SecurityError, SecurityProtocol,
};
use peerwork_core::seed::Seed;
use peerwork_core::time::Instant;
use std::sync::Arc;

/// The largest secio frame, so that the fuzzer reaches the limit.
const MAX_FRAME_BYTES: u32 = 2_048;

/// A remote's Exchange, and what follows it.
pub fn plaintext_exchange(data: &[u8]) {
    handshake(&Plaintext, data);
}

/// A remote's Propose, Exchange and nonce, and the frames that follow.
pub fn secio_handshake(data: &[u8]) {
    handshake(&secio(), data);
}

/// The encrypted frames of a remote: what is opened does not depend on how it is cut, and is never more than was sent.
pub fn secio_frames(data: &[u8]) {
    let (chunk, data) = split_chunk(data);
    let whole = open_all(secio_channel(), data, data.len());
    assert!(whole.0.len() <= data.len());
    assert_eq!(whole, open_all(secio_channel(), data, chunk));
}

fn secio() -> Secio {
    Secio { max_frame_bytes: MAX_FRAME_BYTES, ..Secio::default() }
}

fn start(protocol: &dyn SecurityProtocol, identity: u64) -> Box<dyn Handshake> {
    let mut seed = Seed::reproducible(identity);
    let setup = HandshakeSetup {
        role: Role::Listener,
        keypair: Arc::new(Keypair::generate_ed25519(&mut seed)),
        expected_peer: None,
        crypto: Arc::new(Insecure),
        muxers: Arc::new([]),
        seed,
    };
    protocol.start(setup, Instant::ORIGIN)
}

/// Feeds a handshake, whole and in pieces, and then the channel that it may turn into.
fn handshake(protocol: &dyn SecurityProtocol, data: &[u8]) {
    let (chunk, data) = split_chunk(data);
    let outcome = |chunk| {
        let Outcome { events, rest, sent } = feed(&mut *start(protocol, 1), data, chunk);
        let secured: Vec<_> = events.into_iter().map(|event| continue_in_channel(event, &rest)).collect();
        (secured, sent)
    };
    let whole = outcome(data.len());
    assert_eq!(whole, outcome(chunk));
}

fn continue_in_channel(secured: Secured, rest: &[u8]) -> (PeerId, Opening) {
    assert_eq!(secured.peer, secured.public_key.to_peer_id());
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
fn secio_channel() -> Box<dyn Channel> {
    let (mut ours, mut theirs) = (start(&secio(), 1), start(&secio(), 2));
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
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/secio_handshake");
        let paths = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path());
        let whole = paths.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("whole"));
        let mut count = 0;
        for path in whole {
            let data = fs::read(&path).unwrap();
            let outcome = feed(&mut *start(&secio(), 1), &data[1..], data.len());
            let [secured] = &mut <[_; 1]>::try_from(outcome.events).unwrap();
            assert!(secured.plain.is_empty());
            let opened = secured.channel.open(&mut outcome.rest.clone()).unwrap();
            assert_eq!(opened, Opened::Plain(BytesMut::from("hello")), "{path:?}");
            count += 1;
        }
        assert_eq!(count, 3);
    }
}
