//! The checkers that ask whether a run can be trusted, each with a run that can and one that cannot.

use crate::history::{Entry, FaultStep, OpKind, Outcome, Row, RowState, Step, reads};
use crate::plan::{Fault, FaultKind};
use crate::testing::{LOAD_START_US, NODES, Story, answer, id, intended_us, message};
use crate::verdict::Verdict;

#[test]
fn good_run_is_valid_in_every_aspect() {
    let report = Story::good(60).report();
    let bad: Vec<_> = report.checkers.iter().filter(|finding| finding.verdict != Verdict::Valid).collect();
    assert!(bad.is_empty(), "{bad:?}");
    assert_eq!((report.verdict, report.exit_code()), (Verdict::Valid, 0));
    assert_eq!((report.orders.attempted, report.orders.acknowledged), (60, 60));
}

#[test]
fn stranded_is_invalid_only_where_everything_was_healthy() {
    let mut story = Story::good(20);
    let row =
        Row { message_id: message(3), state: RowState::Pending, order_id: Some(id(3)), attempts: Some(9), last_error: None };
    story.entries.push(Entry::Row(row));
    let quiescence = story.quiescence.as_mut().expect("it has one");
    (quiescence.reached, quiescence.healthy) = (false, true);
    assert_eq!(story.finding("stranded").verdict, Verdict::Invalid);
    story.quiescence.as_mut().expect("it has one").healthy = false;
    assert_eq!(story.finding("stranded").verdict, Verdict::Unknown);
    story.quiescence = None;
    assert_eq!(story.finding("stranded").verdict, Verdict::Unknown);
}

#[test]
fn what_others_left_unsettled_strands_nothing_of_this_run() {
    let mut story = Story::good(20);
    let quiescence = story.quiescence.as_mut().expect("it has one");
    (quiescence.reached, quiescence.last_seen) = (false, "outbox 3".to_owned());
    let row = |order_id: Option<String>| Row {
        message_id: "m".to_owned(),
        state: RowState::Pending,
        order_id,
        attempts: None,
        last_error: None,
    };
    story.entries.push(Entry::Row(row(Some("somebody-7".to_owned()))));
    story.entries.push(Entry::Row(row(None)));
    let finding = story.finding("stranded");
    assert_eq!(finding.verdict, Verdict::Unknown);
    assert!(finding.summary.contains("outbox 3"), "it names what was last seen: {}", finding.summary);
    assert_eq!(story.report().verdict, Verdict::Unknown);
}

#[test]
fn row_that_waits_for_nothing_strands_nothing_and_one_that_waits_is_told_with_its_error() {
    let stranded = |state: RowState| {
        let mut story = Story::good(20);
        story.quiescence.as_mut().expect("it has one").reached = false;
        let (order_id, last_error) = (Some(id(3)), Some("refused".to_owned()));
        story.entries.push(Entry::Row(Row { message_id: message(3), state, order_id, attempts: Some(9), last_error }));
        story.finding("stranded")
    };
    for state in [RowState::Dead, RowState::IndexOnly] {
        assert_eq!(stranded(state).verdict, Verdict::Unknown, "{state:?}");
    }
    for state in [RowState::Pending, RowState::Unindexed] {
        let finding = stranded(state);
        assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 1));
        assert_eq!(finding.evidence[1], "outbox row m-3 of run-3, last error: refused");
    }
}

#[test]
fn order_of_this_run_that_is_not_applied_everywhere_is_stranded() {
    let mut story = Story::good(20);
    story.quiescence.as_mut().expect("it has one").reached = false;
    story.forget_on(&[1], 6);
    let mut indeterminate = story.clone();
    for story in [&mut story, &mut indeterminate] {
        let finding = story.finding("stranded");
        assert_eq!((finding.verdict, finding.orders[0].order_id.clone()), (Verdict::Invalid, id(6)));
        story.give_up(6);
    }
    assert_eq!(story.finding("stranded").verdict, Verdict::Invalid, "unanswered, and its message is in the stream");
    indeterminate.never_published(6);
    indeterminate.no_record(6);
    assert_eq!(indeterminate.finding("stranded").verdict, Verdict::Unknown, "it left no trace");
}

#[test]
fn failed_writing_of_the_history_is_never_valid_even_with_an_end() {
    let mut story = Story::good(20);
    let what = "writing the history failed: no space left on device".to_owned();
    story.entries.push(Entry::Trouble { t_us: intended_us(5), what: what.clone() });
    assert!(story.ends && story.history().end_us.is_some());
    let report = story.report();
    assert_eq!((report.verdict, report.exit_code()), (Verdict::Unknown, 3));
    assert!(report.reason.contains(&what), "{}", report.reason);
    let mut lines = Story::good(20).lines();
    lines.push(serde_json::to_string(&Entry::Trouble { t_us: 1, what }).expect("entries serialise"));
    let history = crate::history::read((lines.join("\n") + "\n").as_bytes()).expect("it can be read");
    assert_eq!(crate::judge(&story.plan, &history, &[]).verdict, Verdict::Unknown, "after the end, too");
}

