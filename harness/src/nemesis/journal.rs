//! What the nemesis has broken and not yet healed, on disk.
//!
//! One file per compose project in the folder of the user's state, written before each injection. While it is there, the
//! project may be broken; once everything is healed it moves into the run folder.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use judge::plan::FaultKind;
use serde::{Deserialize, Serialize};

use super::death::Death;
use super::fault::{Before, Target};
use super::fingerprint::Fingerprint;
use crate::cluster::Cluster;

/// Name of the journal inside a run folder.
const FILE: &str = "journal.ndjson";

/// Where the faults are injected, and what healing must come back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scene {
    /// Where the engine answers.
    pub engine: String,
    pub cluster: Cluster,
    /// The run's folder, from the root.
    pub run: PathBuf,
    /// The cluster before the first fault.
    pub fingerprint: Fingerprint,
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
enum Line {
    /// The first line.
    Scene(Box<Scene>),
    WillInject {
        fault: usize,
        kind: FaultKind,
        target: Target,
        before: Before,
        /// How long one call of this fault may take before the harness gives it up. Until then it may have its effect,
        /// also where the harness has died meanwhile.
        call_ms: u64,
    },
    /// Every call that injects has been answered, and the fault makes no more: none is on its way.
    Injected {
        fault: usize,
        service: String,
    },
    Healed {
        fault: usize,
        service: String,
    },
}

/// The journal of the run that is going on.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    lines: u32,
    death: Option<Death>,
}

/// A fault that nobody is known to have healed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    pub kind: FaultKind,
    pub target: Target,
    pub before: Before,
    /// A call that injects may have been on its way when the harness died, for at most so long; `None` if there was none.
    pub on_its_way: Option<Duration>,
}

/// What a run left behind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Left {
    /// `None` if the run died before it had written it down: then nothing was injected.
    pub scene: Option<Scene>,
    pub open: Vec<Open>,
}

impl Journal {
    /// # Errors
    /// There is one already (somebody has to heal first), or it cannot be written.
    pub fn create(state: &Path, scene: Scene, death: Option<Death>) -> io::Result<Self> {
        let path = path(state, &scene.cluster.project);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().append(true).create_new(true).open(&path)?;
        let journal = Self { path, state: Mutex::new(State { file, lines: 0, death }) };
        journal.put(&Line::Scene(Box::new(scene)))?;
        Ok(journal)
    }

    pub(super) fn will_inject(
        &self,
        fault: usize,
        kind: FaultKind,
        target: &Target,
        before: &Before,
        longest_call: Duration,
    ) -> io::Result<()> {
        let call_ms = u64::try_from(longest_call.as_millis()).unwrap_or(u64::MAX);
        self.put(&Line::WillInject { fault, kind, target: target.clone(), before: before.clone(), call_ms })
    }

    pub(super) fn injected(&self, fault: usize, target: &Target) -> io::Result<()> {
        self.put(&Line::Injected { fault, service: target.service.clone() })
    }

    pub(super) fn healed(&self, fault: usize, target: &Target) -> io::Result<()> {
        self.put(&Line::Healed { fault, service: target.service.clone() })
    }

