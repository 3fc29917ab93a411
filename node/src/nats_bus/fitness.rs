//! What an operator may have set up otherwise: a stream that cannot be trusted with orders, a stream that does not take
//! them or may drop them later, a consumer that would not show them all.

use std::fmt::Debug;
use std::time::Duration;

use async_nats::jetstream::consumer::{Config as ConsumerConfig, pull};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};

/// Largest message that an order can be, in bytes: its longest ids and its headers.
const LARGEST_ORDER: i32 = 1024;

/// Why an order given to the stream would be lost. Rows stay in the outbox until this is changed.
pub(super) fn unusable(config: &Config) -> Option<String> {
    let why = if config.retention != RetentionPolicy::Limits {
        format!("its retention is {}, which drops what a node has not seen; make it limits", word(config.retention))
    } else if config.no_ack {
        "it acknowledges nothing (no_ack), so that nothing is known to be stored; set no_ack to false".to_owned()
    } else if config.sealed {
        "it is sealed and takes no message; make another".to_owned()
    } else {
        return None;
    };
    Some(why)
}

/// Why the stream takes no orders, or may drop what a slow or a new node has not seen yet.
pub(super) fn unfit(config: &Config, subject: &str) -> Option<String> {
    let mut reasons = Vec::new();
    if !config.subjects.iter().any(|pattern| covers(pattern, subject)) {
        reasons.push(format!("does not take {subject}, only {:?}; add it to its subjects", config.subjects));
    }
    if config.max_age != Duration::ZERO {
        reasons.push(format!("drops messages after {:?}; set no max age", config.max_age));
    }
    if (1..LARGEST_ORDER).contains(&config.max_message_size) {
        let size = config.max_message_size;
        reasons.push(format!(
            "takes messages of {size} bytes at most, and an order may have {LARGEST_ORDER}; set no max message size, or one above that"
        ));
    }
    let limited = config.max_bytes > 0 || config.max_messages > 0;
    if config.discard == DiscardPolicy::Old && limited {
        reasons.push("drops its oldest messages when it is full; set discard new".to_owned());
    }
    if config.max_messages_per_subject > 0 && !(config.discard == DiscardPolicy::New && config.discard_new_per_subject) {
        reasons.push(format!("keeps the last {} messages of a subject; set no such limit", config.max_messages_per_subject));
    }
    if config.storage != StorageType::File {
        reasons.push("is kept in memory, and gone when nats restarts; make it anew with file storage".to_owned());
    }
    (!reasons.is_empty()).then(|| reasons.join(", and "))
}

/// In what a consumer is not what this node made, where that matters.
pub(super) fn altered(now: &ConsumerConfig, ours: &pull::Config) -> Option<String> {
    let mut differences = Vec::new();
    let mut expect = |what: &str, now: &dyn Debug, ours: &dyn Debug| {
        let (now, ours) = (format!("{now:?}"), format!("{ours:?}"));
        if now != ours {
            differences.push(format!("{what} is {now}, not {ours}"));
        }
    };
    expect("ack policy", &now.ack_policy, &ours.ack_policy);
    expect("ack wait", &now.ack_wait, &ours.ack_wait);
    expect("deliver limit", &now.max_deliver, &ours.max_deliver);
    expect("filter", &now.filter_subject, &ours.filter_subject);
    expect("list of filters", &now.filter_subjects, &ours.filter_subjects);
    expect("deliver subject", &now.deliver_subject, &None::<String>);
    expect("headers only", &now.headers_only, &ours.headers_only);
    expect("limit of pending acks", &now.max_ack_pending, &ours.max_ack_pending);
    expect("replay", &now.replay_policy, &ours.replay_policy);
    expect("rate limit", &now.rate_limit, &ours.rate_limit);
    expect("inactive threshold", &now.inactive_threshold, &ours.inactive_threshold);
    expect("backoff", &now.backoff, &ours.backoff);
    expect(
        "limit of a pull",
        &(now.max_batch, now.max_bytes, now.max_expires),
        &(ours.max_batch, ours.max_bytes, ours.max_expires),
    );
    (!differences.is_empty()).then(|| differences.join(", "))
}

