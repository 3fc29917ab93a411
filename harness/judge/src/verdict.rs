//! The three values of a judgement, and what a checker hands back.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a run, or one aspect of it, is judged. In order of priority: the worst of several is their maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything that was promised held, and enough was put to the test to say so.
    Valid,
    /// It cannot be told.
    Unknown,
    /// A promise was broken, whatever else could not be told.
    Invalid,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Valid => "valid",
            Self::Unknown => "unknown",
            Self::Invalid => "invalid",
        })
    }
}

/// What one checker found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The checker's name.
    pub name: String,
    pub verdict: Verdict,
    /// One sentence.
    pub summary: String,
    /// How many orders, or other things that the checker looks at, are concerned.
    pub count: u64,
    /// What it rests on, a line each; the first few of many.
    pub evidence: Vec<String>,
    /// The orders that are named, the first few of many, with all that is known of each.
    pub orders: Vec<OrderLife>,
}

/// How many lines of evidence, and how many orders, a finding names.
pub(crate) const NAMED: usize = 10;

impl Finding {
    pub(crate) fn new(name: &str, verdict: Verdict, summary: impl Into<String>) -> Self {
        Self { name: name.to_owned(), verdict, summary: summary.into(), count: 0, evidence: Vec::new(), orders: Vec::new() }
    }

    pub(crate) fn valid(name: &str, summary: impl Into<String>) -> Self {
        Self::new(name, Verdict::Valid, summary)
    }

    pub(crate) fn unknown(name: &str, summary: impl Into<String>) -> Self {
        Self::new(name, Verdict::Unknown, summary)
    }

    pub(crate) fn invalid(name: &str, summary: impl Into<String>) -> Self {
        Self::new(name, Verdict::Invalid, summary)
    }

    /// Adds the first few lines, and says how many more there are.
    #[must_use]
    pub(crate) fn with(mut self, evidence: impl Into<Evidence>) -> Self {
        let Evidence { first, count } = evidence.into();
        let more = count - first.len();
        self.evidence.extend(first);
        if more > 0 {
            self.evidence.push(format!("and {more} more"));
        }
        self
    }

    #[must_use]
    pub(crate) fn counting(mut self, count: usize) -> Self {
        self.count = count as u64;
        self
    }

    #[must_use]
    pub(crate) fn with_orders(mut self, orders: Vec<OrderLife>) -> Self {
        self.orders = orders;
        self
    }
}

/// Lines of evidence as they are found: the first few are kept, and all are counted. A run in which every order is wrong must
/// not need the memory of a sentence for each.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    first: Vec<String>,
    count: usize,
}

impl Evidence {
    pub(crate) fn push(&mut self, line: String) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(shortened(line));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl Extend<String> for Evidence {
    fn extend<I: IntoIterator<Item = String>>(&mut self, lines: I) {
        lines.into_iter().for_each(|line| self.push(line));
    }
}

impl FromIterator<String> for Evidence {
    fn from_iter<I: IntoIterator<Item = String>>(lines: I) -> Self {
        let mut evidence = Self::default();
        evidence.extend(lines);
        evidence
    }
}

impl From<Vec<String>> for Evidence {
    fn from(lines: Vec<String>) -> Self {
        lines.into_iter().collect()
    }
}

/// More of one line nobody reads; a hot order may have a hundred thousand message ids.
const LINE_MAX: usize = 1_000;

/// A line that is no longer than [`LINE_MAX`] characters, but for saying how much was left out.
pub(crate) fn shortened(line: String) -> String {
    match line.char_indices().nth(LINE_MAX) {
        None => line,
        Some((at, _)) => format!("{} … and {} more characters", &line[..at], line[at..].chars().count()),
    }
}

/// The life of one order, as far as the history tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderLife {
    pub order_id: String,
    /// The last stage that the order reached.
    pub stage: Stage,
    /// That stage in words, e.g. `answered 201 by cluster-node-2`.
    pub reached: String,
    /// One line for each stage and trace, in order.
    pub steps: Vec<String>,
    /// The faults over it, e.g. `kill cluster-node-2`.
    pub faults: Vec<String>,
}

/// The stages of an order, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The schedule wanted it; nothing was sent.
    Intended,
    Sent,
    /// Some operation got an answer that tells its outcome.
    Answered,
    /// Its row or its idempotency record is in the store.
    Stored,
    /// It is in the stream.
    Published,
    /// Some node has applied it.
    Applied,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_are_told_in_full_and_the_others_counted() {
        let lines = |count: usize| (0..count).map(|number| format!("line {number}"));
        let all: Vec<String> = lines(NAMED).collect();
        assert_eq!(Finding::valid("x", "").with(all.clone()).evidence, all);
        let many = Finding::valid("x", "").with(lines(1_000).collect::<Evidence>()).evidence;
        assert_eq!((&many[..NAMED], many[NAMED].as_str(), many.len()), (&all[..], "and 990 more", NAMED + 1));
        let counted = |count: usize| lines(count).collect::<Evidence>();
        assert_eq!((counted(0).len(), counted(0).is_empty()), (0, true));
        assert_eq!((counted(1_000).len(), counted(1).is_empty()), (1_000, false));
    }

    #[test]
    fn line_without_end_is_cut_and_says_so() {
        let line = "ü".repeat(LINE_MAX);
        assert_eq!(shortened(line.clone()), line);
        let cut = Finding::valid("x", "").with(vec![line.clone() + "more"]).evidence;
        assert_eq!(cut, [format!("{line} … and 4 more characters")]);
    }

    #[test]
    fn invalid_wins_over_unknown_and_unknown_over_valid() {
        assert_eq!([Verdict::Valid, Verdict::Invalid, Verdict::Unknown].into_iter().max(), Some(Verdict::Invalid));
        assert_eq!([Verdict::Valid, Verdict::Unknown].into_iter().max(), Some(Verdict::Unknown));
    }
}
