//! Identity keys, and the way from a TCP socket to an authenticated connection with streams.

use crate::options::Options;
use crate::upgrade::{Multiplex, Muxer, Secure, Security};
use crate::Res;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{tcp, PeerId, Transport};
use std::time::Duration;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);

const SECURITY: [(&str, Security); 3] =
    [("noise", Security::Noise), ("tls", Security::Tls), ("plaintext", Security::Plaintext)];

const MUXERS: [(&str, Muxer); 2] = [("yamux", Muxer::Yamux), ("mplex", Muxer::Mplex)];

/// A new key of the type that `--key` names.
pub fn keypair(options: &Options) -> Res<Keypair> {
    Ok(match options.text("key", "ed25519") {
        "ed25519" => Keypair::generate_ed25519(),
        "secp256k1" => Keypair::generate_secp256k1(),
        "ecdsa" => Keypair::generate_ecdsa(),
        other => return Err(format!("--key does not know {other}").into()),
    })
}

/// TCP with the protocols of `--security` and `--muxer`, the first ones preferred.
pub fn transport(keys: &Keypair, options: &Options) -> Res<Boxed<(PeerId, StreamMuxerBox)>> {
    let security = options.list("security", "noise,tls", &SECURITY)?;
    let muxers = options.list("muxer", "yamux,mplex", &MUXERS)?;
    let version = if options.flag("lazy") { Version::V1Lazy } else { Version::V1 };
    Ok(tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(version)
        .authenticate(Secure { protocols: security, keys: keys.clone() })
        .multiplex(Multiplex { protocols: muxers })
        .timeout(HANDSHAKE_TIMEOUT)
        .boxed())
}