fn word(retention: RetentionPolicy) -> &'static str {
    match retention {
        RetentionPolicy::Limits => "limits",
        RetentionPolicy::Interest => "interest",
        RetentionPolicy::WorkQueue => "workqueue",
    }
}

/// Does a subject pattern take a subject?
fn covers(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for part in pattern.split('.') {
        match (part, tokens.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (part, Some(token)) if part == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Config {
        Config { subjects: vec!["a.>".to_owned()], discard: DiscardPolicy::New, max_bytes: 1000, ..Config::default() }
    }

    #[test]
    fn a_stream_that_would_lose_an_order_is_not_used() {
        assert_eq!(unusable(&sound()), None);
        let cases = [
            (Config { retention: RetentionPolicy::Interest, ..sound() }, "interest"),
            (Config { retention: RetentionPolicy::WorkQueue, ..sound() }, "workqueue"),
            (Config { no_ack: true, ..sound() }, "no_ack"),
            (Config { sealed: true, ..sound() }, "sealed"),
        ];
        for (config, word) in cases {
            let why = unusable(&config).unwrap_or_default();
            assert!(why.contains(word), "{word}: {why}");
        }
    }

    #[test]
    fn a_stream_that_may_drop_messages_later_is_told_of() {
        assert_eq!(unfit(&sound(), "a.b"), None);
        assert_eq!(
            unfit(&Config { max_bytes: -1, discard: DiscardPolicy::Old, ..sound() }, "a.b"),
            None,
            "without a limit nothing is discarded"
        );
        let all = Config {
            max_age: Duration::from_secs(60),
            discard: DiscardPolicy::Old,
            max_messages_per_subject: 1,
            storage: StorageType::Memory,
            max_message_size: LARGEST_ORDER - 1,
            ..sound()
        };
        let why = unfit(&all, "b").unwrap_or_default();
        for word in ["does not take b", "60s", "oldest", "last 1", "memory", "1023 bytes"] {
            assert!(why.contains(word), "{word}: {why}");
        }
    }

    #[test]
    fn the_largest_order_is_within_the_size_that_a_stream_is_asked_for() {
        let id = "x".repeat(128);
        let body = format!(r#"{{"orderId":"{id}","customerId":"{id}","amount":999999999.99}}"#);
        let placed = crate::order::PlacedOrder {
            order: crate::order::parse_order(body.as_bytes()).expect("valid"),
            message_id: crate::order::MessageId::new(&id).expect("valid"),
            accepted_by: crate::order::NodeId::new(&"n".repeat(32)).expect("valid"),
            accepted_at: "2026-01-02T03:04:05.678901Z".parse().expect("a time"),
        };
        let headers = format!("NATS/1.0\r\nNats-Msg-Id: {id}\r\ntraceparent: 00-{:032x}-{:016x}-01\r\n\r\n", 1, 1);
        let size = placed.to_json().len() + headers.len();
        assert!((700..=1024).contains(&size), "{size}");
        for (limit, fits) in [(-1, true), (0, true), (LARGEST_ORDER, true), (LARGEST_ORDER - 1, false), (100, false)] {
            let config = Config { max_message_size: limit, ..sound() };
            assert_eq!(unfit(&config, "a.b").is_none(), fits, "{limit}");
        }
    }

    #[test]
    fn patterns_take_subjects_as_nats_has_it() {
        let cases = [
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            ("a.*.c", "a.b.c", true),
            ("a.*", "a.b.c", false),
            (">", "a.b", true),
            ("a.b", "a.b", true),
            ("a.b", "a.c", false),
            ("a.b.c", "a.b", false),
        ];
        for (pattern, subject, taken) in cases {
            assert_eq!(covers(pattern, subject), taken, "{pattern} {subject}");
        }
    }
}
