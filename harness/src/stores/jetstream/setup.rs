//! What faults ask of `JetStream`: how stream and consumers are set up, and to take them away.

use super::JetStream;
use crate::stores::StoreError;
use crate::wire::WireError;
use crate::wire::jetstream::{self as api, ConsumerSetup, StreamSetup};

impl JetStream {
    /// How the stream is set up and what it holds; `None` if there is none.
    ///
    /// # Errors
    /// As for [`Self::stream`], but for the stream's absence.
    pub async fn stream_setup(&self) -> Result<Option<StreamSetup>, StoreError> {
        let answer = self.ask("asking for the stream's setup", api::info_subject(), Vec::new()).await?;
        present(api::stream_setup(&answer))
    }

    /// How a consumer is set up; `None` if there is none, or no stream.
    ///
    /// # Errors
    /// As for [`Self::stream`], but for the absence of either.
    pub async fn consumer_setup(&self, consumer: &str) -> Result<Option<ConsumerSetup>, StoreError> {
        let answer = self.ask("asking for a consumer's setup", api::consumer_info_subject(consumer), Vec::new()).await?;
        present(api::consumer_setup(&answer))
    }

    /// When the stream stored a message, RFC 3339; `None` if it holds none of that sequence.
    ///
    /// # Errors
    /// As for [`Self::stream`], but for the absence of message or stream.
    pub async fn stored_at(&self, sequence: u64) -> Result<Option<String>, StoreError> {
        let answer = self.ask("asking for a message", api::message_subject(), api::message_request(sequence)).await?;
        present(api::message_time(&answer))
    }

    /// Removes every message of the stream, and says how many there were.
    ///
    /// # Errors
    /// As for [`Self::stream`].
    pub async fn purge(&self) -> Result<u64, StoreError> {
        let answer = self.ask("purging the stream", api::purge_subject(), Vec::new()).await?;
        Ok(api::purged(&answer)?)
    }

    /// # Errors
    /// As for [`Self::stream`].
    pub async fn delete_stream(&self) -> Result<(), StoreError> {
        let answer = self.ask("deleting the stream", api::delete_stream_subject(), Vec::new()).await?;
        Ok(api::done("the stream's end", &answer)?)
    }

    /// # Errors
    /// As for [`Self::stream`], or there is no such consumer.
    pub async fn delete_consumer(&self, consumer: &str) -> Result<(), StoreError> {
        let answer = self.ask("deleting a consumer", api::delete_subject(consumer), Vec::new()).await?;
        Ok(api::done("a consumer's end", &answer)?)
    }
}

fn present<T>(answer: Result<T, WireError>) -> Result<Option<T>, StoreError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(refused) if api::is_absent(&refused) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
