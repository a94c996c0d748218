//! Two nodes in a game: each gets two milliseconds of every frame.

#![allow(clippy::print_stdout, reason = "it is all that the program does")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has failed"))]

use peerwork_core::node::{LocalOutput, NodeBuilder};
use peerwork_core::swarm::SwarmEvent;
use peerwork_examples::echo::{Caller, ECHO, Echo};
use peerwork_examples::loops::{build, frames::FrameNode};
use std::error::Error;
use std::time::{Duration, Instant};

const FRAME: Duration = Duration::from_micros(16_667);

const BUDGET: Duration = Duration::from_millis(2);

/// Plays until the echo is back. Returns how many frames that took.
fn play(message: Vec<u8>) -> Result<usize, Box<dyn Error>> {
    let (mut alice, mut bob) =
        (FrameNode::new(build(NodeBuilder::new())?), FrameNode::new(build(NodeBuilder::new())?));
    let (mut caller, mut echo, mut frames) = (Caller::new(message), Echo::default(), 0);
    let now = bob.now();
    bob.node().handle_protocol(ECHO, now);
    bob.node().listen("/ip4/127.0.0.1/tcp/0".parse()?, now);
    while caller.echoes == 0 {
        let start = Instant::now();
        bob.frame(BUDGET);
        while let Some(output) = bob.poll_output() {
            let now = bob.now();
            echo.handle(bob.node(), &output, now);
            if let LocalOutput::Event(SwarmEvent::Listening { address, .. }) = output {
                let now = alice.now();
                alice.node().dial(address, now);
            }
        }
        alice.frame(BUDGET);
        while let Some(output) = alice.poll_output() {
            let now = alice.now();
            caller.handle(alice.node(), &output, now);
        }
        // Here the game draws its picture and waits for the screen.
        frames += 1;
        std::thread::sleep(FRAME.saturating_sub(start.elapsed()));
    }
    Ok(frames)
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("the echo of 100 kilobytes was back after {} frames", play(vec![7; 100_000])?);
    Ok(())
}

#[test]
fn the_echo_comes_back() {
    assert!(play(vec![7; 100_000]).unwrap() > 1);
}
