//! A whole run on one page: bring-up, load with faults and observers, heal, quiescence, final reads, judgement.

mod footing;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use judge::history::{self, Entry, Header, NodeIdentity, Phase};
use judge::plan::Plan;
use judge::report::Report;
use tokio::sync::watch;

use crate::cluster::{Cluster, Kind};
use crate::embedded::Embedded;
use crate::engine::Engine;
use crate::failure::{Exit, Failure, Sort};
use crate::folder::RunFolder;
use crate::guard::{self, Tripped};
use crate::interrupt::Interrupt;
use crate::load::{GooseOptions, Load};
use crate::metrics::{self, Exporter};
use crate::nemesis::Nemesis;
use crate::nemesis::death::Death;
use crate::nemesis::ground::Ground;
use crate::nemesis::guardian::Guardian;
use crate::observe::Observers;
use crate::output::Output;
use crate::recorder::Recorder;
use crate::workspace::Workspace;
use crate::{bring_up, final_reads, progress, review, settle};
pub(crate) use footing::Surroundings;
use footing::{Footing, Ready};

const FINAL_READS_WITHIN: Duration = Duration::from_secs(120);
/// The lease of an accepted row, by the contract.
const LEASE: Duration = Duration::from_secs(5);

/// What to run, and on what.
#[derive(Debug)]
pub struct Job {
    pub workspace: Workspace,
    pub plan: Plan,
    pub cluster: Kind,
    pub bring_up: bring_up::Request,
    /// Leave the cluster running afterwards.
    pub keep_up: bool,
    /// The command line that repeats this run.
    pub repeat: String,
    /// Where Prometheus finds how the run goes.
    pub metrics: Option<SocketAddr>,
    /// What goose is told beside the plan.
    pub goose: GooseOptions,
    /// Whoever asked for it says what came out, in words of their own.
    pub brief: bool,
    /// Where the harness kills itself, for tests of healing.
    pub death: Option<Death>,
}

/// A run that was judged.
#[derive(Debug)]
pub struct Finished {
    pub report: Report,
    pub folder: PathBuf,
    pub exit: Exit,
}

/// Runs and judges. Whatever happens after the first fault, everything is healed before this returns.
pub async fn run(job: &Job, interrupt: &Interrupt, out: &Output) -> Result<Finished, Failure> {
    match job.cluster {
        Kind::Compose => run_on_compose(job, interrupt, out).await,
        Kind::Embedded => run_embedded(job, interrupt, out).await,
    }
}

async fn run_on_compose(job: &Job, interrupt: &Interrupt, out: &Output) -> Result<Finished, Failure> {
    let engine = Engine::connect().await.environment()?;
    let _lock = job.workspace.lock(&job.bring_up.project).environment()?;
    bring_up::make_way(&job.workspace, &job.bring_up, out).await?;
    let brought_up = interrupted_or(interrupt, bring_up::bring_up(&job.workspace, &job.bring_up, &job.plan, &engine, out)).await;
    let result = match brought_up {
        Some(Ok(cluster)) => run_on(job, Ready::Compose { cluster: &cluster, engine: &engine }, interrupt, out).await,
        Some(Err(failure)) => Err(failure),
        None => Err(Failure { exit: Exit::Interrupted, error: anyhow::anyhow!("interrupted before the load began") }),
    };
    if interrupt.is_enough() {
        // The guardian may be at work on it.
        return result;
    }
    bring_up::take_down(&job.workspace, &job.bring_up, job.keep_up, &engine, out).await;
    result
}

async fn run_embedded(job: &Job, interrupt: &Interrupt, out: &Output) -> Result<Finished, Failure> {
    let embedded = Embedded::start(&job.plan.roster, job.bring_up.plant.as_deref()).await.environment()?;
    let result = run_on(job, Ready::Embedded(&embedded), interrupt, out).await;
    embedded.end().await;
    result
}

