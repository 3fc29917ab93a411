//! What a test was told of its orders, and whether the nodes agree in the end: every acknowledged order applied on each
//! of them, once, and nothing else.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tokio::time::MissedTickBehavior;

use crate::space::{Node, Space, eventually, order};

/// The orders of one test. Each is worth 12.5, and all are one customer's.
#[derive(Debug, Default)]
pub(crate) struct Books {
    acknowledged: BTreeSet<String>,
    /// Answered with 504: they may exist.
    doubtful: BTreeSet<String>,
    attempts: usize,
}

impl Books {
    /// Places orders that must be taken.
    pub(crate) async fn place(&mut self, node: &Node, count: usize) {
        for _ in 0..count {
            let (id, status) = self.attempt(node).await;
            assert_eq!(status, StatusCode::CREATED, "{id}");
        }
    }

    /// Places one more order, whatever the answer; only the answers of the contract may come.
    pub(crate) async fn attempt(&mut self, node: &Node) -> (String, StatusCode) {
        let id = format!("order-{}", self.attempts);
        self.attempts += 1;
        let answer = node.post(&order(&id)).await;
        let status = answer.status();
        match status {
            StatusCode::CREATED => drop(self.acknowledged.insert(id.clone())),
            StatusCode::GATEWAY_TIMEOUT => drop(self.doubtful.insert(id.clone())),
            StatusCode::SERVICE_UNAVAILABLE => {
                assert!(answer.headers().contains_key("retry-after"), "{id}: a 503 says when to come again");
            }
            other => panic!("{id} was answered with {other}"),
        }
        (id, status)
    }

    /// Places an order that must be refused, with the proof that nothing was written.
    pub(crate) async fn refused(&mut self, node: &Node) {
        let (id, status) = self.attempt(node).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{id}");
    }

    /// Places one order after the other, until something else is done. None is given up half way: its answer would be lost.
    pub(crate) async fn load(&mut self, node: &Node, until: impl Future<Output = ()>) {
        let done = Cell::new(false);
        let until = async {
            until.await;
            done.set(true);
        };
        let placing = async {
            // A pace, so that a fast refusal does not make the test a benchmark.
            let mut pace = tokio::time::interval(Duration::from_millis(4));
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while !done.get() {
                pace.tick().await;
                self.attempt(node).await;
            }
        };
        tokio::join!(until, placing);
    }

    pub(crate) fn attempted(&self) -> usize {
        self.attempts
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// Asks again for what is in doubt, and waits until every node has applied exactly what was acknowledged.
    pub(crate) async fn agree(&mut self, space: &Space, nodes: &[&Node]) {
        for id in std::mem::take(&mut self.doubtful) {
            let status = nodes[0].post(&order(&id)).await.status();
            assert!(status == StatusCode::CREATED || status == StatusCode::OK, "{id}, asked for again: {status}");
            self.acknowledged.insert(id);
        }
        eventually("the outbox is empty", async || match space.pending().await {
            rows if rows.is_empty() => Ok(()),
            rows => Err(format!("{rows:?}")),
        })
        .await;
        for node in nodes {
            eventually(&format!("{} has applied what was acknowledged", node.url), async || {
                let ids = applied(node).await?;
                let missing: Vec<_> = self.acknowledged.difference(&ids).take(10).collect();
                let strange: Vec<_> = ids.difference(&self.acknowledged).collect();
                assert!(strange.is_empty(), "applied, and never acknowledged: {strange:?}");
                if missing.is_empty() { Ok(()) } else { Err(format!("missing: {missing:?} and perhaps more")) }
            })
            .await;
            let count = self.acknowledged.len();
            let customer = node.get("/api/customers/customer-123").await.1;
            assert_eq!(customer["orders"], count, "{customer}");
            assert_eq!(customer["total"].as_f64(), json!(12.5 * count as f64).as_f64(), "{customer}");
        }
        let dead: Vec<String> = space.query(&["KEYS", &space.key("outbox:*")]).await;
        assert!(dead.is_empty(), "left in the outbox: {dead:?}");
    }
}

/// All that a node has applied, each once.
async fn applied(node: &Node) -> Result<BTreeSet<String>, String> {
    let mut ids = BTreeSet::new();
    let mut after = 0;
    loop {
        let (status, page) = node.get(&format!("/api/orders?limit=1000&after={after}")).await;
        if status != StatusCode::OK {
            return Err(format!("{status} {page}"));
        }
        for order in page["orders"].as_array().into_iter().flatten() {
            assert_eq!(order["applied"], 1, "{order}");
            let id = order["orderId"].as_str().unwrap_or_default().to_owned();
            assert!(ids.insert(id), "listed twice: {order}");
        }
        match page["next"].as_u64() {
            Some(next) => after = next,
            None => return Ok(ids),
        }
    }
}
