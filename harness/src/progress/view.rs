//! One second of a run as a block, as a line, as JSON.

use std::time::Duration;

use judge::history::{Outcome, Phase};
use judge::plan::Plan;
use serde_json::{Value, json};

use crate::live::State;
use crate::output::WIDTH;

#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) phase: Phase,
    /// Since the load began.
    pub(super) elapsed: Duration,
    /// Of the load.
    pub(super) length: Duration,
    pub(super) sent_per_s: u64,
    pub(super) ok_per_s: u64,
    /// p50 and p99 of the last second, from the intended start.
    pub(super) recent_ms: Option<(f64, f64)>,
    /// Rows in the outbox, second by second.
    pub(super) backlog: Vec<u64>,
    pub(super) state: &'a State,
    pub(super) plan: &'a Plan,
}

impl View<'_> {
    /// For a terminal: no line is wider than it.
    pub(super) fn block(&self) -> Vec<String> {
        let (depth, age_ms) = self.state.outbox.unwrap_or_default();
        let counts = [Outcome::Fail, Outcome::Info].map(|outcome| self.state.of(outcome));
        let lines = [
            format!(
                "{:<8}{}  {} sent/s  {} ok/s  fail {} info {}  p99 {}",
                self.word(),
                self.time(),
                self.sent_per_s,
                self.ok_per_s,
                counts[0],
                counts[1],
                self.p99()
            ),
            format!("outbox  {}  {depth} rows, oldest {:.1} s", sparkline(&self.backlog), age_ms as f64 / 1_000.0),
            format!("nodes   {}", self.nodes()),
            format!("fault   {}", self.faults().join(", ")),
        ];
        lines.into_iter().map(|line| line.chars().take(WIDTH - 1).collect()).collect()
    }

    /// For a pipe, which has no width.
    pub(super) fn line(&self) -> String {
        let depth = self.state.outbox.map_or(0, |(depth, _)| depth);
        let up = self.state.nodes.values().filter(|word| *word == "up").count();
        format!(
            "{} {}  {} ok/s  p99 {}  outbox {depth}  up {up}/{}  fault: {}",
            self.word(),
            self.time(),
            self.ok_per_s,
            self.p99(),
            self.state.nodes.len(),
            self.faults().join(", ")
        )
    }

    /// For a program.
    pub(super) fn json(&self) -> Value {
        let left = self.length.saturating_sub(self.elapsed);
        json!({
            "t_s": self.elapsed.as_secs(),
            "phase": self.phase,
            "left_s": left.as_secs(),
            "sent_per_s": self.sent_per_s,
            "ok_per_s": self.ok_per_s,
            "sent": self.state.sent(),
            "ok": self.state.of(Outcome::Ok),
            "fail": self.state.of(Outcome::Fail),
            "info": self.state.of(Outcome::Info),
            "in_flight": self.state.in_flight(),
            "unstarted": self.state.unstarted,
            "latency_ms_p50": self.recent_ms.map(|(p50, _)| p50),
            "latency_ms_p99": self.recent_ms.map(|(_, p99)| p99),
            "outbox_depth": self.state.outbox.map(|(depth, _)| depth),
            "outbox_age_ms": self.state.outbox.map(|(_, age_ms)| age_ms),
            "nodes": self.state.nodes,
            "faults": self.in_force(),
        })
    }

    fn word(&self) -> &'static str {
        match self.phase {
            Phase::Load => "load",
            Phase::Heal => "heal",
            Phase::Quiescence => "rest",
            Phase::FinalReads => "reads",
        }
    }

    fn time(&self) -> String {
        let (elapsed, length) = (self.elapsed.as_secs(), self.length.as_secs());
        match self.phase {
            Phase::Load => format!("{elapsed}/{length} s, {} s left", length.saturating_sub(elapsed)),
            _ => format!("{} s after the load", elapsed.saturating_sub(length)),
        }
    }

    fn p99(&self) -> String {
        self.recent_ms.map_or_else(|| "-".to_owned(), |(_, p99)| format!("{p99:.1} ms"))
    }

    /// Those that are not up are told by name and word; with many nodes only those.
    fn nodes(&self) -> String {
        let nodes = &self.state.nodes;
        let down: Vec<String> = nodes
            .iter()
            .filter(|(_, word)| *word != "up")
            .map(|(node, word)| format!("{node} {}", word.to_uppercase()))
            .collect();
        let up = nodes.len() - down.len();
        if down.is_empty() { format!("{up} up") } else { format!("{up} up, {}", down.join(", ")) }
    }

    fn in_force(&self) -> Vec<String> {
        let faults = self.state.in_force();
        let name = |fault: usize, targets: Vec<&str>| {
            let word = self.plan.faults.get(fault).map_or("fault", |fault| fault.kind.word());
            format!("{word} {}", targets.join(" "))
        };
        faults.into_iter().map(|(fault, targets)| name(fault, targets.into_iter().collect())).collect()
    }

    fn faults(&self) -> Vec<String> {
        let in_force = self.in_force();
        if in_force.is_empty() { vec!["none".to_owned()] } else { in_force }
    }
}

