//! What remotes may open.

use crate::negotiation::{ProtocolId, Supported};
use crate::protocols::StreamOptions;
use std::collections::BTreeMap;

/// What remotes may open, and how such a stream is treated. Shared by all connections; a change is a new table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProtocolTable(pub(crate) BTreeMap<ProtocolId, StreamOptions>);

impl Supported for ProtocolTable {
    fn find(&self, id: &str) -> Option<ProtocolId> {
        self.0.find(id)
    }

    fn list(&self) -> impl Iterator<Item = &ProtocolId> {
        self.0.list()
    }
}
