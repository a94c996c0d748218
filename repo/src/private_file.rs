//! Small files for their owner's eyes only, such as keys.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use zeroize::Zeroizing;

/// The largest file that is read; no key is longer. Saves from reading whatever a wrong name leads to.
pub const MAX_BYTES: usize = 16 * 1024;

/// Why a private file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// There is none.
    #[error("there is no such file")]
    Missing,
    /// It is a folder, a pipe or a device.
    #[error("it is no ordinary file")]
    NotAFile,
    /// Others than the owner can read or write it.
    #[error("others can read or change it (mode {mode:03o}); make it private with chmod 600")]
    NotPrivate {
        /// The permission bits.
        mode: u32,
    },
    /// It is longer than [`MAX_BYTES`].
    #[error("it has more than {MAX_BYTES} bytes, which no key has")]
    TooLong,
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

/// Reads a private file. The memory is erased when it is dropped.
///
/// # Errors
/// The file is not there, no ordinary file, not private, too long, or not readable.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => PrivateFileError::Missing,
        _ => PrivateFileError::Read(error),
    };
    // Before it is opened, since opening a pipe can take for ever.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(PrivateFileError::NotAFile);
    }
    let file = File::open(path).map_err(unreadable)?;
    check_private(&file)?;
    // Never grows, which would leave copies of the key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(PrivateFileError::Read)?;
    if bytes.len() > MAX_BYTES {
        return Err(PrivateFileError::TooLong);
    }
    Ok(bytes)
}

/// Writes a new file, readable by its owner only from the start.
///
/// # Errors
/// There is a file already, or the system does not let it be written; nothing is left behind then.
pub fn write(path: &Path, contents: &[u8]) -> Result<(), PrivateFileError> {
    let mut file = options().write(true).create_new(true).open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => PrivateFileError::Exists,
        _ => PrivateFileError::Write(error),
    })?;
    file.write_all(contents).and_then(|()| file.sync_all()).map_err(|error| {
        // The first error is the one to report.
        drop(fs::remove_file(path));
        PrivateFileError::Write(error)
    })
}

/// Makes files that only their owner can read and write.
#[cfg(unix)]
pub(crate) fn options() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(unix)]
fn check_private(file: &File) -> Result<(), PrivateFileError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata().map_err(PrivateFileError::Read)?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(PrivateFileError::NotPrivate { mode }) }
}

/// Other systems have no such bits; there a file takes the permissions of its folder.
#[cfg(not(unix))]
pub(crate) fn options() -> OpenOptions {
    OpenOptions::new()
}

#[cfg(not(unix))]
fn check_private(_: &File) -> Result<(), PrivateFileError> {
    Ok(())
}
