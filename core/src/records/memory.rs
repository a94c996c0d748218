//! A store in memory.

use super::{RecordKey, StoreError, StoreInput, StoreOutput};
use crate::machine::Machine;
use crate::time::Instant;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// How much a [`MemoryStore`] keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryStoreConfig {
    /// How many records; a further one is refused, so that nobody can fill our memory or push out what others put.
    pub max_records: usize,
    /// The longest value; a longer one is refused.
    pub max_value_bytes: usize,
}

impl Default for MemoryStoreConfig {
    /// 1,024 records of at most 64 KiB.
    fn default() -> Self {
        Self { max_records: 1_024, max_value_bytes: 64 * 1024 }
    }
}

/// Keeps records in memory, for as long as it lives, and answers at once.
#[derive(Debug, Default)]
pub struct MemoryStore {
    config: MemoryStoreConfig,
    values: BTreeMap<RecordKey, Bytes>,
    answers: VecDeque<StoreOutput>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(config: MemoryStoreConfig) -> Self {
        Self { config, ..Self::default() }
    }

    fn put(&mut self, key: RecordKey, value: Bytes) -> Result<(), StoreError> {
        let MemoryStoreConfig { max_records, max_value_bytes } = self.config;
        if value.len() > max_value_bytes {
            return Err(StoreError::TooLarge { len: value.len(), max: max_value_bytes });
        }
        if self.values.len() >= max_records && !self.values.contains_key(&key) {
            return Err(StoreError::Full { max: max_records });
        }
        // Copied, since a slice keeps the whole buffer alive that it came in.
        let key = RecordKey(Bytes::copy_from_slice(key.as_bytes()));
        self.values.insert(key, Bytes::copy_from_slice(&value));
        Ok(())
    }
}

impl Machine for MemoryStore {
    type Input = StoreInput;
    type Output = StoreOutput;

    fn handle_input(&mut self, input: StoreInput, _now: Instant) {
        let answer = match input {
            StoreInput::Put { request, record } => match self.put(record.key, record.value) {
                Ok(()) => StoreOutput::Stored { request },
                Err(error) => StoreOutput::Failed { request, error },
            },
            StoreInput::Get { request, key } => {
                StoreOutput::Found { request, value: self.values.get(&key).cloned() }
            }
            StoreInput::Cancel { .. } => return,
        };
        self.answers.push_back(answer);
    }

    fn poll_output(&mut self) -> Option<StoreOutput> {
        self.answers.pop_front()
    }
}
