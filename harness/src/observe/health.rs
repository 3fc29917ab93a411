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

/// Asks for `/health` twice a second. A node that does not answer is a sample too, one without a status.
pub(super) async fn observe(node: Node, post: Post) {
    let client = http::client(PATIENCE);
    let url = format!("{}/health", node.url);
    let (mut ticks, recorder) = (post.ticks(PERIOD), post.recorder);
    while ticks.next().await {
        let reply = http::get(&client, &url).await.ok();
        let read = reply.as_ref().and_then(|reply| wire::health::health(&reply.body).ok());
        let (status, nats, redis) = match read {
            Some(read) => (Some(read.status), Some(read.checks.nats), Some(read.checks.redis)),
            None => (None, None, None),
        };
        let http = reply.map(|reply| reply.status);
        recorder.sample(&Sample::Health { t_us: recorder.now_us(), node: node.name.clone(), http, status, nats, redis });
    }
}
