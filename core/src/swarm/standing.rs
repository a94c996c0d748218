//! What peers are worth: tags and protections, which decide whose connections are closed when there are too many.

use crate::identity::PeerId;
use crate::machine::Blame;
use std::collections::{BTreeMap, BTreeSet};

/// How many tags a peer may have, and how many protections. Further ones are refused with [`StandingError::TooManyNames`]: whoever makes
/// names up for each occasion would never take them back.
pub const MAX_NAMES_PER_PEER: usize = 32;

/// How long the name of a tag or a protection may be. A longer one is refused with [`StandingError::NameTooLong`].
pub const MAX_NAME_BYTES: usize = 64;

/// How many peers may have tags or protections, connected or not. Further ones are refused with [`StandingError::TooManyPeers`], so
/// that a protocol which tags whomever it meets does not take ever more memory as peers come and go under new names.
pub const MAX_RATED_PEERS: usize = 16_384;

/// What a peer is worth to this node. Kept until it is taken back, connected or not: a peer can be protected before it is dialled, and is
/// worth the same when it comes back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    tags: BTreeMap<String, i32>,
    protections: BTreeSet<String>,
}

/// A change of what a peer is worth. Taking back what is not there changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StandingChange {
    /// The peer is worth so much more, or less if it is below 0, for the reason with this name. Replaces the value that the name had.
    Tag {
        /// Who.
        peer: PeerId,
        /// What for.
        name: String,
        /// How much.
        value: i32,
    },
    /// Takes a tag back.
    Untag {
        /// Whose.
        peer: PeerId,
        /// Which.
        name: String,
    },
    /// The peer's connections are not closed to make room, as long as one name protects it.
    Protect {
        /// Whose.
        peer: PeerId,
        /// What for.
        name: String,
    },
    /// Takes a protection back. Others stay.
    Unprotect {
        /// Whose.
        peer: PeerId,
        /// Which.
        name: String,
    },
}

/// Why a tag or a protection was refused. Blame: the caller, or a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StandingError {
    /// [`MAX_NAME_BYTES`]. Blame: the caller.
    #[error("a name of {0} bytes is over the limit of {MAX_NAME_BYTES}")]
    NameTooLong(usize),
    /// [`MAX_NAMES_PER_PEER`]. Blame: a limit.
    #[error(
        "the peer has {MAX_NAMES_PER_PEER} names of this kind, as many as are allowed; take one back first"
    )]
    TooManyNames,
    /// [`MAX_RATED_PEERS`]. Blame: a limit.
    #[error("{MAX_RATED_PEERS} peers have tags or protections, as many as are allowed; take some back first")]
    TooManyPeers,
}

impl StandingError {
    /// Whose fault it is.
    pub fn blame(self) -> Blame {
        match self {
            Self::NameTooLong(_) => Blame::Caller,
            Self::TooManyNames | Self::TooManyPeers => Blame::Limit,
        }
    }
}

impl Standing {
    /// The tags by name.
    pub fn tags(&self) -> impl Iterator<Item = (&str, i32)> {
        self.tags.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// The sum of all tags.
    pub fn value(&self) -> i64 {
        self.tags.values().copied().map(i64::from).sum()
    }

    /// What the peer is protected for.
    pub fn protections(&self) -> impl Iterator<Item = &str> {
        self.protections.iter().map(String::as_str)
    }

    /// Whether anything protects it.
    pub fn is_protected(&self) -> bool {
        !self.protections.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.protections.is_empty()
    }
}

/// What all peers are worth.
#[derive(Debug, Default)]
pub(super) struct Standings(BTreeMap<PeerId, Box<Standing>>);

impl Standings {
    pub(super) fn get(&self, peer: &PeerId) -> Option<&Standing> {
        self.0.get(peer).map(Box::as_ref)
    }

    /// Whether a change would be made.
    pub(super) fn check(&self, change: &StandingChange) -> Result<(), StandingError> {
        let (peer, name) = match change {
            StandingChange::Tag { peer, name, .. } | StandingChange::Protect { peer, name } => (peer, name),
            StandingChange::Untag { .. } | StandingChange::Unprotect { .. } => return Ok(()),
        };
        if name.len() > MAX_NAME_BYTES {
            return Err(StandingError::NameTooLong(name.len()));
        }
        let Some(standing) = self.get(peer) else {
            return if self.0.len() < MAX_RATED_PEERS { Ok(()) } else { Err(StandingError::TooManyPeers) };
        };
        let (has_name, names) = match change {
            StandingChange::Tag { .. } => (standing.tags.contains_key(name), standing.tags.len()),
            _ => (standing.protections.contains(name), standing.protections.len()),
        };
        if has_name || names < MAX_NAMES_PER_PEER { Ok(()) } else { Err(StandingError::TooManyNames) }
    }

    /// Makes a change, or gives the reason why not.
    pub(super) fn apply(&mut self, change: StandingChange) -> Result<(), StandingError> {
        self.check(&change)?;
        match change {
            StandingChange::Tag { peer, name, value } => {
                self.0.entry(peer).or_default().tags.insert(name, value);
            }
            StandingChange::Protect { peer, name } => {
                self.0.entry(peer).or_default().protections.insert(name);
            }
            StandingChange::Untag { peer, name } => {
                self.take_back(peer, |it| it.tags.retain(|tag, _| *tag != name));
            }
            StandingChange::Unprotect { peer, name } => {
                self.take_back(peer, |it| it.protections.retain(|protection| *protection != name));
            }
        }
        Ok(())
    }

    fn take_back(&mut self, peer: PeerId, change: impl FnOnce(&mut Standing)) {
        if let Some(standing) = self.0.get_mut(&peer) {
            change(standing);
            if standing.is_empty() {
                self.0.remove(&peer);
            }
        }
    }
}
