//! What came of the cases.

use super::cases::Case;
use std::fmt;
use std::time::Duration;

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All was as it should be.
    Yes,
    /// It was not, and this was wrong.
    No(String),
    /// The subject has nothing that the case could break or look at.
    NotApplicable,
    /// It cannot be played on this machine, for this reason.
    Skipped(String),
}

impl Outcome {
    fn word(&self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No(_) => "**no**",
            Self::NotApplicable => "n/a",
            Self::Skipped(_) => "skipped",
        }
    }
}

/// The outcomes of all cases for all subjects. Displayed as its [table](Self::table), with what was wrong and what was skipped below it.
#[derive(Debug, Clone, Default)]
pub struct Report {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    subject: String,
    case: &'static str,
    why: &'static str,
    outcome: Outcome,
    took: Duration,
}

impl Report {
    pub(super) fn add<S>(&mut self, subject: &str, case: &Case<S>, outcome: Outcome, took: Duration) {
        let &Case { name: case, why, .. } = case;
        self.entries.push(Entry { subject: subject.to_owned(), case, why, outcome, took });
    }

    /// What came of a case for a subject, if it was run.
    pub fn outcome(&self, subject: &str, case: &str) -> Option<&Outcome> {
        let entry = self.entries.iter().find(|entry| entry.subject == subject && entry.case == case);
        entry.map(|entry| &entry.outcome)
    }

    /// The cases that failed, and what was wrong: subject, case, and what.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &'static str, &str)> {
        self.entries.iter().filter_map(|entry| match &entry.outcome {
            Outcome::No(what) => Some((entry.subject.as_str(), entry.case, what.as_str())),
            _ => None,
        })
    }

    /// How long each case took: subject, case and time.
    pub fn times(&self) -> impl Iterator<Item = (&str, &'static str, Duration)> {
        self.entries.iter().map(|entry| (entry.subject.as_str(), entry.case, entry.took))
    }

    /// What came of the cases, as a table in Markdown: case by subject.
    pub fn table(&self) -> String {
        let subjects = distinct(self.entries.iter().map(|entry| entry.subject.as_str()));
        let cases = distinct(self.entries.iter().map(|entry| entry.case));
        let mut table =
            format!("| case | {} |\n|---|{}\n", subjects.join(" | "), "---|".repeat(subjects.len()));
        for case in cases {
            let words = subjects.iter().map(|subject| self.outcome(subject, case).map_or("", Outcome::word));
            table += &format!("| `{case}` | {} |\n", words.collect::<Vec<_>>().join(" | "));
        }
        table
    }

    /// Checks that all was as it should be.
    ///
    /// # Panics
    /// If a case failed, or none was run.
    pub fn assert_all(&self) {
        assert!(!self.entries.is_empty(), "no case was run");
        assert!(self.failures().next().is_none(), "\n{self}");
    }
}

/// What is said, each once, in the order in which it first comes.
fn distinct<'a, T: PartialEq + 'a>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut distinct = Vec::new();
    for one in all {
        if !distinct.contains(&one) {
            distinct.push(one);
        }
    }
    distinct
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table())?;
        for Entry { subject, case, why, outcome, .. } in &self.entries {
            match outcome {
                Outcome::No(what) => {
                    writeln!(f, "\n{subject} fails {case}: {what}\nrequired: {}", why.trim())?;
                }
                Outcome::Skipped(why) => writeln!(f, "\n{subject} skips {case}: {why}")?,
                Outcome::Yes | Outcome::NotApplicable => {}
            }
        }
        Ok(())
    }
}
