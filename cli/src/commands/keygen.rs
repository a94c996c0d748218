//! `peerwork keygen`: an identity that lasts.

use crate::args::KeyType;
use crate::failure::Failure;
use crate::key_file;
use crate::keypair;
use crate::output::{Output, Palette, Report};
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
            "Keep the file secret. A node with this identity:\n  peerwork listen --security secio --muxer mplex --key-file {}",
            self.file
        );
        format!("{rows}\n{}", palette.faint(hint))
    }
}
