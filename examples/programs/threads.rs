//! Two nodes, each with threads that block; one calls the other and hears its echo.

#![allow(clippy::print_stdout, reason = "it is all that the program does")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has failed"))]

use peerwork_core::node::{LocalOutput, NodeBuilder};
use peerwork_core::swarm::SwarmEvent;
use peerwork_examples::echo::{Caller, ECHO, Echo};
use peerwork_examples::loops::{build, threads::ThreadNode};
use std::error::Error;
use std::sync::mpsc::channel;

fn call(message: Vec<u8>) -> Result<usize, Box<dyn Error>> {
    let (mut echo, (listening, addresses)) = (Echo::default(), channel());
    let bob = ThreadNode::start(build(NodeBuilder::new())?, move |node, output, now| {
        echo.handle(node, &output, now);
        if let LocalOutput::Event(SwarmEvent::Listening { address, .. }) = output {
            drop(listening.send(address));
        }
    })?;
    let anywhere = "/ip4/127.0.0.1/tcp/0".parse()?;
    bob.call(|node, now| node.handle_protocol(ECHO, now));
    bob.call(|node, now| node.listen(anywhere, now));
    let (mut caller, (heard, echoes)) = (Caller::new(message), channel());
    let alice = ThreadNode::start(build(NodeBuilder::new())?, move |node, output, now| {
        caller.handle(node, &output, now);
        if caller.echoes > 0 {
            heard.send(caller.echoes).unwrap_or_default();
        }
    })?;
    let address = addresses.recv()?;
    alice.call(|node, now| node.dial(address, now));
    Ok(echoes.recv()?)
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("{} echo of a mebibyte", call(vec![7; 1024 * 1024])?);
    Ok(())
}

#[test]
fn there_is_an_echo() {
    assert_eq!(call(vec![7; 1024 * 1024]).unwrap(), 1);
}
