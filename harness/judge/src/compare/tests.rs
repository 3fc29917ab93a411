//! What a comparison promises, on made-up runs whose seconds hang together as those of real ones do.

use super::*;

const SECONDS: u64 = 75;
const PER_SECOND: u64 = 150;

/// By so much runs are off, each by its own, and pairs of them together.
const OWN: f64 = 0.02;
const SHARED: f64 = 0.05;

/// A normally distributed number.
fn normal(chance: &mut Stream) -> f64 {
    let radius = (-2.0 * (1.0 - chance.unit()).ln()).sqrt();
    radius * (std::f64::consts::TAU * chance.unit()).cos()
}

/// Log-normal durations around `median_ms`. Each second has a level of its own, which drifts as an AR(1) process; now and
/// then a burst makes some seconds slow; and the whole run is off by `run`.
fn log(median_ms: f64, run: f64, chance: &mut Stream) -> BTreeMap<u64, Second> {
    let (mut drift, mut burst) = (0.0, 0_u64);
    (0..SECONDS)
        .map(|second| {
            drift = 0.8 * drift + 0.6 * 0.06 * normal(chance);
            burst = if chance.unit() < 0.02 { 3 } else { burst.saturating_sub(1) };
            let level = median_ms.ln() + run + drift + if burst > 0 { 0.3 } else { 0.0 };
            let values = (0..PER_SECOND).map(|_| {
                let ms = (level + 0.5 * normal(chance)).exp();
                (crate::numbers::whole(ms * 1e6), 1)
            });
            (second, values.collect())
        })
        .collect()
}

/// `machine`: how slow it is just then, for both of a pair. A run is off by some more on its own.
fn run(slower: f64, machine: f64, chance: &mut Stream) -> Side {
    let mut off = || machine + OWN * normal(chance);
    let (of_latency, of_propagation) = (off(), off());
    Side {
        name: "runs/x".to_owned(),
        latency: log(5.0, of_latency, chance),
        propagation: log(12.0 * slower, of_propagation, chance),
        ..Side::default()
    }
}

/// In how many of so many comparisons of `pairs` runs each `is` holds.
fn times(trials: u64, pairs: usize, slower: f64, is: impl Fn(&Comparison) -> bool) -> u64 {
    (0..trials)
        .filter(|trial| {
            let mut chance = Stream::new(*trial, "compared");
            let (mut base, mut against) = (Vec::new(), Vec::new());
            for _ in 0..pairs {
                let machine = SHARED * normal(&mut chance);
                base.push(run(1.0, machine, &mut chance));
                against.push(run(slower, machine, &mut chance));
            }
            is(&compare(&base, &against, Scope::OutsideFaults))
        })
        .count() as u64
}

fn is_found(comparison: &Comparison) -> bool {
    let worse = |change: &Change| change.outcome == Outcome::Worse && change.figure.starts_with("propagation");
    comparison.changes.iter().any(worse)
}

const TRIALS: u64 = 40;
/// Nine times in ten.
const MOST: u64 = 36;

#[test]
fn five_pairs_of_one_build_show_no_difference() {
    let same = times(TRIALS, 5, 1.0, Comparison::is_same);
    assert!(same >= MOST, "{same} of {TRIALS}");
}

#[test]
fn one_pair_of_one_build_shows_no_difference() {
    let same = times(TRIALS, 1, 1.0, Comparison::is_same);
    assert!(same >= MOST, "{same} of {TRIALS}");
}

#[test]
fn five_pairs_find_a_tenth() {
    let found = times(TRIALS, 5, 1.1, is_found);
    assert!(found >= MOST, "{found} of {TRIALS}");
}