#[test]
fn stray_rows_and_parked_messages_are_reported_and_cost_nothing_by_themselves() {
    let mut story = Story::good(20);
    for state in [RowState::Unindexed, RowState::IndexOnly, RowState::Dead, RowState::Pending] {
        let order_id = (state != RowState::IndexOnly).then(|| id(3));
        story.entries.push(Entry::Row(Row { message_id: message(3), state, order_id, attempts: None, last_error: None }));
    }
    story.entries.push(Entry::Parked { node: NODES[0].to_owned(), count: 2 });
    story.entries.push(Entry::Parked { node: NODES[1].to_owned(), count: 0 });
    let finding = story.finding("stray");
    assert_eq!((finding.verdict, finding.count, finding.evidence.len()), (Verdict::Valid, 6, 5));
    story.quiescence.as_mut().expect("it has one").reached = false;
    assert_eq!(story.finding("stray").count, 5, "a row that waits while the cluster is busy is none");
}

#[test]
fn too_little_exercise_is_unknown() {
    let mut story = Story::good(20);
    story.plan.exercise.insert("replays".to_owned(), 1);
    assert_eq!(story.finding("exercised").verdict, Verdict::Unknown);
    story.again(100, 4, OpKind::Replay, Outcome::Ok, 200, Some(answer(4)));
    assert_eq!(story.finding("exercised").verdict, Verdict::Valid);
    story.plan.exercise.insert("takeovers".to_owned(), 1);
    assert_eq!(story.finding("exercised").verdict, Verdict::Unknown, "a counter that nobody read proves nothing");
}

fn with_fault(steps: &[Step]) -> Story {
    let mut story = Story::good(60);
    let services = vec![NODES[2].to_owned()];
    story.plan.faults.push(Fault { kind: FaultKind::Kill, target: "one".to_owned(), services, at_ms: 100, for_ms: 100 });
    for (number, step) in (0..).zip(steps) {
        let t_us = LOAD_START_US + 100_000 + number * 20_000;
        let target = NODES[2].to_owned();
        story.entries.push(Entry::Fault(FaultStep { t_us, fault: 0, target, step: *step, detail: "seen".to_owned() }));
    }
    story
}

#[test]
fn run_that_a_guard_gave_up_is_unknown_unless_a_promise_was_broken() {
    let mut story = Story::good(60);
    let (guard, seen) = ("all_nodes_down".to_owned(), "no node has answered for 60s".to_owned());
    story.entries.push(Entry::Aborted { t_us: LOAD_START_US + 300_000, guard, seen });
    let report = story.report();
    assert_eq!((report.verdict, report.exit_code(), report.run.complete), (Verdict::Unknown, 3, false));
    assert!(report.reason.contains("the guard all_nodes_down gave the run up: no node has answered"), "{}", report.reason);
    story.never_published(5);
    assert_eq!((story.report().verdict, story.report().exit_code()), (Verdict::Invalid, 1));
}

#[test]
fn fault_that_found_its_target_in_the_run_is_judged_by_the_services_it_really_hit() {
    use Step::{EffectVerified, Heal, HealVerified, Healed, Inject, Injected};
    let found_later = |steps: &[Step]| {
        let mut story = with_fault(steps);
        "busiest".clone_into(&mut story.plan.faults[0].target);
        story.plan.faults[0].services.clear();
        story
    };
    let story = found_later(&[Inject, Injected, EffectVerified, Heal, Healed, HealVerified]);
    let report = story.report();
    assert_eq!(report.faults[0].services, [NODES[2]]);
    assert_eq!(story.finding("faults").verdict, Verdict::Valid);
    let finding = found_later(&[Inject, Injected, EffectVerified]).finding("faults");
    assert_eq!(finding.verdict, Verdict::Unknown);
    assert!(finding.evidence[0].contains("kill cluster-node-3): cluster-node-3: its heal"), "{:?}", finding.evidence);
    let mut never = found_later(&[]);
    let detail = "not injected: no node is the busiest".to_owned();
    let step = FaultStep { t_us: LOAD_START_US, fault: 0, target: "busiest".to_owned(), step: Step::Ineffective, detail };
    assert_eq!(never.finding("faults").verdict, Verdict::Unknown, "nobody says that it was injected");
    never.entries.push(Entry::Fault(step));
    let finding = never.finding("faults");
    assert_eq!(finding.verdict, Verdict::Unknown);
    assert!(finding.evidence[0].contains("busiest: the effect could not be shown"), "{:?}", finding.evidence);
    assert!(never.report().faults[0].services.is_empty());
}

