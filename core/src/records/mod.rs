//! Records: values that anybody may keep and hand on, because whoever receives one can check it.
//!
//! A [`Record`] is a key and a value. The key's first part, its *namespace*, says by which rules the value is checked: a
//! [`Validator`] for each namespace tells whether a value is valid for its key, and which of several is the best. A record of a
//! namespace without a validator is refused.
//!
//! A [`RecordStore`] keeps records: in memory ([`MemoryStore`]), or wherever its author wants. [`Records`] is all stores of a node
//! taken as one: it writes to all and reads from all, checks what comes back, and gives the best.

mod memory;
mod stores;
#[cfg(test)]
mod tests;
mod validation;

pub use memory::{MemoryStore, MemoryStoreConfig};
pub use stores::{
    MAX_OPERATIONS, OPERATION_TIMEOUT, Records, RecordsCommand, RecordsError, RecordsEvent, RecordsId,
};
pub use validation::{InvalidRecord, PublicKeyValidator, Validator, Validators};

use crate::machine::{Blame, Machine};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use std::fmt::{self, Debug};

/// The longest key. A longer one is refused before it is kept anywhere.
pub const MAX_KEY_BYTES: usize = 1024;

/// A key and what is kept under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The key.
    pub key: RecordKey,
    /// The value.
    pub value: Bytes,
}

/// The key of a record: `/namespace/` and then any bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey(Bytes);

impl RecordKey {
    /// Checks the form of a key.
    ///
    /// # Errors
    /// [`InvalidRecord::Key`]: it is longer than [`MAX_KEY_BYTES`], or does not start with `/`, a namespace of at least one byte of
    /// UTF-8, `/`, and at least one byte more.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, InvalidRecord> {
        let key = Self(bytes.into());
        if key.0.len() > MAX_KEY_BYTES {
            return Err(InvalidRecord::Key("it is too long"));
        }
        match key.parts() {
            Some((namespace, rest)) if !namespace.is_empty() && !rest.is_empty() => Ok(key),
            _ => Err(InvalidRecord::Key("it must look like /namespace/name")),
        }
    }

    /// The first part, which says how values are checked.
    pub fn namespace(&self) -> &str {
        self.parts().map_or("", |(namespace, _)| namespace)
    }

    /// What follows the namespace and its `/`.
    pub fn name(&self) -> &[u8] {
        self.parts().map_or(&[], |(_, name)| name)
    }

    /// The whole key.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn parts(&self) -> Option<(&str, &[u8])> {
        let rest = self.0.strip_prefix(b"/")?;
        let end = rest.iter().position(|&byte| byte == b'/')?;
        Some((std::str::from_utf8(&rest[..end]).ok()?, &rest[end + 1..]))
    }
}

impl Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.namespace())?;
        match std::str::from_utf8(self.name()) {
            Ok(name) if !name.contains(char::is_control) => f.write_str(name),
            _ => f.write_str(&HEXLOWER.encode(self.name())),
        }
    }
}

/// One request to a store. Chosen by whoever asks, from a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreRequestId(pub u64);

/// What a store is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreInput {
    /// Keep a record, in place of one with the same key. Answered by [`StoreOutput::Stored`] or [`StoreOutput::Failed`].
    Put {
        /// Comes back in the answer.
        request: StoreRequestId,
        /// What; it is valid.
        record: Record,
    },
    /// What is kept under `key`? Answered by [`StoreOutput::Found`] or [`StoreOutput::Failed`].
    Get {
        /// Comes back in the answer.
        request: StoreRequestId,
        /// Where.
        key: RecordKey,
    },
    /// Nobody waits any more. Needs no answer.
    Cancel {
        /// Which request.
        request: StoreRequestId,
    },
}

/// What a store answers: once for each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreOutput {
    /// The record is kept.
    Stored {
        /// Which request.
        request: StoreRequestId,
    },
    /// What is kept. It is checked once more, so a store need not.
    Found {
        /// Which request.
        request: StoreRequestId,
        /// The value, if there is one.
        value: Option<Bytes>,
    },
    /// The store cannot.
    Failed {
        /// Which request.
        request: StoreRequestId,
        /// Why.
        error: StoreError,
    },
}

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It keeps as many records as it may. Blame: a limit.
    #[error("the store is full: it keeps {max} records")]
    Full {
        /// The limit.
        max: usize,
    },
    /// The value is larger than it takes. Blame: a limit.
    #[error("a value of {len} bytes is over the store's limit of {max}")]
    TooLarge {
        /// The value's length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// Something else, in the store's words. Blame: a limit.
    #[error("{0}")]
    Other(String),
}

impl StoreError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        Blame::Limit
    }
}

/// A place where records are kept: any [`Machine`] that takes and gives these values. One whose data are far away answers later.
pub trait RecordStore: Machine<Input = StoreInput, Output = StoreOutput> + Debug + Send {}

impl<T: Machine<Input = StoreInput, Output = StoreOutput> + Debug + Send> RecordStore for T {}
