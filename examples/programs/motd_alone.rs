//! The same two nodes with no runtime at all: no task, no socket, no clock. The wires between them are buffers.

#![allow(clippy::print_stdout, reason = "it is all that the program does")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has failed"))]

use bytes::BytesMut;
use peerwork_core::address::Multiaddr;
use peerwork_core::node::{BuildError, LocalNode, LocalOutput, NodeBuilder, NodeCommand, NodeEvent};
use peerwork_core::protocols::RequestId;
use peerwork_core::seed::Seed;
use peerwork_core::swarm::{SwarmEvent, SwarmInput};
use peerwork_core::time::Instant;
use peerwork_examples::motd::Motd;
use std::error::Error;

/// Whatever your clock says. Nothing here takes time.
const NOW: Instant = Instant::ORIGIN;

fn build(message: &'static str, seed: u64) -> Result<LocalNode<Motd>, BuildError> {
    let builder = NodeBuilder::new().protocols(Motd::new(message));
    builder.build_local(Seed::reproducible(seed), NOW)
}

fn ask() -> Result<String, Box<dyn Error>> {
    let (alice, bob) = (0, 1);
    let mut nodes = [build("", 1)?, build("today is a good day", 2)?];
    let listener = nodes[bob].listen("/ip4/10.0.0.2/tcp/4001".parse()?, NOW);
    nodes[alice].dial("/ip4/10.0.0.2/tcp/4001".parse::<Multiaddr>()?, NOW);
    // Each node has its own id for the connection, and a wire that leads to it.
    let mut ends = [None, None];
    let mut wires = [BytesMut::new(), BytesMut::new()];

    while let Some((me, output)) = (0..2).find_map(|me| Some((me, nodes[me].poll_output()?))) {
        let other = 1 - me;
        match output {
            LocalOutput::Listen { listener, address } => {
                nodes[me].handle_input(SwarmInput::Listening { listener, address }, NOW);
            }
            LocalOutput::Dial { connection, address: remote_address } => {
                nodes[me].handle_input(SwarmInput::Dialed { connection, remote_address }, NOW);
                let accepted = nodes[bob].handle_incoming(listener, "/ip4/10.0.0.1/tcp/50000".parse()?, NOW);
                ends = [Some(connection), Some(accepted)];
            }
            LocalOutput::Drive { connection } => {
                while let Some(remote) = ends[other]
                    && nodes[me].poll_transmit(connection, &mut wires[other], 4096, NOW) > 0
                {
                    nodes[other].handle_bytes(remote, &mut wires[other], NOW);
                }
            }
            LocalOutput::Event(SwarmEvent::Connected { peer, .. }) if me == alice => {
                let command = NodeCommand::Protocol((RequestId(1), peer));
                nodes[me].handle_input(SwarmInput::Command(command), NOW);
            }
            LocalOutput::Protocol(NodeEvent::Protocol((RequestId(1), said))) => {
                let said = said.ok_or("bob says nothing")?;
                return Ok(String::from_utf8(said.into())?);
            }
            _ => {}
        }
    }
    Err("nothing is left to do".into())
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("bob says: {}", ask()?);
    Ok(())
}

#[test]
fn bob_says_it() {
    assert_eq!(ask().unwrap(), "today is a good day");
}
