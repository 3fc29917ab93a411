//! Orders to every node in turn, all the time, and what became of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use harness::cluster::{Cluster, Node};
use harness::{http, poll};
use tokio::task::JoinHandle;

const EVERY: Duration = Duration::from_millis(40);
const PATIENCE: Duration = Duration::from_secs(8);
const APPLIED_WITHIN: Duration = Duration::from_secs(45);

/// One order, answered or not.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) id: String,
    pub(super) node: usize,
    pub(super) at: Instant,
    pub(super) took: Duration,
    /// `None` without an answer.
    pub(super) status: Option<u16>,
}

/// Goes on until dropped.
#[derive(Debug)]
pub(super) struct Traffic {
    sent: Arc<Mutex<Vec<Sent>>>,
    nodes: Vec<Node>,
    pacing: JoinHandle<()>,
}

impl Traffic {
    pub(super) fn start(cluster: &Cluster) -> Self {
        let sent: Arc<Mutex<Vec<Sent>>> = Arc::default();
        let (nodes, out) = (cluster.nodes.clone(), Arc::clone(&sent));
        let pacing = tokio::spawn(async move {
            let client = http::client(PATIENCE);
            let mut ticks = tokio::time::interval(EVERY);
            for number in 0_u64.. {
                ticks.tick().await;
                let node = usize::try_from(number).expect("few") % nodes.len();
                let (client, url, out) = (client.clone(), format!("{}/api/orders", nodes[node].url), Arc::clone(&out));
                tokio::spawn(async move {
                    let (id, at) = (format!("traffic-{number}"), Instant::now());
                    let body = format!(r#"{{"orderId":"{id}","customerId":"c-{}","amount":{}.25}}"#, number % 7, number + 1);
                    let request = client.post(&url).header("content-type", "application/json").body(body);
                    let status = http::send(request, &url).await.ok().map(|reply| reply.status);
                    out.lock().unwrap_or_else(PoisonError::into_inner).push(Sent { id, node, at, took: at.elapsed(), status });
                });
            }
        });
        Self { sent, nodes: cluster.nodes.clone(), pacing }
    }

    /// What was sent and ended so far.
    pub(super) fn all(&self) -> Vec<Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was sent behind `from` and answered before `to`.
    pub(super) fn between(&self, from: Instant, to: Instant) -> Vec<Sent> {
        self.all().into_iter().filter(|sent| sent.at >= from && sent.at + sent.took <= to).collect()
    }

    /// Waits until every node has accepted `count` orders that were sent behind `from`; gives those of the first so many.
    pub(super) async fn accepted_everywhere(&self, from: Instant, count: usize) -> Vec<Sent> {
        let asked = poll::until(APPLIED_WITHIN, EVERY, || {
            let accepted: Vec<Sent> = self.all().into_iter().filter(|sent| sent.at >= from && sent.status == Some(201)).collect();
            let of = |node| accepted.iter().filter(|sent| sent.node == node).count();
            let per_node: Vec<usize> = (0..self.nodes.len()).map(of).collect();
            let enough = per_node.iter().all(|of_node| *of_node >= count);
            std::future::ready(if enough { Ok(accepted) } else { Err(format!("accepted by node: {per_node:?}")) })
        });
        asked.await.expect("every node accepts")
    }

    /// Waits until every node has applied each of these orders once.
    pub(super) async fn applied_once_everywhere(&self, orders: &[Sent]) {
        #[derive(serde::Deserialize)]
        struct Projected {
            applied: u64,
        }
        let client = http::client(PATIENCE);
        for node in &self.nodes {
            for sent in orders {
                let url = format!("{}/api/orders/{}", node.url, sent.id);
                let asked = poll::until(APPLIED_WITHIN, EVERY, || async {
                    let reply = http::get(&client, &url).await.map_err(|error| error.to_string())?;
                    if reply.status == 200 { Ok(reply.body) } else { Err(format!("{url} answered {}", reply.status)) }
                });
                let body = asked.await.unwrap_or_else(|expired| panic!("{sent:?} on {}: {expired}", node.name));
                let projected: Projected = serde_json::from_slice(&body).expect("an order");
                assert_eq!(projected.applied, 1, "{sent:?} on {}", node.name);
            }
        }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.pacing.abort();
    }
}
