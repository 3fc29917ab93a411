//! What the server says of its own accord, e.g. that a permission is missing: the request itself only gets no answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a complaint explains a failure.
const FRESH: Duration = Duration::from_secs(5);
/// Most of a complaint that is kept, in bytes.
const LENGTH: usize = 200;

/// The last complaint of one connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Complaint(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    last: Option<(Instant, String)>,
    /// The last one of a missing permission.
    forbidden: Option<(Instant, String)>,
}

/// A text that is no older than that.
fn within(heard: Option<&(Instant, String)>, age: Duration) -> Option<&str> {
    heard.filter(|(when, _)| when.elapsed() < age).map(|(_, text)| text.as_str())
}

impl Complaint {
    pub(super) fn note(&self, text: &str) {
        let text = text[..text.floor_char_boundary(LENGTH)].to_owned();
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if text.contains("Permissions Violation") {
            heard.forbidden = Some((Instant::now(), text.clone()));
        }
        heard.last = Some((Instant::now(), text));
    }

    /// A failure, with the server's last word where it is fresh.
    pub(super) fn added_to(&self, failure: String) -> String {
        match within(self.0.lock().unwrap_or_else(PoisonError::into_inner).last.as_ref(), FRESH) {
            Some(text) => format!("{failure}; the server said: {text}"),
            None => failure,
        }
    }

    /// What this connection was not permitted to do, of late: it answers, and orders do not get on all the same.
    pub(super) fn forbidden(&self, lately: Duration) -> Option<String> {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        within(heard.forbidden.as_ref(), lately).map(|text| format!("a permission is missing: {text}"))
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
        assert_eq!(complaint.forbidden(FRESH), None);
    }

    #[test]
    fn a_missing_permission_is_remembered_beside_other_complaints() {
        let complaint = Complaint::default();
        complaint.note("nats: Permissions Violation for Publish to \"a.b\"");
        complaint.note("nats: Slow Consumer");
        let forbidden = complaint.forbidden(FRESH).expect("it is remembered");
        assert!(forbidden.contains("Violation for Publish to \"a.b\""), "{forbidden}");
    }
}
