//! Figures of runs in which the right value is known.

use std::collections::BTreeMap;

use crate::history::{ConsumerState, Entry, FeedState, OpKind, Outcome, Sample, Step};
use crate::plan::FaultKind;
use crate::report::Report;
use crate::testing::{LOAD_START_US, NODES, Story, answer, intended_us, wall};

/// 30 s at 100/s, whose node 3 is stopped from 12 s to 17 s; operations to it are refused until `served_again_s`.
fn stopped_run(served_again_s: u64) -> Story {
    let mut story = Story::good(3_000);
    add_fault(&mut story, 2, 12, 17);
    for order in (1_200..served_again_s * 100).filter(|order| order % 3 == 2) {
        story.refuse_unanswered(order);
    }
    story
}

fn add_fault(story: &mut Story, node: usize, from_s: u64, until_s: u64) {
    let steps = [
        (from_s * 1_000, Step::Inject),
        (from_s * 1_000 + 100, Step::Injected),
        (from_s * 1_000 + 200, Step::EffectVerified),
        (until_s * 1_000, Step::Heal),
        (until_s * 1_000 + 300, Step::Healed),
        (until_s * 1_000 + 500, Step::HealVerified),
    ];
    let steps = steps.map(|(ms, step)| (step, LOAD_START_US + ms * 1_000));
    story.strike(FaultKind::Stop, NODES[node], (until_s - from_s) * 1_000, &steps);
}

impl Story {
    fn refuse_unanswered(&mut self, order: u64) {
        let end = self.end_mut(order);
        (end.outcome, end.status, end.answer) = (Outcome::Fail, None, None);
        let unwanted = [order];
        self.remove(|entry| match entry {
            Entry::Seen(seen) => unwanted.iter().any(|order| seen.order_id == crate::testing::id(*order)),
            Entry::Projection(held) => unwanted.iter().any(|order| held.order_id == crate::testing::id(*order)),
            Entry::Published(found) => found.sequence == order + 1,
            Entry::Record(record) => record.order_id == crate::testing::id(order),
            _ => false,
        });
    }

    /// Readings of the outbox every 100 ms.
    fn gauge(&mut self, depth: impl Fn(u64) -> u64) {
        for ms in (0..38_000_u64).step_by(100) {
            let depth = depth(ms);
            self.samples.push(Sample::Outbox { t_us: LOAD_START_US + ms * 1_000, depth, oldest_age_ms: depth * 2 });
        }
    }
}

fn near(value: Option<f64>, wanted: f64, slack: f64) -> bool {
    value.is_some_and(|value| (value - wanted).abs() <= slack)
}

#[test]
fn latencies_count_from_the_intended_start_from_the_answer_and_from_sending() {
    let report = Story::good(400).report();
    let propagation = &report.propagation_ms;
    assert!(near(propagation.from_start.overall.p50, 8.0, 0.01), "{propagation:?}");
    assert!(near(propagation.from_ack.overall.p50, 3.0, 0.01), "{propagation:?}");
    assert!(near(propagation.everywhere.p90, 8.0, 0.01) && propagation.everywhere.count == 400);
    assert_eq!(propagation.from_start.overall.count, 1_200);
    assert_eq!(propagation.from_start.per_node.keys().collect::<Vec<_>>(), NODES.iter().collect::<Vec<_>>());
    assert!(near(report.request_ms.from_start.overall.p99, 5.0, 0.01) || report.request_ms.from_start.overall.p99.is_none());
    assert!(near(report.request_ms.from_start.overall.p50, 5.0, 0.01));
    assert!(near(report.request_ms.service_ms.overall.p50, 4.9, 0.01));
    assert_eq!(report.propagation_ms.from_start.overall.p999, None, "1,200 sights have no p99.9");
}

#[test]
fn order_never_seen_is_censored_and_not_dropped() {
    let mut story = Story::good(100);
    story.forget_on(&[1], 40);
    let report = story.report();
    let node = &report.propagation_ms.from_start.per_node[NODES[1]];
    assert_eq!((node.count, node.censored), (99, 1));
    assert_eq!((report.propagation_ms.everywhere.count, report.propagation_ms.everywhere.censored), (99, 1));
}

#[test]
fn sight_before_the_answer_counts_as_zero_and_is_counted() {
    let mut story = Story::good(100);
    story.end_mut(40).t_us = intended_us(40) + 50_000;
    let report = story.report();
    assert_eq!(report.propagation_ms.clamped, 3);
    assert_eq!(report.propagation_ms.from_ack.overall.count, 300);
}