async fn run_on(job: &Job, ready: Ready<'_>, interrupt: &Interrupt, out: &Output) -> Result<Finished, Failure> {
    let started_at = Timestamp::now();
    let folder = RunFolder::create(job.workspace.runs(), &job.plan, started_at).environment()?;
    let header = header(job, ready.cluster(), started_at);
    let recorder = Recorder::create(folder.path(), &header).context("cannot create the history").environment()?;
    let footing = Footing::find(job, ready, &folder).await?;
    let stage =
        Stage { job, footing: &footing, folder: folder.path(), nonce: &header.nonce, recorder: &recorder, interrupt, out };

    let progress = progress::Lines::new(&job.plan, recorder.clone());
    let exporter = match job.metrics {
        Some(address) => Some(Exporter::bind(address, &job.plan, recorder.clone()).await?),
        None => None,
    };
    let played = tokio::select! {
        played = stage.play() => played,
        never = progress.show(out) => match never {},
        never = metrics::serve(exporter) => match never {},
    };
    footing.end_logs(&recorder, &header.nonce).await;
    if played.is_ok() {
        recorder.write_through(&Entry::End { t_us: recorder.now_us() });
    }
    let finished = recorder.finish();
    played?;
    if let Err(error) = &finished {
        let folder = short(folder.path()).display();
        out.warn(format!(
            "error: cannot write the history, is the disk full? ({error}) What there is of it is judged; `harness check {folder}` does so again"
        ));
    }
    let judgement = review::judge(&folder).environment()?;
    match review::write(&folder, &judgement) {
        // The terminal still tells what the disk has no room for.
        Err(error) if finished.is_err() => out.warn(format!("warning: {error:#}")),
        written => written.environment()?,
    }
    let report = judgement.report;
    if let Err(error) = review::compress(&folder) {
        out.note(format!("warning: {error:#}"));
    }
    if !job.brief {
        out.result(judge::report::summary(&report, crate::output::WIDTH, out.color()));
        let explain = review::explanations(&report, short(folder.path()));
        if !explain.is_empty() {
            out.result(explain);
        }
        let page = folder.path().join(crate::folder::PAGE);
        out.result(format!("report\n  {}\nrepeat\n  {}", short(&page).display(), job.repeat));
    }
    let exit = match footing.is_left_broken(job)? {
        // Neither a verdict nor `interrupted and healed` may be said of a cluster that is still broken.
        true if job.bring_up.use_running => Exit::Environment,
        _ if finished.is_err() => Exit::Environment,
        _ if interrupt.is_raised() => Exit::Interrupted,
        _ => review::exit(&report),
    };
    out.json(&serde_json::json!({
        "verdict": report.verdict,
        "exit_code": exit.code(),
        "reason": report.reason,
        "expectations": report.expectations,
        "figures": report.figures,
        "folder": folder.path(),
    }));
    Ok(Finished { report, folder: folder.path().to_owned(), exit })
}

/// A cluster that is up, and all that watches it.
struct Stage<'a> {
    job: &'a Job,
    footing: &'a Footing<'a>,
    /// Of the run.
    folder: &'a Path,
    nonce: &'a str,
    recorder: &'a Recorder,
    interrupt: &'a Interrupt,
    out: &'a Output,
}

