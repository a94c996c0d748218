//! Every protocol, described as for the laws.

#[path = "../laws/identify.rs"]
mod identify;
#[path = "../laws/ping.rs"]
mod ping;
#[path = "../laws/toys.rs"]
pub(crate) mod toys;

use peerwork_tests::compliance::ProtocolSuite;
use peerwork_tests::protocol_compliance;

protocol_compliance!(pings, ProtocolSuite::new(ping::Pinging));
protocol_compliance!(identifies, ProtocolSuite::new(identify::Identifying));
protocol_compliance!(counts, ProtocolSuite::new(toys::Counting));
protocol_compliance!(upgrades, ProtocolSuite::new(toys::Upgrading));
