//! Identity keys, and the way from a TCP socket to an authenticated connection with streams.

use crate::options::Options;
use crate::Res;
use libp2p::core::either::EitherOutput;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::{InboundUpgradeExt, OptionalUpgrade, OutboundUpgradeExt, SelectUpgrade, Version};
use libp2p::identity::{rsa, secp256k1, Keypair};
use libp2p::mplex::MplexConfig;
use libp2p::noise::{self, NoiseConfig, X25519Spec};
use libp2p::tcp::TokioTcpConfig;
use libp2p::yamux::YamuxConfig;
use libp2p::{PeerId, Transport};
use libp2p_secio::{Cipher, Digest, KeyAgreement, SecioConfig};
use std::time::Duration;

/// This version of libp2p cannot generate RSA keys, so there is one for the tests (PKCS #8, 2,048 bits).
const RSA_KEY: &[u8] = include_bytes!("../rsa-test-key.der");

/// More than an echo is long: this version grants credit for what has come, read or not, and resets a stream whose buffer is full.
const YAMUX_BUFFER_BYTES: usize = 16 * 1024 * 1024;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);

/// A new key of the type that `--key` names.
pub fn keypair(options: &Options) -> Res<Keypair> {
    Ok(match options.text("key").unwrap_or("ed25519") {
        "ed25519" => Keypair::generate_ed25519(),
        "secp256k1" => Keypair::Secp256k1(secp256k1::Keypair::generate()),
        "rsa" => Keypair::Rsa(rsa::Keypair::from_pkcs8(&mut RSA_KEY.to_vec())?),
        other => return Err(format!("--key does not know {other}").into()),
    })
}

/// How multistream-select negotiates.
pub fn negotiation(options: &Options) -> Version {
    if options.flag("lazy") {
        Version::V1Lazy
    } else {
        Version::V1
    }
}

/// TCP with the protocols of `--security` and `--muxer`. In whatever order they are named, noise is preferred to secio and yamux to mplex.
pub fn transport(keys: &Keypair, options: &Options) -> Res<Boxed<(PeerId, StreamMuxerBox)>> {
    let noise_keys = noise::Keypair::<X25519Spec>::new().into_authentic(keys)?;
    let [has_noise, has_secio] = chosen("security", ["noise", "secio"], options)?;
    let security = SelectUpgrade::new(
        has_noise.upgrade(NoiseConfig::xx(noise_keys).into_authenticated()),
        has_secio.upgrade(secio(keys, options)?),
    );
    let [has_yamux, has_mplex] = chosen("muxer", ["yamux", "mplex"], options)?;
    let muxer = SelectUpgrade::new(has_yamux.upgrade(yamux()), has_mplex.upgrade(MplexConfig::new()));
    Ok(TokioTcpConfig::new()
        .nodelay(true)
        .upgrade(negotiation(options))
        .authenticate(security.map_inbound(peer_first).map_outbound(peer_first))
        .multiplex(muxer)
        .timeout(HANDSHAKE_TIMEOUT)
        .boxed())
}

fn secio(keys: &Keypair, options: &Options) -> Res<SecioConfig> {
    let exchanges = [("p256", KeyAgreement::EcdhP256), ("p384", KeyAgreement::EcdhP384)];
    let ciphers = [("aes128", Cipher::Aes128), ("aes256", Cipher::Aes256), ("twofish", Cipher::TwofishCtr)];
    let digests = [("sha256", Digest::Sha256), ("sha512", Digest::Sha512)];
    let mut secio = SecioConfig::new(keys.clone());
    if let Some(exchanges) = options.list("exchanges", &exchanges)? {
        secio = secio.key_agreements(&exchanges);
    }
    if let Some(ciphers) = options.list("ciphers", &ciphers)? {
        secio = secio.ciphers(&ciphers);
    }
    if let Some(digests) = options.list("digests", &digests)? {
        secio = secio.digests(&digests);
    }
    Ok(secio)
}

fn yamux() -> YamuxConfig {
    let mut yamux = YamuxConfig::default();
    yamux.set_max_buffer_size(YAMUX_BUFFER_BYTES);
    yamux
}

/// Both security protocols give the peer and the encrypted stream.
fn peer_first<P, A, B>(secured: EitherOutput<(P, A), (P, B)>) -> (P, EitherOutput<A, B>) {
    match secured {
        EitherOutput::First((peer, stream)) => (peer, EitherOutput::First(stream)),
        EitherOutput::Second((peer, stream)) => (peer, EitherOutput::Second(stream)),
    }
}

/// Which of two protocols an option names; both when it is not there.
fn chosen(option: &str, names: [&str; 2], options: &Options) -> Res<[Chosen; 2]> {
    let choices = names.map(|name| (name, name));
    let chosen = options.list(option, &choices)?;
    Ok(names.map(|name| Chosen(chosen.as_ref().map_or(true, |chosen| chosen.contains(&name)))))
}

/// Whether a protocol is spoken.
struct Chosen(bool);

impl Chosen {
    fn upgrade<U>(&self, upgrade: U) -> OptionalUpgrade<U> {
        if self.0 {
            OptionalUpgrade::some(upgrade)
        } else {
            OptionalUpgrade::none()
        }
    }
}
