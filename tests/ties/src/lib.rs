//! Two nodes live their lives in memory and in virtual time, with core alone: what a program looks like that is tied to nothing.
//!
//! `tests/` beside this crate reads the symbols of what is built from it.

mod pair;
#[cfg(feature = "twins")]
pub mod twins;

use pair::{Event, Pair};
use peerwork_core::identity::Keypair;
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::node::NodeBuilder;
use peerwork_core::security::pnet::PreSharedKey;
use peerwork_core::security::secio::Secio;
use peerwork_core::seed::Seed;
use std::error::Error;
use std::time::Duration;

/// How long the nodes are left alone, so that their timers run: longer than a connection may be idle.
const IDLE: Duration = Duration::from_secs(120);

/// Tells the story with what a node uses that was told nothing, then with what must be asked for.
///
/// # Errors
/// A node is not built, or what happens is not what the story says.
#[inline(never)]
pub fn story() -> Result<(), Box<dyn Error>> {
    tell(|_| NodeBuilder::new())?;
    let key = PreSharedKey::from_secret(&[7; 32]);
    tell(|seed| {
        let builder = NodeBuilder::new().security(Secio::default()).muxer(Mplex::default());
        builder.private_network(key.clone()).identity(Keypair::generate_secp256k1(seed))
    })
}

/// Two nodes meet, tell what they are, ping, echo, are left alone, meet again and shut down.
fn tell(builder: impl Fn(&mut Seed) -> NodeBuilder) -> Result<(), Box<dyn Error>> {
    let mut pair = Pair::new(builder)?;
    pair.listen()?;
    pair.expect(&[Event::Listening(1)])?;
    pair.dial()?;
    pair.expect(&[Event::Connected(0), Event::Connected(1), Event::Identified(0), Event::Identified(1)])?;
    pair.ping()?;
    pair.expect(&[Event::Pong])?;
    pair.echo()?;
    pair.expect(&[Event::Echoed])?;
    pair.pass(IDLE)?;
    pair.expect(&[Event::Disconnected(0), Event::Disconnected(1)])?;
    pair.dial()?;
    pair.expect(&[Event::Connected(0), Event::Connected(1), Event::Identified(0), Event::Identified(1)])?;
    pair.shut_down()?;
    pair.expect(&[Event::Disconnected(0), Event::Disconnected(1), Event::ShutDown(0), Event::ShutDown(1)])
}

#[test]
fn the_story_is_told() -> Result<(), Box<dyn Error>> {
    story()
}
