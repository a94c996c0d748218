//! `peerwork demo`: two nodes meet, explained step by step.

use super::echo::echo;
use super::identify::Identity;
use super::ping::{Pings, ping};
use crate::args::{NodeOptions, Security};
use crate::failure::{Failure, failed};
use crate::node;
use crate::output::{Output, Palette, Report, milliseconds};
use crate::signal::unless_stopped;
use futures_util::StreamExt;
use peerwork_tokio::core::address::{Multiaddr, Protocol};
use peerwork_tokio::core::negotiation::ProtocolId;
use peerwork_tokio::core::swarm::SwarmEvent;
use peerwork_tokio::{Event, Events, Node};
use serde::Serialize;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::time::Instant;

/// How many round trips are measured.
const PINGS: u32 = 5;

/// How many bytes are echoed: enough to see a throughput, and done in a few seconds without optimisation too.
const ECHO_BYTES: u64 = 16 * 1024 * 1024;

/// Runs the demonstration.
///
/// # Errors
/// A step fails, or a signal ends the program.
pub(crate) async fn run(options: &NodeOptions, output: &Output) -> Result<(), Failure> {
    let start = Instant::now();
    output.note(|_| {
        "Two libp2p nodes meet on this machine. All of this really happens, over TCP.".to_owned()
    })?;
    let alice = node::start(options, output).await?;
    let bob = node::start_anonymous(options).await?;
    let story = Story { alice: &alice, bob: &bob, options, output };
    let told = unless_stopped(story.tell()).await;
    tokio::join!(node::stop(&alice), node::stop(&bob));
    told?;
    Ok(output.success(&TheEnd { seconds: start.elapsed().as_secs_f64() })?)
}

/// Who takes part, and how it is told.
struct Story<'a> {
    /// She listens.
    alice: &'a Node,
    /// He dials.
    bob: &'a Node,
    options: &'a NodeOptions,
    output: &'a Output,
}

impl Story<'_> {
    async fn tell(&self) -> Result<(), Failure> {
        let (alice, bob) = (self.alice, self.bob);
        self.begin(1, IDENTITIES)?;
        let (alice_id, bob_id) = (alice.local_peer(), bob.local_peer());
        self.end("identities", Identities { alice: alice_id.to_string(), bob: bob_id.to_string() })?;

        self.begin(2, LISTEN)?;
        let mut events = alice.events().await?;
        let address = self.listen().await?;
        self.end("listen", Listening { addr: address.to_string() })?;

        // Both have the same preference, so it decides.
        let is_plaintext = self.options.security.first() == Some(&Security::Plaintext);
        self.begin(3, if is_plaintext { CONNECT_PLAINTEXT } else { CONNECT })?;
        let meeting = self.dial(address, &mut events).await?;
        self.end("connect", meeting)?;

        self.begin(4, IDENTIFY)?;
        let info = bob.identify(alice_id).await.map_err(failed(Failure::Identify))?;
        self.end("identify", Identity::new(alice_id, &info))?;

        self.begin(5, PING)?;
        let mut pings = Pings::default();
        ping(bob, alice_id, PINGS, |_, _| Ok(()), &mut pings).await?;
        self.end("ping", pings)?;

        self.begin(6, ECHO)?;
        let show_progress = self.output.is_interactive();
        let echoed = echo(bob, alice_id, ECHO_BYTES, self.options.timeout, show_progress).await?;
        self.end("echo", echoed)?;

        self.begin(7, CLOSE)?;
        let alice_sees = self.part(&mut events).await?;
        self.end("close", Closed { alice_sees })
    }

    /// Tells people what comes next.
    fn begin(&self, number: u32, tale: Tale) -> Result<(), Failure> {
        Ok(self.output.note(|palette| {
            let heading = palette.heading(format_args!("{number}. {}", tale.title)).to_string();
            format!("\n{heading}\n{}\n", indented(3, tale.explanation))
        })?)
    }

    /// Tells what came of it.
    fn end<T: Report>(&self, step: &'static str, facts: T) -> Result<(), Failure> {
        Ok(self.output.event(&Step { step, facts })?)
    }

    async fn listen(&self) -> Result<Multiaddr, Failure> {
        let address = Multiaddr::from(Ipv4Addr::LOCALHOST).with(Protocol::Tcp(0));
        let listening = self.alice.listen(address.clone()).await;
        Ok(listening.map_err(failed(|error| Failure::Listen { address, error }))?.address)
    }

    async fn dial(&self, address: Multiaddr, events: &mut Events<Infallible>) -> Result<Meeting, Failure> {
        let start = Instant::now();
        let connected = self.bob.dial(address.clone()).await;
        let connected = connected.map_err(failed(|error| Failure::dial(address, error)))?;
        let connect_ms = milliseconds(start.elapsed());
        let (alice_sees, bob_addr) = await_event(events, |event| match event {
            SwarmEvent::Connected { peer, remote_address, .. } => Some((peer, remote_address)),
            _ => None,
        })
        .await?;
        Ok(Meeting {
            security: connected.security.as_ref().map(ProtocolId::to_string),
            muxer: connected.muxer.as_ref().map(ProtocolId::to_string),
            alice_sees: alice_sees.to_string(),
            bob_sees: connected.peer.to_string(),
            bob_addr: bob_addr.to_string(),
            connect_ms,
        })
    }

    /// Bob closes the connection; returns what Alice learns.
    async fn part(&self, events: &mut Events<Infallible>) -> Result<String, Failure> {
        node::stop(self.bob).await;
        let reason = await_event(events, |event| match event {
            SwarmEvent::Disconnected { reason, .. } => Some(reason),
            _ => None,
        });
        Ok(reason.await?.to_string())
    }
}

