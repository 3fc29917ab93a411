//! Every message of the stream.

use judge::history::Entry;
use tokio::time::sleep;

use super::{AGAIN_AFTER, ATTEMPTS, PATIENCE, ReadError, Tally};
use crate::cluster::Cluster;
use crate::stores::{JetStream, Reader, StoreError};
use crate::wire::jetstream::StreamState;

/// Reads from the first message to the last, and holds what was read against what the stream says it holds.
///
/// Messages that are published meanwhile are read too: the read ends when the stream holds what was read.
pub(super) async fn read(cluster: &Cluster, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    let jetstream = JetStream::of(cluster, PATIENCE).await?;
    let mut reading = Reading::default();
    let mut failures = 0;
    loop {
        match reading.go_on(&jetstream, tally).await {
            Ok(state) => return reading.complete(state),
            Err(_) if failures < ATTEMPTS => failures += 1,
            Err(error) => return Err(error),
        }
        sleep(AGAIN_AFTER).await;
    }
}

/// How far the reading has come, over all its attempts.
#[derive(Default)]
struct Reading {
    messages: u64,
    last_sequence: u64,
    /// Of the stream when it was first looked at: if it moves, messages have been removed.
    first_sequence: Option<u64>,
}

impl Reading {
    /// Reads on behind the last message read, until the stream ends there.
    async fn go_on(&mut self, jetstream: &JetStream, tally: &mut Tally<'_>) -> Result<StreamState, ReadError> {
        let mut state = jetstream.stream().await?;
        let first = *self.first_sequence.get_or_insert(state.first_sequence);
        let mut reader = Reader::open(jetstream, self.last_sequence).await?;
        while self.last_sequence < state.last_sequence {
            let messages = reader.next().await?;
            // The last messages may have been deleted: the stream then ends before its last sequence.
            if messages.is_empty() {
                break;
            }
            for published in messages {
                self.messages += 1;
                self.last_sequence = published.sequence;
                tally.write(&Entry::Published(published));
            }
            state = jetstream.stream().await?;
        }
        // What is left of it goes away by itself.
        let _ = reader.close().await;
        if state.first_sequence != first && state.messages > 0 {
            let detail = format!("its first message was {first} and is now {}", state.first_sequence);
            return Err(ReadError::Moving { detail });
        }
        Ok(state)
    }

    fn complete(&self, state: StreamState) -> Result<(), ReadError> {
        if self.messages == state.messages {
            return Ok(());
        }
        let detail = format!("the last one read is {}, the last one there {}", self.last_sequence, state.last_sequence);
        Err(StoreError::Incomplete { expected: state.messages, read: self.messages, detail }.into())
    }
}
