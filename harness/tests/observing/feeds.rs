//! Feeds: nothing is skipped, an outage is told of, and a claim is checked.

use std::time::{Duration, Instant};

use harness::observe::{ObserveError, Observers};
use judge::history::{Entry, FeedState, Sample};

use crate::scripted::{ScriptedNode, id};
use crate::stage::{NONCE, Stage, cluster, nowhere, order};

fn seen(entries: &[Entry]) -> Vec<(String, u64)> {
    let seen = entries.iter().filter_map(|entry| match entry {
        Entry::Seen(seen) => Some((seen.order_id.clone(), seen.position)),
        _ => None,
    });
    seen.collect()
}

fn states(entries: &[Entry]) -> Vec<FeedState> {
    let states = entries.iter().filter_map(|entry| match entry {
        Entry::Feed { state, .. } => Some(*state),
        _ => None,
    });
    states.collect()
}

async fn observe(stage: &Stage, node: &ScriptedNode) -> Observers {
    let cluster = cluster(&[&node.url], &nowhere(), &nowhere());
    Observers::start(&cluster, stage.recorder.clone(), NONCE.into()).await.expect("all feeds connect")
}

#[tokio::test]
async fn a_cut_feed_resumes_behind_the_last_event_and_skips_none() {
    let (stage, node) = (Stage::new(), ScriptedNode::start().await);
    node.apply("another", 1);
    let observers = observe(&stage, &node).await;
    node.apply(NONCE, 1);
    node.apply(NONCE, 2);
    stage.until("two events", |entries| seen(entries).len() == 2).await;
    node.change(|script| {
        script.cuts += 1;
        script.refusing = true;
    });
    stage.until("the feed is lost", |entries| states(entries).last() == Some(&FeedState::Lost)).await;
    node.apply(NONCE, 3);
    node.apply("another", 2);
    node.change(|script| script.refusing = false);
    node.apply(NONCE, 4);
    stage.until("four events", |entries| seen(entries).len() == 4).await;
    observers.stop().await;
    let entries = stage.entries();
    assert_eq!(seen(&entries), [(id(1), 2), (id(2), 3), (id(3), 4), (id(4), 6)]);
    assert_eq!(states(&entries), [FeedState::Connected, FeedState::Lost, FeedState::Connected]);
    assert_eq!(node.script().resumed_from, [None, Some(3)]);
    assert_eq!(stage.read("foreign feed cluster-node-1"), (1, None));
}

#[tokio::test]
async fn a_feed_cut_before_its_first_event_misses_nothing_either() {
    let (stage, node) = (Stage::new(), ScriptedNode::start().await);
    let observers = observe(&stage, &node).await;
    node.change(|script| {
        script.cuts += 1;
        script.refusing = true;
    });
    node.apply(NONCE, 1);
    stage.until("the feed is lost", |entries| states(entries).contains(&FeedState::Lost)).await;
    node.change(|script| script.refusing = false);
    let entries = stage.until("the event", |entries| !seen(entries).is_empty()).await;
    assert_eq!(seen(&entries), [(id(1), 1)]);
    assert_eq!(node.script().resumed_from, [None, Some(0)]);
    observers.stop().await;
}

