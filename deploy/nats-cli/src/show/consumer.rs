//! Consumers.

use super::page::{self, Page};
use super::units;
use crate::api::Consumer;

pub(crate) fn list(stream: &str, consumers: &[Consumer], names: bool) -> String {
    if names {
        return consumers.iter().flat_map(|consumer| [consumer.name.as_str(), "\n"]).collect();
    }
    if consumers.is_empty() {
        return format!("Stream {stream} has no consumers.");
    }
    let row = |consumer: &Consumer| {
        [
            consumer.name.clone(),
            consumer.num_pending.to_string(),
            consumer.num_ack_pending.to_string(),
            consumer.num_redelivered.to_string(),
            consumer.ack_floor.stream_seq.to_string(),
        ]
    };
    let rows: Vec<_> = consumers.iter().map(row).collect();
    page::table(["Consumer", "Waiting", "Unacked", "Again", "Acked up to"], &rows)
}

pub(crate) fn info(consumer: &Consumer) -> String {
    let config = &consumer.config;
    let title = format!("Consumer {}", consumer.name);
    let deliver = match config.deliver_policy.as_str() {
        "by_start_sequence" => format!("from sequence {}", config.opt_start_seq),
        other => other.to_owned(),
    };
    let mut filters = config.filter_subjects.clone();
    filters.extend((!config.filter_subject.is_empty()).then(|| config.filter_subject.clone()));
    Page::new(&title)
        .line("Stream", &consumer.stream_name)
        .line("Made", units::time(&consumer.created))
        .section("Configuration")
        .line("Kind", kind(consumer))
        .line("Deliver", deliver)
        .line("Filter", if filters.is_empty() { String::from("none") } else { filters.join(", ") })
        .line("Acknowledge", format!("{}, within {}", config.ack_policy, units::nanos(config.ack_wait)))
        .line("Maximum deliveries", units::limit(config.max_deliver, units::plain))
        .line("Maximum unacked", units::limit(config.max_ack_pending, units::plain))
        .line(
            "Removed when idle",
            if config.inactive_threshold == 0 {
                String::from("never")
            } else {
                format!("after {}", units::nanos(config.inactive_threshold))
            },
        )
        .section("State")
        .line("Delivered up to", place(consumer.delivered.stream_seq, &consumer.delivered.last_active))
        .line("Acked up to", place(consumer.ack_floor.stream_seq, &consumer.ack_floor.last_active))
        .line("Waiting", consumer.num_pending)
        .line("Unacked", consumer.num_ack_pending)
        .line("Delivered again", consumer.num_redelivered)
        .line("Open pulls", consumer.num_waiting)
        .end()
}

fn kind(consumer: &Consumer) -> String {
    let life = if consumer.config.durable_name.is_empty() { "ephemeral" } else { "durable" };
    let way = if consumer.config.deliver_subject.is_empty() { "pull" } else { "push" };
    format!("{life} {way}")
}

fn place(sequence: u64, at: &str) -> String {
    format!("sequence {sequence}, last at {}", units::time(at))
}
