//! Every security protocol, with what it promises, every type of identity, and every crypto provider.

use peerwork_core::crypto::CryptoProvider;
use peerwork_core::identity::Keypair;
use peerwork_core::security::noise::Noise;
use peerwork_core::security::plaintext::Plaintext;
use peerwork_core::security::secio::Secio;
use peerwork_core::security::tls::Tls;
use peerwork_core::security::{Role, SecurityProtocol};
use peerwork_tests::compliance::SecuritySuite;
use peerwork_tests::compliance::security::Protection;
use peerwork_tests::recipe::{CRYPTOS, Crypto};
use peerwork_tests::security_compliance;
use peerwork_tests::toy::aead::ToyAead;
use std::sync::Arc;

/// The RSA key of the test vectors in the libp2p specifications.
const RSA_KEY: &[u8] = include_bytes!("rsa_key.pb");

/// With every provider, `first` before the others.
fn suite(protocol: impl SecurityProtocol, first: Crypto) -> SecuritySuite {
    let others = CRYPTOS.iter().filter(|crypto| **crypto != first);
    let providers = [&first].into_iter().chain(others).map(|crypto| crypto.provider());
    let providers: Vec<Arc<dyn CryptoProvider>> = providers.collect();
    let rsa = Keypair::from_protobuf(RSA_KEY).unwrap();
    SecuritySuite::new(protocol).providers(providers).identity(rsa)
}

/// The record of a ClientHello has a version that is nobody's, 3.1 or 3.3.
fn tls(config: Tls, first: Crypto) -> SecuritySuite {
    suite(config, first).meaningless_bit(Role::Listener, 2, 0x02)
}

security_compliance!(tls, tls(Tls::default(), Crypto::Portable));
security_compliance!(tls_chacha, tls(Tls { prefer_aes: false }, Crypto::Portable));
#[cfg(feature = "aws-lc")]
security_compliance!(tls_fast, tls(Tls::default(), Crypto::Fast));
security_compliance!(noise, suite(Noise, Crypto::Portable));
#[cfg(feature = "aws-lc")]
security_compliance!(noise_fast, suite(Noise, Crypto::Fast));
security_compliance!(secio, suite(Secio::default(), Crypto::Portable).protects(Protection::Frames));
#[cfg(feature = "aws-lc")]
security_compliance!(secio_fast, suite(Secio::default(), Crypto::Fast).protects(Protection::Frames));
security_compliance!(plaintext, suite(Plaintext, Crypto::Portable).protects(Protection::Nothing));
security_compliance!(toy, suite(ToyAead, Crypto::Portable));
