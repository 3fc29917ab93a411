//! One fault from its injection to the proof that it is healed, by the nemesis itself.

use std::time::{Duration, Instant};

use harness::cluster::Cluster;
use harness::nemesis::Nemesis;
use harness::nemesis::journal;
use harness::poll;
use harness::recorder::HISTORY;
use judge::history::{Entry, FaultStep, Step};
use judge::plan::{Fault, FaultKind, Plan};

use super::stage;
use super::support::Bench;

/// A heal is given up after a minute.
const OVER_WITHIN: Duration = Duration::from_secs(120);
const GOOD: [Step; 6] = [Step::Inject, Step::Injected, Step::EffectVerified, Step::Heal, Step::Healed, Step::HealVerified];

/// A fault that was proven, and proven healed.
#[derive(Debug)]
pub(super) struct Struck {
    pub(super) injected: Instant,
    pub(super) proven: Instant,
    pub(super) heal: Instant,
    pub(super) healed: Instant,
    /// What showed the effect, and what showed that it is gone.
    pub(super) effect: String,
    pub(super) proof: String,
}

/// Has the nemesis inject one fault now, and waits until it is over.
///
/// # Panics
/// Not each of its steps was taken, once and without an error.
pub(super) async fn strike(bench: &Bench, cluster: &Cluster, kind: FaultKind, service: &str, hold: Duration) -> Struck {
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = stage::recorder(folder.path());
    let (site, journal) = bench.journal(cluster, folder.path()).await;
    let plan = plan(kind, service, hold);
    let nemesis = Nemesis::start(&plan, &site, journal, &recorder, recorder.now_us());
    let over = poll::until(OVER_WITHIN, Duration::from_millis(50), || {
        let steps = steps(folder.path());
        let is_over =
            steps.last().is_some_and(|last| matches!(last.step, Step::HealVerified | Step::Unhealed | Step::Ineffective));
        std::future::ready(if is_over { Ok(steps) } else { Err(format!("{steps:?}")) })
    });
    let seen = over.await;
    nemesis.heal_all().await;
    let steps = seen.unwrap_or_else(|expired| panic!("{kind} {service}: {expired}"));
    let told = |step: &FaultStep| format!("{:?} {}", step.step, step.detail);
    assert_eq!(
        steps.iter().map(|step| step.step).collect::<Vec<_>>(),
        GOOD,
        "{kind}: {:#?}",
        steps.iter().map(told).collect::<Vec<_>>()
    );
    for quiet in [1, 4] {
        assert_eq!(steps[quiet].detail, "", "{kind}: {:#?}", steps.iter().map(told).collect::<Vec<_>>());
    }
    assert_eq!(journal::left(folder.path(), &bench.project).expect("read").expect("a journal").open, []);
    let at = |step: usize| recorder.instant(steps[step].t_us);
    Struck {
        injected: at(0),
        proven: at(2),
        heal: at(3),
        healed: at(5),
        effect: steps[2].detail.clone(),
        proof: steps[5].detail.clone(),
    }
}

/// A plan of one fault at the beginning.
pub(super) fn plan(kind: FaultKind, service: &str, hold: Duration) -> Plan {
    let for_ms = u64::try_from(hold.as_millis()).expect("short");
    stage::plan(vec![Fault { kind, target: service.into(), services: vec![service.into()], at_ms: 0, for_ms }])
}

fn steps(folder: &std::path::Path) -> Vec<FaultStep> {
    let text = std::fs::read_to_string(folder.join(HISTORY)).expect("a history");
    let entries = text.lines().filter_map(|line| serde_json::from_str(line).ok());
    entries
        .filter_map(|entry| match entry {
            Entry::Fault(step) => Some(step),
            _ => None,
        })
        .collect()
}
