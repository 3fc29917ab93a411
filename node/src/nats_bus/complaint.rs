//! What the server says of its own accord, e.g. that a permission is missing: the request itself only gets no answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a complaint explains a failure.
const FRESH: Duration = Duration::from_secs(5);
/// Most of a complaint that is kept, in bytes.
const LENGTH: usize = 200;

/// The last complaint of one connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Complaint(Arc<Mutex<Option<(Instant, String)>>>);

impl Complaint {
    pub(super) fn note(&self, text: &str) {
        let text = text[..text.floor_char_boundary(LENGTH)].to_owned();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), text));
    }

    /// A failure, with the server's last word where it is fresh.
    pub(super) fn added_to(&self, failure: String) -> String {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((when, text)) if when.elapsed() < FRESH => format!("{failure}; the server said: {text}"),
            _ => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_explained_by_what_the_server_said() {
        let complaint = Complaint::default();
        assert_eq!(complaint.added_to("timed out".to_owned()), "timed out");
        complaint.note("no permission");
        assert_eq!(complaint.added_to("timed out".to_owned()), "timed out; the server said: no permission");
    }
}
