//! One fault on a cluster, as a run injects it, and what the cluster answers meanwhile.

use std::path::Path;
use std::time::Duration;

use harness::cluster::{Cluster, Node};
use harness::nemesis::{Nemesis, journal, leftovers};
use harness::poll;
use harness::recorder::{HISTORY, Recorder};
use harness::{http, images};
use judge::history::{Entry, FaultStep, Header, Step};
use judge::plan::{Abilities, Fault, FaultKind, Overrides, Plan};
use tokio::sync::OnceCell;

use super::support::{Bench, quiet, root};

/// A start after a stop, and whatever a fault needs to show.
const WITHIN: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(50);
/// A node that cannot answer says so, or is cut off, well before that.
const PATIENCE: Duration = Duration::from_secs(2);

/// A plan of so many faults.
pub(super) fn plan(faults: Vec<Fault>) -> Plan {
    let text = "hypothesis = \"h\"\n[load]\nprofile = \"constant\"\nrate = 1\nduration = \"60s\"\nkeys = \"unique\"\n";
    let scenario = judge::scenario::Scenario::parse("test", text).expect("a scenario");
    let roster = ["cluster-node-1", "cluster-node-2", "cluster-node-3"].map(str::to_owned);
    let mut plan = judge::plan::resolve(&scenario, 1, &Overrides::default(), &roster, &Abilities::everything()).expect("a plan");
    plan.faults = faults;
    plan
}

pub(super) fn recorder(folder: &Path) -> Recorder {
    let header = Header {
        format: judge::history::FORMAT,
        harness: "test".into(),
        nonce: "n".into(),
        scenario: "test".into(),
        seed: 1,
        started_at: "2026-01-01T00:00:00Z".into(),
        nodes: Vec::new(),
        cluster: "compose".into(),
        load_priority: None,
    };
    Recorder::create(folder, &header).expect("a recorder")
}

/// A fault in force, or several.
pub(super) struct InForce {
    folder: tempfile::TempDir,
    project: String,
    nemesis: Nemesis,
    targets: usize,
}

impl InForce {
    /// Injects it, for as long as the test wants, and waits until its effect is proven.
    pub(super) async fn new(bench: &Bench, cluster: &Cluster, kind: FaultKind, service: &str) -> Self {
        Self::all(bench, cluster, &[(kind, &[service])]).await
    }

    /// The same with several faults at once.
    pub(super) async fn all(bench: &Bench, cluster: &Cluster, faults: &[(FaultKind, &[&str])]) -> Self {
        let this = Self::injected(bench, cluster, faults).await;
        this.seen(Step::EffectVerified).await;
        this
    }

    /// Injects them, and waits for nothing.
    pub(super) async fn injected(bench: &Bench, cluster: &Cluster, faults: &[(FaultKind, &[&str])]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let recorder = recorder(folder.path());
        let (site, journal) = bench.journal(cluster, folder.path()).await;
        let fault = |(kind, services): &(FaultKind, &[&str])| Fault {
            kind: *kind,
            target: "test".into(),
            services: services.iter().map(|service| (*service).to_owned()).collect(),
            at_ms: 0,
            for_ms: if kind.heals_itself() { 0 } else { 600_000 },
        };
        let plan = plan(faults.iter().map(fault).collect());
        let targets = plan.faults.iter().map(|fault| fault.services.len()).sum();
        let nemesis = Nemesis::start(&plan, &site, journal, &recorder, recorder.now_us());
        Self { folder, project: bench.project.clone(), nemesis, targets }
    }

    /// Waits until every target has come to a step.
    pub(super) async fn seen(&self, step: Step) {
        let asked = poll::until(WITHIN, ASK_EVERY, || async {
            let steps = self.steps();
            let count = steps.iter().filter(|other| other.step == step).count();
            if count == self.targets { Ok(()) } else { Err(format!("{steps:#?}")) }
        });
        asked.await.unwrap_or_else(|expired| panic!("{step:?} on {} target(s) {expired}", self.targets));
    }

