//! What a run can be required to have put to the test, by the names that `[exercise]` and the report use.

/// A counter of what was exercised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    pub name: &'static str,
    pub source: Source,
    pub meaning: &'static str,
}

/// Where a counter comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Counted over the answers that the clients got.
    Client,
    /// The sum of the increases of this metric over all nodes, with resets by a restart handled. What a node counted
    /// between the last reading and its death is missing, so the figure is a lower bound.
    Metric(&'static str),
}

/// Is it something that a load does by itself, without any fault?
#[must_use]
pub fn is_of_the_load(name: &str) -> bool {
    name != "indeterminate" && NAMES.iter().any(|counter| counter.name == name && counter.source == Source::Client)
}

/// All counters there are.
pub const NAMES: &[Counter] = &[
    Counter { name: "new", source: Source::Client, meaning: "operations answered 201" },
    Counter { name: "replays", source: Source::Client, meaning: "operations answered as replayed" },
    Counter { name: "conflicts", source: Source::Client, meaning: "operations answered 409" },
    Counter { name: "indeterminate", source: Source::Client, meaning: "operations whose outcome the client never learnt" },
    Counter { name: "reads", source: Source::Client, meaning: "orders read back: answered 200 or 404" },
    Counter { name: "reads_found", source: Source::Client, meaning: "orders read back and found" },
    Counter {
        name: "stale_reads",
        source: Source::Client,
        meaning: "orders read back after their acknowledgement and not found yet",
    },
    Counter { name: "hottest", source: Source::Client, meaning: "operations on the order that had the most of them" },
    Counter {
        name: "redeliveries",
        source: Source::Metric("catga_apply_redelivered_total"),
        meaning: "messages delivered more than once",
    },
    Counter {
        name: "skipped",
        source: Source::Metric("catga_apply_skipped_total"),
        meaning: "deliveries of what was already applied",
    },
    Counter { name: "applied", source: Source::Metric("catga_apply_total"), meaning: "orders applied" },
    Counter { name: "publish_attempts", source: Source::Metric("catga_publish_attempts_total"), meaning: "publishes tried" },
    Counter {
        name: "publish_failures",
        source: Source::Metric("catga_publish_failures_total"),
        meaning: "publishes that failed",
    },
    Counter {
        name: "duplicate_acks",
        source: Source::Metric("catga_publish_duplicate_acks_total"),
        meaning: "publishes that JetStream had already",
    },
    Counter {
        name: "takeovers",
        source: Source::Metric("catga_outbox_takeovers_total"),
        meaning: "outbox rows that another node finished",
    },
    Counter {
        name: "parked",
        source: Source::Metric("catga_parked_total"),
        meaning: "messages set aside because they cannot be applied",
    },
    Counter {
        name: "dead",
        source: Source::Metric("catga_outbox_dead_total"),
        meaning: "outbox rows that can never be published",
    },
];
