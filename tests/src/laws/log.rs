//! What a run showed to the layer above, in a form that two runs can be compared by.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};

/// What a run showed to the layer above: facts in order, and for each stream its bytes and its own facts.
///
/// What is said of a stream is ordered within that stream only, because a reader may come to it sooner or later.
#[derive(Debug, Clone, Default)]
pub struct Log {
    facts: Vec<String>,
    streams: BTreeMap<u64, StreamLog>,
}

#[derive(Debug, Clone, Default)]
struct StreamLog {
    bytes: Vec<u8>,
    facts: Vec<String>,
    torn: bool,
}

impl Log {
    /// Notes a fact whose place among all other facts matters.
    pub fn fact(&mut self, fact: impl Debug) {
        self.facts.push(format!("{fact:?}"));
    }

    /// Notes bytes that arrived on a stream.
    pub fn bytes(&mut self, stream: u64, bytes: &[u8]) {
        self.streams.entry(stream).or_default().bytes.extend_from_slice(bytes);
    }

    /// Notes a fact whose place among the other facts of its stream matters, such as the end.
    pub fn stream_fact(&mut self, stream: u64, fact: impl Debug) {
        self.streams.entry(stream).or_default().facts.push(format!("{fact:?}"));
    }

    /// Notes that a stream was reset: how much had been read by then is a matter of chance.
    pub fn torn(&mut self, stream: u64) {
        self.streams.entry(stream).or_default().torn = true;
    }

    /// How many facts and bytes there are.
    pub fn len(&self) -> usize {
        let on_streams = self.streams.values().map(|stream| stream.bytes.len() + stream.facts.len());
        self.facts.len() + on_streams.sum::<usize>()
    }

    /// Whether nothing was noted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The latest facts, for the report of a failure.
    pub(super) fn latest(&self) -> String {
        const SHOWN: usize = 8;
        let from = self.facts.len().saturating_sub(SHOWN);
        self.facts[from..].iter().map(|fact| format!("\n  {fact}")).collect()
    }

    /// The first fact that differs from `expected`. With `torn` one side may have less.
    pub(super) fn compare_facts(&self, expected: &Self, torn: bool) -> Result<(), String> {
        compare_facts("event", &expected.facts, &self.facts, torn)
    }

    /// The first stream that differs from `expected`. With `torn` one side may have less on any stream.
    pub(super) fn compare_streams(&self, expected: &Self, torn: bool) -> Result<(), String> {
        let nothing = StreamLog::default();
        let of = |log: &Self, id| log.streams.get(id).cloned().unwrap_or_else(|| nothing.clone());
        for id in self.streams.keys().chain(expected.streams.keys()) {
            let (ours, expected) = (of(self, id), of(expected, id));
            let torn = torn || ours.torn || expected.torn;
            compare_bytes(&format!("stream {id}"), &expected.bytes, &ours.bytes, torn)?;
            compare_facts(&format!("stream {id}, event"), &expected.facts, &ours.facts, torn)?;
        }
        Ok(())
    }
}

fn compare_facts(what: &str, expected: &[String], actual: &[String], torn: bool) -> Result<(), String> {
    let common = expected.len().min(actual.len());
    let same = expected.iter().zip(actual).take_while(|(a, b)| a == b).count();
    if same == common && (torn || expected.len() == actual.len()) {
        return Ok(());
    }
    let at = |facts: &[String]| facts.get(same).cloned().unwrap_or_else(|| "nothing".to_owned());
    Err(format!("{what} {same} is {} instead of {}", at(actual), at(expected)))
}

/// Describes the first byte at which `actual` differs from `expected`. With `torn` one side may have less.
pub(super) fn compare_bytes(what: &str, expected: &[u8], actual: &[u8], torn: bool) -> Result<(), String> {
    let common = expected.len().min(actual.len());
    let same = expected.iter().zip(actual).take_while(|(a, b)| a == b).count();
    if same == common && (torn || expected.len() == actual.len()) {
        return Ok(());
    }
    Err(format!(
        "{what}: {} bytes instead of {}; from byte {same} on {} instead of {}",
        actual.len(),
        expected.len(),
        excerpt(actual, same),
        excerpt(expected, same)
    ))
}

fn excerpt(bytes: &[u8], from: usize) -> String {
    const SHOWN: usize = 16;
    let rest = bytes.get(from..).unwrap_or_default();
    let mut text = String::from("[");
    for byte in rest.iter().take(SHOWN) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.push_str(if rest.len() > SHOWN { "..]" } else { "]" });
    text
}
