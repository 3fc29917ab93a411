//! Faults as a run injects them, and what becomes of them when the run dies in the middle.

use std::time::Duration;

use harness::cluster::Cluster;
use harness::engine::{ContainerState, Status};
use harness::nemesis::journal;
use harness::nemesis::{Nemesis, leftovers};
use harness::poll;
use harness::recorder::{HISTORY, Recorder};
use judge::history::{Entry, Step};
use judge::plan::{Fault, FaultKind, Plan};

use super::stage;
use super::support::Bench;

const SERVICES: [(&str, FaultKind, Status); 3] = [
    ("redis", FaultKind::Pause, Status::Paused),
    ("cluster-node-1", FaultKind::Kill, Status::Exited),
    ("cluster-node-2", FaultKind::Stop, Status::Exited),
];

/// Three faults at once, each held for `hold`.
fn plan(hold: Duration) -> Plan {
    let for_ms = u64::try_from(hold.as_millis()).expect("short");
    let faults = SERVICES.map(|(service, kind, _)| Fault {
        kind,
        target: service.into(),
        services: vec![service.into()],
        at_ms: 0,
        for_ms,
    });
    stage::plan(faults.to_vec())
}

async fn all_seen(bench: &Bench, cluster: &Cluster, good: impl Fn(&ContainerState, Status) -> bool) {
    for (service, _, broken) in SERVICES {
        let id = &cluster.containers[service];
        let asked = poll::until(Duration::from_secs(30), Duration::from_millis(100), || async {
            let state = bench.engine.inspect(id).await.map_err(|error| error.to_string())?;
            if good(&state, broken) { Ok(()) } else { Err(format!("{service} is {}", state.summary())) }
        });
        asked.await.expect("the expected state");
    }
}

/// A cluster with all three faults in force.
struct Broken {
    folder: tempfile::TempDir,
    cluster: Cluster,
    recorder: Recorder,
    nemesis: Nemesis,
}

impl Broken {
    async fn new(bench: &Bench) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let cluster = bench.up().await;
        let recorder = stage::recorder(folder.path());
        let (site, journal) = bench.journal(&cluster, folder.path()).await;
        let plan = plan(Duration::from_secs(600));
        let nemesis = Nemesis::start(&plan, &site, journal, &recorder, recorder.now_us());
        all_seen(bench, &cluster, |state, broken| state.status == broken).await;
        Self { folder, cluster, recorder, nemesis }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_a_run_that_died_are_found_in_its_journal_and_healed() {
    Bench::new("journal").await.run(dies_and_is_healed).await;
}

async fn dies_and_is_healed(bench: Bench) {
    let Broken { folder, cluster, recorder: _, nemesis } = Broken::new(&bench).await;
    let state = folder.path();
    // As by the end of the process: nobody heals.
    drop(nemesis);

    assert_eq!(journal::left(state, &bench.project).expect("read").expect("a journal").open.len(), SERVICES.len());
    let healed = leftovers::heal(state, &bench.project).await.expect("healed").expect("there was a journal");
    assert_eq!(healed.faults.len(), SERVICES.len(), "{healed:?}");
    assert_eq!(healed.differences, None);
    all_seen(&bench, &cluster, |state, _| state.is_healthy()).await;
    assert_eq!(journal::left(state, &bench.project).expect("read"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_proven_healed_and_proven_healed_again_when_the_run_is_cut_short() {
    Bench::new("nemesis").await.run(is_cut_short).await;
}

async fn is_cut_short(bench: Bench) {
    let Broken { folder, cluster, recorder, nemesis } = Broken::new(&bench).await;
    let state = folder.path();

    assert!(nemesis.heal_all().await.is_some(), "something was healed");
    all_seen(&bench, &cluster, |state, _| state.is_healthy()).await;
    assert_eq!(journal::left(state, &bench.project).expect("read").expect("a journal").open, []);
    recorder.finish().expect("written");
    let text = std::fs::read_to_string(state.join(HISTORY)).expect("a history");
    let steps: Vec<Step> = text
        .lines()
        .filter_map(|line| match serde_json::from_str(line).expect("an entry") {
            Entry::Fault(step) => Some(step.step),
            _ => None,
        })
        .collect();
    for step in [Step::Inject, Step::Injected, Step::EffectVerified, Step::Heal, Step::Healed, Step::HealVerified] {
        assert_eq!(steps.iter().filter(|other| **other == step).count(), SERVICES.len(), "{step:?} in {steps:?}");
    }
    assert_eq!(steps.len(), 6 * SERVICES.len(), "nothing was ineffective or unhealed: {steps:?}");
}
