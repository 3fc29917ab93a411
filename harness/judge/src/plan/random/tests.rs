use proptest::prelude::*;

use crate::plan::{Abilities, Fault, Overrides, Plan, PlanError, resolve};
use crate::scenario::Scenario;

fn scenario(nemesis: &str) -> Scenario {
    let text = format!(
        "hypothesis = \"x\"\n[load]\nprofile = \"constant\"\nrate = 300\nduration = \"90s\"\nwarm_up = \"2s\"\n{nemesis}"
    );
    Scenario::parse("test", &text).unwrap_or_else(|error| panic!("{error}"))
}

fn planned(nemesis: &str, seed: u64, nodes: usize) -> Result<Plan, PlanError> {
    let roster: Vec<String> = (1..=nodes).map(|node| format!("cluster-node-{node}")).collect();
    resolve(&scenario(nemesis), seed, &Overrides::default(), &roster, &Abilities::everything())
}

const MIXED: &str = r#"
faults = [
    { kind = "kill", target = "one", weight = 3, for = ["1s", "4s"] },
    { kind = "pause", target = "one", weight = 2, for = ["500ms", "7s"] },
    { kind = "cut", from = "nats", target = "node-a", for = "2s" },
    { kind = "pause", target = "redis", for = ["1s", "2s"] },
    { kind = "client_kill", target = "redis" },
]
"#;

fn nemesis(rules: &str) -> String {
    format!("[nemesis]\n{rules}\n{MIXED}")
}

/// The most services held at one moment; starts and ends are where that changes.
fn most_at_once(faults: &[Fault]) -> usize {
    let held = |at_ms: u64| {
        let holding = faults.iter().filter(|fault| fault.at_ms <= at_ms && at_ms < fault.held_until_ms());
        holding.flat_map(|fault| &fault.services).collect::<std::collections::BTreeSet<_>>().len()
    };
    faults.iter().map(|fault| held(fault.at_ms)).max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn one_at_a_time_with_calm_between_and_all_within_the_time(seed: u64, calm_ms in 0..6_000_u64, nodes in 3..6_usize) {
        let plan = planned(&nemesis(&format!("from = \"10s\"\nuntil = \"80s\"\ncalm = \"{calm_ms}ms\"")), seed, nodes).expect("room");
        prop_assert!(plan.faults.len() > 3);
        for fault in &plan.faults {
            prop_assert!(fault.at_ms >= 10_000 && fault.held_until_ms() <= 80_000, "{fault:?}");
        }
        for pair in plan.faults.windows(2) {
            prop_assert!(pair[0].held_until_ms() + calm_ms <= pair[1].at_ms, "{pair:?}");
        }
        prop_assert_eq!(most_at_once(&plan.faults), 1);
    }

    #[test]
    fn never_more_than_at_most_at_once_and_no_service_again_before_it_rested(seed: u64, at_most in 2..4_usize) {
        let plan = planned(&nemesis(&format!("at_most = {at_most}\ncalm = \"2s\"")), seed, 5).expect("room");
        prop_assert!(most_at_once(&plan.faults) <= at_most);
        for (later, fault) in plan.faults.iter().enumerate() {
            for other in &plan.faults[..later] {
                let shared = fault.services.iter().any(|service| other.services.contains(service));
                prop_assert!(!shared || other.held_until_ms() + 2_000 <= fault.at_ms, "{other:?} {fault:?}");
            }
        }
    }

    #[test]
    fn same_seed_gives_the_same_faults_byte_for_byte(seed: u64) {
        let text = |plan: &Plan| serde_json::to_string_pretty(plan).expect("plans serialise");
        let plan = || planned(&nemesis(""), seed, 3).expect("room");
        prop_assert_eq!(text(&plan()), text(&plan()));
    }

    #[test]
    fn draws_keep_off_the_faults_that_stand(seed: u64) {
        let fixed = "[[fault]]\nat = \"30s\"\nfor = \"10s\"\nkind = \"stop\"\ntarget = \"node-b\"\n";
        let plan = planned(&format!("{fixed}{}", nemesis("calm = \"1s\"")), seed, 3).expect("room");
        let stands = plan.faults.iter().find(|fault| fault.at_ms == 30_000 && fault.target == "node-b").expect("it stands");
        for fault in plan.faults.iter().filter(|fault| *fault != stands) {
            prop_assert!(fault.held_until_ms() + 1_000 <= 30_000 || fault.at_ms >= 41_000, "{fault:?}");
        }
    }
}

#[test]
fn another_seed_gives_other_faults_and_several_run_at_once_where_that_is_allowed() {
    let faults = |seed| planned(&nemesis("at_most = 2"), seed, 5).expect("room").faults;
    assert_ne!(faults(1), faults(2));
    let busiest = (0..20).map(|seed| most_at_once(&faults(seed))).max();
    assert_eq!(busiest, Some(2));
}

#[test]
fn weights_tell_how_often_a_fault_is_drawn() {
    let rules = "[nemesis]\ncalm = \"0s\"\nfaults = [{ kind = \"kill\", target = \"one\", weight = 9, for = \"1s\" }, \
                 { kind = \"pause\", target = \"one\", weight = 1, for = \"1s\" }]";
    let (mut kills, mut all) = (0, 0);
    for seed in 0..20 {
        let plan = planned(rules, seed, 3).expect("room");
        kills += plan.faults.iter().filter(|fault| fault.kind.word() == "kill").count();
        all += plan.faults.len();
    }
    assert!(all > 400, "{all}");
    assert!((85..=95).contains(&(kills * 100 / all)), "{kills} of {all}");
}

#[test]
fn what_could_be_drawn_is_refused_whatever_the_seed() {
    let one = |fault: &str| {
        format!("[nemesis]\nfaults = [{{ kind = \"kill\", target = \"one\", for = \"1s\", weight = 1000 }}, {fault}]")
    };
    let table = [
        (one(r#"{ kind = "kill", target = "majority", for = "1s" }"#), "hurts 2 services"),
        (one(r#"{ kind = "kill", target = "last-hit", for = "1s" }"#), "cannot be drawn"),
        (one(r#"{ kind = "read_only", target = "one", for = "1s" }"#), "redis only"),
        (one(r#"{ kind = "kill", target = "one" }"#), "`for` is missing"),
        (one(r#"{ kind = "restart", target = "one", for = "1s" }"#), "heals itself"),
        (one(r#"{ kind = "kill", target = "two", for = "1s" }"#), "unknown target `two`"),
        (one(r#"{ kind = "delay", link = "nats", latency = "2m", target = "one", for = "1s" }"#), "`latency` is 120000 ms"),
        (nemesis("from = \"2s\""), "steady state"),
        (nemesis("until = \"2m\""), "90000 ms"),
        (nemesis("from = \"20s\"\nuntil = \"20.4s\""), "no room"),
        (format!("{}\n", nemesis("at_most = 2")).replace(r#""one", weight = 3"#, r#""busiest", weight = 3"#), "cannot be drawn"),
    ];
    for (rules, expected) in table {
        for seed in 0..5 {
            let message = planned(&rules, seed, 3).expect_err(&rules).to_string();
            assert!(message.contains(expected), "{rules}: {message}");
        }
    }
    assert!(planned(&nemesis("").replace(r#""one", weight = 3"#, r#""busiest", weight = 3"#), 1, 3).is_ok());
}
