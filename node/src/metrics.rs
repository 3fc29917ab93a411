//! What a node counts, and the text that Prometheus reads. `docs/metrics.md` explains every metric; a test holds the
//! page to this file.

mod kinds;
mod labels;
mod process;
#[cfg(test)]
mod strict;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use kinds::Samples;

pub use kinds::{Counter, Family, Gauge, Histogram, Ladder, Long, Seconds, Short, Sparse};
pub use labels::{Decision, Dependency, Ended, Labels, Method, RequestName, Route, Status};

macro_rules! metrics {
    ($($field:ident: $type:ty, $name:literal $help:literal,)*) => {
        /// All that a node counts.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $(#[doc = $help] pub $field: $type,)*
        }

        impl Metrics {
            fn write(&self, text: &mut String) {
                $(
                    let _ = writeln!(text, concat!("# HELP ", $name, " ", $help, "\n# TYPE ", $name, " {}"), <$type as Samples>::KIND);
                    self.$field.write($name, "", text);
                )*
            }
        }
    };
}

metrics! {
    http_requests: Sparse<(Route, (Method, Status)), Histogram<Short>>, "catga_http_request_duration_seconds" "Time from a request's head to its answer's head",
    connections: Gauge, "catga_http_connections" "HTTP connections being served",
    requests_in_flight: Gauge, "catga_http_requests_in_flight" "Requests to the API under way",
    requests_refused: Counter, "catga_http_requests_refused_total" "HTTP requests answered with 503 because too many were under way",
    connections_timed_out: Counter, "catga_http_connections_timed_out_total" "HTTP connections of clients that were too slow, or not there any more",
    connections_refused: Counter, "catga_http_connections_refused_total" "HTTP connections beyond the limit, answered with 503 or closed",
    feed_clients: Gauge, "catga_feed_clients" "Clients of the event feed",
    feeds_slow: Counter, "catga_feed_slow_clients_total" "Clients of the event feed that were disconnected because they did not read",
    sends: Sparse<(RequestName, Ended), Histogram<Short>>, "catga_mediator_send_duration_seconds" "Time that commands and queries took in the mediator",
    orders: Family<Decision, Counter>, "catga_orders_total" "Orders that were to be placed, by what became of them",
    coalesced: Counter, "catga_orders_coalesced_total" "Orders answered with the answer of the same order in flight; part of those replayed",
    outbox_depth: Gauge, "catga_outbox_depth" "Rows in the outbox, of all nodes",
    outbox_oldest_age: Seconds, "catga_outbox_oldest_age_seconds" "Age of the oldest of the rows that are due first, 0 without rows",
    takeovers: Counter, "catga_outbox_takeovers_total" "Rows claimed that another node accepted or had leased",
    claims: Counter, "catga_outbox_claims_total" "Rows claimed after they were due",
    reindexed: Counter, "catga_outbox_reindexed_total" "Rows that had lost their index entry",
    index_dropped: Counter, "catga_outbox_index_dropped_total" "Index entries dropped because they had no row",
    fenced: Counter, "catga_outbox_fenced_total" "Changes of rows refused because another token held them",
    dead: Counter, "catga_outbox_dead_total" "Rows set aside because they can never be published",
    relay_overflow: Counter, "catga_relay_overflow_total" "Accepted orders left to recovery because the relay was full or behind by a lease, or NATS was down",
    publish_attempts: Counter, "catga_publish_attempts_total" "Messages handed to the stream",
    publish_duplicates: Counter, "catga_publish_duplicate_acks_total" "Acknowledgements that called the message a duplicate",
    publish_failures: Counter, "catga_publish_failures_total" "Publishes without an acknowledgement",
    publish_duration: Histogram<Short>, "catga_publish_duration_seconds" "Time from a publish to its acknowledgement or failure",
    applied: Counter, "catga_apply_total" "Orders applied to the projection",
    apply_lag: Histogram<Long>, "catga_apply_lag_seconds" "Time from an order's acceptance on any node to its application on this one",
    redelivered: Counter, "catga_apply_redelivered_total" "Deliveries that were not the first of their message",
    skipped: Counter, "catga_apply_skipped_total" "Deliveries of orders that were applied before: hits of inbox and projection",
    parked: Counter, "catga_parked_total" "Messages set aside because they cannot be applied",
    rewinds: Counter, "catga_apply_rewinds_total" "Times that the consumer was made anew because Redis was behind it",
    position: Gauge, "catga_apply_position" "Position of the order applied last",
    pending: Gauge, "catga_consumer_pending" "Messages of the stream that this node had not acknowledged when it last looked",
    dependency_up: Family<Dependency, Gauge>, "catga_dependency_up" "1 while the dependency answers",
}

impl Metrics {
    /// The text that Prometheus scrapes, of the node called `node`.
    #[must_use]
    pub fn render(&self, node: &str) -> String {
        let mut text = String::with_capacity(16 * 1024);
        self.write(&mut text);
        let version = env!("CARGO_PKG_VERSION");
        text.push_str("# HELP catga_build_info 1, with what this node is in its labels\n# TYPE catga_build_info gauge\n");
        let _ = writeln!(text, "catga_build_info{{version=\"{version}\",node=\"{node}\"}} 1");
        process::write(&mut text);
        text
    }
}
