//! Why a repo cannot be used.

use crate::private_file::PrivateFileError;
use peerwork_core::identity::{InvalidKey, PeerId};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Why a repo cannot be used: what is wrong, where, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// There is no repo.
    #[error("there is no repo at {}; a node that is started with it makes one", .path.display())]
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// There is something else than a directory.
    #[error("{} is no directory, as a repo is; choose another place", .path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// Another process uses it.
    #[error("{} is in use by another node; stop that one, or give this one a repo of its own", .path.display())]
    Locked {
        /// The peer file.
        path: PathBuf,
    },
    /// The system does not let a file be read.
    #[error("{} cannot be read: {error}", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The system does not let a file be written.
    #[error("{} cannot be written: {error}; a repo needs a directory that can be written", .path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The disk is full, or a limit on the file's size is reached.
    #[error("{} cannot be written: {error}; make some room on the disk", .path.display())]
    Full {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The peer file is not as it was written.
    #[error(
        "{} is damaged ({reason}) and was left as it is; put a copy of it back, or move it away to start with an empty peer book",
        .path.display()
    )]
    Damaged {
        /// The peer file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The peer file is a database of something else.
    #[error("{} is the database of another program; choose another directory for the repo", .path.display())]
    OtherDatabase {
        /// The peer file.
        path: PathBuf,
    },
    /// A later version wrote the peer file.
    #[error(
        "{} has version {found}, and this program knows versions up to {known}; use the program that wrote it, or a newer one",
        .path.display()
    )]
    NewerVersion {
        /// The peer file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The latest version that is known here.
        known: u64,
    },
    /// The key file cannot be read or written.
    #[error("the key file {}: {error}", .path.display())]
    Key {
        /// The key file.
        path: PathBuf,
        /// Why.
        error: PrivateFileError,
    },
    /// The key file holds no key.
    #[error("the key file {}: {error}; put a copy of it back, or use another repo for a new node", .path.display())]
    DamagedKey {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        error: InvalidKey,
    },
    /// The repo has an owner, but no key.
    #[error(
        "the key file {} of {peer} is missing; put a copy of it back, or use another repo for a new node",
        .path.display()
    )]
    MissingKey {
        /// The key file.
        path: PathBuf,
        /// Whose key it was.
        peer: PeerId,
    },
    /// The key is that of another node.
    #[error(
        "the key file {} is that of {found}, but the repo is that of {expected}; put its key back, or use another repo",
        .path.display()
    )]
    OtherKey {
        /// The key file.
        path: PathBuf,
        /// Whose repo it is.
        expected: PeerId,
        /// Whose key it is.
        found: PeerId,
    },
}

impl RepoError {
    /// A file could not be written.
    pub(crate) fn write(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::Full { path, error }
            }
            _ => Self::Write { path, error },
        }
    }
}
