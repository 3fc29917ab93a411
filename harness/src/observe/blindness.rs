//! How often an observer says that it cannot see.

use std::time::{Duration, Instant};

use super::blind;
use crate::recorder::Recorder;

/// An outage of minutes should not fill the samples with the same line.
const REPEAT_EVERY: Duration = Duration::from_secs(1);

/// Says that an observer is blind: once when an outage begins, then once a second.
#[derive(Debug)]
pub(super) struct Blindness {
    observer: String,
    said: Option<Instant>,
}

impl Blindness {
    pub(super) fn of(observer: impl Into<String>) -> Self {
        Self { observer: observer.into(), said: None }
    }

    /// A look failed.
    pub(super) fn say(&mut self, recorder: &Recorder, error: &impl ToString) {
        if self.said.is_none_or(|said| said.elapsed() >= REPEAT_EVERY) {
            self.said = Some(Instant::now());
            blind(recorder, &self.observer, error);
        }
    }

    /// A look succeeded: the outage is over.
    pub(super) fn over(&mut self) {
        self.said = None;
    }
}