impl Stage<'_> {
    /// From the first observer to the last read; all that it sees is in the history afterwards.
    async fn play(&self) -> Result<(), Failure> {
        let mut observers =
            Observers::start(self.footing.cluster(), self.recorder.clone(), self.nonce.to_owned()).await.environment()?;
        observers.watch_usage(self.footing.cluster(), self.footing.engine());
        let last_heal_us = self.load_and_break().await?;
        if !self.interrupt.is_raised() && !self.recorder.is_broken() {
            self.come_to_rest_and_read(last_heal_us).await;
        }
        if self.interrupt.is_raised() {
            self.recorder.write_through(&Entry::Interrupted { t_us: self.recorder.now_us() });
        }
        observers.stop().await;
        Ok(())
    }

    /// Load and faults side by side, until the schedule is over and everything is healed. Says when the last heal was.
    async fn load_and_break(&self) -> Result<Option<u64>, Failure> {
        match self.footing {
            Footing::Compose(compose) => self.load_and_break_on(&compose.site).await,
            Footing::Embedded { embedded, .. } => self.load_and_break_on(*embedded).await,
        }
    }

    async fn load_and_break_on<G: Ground>(&self, ground: &G) -> Result<Option<u64>, Failure> {
        let Self { job, footing, recorder, .. } = *self;
        // From here on somebody heals, whatever becomes of this process.
        let (journal, guardian) = footing.guard(job).await?;
        let load = Load::start(&job.plan, footing.cluster(), self.nonce, recorder, &job.goose).await.environment()?;
        recorder.write(&Entry::Phase { t_us: load.epoch_us(), phase: Phase::Load });
        let nemesis = Nemesis::start(&job.plan, ground, journal, recorder, load.epoch_us());

        let (stopper, in_force) = (load.stopper(), nemesis.active());
        let disks = footing.disks(self.folder).await;
        let mut finish = std::pin::pin!(load.finish());
        let end_early = |why: &str| {
            self.out.note(format!("{why}: healing, then saving what was recorded"));
            stopper.stop();
            // Healing goes on beside the last answers.
            nemesis.stop();
        };
        let loaded = tokio::select! {
            loaded = &mut finish => Some(loaded),
            () = self.interrupt.raised() => { end_early("interrupted"); None }
            tripped = guard::watch(&job.plan.guard, footing.cluster(), &disks) => {
                self.note_aborted(&tripped);
                end_early(&format!("the guard {} gives the run up: {}", tripped.guard, tripped.seen));
                None
            }
            () = recorder.broken() => { end_early("the history cannot be written any more, is the disk full?"); None }
        };
        let healing = async {
            let loaded = match loaded {
                Some(loaded) => loaded,
                None => finish.await,
            };
            self.enter(Phase::Heal);
            if let Err(error) = loaded {
                self.trouble(format!("the load failed: {error}"));
            }
            nemesis.heal_all().await
        };
        let last_heal_us = self.unless_left_to(guardian.as_ref(), healing, &in_force).await?;
        footing.close(self, guardian).await;
        Ok(last_heal_us)
    }

    /// Heals, whatever the user says meanwhile: a second interrupt is told what is left, a third one leaves it to the guardian.
    async fn unless_left_to<T>(
        &self,
        guardian: Option<&Guardian>,
        healing: impl Future<Output = T>,
        in_force: &watch::Receiver<Vec<String>>,
    ) -> Result<T, Failure> {
        let told = async {
            self.interrupt.said(2).await;
            let left = in_force.borrow().join(", ");
            let left = if left.is_empty() { "the last answers are awaited" } else { &left };
            self.out.warn(format!("healing goes on ({left}); once more, and it is not waited for"));
            self.interrupt.enough().await;
        };
        tokio::select! {
            biased;
            healed = healing => Ok(healed),
            () = told => Err(self.footing.left_unhealed(guardian)),
        }
    }

    /// The judge decides what it means when the cluster does not come to rest: the reads are done either way.
    async fn come_to_rest_and_read(&self, last_heal_us: Option<u64>) {
        let Self { job, footing, recorder, nonce, .. } = *self;
        let cluster = footing.cluster();
        self.out.note("the load is over; waiting until every node has applied everything");
        self.enter(Phase::Quiescence);
        let within = Duration::from_millis(job.plan.quiescent_within_ms);
        let rest = settle::wait_for_quiescence(cluster, recorder, within, last_heal_us, LEASE);
        let Some(quiescence) = interrupted_or(self.interrupt, rest).await else { return };
        recorder.write(&Entry::Quiescence(quiescence));
        self.enter(Phase::FinalReads);
        self.out.note("reading what every node, the stream and Redis hold");
        let customers = customers(&job.plan, nonce);
        let reads = final_reads::read_all(cluster, recorder, nonce, &customers, FINAL_READS_WITHIN);
        interrupted_or(self.interrupt, reads).await;
    }

    fn note_aborted(&self, tripped: &Tripped) {
        let (guard, seen) = (tripped.guard.to_owned(), tripped.seen.clone());
        self.recorder.write_through(&Entry::Aborted { t_us: self.recorder.now_us(), guard, seen });
    }

    fn enter(&self, phase: Phase) {
        self.recorder.write(&Entry::Phase { t_us: self.recorder.now_us(), phase });
    }

    fn trouble(&self, what: String) {
        self.out.warn(format!("warning: {what}"));
        self.recorder.write(&Entry::Trouble { t_us: self.recorder.now_us(), what });
    }
}

/// `None` if the user interrupted first.
async fn interrupted_or<T>(interrupt: &Interrupt, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = interrupt.raised() => None,
        done = work => Some(done),
    }
}

fn header(job: &Job, cluster: &Cluster, started_at: Timestamp) -> Header {
    let identity =
        |node: &crate::cluster::Node| NodeIdentity { name: node.name.clone(), id: node.id.clone(), url: node.url.clone() };
    Header {
        format: history::FORMAT,
        harness: env!("CARGO_PKG_VERSION").into(),
        nonce: nonce(started_at),
        scenario: job.plan.scenario.clone(),
        seed: job.plan.seed,
        started_at: started_at.to_string(),
        nodes: cluster.nodes.iter().map(identity).collect(),
        cluster: job.cluster.word().into(),
        load_priority: crate::load::priority(),
    }
}

/// As it would be typed from here.
fn short(path: &Path) -> &Path {
    std::env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path)
}

/// Tells this run's orders from those of any other: the start in microseconds, in base 36.
fn nonce(started_at: Timestamp) -> String {
    let mut left = started_at.as_microsecond().unsigned_abs();
    let mut digits = Vec::new();
    while left > 0 {
        digits.push(char::from_digit((left % 36) as u32, 36).unwrap_or('0'));
        left /= 36;
    }
    digits.iter().rev().collect()
}

/// Full ids of all customers that the plan's orders name.
fn customers(plan: &Plan, nonce: &str) -> Vec<String> {
    plan.customers().iter().map(|id| format!("{nonce}-{id}")).collect()
}
