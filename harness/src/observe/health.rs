//! What each node says of its own health.

use std::time::Duration;

use judge::history::Sample;

use super::Post;
use crate::cluster::Node;
use crate::http;
use crate::wire;

const PERIOD: Duration = Duration::from_millis(500);
/// A node that takes longer than this to say how it is counts as silent.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks for `/health` and `/health/live` twice a second, side by side. A node that does not answer is a sample too, one without a status.
pub(super) async fn observe(node: Node, post: Post) {
    let client = http::client(PATIENCE);
    let (url, live_url) = (format!("{}/health", node.url), format!("{}/health/live", node.url));
    let (mut ticks, recorder) = (post.ticks(PERIOD), post.recorder);
    while ticks.next().await {
        let asked_us = Some(recorder.now_us());
        let (reply, alive) = tokio::join!(http::get(&client, &url), http::get(&client, &live_url));
        let (reply, live) = (reply.ok(), alive.ok().map(|reply| reply.status));
        let read = reply.as_ref().and_then(|reply| wire::health::health(&reply.body).ok());
        let (status, nats, redis) = match read {
            Some(read) => (Some(read.status), Some(read.checks.nats), Some(read.checks.redis)),
            None => (None, None, None),
        };
        let http = reply.map(|reply| reply.status);
        let (t_us, node) = (recorder.now_us(), node.name.clone());
        recorder.sample(&Sample::Health { t_us, node, http, status, nats, redis, asked_us, live });
    }
}
