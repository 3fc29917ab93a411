//! A whole run on one page: bring-up, load with faults and observers, heal, quiescence, final reads, judgement.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use judge::history::{self, Entry, Header, NodeIdentity, Phase};
use judge::plan::Plan;
use judge::report::Report;

use crate::cluster::Cluster;
use crate::engine::Engine;
use crate::failure::{Exit, Failure, Sort};
use crate::folder::RunFolder;
use crate::interrupt::Interrupt;
use crate::load::Load;
use crate::logs::Logs;
use crate::nemesis::Nemesis;
use crate::nemesis::journal::{self, Journal};
use crate::observe::Observers;
use crate::output::Output;
use crate::recorder::Recorder;
use crate::workspace::Workspace;
use crate::{bring_up, final_reads, progress, review, settle};

/// How long the cluster may take to come to rest once everything is healed.
const QUIESCENT_WITHIN: Duration = Duration::from_secs(60);
const FINAL_READS_WITHIN: Duration = Duration::from_secs(120);
/// The lease of an accepted row, by the contract.
const LEASE: Duration = Duration::from_secs(5);

/// What to run, and on what.
#[derive(Debug)]
pub struct Job {
    pub workspace: Workspace,
    pub plan: Plan,
    pub bring_up: bring_up::Request,
    /// Leave the cluster running afterwards.
    pub keep_up: bool,
    /// The command line that repeats this run.
    pub repeat: String,
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
    let engine = Engine::connect().await.environment()?;
    let _lock = job.workspace.lock(&job.bring_up.project).environment()?;
    bring_up::heal_leftovers(&job.workspace, &engine, out).await?;
    let Some(cluster) = interrupted_or(interrupt, bring_up::bring_up(&job.workspace, &job.bring_up, &engine, out)).await else {
        bring_up::take_down(&job.workspace, &job.bring_up, job.keep_up, &engine, out).await;
        return Err(Failure { exit: Exit::Interrupted, error: anyhow::anyhow!("interrupted before the load began") });
    };
    let result = match cluster {
        Ok(cluster) => run_on(job, &cluster, &engine, interrupt, out).await,
        Err(failure) => Err(failure),
    };
    bring_up::take_down(&job.workspace, &job.bring_up, job.keep_up, &engine, out).await;
    result
}

async fn run_on(job: &Job, cluster: &Cluster, engine: &Engine, interrupt: &Interrupt, out: &Output) -> Result<Finished, Failure> {
    let started_at = Timestamp::now();
    let folder = RunFolder::create(job.workspace.runs(), &job.plan, started_at).environment()?;
    let header = header(job, cluster, started_at);
    let recorder = Recorder::create(folder.path(), &header).context("cannot create the history").environment()?;
    let logs = Logs::follow(cluster, engine, &folder.logs());

    record(job, cluster, engine, &header.nonce, &recorder, interrupt, out).await?;

    logs.stop().await;
    recorder.write_through(&Entry::End { t_us: recorder.now_us() });
    recorder.finish().context("cannot write the history; is the disk full?").environment()?;
    let report = review::review(&folder).environment()?;
    out.result(judge::report::summary(&report, crate::output::WIDTH, out.color()));
    out.result(format!("run     {}\nrepeat  {}", folder.path().display(), job.repeat));
    let exit = if interrupt.is_raised() { Exit::Interrupted } else { review::exit(&report) };
    Ok(Finished { report, folder: folder.path().to_owned(), exit })
}

/// From the first observer to the last read; all that it sees is in the history afterwards.
async fn record(
    job: &Job,
    cluster: &Cluster,
    engine: &Engine,
    nonce: &str,
    recorder: &Recorder,
    interrupt: &Interrupt,
    out: &Output,
) -> Result<(), Failure> {
    let observers = Observers::start(cluster, recorder.clone(), nonce.to_owned()).await.environment()?;
    let journal = Journal::create(job.workspace.runs(), &cluster.project).context("cannot create the journal").environment()?;
    let load = Load::start(&job.plan, cluster, nonce, recorder).await.environment()?;
    recorder.write(&Entry::Phase { t_us: load.epoch_us(), phase: Phase::Load });
    let nemesis = Nemesis::start(&job.plan, cluster, engine, journal, recorder, load.epoch_us());
    let progress = progress::Lines::new(&job.plan, load.epoch_us(), load.tally(), nemesis.active(), recorder.clone());

    let stop = load.stopper();
    let finish = load.finish();
    tokio::pin!(finish);
    let loaded = tokio::select! {
        loaded = &mut finish => loaded,
        () = progress.show(out) => finish.await,
        () = interrupt.raised() => {
            out.note("interrupted: healing, then saving what was recorded");
            recorder.write_through(&Entry::Interrupted { t_us: recorder.now_us() });
            stop.stop();
            finish.await
        }
    };
    phase(recorder, Phase::Heal);
    let last_heal_us = nemesis.heal_all().await;
    close_journal(job, cluster, recorder)?;
    if let Err(error) = loaded {
        trouble(recorder, format!("the load failed: {error}"));
    }
    if !interrupt.is_raised() {
        out.note("the load is over; waiting until every node has applied everything");
        phase(recorder, Phase::Quiescence);
        // The judge decides what it means when the cluster does not come to rest.
        let rest = settle::wait_for_quiescence(cluster, recorder, QUIESCENT_WITHIN, last_heal_us, LEASE);
        if let Some(quiescence) = interrupted_or(interrupt, rest).await {
            recorder.write(&Entry::Quiescence(quiescence));
            phase(recorder, Phase::FinalReads);
            out.note("reading what every node, the stream and Redis hold");
            let customers = customers(&job.plan, nonce);
            let reads = final_reads::read_all(cluster, recorder, nonce, &customers, FINAL_READS_WITHIN);
            interrupted_or(interrupt, reads).await;
        }
        if interrupt.is_raised() {
            recorder.write_through(&Entry::Interrupted { t_us: recorder.now_us() });
        }
    }
    observers.stop().await;
    Ok(())
}

/// `None` if the user interrupted first.
async fn interrupted_or<T>(interrupt: &Interrupt, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = interrupt.raised() => None,
        done = work => Some(done),
    }
}

/// Moves the journal into the run folder, unless it leaves something open: then it stays for `harness heal`.
fn close_journal(job: &Job, cluster: &Cluster, recorder: &Recorder) -> Result<(), Failure> {
    let runs = job.workspace.runs();
    let open = journal::open_faults(runs, &cluster.project).context("cannot read the journal").environment()?;
    if open.is_none_or(|open| open.is_empty()) {
        return journal::close(runs, &cluster.project, None).context("cannot close the journal").environment();
    }
    trouble(recorder, "not every fault could be healed; `harness heal` tries again".into());
    Ok(())
}

fn phase(recorder: &Recorder, phase: Phase) {
    recorder.write(&Entry::Phase { t_us: recorder.now_us(), phase });
}

fn trouble(recorder: &Recorder, what: String) {
    recorder.write(&Entry::Trouble { t_us: recorder.now_us(), what });
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
        cluster: "compose".into(),
    }
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
    let ids: BTreeSet<String> = plan.slots().map(|slot| slot.customer_id).collect();
    ids.iter().map(|id| format!("{nonce}-{id}")).collect()
}