/// From nothing to the most of all that is shown.
fn sparkline(levels: &[u64]) -> String {
    const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = levels.iter().copied().max().unwrap_or(0).max(1);
    let step = |level: &u64| usize::try_from((level * (STEPS.len() as u64 - 1)).div_ceil(most)).unwrap_or(0);
    levels.iter().map(|level| STEPS[step(level).min(STEPS.len() - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use judge::history::{Sample, Step};
    use judge::plan::{Abilities, Overrides, resolve};
    use judge::scenario::Scenario;

    use super::*;
    use crate::live::Live;
    use crate::live::tests::{complete, invoke, step};

    fn plan() -> Plan {
        let text = "hypothesis = \"x\"\n[load]\nprofile = \"constant\"\nrate = 300\nduration = \"75s\"\n\
                    [[fault]]\nat = \"10s\"\nfor = \"5s\"\nkind = \"kill\"\ntarget = \"cluster-node-1\"\n";
        let scenario = Scenario::parse("x", text).expect("a scenario");
        let roster = ["cluster-node-1".to_owned(), "cluster-node-2".to_owned()];
        resolve(&scenario, 7, &Overrides::default(), &roster, &Abilities::everything()).expect("a plan")
    }

    fn state() -> State {
        let live = Live::default();
        live.entry(&invoke(1, 2_000));
        live.entry(&invoke(2, 2_000));
        live.entry(&complete(1, 4_500, Outcome::Ok));
        live.entry(&step(Step::Inject));
        live.sample(&Sample::Outbox { t_us: 5, depth: 1_234, oldest_age_ms: 1_500 });
        for (node, status) in [("cluster-node-1", None), ("cluster-node-2", Some("up".to_owned()))] {
            let (nats, redis) = (None, None);
            let node = node.to_owned();
            live.sample(&Sample::Health { t_us: 1, node, http: None, status, nats, redis, asked_us: None, live: None });
        }
        live.state()
    }

    fn view<'a>(plan: &'a Plan, state: &'a State, phase: Phase) -> View<'a> {
        View {
            phase,
            elapsed: Duration::from_secs(12),
            length: Duration::from_secs(75),
            sent_per_s: 300,
            ok_per_s: 298,
            recent_ms: Some((4.2, 12.34)),
            backlog: vec![0, 10, 1_234],
            state,
            plan,
        }
    }

    #[test]
    fn block_tells_phase_time_rates_backlog_nodes_and_fault() {
        let (plan, state) = (plan(), state());
        let block = view(&plan, &state, Phase::Load).block();
        assert_eq!(
            block,
            [
                "load    12/75 s, 63 s left  300 sent/s  298 ok/s  fail 0 info 0  p99 12.3 ms",
                "outbox  ▁▂█  1234 rows, oldest 1.5 s",
                "nodes   1 up, cluster-node-1 NO ANSWER",
                "fault   kill cluster-node-1",
            ]
        );
        let rest = View { backlog: vec![5; 60], elapsed: Duration::from_secs(80), ..view(&plan, &state, Phase::Quiescence) };
        assert!(rest.block()[0].starts_with("rest    5 s after the load"), "{:?}", rest.block());
        assert!(rest.block().iter().all(|line| line.chars().count() < WIDTH));
    }

    #[test]
    fn a_line_and_json_tell_the_same() {
        let (plan, state) = (plan(), state());
        let view = view(&plan, &state, Phase::Load);
        assert_eq!(
            view.line(),
            "load 12/75 s, 63 s left  298 ok/s  p99 12.3 ms  outbox 1234  up 1/2  fault: kill cluster-node-1"
        );
        let json = view.json();
        assert_eq!((&json["phase"], &json["left_s"], &json["in_flight"]), (&"load".into(), &63.into(), &1.into()));
        assert_eq!(json["faults"], serde_json::json!(["kill cluster-node-1"]));
        assert_eq!(json["nodes"]["cluster-node-2"], "up");
    }
}
