//! Two nodes, each in a loop on mio; hundreds of connections between them, and an echo on each.

#![allow(clippy::print_stdout, reason = "it is all that the program does")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has failed"))]

use peerwork_core::node::{LocalOutput, NodeBuilder};
use peerwork_core::swarm::{DialOptions, SwarmEvent};
use peerwork_examples::echo::{Caller, ECHO, Echo};
use peerwork_examples::loops::{build, mio::MioNode};
use std::error::Error;
use std::time::Duration;

fn echoes(connections: usize) -> Result<usize, Box<dyn Error>> {
    // By default a peer may have a few connections only.
    let many =
        || NodeBuilder::new().configure(|config| config.swarm.limits.max_connections_per_peer = usize::MAX);
    let (mut alice, mut bob) = (MioNode::new(build(many())?)?, MioNode::new(build(many())?)?);
    let (mut caller, mut echo) = (Caller::new(*b"hello"), Echo::default());
    let now = bob.now();
    bob.node().handle_protocol(ECHO, now);
    bob.node().listen("/ip4/127.0.0.1/tcp/0".parse()?, now);
    while caller.echoes < connections {
        // A program with one node has one `turn`, and no limit to how long it sleeps.
        bob.turn(Some(Duration::from_millis(1)))?;
        while let Some(output) = bob.poll_output() {
            let now = bob.now();
            echo.handle(bob.node(), &output, now);
            if let LocalOutput::Event(SwarmEvent::Listening { address, .. }) = output {
                for _ in 0..connections {
                    let now = alice.now();
                    alice.node().dial_with(address.clone(), DialOptions::always(), now);
                }
            }
        }
        alice.turn(Some(Duration::from_millis(1)))?;
        while let Some(output) = alice.poll_output() {
            let now = alice.now();
            caller.handle(alice.node(), &output, now);
            if let LocalOutput::Event(SwarmEvent::DialFailed { error, .. }) = output {
                return Err(error.into());
            }
        }
    }
    Ok(alice.node().connection_count())
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("an echo on each of {} connections", echoes(300)?);
    Ok(())
}

#[test]
fn there_is_an_echo_on_each_of_300_connections() {
    assert_eq!(echoes(300).unwrap(), 300);
}
