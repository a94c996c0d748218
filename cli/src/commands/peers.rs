//! `peerwork peers`: whom does a node remember?

use crate::failure::Failure;
use crate::node;
use crate::output::{Output, Palette, Report};
use peerwork_repo::RepoReader;
use peerwork_tokio::core::peer_book::{Origin, StoredAddress, StoredPeer};
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Lists the peers in the repo at `path`, or only one of them.
///
/// # Errors
/// There is no repo, it cannot be read, or the peer is not in it.
pub(crate) fn run(path: &Path, peer: Option<&str>, output: &Output) -> Result<(), Failure> {
    let only = peer.map(node::parse_peer_id).transpose()?;
    let repo = RepoReader::open(path)?;
    let owner = repo.owner()?;
    let mut peers = repo.peers()?;
    if let Some(peer) = only {
        peers.retain(|stored| stored.peer == peer);
        if peers.is_empty() {
            return Err(Failure::NotInRepo { peer, path: path.to_owned() });
        }
    }
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for stored in &peers {
        output.event(&Peer::new(stored, since_1970, only.is_some()))?;
    }
    let repo = path.display().to_string();
    Ok(output.success(&Summary { repo, node: owner.map(|owner| owner.to_string()), peers: peers.len() })?)
}

/// A peer that is remembered.
#[derive(Serialize)]
#[serde(tag = "event", rename = "peer", rename_all = "camelCase")]
struct Peer {
    peer: String,
    agent_version: Option<String>,
    addrs: Vec<Address>,
    record_sequence: Option<u64>,
    protocols: Vec<String>,
    /// Whether people are shown all of it.
    #[serde(skip)]
    is_detailed: bool,
}

impl Peer {
    fn new(stored: &StoredPeer, since_1970: Duration, is_detailed: bool) -> Self {
        Self {
            peer: stored.peer.to_string(),
            agent_version: stored.agent_version.clone(),
            addrs: stored.addresses.iter().map(|address| Address::new(address, since_1970)).collect(),
            record_sequence: stored.record_sequence,
            protocols: stored.protocols.iter().map(ToString::to_string).collect(),
            is_detailed,
        }
    }
}

impl Report for Peer {
    fn text(&self, palette: &Palette) -> String {
        let agent = self.agent_version.as_deref().unwrap_or("(software not said)");
        let mut lines = vec![format!("{}  {agent}", palette.value(&self.peer))];
        let width = self.addrs.iter().map(|address| address.addr.len()).max().unwrap_or(0);
        for address in &self.addrs {
            let Address { addr, origin, .. } = address;
            let facts = format!("{origin:<13}  {:<17}  {}", address.reached_text(), address.kept_text());
            lines.push(format!("  {addr:<width$}  {}", palette.faint(facts.trim_end())));
        }
        if self.is_detailed {
            lines.extend(self.protocols.iter().map(|protocol| format!("  speaks {protocol}")));
        }
        lines.join("\n")
    }
}

/// One of its addresses. Times are in seconds since 1970.
#[derive(Serialize)]
struct Address {
    addr: String,
    origin: &'static str,
    reached: Option<u64>,
    expires: Option<u64>,
    #[serde(skip)]
    since_1970: Duration,
}

impl Address {
    fn new(stored: &StoredAddress, since_1970: Duration) -> Self {
        Self {
            addr: stored.address.to_string(),
            origin: match stored.origin {
                Origin::Routing => "routing",
                Origin::Dialed => "dialled",
                Origin::Identify => "identify",
                Origin::Record => "signed record",
                Origin::User => "user",
            },
            reached: stored.reached.map(|reached| reached.as_secs()),
            expires: stored.expires.map(|expires| expires.as_secs()),
            since_1970,
        }
    }

    fn reached_text(&self) -> String {
        let ago = |at| span(self.since_1970.as_secs().saturating_sub(at));
        self.reached.map_or_else(|| "never reached".to_owned(), |at| format!("reached {} ago", ago(at)))
    }

    fn kept_text(&self) -> String {
        match self.expires.map(|at| at.saturating_sub(self.since_1970.as_secs())) {
            None => "kept".to_owned(),
            Some(0) => "expired".to_owned(),
            Some(left) => format!("kept for {}", span(left)),
        }
    }
}

/// A number of seconds in the largest unit that fits.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// How many there are, and whose repo it is.
#[derive(Serialize)]
struct Summary {
    repo: String,
    node: Option<String>,
    peers: usize,
}

impl Report for Summary {
    fn text(&self, palette: &Palette) -> String {
        let peers = match self.peers {
            0 => "no peers".to_owned(),
            1 => "1 peer".to_owned(),
            many => format!("{many} peers"),
        };
        let node = self.node.as_deref().unwrap_or("a node that has not started yet");
        let why = if self.peers == 0 {
            ": it has dialled nobody, and nobody has told where it listens"
        } else {
            ""
        };
        palette.faint(format_args!("{peers} in the repo of {node}{why}")).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let table =
            [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3_599, "59 min"), (3_600, "1 h"), (86_399, "23 h")];
        for (seconds, text) in table {
            assert_eq!(span(seconds), text);
        }
        assert_eq!(span(200_000), "2 d");
    }
}
