//! Key files, for their owner's eyes only: a private key in libp2p's protobuf encoding, or the pre-shared key of a private network.

use peerwork_repo::private_file::{self, PrivateFileError};
use peerwork_tokio::core::identity::{InvalidKey, Keypair};
use peerwork_tokio::core::security::pnet::{InvalidKeyFile, PreSharedKey};
use std::fmt;
use std::path::Path;

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFileError {
    /// It cannot be read or written.
    #[error("{error}{}", advice(.error, *.maker))]
    File {
        /// Why.
        error: PrivateFileError,
        /// What makes such files.
        maker: Maker,
    },
    /// Its contents are no key that can be used.
    #[error("{0} ({maker} makes one)", maker = Maker::Identity)]
    Invalid(InvalidKey),
    /// Its contents are no pre-shared key.
    #[error("{0} ({maker} makes one)", maker = Maker::PreSharedKey)]
    InvalidPreShared(InvalidKeyFile),
}

fn advice(error: &PrivateFileError, maker: Maker) -> String {
    match error {
        PrivateFileError::Missing => format!("; {maker} makes one"),
        PrivateFileError::NotAFile | PrivateFileError::TooLong => format!("; use a file that {maker} made"),
        _ => String::new(),
    }
}

/// The command that makes a key file, by what is in it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Maker {
    /// A node's private key.
    Identity,
    /// The key of a private network.
    PreSharedKey,
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "peerwork keygen",
            Self::PreSharedKey => "peerwork keygen --private-network FILE",
        })
    }
}

/// Reads a private key.
///
/// # Errors
/// The file is not there, no ordinary file, not private, not readable, or does not hold a key.
pub(crate) fn read(path: &Path) -> Result<Keypair, KeyFileError> {
    let bytes = private_file::read(path).map_err(failed(Maker::Identity))?;
    Keypair::from_protobuf(&bytes).map_err(KeyFileError::Invalid)
}

/// Reads the key of a private network.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_pre_shared(path: &Path) -> Result<PreSharedKey, KeyFileError> {
    let bytes = private_file::read(path).map_err(failed(Maker::PreSharedKey))?;
    PreSharedKey::from_key_file(&bytes).map_err(KeyFileError::InvalidPreShared)
}

/// Writes a private key to a new file, readable by its owner only from the start.
///
/// # Errors
/// There is a file already, or the system does not let it be written; nothing is left behind then.
pub(crate) fn write(path: &Path, keypair: &Keypair) -> Result<(), KeyFileError> {
    private_file::write(path, &keypair.to_protobuf()).map_err(failed(Maker::Identity))
}

/// Writes the key of a private network likewise.
///
/// # Errors
/// As [`write()`].
pub(crate) fn write_pre_shared(path: &Path, key: &PreSharedKey) -> Result<(), KeyFileError> {
    private_file::write(path, key.to_key_file().as_bytes()).map_err(failed(Maker::PreSharedKey))
}

fn failed(maker: Maker) -> impl FnOnce(PrivateFileError) -> KeyFileError {
    move |error| KeyFileError::File { error, maker }
}
