//! For each rule histories that must pass and that must fail. 40 orders, 10 ms apart; the fault strikes at the twentieth.

use crate::history::{Entry, OpKind, Outcome, Row, RowState, Step, reads};
use crate::plan::FaultKind;
use crate::report::Report;
use crate::testing::{NODES, Story, answer, id, intended_us, message};
use crate::verdict::Verdict;

const STRUCK: u64 = 20;

fn strike(story: &mut Story, kind: FaultKind, service: &str, at_us: u64) {
    let steps = [Step::Inject, Step::Injected, Step::EffectVerified, Step::Heal, Step::Healed, Step::HealVerified];
    // From the first step to the last: 100 ms.
    let steps: Vec<(Step, u64)> = steps.into_iter().zip((at_us..).step_by(20_000)).collect();
    story.strike(kind, service, 0, &steps);
}

/// A run that declares a limit, and in which a fault destroys something at order 20.
fn struck(kind: FaultKind, service: &str) -> Story {
    let mut story = Story::good(40);
    story.plan.durability_limit = true;
    strike(&mut story, kind, service, intended_us(STRUCK));
    story
}

fn redis_rolled_back() -> Story {
    struck(FaultKind::RollBack { lose_ms: 50 }, "redis")
}

fn gone_without_a_trace(story: &mut Story, order: u64) {
    story.never_published(order);
    story.no_record(order);
}

fn gone_from_the_stream(story: &mut Story, order: u64) {
    story.remove(|entry| matches!(entry, Entry::Published(found) if found.answer.as_ref().is_some_and(|answer| answer.order_id == id(order))));
}

fn counts(report: &Report) -> (Verdict, u64, u64) {
    (report.verdict, report.orders.lost, report.orders.excused)
}

#[test]
fn acknowledged_while_redis_lost_it_is_excused_counted_and_named() {
    let mut story = redis_rolled_back();
    gone_without_a_trace(&mut story, 22);
    let report = story.report();
    assert_eq!(counts(&report), (Verdict::Valid, 1, 1), "{}", report.reason);
    assert!(report.reason.ends_with("beyond the durability limit, which excuses 1 order"), "{}", report.reason);
    assert_eq!(story.finding("lost").summary, "1 order lost, all within the durability limit");
    let finding = story.finding("durability");
    assert_eq!((finding.count, finding.orders[0].order_id.clone()), (1, id(22)));
    assert!(finding.evidence[0].contains("destroyed by roll_back by 50 ms redis"), "{:?}", finding.evidence);
    let summary = crate::report::summary(&report, 80, false).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(summary.contains("1 lost, 0 duplicated, 0 unexpected (1 of all these excused as the durability limit)"), "{summary}");
}

#[test]
fn without_the_declaration_nothing_is_excused() {
    let mut story = redis_rolled_back();
    story.plan.durability_limit = false;
    gone_without_a_trace(&mut story, 22);
    assert_eq!(counts(&story.report()), (Verdict::Invalid, 1, 0));
}

#[test]
fn acknowledged_before_the_snapshot_or_after_redis_was_up_is_never_excused() {
    // Order 19 is answered 5 ms before the snapshot, order 31 after Redis was up.
    for order in [3, 19, 31] {
        let mut story = redis_rolled_back();
        gone_without_a_trace(&mut story, order);
        assert_eq!(counts(&story.report()), (Verdict::Invalid, 1, 0), "order {order}");
    }
}

#[test]
fn order_of_which_redis_kept_anything_was_not_destroyed() {
    let mut recorded = redis_rolled_back();
    recorded.never_published(22);
    assert_eq!(counts(&recorded.report()), (Verdict::Invalid, 1, 0), "its record is there");

    let mut in_the_outbox = redis_rolled_back();
    gone_without_a_trace(&mut in_the_outbox, 22);
    let (message_id, order_id) = (message(22), Some(id(22)));
    in_the_outbox.entries.push(Entry::Row(Row {
        message_id,
        state: RowState::Pending,
        order_id,
        attempts: None,
        last_error: None,
    }));
    assert_eq!(counts(&in_the_outbox.report()), (Verdict::Invalid, 1, 0), "its row is there");

    let mut in_the_stream = redis_rolled_back();
    in_the_stream.forget_on(&[0, 1, 2], 22);
    in_the_stream.no_record(22);
    assert_eq!(counts(&in_the_stream.report()), (Verdict::Invalid, 1, 0), "what is in the stream has to come again");

    let mut on_one_node = redis_rolled_back();
    on_one_node.forget_on(&[0], 22);
    on_one_node.no_record(22);
    gone_from_the_stream(&mut on_one_node, 22);
    assert_eq!(counts(&on_one_node.report()), (Verdict::Invalid, 1, 0), "it had reached the stream, which nobody destroyed");
}

