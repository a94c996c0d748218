//! `peerwork identify`: what is there?

use crate::args::NodeOptions;
use crate::failure::{Failure, failed};
use crate::node;
use crate::output::{Output, Palette, Report};
use peerwork_tokio::core::identity::PeerId;
use peerwork_tokio::core::protocols::identify::IdentifyInfo;
use serde::Serialize;
use std::fmt;

/// Asks the peer at `address` what it is.
///
/// # Errors
/// The peer cannot be reached, or does not tell.
pub(crate) async fn run(address: &str, options: &NodeOptions, output: &Output) -> Result<(), Failure> {
    let identity = node::with_peer(options, output, address, async |node, connected| {
        let info = node.identify(connected.peer).await.map_err(failed(Failure::Identify))?;
        Ok(Identity::new(connected.peer, &info))
    });
    Ok(output.success(&identity.await?)?)
}

/// What a peer says about itself. Names and values as other libp2p programs print them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Identity {
    peer: String,
    agent_version: Option<String>,
    protocol_version: Option<String>,
    listen_addrs: Vec<String>,
    observed_addr: Option<String>,
    protocols: Vec<String>,
    /// Its length in bytes.
    signed_peer_record: usize,
}

impl Identity {
    /// `peer` is the id that the connection has proven.
    pub(super) fn new(peer: PeerId, info: &IdentifyInfo) -> Self {
        Self {
            peer: peer.to_string(),
            agent_version: info.agent_version.clone(),
            protocol_version: info.protocol_version.clone(),
            listen_addrs: texts(&info.listen_addresses),
            observed_addr: info.observed_address.as_ref().map(ToString::to_string),
            protocols: texts(&info.protocols),
            signed_peer_record: info.signed_peer_record.as_ref().map_or(0, |record| record.len()),
        }
    }
}

fn texts(values: &[impl fmt::Display]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

impl Report for Identity {
    fn text(&self, palette: &Palette) -> String {
        let said = |text: &Option<String>| vec![text.clone().unwrap_or_else(|| "(not said)".to_owned())];
        let facts = [
            ("peer id", vec![self.peer.clone()]),
            ("software", said(&self.agent_version)),
            ("network", said(&self.protocol_version)),
            ("listens on", self.listen_addrs.clone()),
            ("speaks", self.protocols.clone()),
            ("sees us at", said(&self.observed_addr)),
        ];
        let rows: Vec<(&str, &str)> = facts
            .iter()
            .flat_map(|(label, values)| {
                let labels = std::iter::once(*label).chain(std::iter::repeat(""));
                labels.zip(values.iter().map(String::as_str))
            })
            .collect();
        palette.rows(&rows)
    }
}
