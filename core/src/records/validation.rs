//! By which rules records are checked.

use super::{Record, RecordKey};
use crate::identity::{PeerId, PublicKey};
use crate::machine::Blame;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

/// Why a record is refused. Blame: whoever made it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecord {
    /// The key has not the form of one.
    #[error("the record's key is not valid: {0}")]
    Key(&'static str),
    /// There are no rules for such keys.
    #[error("records of the namespace '{0}' cannot be checked; add a validator for it")]
    UnknownNamespace(String),
    /// The value breaks the rules of its namespace.
    #[error("the record's value is not valid: {0}")]
    Value(&'static str),
}

impl InvalidRecord {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        Blame::Peer
    }
}

/// The rules of one namespace.
pub trait Validator: Debug + Send + Sync {
    /// Whether the value is right for its key.
    ///
    /// # Errors
    /// It is not: see [`InvalidRecord::Value`].
    fn validate(&self, record: &Record) -> Result<(), InvalidRecord>;

    /// Which of several valid values is the best: its place in the slice, which is not empty. The same values in another order must
    /// give the same one. A place that does not exist counts as the first.
    fn select(&self, key: &RecordKey, values: &[Bytes]) -> usize;
}

/// The rules of all namespaces. Bounded by what the user adds.
#[derive(Debug, Clone)]
pub struct Validators {
    by_namespace: BTreeMap<String, Arc<dyn Validator>>,
}

impl Default for Validators {
    /// `pk`: [`PublicKeyValidator`].
    fn default() -> Self {
        let mut validators = Self { by_namespace: BTreeMap::new() };
        validators.add("pk", PublicKeyValidator);
        validators
    }
}

impl Validators {
    /// Sets the rules of a namespace, in place of those that it had.
    pub fn add(&mut self, namespace: impl Into<String>, validator: impl Validator + 'static) {
        self.by_namespace.insert(namespace.into(), Arc::new(validator));
    }

    /// Checks a record.
    ///
    /// # Errors
    /// Its namespace is not known, or its value breaks the rules: see [`InvalidRecord`].
    pub fn validate(&self, record: &Record) -> Result<(), InvalidRecord> {
        self.of(&record.key)?.validate(record)
    }

    /// The best of several valid values of one key, if there is any.
    pub(super) fn best(&self, key: &RecordKey, values: &[Bytes]) -> Option<Bytes> {
        let first = values.first()?;
        let place = self.of(key).ok()?.select(key, values);
        Some(values.get(place).unwrap_or(first).clone())
    }

    fn of(&self, key: &RecordKey) -> Result<&dyn Validator, InvalidRecord> {
        let namespace = key.namespace();
        self.by_namespace
            .get(namespace)
            .map(Arc::as_ref)
            .ok_or_else(|| InvalidRecord::UnknownNamespace(namespace.to_owned()))
    }
}

/// Public keys: under `/pk/` and the bytes of a peer id there is the key of that peer, in protobuf form. All valid values of a key are
/// equal.
#[derive(Debug, Clone, Copy, Default)]
pub struct PublicKeyValidator;

impl Validator for PublicKeyValidator {
    fn validate(&self, record: &Record) -> Result<(), InvalidRecord> {
        let peer = PeerId::from_bytes(record.key.name())
            .map_err(|_| InvalidRecord::Value("the key does not end in the bytes of a peer id"))?;
        let key = PublicKey::from_protobuf(&record.value)
            .map_err(|_| InvalidRecord::Value("it is no public key in protobuf form"))?;
        if key.to_peer_id() == peer { Ok(()) } else { Err(InvalidRecord::Value("it is another peer's key")) }
    }

    fn select(&self, _key: &RecordKey, _values: &[Bytes]) -> usize {
        0
    }
}
