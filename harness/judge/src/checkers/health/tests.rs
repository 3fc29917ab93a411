use proptest::prelude::*;

use crate::history::{Entry, FaultStep, Sample, Step};
use crate::plan::FaultKind;
use crate::testing::{LOAD_START_US, NODES, Story};
use crate::verdict::{Finding, Verdict};

/// Seconds from the start of the load, on the run's clock.
fn at(ms: u64) -> u64 {
    LOAD_START_US + ms * 1_000
}

/// Redis is stopped from 10 s to 20 s, which is proven 300 ms later, and back at 21 s.
fn story() -> Story {
    let mut story = Story::good(3_000);
    hit(&mut story, FaultKind::Stop, "redis", 10_000);
    story
}

fn hit(story: &mut Story, kind: FaultKind, target: &str, from_ms: u64) {
    let steps = [
        (Step::Inject, 0),
        (Step::Injected, 200),
        (Step::EffectVerified, 300),
        (Step::Heal, 10_000),
        (Step::Healed, 10_500),
        (Step::HealVerified, 11_000),
    ];
    story.strike(kind, target, 10_000, &steps.map(|(step, ms)| (step, at(from_ms + ms))));
}

fn sample(ms: u64, node: usize, redis: &str) -> Sample {
    let (status, http) = if redis == "up" { ("up", 200) } else { ("down", 503) };
    Sample::Health {
        t_us: at(ms),
        node: NODES[node].to_owned(),
        http: Some(http),
        status: Some(status.to_owned()),
        nats: Some("up".to_owned()),
        redis: Some(redis.to_owned()),
        asked_us: Some(at(ms) - 2_000),
        live: Some(200),
    }
}

/// What node 1 says of Redis twice a second, if it says `down` in these times.
fn says(story: &mut Story, down_ms: &[(u64, u64)]) {
    let moments = (500..30_000).step_by(500);
    story.samples = moments
        .map(|ms| sample(ms, 0, if down_ms.iter().any(|(from, until)| (*from..*until).contains(&ms)) { "down" } else { "up" }))
        .collect();
}

fn finding(down_ms: &[(u64, u64)]) -> Finding {
    let mut story = story();
    says(&mut story, down_ms);
    story.finding("health")
}

#[test]
fn truth_within_two_seconds_is_enough() {
    for down in [(10_000, 21_000), (12_300, 23_000), (10_500, 20_500)] {
        let finding = finding(&[down]);
        assert_eq!(finding.verdict, Verdict::Valid, "{:?}", finding.evidence);
    }
}

#[test]
fn node_that_never_notices_the_cut_is_found() {
    let finding = finding(&[]);
    assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 1));
    assert!(finding.evidence[0].contains("redis is up from +13.5 s"), "{:?}", finding.evidence);
}

#[test]
fn node_that_never_notices_the_end_is_found() {
    let finding = finding(&[(10_500, 30_000)]);
    assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 1));
    assert!(finding.evidence[0].contains("redis is down from"), "{:?}", finding.evidence);
}

#[test]
fn link_that_breaks_for_a_moment_makes_no_lie() {
    let finding = finding(&[(5_000, 6_500), (10_000, 21_000)]);
    assert_eq!(finding.verdict, Verdict::Valid, "{:?}", finding.evidence);
}

#[test]
fn node_that_is_held_itself_or_a_fault_that_is_not_proven_tells_nothing() {
    let mut held = story();
    hit(&mut held, FaultKind::Pause, NODES[0], 10_000);
    says(&mut held, &[]);
    assert_eq!(held.finding("health").verdict, Verdict::Valid);
    let mut unproven = story();
    says(&mut unproven, &[]);
    let ineffective =
        FaultStep { t_us: at(19_000), fault: 0, target: "redis".to_owned(), step: Step::Ineffective, detail: String::new() };
    unproven.entries.push(Entry::Fault(ineffective));
    assert_eq!(unproven.finding("health").verdict, Verdict::Valid);
    let mut unhealed = story();
    says(&mut unhealed, &[(10_500, 30_000)]);
    unhealed.remove(|entry| matches!(entry, Entry::Fault(step) if step.step == Step::HealVerified));
    assert_eq!(unhealed.finding("health").verdict, Verdict::Valid);
}

#[test]
fn answer_in_another_form_than_the_contract_is_found() {
    let spoil: [fn(&mut Sample); 4] = [
        |sample| {
            if let Sample::Health { http, .. } = sample {
                *http = Some(503);
            }
        },
        |sample| {
            if let Sample::Health { status, .. } = sample {
                *status = Some("fine".to_owned());
            }
        },
        |sample| {
            if let Sample::Health { nats, .. } = sample {
                *nats = Some("down".to_owned());
            }
        },
        |sample| {
            if let Sample::Health { live, .. } = sample {
                *live = Some(503);
            }
        },
    ];
    for spoil in spoil {
        let mut story = Story::good(3_000);
        story.samples = vec![sample(2_000, 1, "up")];
        let finding = story.finding("health");
        assert_eq!((finding.verdict, finding.summary.as_str()), (Verdict::Valid, "none of 1 answers was proven untrue"));
        spoil(&mut story.samples[0]);
        assert_eq!(story.finding("health").verdict, Verdict::Invalid);
    }
}

#[test]
fn silence_is_no_lie() {
    let mut story = story();
    story.samples = vec![Sample::Health {
        t_us: at(15_000),
        node: NODES[0].to_owned(),
        http: None,
        status: None,
        nats: None,
        redis: None,
        asked_us: None,
        live: None,
    }];
    assert_eq!(story.finding("health").verdict, Verdict::Valid);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn word_that_is_late_by_more_than_the_contract_and_the_slack_is_found_and_no_other(
        notices_ms in 0..9_000_u64,
        forgets_ms in 0..9_000_u64,
    ) {
        let finding = finding(&[(10_000 + notices_ms, 21_000 + forgets_ms)]);
        if notices_ms > 5_500 || forgets_ms > 7_500 {
            prop_assert_eq!(finding.verdict, Verdict::Invalid);
        }
        if notices_ms < 4_000 && forgets_ms < 4_000 {
            prop_assert_eq!(finding.verdict, Verdict::Valid, "{:?}", finding.evidence);
        }
    }
}
