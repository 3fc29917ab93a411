use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn roster(nodes: usize) -> Vec<String> {
    (1..=nodes).map(|node| format!("cluster-node-{node}")).collect()
}

fn scenario(faults: &str) -> Scenario {
    let text =
        format!("hypothesis = \"x\"\n[load]\nprofile = \"constant\"\nrate = 300\nduration = \"40s\"\nwarm_up = \"2s\"\n{faults}");
    Scenario::parse("test", &text).unwrap_or_else(|error| panic!("{error}"))
}

fn fault(at: &str, hold: &str, kind: &str, target: &str) -> String {
    let hold = if hold.is_empty() { String::new() } else { format!("for = \"{hold}\"\n") };
    format!("[[fault]]\nat = \"{at}\"\n{hold}kind = \"{kind}\"\ntarget = \"{target}\"\n")
}

fn planned(faults: &[String]) -> Result<Plan, PlanError> {
    resolve(&scenario(&faults.concat()), 7, &Overrides::default(), &roster(3), &Abilities::everything())
}

fn refused(faults: &[String]) -> String {
    planned(faults).expect_err("it cannot be run").to_string()
}

#[test]
fn the_seed_draws_each_delays_jitter() {
    let seeds = |seed| {
        let delay = |link| fault("10s", "5s", "delay", "node-a") + &format!("latency = \"50ms\"\nlink = \"{link}\"\n");
        let scenario = scenario(&(delay("nats") + &delay("redis")));
        let plan = resolve(&scenario, seed, &Overrides::default(), &roster(3), &Abilities::everything()).expect("a plan");
        let drawn = plan.faults.iter().map(|fault| match fault.kind {
            crate::plan::FaultKind::Delay { seed, .. } => seed,
            other => panic!("{other}"),
        });
        drawn.collect::<Vec<_>>()
    };
    assert_eq!(seeds(7), seeds(7));
    assert_ne!(seeds(7), seeds(8));
    assert_ne!(seeds(7)[0], seeds(7)[1]);
}

#[test]
fn letters_in_expectations_become_nodes_and_faults_that_are_not_there_are_refused() {
    let expect = |line: &str| planned(&[fault("10s", "5s", "stop", "node-b"), format!("[expect]\n{line}\n")]);
    let plan = expect("\"latency.node-b.p99\" = \"50 ms\"").expect("it can be run");
    assert_eq!(plan.expect.thresholds[0].figure, format!("latency.{}.p99", plan.faults[0].services[0]));
    let drawn =
        "[nemesis]\nfaults = [{ kind = \"kill\", target = \"one\", for = \"20s\" }]\n[expect]\n\"recovery.fault-9\" = \"1 s\"\n";
    let error = planned(&[drawn.to_owned()]).expect_err("there are fewer").to_string();
    assert!(error.contains("`recovery.fault-9`") && error.contains("nearest are recovery.fault-1"), "{error}");
}

#[test]
fn clients_are_as_many_as_rate_and_timeout_demand() {
    let plan = planned(&[]).expect("it can be run");
    assert_eq!(plan.load.processes_per_node, 240, "1.2 x 100/s x 2 s");
    let mut scenario = scenario("");
    scenario.load.processes_per_node = Some(239);
    let error = resolve(&scenario, 7, &Overrides::default(), &roster(3), &Abilities::everything()).expect_err("too few");
    assert!(error.to_string().contains("at least 240"), "{error}");
    scenario.load.processes_per_node = Some(500);
    let plan = resolve(&scenario, 7, &Overrides::default(), &roster(3), &Abilities::everything()).expect("more is allowed");
    assert_eq!(plan.load.processes_per_node, 500);
}

#[test]
fn fault_must_leave_room_for_the_steady_state() {
    // 1,000 operations at 300/s take 3.4 s, so the 5 s count: 2 s of warm-up and 5 s.
    assert!(planned(&[fault("7s", "5s", "stop", "one")]).is_ok());
    assert!(refused(&[fault("6.9s", "5s", "stop", "one")]).contains("end at 7000 ms"));
    let scenario = scenario(&fault("7s", "5s", "stop", "one"));
    let slow = Overrides { rate: Some(100.0), ..Overrides::default() };
    let error = resolve(&scenario, 7, &slow, &roster(3), &Abilities::everything()).expect_err("a thousand operations take 10 s");
    assert!(error.to_string().contains("end at 12000 ms"), "{error}");
}

