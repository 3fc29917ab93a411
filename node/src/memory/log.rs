//! The stream itself: sequences, message ids inside their window, and limits.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::consumer::Consumer;
use crate::ports::{PublishAck, PublishError};
use crate::settings::Settings;
use crate::trace::TraceParent;

/// Largest message, header and payload, in bytes; as the real stream is made with.
const MAX_MESSAGE: usize = 64 * 1024;
/// What a header with a message id has beside the id.
const HEADER: usize = "NATS/1.0\r\nNats-Msg-Id: \r\n\r\n".len();
/// What the real stream's file has of a message beside subject, header and payload.
const OVERHEAD: usize = 30;

/// What a stream is made with.
#[derive(Debug, Clone)]
pub(super) struct LogSettings {
    subjects: String,
    max_bytes: Option<u64>,
    pub(super) duplicate_window: Duration,
}

impl LogSettings {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            subjects: format!("{}.", settings.subject_prefix),
            max_bytes: u64::try_from(settings.stream_max_bytes).ok(),
            duplicate_window: settings.duplicate_window,
        }
    }

    /// Is the subject one of this stream's?
    pub(super) fn take(&self, subject: &str) -> bool {
        subject.starts_with(&self.subjects)
    }
}

/// A stored message.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) subject: String,
    pub(super) id: Option<String>,
    pub(super) trace: Option<TraceParent>,
    pub(super) payload: Bytes,
    pub(super) stored_at: Timestamp,
}

impl Message {
    fn size(&self) -> u64 {
        let header = self.id.as_ref().map_or(0, |id| HEADER + id.len());
        (OVERHEAD + self.subject.len() + header + self.payload.len()) as u64
    }
}

/// One incarnation of the stream, with the places of its consumers.
#[derive(Debug)]
pub(super) struct Log {
    /// Changes when the stream is made anew.
    pub(super) identity: String,
    pub(super) settings: LogSettings,
    /// 0 before the first message; behind the last one when all are gone.
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) messages: BTreeMap<u64, Message>,
    bytes: u64,
    /// Message id to sequence, for as long as the window lasts.
    recent: HashMap<String, u64>,
    /// The same by age, with the clock's time at which the window ends.
    ages: VecDeque<(Duration, String)>,
    pub(super) consumers: BTreeMap<String, Consumer>,
    /// Consumers made so far: two of one name are told apart by it.
    pub(super) consumers_made: u64,
}

impl Log {
    pub(super) fn new(identity: String, settings: LogSettings) -> Self {
        Self {
            identity,
            settings,
            first: 0,
            last: 0,
            messages: BTreeMap::new(),
            bytes: 0,
            recent: HashMap::new(),
            ages: VecDeque::new(),
            consumers: BTreeMap::new(),
            consumers_made: 0,
        }
    }

    fn forget(&mut self, elapsed: Duration) {
        while self.ages.front().is_some_and(|(ends, _)| *ends <= elapsed) {
            if let Some((_, id)) = self.ages.pop_front() {
                self.recent.remove(&id);
            }
        }
    }

    /// Stores a message, unless it is a duplicate, too large, or there is no room.
    pub(super) fn store(&mut self, message: Message, elapsed: Duration) -> Result<PublishAck, PublishError> {
        // Wildcards and empty words are for those who listen.
        if message.subject.contains(char::is_whitespace) || message.subject.split('.').any(|word| matches!(word, "" | "*" | ">"))
        {
            return Err(PublishError::ForGood(format!("{:?} is no subject to publish to", message.subject)));
        }
        if !self.settings.take(&message.subject) {
            return Err(PublishError::Retry(format!("no stream has the subject {}", message.subject)));
        }
        self.forget(elapsed);
        if let Some(sequence) = message.id.as_ref().and_then(|id| self.recent.get(id)) {
            return Ok(PublishAck { sequence: *sequence, duplicate: true });
        }
        let header = message.id.as_ref().map_or(0, |id| HEADER + id.len());
        if header + message.payload.len() > MAX_MESSAGE {
            return Err(PublishError::ForGood(format!("message size exceeds the maximum of {MAX_MESSAGE} bytes")));
        }
        let bytes = self.bytes + message.size();
        if self.settings.max_bytes.is_some_and(|limit| bytes > limit) {
            return Err(PublishError::Retry("maximum bytes exceeded".to_owned()));
        }
        self.bytes = bytes;
        self.last += 1;
        self.first = self.first.max(1);
        if let Some(id) = &message.id {
            self.recent.insert(id.clone(), self.last);
            self.ages.push_back((elapsed + self.settings.duplicate_window, id.clone()));
        }
        self.messages.insert(self.last, message);
        Ok(PublishAck { sequence: self.last, duplicate: false })
    }

    /// Removes what lies before a sequence. Ids stay known for their window.
    pub(super) fn purge(&mut self, before: u64) {
        let kept = self.messages.split_off(&before);
        for (_, message) in std::mem::replace(&mut self.messages, kept) {
            self.bytes -= message.size();
        }
        self.settle_first();
        for consumer in self.consumers.values_mut() {
            consumer.purged(self.first);
        }
    }

    /// Removes one message; says whether it was there.
    pub(super) fn delete(&mut self, sequence: u64) -> bool {
        let Some(message) = self.messages.remove(&sequence) else { return false };
        self.bytes -= message.size();
        self.settle_first();
        true
    }

    fn settle_first(&mut self) {
        let none = if self.last == 0 { 0 } else { self.last + 1 };
        self.first = self.messages.first_key_value().map_or(none, |(sequence, _)| *sequence);
    }
}
