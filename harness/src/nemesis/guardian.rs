//! The guardian: a process of its own that heals when the harness dies.
//!
//! It starts before the first injection, in a session of its own, and reads a pipe whose other end only the harness
//! holds. End of file without the word [`DONE`] means that the harness is dead, however it died: then it heals from the
//! journal. Nothing is polled for that. It holds the healer's lock all its life, so that nobody else heals meanwhile.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep, timeout};

use super::journal;
use super::leftovers::{self, LeftoverError, healer_lock};
use crate::engine::LONGEST_CALL;
use crate::locks::{self, Lock, LockError};
use crate::output::Output;

/// Its (hidden) subcommand.
pub const COMMAND: &str = "guardian";
const READY: &str = "ready";
const DONE: &str = "done";
/// Where it writes in the folder of a run that it healed.
const FILE: &str = "guardian.log";
/// A process starts in milliseconds; a busy machine takes longer.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// The guardian of the run before may be about to end.
const LOCK_WITHIN: Duration = Duration::from_secs(10);
const LEAVES_WITHIN: Duration = Duration::from_secs(5);
/// An engine may be down for a while; after that a person has to look.
const HEALS_FOR: Duration = Duration::from_secs(600);
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How long another start waits for a guardian at work: it looks out for late calls for so long, and heals.
pub const AT_WORK_FOR: Duration = LONGEST_CALL.saturating_add(Duration::from_secs(80));

#[derive(Debug, thiserror::Error)]
pub enum GuardianError {
    #[error("cannot start the guardian, which heals if the harness dies: {0}")]
    Start(#[from] io::Error),
    #[error("the guardian, which heals if the harness dies, did not come up ({what}); its log is {log}", log = log.display())]
    NotReady { what: String, log: PathBuf },
}

/// The harness's end of the pipe. Dropped without [`Guardian::release`], it lets the guardian heal.
#[derive(Debug)]
pub struct Guardian {
    child: Child,
    pipe: ChildStdin,
}

impl Guardian {
    /// Starts it from `program`, the harness, and waits until no signal of a terminal or of our process group can end it.
    ///
    /// # Errors
    /// It does not come up: then nothing may be injected.
    pub async fn start(program: &Path, state: &Path, project: &str) -> Result<Self, GuardianError> {
        let log = log(state, project);
        let mut child = Command::new(program)
            .arg0("harness")
            .arg(COMMAND)
            .arg("--state")
            .arg(std::path::absolute(state)?)
            .args(["--project", project])
            // The pipe's writing end is closed on exec: no other child of the harness gets it.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()?;
        let not_ready = |what: String| GuardianError::NotReady { what, log: log.clone() };
        let (pipe, answer) = (child.stdin.take(), child.stdout.take());
        let (Some(pipe), Some(answer)) = (pipe, answer) else { return Err(not_ready("it has no pipes".into())) };
        let mut line = String::new();
        match timeout(READY_WITHIN, BufReader::new(answer).read_line(&mut line)).await {
            Ok(Ok(_)) if line.trim() == READY => Ok(Self { child, pipe }),
            Ok(Ok(_)) => Err(not_ready(format!("it said `{}`", line.trim()))),
            Ok(Err(error)) => Err(not_ready(error.to_string())),
            Err(_) => Err(not_ready(format!("it said nothing within {READY_WITHIN:?}"))),
        }
    }

    /// Its process id, unless it has ended.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Everything is healed: it may go.
    ///
    /// # Errors
    /// It had ended before, so that nobody would have healed after us; or it does not end.
    pub async fn release(mut self) -> Result<(), GuardianError> {
        self.pipe.write_all(DONE.as_bytes()).await?;
        drop(self.pipe);
        let ended: ExitStatus = timeout(LEAVES_WITHIN, self.child.wait()).await.map_err(io::Error::from)??;
        if ended.success() { Ok(()) } else { Err(io::Error::other(format!("it ended with {ended}")).into()) }
    }
}

/// The program that runs now, also where its file has been replaced since.
///
/// # Errors
/// It cannot be found.
pub fn own_program() -> io::Result<PathBuf> {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() { Ok(running) } else { std::env::current_exe() }
}

fn log(state: &Path, project: &str) -> PathBuf {
    state.join(format!("{project}.guardian.log"))
}

/// The guardian's whole life.
///
/// # Errors
/// It cannot be what it shall be; the harness is told by the end of its output.
pub async fn guard(state: PathBuf, project: String, out: &Output) -> Result<(), LockError> {
    let failed = |error: io::Error| LockError::Io { path: healer_lock(&state, &project), error };
    // Out of the harness's process group and away from its terminal; what still reaches us by name is heard and ignored.
    rustix::process::setsid().map_err(|error| failed(error.into()))?;
    ctrlc::set_handler(|| {}).map_err(|error| failed(io::Error::other(error)))?;
    std::env::set_current_dir("/").map_err(failed)?;
    let (path, holder) = (healer_lock(&state, &project), format!("the guardian of project {project}"));
    let _lock: Lock = locks::wait(&path, &holder, LOCK_WITHIN, |_| {}).await?;
    out.result(READY);

    let heard = tokio::task::spawn_blocking(|| {
        let mut heard = String::new();
        // Whatever breaks the pipe, the harness is not there any more.
        let _ = io::stdin().read_to_string(&mut heard);
        heard
    });
    if heard.await.is_ok_and(|heard| heard == DONE) {
        let _ = std::fs::remove_file(log(&state, &project));
        return Ok(());
    }
    note(out, &format!("the harness that worked on project {project} has died; healing what its journal leaves open"));
    let run = journal::left(&state, &project).ok().flatten().and_then(|left| left.scene).map(|scene| scene.run);
    heal(&state, &project, out).await;
    if let Some(run) = run
        && let Err(error) = std::fs::copy(log(&state, &project), run.join(FILE))
    {
        note(out, &format!("this log cannot be copied to {}: {error}", run.display()));
    }
    Ok(())
}

/// Tries until everything is healed, or a person has to look.
async fn heal(state: &Path, project: &str, out: &Output) {
    let ends = Instant::now() + HEALS_FOR;
    loop {
        match leftovers::heal(state, project).await {
            Ok(Some(healed)) => {
                for fault in &healed.faults {
                    note(out, &format!("healed: {fault}"));
                }
                let whole = healed.differences.map_or_else(
                    || String::from("the cluster is as it was before the run"),
                    |differences| format!("all is healed, and yet the cluster is not as it was: {differences}"),
                );
                return note(out, &whole);
            }
            Ok(None) => return note(out, "there is nothing to heal: the journal is closed"),
            Err(error) => {
                note(out, &error.to_string());
                // What is written there stays as it is.
                if matches!(error, LeftoverError::Journal { .. }) || Instant::now() >= ends {
                    return note(out, &format!("giving up; run `harness heal --project {project}`"));
                }
            }
        }
        sleep(TRY_AGAIN).await;
    }
}

/// Its standard error is its log.
fn note(out: &Output, text: &str) {
    out.note(format!("{} {text}", Timestamp::now()));
}
