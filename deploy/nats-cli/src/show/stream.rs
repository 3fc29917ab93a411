//! Streams.

use super::page::{self, Page};
use super::units;
use crate::api::Stream;

pub(crate) fn list(streams: &[Stream], names: bool) -> String {
    if names {
        return streams.iter().flat_map(|stream| [stream.config.name.as_str(), "\n"]).collect();
    }
    if streams.is_empty() {
        return String::from("There are no streams.");
    }
    let row = |stream: &Stream| {
        let state = &stream.state;
        [
            stream.config.name.clone(),
            state.messages.to_string(),
            units::bytes(state.bytes),
            state.consumer_count.to_string(),
            if state.last_seq == 0 { String::from("never") } else { units::time(&state.last_ts) },
        ]
    };
    let rows: Vec<_> = streams.iter().map(row).collect();
    page::table(["Stream", "Messages", "Size", "Consumers", "Last message"], &rows)
}

pub(crate) fn info(stream: &Stream) -> String {
    let config = &stream.config;
    let title = format!("Stream {}, made {}", config.name, units::time(&stream.created));
    let page = Page::new(&title)
        .section("Configuration")
        .line("Subjects", config.subjects.join(", "))
        .line("Storage", &config.storage)
        .line("Retention", &config.retention)
        .line("Discard", &config.discard)
        .line("Replicas", config.num_replicas)
        .line("Duplicate window", units::nanos(config.duplicate_window))
        .line("Maximum messages", units::limit(config.max_msgs, units::plain))
        .line("Maximum bytes", units::limit(config.max_bytes, units::bytes))
        .line("Maximum age", units::nanos(config.max_age))
        .line("Maximum message", units::limit(config.max_msg_size, units::bytes))
        .line("Maximum consumers", units::limit(config.max_consumers, units::plain));
    let page = if config.sealed { page.line("Sealed", "yes, it takes no more messages") } else { page };
    // A server that stands alone names itself the leader of a cluster without a name.
    let page = match &stream.cluster {
        Some(cluster) if !cluster.name.is_empty() => page
            .section("Cluster")
            .line("Name", &cluster.name)
            .line("Leader", if cluster.leader.is_empty() { "none" } else { &cluster.leader }),
        _ => page,
    };
    let state = &stream.state;
    let at = |sequence: u64, time: &str| match sequence {
        0 => String::from("none"),
        _ => format!("{sequence} at {}", units::time(time)),
    };
    page.section("State")
        .line("Messages", state.messages)
        .line("Size", units::bytes(state.bytes))
        .line(
            "First sequence",
            if state.messages == 0 { state.first_seq.to_string() } else { at(state.first_seq, &state.first_ts) },
        )
        .line("Last sequence", at(state.last_seq, &state.last_ts))
        .line("Subjects in use", state.num_subjects)
        .line("Deleted", state.num_deleted)
        .line("Consumers", state.consumer_count)
        .end()
}
