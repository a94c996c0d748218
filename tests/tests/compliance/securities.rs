//! Every security protocol, with what it promises.

use peerwork_core::security::plaintext::Plaintext;
use peerwork_core::security::secio::Secio;
use peerwork_tests::compliance::SecuritySuite;
use peerwork_tests::compliance::security::Protection;
use peerwork_tests::security_compliance;
use peerwork_tests::toy::aead::ToyAead;

security_compliance!(secio, SecuritySuite::new(Secio::default()).protects(Protection::Frames));
security_compliance!(plaintext, SecuritySuite::new(Plaintext).protects(Protection::Nothing));
security_compliance!(toy, SecuritySuite::new(ToyAead));