#[test]
fn availability_leaves_out_the_services_that_were_really_hit() {
    use Step::{EffectVerified, Heal, HealVerified, Healed, Inject, Injected};
    let mut story = with_fault(&[Inject, Injected, EffectVerified, Heal, Healed, HealVerified]);
    story.plan.faults[0].services.clear();
    "busiest".clone_into(&mut story.plan.faults[0].target);
    // Order 14 goes to the third node, 140 ms into the load, while the fault holds it.
    story.give_up(14);
    let report = story.report();
    assert_eq!(report.availability, Some(1.0));
    assert!(report.availability_all.is_some_and(|share| share < 1.0));
    story.give_up(13);
    assert!(story.report().availability.is_some_and(|share| share < 1.0), "the second node was free");
}

#[test]
fn fault_counts_only_when_its_effect_and_its_heal_are_proven() {
    use Step::{EffectVerified, Heal, HealVerified, Healed, Ineffective, Inject, Injected, Unhealed};
    let proven = [Inject, Injected, EffectVerified, Heal, Healed, HealVerified];
    assert_eq!(with_fault(&proven).finding("faults").verdict, Verdict::Valid);
    let doubtful: [&[Step]; 5] = [
        &[],
        &[Inject, Injected, Heal, Healed, HealVerified],
        &[Inject, Injected, Ineffective, Heal, Healed, HealVerified],
        &[Inject, Injected, EffectVerified, Heal, Healed],
        &[Inject, Injected, EffectVerified, Heal, Unhealed],
    ];
    for steps in doubtful {
        let report = with_fault(steps).report();
        assert_eq!(report.verdict, Verdict::Unknown, "{steps:?}");
        assert_eq!(report.exit_code(), 3);
    }
}

#[test]
fn starved_generator_is_unknown() {
    let mut story = Story::good(60);
    story.plan.load.duration_ms += 100;
    let finding = story.finding("generator");
    assert_eq!((finding.verdict, finding.count), (Verdict::Unknown, 10), "ten operations of the schedule are missing");
    story.plan.load.duration_ms = 0;
    assert_eq!(story.finding("generator").verdict, Verdict::Unknown, "the plan has no operations, and some were started");
    let mut story = Story::good(60);
    for entry in &mut story.entries {
        if let Entry::Invoke(invoke) = entry
            && invoke.op == 7
        {
            invoke.t_us += 150_000;
        }
    }
    assert!(story.finding("generator").summary.contains("the generator, not the cluster, was the limit"));
}

#[test]
fn one_in_a_hundred_may_be_late() {
    let verdict = |late: u64| {
        let mut story = Story::good(200);
        for entry in &mut story.entries {
            if let Entry::Invoke(invoke) = entry
                && invoke.op < late
            {
                invoke.t_us += 150_000;
            }
        }
        story.finding("generator").verdict
    };
    assert_eq!((verdict(1), verdict(2), verdict(3)), (Verdict::Valid, Verdict::Valid, Verdict::Unknown));
}

#[test]
fn unstarted_slots_are_counted_against_the_generator() {
    let mut story = Story::good(60);
    story.remove(|entry| match entry {
        Entry::Invoke(invoke) => invoke.op == 7,
        Entry::Complete(end) => end.op == 7,
        _ => false,
    });
    story.never_published(7);
    story.no_record(7);
    story.entries.push(Entry::Unstarted { t_us: intended_us(60), intended_us: intended_us(7), node: NODES[1].to_owned() });
    let report = story.report();
    assert_eq!((report.load.offered, report.load.started, report.load.unstarted), (60, 59, 1));
    let finding = story.finding("generator");
    assert_eq!((finding.verdict, finding.count), (Verdict::Unknown, 1));
}

#[test]
fn partial_run_is_never_valid() {
    let spoil: [fn(&mut Story); 5] = [
        |story| story.ends = false,
        |story| story.entries.push(Entry::Interrupted { t_us: intended_us(5) }),
        |story| story.entries.push(Entry::Trouble { t_us: intended_us(5), what: "disk full".to_owned() }),
        |story| drop(story.failed_reads.insert(reads::STREAM.to_owned(), "timeout".to_owned())),
        // A feed that was never connected.
        |story| {
            story.remove(|entry| match entry {
                Entry::Seen(seen) => seen.node == NODES[1],
                Entry::Feed { node, .. } => node == NODES[1],
                _ => false,
            });
        },
    ];
    for spoil in spoil {
        let mut story = Story::good(20);
        spoil(&mut story);
        assert_eq!(story.report().verdict, Verdict::Unknown);
    }
}

