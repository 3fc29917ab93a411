use std::time::Duration;

use proptest::prelude::*;

use crate::plan::{Abilities, Overrides, Plan, Profile, Recorded, resolve};
use crate::scenario::{ProfileName, Scenario};

/// 20 s of load.
const LOAD_MS: u64 = 20_000;

fn scenario(load: &str) -> Scenario {
    let text = format!("hypothesis = \"x\"\n[load]\nduration = \"20s\"\nwarm_up = \"2s\"\n{load}\n");
    Scenario::parse("test", &text).unwrap_or_else(|error| panic!("{error}"))
}

fn planned(load: &str, overrides: &Overrides) -> Result<Plan, String> {
    let roster = ["a", "b", "c"].map(str::to_owned);
    resolve(&scenario(load), 7, overrides, &roster, &Abilities::everything()).map_err(|error| error.to_string())
}

fn plan(load: &str) -> Plan {
    planned(load, &Overrides::default()).unwrap_or_else(|error| panic!("{load}: {error}"))
}

fn times_us(plan: &Plan) -> Vec<u64> {
    plan.slots().map(|slot| slot.at_us).collect()
}

/// How many arrivals lie between two moments, in seconds.
fn between(times_us: &[u64], from_s: f64, until_s: f64) -> usize {
    times_us.iter().filter(|at_us| (from_s * 1e6..until_s * 1e6).contains(&(**at_us as f64))).count()
}

#[test]
fn ramp_goes_from_one_rate_to_the_other() {
    let times = times_us(&plan("profile = \"ramp\"\nrate = 300\nfrom = 100"));
    assert_eq!(times.len(), 4_000, "200/s on average");
    assert_eq!(times[0], 0);
    for second in 0..20 {
        let expected = 105 + 10 * second;
        let found = between(&times, second as f64, (second + 1) as f64);
        assert!(found.abs_diff(expected) <= 1, "second {second}: {found}, not {expected}");
    }
    let down = times_us(&plan("profile = \"ramp\"\nrate = 1\nfrom = 101"));
    assert_eq!((down.len(), between(&down, 0.0, 1.0)), (1_020, 99));
    let from_rest = times_us(&plan("profile = \"ramp\"\nrate = 200\nfrom = 0"));
    assert_eq!((from_rest.len(), from_rest[0]), (2_000, 0));
    assert!((from_rest[100] as f64 / 1e6 - 20_f64.sqrt()).abs() < 1e-5, "5 t^2 = 100");
}

#[test]
fn steps_are_equally_long_and_may_rest() {
    let times = times_us(&plan("profile = \"steps\"\nsteps = [50, 0, 200, 100]"));
    let counts: Vec<usize> = (0..4).map(|step| between(&times, f64::from(step) * 5.0, f64::from(step + 1) * 5.0)).collect();
    assert_eq!(counts, [250, 0, 1_000, 500]);
    assert_eq!(times[250], 10_000_000, "the third step begins with an arrival");
}

#[test]
fn spike_stands_between_two_stretches_of_the_rate() {
    let times = times_us(&plan("profile = \"spike\"\nrate = 100\nspike = { rate = 900, at = \"8s\", for = \"2s\" }"));
    assert_eq!([between(&times, 0.0, 8.0), between(&times, 8.0, 10.0), between(&times, 10.0, 20.0)], [800, 1_800, 1_000]);
}

#[test]
fn what_is_not_said_has_a_default() {
    let only = |profile: ProfileName| {
        let overrides = Overrides { profile: Some(profile), ..Overrides::default() };
        planned("profile = \"constant\"\nrate = 200", &overrides).map(|plan| plan.load.profile)
    };
    assert_eq!(only(ProfileName::Ramp), Ok(Profile::Ramp { from: 20.0 }));
    assert_eq!(only(ProfileName::Steps), Ok(Profile::Steps { rates: vec![50.0, 100.0, 150.0, 200.0] }));
    assert_eq!(only(ProfileName::Spike), Ok(Profile::Spike { rate: 600.0, at_ms: 8_000, for_ms: 4_000 }));
    assert!(only(ProfileName::Replay).expect_err("nothing is recorded").contains("needs recorded times"));
}

#[test]
fn another_rate_keeps_the_shape() {
    let faster = Overrides { rate: Some(600.0), ..Overrides::default() };
    let shape = |load| planned(load, &faster).map(|plan| (plan.load.rate, plan.load.profile)).expect("a plan");
    assert_eq!(shape("profile = \"ramp\"\nrate = 300\nfrom = 100"), (600.0, Profile::Ramp { from: 200.0 }));
    let steps = Profile::Steps { rates: vec![300.0, 600.0] };
    assert_eq!(shape("profile = \"steps\"\nsteps = [100, 200]"), (600.0, steps));
    let spike = Profile::Spike { rate: 1_800.0, at_ms: 1_000, for_ms: 1_000 };
    assert_eq!(shape("profile = \"spike\"\nrate = 100\nspike = { rate = 300, at = \"1s\", for = \"1s\" }"), (600.0, spike));
}

