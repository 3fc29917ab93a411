use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::plan::{Need, Overrides, Plan, resolve};
use crate::scenario::Scenario;

/// A scenario with these faults, given as `at`, `for` ("" for none), and the rest of the table.
fn planned_on(abilities: &Abilities, faults: &[(&str, &str, &str)]) -> Result<Plan, PlanError> {
    let mut text = "hypothesis = \"x\"\n[load]\nprofile = \"constant\"\nrate = 300\nduration = \"60s\"\n".to_owned();
    for (at, hold, rest) in faults {
        let hold = if hold.is_empty() { String::new() } else { format!("for = \"{hold}\"\n") };
        text = format!("{text}[[fault]]\nat = \"{at}\"\n{hold}{}\n", rest.replace("; ", "\n"));
    }
    let scenario = Scenario::parse("test", &text).unwrap_or_else(|error| panic!("{error}"));
    let roster: Vec<String> = (1..=3).map(|node| format!("cluster-node-{node}")).collect();
    resolve(&scenario, 7, &Overrides { duration: Some(Duration::from_secs(60)), ..Overrides::default() }, &roster, abilities)
}

fn planned(faults: &[(&str, &str, &str)]) -> Result<Plan, PlanError> {
    planned_on(&Abilities::everything(), faults)
}

fn refused(faults: &[(&str, &str, &str)]) -> String {
    planned(faults).expect_err("it cannot be run").to_string()
}

