//! A node's repo: its key and its peers.

use crate::args::KeyType;
use crate::failure::Failure;
use crate::keypair;
use peerwork_repo::{Repo, RepoError};
use peerwork_tokio::core::identity::Keypair;
use std::io;
use std::path::Path;

/// Opens the repo at `path`, and gives the node's key. Both are made on first use, the key with the type `key_type`.
///
/// # Errors
/// The repo cannot be used, or no key can be made.
pub(crate) async fn open(path: &Path, key_type: KeyType) -> Result<(Keypair, Repo), Failure> {
    let path = path.to_owned();
    let open = move || {
        let mut repo = Repo::open(path)?;
        let keypair = repo.keypair(|| keypair::generate(key_type))?;
        Ok((keypair, repo))
    };
    tokio::task::spawn_blocking(open).await.map_err(|error| Failure::System(io::Error::other(error)))?
}

/// The error, with what to type where that is known.
pub(crate) fn explain(error: &RepoError) -> String {
    match error {
        RepoError::Missing { path } => {
            let path = path.display();
            format!("there is no repo at {path}; peerwork listen --repo {path} makes one")
        }
        RepoError::Locked { path } => {
            format!("{} is in use by another node; stop that one, or use another --repo", path.display())
        }
        other => other.to_string(),
    }
}
