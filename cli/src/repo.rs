//! What a person is told of a repo that cannot be used.

use peerwork_repo::RepoError;

/// The error, with what to type where that is known.
pub(crate) fn explain(error: &RepoError) -> String {
    match error {
        RepoError::Missing { path } => {
            let path = path.display();
            format!("there is no repo at {path}; programs make one with the crate peerwork-repo")
        }
        RepoError::Locked { path } => {
            format!("{} is in use by another node; stop that one, or use another --repo", path.display())
        }
        other => other.to_string(),
    }
}
