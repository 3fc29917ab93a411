//! What the nemesis has broken and not yet healed, on disk.
//!
//! One file per compose project in the folder of the user's state, written before each injection. While it is there, the
//! project may be broken; once everything is healed it moves into the run folder.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use judge::plan::FaultKind;
use serde::{Deserialize, Serialize};

use super::fault::{Before, Target};
use crate::cluster::Cluster;

/// Name of the journal inside a run folder.
const FILE: &str = "journal.ndjson";

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
enum Line {
    /// The first line: where the faults are injected.
    Cluster {
        engine: String,
        cluster: Cluster,
    },
    WillInject {
        fault: usize,
        kind: FaultKind,
        target: Target,
        before: Before,
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
    last_heal_us: Option<u64>,
}

/// A fault that nobody is known to have healed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    pub kind: FaultKind,
    pub target: Target,
    pub before: Before,
}

/// What a run left behind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Left {
    /// Where the engine answers, and the cluster; `None` if the run died before it wrote them down.
    pub site: Option<(String, Cluster)>,
    pub open: Vec<Open>,
}

impl Journal {
    /// # Errors
    /// There is one already (somebody has to heal first), or it cannot be written.
    pub fn create(state: &Path, engine: &str, cluster: &Cluster) -> io::Result<Self> {
        let path = path(state, &cluster.project);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().append(true).create_new(true).open(&path)?;
        let journal = Self { path, state: Mutex::new(State { file, last_heal_us: None }) };
        journal.put(&Line::Cluster { engine: engine.to_owned(), cluster: cluster.clone() })?;
        Ok(journal)
    }

    pub(super) fn will_inject(&self, fault: usize, kind: FaultKind, target: &Target, before: &Before) -> io::Result<()> {
        self.put(&Line::WillInject { fault, kind, target: target.clone(), before: before.clone() })
    }

    pub(super) fn healed(&self, fault: usize, target: &Target) -> io::Result<()> {
        self.put(&Line::Healed { fault, service: target.service.clone() })
    }

    pub(super) fn note_heal(&self, t_us: u64) {
        self.lock().last_heal_us = Some(t_us);
    }

    pub(super) fn last_heal_us(&self) -> Option<u64> {
        self.lock().last_heal_us
    }

    fn put(&self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let state = &mut self.lock();
        state.file.write_all(&text)?;
        state.file.sync_data()
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
        Ok(text) => Ok(Some(parse(&text))),
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

/// Why a journal stays where it is.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    #[error("{} fault(s) could not be healed; look at the services with `docker ps`, then run `harness heal`", .0)]
    Open(usize),
    #[error("cannot read or move the journal: {0}")]
    Io(#[from] io::Error),
}

/// Moves the project's journal into the run folder, unless it leaves a fault open: then it stays for whoever heals.
///
/// # Errors
/// Something is open, or the journal cannot be read or moved.
pub fn close_if_healed(state: &Path, project: &str, run: &Path) -> Result<(), CloseError> {
    match left(state, project)? {
        Some(left) if !left.open.is_empty() => Err(CloseError::Open(left.open.len())),
        Some(_) => {
            // They may lie on different file systems.
            std::fs::copy(path(state, project), run.join(FILE))?;
            Ok(remove(state, project)?)
        }
        None => Ok(()),
    }
}

/// Removes the journal of a run whose folder is not known any more.
///
/// # Errors
/// It cannot be removed.
pub fn remove(state: &Path, project: &str) -> io::Result<()> {
    std::fs::remove_file(path(state, project))
}

fn path(state: &Path, project: &str) -> PathBuf {
    state.join(format!("{project}.ndjson"))
}

fn parse(text: &str) -> Left {
    let (mut site, mut open) = (None, BTreeMap::new());
    // A torn last line belongs to an injection that had not begun: the entry is on disk first.
    for line in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        match line {
            Line::Cluster { engine, cluster } => site = Some((engine, cluster)),
            Line::WillInject { fault, kind, target, before } => {
                open.insert((fault, target.service.clone()), Open { kind, target, before });
            }
            Line::Healed { fault, service } => {
                open.remove(&(fault, service));
            }
        }
    }
    Left { site, open: open.into_values().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(service: &str) -> Target {
        Target { service: service.into(), container: format!("id-{service}") }
    }

    fn cluster() -> Cluster {
        Cluster {
            project: "p".into(),
            nodes: Vec::new(),
            nats: "127.0.0.1:4222".into(),
            nats_monitor: "http://127.0.0.1:8222".into(),
            redis: "127.0.0.1:6379".into(),
            links: None,
            containers: BTreeMap::new(),
        }
    }

    fn journal(state: &Path) -> io::Result<Journal> {
        Journal::create(state, "unix:///engine.sock", &cluster())
    }

    #[test]
    fn journal_names_what_is_open_even_when_its_last_line_is_torn() {
        let runs = tempfile::tempdir().expect("temp dir");
        let journal = journal(runs.path()).expect("journal");
        let before = Before::of(&7).expect("kept");
        journal.will_inject(0, FaultKind::Stop, &target("a"), &before).expect("write");
        journal.will_inject(1, FaultKind::Pause, &target("b"), &before).expect("write");
        journal.healed(0, &target("a")).expect("write");
        let mut file = OpenOptions::new().append(true).open(journal.path()).expect("open");
        file.write_all(b"{\"step\":\"will_inj").expect("tear");

        let left = left(runs.path(), "p").expect("read").expect("journal");
        assert_eq!(left.site, Some(("unix:///engine.sock".into(), cluster())));
        assert_eq!(left.open, [Open { kind: FaultKind::Pause, target: target("b"), before }]);
        assert_eq!(projects(runs.path()).expect("list"), ["p"]);
    }

    #[test]
    fn a_run_does_not_start_over_an_open_journal() {
        let runs = tempfile::tempdir().expect("temp dir");
        let _first = journal(runs.path()).expect("journal");
        let second = journal(runs.path()).expect_err("must refuse");
        assert_eq!(second.kind(), io::ErrorKind::AlreadyExists);
        close_if_healed(runs.path(), "p", runs.path()).expect("nothing is open");
        assert_eq!(left(runs.path(), "p").expect("read"), None);
    }
}
