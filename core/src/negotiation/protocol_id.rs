//! The name of a protocol.

use std::fmt;
use std::sync::Arc;

/// The longest protocol id: what every known implementation accepts, less the newline and with room for a header.
pub const MAX_PROTOCOL_ID_BYTES: usize = 1_000;

/// The name of a protocol, such as `/ipfs/ping/1.0.0`. Cheap to clone.
///
/// It starts with `/`, has no control characters and at most [`MAX_PROTOCOL_ID_BYTES`] bytes: some implementations accept
/// nothing else.
#[derive(Clone)]
pub struct ProtocolId(Repr);

#[derive(Clone)]
enum Repr {
    Static(&'static str),
    // Through a box, so that an id is no larger than a `&str`: each stream has several.
    Shared(Arc<Box<str>>),
}

impl ProtocolId {
    /// A protocol id known at compile time.
    ///
    /// # Panics
    /// If the id is not valid; in a constant that is an error of the compiler.
    pub const fn from_static(id: &'static str) -> Self {
        assert!(is_valid(id.as_bytes()), "a protocol id starts with '/' and has no control characters");
        Self(Repr::Static(id))
    }

    /// Checks and keeps `id`.
    ///
    /// # Errors
    /// The id is empty, too long, does not start with `/` or has control characters.
    pub fn new(id: &str) -> Result<Self, InvalidProtocolId> {
        if is_valid(id.as_bytes()) {
            Ok(Self(Repr::Shared(Arc::new(id.into()))))
        } else {
            Err(InvalidProtocolId)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Static(id) => id,
            Repr::Shared(id) => id,
        }
    }
}

const fn is_valid(id: &[u8]) -> bool {
    if id.is_empty() || id.len() > MAX_PROTOCOL_ID_BYTES || id[0] != b'/' {
        return false;
    }
    let mut i = 0;
    while i < id.len() {
        if id[i] < 0x20 || id[i] == 0x7f {
            return false;
        }
        i += 1;
    }
    true
}

impl PartialEq for ProtocolId {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for ProtocolId {}

impl PartialOrd for ProtocolId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ProtocolId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl std::hash::Hash for ProtocolId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl std::borrow::Borrow<str> for ProtocolId {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for ProtocolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for ProtocolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for ProtocolId {
    type Err = InvalidProtocolId;

    fn from_str(id: &str) -> Result<Self, InvalidProtocolId> {
        Self::new(id)
    }
}

/// A text is not a protocol id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a protocol id starts with '/', has at most 1000 bytes and no control characters")]
pub struct InvalidProtocolId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        assert_eq!(ProtocolId::new("/a b/1"), Ok(ProtocolId::from_static("/a b/1")));
        for bad in ["", "a", "/a\n", "/\u{7f}"] {
            assert_eq!(ProtocolId::new(bad), Err(InvalidProtocolId), "{bad:?}");
        }
        assert!(ProtocolId::new(&format!("/{}", "a".repeat(999))).is_ok());
        assert!(ProtocolId::new(&format!("/{}", "a".repeat(1000))).is_err());
    }

    #[test]
    fn an_id_is_no_larger_than_a_text() {
        assert_eq!(size_of::<ProtocolId>(), size_of::<&str>());
    }
}
