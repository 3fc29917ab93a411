//! What can be done to a link.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// So long a rule can live without being renewed.
pub const LONGEST_TTL: Duration = Duration::from_secs(60);
/// No time in a rule is longer: an hour.
const LONGEST_MS: u64 = 3_600_000;

/// What is done to all connections of a listener, those that are open and those that come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Rule {
    /// What is sent arrives so much later, in each direction and in order. Not a limit of the rate.
    Delay {
        latency_ms: u64,
        /// Up to so much more or less, drawn anew for whatever was read at once.
        jitter_ms: u64,
        /// Of the draws.
        seed: u64,
    },
    /// All connections together pass so much in a second, in each direction.
    Bandwidth { bytes_per_second: u64 },
    /// Nothing passes in the direction, an end of the connection neither. Whoever connects is accepted and gets nowhere;
    /// he is reset when the rule goes.
    BlackHole { direction: Direction },
    /// A connection is reset so long after it was opened; one that is open when the rule comes is reset at once.
    Reset { after_ms: u64 },
    /// What is sent arrives in pieces of so many bytes at most, with so much time between them.
    Slice { bytes: u64, gap_us: u64 },
    /// The node is told that the service has ended its side; what the node sends arrives. Reset when the rule goes.
    HalfClose,
    /// What the service answers vanishes; the connection is reset so long after the first answer that did, or when the
    /// rule goes.
    DropReplies { after_ms: u64 },
}

/// As seen from the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Both,
    /// From the service to the node.
    In,
    /// From the node to the service.
    Out,
}

/// A rule, and how long it stays unless the same is ordered again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub rule: Rule,
    pub ttl_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {value}, and must be from {least} to {most}")]
pub struct RuleError {
    what: &'static str,
    value: u64,
    least: u64,
    most: u64,
}

impl Order {
    /// # Errors
    /// A number is out of bounds.
    pub fn check(&self) -> Result<(), RuleError> {
        within("ttl_ms", self.ttl_ms, 1, u64::try_from(LONGEST_TTL.as_millis()).unwrap_or(u64::MAX))?;
        match self.rule {
            Rule::Delay { latency_ms, jitter_ms, .. } => {
                within("latency_ms", latency_ms, 0, LONGEST_MS)?;
                within("jitter_ms", jitter_ms, 0, latency_ms)
            }
            Rule::Bandwidth { bytes_per_second } => within("bytes_per_second", bytes_per_second, 1, 1 << 40),
            Rule::Reset { after_ms } | Rule::DropReplies { after_ms } => within("after_ms", after_ms, 0, LONGEST_MS),
            Rule::Slice { bytes, gap_us } => {
                within("bytes", bytes, 1, 1 << 20)?;
                within("gap_us", gap_us, 0, LONGEST_MS * 1_000)
            }
            Rule::BlackHole { .. } | Rule::HalfClose => Ok(()),
        }
    }

    pub(crate) fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms)
    }
}

fn within(what: &'static str, value: u64, least: u64, most: u64) -> Result<(), RuleError> {
    if (least..=most).contains(&value) { Ok(()) } else { Err(RuleError { what, value, least, most }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_written_as_scenarios_write_faults() {
        let text = r#"{"rule":{"kind":"delay","latency_ms":50,"jitter_ms":5,"seed":7},"ttl_ms":5000}"#;
        let order = Order { rule: Rule::Delay { latency_ms: 50, jitter_ms: 5, seed: 7 }, ttl_ms: 5000 };
        assert_eq!(serde_json::from_str::<Order>(text).expect("an order"), order);
        assert_eq!(serde_json::to_string(&order).expect("text"), text);
        assert!(serde_json::from_str::<Rule>(r#"{"kind":"reset","after_ms":1,"aftr":2}"#).is_err(), "unknown field");
    }

    #[test]
    fn numbers_out_of_bounds_are_named() {
        let said = |rule, ttl_ms| Order { rule, ttl_ms }.check().expect_err("out of bounds").to_string();
        assert_eq!(said(Rule::HalfClose, 0), "ttl_ms is 0, and must be from 1 to 60000");
        assert_eq!(
            said(Rule::Bandwidth { bytes_per_second: 0 }, 1),
            "bytes_per_second is 0, and must be from 1 to 1099511627776"
        );
        let jitter = Rule::Delay { latency_ms: 5, jitter_ms: 6, seed: 0 };
        assert_eq!(said(jitter, 1), "jitter_ms is 6, and must be from 0 to 5");
    }
}
