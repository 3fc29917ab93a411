//! Counters and gauges, and their Prometheus text.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts up from 0 for as long as the process lives.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub fn increment(&self) {
        self.add(1);
    }

    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// For gauges: one less.
    pub fn decrement(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// For gauges: the value as it is now.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

macro_rules! metrics {
    ($($field:ident: $kind:literal $name:literal $help:literal,)*) => {
        /// All that a node counts.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $(#[doc = $help] pub $field: Counter,)*
        }

        impl Metrics {
            /// The text that Prometheus scrapes.
            #[must_use]
            pub fn render(&self) -> String {
                let mut text = String::with_capacity(4096);
                $(let _ = writeln!(text, concat!("# HELP ", $name, " ", $help, "\n# TYPE ", $name, " ", $kind, "\n", $name, " {}"), self.$field.get());)*
                text
            }
        }
    };
}

metrics! {
    orders_new: "counter" "catga_orders_new_total" "Orders accepted for the first time",
    orders_replayed: "counter" "catga_orders_replayed_total" "Requests answered with the first answer again",
    orders_conflict: "counter" "catga_orders_conflict_total" "Requests refused because the order exists with other content",
    orders_refused: "counter" "catga_orders_refused_total" "Orders refused with the proof that nothing was written",
    orders_indeterminate: "counter" "catga_orders_indeterminate_total" "Orders of which the store's answer did not come",
    requests: "counter" "catga_requests_total" "Commands and queries sent through the mediator",
    requests_failed: "counter" "catga_requests_failed_total" "Commands and queries that ended with an error",
    request_micros: "counter" "catga_request_duration_microseconds_total" "Time spent in commands and queries",
    takeovers: "counter" "catga_outbox_takeovers_total" "Rows claimed that another node accepted or had leased",
    claims: "counter" "catga_outbox_claims_total" "Rows claimed after they were due",
    reindexed: "counter" "catga_outbox_reindexed_total" "Rows that had lost their index entry",
    index_dropped: "counter" "catga_outbox_index_dropped_total" "Index entries dropped because they had no row",
    fenced: "counter" "catga_outbox_fenced_total" "Changes of rows refused because another token held them",
    relay_overflow: "counter" "catga_relay_overflow_total" "Accepted orders left to recovery because the relay was full or NATS was down",
    publish_attempts: "counter" "catga_publish_attempts_total" "Messages handed to the stream",
    publish_duplicates: "counter" "catga_publish_duplicate_acks_total" "Acknowledgements that called the message a duplicate",
    publish_failures: "counter" "catga_publish_failures_total" "Publishes without an acknowledgement",
    dead: "counter" "catga_outbox_dead_total" "Rows set aside because they can never be published",
    applied: "counter" "catga_apply_total" "Orders applied to the projection",
    redelivered: "counter" "catga_apply_redelivered_total" "Deliveries that were not the first of their message",
    skipped: "counter" "catga_apply_skipped_total" "Deliveries of orders that were applied before",
    parked: "counter" "catga_parked_total" "Messages set aside because they cannot be applied",
    rewinds: "counter" "catga_apply_rewinds_total" "Times that the consumer was made anew because Redis was behind it",
    feed_clients: "gauge" "catga_feed_clients" "Clients of the event feed",
    connections: "gauge" "catga_http_connections" "HTTP connections being served",
    requests_in_flight: "gauge" "catga_http_requests_in_flight" "Requests to the API under way",
    requests_refused: "counter" "catga_http_requests_refused_total" "HTTP requests answered with 503 because too many were under way",
    feeds_slow: "counter" "catga_feed_slow_clients_total" "Clients of the event feed that were disconnected because they did not read",
    connections_timed_out: "counter" "catga_http_connections_timed_out_total" "HTTP connections of clients that were too slow, or not there any more",
    connections_refused: "counter" "catga_http_connections_refused_total" "HTTP connections beyond the limit, answered with 503 or closed",
    outbox_depth: "gauge" "catga_outbox_depth" "Rows in the outbox, of all nodes",
    position: "gauge" "catga_apply_position" "Position of the order applied last",
    nats_up: "gauge" "catga_nats_up" "1 while the stream answers",
    redis_up: "gauge" "catga_redis_up" "1 while Redis answers",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_help_type_and_value_of_each() {
        let metrics = Metrics::default();
        metrics.orders_new.add(3);
        let text = metrics.render();
        assert!(text.contains("# TYPE catga_orders_new_total counter\ncatga_orders_new_total 3\n"), "{text}");
        assert!(text.contains("\ncatga_nats_up 0\n"), "{text}");
        assert!(text.lines().all(|line| line.starts_with('#') || line.split(' ').count() == 2), "{text}");
    }
}
