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

/// All counters there are.
pub const NAMES: &[Counter] = &[
    Counter { name: "new", source: Source::Client, meaning: "operations answered 201" },
    Counter { name: "replays", source: Source::Client, meaning: "operations answered as replayed" },
    Counter { name: "conflicts", source: Source::Client, meaning: "operations answered 409" },
    Counter { name: "indeterminate", source: Source::Client, meaning: "operations whose outcome the client never learnt" },
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
