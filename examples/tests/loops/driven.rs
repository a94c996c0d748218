//! The three loops behind one face.

use peerwork_core::address::Multiaddr;
use peerwork_core::node::{LocalNode, LocalOutput, NodeBuilder};
use peerwork_core::protocols::Protocols;
use peerwork_core::swarm::SwarmEvent;
use peerwork_core::time::Instant;
use peerwork_examples::loops::build;
use peerwork_examples::loops::frames::FrameNode;
use peerwork_examples::loops::mio::MioNode;
use peerwork_examples::loops::threads::ThreadNode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

pub(crate) type Node = LocalNode<()>;
pub(crate) type Output = LocalOutput<<() as Protocols>::Event>;
type Application = Box<dyn FnMut(&mut Node, &Output, Instant) + Send>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Threads,
    Mio,
    Frames,
}

pub(crate) const KINDS: [Kind; 3] = [Kind::Threads, Kind::Mio, Kind::Frames];

enum Loop {
    Threads(ThreadNode),
    Mio(MioNode, Application),
    Frames(FrameNode, Application),
}

/// A node in one of the loops, with an application that takes its outputs.
pub(crate) struct Driven {
    driver: Loop,
    seen: Receiver<Output>,
    outputs: Vec<Output>,
}

impl Driven {
    pub(crate) fn start(
        kind: Kind,
        mut application: impl FnMut(&mut Node, &Output, Instant) + Send + 'static,
    ) -> Self {
        let node = build(NodeBuilder::new()).unwrap();
        let (see, seen): (Sender<Output>, _) = channel();
        let mut application: Application = Box::new(move |node, output, now| {
            application(node, output, now);
            see.send(output.clone()).unwrap_or_default();
        });
        let driver = match kind {
            Kind::Threads => {
                let application = move |node: &mut Node, output, now| application(node, &output, now);
                Loop::Threads(ThreadNode::start(node, application).unwrap())
            }
            Kind::Mio => Loop::Mio(MioNode::new(node).unwrap(), application),
            Kind::Frames => Loop::Frames(FrameNode::new(node), application),
        };
        Self { driver, seen, outputs: Vec::new() }
    }

    /// Lets it run for a millisecond or so.
    pub(crate) fn advance(&mut self) {
        let pause = Duration::from_millis(1);
        match &mut self.driver {
            Loop::Threads(_) => std::thread::sleep(pause),
            Loop::Mio(mio, application) => {
                mio.turn(Some(pause)).unwrap();
                while let Some(output) = mio.poll_output() {
                    let now = mio.now();
                    application(mio.node(), &output, now);
                }
            }
            Loop::Frames(frames, application) => {
                frames.frame(pause);
                while let Some(output) = frames.poll_output() {
                    let now = frames.now();
                    application(frames.node(), &output, now);
                }
            }
        }
        self.outputs.extend(self.seen.try_iter());
    }

    /// Calls something with the node.
    pub(crate) fn command<T: Send + 'static>(
        &mut self,
        command: impl FnOnce(&mut Node, Instant) -> T + Send + 'static,
    ) -> T {
        match &mut self.driver {
            Loop::Threads(threads) => threads.call(command).unwrap(),
            Loop::Mio(mio, _) => {
                let now = mio.now();
                command(mio.node(), now)
            }
            Loop::Frames(frames, _) => {
                let now = frames.now();
                command(frames.node(), now)
            }
        }
    }

    /// Whether there was such an output.
    pub(crate) fn saw(&self, what: impl Fn(&Output) -> bool) -> bool {
        self.outputs.iter().any(what)
    }

    /// Waits for an output. What came before it is forgotten.
    pub(crate) fn wait_for<T>(&mut self, what: &str, find: impl Fn(&Output) -> Option<T>) -> T {
        let end = std::time::Instant::now() + Duration::from_secs(20);
        loop {
            let found = self.outputs.iter().position(|output| find(output).is_some());
            if let Some(index) = found {
                let found = self.outputs.drain(..=index).next_back();
                return found.as_ref().and_then(&find).unwrap();
            }
            assert!(std::time::Instant::now() < end, "{what} does not come: {:?}", self.outputs);
            self.advance();
        }
    }

    /// Listens at a port that the system chooses.
    pub(crate) fn listen(&mut self) -> Multiaddr {
        let anywhere = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
        self.command(|node, now| node.listen(anywhere, now));
        self.wait_for("an address", |output| match output {
            LocalOutput::Event(SwarmEvent::Listening { address, .. }) => Some(address.clone()),
            _ => None,
        })
    }
}

/// Lets all of them run until something is so.
pub(crate) fn until(
    what: &str,
    nodes: &mut [&mut Driven],
    mut is_so: impl FnMut(&mut [&mut Driven]) -> bool,
) {
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while !is_so(nodes) {
        assert!(std::time::Instant::now() < end, "{what}: it does not come to that");
        for node in nodes.iter_mut() {
            node.advance();
        }
    }
}