#[test]
fn read_that_failed_or_a_fault_that_is_not_proven_excuses_nothing() {
    let mut unread = redis_rolled_back();
    gone_without_a_trace(&mut unread, 22);
    unread.failed_reads.insert(reads::RECORDS.to_owned(), "timeout".to_owned());
    assert_eq!(unread.report().orders.excused, 0);

    let mut unproven = redis_rolled_back();
    gone_without_a_trace(&mut unproven, 22);
    unproven.remove(|entry| matches!(entry, Entry::Fault(step) if step.step == Step::EffectVerified));
    let report = unproven.report();
    assert_eq!((report.verdict, report.orders.excused), (Verdict::Invalid, 0));
}

#[test]
fn order_applied_twice_is_duplicated_whatever_was_destroyed() {
    let mut story = redis_rolled_back();
    story.projection_mut(1, 22).applied = 2;
    assert_eq!(story.report().orders.duplicated, 1);
    assert_eq!(story.report().verdict, Verdict::Invalid);
}

#[test]
fn order_is_taken_in_anew_only_if_it_was_acknowledged_in_the_time_that_is_gone() {
    let taken_again = |order: u64| {
        let mut story = redis_rolled_back();
        let other = crate::history::Answer { message_id: "again".to_owned(), ..answer(order) };
        story.again(100, order, OpKind::Replay, Outcome::Ok, 201, Some(other));
        for node in 0..3 {
            "again".clone_into(&mut story.projection_mut(node, order).message_id);
        }
        for entry in &mut story.entries {
            match entry {
                Entry::Seen(seen) if seen.order_id == id(order) => {
                    "again".clone_into(&mut seen.message_id);
                    seen.t_us = intended_us(order) + 30_000;
                }
                Entry::Record(record) if record.order_id == id(order) => "again".clone_into(&mut record.message_id),
                Entry::Published(found) if found.message_id == message(order) => {
                    "again".clone_into(&mut found.message_id);
                    found.answer.iter_mut().for_each(|answer| "again".clone_into(&mut answer.message_id));
                }
                _ => {}
            }
        }
        story
    };
    let mut story = taken_again(22);
    let report = story.report();
    assert_eq!((report.verdict, report.orders.excused), (Verdict::Valid, 1), "{}", report.reason);
    story.publish(22, 900, &message(22));
    let finding = story.finding("duplicated");
    assert_eq!((finding.verdict, finding.evidence.len()), (Verdict::Valid, 1), "the first message had left before");
    let report = taken_again(5).report();
    assert_eq!((report.verdict, report.orders.excused), (Verdict::Invalid, 0), "acknowledged before the snapshot");
}

#[test]
fn message_purged_before_every_node_had_it_is_excused() {
    for kind in [FaultKind::PurgeStream, FaultKind::DeleteStream] {
        let mut by_sight = struck(kind, "nats");
        by_sight.forget_on(&[1], 19);
        gone_from_the_stream(&mut by_sight, 19);
        let report = by_sight.report();
        assert_eq!(counts(&report), (Verdict::Valid, 1, 1), "{}", report.reason);
        assert_eq!(report.diverged, Some(false), "the nodes differ in what is excused");

        let mut by_record = struck(kind, "nats");
        by_record.never_published(19);
        assert_eq!(counts(&by_record.report()), (Verdict::Valid, 1, 1), "its row is gone, so it had been published");
    }
}

#[test]
fn message_that_is_still_in_the_stream_in_the_outbox_or_came_later_is_not_excused_by_a_purge() {
    let mut in_the_stream = struck(FaultKind::PurgeStream, "nats");
    in_the_stream.forget_on(&[1], 19);
    assert_eq!(counts(&in_the_stream.report()), (Verdict::Invalid, 1, 0));

    let mut in_the_outbox = struck(FaultKind::PurgeStream, "nats");
    in_the_outbox.never_published(19);
    let (message_id, order_id) = (message(19), Some(id(19)));
    in_the_outbox.entries.push(Entry::Row(Row { message_id, state: RowState::Dead, order_id, attempts: None, last_error: None }));
    assert_eq!(counts(&in_the_outbox.report()), (Verdict::Invalid, 1, 0));

    let mut later = struck(FaultKind::PurgeStream, "nats");
    later.never_published(35);
    assert_eq!(counts(&later.report()), (Verdict::Invalid, 1, 0));

    let mut untraced = struck(FaultKind::PurgeStream, "nats");
    gone_without_a_trace(&mut untraced, 19);
    assert_eq!(counts(&untraced.report()), (Verdict::Invalid, 1, 0), "nothing says that it was ever published");
}