#[test]
fn cut_feed_is_dated_by_the_clock_of_the_node_and_not_read_as_slow() {
    let mut story = Story::good(100);
    let change = |t_us, state| Entry::Feed { t_us, node: NODES[0].to_owned(), state, detail: String::new() };
    story.entries.push(change(intended_us(40) + 1_000, FeedState::Lost));
    story.entries.push(change(intended_us(40) + 800_000, FeedState::Connected));
    for entry in &mut story.entries {
        if let Entry::Seen(seen) = entry
            && seen.node == NODES[0]
            && seen.order_id == crate::testing::id(40)
        {
            // Applied after 7 ms, shown only when the feed was back.
            seen.t_us = intended_us(40) + 810_000;
            seen.applied_at = wall(intended_us(40) + 7_000);
        }
    }
    let report = story.report();
    assert!(report.propagation_ms.feed_cut >= 1 && report.propagation_ms.unplaced == 0, "{:?}", report.propagation_ms);
    assert!(report.propagation_ms.from_start.overall.max.is_some_and(|max| max < 20.0), "{:?}", report.propagation_ms);
}

#[test]
fn sight_that_is_missing_without_a_cut_is_censored_and_not_dated_by_the_projection() {
    let mut story = Story::good(100);
    let first = |entry: &Entry| matches!(entry, Entry::Seen(seen) if seen.node == NODES[0] && seen.position > 90);
    story.remove(first);
    let report = story.report();
    let node = &report.propagation_ms.from_start.per_node[NODES[0]];
    assert_eq!((node.count, node.censored, report.propagation_ms.feed_cut), (90, 10, 0));
    let t_us = intended_us(90);
    story.entries.push(Entry::Feed { t_us, node: NODES[0].to_owned(), state: FeedState::Lost, detail: String::new() });
    let report = story.report();
    let node = &report.propagation_ms.from_start.per_node[NODES[0]];
    assert_eq!((node.count, node.censored, report.propagation_ms.feed_cut), (100, 0, 10));
}

#[test]
fn steady_state_is_what_came_before_the_first_fault() {
    let report = stopped_run(17).report();
    let steady = report.steady_state.expect("12 s at 100/s are enough");
    assert!((steady.until_ms - 12_000.0).abs() < 1.0 && steady.operations >= 1_199, "{steady:?}");
    assert!((steady.success - 1.0).abs() < 1e-9);
    assert!(near(steady.request_p99_ms, 5.0, 0.01), "{steady:?}");
    assert!(Story::good(400).report().steady_state.is_none(), "4 s are too short");
}

#[test]
fn recovery_counts_from_the_heal_to_the_first_good_second_of_five() {
    let recovery = |served_again_s| stopped_run(served_again_s).report().faults[0].clone();
    assert!(near(recovery(17).recovery_ms, 0.0, 0.1), "served at once");
    let slow = recovery(20);
    assert!(near(slow.recovery_ms, 3_000.0, 100.0), "{slow:?}");
    assert_eq!(slow.recovery_censored_ms, None);
    let never = recovery(28);
    assert_eq!(never.recovery_ms, None);
    // From 28 s on it may have been recovering.
    assert!(near(never.recovery_censored_ms, 11_000.0, 100.0), "{never:?}");
}

#[test]
fn slow_answers_are_no_recovery_unless_any_machine_is_so_slow_now_and_then() {
    // 5 ms at p99 before the fault; from its heal to 20 s each answer takes so long.
    let recovery = |ms: u64| {
        let mut story = stopped_run(17);
        (1_700..2_000).for_each(|order| story.end_mut(order).t_us = intended_us(order) + ms * 1_000);
        story.report().faults[0].recovery_ms
    };
    assert!(near(recovery(50), 0.0, 0.1), "{:?}", recovery(50));
    assert!(near(recovery(60), 3_000.0, 100.0), "{:?}", recovery(60));
}

#[test]
fn recovery_cut_short_by_the_next_fault_is_censored() {
    let mut story = stopped_run(20);
    add_fault(&mut story, 0, 21, 22);
    let report = story.report();
    assert_eq!(report.faults[0].recovery_ms, None);
    assert!(near(report.faults[0].recovery_censored_ms, 3_000.0, 100.0), "{:?}", report.faults[0]);
    assert!(near(report.faults[1].recovery_ms, 0.0, 0.1), "{:?}", report.faults[1]);
}

