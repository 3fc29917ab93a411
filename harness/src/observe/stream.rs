//! What the stream holds, and how far each node's consumer has come.

use std::time::Duration;

use judge::history::Sample;

use super::Post;
use super::blindness::Blindness;
use crate::stores::JetStream;

const PERIOD: Duration = Duration::from_millis(500);

/// Asks `JetStream` twice a second.
pub(super) async fn observe(jetstream: JetStream, post: Post) {
    let mut blindness = Blindness::of("stream");
    let (mut ticks, recorder) = (post.ticks(PERIOD), post.recorder);
    while ticks.next().await {
        // Side by side: the two belong to the same moment as closely as two answers can.
        match tokio::try_join!(jetstream.stream(), jetstream.consumers()) {
            Ok((state, consumers)) => {
                blindness.over();
                recorder.sample(&Sample::Stream {
                    t_us: recorder.now_us(),
                    messages: state.messages,
                    last_sequence: state.last_sequence,
                    consumers,
                });
            }
            Err(error) => blindness.say(&recorder, &error),
        }
    }
}