    /// What the history tells of it so far.
    pub(super) fn steps(&self) -> Vec<FaultStep> {
        let text = std::fs::read_to_string(self.folder.path().join(HISTORY)).expect("a history");
        let entries = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        entries.filter_map(|entry| if let Entry::Fault(step) = entry { Some(step) } else { None }).collect()
    }

    /// Lets the run die, and heals by what its journal holds.
    pub(super) async fn die_and_heal(self) {
        let Self { folder, project, nemesis, targets } = self;
        drop(nemesis);
        let healed = leftovers::heal(folder.path(), &project).await.expect("healed").expect("a journal");
        assert_eq!((healed.faults.len(), &healed.differences), (targets, &None), "{healed:?}");
    }

    /// Ends it. It must have gone well from its first step to its last; says what proved its effect and its end.
    pub(super) async fn heal(self) -> Vec<FaultStep> {
        let Self { folder, project, nemesis, targets } = self;
        nemesis.heal_all().await;
        let text = std::fs::read_to_string(folder.path().join(HISTORY)).expect("a history");
        let entries = text.lines().map(|line| serde_json::from_str(line).expect("an entry"));
        let steps: Vec<FaultStep> =
            entries.filter_map(|entry| if let Entry::Fault(step) = entry { Some(step) } else { None }).collect();
        let mut words: Vec<Step> = steps.iter().map(|step| step.step).collect();
        words.sort();
        let mut expected: Vec<Step> =
            [Step::Inject, Step::Injected, Step::EffectVerified, Step::Heal, Step::Healed, Step::HealVerified].repeat(targets);
        expected.sort();
        assert_eq!(words, expected, "{steps:#?}");
        for step in steps.iter().filter(|step| matches!(step.step, Step::Injected | Step::Healed)) {
            assert_eq!(step.detail, "", "a call failed: {step:?}");
        }
        assert_eq!(journal::left(folder.path(), &project).expect("read").expect("a journal").open, []);
        steps
    }
}

/// A cluster whose faults may use helper containers.
pub(super) async fn up_with_helpers(bench: &Bench) -> Cluster {
    static IMAGE: OnceCell<String> = OnceCell::const_new();
    let image = IMAGE.get_or_init(|| async { images::helper(&bench.engine, &root(), &quiet).await.expect("the helper image") });
    Cluster { helper: Some(image.await.clone()), ..bench.up().await }
}

/// Places an order on a node: the status, or nothing if no answer came; and the order's id.
pub(super) async fn place(node: &Node) -> (Option<u16>, String) {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let order = format!("test-{number}");
    let body = serde_json::json!({"orderId": order, "customerId": "c-1", "amount": 1}).to_string();
    let request = http::client(PATIENCE).post(format!("{}/api/orders", node.url));
    let answer = request.header("content-type", "application/json").body(body).send().await;
    (answer.ok().map(|answer| answer.status().as_u16()), order)
}

/// The status alone.
pub(super) async fn placed(node: &Node) -> Option<u16> {
    place(node).await.0
}

/// Has the node applied an order?
pub(super) async fn sees(node: &Node, order: &str) -> bool {
    let answer = http::get(&http::client(PATIENCE), &format!("{}/api/orders/{order}", node.url)).await;
    answer.is_ok_and(|answer| answer.status == 200)
}

/// What `/health` says of the stores, as `nats up, redis down`; nothing if no answer came.
pub(super) async fn checks(node: &Node) -> Option<String> {
    let answer = http::get(&http::client(PATIENCE), &format!("{}/health", node.url)).await.ok()?;
    let body: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    let check = |name: &str| body["checks"][name].as_str().unwrap_or_default().to_owned();
    Some(format!("nats {}, redis {}", check("nats"), check("redis")))
}

/// Asks until the answer is the expected one.
pub(super) async fn becomes<T, F>(what: &str, expected: T, mut question: impl FnMut() -> F)
where
    T: PartialEq + std::fmt::Debug,
    F: Future<Output = T>,
{
    let asked = poll::until(WITHIN, ASK_EVERY, || {
        let answer = question();
        async {
            let answer = answer.await;
            if answer == expected { Ok(()) } else { Err(format!("{answer:?}")) }
        }
    });
    asked.await.unwrap_or_else(|expired| panic!("{what}: expected {expected:?} {expired}"));
}