#[test]
fn fault_must_be_healed_within_the_load() {
    assert!(planned(&[fault("30s", "10s", "stop", "one")]).is_ok());
    let message = refused(&[fault("30s", "11s", "stop", "one")]);
    assert!(
        message.contains("fault 1 (stop one at 30000 ms for 11000 ms)") && message.contains("at least 41000 ms"),
        "{message}"
    );
    let scenario = scenario(&fault("30s", "10s", "stop", "one"));
    let short = Overrides { duration: Some(Duration::from_secs(20)), ..Overrides::default() };
    assert!(
        resolve(&scenario, 7, &short, &roster(3), &Abilities::everything()).is_err(),
        "a fault that no longer fits is refused, not moved"
    );
    let long = Overrides { duration: Some(Duration::from_secs(90)), ..Overrides::default() };
    assert_eq!(
        resolve(&scenario, 7, &long, &roster(3), &Abilities::everything()).expect("longer is fine").load.duration_ms,
        90_000
    );
}

#[test]
fn faults_on_one_service_must_not_overlap() {
    let message = refused(&[fault("10s", "5s", "stop", "node-a"), fault("14s", "5s", "pause", "node-a")]);
    assert!(message.contains("still held by fault 1 (stop node-a"), "{message}");
    assert!(planned(&[fault("10s", "5s", "stop", "node-a"), fault("15s", "5s", "pause", "node-a")]).is_ok());
    assert!(planned(&[fault("10s", "5s", "stop", "node-a"), fault("12s", "5s", "pause", "node-b")]).is_ok());
    assert!(planned(&[fault("10s", "", "restart", "redis"), fault("12s", "2s", "stop", "redis")]).is_err());
    assert!(planned(&[fault("10s", "5s", "stop", "all"), fault("12s", "2s", "stop", "one")]).is_err());
}

#[test]
fn only_faults_that_do_not_heal_themselves_have_a_length() {
    assert!(refused(&[fault("10s", "", "stop", "one")]).contains("`for` is missing"));
    assert!(refused(&[fault("10s", "100ms", "stop", "one")]).contains("`for` is missing"));
    assert!(refused(&[fault("10s", "5s", "restart", "redis")]).contains("heals itself"));
}

#[test]
fn unknown_target_names_those_there_are() {
    let message = refused(&[fault("10s", "5s", "stop", "cluster-node-9")]);
    assert!(message.contains("node-a to node-c") && message.contains("cluster-node-3, nats, redis"), "{message}");
    assert!(planned(&[fault("10s", "5s", "stop", "node-d")]).is_err(), "three nodes have no fourth letter");
}

#[test]
fn targets_resolve_to_so_many_nodes() {
    let count = |target: &str, nodes: usize| {
        let scenario = scenario(&fault("10s", "5s", "stop", target));
        resolve(&scenario, 7, &Overrides::default(), &roster(nodes), &Abilities::everything()).expect("it can be run").faults[0]
            .services
            .len()
    };
    let table = [
        ("one", 3, 1),
        ("minority", 3, 1),
        ("minority", 5, 2),
        ("majority", 3, 2),
        ("majority", 4, 3),
        ("all", 5, 5),
        ("nats", 3, 1),
    ];
    for (target, nodes, services) in table {
        assert_eq!(count(target, nodes), services, "{target} of {nodes}");
    }
    assert!(
        resolve(
            &scenario(&fault("10s", "5s", "stop", "minority")),
            7,
            &Overrides::default(),
            &roster(2),
            &Abilities::everything()
        )
        .is_err()
    );
    assert_eq!(resolve(&scenario(""), 7, &Overrides::default(), &[], &Abilities::everything()), Err(PlanError::NoNodes));
}

#[test]
fn letters_stand_for_different_nodes_and_the_same_ones_again() {
    let faults = [
        fault("10s", "2s", "stop", "node-a"),
        fault("13s", "2s", "kill", "node-b"),
        fault("16s", "2s", "pause", "node-c"),
        fault("19s", "2s", "kill", "node-a"),
    ];
    let mut firsts = BTreeSet::new();
    for seed in 0..40 {
        let plan = resolve(&scenario(&faults.concat()), seed, &Overrides::default(), &roster(3), &Abilities::everything())
            .expect("it can be run");
        let hit: BTreeSet<&String> = plan.faults.iter().flat_map(|fault| &fault.services).collect();
        assert_eq!(hit.len(), 3);
        assert_eq!(plan.faults[0].services, plan.faults[3].services);
        firsts.insert(plan.faults[0].services[0].clone());
    }
    assert_eq!(firsts.len(), 3, "over many seeds every node comes first");
}

#[test]
fn one_avoids_what_another_fault_holds() {
    let faults = [fault("10s", "9s", "stop", "one"), fault("12s", "9s", "pause", "one"), fault("14s", "9s", "kill", "node-b")];
    for seed in 0..100 {
        let plan = resolve(&scenario(&faults.concat()), seed, &Overrides::default(), &roster(3), &Abilities::everything());
        let plan = plan.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let hit: BTreeSet<&String> = plan.faults.iter().flat_map(|fault| &fault.services).collect();
        assert_eq!(hit.len(), 3, "seed {seed}");
    }
}

