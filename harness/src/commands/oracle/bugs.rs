//! The bugs that can be planted, and what has to catch each.

use std::collections::BTreeSet;

use anyhow::Context as _;

/// For `--only`: no bug at all, the correct node alone.
pub(super) const NONE: &str = "none";

/// A bug, the scenario under `harness/oracle/` that is meant to catch it, and the checker that should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bug {
    pub(super) name: &'static str,
    pub(super) scenario: &'static str,
    pub(super) checker: &'static str,
}

#[rustfmt::skip]
pub(super) const BUGS: [Bug; 35] = [
    Bug { name: "ack-before-persist", scenario: "weather", checker: "lost" },
    Bug { name: "ok-after-timeout", scenario: "weather", checker: "lost" },
    Bug { name: "refused-after-writing", scenario: "calm", checker: "unexpected" },
    Bug { name: "conflict-accepted", scenario: "calm", checker: "idempotency" },
    Bug { name: "replay-changes-answer", scenario: "calm", checker: "idempotency" },
    Bug { name: "replay-as-new", scenario: "calm", checker: "forgotten" },
    Bug { name: "echoes-another-order", scenario: "calm", checker: "answers" },
    Bug { name: "message-id-reused", scenario: "calm", checker: "lost" },
    Bug { name: "float-amounts", scenario: "calm", checker: "unexpected" },
    Bug { name: "remove-before-ack", scenario: "weather", checker: "lost" },
    Bug { name: "marked-not-published", scenario: "calm", checker: "lost" },
    Bug { name: "failure-is-terminal", scenario: "weather", checker: "lost" },
    Bug { name: "terminal-after-three", scenario: "storm", checker: "lost" },
    Bug { name: "publishes-twice", scenario: "calm", checker: "duplicated" },
    Bug { name: "recovery-eats-rows", scenario: "weather", checker: "lost" },
    Bug { name: "no-recovery", scenario: "weather", checker: "stranded" },
    Bug { name: "lease-without-fencing", scenario: "frost", checker: "leases" },
    Bug { name: "lease-forever", scenario: "haze", checker: "leases" },
    Bug { name: "records-never-end", scenario: "calm", checker: "keys" },
    Bug { name: "redelivery-skips-inbox", scenario: "fog", checker: "duplicated" },
    Bug { name: "ack-before-apply", scenario: "fog", checker: "lost" },
    Bug { name: "apply-in-two-steps", scenario: "fog", checker: "lost" },
    Bug { name: "wrong-inbox", scenario: "calm", checker: "keys" },
    Bug { name: "parks-good-orders", scenario: "calm", checker: "lost" },
    Bug { name: "stops-applying", scenario: "calm", checker: "stranded" },
    Bug { name: "feed-skips", scenario: "calm", checker: "feeds" },
    Bug { name: "feed-repeats", scenario: "calm", checker: "feeds" },
    Bug { name: "feed-swaps", scenario: "weather", checker: "feeds" },
    Bug { name: "resume-off-by-one", scenario: "weather", checker: "feeds" },
    Bug { name: "readiness-always-green", scenario: "weather", checker: "health" },
    Bug { name: "forgets-orders", scenario: "calm", checker: "vanished" },
    Bug { name: "reads-another-amount", scenario: "mirror", checker: "read_back" },
    Bug { name: "page-skips", scenario: "calm", checker: "lost" },
    Bug { name: "ledger-rounds", scenario: "calm", checker: "ledger" },
    Bug { name: "ledger-miscounts", scenario: "calm", checker: "ledger" },
];

/// The bugs that were asked for: all of them, where none was named.
///
/// # Errors
/// No bug is called so.
pub(super) fn chosen(only: &[String]) -> anyhow::Result<Vec<Bug>> {
    if only.is_empty() {
        return Ok(BUGS.to_vec());
    }
    let find = |name: &String| BUGS.into_iter().find(|bug| bug.name == name);
    only.iter()
        .filter(|name| name.as_str() != NONE)
        .map(|name| find(name).with_context(|| format!("no bug is called {name:?}; `harness oracle --list` names them")))
        .collect()
}

/// Every scenario that is meant to catch some bug.
pub(super) fn scenarios() -> BTreeSet<&'static str> {
    BUGS.iter().map(|bug| bug.scenario).collect()
}

#[cfg(all(test, feature = "planted-bugs"))]
mod tests {
    use clap::ValueEnum as _;
    use node::plant::Plant;

    use super::*;

    #[test]
    fn every_planted_bug_has_a_scenario_and_a_checker() {
        let planted: BTreeSet<String> = Plant::value_variants()
            .iter()
            .filter_map(clap::ValueEnum::to_possible_value)
            .map(|value| value.get_name().to_owned())
            .collect();
        let known: BTreeSet<String> = BUGS.iter().map(|bug| bug.name.to_owned()).collect();
        assert_eq!(planted, known);
    }

    #[test]
    fn only_what_is_named_is_chosen_and_what_is_unknown_is_told() {
        let names = |only: &[&str]| chosen(&only.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(names(&[]).expect("all").len(), BUGS.len());
        assert_eq!(names(&[NONE]).expect("none"), []);
        assert_eq!(names(&["feed-skips"]).expect("one")[0].checker, "feeds");
        assert!(names(&["feed-skip"]).expect_err("no such bug").to_string().contains("--list"));
    }
}
