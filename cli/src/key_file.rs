//! Key files, for their owner's eyes only: a private key in libp2p's protobuf encoding, or the pre-shared key of a private network.

use peerwork_tokio::core::identity::{InvalidKey, Keypair};
use peerwork_tokio::core::security::pnet::{InvalidKeyFile, PreSharedKey};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use zeroize::Zeroizing;

/// The largest file that is read; no key is longer. Saves from reading whatever a wrong name leads to.
const MAX_BYTES: usize = 16 * 1024;

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFileError {
    /// There is none.
    #[error("there is no such file; {0} makes one")]
    Missing(Maker),
    /// It is a folder, a pipe or a device.
    #[error("it is no ordinary file; use a file that {0} made")]
    NotAFile(Maker),
    /// Others than the owner can read or write it.
    #[error("others can read or change it (mode {mode:03o}); make it private with chmod 600")]
    NotPrivate {
        /// The permission bits.
        mode: u32,
    },
    /// It is longer than any key.
    #[error("it has more than {MAX_BYTES} bytes, which no key has; use a file that {0} made")]
    TooLong(Maker),
    /// Its contents are no key that can be used.
    #[error("{0} ({maker} makes one)", maker = Maker::Identity)]
    Invalid(InvalidKey),
    /// Its contents are no pre-shared key.
    #[error("{0} ({maker} makes one)", maker = Maker::PreSharedKey)]
    InvalidPreShared(InvalidKeyFile),
    /// The system does not let it be read.
    #[error("it cannot be read: {0}")]
    Read(io::Error),
    /// There is a file of that name, which will not be overwritten.
    #[error("it exists already and is not overwritten; choose another name")]
    Exists,
    /// The system does not let it be written.
    #[error("it cannot be written: {0}; choose another place")]
    Write(io::Error),
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
    Keypair::from_protobuf(&contents(path, Maker::Identity)?).map_err(KeyFileError::Invalid)
}

/// Reads the key of a private network.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_pre_shared(path: &Path) -> Result<PreSharedKey, KeyFileError> {
    PreSharedKey::from_key_file(&contents(path, Maker::PreSharedKey)?).map_err(KeyFileError::InvalidPreShared)
}

fn contents(path: &Path, maker: Maker) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => KeyFileError::Missing(maker),
        _ => KeyFileError::Read(error),
    };
    // Before it is opened, since opening a pipe can take for ever.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(KeyFileError::NotAFile(maker));
    }
    let file = File::open(path).map_err(unreadable)?;
    check_private(&file)?;
    // Never grows, which would leave copies of the key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(KeyFileError::Read)?;
    if bytes.len() > MAX_BYTES {
        return Err(KeyFileError::TooLong(maker));
    }
    Ok(bytes)
}

/// Writes the contents of a key file to a new file, readable by its owner only from the start.
///
/// # Errors
/// There is a file already, or the system does not let it be written; nothing is left behind then.
pub(crate) fn write(path: &Path, contents: &[u8]) -> Result<(), KeyFileError> {
    let mut file = private().write(true).create_new(true).open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists,
        _ => KeyFileError::Write(error),
    })?;
    file.write_all(contents).and_then(|()| file.sync_all()).map_err(|error| {
        // The first error is the one to report.
        drop(fs::remove_file(path));
        KeyFileError::Write(error)
    })
}

#[cfg(unix)]
fn private() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(unix)]
fn check_private(file: &File) -> Result<(), KeyFileError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata().map_err(KeyFileError::Read)?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(KeyFileError::NotPrivate { mode }) }
}

/// Other systems have no such bits; there a file takes the permissions of its folder.
#[cfg(not(unix))]
fn private() -> OpenOptions {
    OpenOptions::new()
}

#[cfg(not(unix))]
fn check_private(_: &File) -> Result<(), KeyFileError> {
    Ok(())
}