/// The first event that `pick` wants. It is sure to come.
async fn await_event<T>(
    events: &mut Events<Infallible>,
    pick: impl Fn(SwarmEvent) -> Option<T>,
) -> Result<T, Failure> {
    while let Some(event) = events.next().await {
        if let Event::Swarm(event) = event
            && let Some(picked) = pick(event)
        {
            return Ok(picked);
        }
    }
    Err(Failure::Stopped)
}

/// What a step is called, and what happens in it and why.
#[derive(Clone, Copy)]
struct Tale {
    title: &'static str,
    explanation: &'static str,
}

const IDENTITIES: Tale = Tale {
    title: "Two nodes, two identities",
    explanation: "\
Each node has a key pair. Its peer id is made from the public key, so nobody has
to hand out names, and only the owner of the private key can prove to be that peer.",
};

const LISTEN: Tale = Tale {
    title: "Alice listens",
    explanation: "\
She opens a TCP port; the system chose a free one. Her address says step by step how
to reach her: which IP address, which TCP port, and who must answer there.",
};

const CONNECT: Tale = Tale {
    title: "Bob connects",
    explanation: "\
TCP alone proves nothing and hides nothing. So the two first agree on a security
protocol. In its handshake both sign with their private keys: now each knows who the
other is, and everything is encrypted from here on. Then they agree on a muxer, which
lets the one connection carry many independent streams.",
};

const CONNECT_PLAINTEXT: Tale = Tale {
    title: "Bob connects",
    explanation: "\
The two agree on a security protocol. This time it is plaintext, as you wished: each
tells who it is, proves nothing, and nothing is encrypted. Then they agree on a muxer,
which lets the one connection carry many independent streams.",
};

const IDENTIFY: Tale = Tale {
    title: "Bob asks what Alice is (identify)",
    explanation: "\
On a new stream Alice tells her software, where she listens, what she speaks, and from
which address she sees Bob come. That is how a node learns its own public address.",
};

const PING: Tale = Tale {
    title: "Bob measures the round trip (ping)",
    explanation: "On another stream, 32 random bytes go to Alice and come back, five times.",
};

const ECHO: Tale = Tale {
    title: "Bob uses an application's protocol (echo)",
    explanation: "\
Protocols have names, and applications bring their own. Bob opens a stream for
/echo/1.0.0, sends 16 MiB and at the same time reads back and compares what Alice
returns. Then he ends his direction of the stream, and she ends hers.",
};

const CLOSE: Tale = Tale {
    title: "Bob leaves",
    explanation: "He closes the connection in order: nothing that was sent is lost, and Alice is told.",
};

/// What came of a step.
#[derive(Serialize)]
struct Step<T> {
    step: &'static str,
    #[serde(flatten)]
    facts: T,
}

impl<T: Report> Report for Step<T> {
    fn text(&self, palette: &Palette) -> String {
        indented(5, &self.facts.text(palette))
    }
}

fn indented(spaces: usize, text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("{:spaces$}{line}", "")).collect();
    lines.join("\n")
}

#[derive(Serialize)]
struct Identities {
    alice: String,
    bob: String,
}

impl Report for Identities {
    fn text(&self, palette: &Palette) -> String {
        palette.rows(&[("Alice", &self.alice), ("Bob", &self.bob)])
    }
}

#[derive(Serialize)]
struct Listening {
    addr: String,
}

impl Report for Listening {
    fn text(&self, palette: &Palette) -> String {
        palette.rows(&[("address", &self.addr)])
    }
}

#[derive(Serialize)]
struct Meeting {
    security: Option<String>,
    muxer: Option<String>,
    alice_sees: String,
    bob_sees: String,
    bob_addr: String,
    connect_ms: f64,
}

impl Report for Meeting {
    fn text(&self, palette: &Palette) -> String {
        let agreed = |protocol: &Option<String>| protocol.clone().unwrap_or_else(|| "(none)".to_owned());
        palette.rows(&[
            ("security", &agreed(&self.security)),
            ("muxer", &agreed(&self.muxer)),
            ("Bob sees", &self.bob_sees),
            ("Alice sees", &self.alice_sees),
            ("coming from", &self.bob_addr),
            ("it took", &format!("{:.3} ms", self.connect_ms)),
        ])
    }
}

#[derive(Serialize)]
struct Closed {
    alice_sees: String,
}

impl Report for Closed {
    fn text(&self, palette: &Palette) -> String {
        palette.rows(&[("Alice sees", &self.alice_sees)])
    }
}

/// The last word.
#[derive(Serialize)]
struct TheEnd {
    seconds: f64,
}

impl Report for TheEnd {
    fn text(&self, palette: &Palette) -> String {
        format!(
            "\n{} in {:.1} s. Now let two terminals meet:\n  peerwork listen\n  \
             peerwork ping ADDRESS",
            palette.good("All done"),
            self.seconds
        )
    }
}