/// What came of `recovery` where a second fault strikes at `next_at_s`.
fn expected_recovery(served_again_s: u64, limit_ms: f64, next_at_s: u64) -> crate::report::Expectation {
    let mut story = stopped_run(served_again_s);
    story.plan.expect.recovery_ms = Some(limit_ms);
    add_fault(&mut story, 0, next_at_s, next_at_s + 1);
    story.report().expectations.into_iter().find(|found| found.name == "recovery_ms").expect("it was expected")
}

#[test]
fn recovery_whose_hold_was_cut_short_is_neither_met_nor_missed() {
    // Back after 0 s and cut 4 s after the heal: the hold does not count against it.
    let one_open = expected_recovery(17, 2_000.0, 21);
    assert_eq!(one_open.met, Some(true), "{one_open:?}");
    assert!(
        one_open.note.contains("1 measured of 2 faults; 1 cut short by the next fault or the end, not judged"),
        "{one_open:?}"
    );
    let mut story = stopped_run(17);
    story.plan.expect.recovery_ms = Some(2_000.0);
    add_fault(&mut story, 0, 20, 21);
    add_fault(&mut story, 1, 25, 26);
    let report = story.report();
    let none = report.expectations.iter().find(|found| found.name == "recovery_ms").expect("it was expected");
    assert_eq!(none.met, None, "nobody measured any: {none:?}");
}

#[test]
fn recovery_that_was_over_its_limit_when_it_was_cut_short_is_missed() {
    let missed = expected_recovery(20, 2_000.0, 21);
    assert_eq!((missed.met, missed.measured.is_some_and(|ms| ms > 2_800.0)), (Some(false), true), "{missed:?}");
    assert!(missed.note.contains("by then over the limit"), "{missed:?}");
}

#[test]
fn drain_counts_from_the_heal_until_the_backlog_stays_low() {
    let mut story = stopped_run(17);
    story.gauge(|ms| match ms {
        12_000..19_000 => 400,
        // It comes back once before it is drained for good.
        20_000..21_200 => 300,
        _ => 2,
    });
    let report = story.report();
    assert!(near(report.faults[0].drain_ms, 4_200.0, 101.0), "{:?}", report.faults[0]);
    assert!(near(report.outbox.drain_ms, 4_200.0, 101.0));
    assert_eq!((report.outbox.depth_max, report.outbox.oldest_age_ms_max), (Some(400), Some(800)));
    assert!(near(report.faults[0].window_end_ms, 21_200.0, 101.0));
}

#[test]
fn a_backlog_that_comes_back_for_a_moment_was_drained_and_one_that_is_low_for_a_moment_was_not() {
    let drained_ms = |back: u64| {
        let mut story = stopped_run(17);
        story.gauge(|ms| match ms {
            // A moment's dip in the middle of the drain.
            17_500..17_800 => 2,
            12_000..19_000 => 400,
            // A machine that stands still for a moment, again and again.
            20_000.. if ms % 5_000 < back => 300,
            _ => 2,
        });
        story.report().faults[0].drain_ms
    };
    assert!(near(drained_ms(1_000), 2_000.0, 1.0), "{:?}", drained_ms(1_000));
    // Drained only where nothing is read any more.
    assert!(near(drained_ms(1_200), 19_200.0, 101.0), "{:?}", drained_ms(1_200));
}

#[test]
fn nobody_knows_that_a_backlog_was_drained_while_nobody_looked() {
    let mut story = stopped_run(17);
    story.gauge(|ms| if (12_000..25_000).contains(&ms) && ms != 18_000 { 400 } else { 2 });
    let blind = LOAD_START_US + 18_001_000..LOAD_START_US + 24_000_000;
    story.samples.retain(|sample| !matches!(sample, Sample::Outbox { t_us, .. } if blind.contains(t_us)));
    let report = story.report();
    assert!(near(report.faults[0].drain_ms, 8_000.0, 1.0), "{:?}", report.faults[0]);
}

#[test]
fn a_moment_right_before_the_next_fault_does_not_move_the_drain() {
    let mut story = stopped_run(17);
    add_fault(&mut story, 0, 21, 22);
    story.gauge(|ms| if (12_000..18_000).contains(&ms) || (19_000..19_400).contains(&ms) { 400 } else { 2 });
    let report = story.report();
    assert!(near(report.faults[0].drain_censored_ms, 1_000.0, 1.0), "{:?}", report.faults[0]);
}

