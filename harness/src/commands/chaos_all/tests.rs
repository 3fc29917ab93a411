use super::*;

fn listed(group: &str, name: &str) -> Listed {
    Listed { group: group.to_owned(), name: name.to_owned(), file: PathBuf::from(format!("scenarios/{group}/{name}.toml")) }
}

fn outcome(name: &str, verdict: Option<Verdict>, exit: Exit) -> Outcome {
    Outcome {
        group: "links".to_owned(),
        scenario: name.to_owned(),
        verdict,
        exit_code: exit.code(),
        exit,
        reason: "lost: 2 orders promised or taken in, and missing on a node, which is more than anybody wants to read".to_owned(),
        orders: verdict.map(|_| Orders { lost: 2, duplicated: 1, ..Orders::default() }),
        seconds: 82.6,
        folder: verdict.map(|_| PathBuf::from("/runs/kill-one/20260101T000000Z-1234567")),
        repeat: "cargo run".to_owned(),
    }
}

fn all(runs: Vec<Outcome>) -> All {
    All { format: FORMAT, started_at: "2026-01-01T00:00:00Z".to_owned(), seed: 7, planned: 9, runs }
}

#[test]
fn exit_is_that_of_the_worst_run() {
    let exit = |exits: &[Exit], interrupted| all(exits.iter().map(|exit| outcome("x", None, *exit)).collect()).exit(interrupted);
    assert_eq!(exit(&[], false), Exit::Success);
    assert_eq!(exit(&[Exit::Success, Exit::Unknown], false), Exit::Unknown);
    assert_eq!(exit(&[Exit::Invalid, Exit::Environment, Exit::Success], false), Exit::Invalid);
    assert_eq!(exit(&[Exit::Success], true), Exit::Interrupted);
    assert_eq!(exit(&[Exit::Success, Exit::Invalid, Exit::Interrupted], true), Exit::Invalid);
    assert_eq!(exit(&[Exit::Success, Exit::Unknown], true), Exit::Unknown);
}

#[test]
fn table_has_a_line_for_each_scenario_and_fits_a_terminal() {
    let runs = vec![
        outcome("kill-one", Some(Verdict::Valid), Exit::Success),
        outcome("slow", Some(Verdict::Valid), Exit::Invalid),
        outcome("a-name-of-just-twenty-eight", Some(Verdict::Invalid), Exit::Invalid),
        outcome("broken", None, Exit::Environment),
        outcome("cut-off", Some(Verdict::Unknown), Exit::Interrupted),
    ];
    let names: Vec<Listed> = runs.iter().map(|run| listed("links", &run.scenario)).collect();
    let table = all(runs).table(&names);
    assert!(table.lines().all(|line| line.chars().count() <= crate::output::WIDTH), "{table}");
    let words: Vec<&str> = table.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for word in ["valid", "missed", "INVALID", "FAILED", "stopped"] {
        assert!(words.contains(&word), "{word}\n{table}");
    }
    assert!(table.contains("2/1/0    83 s  20260101T000000Z-1234567"), "{table}");
    assert!(table.contains("1 of 5 valid, 5 run of 9"), "{table}");
    assert_eq!(table.matches("lost: 2 orders").count(), 4, "a reason for all but the valid one\n{table}");
}

#[test]
fn group_narrows_what_is_run() {
    let catalogue = || vec![listed("", "quick"), listed("links", "slow"), listed("process", "kill")];
    let names = |only| chosen(catalogue(), only).map(|chosen| chosen.into_iter().map(|one| one.name).collect::<Vec<_>>());
    assert_eq!(names(None).expect("all").len(), 3);
    assert_eq!(names(Some("links/")).expect("a group"), ["slow"]);
    let error = names(Some("disks")).expect_err("no such group").to_string();
    assert!(error.contains("there are: links, process"), "{error}");
}

#[test]
fn summary_is_written_for_programs() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("runs/all-x.json");
    all(vec![outcome("kill-one", Some(Verdict::Invalid), Exit::Invalid)]).write(&path).expect("written");
    let read: serde_json::Value = serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
    assert_eq!(read["runs"][0]["verdict"], "invalid");
    assert_eq!((read["runs"][0]["exit_code"].as_u64(), read["runs"][0]["orders"]["lost"].as_u64()), (Some(1), Some(2)));
}