#[tokio::test]
async fn a_feed_that_the_node_sets_back_goes_on_where_the_node_says() {
    let (stage, node) = (Stage::new(), ScriptedNode::start().await);
    let observers = observe(&stage, &node).await;
    for number in 1..=3 {
        node.apply(NONCE, number);
    }
    stage.until("three events", |entries| seen(entries).len() == 3).await;
    // The store lost the last two: order 3 comes again before order 2.
    node.change(|script| {
        script.events.truncate(1);
        script.end = Some(r#"{"reason":"reset","detail":"the store lost writes","lastEventId":1}"#.into());
        script.cuts += 1;
    });
    node.apply(NONCE, 3);
    node.apply(NONCE, 2);
    stage.until("five events", |entries| seen(entries).len() == 5).await;
    observers.stop().await;
    let entries = stage.entries();
    assert_eq!(seen(&entries), [(id(1), 1), (id(2), 2), (id(3), 3), (id(3), 2), (id(2), 3)]);
    assert_eq!(states(&entries), [FeedState::Connected, FeedState::Reset { to: 1 }, FeedState::Connected]);
    assert_eq!(node.script().resumed_from, [None, Some(1)]);
    assert!(!entries.iter().any(|entry| matches!(entry, Entry::Trouble { .. })), "{entries:?}");
}

#[tokio::test]
async fn a_feed_that_ends_for_another_reason_goes_on_behind_its_last_event_and_one_that_cannot_be_read_is_trouble() {
    let (stage, node) = (Stage::new(), ScriptedNode::start().await);
    let observers = observe(&stage, &node).await;
    node.apply(NONCE, 1);
    stage.until("an event", |entries| seen(entries).len() == 1).await;
    for (end, number) in [(r#"{"reason":"draining","detail":"","lastEventId":0}"#, 2), (r#"{"reason":"whim"}"#, 3)] {
        node.change(|script| {
            script.end = Some(end.into());
            script.cuts += 1;
        });
        node.apply(NONCE, number);
        stage.until("the next event", |entries| seen(entries).len() as u64 == number).await;
    }
    observers.stop().await;
    let entries = stage.entries();
    assert_eq!(seen(&entries), [(id(1), 1), (id(2), 2), (id(3), 3)]);
    assert_eq!(entries.iter().filter(|entry| matches!(entry, Entry::Trouble { .. })).count(), 1, "{entries:?}");
}

#[tokio::test]
async fn a_feed_silent_beyond_its_comments_is_lost() {
    let (stage, node) = (Stage::new(), ScriptedNode::start().await);
    let observers = observe(&stage, &node).await;
    node.change(|script| script.silent = true);
    let entries = stage.until("the feed is lost", |entries| states(entries).contains(&FeedState::Lost)).await;
    let detail = entries.iter().find_map(|entry| match entry {
        Entry::Feed { state: FeedState::Lost, detail, .. } => Some(detail.clone()),
        _ => None,
    });
    assert!(detail.expect("a loss").starts_with("silent for 4"), "the loss says how long it heard nothing");
    observers.stop().await;
}

#[tokio::test]
async fn a_hundredth_of_the_events_is_confirmed_by_asking_the_node() {
    let (stage, node) = (Stage::new(), ScriptedNode::start().await);
    let observers = observe(&stage, &node).await;
    for number in 1..=600_u64 {
        if number.is_multiple_of(2) {
            let place = r#","sequence":1,"position":1,"applied":1,"appliedAt":"2026-01-01T00:00:01Z"}"#;
            let body = order(number, "1").replacen('}', place, 1);
            node.answer(&format!("/api/orders/{}", id(number)), 200, body);
        }
        node.apply(NONCE, number);
    }
    let confirms = |entries: &[Entry]| {
        let confirms = entries.iter().filter_map(|entry| match entry {
            Entry::Confirm { order_id, status, applied, .. } => Some((order_id.clone(), *status, *applied)),
            _ => None,
        });
        confirms.collect::<Vec<_>>()
    };
    let entries = stage.until("confirmations", |entries| confirms(entries).len() >= 3).await;
    for (order_id, status, applied) in confirms(&entries) {
        let number: u64 = order_id.rsplit('-').next().and_then(|number| number.parse().ok()).expect("a number");
        let expected = if number.is_multiple_of(2) { (200, Some(1)) } else { (404, None) };
        assert_eq!((status, applied), expected, "{order_id}");
    }
    observers.stop().await;
    assert!(confirms(&stage.entries()).len() < 30, "about six of 600");
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_trouble_and_the_feed_goes_on() {
    let (stage, node) = (Stage::new(), ScriptedNode::start().await);
    let observers = observe(&stage, &node).await;
    node.change(|script| script.events.push("nonsense".into()));
    node.apply(NONCE, 2);
    let entries = stage.until("the event behind it", |entries| !seen(entries).is_empty()).await;
    let troubles = entries.iter().filter(|entry| matches!(entry, Entry::Trouble { .. })).count();
    assert_eq!(troubles, 1, "{entries:?}");
    observers.stop().await;
}

#[tokio::test]
async fn observation_does_not_begin_without_every_feed() {
    let (stage, node, down) = (Stage::new(), ScriptedNode::start().await, ScriptedNode::start().await);
    down.change(|script| script.refusing = true);
    let cluster = cluster(&[&node.url, &down.url], &nowhere(), &nowhere());
    let error = Observers::start(&cluster, stage.recorder.clone(), NONCE.into()).await.expect_err("one is down");
    let ObserveError::Feeds { missing, .. } = &error else { panic!("{error}") };
    assert!(missing.starts_with("cluster-node-2: ") && missing.contains("503"), "{error}");
    assert!(!missing.contains("cluster-node-1"), "{error}");
}

#[tokio::test]
async fn observers_of_a_dead_cluster_say_that_they_are_blind_and_stop_in_time() {
    let (stage, node) = (Stage::new(), ScriptedNode::start().await);
    node.say_health(200, "up", "up", "up");
    node.answer("/metrics", 200, "catga_apply_total 7\nelse 1\n");
    let observers = observe(&stage, &node).await;
    stage.until("counters", |entries| entries.iter().any(|entry| matches!(entry, Entry::Counters { .. }))).await;
    node.change(|script| script.refusing = true);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let began = Instant::now();
    observers.stop().await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let samples = stage.samples();
    for blind in ["outbox", "stream", "counters cluster-node-1"] {
        let said = samples.iter().filter(|sample| matches!(sample, Sample::Blind { observer, .. } if observer == blind));
        assert!((1..=5).contains(&said.count()), "{blind}: {samples:?}");
    }
    let healths = samples.iter().filter_map(|sample| match sample {
        Sample::Health { http, status, .. } => Some((*http, status.clone())),
        _ => None,
    });
    let healths: Vec<_> = healths.collect();
    assert_eq!(healths.first(), Some(&(Some(200), Some("up".to_owned()))));
    assert_eq!(healths.last(), Some(&(Some(503), None)));
    let entries = stage.entries();
    assert!(!entries.iter().any(|entry| matches!(entry, Entry::Trouble { .. })), "{entries:?}");
    let counters = entries.iter().find_map(|entry| match entry {
        Entry::Counters { values, .. } => Some(values.clone()),
        _ => None,
    });
    assert_eq!(counters.expect("counters").into_iter().collect::<Vec<_>>(), [("catga_apply_total".to_owned(), 7.0)]);
}