#[test]
fn recorded_times_come_again_until_the_load_ends() {
    let recorded = Recorded::of(vec![5_000_000, 0, 19_999_999, 20_000_000, 25_000_000]).expect("times");
    let overrides = Overrides { recorded: Some(recorded.clone()), ..Overrides::default() };
    let plan = planned("profile = \"constant\"\nrate = 200", &overrides).expect("a plan");
    assert_eq!(times_us(&plan), [0, 5_000_000, 19_999_999]);
    assert!((plan.load.rate - 0.15).abs() < 1e-9);
    let late = Overrides { recorded: Some(recorded), duration: Some(Duration::from_secs(40)), ..Overrides::default() };
    assert_eq!(times_us(&planned("profile = \"constant\"\nrate = 200", &late).expect("a plan")).len(), 5);
    let too_late = Overrides { recorded: Some(Recorded::of(vec![20_000_000]).expect("a time")), ..Overrides::default() };
    let error = planned("profile = \"constant\"\nrate = 200", &too_late).expect_err("it is too late");
    assert!(error.starts_with("the first recorded arrival is at 20000 ms"), "{error}");
}

#[test]
fn what_cannot_be_is_refused() {
    let table = [
        ("profile = \"constant\"", "the profile `constant` needs a rate"),
        ("profile = \"constant\"\nrate = 9\nfrom = 3", "`from` belongs to the profile `ramp`, and the profile is `constant`"),
        ("profile = \"ramp\"\nrate = 9\nsteps = [3]", "`steps` belongs to the profile `steps`"),
        ("profile = \"steps\"\nrate = 9\nsteps = [3]", "`steps` says how fast operations arrive"),
        ("profile = \"replay\"", "needs recorded times"),
        ("profile = \"replay\"\nrate = 9\narrivals = \"x\"", "`arrivals` says how fast"),
        (
            "profile = \"spike\"\nrate = 9\nspike = { rate = 90, at = \"18s\", for = \"3s\" }",
            "from 18000 ms for 3000 ms does not lie within the load of 20000 ms",
        ),
        ("profile = \"spike\"\nrate = 9\nspike = { rate = 90, at = \"18s\", for = \"0s\" }", "does not lie within"),
    ];
    for (load, expected) in table.into_iter().chain(of_mixes_and_models()) {
        let error = planned(load, &Overrides::default()).expect_err(load);
        assert!(error.contains(expected), "{load}: {error}");
    }
    let faster = Overrides { rate: Some(200_000.0), ..Overrides::default() };
    let error = planned("profile = \"steps\"\nsteps = [10, 20]", &faster).expect_err("too fast");
    assert!(error.contains("a rate of 200000 operations per second is not possible"), "{error}");
}

fn of_mixes_and_models() -> [(&'static str, &'static str); 8] {
    [
        ("rate = 9\nshares = { bb = 3 }", "`shares` names bb, which is no node of this cluster, did you mean b? It has a, b, c"),
        ("rate = 9\nshares = { a = 0, b = 0, c = 0 }", "at least one of them is not 0"),
        ("rate = 9\nshares = { a = 5000 }", "from 0 to 1000"),
        ("rate = 9\nusers = 5", "`users` belongs to the closed model"),
        ("rate = 9\nthink = \"1s\"", "`think` belongs to the closed model"),
        ("model = \"closed\"\nusers = 5\nrate = 9", "`rate` belongs to the open model"),
        ("model = \"closed\"\nusers = 5\nprofile = \"ramp\"", "`profile` belongs to the open model"),
        ("model = \"closed\"", "the closed model needs `users`"),
    ]
}

#[test]
fn closed_load_has_its_users_over_the_nodes() {
    let closed = plan("model = \"closed\"\nusers = 31\nthink = \"20ms\"");
    assert_eq!(closed.load.model, crate::plan::Model::Closed { users: 31, think_ms: 20 });
    assert_eq!((closed.load.processes_per_node, closed.steady_by_ms()), (11, 7_000));
    assert_eq!(closed.load.users_by_node(3), [11, 10, 10]);
    let weighted = plan("model = \"closed\"\nusers = 7\nshares = { a = 3, b = 0 }");
    assert_eq!((weighted.load.users_by_node(3), weighted.load.processes_per_node), (vec![5, 0, 2], 6));
}

#[test]
fn heaviest_node_decides_how_many_clients_there_are() {
    let weighted = plan("rate = 300\nshares = { a = 4 }");
    assert_eq!(weighted.load.weights, [4, 1, 1]);
    assert_eq!(weighted.load.processes_per_node, 480, "1.2 x 200/s x 2 s");
}

