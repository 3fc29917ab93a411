//! What a log tells of the run, counted: so that a run is judged again without reading its logs.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use judge::history::ServiceLog;
use serde::Deserialize;

use crate::wire;

/// How many lines of panics are kept, and how much of each.
const KEPT: usize = 3;
const EXCERPT: usize = 300;
/// Different messages at level ERROR; beyond that they are some text with a number in it.
const MESSAGES: usize = 50;

/// One line of a node's log, as far as it is looked at.
#[derive(Deserialize)]
struct Line<'a> {
    level: &'a str,
    #[serde(default)]
    message: String,
    #[serde(default)]
    target: &'a str,
    #[serde(rename = "orderId", default)]
    order_id: Option<String>,
}

/// Reads one service's log. `nonce` tells the orders of this run.
///
/// # Errors
/// The file is not there, or cannot be read.
pub(super) fn digest(path: &Path, service: &str, nonce: &str) -> io::Result<ServiceLog> {
    read(BufReader::new(File::open(path)?), service, nonce)
}

fn read(mut log: impl BufRead, service: &str, nonce: &str) -> io::Result<ServiceLog> {
    let mut found = ServiceLog { service: service.to_owned(), ..ServiceLog::default() };
    let mut orders = HashSet::new();
    let mut line = Vec::new();
    while log.read_until(b'\n', &mut line)? > 0 {
        found.lines += 1;
        let text = String::from_utf8_lossy(&line);
        if is_panic(&text) {
            found.panics += 1;
            if found.first_panics.len() < KEPT {
                found.first_panics.push(text.trim_end().chars().take(EXCERPT).collect());
            }
        } else if let Some(line) = of_a_node(&text) {
            note(&line, nonce, &mut found.errors, &mut orders);
        }
        line.clear();
    }
    found.orders = orders.len() as u64;
    Ok(found)
}

/// How Rust, Go and Redis say that the process is done for.
fn is_panic(line: &str) -> bool {
    (line.starts_with("thread '") && line.contains(" panicked at "))
        || line.starts_with("panic: ")
        || line.starts_with("fatal error: ")
        || line.contains("=== REDIS BUG REPORT START")
}

/// Reads a line only where it can be one that counts.
fn of_a_node(line: &str) -> Option<Line<'_>> {
    let may_count = line.starts_with('{') && (line.contains("order applied") || line.contains("ERROR"));
    may_count.then(|| serde_json::from_str(line).ok()).flatten()
}

fn note(line: &Line<'_>, nonce: &str, errors: &mut BTreeMap<String, u64>, orders: &mut HashSet<String>) {
    let by_the_node = line.target == "node" || line.target.starts_with("node::");
    if line.level == "ERROR" && by_the_node && (errors.len() < MESSAGES || errors.contains_key(&line.message)) {
        *errors.entry(line.message.clone()).or_default() += 1;
    }
    if line.message == "order applied"
        && let Some(id) = line.order_id.as_ref().filter(|id| wire::is_of_run(nonce, id))
    {
        orders.insert(id.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_errors_and_panics_are_counted_and_all_else_is_only_a_line() {
        let log = r#"{"timestamp":"t","level":"INFO","message":"order applied","orderId":"n-1","target":"node::core::events"}
{"timestamp":"t","level":"INFO","message":"order applied","orderId":"n-1","target":"node::core::events"}
{"timestamp":"t","level":"INFO","message":"order applied","orderId":"other-2","target":"node::core::events"}
{"timestamp":"t","level":"ERROR","message":"the node stops","error":"x \" y","target":"node"}
{"timestamp":"t","level":"ERROR","message":"a client's own","target":"async_nats::connection"}
{"timestamp":"t","level":"WARN","message":"no ERROR at all","target":"node"}
thread 'tokio-rt-worker' (7) panicked at node/src/core.rs:1:1:
{ broken ERROR
"#;
        let found = read(log.as_bytes(), "cluster-node-1", "n").expect("it is read");
        assert_eq!((found.lines, found.orders, found.panics), (8, 1, 1));
        assert_eq!(found.errors, BTreeMap::from([("the node stops".to_owned(), 1)]));
        assert_eq!(found.first_panics, ["thread 'tokio-rt-worker' (7) panicked at node/src/core.rs:1:1:"]);
    }

    #[test]
    fn crash_of_a_store_is_a_panic() {
        for line in ["panic: runtime error", "1:M 24 Nov 2026 * # === REDIS BUG REPORT START: Cut & paste"] {
            assert_eq!(read(line.as_bytes(), "redis", "n").expect("it is read").panics, 1, "{line}");
        }
    }
}
