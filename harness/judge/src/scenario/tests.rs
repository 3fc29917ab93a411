use std::time::Duration;

use super::*;
use crate::figure::Bound;
use crate::plan::Keys;

const GOOD: &str = r#"hypothesis = "nothing is lost"

[load]
profile = "constant"
rate = 300
duration = "40s"

[[fault]]
at = "10s"
for = "1.5s"
kind = "stop"
target = "one"
"#;

fn error(text: &str) -> ScenarioError {
    Scenario::parse("scenarios/x.toml", text).expect_err("it is wrong")
}

/// The good scenario with one line replaced.
fn with(line: &str, by: &str) -> String {
    assert!(GOOD.contains(line), "{line}");
    GOOD.replace(line, by)
}

#[test]
fn defaults_are_filled_in() {
    let scenario = Scenario::parse("scenarios/calm.toml", GOOD).expect("it is good");
    assert_eq!(scenario.name, "calm");
    assert_eq!(scenario.load.keys, Keys::default());
    assert_eq!((scenario.load.customers, scenario.load.processes_per_node), (500, None));
    assert_eq!(scenario.load.client_timeout, Duration::from_secs(2));
    assert_eq!(scenario.faults[0].hold, Some(Duration::from_millis(1_500)));
}

#[test]
fn name_may_be_a_path_or_bare() {
    for name in ["calm", "calm.toml", "scenarios/calm.toml", "/elsewhere/calm.toml"] {
        assert_eq!(Scenario::parse(name, GOOD).expect("it is good").name, "calm");
    }
    let text = with("rate = 300", "rate = 0");
    let shown = Scenario::parse("calm", &text).expect_err("no rate").to_string();
    assert!(shown.starts_with("scenarios/calm.toml:5:8: "), "{shown}");
}

#[test]
fn error_shows_file_line_column_and_a_caret() {
    let text = with("rate = 300", "speed = 300");
    let shown = error(&text).to_string();
    let expected = "scenarios/x.toml:5:1: unknown field `speed`, expected one of `model`, `profile`, `rate`, `duration`, \
                    `from`, `steps`, `spike`, `arrivals`, `warm_up`, `client_timeout`, `processes_per_node`, `keys`, `customers`, \
                    `customer_skew`, `body`, `shares`, `users`, `think`\n  5 | speed = 300\n    | ^^^^^";
    assert_eq!(shown, expected);
}