#[test]
fn drain_that_the_next_fault_cut_short_is_censored_and_not_zero() {
    let mut story = stopped_run(17);
    add_fault(&mut story, 0, 19, 20);
    story.gauge(|ms| if (12_000..18_000).contains(&ms) { 400 } else { 2 });
    let report = story.report();
    assert_eq!(report.faults[0].drain_ms, None);
    assert!(near(report.faults[0].drain_censored_ms, 1_000.0, 101.0), "only the hold was cut: {:?}", report.faults[0]);
    assert!(near(report.faults[0].window_end_ms, 19_000.0, 1.0), "the window lasts as long as the doubt");
    assert_eq!(report.outbox.drain_censored, 1);
}

#[test]
fn consumers_that_lag_keep_the_fault_window_open() {
    let mut story = stopped_run(17);
    story.gauge(|_| 0);
    for ms in (0..38_000_u64).step_by(200) {
        let pending = if (12_000..21_000).contains(&ms) { 500 } else { 1 };
        let state = ConsumerState { pending, ack_pending: 0, redelivered: 0 };
        let consumers = BTreeMap::from([(NODES[2].to_owned(), state)]);
        story.samples.push(Sample::Stream { t_us: LOAD_START_US + ms * 1_000, messages: 0, last_sequence: 0, consumers });
    }
    let report = story.report();
    assert!(near(report.faults[0].drain_ms, 4_000.0, 201.0), "{:?}", report.faults[0]);
    assert!(near(report.outbox.drain_ms, 0.0, 101.0), "the outbox itself was empty all along");
}

#[test]
fn orders_outside_fault_windows_are_measured_apart() {
    let mut story = stopped_run(17);
    story.gauge(|ms| if (12_000..18_000).contains(&ms) { 400 } else { 2 });
    let report = story.report();
    let outside = report.propagation_ms.outside_faults.count;
    // 12 s to 18 s belong to the window.
    let inside = report.propagation_ms.from_start.overall.count - outside;
    assert!((1_200..=1_310).contains(&inside), "{inside}");
}

#[test]
fn availability_leaves_out_what_a_fault_held() {
    let report = stopped_run(17).report();
    assert_eq!(report.availability, Some(1.0));
    assert!(near(report.availability_all, 1.0 - 167.0 / 3_000.0, 0.001), "{:?}", report.availability_all);
    let slow = stopped_run(20).report();
    assert!(slow.availability.is_some_and(|share| share < 1.0), "after the heal the node has no excuse");
}

#[test]
fn counters_are_summed_over_restarts_and_from_the_start_of_the_load() {
    let mut story = Story::good(60);
    let mut read = |t_us, node: usize, value: f64| {
        let values = BTreeMap::from([("catga_outbox_takeovers_total".to_owned(), value)]);
        story.entries.push(Entry::Counters { t_us, node: NODES[node].to_owned(), values });
    };
    // What stood there before the load is not the run's.
    read(1_000, 0, 50.0);
    read(LOAD_START_US - 1, 0, 70.0);
    read(LOAD_START_US + 1_000_000, 0, 75.0);
    // A restart: it starts at 0 again and is at 4 when it is read.
    read(LOAD_START_US + 2_000_000, 0, 4.0);
    read(LOAD_START_US + 3_000_000, 0, 6.0);
    read(1_000, 1, 0.0);
    read(LOAD_START_US + 3_000_000, 1, 10.0);
    assert_eq!(story.report().exercised["takeovers"], 5 + 4 + 2 + 10);
}

#[test]
fn what_clients_saw_is_counted() {
    let mut story = Story::good(60);
    story.again(100, 4, OpKind::Replay, Outcome::Ok, 200, Some(answer(4)));
    story.again(101, 5, OpKind::Conflict, Outcome::Fail, 409, None);
    story.give_up(6);
    let exercised = story.report().exercised;
    let count = |name: &str| exercised.get(name).copied();
    assert_eq!(
        (count("new"), count("replays"), count("conflicts"), count("indeterminate")),
        (Some(59), Some(1), Some(1), Some(1))
    );
    assert_eq!(count("redeliveries"), None, "nobody read it");
}

#[test]
fn report_survives_its_json() {
    let mut story = stopped_run(20);
    story.gauge(|_| 3);
    story.forget_on(&[1], 40);
    let report = story.report();
    let text = serde_json::to_string_pretty(&report).expect("reports serialise");
    let read: Report = serde_json::from_str(&text).expect("reports can be read back");
    assert_eq!(read, report);
    let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    for pointer in [
        "/propagation_ms/p99",
        "/propagation_ms/per_node/cluster-node-1/p50",
        "/request_ms/p999",
        "/orders/lost",
        "/faults/0/recovery_ms",
        "/outbox/depth_max",
    ] {
        assert!(value.pointer(pointer).is_some(), "{pointer}");
    }
}