#[test]
fn run_in_which_nothing_was_acknowledged_proves_nothing() {
    let mut story = Story::good(5);
    for order in 0..5 {
        story.refuse(order, 503);
        story.never_published(order);
        story.no_record(order);
    }
    assert_eq!(story.report().verdict, Verdict::Unknown);
}

#[test]
fn missed_expectation_fails_a_valid_run_and_an_unmeasured_one_makes_it_unknown() {
    let mut missed = Story::good(400);
    missed.plan.expect.propagation_p99_ms = Some(5.0);
    let report = missed.report();
    assert_eq!((report.verdict, report.exit_code()), (Verdict::Valid, 1), "{}", report.reason);
    assert_eq!(missed.finding("expectations").summary, "0 of 1 expectations met");
    missed.plan.expect.propagation_p99_ms = Some(50.0);
    assert_eq!(missed.report().exit_code(), 0);
    assert_eq!(missed.finding("expectations").summary, "1 of 1 expectations met");
    let mut unmeasured = Story::good(20);
    unmeasured.plan.expect.propagation_p99_ms = Some(50.0);
    let report = unmeasured.report();
    assert_eq!((report.verdict, report.exit_code()), (Verdict::Unknown, 3), "sixty sights have no p99");
}

#[test]
fn any_figure_is_held_against_its_limit_and_says_why_it_could_not_be() {
    use crate::figure::{Bound, Threshold, Unit};
    let judged = |figure: &str, bound, limit: f64, unit| {
        let mut story = Story::good(1_200);
        story.plan.expect.thresholds.push(Threshold { figure: figure.to_owned(), bound, limit, unit });
        let report = story.report();
        let exit = report.exit_code();
        (report.expectations.into_iter().next().expect("one"), exit)
    };
    let (met, exit) = judged("latency.place.p99", Bound::AtMost, 50.0, Unit::Ms);
    assert_eq!((met.met, exit), (Some(true), 0), "{met:?}");
    assert_eq!(met.expected_words(), "at most 50 ms");
    assert!(met.measured.is_some_and(|ms| (ms - 5.0).abs() < 0.01), "{met:?}");
    let (missed, exit) = judged("throughput.acknowledged", Bound::AtLeast, 101.0, Unit::PerSecond);
    assert_eq!((missed.met, exit), (Some(false), 1), "{missed:?}");
    assert_eq!(missed.measured_words().as_deref(), Some("100/s"));
    let (few, exit) = judged("latency.place.p99.9", Bound::AtMost, 50.0, Unit::Ms);
    assert_eq!((few.met, exit), (None, 3), "{few:?}");
    assert_eq!(few.note, "too few: 1,200 of 10,000 needed");
    let (none, exit) = judged("recovery.fault-1", Bound::AtMost, 50.0, Unit::Ms);
    assert_eq!((none.met, exit), (None, 3), "{none:?}");
}

#[test]
fn broken_promise_outweighs_whatever_else_is_unknown() {
    let mut story = Story::good(20);
    story.projection_mut(2, 6).applied = 2;
    story.ends = false;
    let report = story.report();
    assert_eq!((report.verdict, report.exit_code()), (Verdict::Invalid, 1));
}

#[test]
fn read_that_tells_more_than_the_history_holds_is_a_gap_and_the_first_gap_is_told() {
    let gaps = |lines: Vec<String>| {
        let history = crate::history::read((lines.join("\n") + "\n").as_bytes()).expect("it can be read");
        let report = crate::judge(&Story::good(20).plan, &history, &[]);
        report.checkers.into_iter().find(|finding| finding.name == "completeness").expect("there is such a checker")
    };
    let without = |kinds: &[&str]| {
        let mut lines = Story::good(20).lines();
        for kind in kinds {
            let at = lines.iter().position(|line| line.contains(&format!(r#""type":"{kind}""#))).expect("such a line");
            lines.remove(at);
        }
        gaps(lines)
    };
    assert_eq!(without(&[]).verdict, Verdict::Valid);
    let one = without(&["published"]);
    let told = "the final read of stream tells 20 entries, the history holds 19";
    assert_eq!((one.verdict, one.count, one.summary.as_str()), (Verdict::Unknown, 1, told));
    let two = without(&["published", "record"]);
    assert_eq!((two.count, two.summary), (2, format!("{told} (and 1 more)")));
}