#[test]
fn every_kind_of_mistake_is_placed_and_says_what_was_expected() {
    let table: [(&str, &str, usize, &str); 41] = [
        ("[load]", "[cluster]\nnodes = 17\n\n[load]", 4, "1 to 16 nodes"),
        ("[load]", "[cluster]\nnodes = 0\n\n[load]", 4, "1 to 16 nodes"),
        (r#"for = "1.5s""#, r#"for = ["1s", "4s"]"#, 11, "a range belongs to the faults of `[nemesis]`"),
        (r#"for = "1.5s""#, r#"for = ["4s", "1s"]"#, 10, "the shorter first"),
        (r#"at = "10s""#, "", 11, "the fault `stop` needs `at`"),
        (r#"kind = "stop""#, "kind = \"stop\"\nevery = \"5s\"", 11, "needs both `every` (a time above 0) and `times`"),
        (r#"kind = "stop""#, "kind = \"stop\"\nevery = \"0s\"\ntimes = 2", 11, "needs both `every`"),
        (r#"kind = "stop""#, "kind = \"stop\"\nweight = 2", 11, "`weight` belongs to the faults of `[nemesis]`"),
        ("[[fault]]", "[nemesis]\nfaults = []\n\n[[fault]]", 9, "`faults` is empty"),
        (
            "[[fault]]",
            "[nemesis]\nat_most = 0\nfaults = [{ kind = \"kill\", target = \"one\" }]\n\n[[fault]]",
            9,
            "`at_most` is 0",
        ),
        (
            r#"profile = "constant""#,
            r#"profile = "rmap""#,
            4,
            "unknown variant `rmap`, did you mean `ramp`? Expected one of `constant`, `poisson`",
        ),
        (
            r#"profile = "constant""#,
            r#"profile = "burst""#,
            4,
            "unknown variant `burst`, expected one of `constant`, `poisson`, `ramp`",
        ),
        ("rate = 300", "rates = 300", 5, "unknown field `rates`, did you mean `rate`? Expected one of `model`, `profile`"),
        ("rate = 300", "steps = [0, 0]", 5, "1 to 1000 rates in operations per second, not all of them 0"),
        ("rate = 300", "steps = [10, -1]", 5, "from 0 to 100000"),
        ("rate = 300", "rate = 300\nfrom = 200000", 6, "from 0 to 100000"),
        ("rate = 300", "rate = 300\nspike = { rate = 900, at = 10, for = \"1s\" }", 6, "expected a duration such as"),
        (r#"kind = "stop""#, r#"kind = "nuke""#, 11, "unknown kind `nuke`, expected one of stop, drain, kill, pause"),
        (r#"kind = "stop""#, "kind = \"delay\"\nlink = \"redis\"", 11, "the fault `delay` needs `latency`"),
        (r#"kind = "stop""#, "kind = \"stop\"\nlatency = \"1s\"", 11, "`latency` is no parameter of the fault `stop`"),
        (r#"kind = "stop""#, "kind = \"memory\"\nsize = \"64 MB\"", 12, "a size in bytes, such as"),
        (r#"kind = "stop""#, "kind = \"cpu\"\ncpus = 0", 11, "give 0.01 to 64 cores"),
        (r#"duration = "40s""#, r#"duration = "40 parsecs""#, 6, "expected a duration such as"),
        (r#"duration = "40s""#, "duration = 40", 6, "expected a duration such as"),
        (r#"duration = "40s""#, "", 3, "missing field `duration`"),
        ("rate = 300", "rate = -1", 5, "above 0"),
        ("rate = 300", "rate = \"fast\"", 5, "invalid type"),
        ("rate = 300", "rate = 300\nkeys = \"many\"", 6, "\"unique\", \"hot\", or shares"),
        ("rate = 300", "rate = 300\nkeys = { repeat = 2 }", 6, "a share between 0 and 1"),
        ("rate = 300", "rate = 300\nkeys = { repeats = 0.1 }", 6, "unknown field `repeats`"),
        ("rate = 300", "rate = 300\nkeys = { repeat = 0.7, conflict = 0.7 }", 6, "a share between 0 and 1"),
        ("rate = 300", "rate = 300\nkeys = { hot = 0.6, read = 0.6 }", 6, "a share between 0 and 1"),
        ("rate = 300", "rate = 300\ncustomer_skew = 9", 6, "an exponent from 0"),
        ("rate = 300", "rate = 300\nbody = \"17KiB\"", 6, "a size up to 16KiB"),
        ("rate = 300", "rate = 300\nbody = [\"4KiB\", \"200B\"]", 6, "the smaller first"),
        ("rate = 300", "rate = 300\nbody = 200", 6, "a size up to 16KiB"),
        ("rate = 300", "rate = 300\nshares = { cluster-node-1 = -1 }", 6, "expected u32"),
        ("rate = 300", "model = \"half-open\"", 5, "unknown variant `half-open`, expected `open` or `closed`"),
        ("rate = 300", "rate = 300\ncustomers = 0", 6, "at least 1 customer"),
        ("[[fault]]", "[exercise]\nlaughs = 3\n\n[[fault]]", 9, "unknown counter `laughs`, expected one of `new`, `replays`"),
        (r#"hypothesis = "nothing is lost""#, r#"hypothesis = " ""#, 1, "the hypothesis is empty"),
    ];
    for (line, by, at, expected) in table {
        let error = error(&with(line, by));
        assert_eq!(error.line, at, "{error}");
        assert!(error.message.contains(expected), "{error}");
    }
}

#[test]
fn nemesis_names_what_it_draws_from() {
    let with_nemesis = |rules: &str| Scenario::parse("x", &format!("{GOOD}\n[nemesis]\n{rules}"));
    let spec = with_nemesis(
        "from = \"12s\"\ncalm = \"1s\"\nat_most = 2\nfaults = [{ kind = \"kill\", target = \"one\", weight = 3, for = [\"1s\", \"4s\"] }]",
    );
    let nemesis = spec.expect("it is good").nemesis.expect("there is one");
    assert_eq!((nemesis.from, nemesis.until, nemesis.at_most), (Some(Duration::from_secs(12)), None, 2));
    assert_eq!(nemesis.calm, Duration::from_secs(1));
    assert_eq!((nemesis.faults[0].weight, nemesis.faults[0].hold), (3, Some((Duration::from_secs(1), Duration::from_secs(4)))));
    let timed = with_nemesis("faults = [{ kind = \"kill\", target = \"one\", at = \"1s\" }]").expect_err("it has a time");
    assert!(timed.message.contains("`[nemesis]` chooses the times itself"), "{timed}");
    let weightless = with_nemesis("faults = [{ kind = \"kill\", target = \"one\", weight = 0 }]").expect_err("weight 0");
    assert!(weightless.message.contains("`weight` is 0"), "{weightless}");
}

#[test]
fn cluster_has_as_many_nodes_as_the_scenario_says_and_three_by_default() {
    let nodes = |text: &str| Scenario::parse("x", text).expect("it is good").nodes;
    assert_eq!(nodes(GOOD), 3);
    assert_eq!(nodes(&with("[load]", "[cluster]\nnodes = 5\n\n[load]")), 5);
}

#[test]
fn scenario_tells_what_its_cluster_must_have() {
    let needs = |faults: &str| Scenario::parse("x", &format!("{GOOD}\n{faults}")).expect("it is good").needs();
    assert_eq!(needs(""), BTreeSet::new());
    let faults = "[[fault]]\nat = \"20s\"\nfor = \"2s\"\nkind = \"disk_full\"\ntarget = \"nats\"\n\
                  [nemesis]\nfaults = [{ kind = \"half_close\", link = \"nats\", target = \"one\", for = \"1s\" }]\n";
    assert_eq!(needs(faults), BTreeSet::from([Need::Proxy, Need::SmallDisks]));
}

#[test]
fn guards_have_defaults_and_may_be_set() {
    let guard = |table: &str| Scenario::parse("x", &format!("{GOOD}\n{table}")).expect("it is good").guard;
    assert_eq!(guard(""), GuardSpec::default());
    let set = guard("[guard]\nall_nodes_down = \"30s\"\ndisk_free = \"1GiB\"\nprobe = \"true\"");
    assert_eq!((set.all_nodes_down, set.disk_free), (Duration::from_secs(30), 1 << 30));
    assert_eq!((set.probe.as_deref(), set.probe_every), (Some("true"), Duration::from_secs(5)));
}

#[test]
fn broken_toml_is_placed() {
    let error = error("hypothesis = \"x\"\n[load\n");
    assert_eq!(error.line, 2, "{error}");
}

#[test]
fn keys_may_be_hot_or_shares() {
    let keys = |keys: &str| {
        let text = with("rate = 300", &format!("rate = 300\nkeys = {keys}"));
        Scenario::parse("x", &text).expect("it is good").load.keys
    };
    assert_eq!(keys(r#""hot""#), Keys { hot: 1.0, ..Keys::default() });
    assert_eq!(keys(r#""unique""#), Keys::default());
    assert_eq!(keys("{ repeat = 0.05, conflict = 0.01 }"), Keys { repeat: 0.05, conflict: 0.01, ..Keys::default() });
}

#[test]
fn durations_are_exact_or_refused() {
    let good = [("250ms", 250), ("1.5s", 1_500), ("2m", 120_000), ("0.1s", 100), ("1h", 3_600_000), ("0s", 0)];
    for (text, ms) in good {
        assert_eq!(parse_duration(text), Some(Duration::from_millis(ms)), "{text}");
    }
    for text in ["", "10", "s", "1.2345s", "-1s", "10 y", "1e3s", "2000h", "0.5ms"] {
        assert_eq!(parse_duration(text), None, "{text}");
    }
}

#[test]
fn any_figure_can_be_expected_with_its_unit() {
    let expect = |table: &str| Scenario::parse("scenarios/x.toml", &format!("{GOOD}\n[expect]\n{table}"));
    let spec = expect(
        "recovery = \"10s\"\navailability = 0.99\n\"latency.place.p99\" = \"50 ms\"\n\"latency.node-a.p99.9\" = \"<= 1 s\"\n\
         \"throughput.acknowledged\" = \">= 290/s\"\n\"outbox.depth_max\" = 500",
    )
    .expect("it is good")
    .expect;
    assert_eq!((spec.recovery, spec.availability), (Some(Duration::from_secs(10)), Some(0.99)));
    let told: Vec<(&str, Bound, f64)> =
        spec.thresholds.iter().map(|told| (told.figure.as_str(), told.bound, told.limit)).collect();
    assert_eq!(
        told,
        [
            ("latency.node-a.p99.9", Bound::AtMost, 1_000.0),
            ("latency.place.p99", Bound::AtMost, 50.0),
            ("outbox.depth_max", Bound::AtMost, 500.0),
            ("throughput.acknowledged", Bound::AtLeast, 290.0),
        ]
    );
    let last = GOOD.lines().count() + 3;
    for (line, message) in [
        ("\"latency.plaice.p99\" = \"50 ms\"", "unknown figure `latency.plaice.p99`; the nearest are `latency.place.p99`"),
        ("recovry = \"1s\"", "unknown figure `recovry`; the nearest are `recovery`"),
        ("latency.p99 = \"50 ms\"", "write the name of a figure in quotes: \"latency.p99\""),
        ("\"latency.p99\" = \"50/s\"", "`latency.p99`: expected a duration such as"),
        ("\"latency.p99\" = true", "`latency.p99`: a limit is no boolean"),
        ("availability = 1.5", "`availability`: expected a share between 0 and 1"),
        ("recovery = \">= 1s\"", "`recovery`: its limit is always at most"),
        ("\"recovery.fault-9\" = \"1s\"", "unknown figure `recovery.fault-9`"),
    ] {
        let error = expect(line).expect_err(line);
        assert!(error.message.contains(message), "{error}");
        assert_eq!(error.line, last, "{error}");
    }
}

#[test]
fn a_load_without_faults_is_not_held_against_what_faults_do() {
    let text = format!(
        "{GOOD}\n[expect]\nrecovery = \"1s\"\n\"latency.during.p99\" = \"1 s\"\n\"recovery.fault-1\" = \"1 s\"\n\"latency.p99\" = \"1 s\""
    );
    let left = Scenario::parse("x", &text).expect("it is good").expect.without_faults();
    assert_eq!(left.recovery, None);
    assert_eq!(left.thresholds.iter().map(|told| told.figure.as_str()).collect::<Vec<_>>(), ["latency.p99"]);
}
