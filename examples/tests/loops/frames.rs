//! A frame does no more than it may, and nobody starves.

use peerwork_core::node::{LocalOutput, NodeBuilder, NodeConfig};
use peerwork_core::swarm::{DialOptions, SwarmEvent};
use peerwork_examples::echo::{Caller, ECHO, Echo};
use peerwork_examples::loops::build;
use peerwork_examples::loops::frames::FrameNode;
use std::time::Duration;

fn start() -> FrameNode {
    let many = |config: &mut NodeConfig| config.swarm.limits.max_connections_per_peer = usize::MAX;
    FrameNode::new(build(NodeBuilder::new().configure(many)).unwrap())
}

/// Without any time a frame is one step; what is not done waits for the next. All get their turn all the same, although one of them
/// says far more than the others.
#[test]
fn a_frame_without_time_is_one_step_and_all_have_their_turn() {
    const CALLERS: usize = 20;
    /// How many frames the first may wait, and the last after it. About half are needed; the flood alone would take many more.
    const PATIENCE: usize = 60 * CALLERS;
    let (mut bob, mut flood, mut alice) = (start(), start(), start());
    let mut echo = Echo::default();
    let (mut flooding, mut caller) = (Caller::new(vec![7; 16 * 1024 * 1024]), Caller::new(vec![7; 100]));
    let now = bob.now();
    bob.node().handle_protocol(ECHO, now);
    bob.node().listen("/ip4/127.0.0.1/tcp/0".parse().unwrap(), now);
    let (mut frames, mut first) = (0, None);
    while caller.echoes < CALLERS {
        frames += 1;
        let waited = frames - first.unwrap_or(0);
        assert!(
            waited < PATIENCE,
            "some starve: {} were served, the first in frame {first:?}",
            caller.echoes
        );
        let frame = bob.frame(Duration::ZERO);
        assert_eq!(frame.steps, 1);
        while let Some(output) = bob.poll_output() {
            let now = bob.now();
            echo.handle(bob.node(), &output, now);
            if let LocalOutput::Event(SwarmEvent::Listening { address, .. }) = output {
                let now = flood.now();
                flood.node().dial(address.clone(), now);
                for _ in 0..CALLERS {
                    let now = alice.now();
                    alice.node().dial_with(address.clone(), DialOptions::always(), now);
                }
            }
        }
        // The flood never ebbs.
        flood.frame(Duration::from_micros(200));
        while let Some(output) = flood.poll_output() {
            let now = flood.now();
            flooding.handle(flood.node(), &output, now);
        }
        // Who calls is never late herself.
        alice.frame(Duration::from_secs(60));
        while let Some(output) = alice.poll_output() {
            let now = alice.now();
            caller.handle(alice.node(), &output, now);
        }
        if first.is_none() && caller.echoes > 0 {
            first = Some(frames);
        }
    }
    assert_eq!(flooding.echoes, 0, "the flood was not over");
}

#[test]
fn a_frame_is_over_when_nothing_is_left() {
    let mut node = start();
    let frame = node.frame(Duration::from_secs(60));
    assert!(frame.done, "{frame:?}");
    let now = node.now();
    node.node().listen("/ip4/127.0.0.1/tcp/0".parse().unwrap(), now);
    let frame = node.frame(Duration::from_secs(60));
    assert!(frame.done && frame.steps > 1, "{frame:?}");
}