    fn put(&self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let state = &mut self.lock();
        state.file.write_all(&text)?;
        state.file.sync_data()?;
        state.lines += 1;
        if let Some(death) = &state.death {
            death.after(state.lines);
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it lies while the run goes on.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// What the project's journal leaves open; `None` without a journal.
///
/// # Errors
/// The journal cannot be read.
pub fn left(state: &Path, project: &str) -> io::Result<Option<Left>> {
    match std::fs::read_to_string(path(state, project)) {
        Ok(text) => parse(&text).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Projects that have a journal.
///
/// # Errors
/// The folder of the journals cannot be listed.
pub fn projects(state: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(state) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut projects: Vec<String> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".ndjson").map(str::to_owned))
        .collect();
    projects.sort();
    Ok(projects)
}

/// Moves the project's journal into the run's folder.
///
/// # Errors
/// It cannot be read or moved. Where only the folder of the run cannot take it, e.g. since its disk is full, it is gone
/// from here all the same: nobody needs it any more.
pub fn close(state: &Path, project: &str) -> io::Result<()> {
    let Some(left) = left(state, project)? else { return Ok(()) };
    let kept = match left.scene {
        // They may lie on different file systems.
        Some(scene) => std::fs::copy(path(state, project), scene.run.join(FILE)).map(drop),
        None => Ok(()),
    };
    remove(state, project)?;
    kept
}

/// Removes the journal of a run whose folder is not known any more.
///
/// # Errors
/// It cannot be removed.
pub fn remove(state: &Path, project: &str) -> io::Result<()> {
    std::fs::remove_file(path(state, project))
}

pub(super) fn path(state: &Path, project: &str) -> PathBuf {
    state.join(format!("{project}.ndjson"))
}

/// # Errors
/// A whole line cannot be understood: what it says may have to be healed.
fn parse(text: &str) -> io::Result<Left> {
    let (mut scene, mut open) = (None, BTreeMap::new());
    for (index, line) in text.split_inclusive('\n').enumerate() {
        // A torn last line belongs to an injection that had not begun, or to a step that is made again: the entry is on
        // disk first.
        let Some(line) = line.strip_suffix('\n') else { break };
        let line = serde_json::from_str(line)
            .map_err(|error| io::Error::other(format!("line {} is of another version, or damaged ({error})", index + 1)))?;
        match line {
            Line::Scene(found) => scene = Some(*found),
            Line::WillInject { fault, kind, target, before, call_ms } => {
                let on_its_way = Some(Duration::from_millis(call_ms));
                open.insert((fault, target.service.clone()), Open { kind, target, before, on_its_way });
            }
            Line::Injected { fault, service } => {
                if let Some(open) = open.get_mut(&(fault, service)) {
                    open.on_its_way = None;
                }
            }
            Line::Healed { fault, service } => {
                open.remove(&(fault, service));
            }
        }
    }
    Ok(Left { scene, open: open.into_values().collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Duration = Duration::from_secs(40);

    fn target(service: &str) -> Target {
        Target { service: service.into(), container: format!("id-{service}") }
    }

    fn scene(run: &Path) -> Scene {
        let cluster = Cluster {
            project: "p".into(),
            nodes: Vec::new(),
            nats: "127.0.0.1:4222".into(),
            nats_monitor: "http://127.0.0.1:8222".into(),
            redis: "127.0.0.1:6379".into(),
            links: None,
            containers: BTreeMap::new(),
            helper: None,
            memory: None,
        };
        Scene { engine: "unix:///engine.sock".into(), cluster, run: run.to_owned(), fingerprint: Fingerprint::default() }
    }

    fn journal(state: &Path) -> io::Result<Journal> {
        Journal::create(state, scene(state), None)
    }

    fn append(journal: &Journal, text: &[u8]) {
        OpenOptions::new().append(true).open(journal.path()).expect("open").write_all(text).expect("written");
    }

    #[test]
    fn journal_names_what_is_open_even_when_its_last_line_is_torn() {
        let runs = tempfile::tempdir().expect("temp dir");
        let journal = journal(runs.path()).expect("journal");
        let before = Before::of(&7).expect("kept");
        journal.will_inject(0, FaultKind::Stop, &target("a"), &before, CALL).expect("write");
        journal.will_inject(1, FaultKind::Pause, &target("b"), &before, CALL).expect("write");
        journal.will_inject(2, FaultKind::Kill, &target("c"), &before, CALL).expect("write");
        journal.injected(1, &target("b")).expect("write");
        journal.healed(0, &target("a")).expect("write");
        append(&journal, b"{\"step\":\"will_inj");

        let left = left(runs.path(), "p").expect("read").expect("journal");
        assert_eq!(left.scene, Some(scene(runs.path())));
        let pause = Open { kind: FaultKind::Pause, target: target("b"), before: before.clone(), on_its_way: None };
        let kill = Open { kind: FaultKind::Kill, target: target("c"), before, on_its_way: Some(CALL) };
        assert_eq!(left.open, [pause, kill]);
        assert_eq!(projects(runs.path()).expect("list"), ["p"]);
    }

    #[test]
    fn a_line_that_cannot_be_understood_is_never_passed_over() {
        let runs = tempfile::tempdir().expect("temp dir");
        let journal = journal(runs.path()).expect("journal");
        append(&journal, b"{\"step\":\"will_melt\"}\n");
        let error = left(runs.path(), "p").expect_err("not understood");
        assert!(error.to_string().starts_with("line 2 is of another version"), "{error}");
    }

    #[test]
    fn a_run_does_not_start_over_an_open_journal() {
        let (state, run) = (tempfile::tempdir().expect("temp dir"), tempfile::tempdir().expect("temp dir"));
        let first = || Journal::create(state.path(), scene(run.path()), None);
        let _first = first().expect("journal");
        assert_eq!(first().expect_err("must refuse").kind(), io::ErrorKind::AlreadyExists);
        close(state.path(), "p").expect("moved");
        assert_eq!(left(state.path(), "p").expect("read"), None);
        assert!(run.path().join(FILE).is_file());
    }

    #[test]
    fn a_run_folder_that_cannot_take_the_journal_keeps_nobody_from_starting() {
        let state = tempfile::tempdir().expect("temp dir");
        Journal::create(state.path(), scene(Path::new("/nowhere")), None).expect("journal");
        close(state.path(), "p").expect_err("there is no such folder");
        assert_eq!(left(state.path(), "p").expect("read"), None);
    }
}
