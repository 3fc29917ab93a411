//! A sample of the feed's claims, checked at once by asking the same node for the order.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use judge::history::Entry;
use tokio::sync::mpsc;

use super::Post;
use crate::cluster::Node;
use crate::http;
use crate::wire;

/// One order in this many is confirmed.
const ONE_IN: u64 = 100;
/// Confirmations under way at once, and as many again waiting behind each: beyond that they are skipped and counted.
const AT_ONCE: usize = 4;
const WAITING: usize = 64;
const PATIENCE: Duration = Duration::from_secs(2);

/// Hands orders to the confirming task without ever waiting for it.
#[derive(Debug)]
pub(super) struct Confirmer {
    orders: mpsc::Sender<String>,
    skipped: u64,
}

impl Confirmer {
    /// Confirms this order if it is one of the sample. The choice is a function of the id alone, so that a run with the
    /// same ids confirms the same orders, on every node.
    pub(super) fn offer(&mut self, order_id: &str) {
        if hash(order_id).is_multiple_of(ONE_IN) && self.orders.try_send(order_id.to_owned()).is_err() {
            self.skipped += 1;
        }
    }

    /// How many orders of the sample were not confirmed, since too many were waiting.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// The two ends: one for the feed, one to be run beside it until the feed drops its own.
pub(super) fn pair(node: Node, post: Post) -> (Confirmer, impl Future<Output = ()> + Send) {
    let (orders, waiting) = mpsc::channel(WAITING);
    (Confirmer { orders, skipped: 0 }, run(node, post, waiting))
}

async fn run(node: Node, post: Post, waiting: mpsc::Receiver<String>) {
    let client = http::client(PATIENCE);
    let orders = stream::unfold(waiting, async |mut waiting| Some((waiting.recv().await?, waiting)));
    let confirm = async |order_id: String| {
        let url = format!("{}/api/orders/{order_id}", node.url);
        match http::get(&client, &url).await {
            Ok(reply) => {
                let applied = wire::order::applied(&reply.body).ok();
                let applied = applied.filter(|read| read.answer.order_id == order_id).map(|read| read.applied);
                let (t_us, node) = (post.recorder.now_us(), node.name.clone());
                post.recorder.write(&Entry::Confirm { t_us, node, order_id, status: reply.status, applied });
            }
            // A node that was broken in between denies nothing.
            Err(error) => post.blind(&format!("confirm {}", node.name), &error),
        }
    };
    orders.for_each_concurrent(AT_ONCE, confirm).await;
}

/// FNV-1a, 64 bits: the same on every machine and in every version.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_one_order_in_a_hundred_is_confirmed() {
        let chosen = (0..100_000).filter(|n| hash(&format!("a1b2c3-{n}")).is_multiple_of(ONE_IN)).count();
        assert!((900..1_100).contains(&chosen), "{chosen} of 100,000");
    }

    #[test]
    fn the_choice_never_changes() {
        assert_eq!(hash(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c);
    }
}