#[test]
fn clients_are_enough_for_the_highest_rate() {
    let processes = |load| plan(load).load.processes_per_node;
    assert_eq!(processes("profile = \"constant\"\nrate = 300"), 240);
    assert_eq!(processes("profile = \"ramp\"\nrate = 300\nfrom = 600"), 480);
    assert_eq!(processes("profile = \"spike\"\nrate = 300\nspike = { rate = 900, at = \"1s\", for = \"1s\" }"), 720);
    let burst = Recorded::of((0..300).map(|number| 1_000_000 + number).chain([4_000_000]).collect()).expect("times");
    let overrides = Overrides { recorded: Some(burst), ..Overrides::default() };
    assert_eq!(planned("profile = \"constant\"\nrate = 1", &overrides).expect("a plan").load.processes_per_node, 120);
}

#[test]
fn steady_state_is_over_when_a_thousand_operations_have_come() {
    let steady = |load| plan(load).steady_by_ms();
    assert_eq!(steady("profile = \"constant\"\nrate = 300"), 7_000);
    assert_eq!(steady("profile = \"constant\"\nrate = 100"), 12_000);
    assert_eq!(steady("profile = \"constant\"\nrate = 10"), 102_000, "as if the load went on");
    // 100 t + 5 t^2 / 2 of them by t, 210 of them in the warm-up.
    let ramp = steady("profile = \"ramp\"\nrate = 200\nfrom = 100");
    assert_eq!(ramp, 9_733);
    let come = between(&times_us(&plan("profile = \"ramp\"\nrate = 200\nfrom = 100")), 2.0, 9.733);
    assert!(come.abs_diff(1_000) <= 1, "{come}");
    assert_eq!(steady("profile = \"steps\"\nsteps = [0, 1000]"), 11_000);
    let times = Recorded::of((0..2_000).map(|number| number * 10_000).collect()).expect("times");
    let overrides = Overrides { recorded: Some(times), ..Overrides::default() };
    assert_eq!(planned("profile = \"constant\"\nrate = 1", &overrides).expect("a plan").steady_by_ms(), 12_000);
}

/// A profile as it is written, and how many arrivals it holds.
fn any_profile() -> impl Strategy<Value = (String, f64)> {
    let rate = 1.0..500.0_f64;
    prop_oneof![
        rate.clone().prop_map(|rate| (format!("profile = \"constant\"\nrate = {rate}"), rate * 20.0)),
        (0.0..500.0_f64, rate.clone())
            .prop_map(|(from, rate)| (format!("profile = \"ramp\"\nfrom = {from}\nrate = {rate}"), (from + rate) * 10.0)),
        prop::collection::vec(1.0..500.0_f64, 1..9).prop_map(|steps| {
            let count = steps.iter().sum::<f64>() * 20.0 / steps.len() as f64;
            (format!("profile = \"steps\"\nsteps = {steps:?}"), count)
        }),
        (rate, 1.0..900.0_f64, 0..10_u32, 1..10_u32).prop_map(|(rate, spike, at, hold)| {
            let count = rate * f64::from(20 - hold) + spike * f64::from(hold);
            (
                format!("profile = \"spike\"\nrate = {rate}\nspike = {{ rate = {spike}, at = \"{at}s\", for = \"{hold}s\" }}"),
                count,
            )
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn as_many_come_as_the_rates_add_up_to_in_order_and_within_the_load((load, expected) in any_profile()) {
        let times = times_us(&plan(&load));
        prop_assert!((times.len() as f64 - expected).abs() <= 1.0, "{}: {} of {}", load, times.len(), expected);
        prop_assert!(times.windows(2).all(|pair| pair[0] <= pair[1]), "{}", load);
        prop_assert!(times.iter().all(|at_us| *at_us < LOAD_MS * 1_000), "{}", load);
    }

    #[test]
    fn any_stretch_of_a_ramp_holds_its_share(from in 0.0..400.0_f64, to in 1.0..400.0_f64, at in 0.0..19.0_f64, length in 0.1..1.0_f64) {
        let times = times_us(&plan(&format!("profile = \"ramp\"\nfrom = {from}\nrate = {to}")));
        let rate = |at: f64| from + (to - from) * at / 20.0;
        let expected = length * f64::midpoint(rate(at), rate(at + length));
        let found = between(&times, at, at + length) as f64;
        prop_assert!((found - expected).abs() <= 1.0 + 1e-6, "{} of {}", found, expected);
    }

    #[test]
    fn plan_with_any_profile_reads_back_from_its_json((load, _) in any_profile()) {
        let plan = plan(&load);
        let json = serde_json::to_string(&plan).expect("a plan has JSON");
        let read: Plan = serde_json::from_str(&json).expect("it reads");
        prop_assert!(plan.slots().take(500).eq(read.slots().take(500)));
        prop_assert_eq!(times_us(&plan).len(), times_us(&read).len());
    }
}