/// Orders long before the purge: 10 s lie between order 3 and the fault.
fn purged_late(kind: FaultKind, held: Option<&str>) -> Story {
    let mut story = Story::good(1_100);
    story.plan.durability_limit = true;
    if let Some(service) = held {
        strike(&mut story, FaultKind::Kill, service, intended_us(1));
        story.plan.faults[0].for_ms = 1;
        // It stays down until just before the purge.
        for entry in &mut story.entries {
            if let Entry::Fault(step) = entry
                && matches!(step.step, Step::Heal | Step::Healed | Step::HealVerified)
            {
                step.t_us = intended_us(1_000);
            }
        }
    }
    strike(&mut story, kind, "nats", intended_us(1_010));
    story.forget_on(&[1], 3);
    gone_from_the_stream(&mut story, 3);
    story
}

#[test]
fn node_that_had_time_to_take_a_message_before_the_purge_has_no_excuse() {
    let purge = FaultKind::PurgeStream;
    assert_eq!(counts(&purged_late(purge, None).report()), (Verdict::Invalid, 1, 0));
    assert_eq!(counts(&purged_late(purge, Some(NODES[0])).report()), (Verdict::Invalid, 1, 0), "another node was down");
    for held in [NODES[1], "nats", "redis"] {
        let report = purged_late(purge, Some(held)).report();
        assert_eq!(counts(&report), (Verdict::Valid, 1, 1), "{held}: {}", report.reason);
    }
}

#[test]
fn stream_rolled_back_keeps_what_was_published_before_the_snapshot() {
    let kind = FaultKind::RollBack { lose_ms: 50 };
    let mut after = struck(kind, "nats");
    after.forget_on(&[1], 22);
    gone_from_the_stream(&mut after, 22);
    assert_eq!(counts(&after.report()), (Verdict::Valid, 1, 1));

    let mut seen_before = struck(kind, "nats");
    seen_before.forget_on(&[1], 10);
    gone_from_the_stream(&mut seen_before, 10);
    assert_eq!(counts(&seen_before.report()), (Verdict::Invalid, 1, 0), "a node had it before the snapshot");
    // Even where the node that lacks it was down: the stream had to keep it.
    assert_eq!(counts(&purged_late(kind, Some(NODES[1])).report()), (Verdict::Invalid, 1, 0));
}

#[test]
fn one_loss_that_is_not_excused_makes_the_run_invalid_whatever_else_is() {
    let mut story = redis_rolled_back();
    gone_without_a_trace(&mut story, 22);
    gone_without_a_trace(&mut story, 3);
    assert_eq!(counts(&story.report()), (Verdict::Invalid, 2, 1));
    assert_eq!(story.finding("lost").count, 1);
}

#[test]
fn sent_before_the_snapshot_and_acknowledged_after_it_is_excused() {
    let mut story = redis_rolled_back();
    story.end_mut(19).t_us += 10_000;
    gone_without_a_trace(&mut story, 19);
    assert_eq!(counts(&story.report()), (Verdict::Valid, 1, 1));
}

#[test]
fn what_a_feed_or_a_projection_alone_had_shown_was_not_destroyed_with_redis() {
    let mut on_a_feed = redis_rolled_back();
    gone_without_a_trace(&mut on_a_feed, 22);
    on_a_feed.see(1, 22, 23, intended_us(22) + 8_000);
    assert_eq!(counts(&on_a_feed.report()), (Verdict::Invalid, 1, 0));

    let mut in_a_projection = redis_rolled_back();
    gone_without_a_trace(&mut in_a_projection, 22);
    in_a_projection.project(1, 22, 1);
    assert_eq!(counts(&in_a_projection.report()), (Verdict::Invalid, 1, 0));
}

#[test]
fn message_that_nobody_saw_is_newer_than_the_snapshot_only_within_a_lease() {
    let kind = FaultKind::RollBack { lose_ms: 50 };
    let mut just_before = struck(kind, "nats");
    just_before.never_published(19);
    assert_eq!(counts(&just_before.report()), (Verdict::Valid, 1, 1));

    // NATS was away all the time, so no node could take it; but its row is gone, so it had been published long before.
    let mut long_before = purged_late(kind, Some("nats"));
    long_before.never_published(3);
    assert_eq!(counts(&long_before.report()), (Verdict::Invalid, 1, 0));
}

#[test]
fn replay_and_a_concurrent_attempt_are_no_taking_in_anew() {
    let mut replayed = redis_rolled_back();
    let other = crate::history::Answer { accepted_by: "cluster-node-9".to_owned(), ..answer(22) };
    replayed.again(100, 22, OpKind::Replay, Outcome::Ok, 200, Some(other));
    assert_eq!(counts(&replayed.report()), (Verdict::Invalid, 0, 0));

    // Sent in the very moment of the acknowledgement, and answered as new as well.
    let mut concurrent = redis_rolled_back();
    concurrent.invoke(100, 22, 0, OpKind::Replay, intended_us(22) + 4_900);
    concurrent.complete(100, intended_us(22) + 9_000, Outcome::Ok, Some(201), false, Some(answer(22)));
    assert_eq!(counts(&concurrent.report()), (Verdict::Invalid, 0, 0));
}