#[test]
fn faults_stand_in_the_order_of_their_times() {
    let plan = planned(&[fault("20s", "2s", "stop", "node-a"), fault("10s", "2s", "kill", "node-b")]).expect("it can be run");
    assert_eq!(plan.faults.iter().map(|fault| fault.at_ms).collect::<Vec<_>>(), [10_000, 20_000]);
}

#[test]
fn guards_that_could_not_look_in_time_are_refused() {
    assert_eq!(planned(&[]).expect("it can be run").guard, Guard::default());
    let message = refused(&["[guard]\nall_nodes_down = \"10ms\"\n".to_owned()]);
    assert!(message.contains("all_nodes_down is 10 ms"), "{message}");
}

#[test]
fn a_cluster_is_given_time_enough_to_be_found_at_rest() {
    let within = |text: &str| {
        let scenario = format!("hypothesis = \"h\"\n{text}\n[load]\nprofile = \"constant\"\nrate = 300\nduration = \"40s\"\n");
        let scenario = Scenario::parse("x", &scenario).expect("a scenario");
        resolve(&scenario, 1, &Overrides::default(), &["cluster-node-1".to_owned()], &Abilities::everything())
    };
    assert_eq!(within("").expect("it can be run").quiescent_within_ms, 60_000);
    assert_eq!(within("quiescent_within = \"10s\"").expect("it can be run").quiescent_within_ms, 10_000);
    let message = within("quiescent_within = \"9s\"").expect_err("it is too short").to_string();
    assert!(message.contains("quiescent_within is 9000 ms: give 10000 ms or more"), "{message}");
}

#[test]
fn repeated_fault_comes_so_often_at_equal_distances() {
    let repeated =
        |every: &str, target: &str| planned(&[format!("{}every = \"{every}\"\ntimes = 3\n", fault("10s", "5s", "stop", target))]);
    let plan = repeated("8s", "node-a").expect("it can be run");
    assert_eq!(plan.faults.iter().map(|fault| fault.at_ms).collect::<Vec<_>>(), [10_000, 18_000, 26_000]);
    assert!(plan.faults.iter().all(|fault| fault.services == plan.faults[0].services && fault.for_ms == 5_000));
    assert!(matches!(repeated("4s", "node-a"), Err(PlanError::Overlap { .. })), "the second comes before the first is healed");
    assert!(repeated("4s", "one").is_ok(), "another node each time");
    assert!(matches!(repeated("15s", "node-a"), Err(PlanError::TooLate { .. })), "the third has no time left");
}

proptest! {
    #[test]
    fn same_scenario_and_seed_give_the_same_plan_byte_for_byte(seed: u64, rate in 200.0..900.0_f64, nodes in 3..7_usize) {
        let faults = [
            fault("10s", "5s", "stop", "one"),
            fault("11s", "3s", "pause", "minority"),
            fault("22s", "5s", "kill", "majority"),
            fault("30s", "2s", "kill", "node-b"),
        ];
        let scenario = scenario(&faults.concat());
        let overrides = Overrides { rate: Some(rate), ..Overrides::default() };
        let plan = || resolve(&scenario, seed, &overrides, &roster(nodes), &Abilities::everything());
        if let (Ok(one), Ok(other)) = (plan(), plan()) {
            let text = |plan: &Plan| serde_json::to_string_pretty(plan).expect("plans serialise");
            prop_assert_eq!(text(&one), text(&other));
            let read: Plan = serde_json::from_str(&text(&one)).expect("plans can be read back");
            prop_assert_eq!(&read, &one);
            prop_assert!(one.slots().take(200).eq(read.slots().take(200)));
        }
    }

    #[test]
    fn no_plan_hits_one_service_twice_at_once(seed: u64, times in prop::collection::vec((8..30_u64, 1..8_u64), 1..5)) {
        let faults: Vec<String> = times
            .iter()
            .map(|(at, hold)| fault(&format!("{at}s"), &format!("{hold}s"), "stop", "one"))
            .collect();
        if let Ok(plan) = resolve(&scenario(&faults.concat()), seed, &Overrides::default(), &roster(3), &Abilities::everything()) {
            for (later, fault) in plan.faults.iter().enumerate() {
                for other in &plan.faults[..later] {
                    let apart = other.at_ms + other.for_ms <= fault.at_ms;
                    prop_assert!(apart || other.services != fault.services);
                }
            }
        }
    }
}
