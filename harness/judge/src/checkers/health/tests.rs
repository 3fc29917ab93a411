use proptest::prelude::*;

use crate::history::{Entry, FaultStep, Sample, Step};
use crate::plan::{Direction, FaultKind, Link, Peer};
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

/// What node 1 says of NATS and of Redis twice a second while one of its links is broken.
fn says_with_a_broken_link(kind: FaultKind, nats: &str, redis: &str) -> Finding {
    let mut story = Story::good(3_000);
    hit(&mut story, kind, NODES[0], 10_000);
    says(&mut story, &[]);
    for said in &mut story.samples {
        let Sample::Health { t_us, nats: of_nats, redis: of_redis, status, http, .. } = said else { continue };
        if (at(10_500)..at(20_500)).contains(t_us) {
            let (word, code) = if (nats, redis) == ("up", "up") { ("up", 200) } else { ("down", 503) };
            (*of_nats, *of_redis) = (Some(nats.to_owned()), Some(redis.to_owned()));
            (*status, *http) = (Some(word.to_owned()), Some(code));
        }
    }
    story.finding("health")
}

#[test]
fn node_whose_link_is_broken_has_to_say_so_of_that_service_alone() {
    let both = Direction::Both;
    let links = [
        (FaultKind::Cut { from: Peer::Nats, direction: both }, "nats"),
        (FaultKind::BlackHole { link: Link::Nats, direction: both }, "nats"),
        (FaultKind::Cut { from: Peer::Redis, direction: both }, "redis"),
        (FaultKind::BlackHole { link: Link::Redis, direction: both }, "redis"),
    ];
    for (kind, service) in links {
        let silent = says_with_a_broken_link(kind, "up", "up");
        assert_eq!((silent.verdict, silent.count), (Verdict::Invalid, 1), "{kind}: {:?}", silent.evidence);
        assert!(silent.evidence[0].contains(&format!("{service} is up")), "{:?}", silent.evidence);
        let word = |name: &str| if name == service { "down" } else { "up" };
        let honest = says_with_a_broken_link(kind, word("nats"), word("redis"));
        assert_eq!(honest.verdict, Verdict::Valid, "{kind}: {:?}", honest.evidence);
    }
}

#[test]
fn node_is_not_judged_until_it_had_time_since_it_was_held_itself() {
    let held = |from_ms: u64, until_ms: u64| {
        let mut story = story();
        let steps = [(Step::Inject, from_ms), (Step::EffectVerified, from_ms), (Step::HealVerified, until_ms)];
        story.strike(FaultKind::Pause, NODES[0], until_ms - from_ms, &steps.map(|(step, ms)| (step, at(ms))));
        says(&mut story, &[]);
        story.finding("health").verdict
    };
    assert_eq!(held(12_000, 17_000), Verdict::Valid, "three seconds after that Redis is healed");
    assert_eq!(held(1_000, 2_000), Verdict::Invalid, "that was long before Redis was stopped");
}

#[test]
fn denial_counts_from_three_seconds_after_the_end_and_five_after_the_start_of_the_load() {
    assert_eq!(finding(&[(10_500, 27_900)]).verdict, Verdict::Valid);
    assert_eq!(finding(&[(10_500, 28_100)]).verdict, Verdict::Invalid);
    assert_eq!(finding(&[(0, 8_900), (10_000, 21_000)]).verdict, Verdict::Valid);
    assert_eq!(finding(&[(0, 9_100), (10_000, 21_000)]).verdict, Verdict::Invalid);
}

#[test]
fn fault_that_is_never_healed_excuses_nothing_before_it_began() {
    let mut story = story();
    story.remove(|entry| matches!(entry, Entry::Fault(step) if step.step == Step::HealVerified));
    says(&mut story, &[(1_000, 30_000)]);
    assert_eq!(story.finding("health").verdict, Verdict::Invalid);
}

#[test]
fn word_that_was_taken_back_or_not_heard_for_a_while_is_a_new_one() {
    let taken_back = finding(&[(6_000, 7_500), (8_500, 9_600), (10_000, 21_000)]);
    assert_eq!(taken_back.verdict, Verdict::Valid, "{:?}", taken_back.evidence);
    // Denied at 5.5 s and 6 s, and then again when the question was asked so much later.
    let again_after = |us: u64| {
        let mut story = Story::good(3_000);
        let mut last = sample(0, 0, "down");
        if let Sample::Health { t_us, asked_us, .. } = &mut last {
            (*t_us, *asked_us) = (at(6_000) + us + 2_000, Some(at(6_000) + us));
        }
        story.samples = vec![sample(5_500, 0, "down"), sample(6_000, 0, "down"), last];
        story.finding("health").verdict
    };
    assert_eq!((again_after(2_500_000), again_after(2_500_001)), (Verdict::Invalid, Verdict::Valid));
    assert_eq!(again_after(3_000_000), Verdict::Valid);
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
