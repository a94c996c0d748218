//! `peerwork keygen`: an identity that lasts, or the key of a private network.

use crate::args::KeyType;
use crate::failure::Failure;
use crate::key_file;
use crate::keypair;
use crate::node;
use crate::output::{Output, Palette, Report};
use peerwork_tokio::core::security::pnet::PreSharedKey;
use serde::Serialize;
use std::path::Path;

/// Writes a new key of a type to the file `path`.
///
/// # Errors
/// The file exists or cannot be written; the system gives no randomness.
pub(crate) fn run(path: &Path, key_type: KeyType, output: &Output) -> Result<(), Failure> {
    let keypair = keypair::generate(key_type)?;
    key_file::write(path, &keypair).map_err(|error| Failure::KeyFile { path: path.to_owned(), error })?;
    let public = keypair.public();
    let key = Key {
        file: path.display().to_string(),
        key_type: public.key_type().name().to_ascii_lowercase(),
        peer: public.to_peer_id().to_string(),
    };
    Ok(output.success(&key)?)
}

/// Writes the key of a new private network to the file `path`.
///
/// # Errors
/// The file exists or cannot be written; the system gives no randomness.
pub(crate) fn private_network(path: &Path, output: &Output) -> Result<(), Failure> {
    let key = PreSharedKey::generate(&mut node::seed()?);
    key_file::write_pre_shared(path, &key)
        .map_err(|error| Failure::KeyFile { path: path.to_owned(), error })?;
    let network = Network { file: path.display().to_string(), fingerprint: key.fingerprint().to_string() };
    Ok(output.success(&network)?)
}

/// A new key.
#[derive(Serialize)]
struct Key {
    file: String,
    #[serde(rename = "type")]
    key_type: String,
    peer: String,
}

impl Report for Key {
    fn text(&self, palette: &Palette) -> String {
        let rows =
            palette.rows(&[("peer id", &self.peer), ("key file", &self.file), ("type", &self.key_type)]);
        let hint = format!(
            "Keep the file secret. A node with this identity:\n  peerwork listen --key-file {}",
            self.file
        );
        format!("{rows}\n{}", palette.faint(hint))
    }
}

/// The key of a new private network.
#[derive(Serialize)]
struct Network {
    file: String,
    fingerprint: String,
}

impl Report for Network {
    fn text(&self, palette: &Palette) -> String {
        let rows = palette.rows(&[("fingerprint", &self.fingerprint), ("key file", &self.file)]);
        let hint = format!(
            "Keep the file secret, and give a copy to every member. A node of this network:\n  peerwork listen --private-network {}",
            self.file
        );
        format!("{rows}\n{}", palette.faint(hint))
    }
}