#[test]
fn machine_that_slows_both_down_hides_nothing_and_makes_nothing_up() {
    // Runs that are no pairs: the machine is slow for each in its own way.
    let trials = |slower: f64, is: &dyn Fn(&Comparison) -> bool| {
        let of = |trial: u64| {
            let mut chance = Stream::new(trial, "apart");
            let mut side = |slower: f64| -> Vec<Side> {
                (0..5)
                    .map(|_| {
                        let machine = SHARED * normal(&mut chance);
                        run(slower, machine, &mut chance)
                    })
                    .collect()
            };
            let (base, against) = (side(1.0), side(slower));
            compare(&base, &against, Scope::OutsideFaults)
        };
        (0..TRIALS).filter(|trial| is(&of(*trial))).count() as u64
    };
    let (found, same) = (trials(1.1, &is_found), trials(1.0, &Comparison::is_same));
    // Fewer than 25 are found without what tells propagation beside the requests.
    assert!(found > TRIALS * 2 / 3 && same >= MOST, "{found} found, {same} the same of {TRIALS}");
}

#[test]
fn requests_that_got_faster_make_propagation_no_slower() {
    let mut chance = Stream::new(8, "compared");
    let base: Vec<Side> = (0..5).map(|_| run(1.0, 0.0, &mut chance)).collect();
    let faster = |side: &Side| {
        let mut side = side.clone();
        side.latency.values_mut().flatten().for_each(|(ns, _)| *ns = *ns * 95 / 100);
        side
    };
    let against: Vec<Side> = base.iter().map(faster).collect();
    let comparison = compare(&base, &against, Scope::OutsideFaults);
    assert!(!comparison.has_regression(), "{comparison:?}");
}

#[test]
fn one_pair_finds_a_quarter() {
    let found = times(TRIALS, 1, 1.25, is_found);
    assert!(found >= MOST, "{found} of {TRIALS}");
}

#[test]
fn what_got_faster_is_no_regression() {
    let mut chance = Stream::new(3, "compared");
    let (base, against) = ([run(1.5, 0.0, &mut chance)], [run(1.0, 0.0, &mut chance)]);
    let comparison = compare(&base, &against, Scope::OutsideFaults);
    assert!(!comparison.has_regression() && !comparison.is_same(), "{comparison:?}");
    assert!(compare(&against, &base, Scope::OutsideFaults).has_regression());
}

#[test]
fn seconds_under_a_fault_are_left_out_unless_nothing_else_is_left() {
    let mut chance = Stream::new(4, "compared");
    let (base, mut against) = (run(1.0, 0.0, &mut chance), run(1.0, 0.0, &mut chance));
    for second in 20..40_u64 {
        for (value, _) in against.propagation.get_mut(&second).expect("there is one") {
            *value *= 20;
        }
    }
    against.windows = vec![(20_000.0, 40_000.0)];
    let outside = compare(std::slice::from_ref(&base), std::slice::from_ref(&against), Scope::OutsideFaults);
    assert!(outside.is_same() && outside.outside_faults, "{outside:?}");
    assert!(compare(std::slice::from_ref(&base), std::slice::from_ref(&against), Scope::All).has_regression());
    against.windows = vec![(0.0, 100_000.0)];
    let whole = compare(&[base], &[against], Scope::OutsideFaults);
    assert!(!whole.outside_faults && whole.has_regression(), "{whole:?}");
}

#[test]
fn too_few_seconds_are_not_judged() {
    let mut chance = Stream::new(5, "compared");
    let mut short = run(1.0, 0.0, &mut chance);
    short.latency.retain(|second, _| *second < 5);
    short.propagation.retain(|second, _| *second < 5);
    let comparison = compare(&[short.clone()], &[short], Scope::OutsideFaults);
    assert!(comparison.changes.iter().all(|change| change.outcome == Outcome::NotJudged), "{comparison:?}");
}

#[test]
fn table_fits_eighty_columns() {
    let mut chance = Stream::new(6, "compared");
    let mut base = run(1.0, 0.0, &mut chance);
    base.name = format!("runs/{}", "x".repeat(100));
    base.figures.insert("throughput.offered_per_s".to_owned(), Some(12_345.678));
    base.figures.insert("backlog_drained_ms".to_owned(), Some(123_456.0));
    let against = Side { propagation: log(40.0, 0.0, &mut chance), ..base.clone() };
    let text = table(&compare(&[base.clone(), base], &[against], Scope::OutsideFaults));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("WORSE") && text.contains("throughput.offered") && text.contains("not judged"), "{text}");
}