#[test]
fn kind_is_done_only_to_what_it_can_be_done_to() {
    let table = [
        (r#"kind = "cut"; from = "redis"; target = "nats""#, "5s", "nodes only, and nats is none"),
        (r#"kind = "purge_stream"; target = "redis""#, "", "nats only, and redis is none"),
        (r#"kind = "purge_stream"; target = "one""#, "", "nats only, and cluster-node-"),
        (r#"kind = "read_only"; target = "nats""#, "5s", "redis only, and nats is none"),
        (r#"kind = "roll_back"; lose = "2s"; target = "node-a""#, "", "nats and redis only, and cluster-node-"),
        (r#"kind = "read_only"; target = "busiest""#, "5s", "redis only, and cluster-node-1 is none"),
        (r#"kind = "drain"; target = "redis""#, "5s", "nodes only"),
    ];
    for (rest, hold, expected) in table {
        let message = refused(&[("10s", hold, rest)]);
        assert!(message.contains(expected), "{rest}: {message}");
    }
    for rest in [
        r#"kind = "kill"; target = "nats""#,
        r#"kind = "pause"; target = "redis""#,
        r#"kind = "memory"; size = "64MiB"; target = "all""#,
    ] {
        planned(&[("10s", "5s", rest)]).unwrap_or_else(|error| panic!("{rest}: {error}"));
    }
}

#[test]
fn parameters_that_make_no_sense_are_refused_with_the_range() {
    let table = [
        (r#"kind = "delay"; link = "redis"; latency = "61s""#, "`latency` is 61000 ms; give 1 to 60000 ms"),
        (r#"kind = "delay"; link = "redis"; latency = "0s""#, "`latency` is 0 ms"),
        (r#"kind = "delay"; link = "redis"; latency = "10ms"; jitter = "11ms""#, "`jitter` is 11 ms; give 0 to 10 ms"),
        (r#"kind = "flap"; from = "nats"; down = "1s"; up = "10ms""#, "`up` is 10 ms"),
        (r#"kind = "flap"; from = "nats"; down = "0s"; up = "1s""#, "`down` is 0 ms"),
        (r#"kind = "crash_loop"; pause = "0s""#, "`pause` is 0 ms"),
        (r#"kind = "bandwidth"; link = "nats"; bytes_per_second = 0"#, "`bytes_per_second` is 0"),
        (r#"kind = "slice"; link = "nats"; size = 0"#, "`size` is 0 bytes"),
        (r#"kind = "memory"; size = "1MiB""#, "`size` is 1048576 bytes"),
        (r#"kind = "descriptors"; limit = 0"#, "`limit` is 0 files"),
        (r#"kind = "scale_out"; nodes = 17"#, "`nodes` is 17 nodes; give 4 to 16 nodes"),
        (r#"kind = "scale_out"; nodes = 3"#, "`nodes` is 3 nodes; give 4"),
        (r#"kind = "drop_replies"; link = "nats"; after = "2m""#, "`after` is 120000 ms"),
    ];
    for (rest, expected) in table {
        let message = refused(&[("10s", "5s", &format!("{rest}; target = \"node-a\""))]);
        assert!(message.contains(expected), "{rest}: {message}");
    }
    let message = refused(&[("10s", "", r#"kind = "slow_script"; length = "90s"; target = "redis""#)]);
    assert!(message.contains("`length` is 90000 ms"), "{message}");
}

#[test]
fn fault_that_the_cluster_cannot_inject_is_refused_with_the_reason() {
    let delay = |via: &str| format!(r#"kind = "delay"; link = "redis"; latency = "50ms"; via = "{via}"; target = "one""#);
    let without = Abilities::everything().without(Need::Netem, "the kernel has no netem; write via = \"proxy\"");
    let error = planned_on(&without, &[("10s", "5s", &delay("netem"))]).expect_err("no netem").to_string();
    assert!(error.contains("needs the kernel's netem, which this cluster does not offer: the kernel has no netem"), "{error}");
    assert!(planned_on(&without, &[("10s", "5s", &delay("proxy"))]).is_ok());
    let bare = Need::ALL.into_iter().fold(Abilities::everything(), |abilities, need| abilities.without(need, "it is foreign"));
    for (rest, hold) in [
        (delay("proxy").as_str(), "5s"),
        (r#"kind = "disk_full"; target = "redis""#, "5s"),
        (r#"kind = "descriptors"; limit = 20; target = "one""#, "5s"),
        (r#"kind = "cut"; from = "clients"; target = "one""#, "5s"),
    ] {
        assert!(planned(&[("10s", hold, rest)]).is_ok(), "{rest}");
        assert!(matches!(planned_on(&bare, &[("10s", hold, rest)]), Err(PlanError::Need { .. })), "{rest}");
    }
    for (rest, hold) in [(r#"kind = "kill"; target = "one""#, "5s"), (r#"kind = "roll_back"; lose = "2s"; target = "redis""#, "")]
    {
        assert!(planned_on(&bare, &[("10s", hold, rest)]).is_ok(), "{rest}");
    }
}

#[test]
fn plan_is_looked_at_again_when_the_cluster_is_known() {
    let delay = r#"kind = "delay"; link = "redis"; latency = "50ms"; via = "netem"; target = "cluster-node-2""#;
    let plan = planned(&[("10s", "2s", r#"kind = "kill"; target = "one""#), ("14s", "5s", delay)]).expect("a plan");
    assert_eq!(plan.can_be_injected(&Abilities::everything()), Ok(()));
    let bare = Abilities::everything().without(Need::Netem, "this kernel has none");
    let message = plan.can_be_injected(&bare).expect_err("no netem").to_string();
    assert!(
        message.starts_with("fault 2 (delay cluster-node-2 at 14000 ms") && message.ends_with("this kernel has none"),
        "{message}"
    );
}

#[test]
fn nodes_are_added_after_one_node_and_once_at_a_time() {
    let scale = |target: &str| format!(r#"kind = "scale_out"; nodes = 5; target = "{target}""#);
    for several in ["all", "majority"] {
        let message = refused(&[("10s", "5s", &scale(several))]);
        assert!(message.contains("name one as its target"), "{several}: {message}");
    }
    for one in ["one", "node-b", "busiest", "minority"] {
        planned(&[("10s", "5s", &scale(one))]).unwrap_or_else(|error| panic!("{one}: {error}"));
    }
    let (a, b) = (scale("node-a"), scale("node-b"));
    let message = refused(&[("10s", "8s", &a), ("12s", "2s", &b)]);
    assert!(message.contains("the scale of the cluster is still held by fault 1"), "{message}");
    assert!(planned(&[("10s", "2s", &a), ("12s", "2s", &b)]).is_ok());
}

#[test]
fn links_that_nodes_share_cannot_be_hurt_for_one_of_them() {
    let text = "hypothesis = \"x\"\n[cluster]\nnodes = 5\n[load]\nprofile = \"constant\"\nrate = 300\nduration = \"60s\"\n";
    let roster: Vec<String> =
        ["cluster-node-1", "cluster-node-2", "cluster-node-3", "cluster-node", "cluster-node.2"].map(str::to_owned).to_vec();
    let planned = |target: &str| {
        let fault = format!("[[fault]]\nat = \"10s\"\nfor = \"5s\"\nkind = \"reset\"\nlink = \"redis\"\ntarget = \"{target}\"\n");
        let scenario = Scenario::parse("test", &format!("{text}{fault}")).expect("a scenario");
        resolve(&scenario, 7, &Overrides::default(), &roster, &Abilities::everything())
    };
    for target in ["cluster-node", "cluster-node.2", "all", "busiest"] {
        let message = planned(target).expect_err(target).to_string();
        assert!(message.contains("shares its links"), "{target}: {message}");
    }
    assert!(planned("cluster-node-2").is_ok());
}

#[test]
fn delay_by_the_kernel_and_a_cut_are_not_on_one_node_at_once() {
    let delay = |via: &str| format!(r#"kind = "delay"; link = "redis"; latency = "50ms"; via = "{via}"; target = "node-a""#);
    let cut = r#"kind = "cut"; from = "nats"; target = "node-a""#;
    for (via, may) in [("proxy", true), ("netem", false)] {
        assert_eq!(planned(&[("10s", "8s", cut), ("12s", "2s", &delay(via))]).is_ok(), may, "{via}");
        assert_eq!(planned(&[("10s", "8s", &delay(via)), ("12s", "2s", cut)]).is_ok(), may, "{via}");
    }
    let message = refused(&[("10s", "5s", &delay("netem").replace("50ms", "3s"))]);
    assert!(message.contains("`latency` is 3000 ms; give 1 to 2000 ms"), "{message}");
}

#[test]
fn different_parts_of_one_service_may_be_held_at_once_and_the_same_part_may_not() {
    let kill = r#"kind = "kill"; target = "node-a""#;
    let cut = r#"kind = "cut"; from = "all"; target = "node-a""#;
    let flap = r#"kind = "flap"; from = "nats"; down = "1s"; up = "1s"; target = "node-a""#;
    let delay = |link: &str| format!(r#"kind = "delay"; link = "{link}"; latency = "50ms"; target = "node-a""#);
    let (to_redis, to_nats) = (delay("redis"), delay("nats"));
    let reset = r#"kind = "reset"; link = "redis"; target = "node-a""#;
    let pairs = [
        (kill, cut, true),
        (kill, to_redis.as_str(), true),
        (to_nats.as_str(), to_redis.as_str(), true),
        (reset, to_redis.as_str(), false),
        (cut, flap, false),
        (kill, kill, false),
    ];
    for (one, other, may) in pairs {
        let plan = planned(&[("10s", "8s", one), ("12s", "2s", other)]);
        assert_eq!(plan.is_ok(), may, "{one} and {other}: {plan:?}");
        assert!(planned(&[("10s", "2s", one), ("12s", "2s", other)]).is_ok(), "one after the other");
    }
    let message = refused(&[("10s", "8s", cut), ("12s", "2s", flap)]);
    assert!(
        message.contains("the network of cluster-node-") && message.contains("still held by fault 1 (cut node-a"),
        "{message}"
    );
    assert!(
        planned(&[
            ("10s", "", r#"kind = "roll_back"; lose = "1s"; target = "nats""#),
            ("12s", "5s", r#"kind = "disk_full"; target = "nats""#)
        ])
        .is_err()
    );
}

#[test]
fn target_found_later_may_be_any_node() {
    for word in ["busiest", "most-leases"] {
        let kill = format!(r#"kind = "kill"; target = "{word}""#);
        let plan = planned(&[("10s", "5s", &kill)]).expect("it can be run");
        assert_eq!((plan.faults[0].target.as_str(), plan.faults[0].services.len()), (word, 0));
        assert!(plan.faults[0].dynamic().is_some());
        assert!(planned(&[("10s", "5s", &kill), ("12s", "2s", r#"kind = "pause"; target = "node-b""#)]).is_err());
        assert!(planned(&[("10s", "5s", r#"kind = "pause"; target = "node-b""#), ("12s", "2s", &kill)]).is_err());
        assert!(planned(&[("10s", "5s", &kill), ("12s", "2s", r#"kind = "pause"; target = "redis""#)]).is_ok());
        assert!(planned(&[("10s", "5s", &kill), ("15s", "2s", r#"kind = "pause"; target = "node-b""#)]).is_ok());
    }
}

#[test]
fn last_hit_needs_a_fault_that_hit_a_node_before() {
    let last = r#"kind = "kill"; target = "last-hit""#;
    assert!(refused(&[("10s", "5s", last)]).contains("no earlier fault has hit a node"));
    assert!(refused(&[("10s", "5s", r#"kind = "pause"; target = "redis""#), ("20s", "5s", last)]).contains("no earlier"));
    let cut = r#"kind = "cut"; from = "nats"; target = "one""#;
    assert!(refused(&[("10s", "8s", cut), ("10.5s", "5s", last)]).contains("no earlier"));
    assert!(planned(&[("10s", "8s", cut), ("12s", "2s", last)]).is_ok());
    assert!(planned(&[("10s", "2s", r#"kind = "kill"; target = "busiest""#), ("14s", "2s", last)]).is_ok());
}

proptest! {
    #[test]
    fn no_plan_holds_one_part_of_a_service_twice_at_once(
        times in prop::collection::vec((9..30_u64, 1..8_u64, 0..6_usize), 1..6)
    ) {
        let kinds = [
            r#"kind = "kill"; target = "one""#,
            r#"kind = "pause"; target = "minority""#,
            r#"kind = "cut"; from = "nats"; target = "node-a""#,
            r#"kind = "cut"; from = "all"; target = "one""#,
            r#"kind = "kill"; target = "busiest""#,
            r#"kind = "pause"; target = "redis""#,
        ];
        let written: Vec<(String, String, &str)> =
            times.iter().map(|(at, hold, kind)| (format!("{at}s"), format!("{hold}s"), kinds[*kind])).collect();
        let faults: Vec<(&str, &str, &str)> = written.iter().map(|(at, hold, rest)| (at.as_str(), hold.as_str(), *rest)).collect();
        if let Ok(plan) = planned(&faults) {
            for (later, fault) in plan.faults.iter().enumerate() {
                for other in &plan.faults[..later] {
                    let apart = other.at_ms + other.for_ms <= fault.at_ms;
                    let shared = fault.may_hold(&plan.roster).iter().any(|service| other.may_hold(&plan.roster).contains(service));
                    prop_assert!(apart || !shared || fault.kind.part() != other.kind.part(), "{fault:?} {other:?}");
                }
            }
        }
    }
}
