//! The checkout that the harness works in: compose file, scenarios, runs.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use judge::plan::{Abilities, Need, Overrides, Plan};
use judge::scenario::Scenario;

/// The compose file marks the top of a checkout.
const MARK: &str = "docker-compose.yml";
/// The nodes of the default cluster, as compose names them.
pub const ROSTER: [&str; 3] = ["cluster-node-1", "cluster-node-2", "cluster-node-3"];

/// Why netem is not relied on.
const NETEM: &str = "many kernels come without it; write via = \"proxy\" or leave `via` out";

#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    #[error("no {MARK} here or above {from}; run this inside a checkout of the project", from = from.display())]
    NotFound { from: PathBuf },
    #[error("cannot {what} {path}: {error}", path = path.display())]
    Io { what: &'static str, path: PathBuf, error: io::Error },
    #[error("there is no scenario `{name}`; there are: {known}", known = known.join(", "))]
    UnknownScenario { name: String, known: Vec<String> },
    #[error(transparent)]
    Scenario(#[from] judge::scenario::ScenarioError),
    #[error("{scenario} cannot be planned: {error}")]
    Plan { scenario: String, error: judge::plan::PlanError },
    #[error("another harness is working on compose project {project}; wait for it to end")]
    Busy { project: String },
}

#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
    runs: PathBuf,
    state: PathBuf,
}

/// Held while a harness works on a compose project.
#[derive(Debug)]
#[must_use]
pub struct Lock {
    _file: File,
}

impl Workspace {
    /// The checkout around the current folder; `runs` may lie elsewhere.
    pub fn find(runs: Option<PathBuf>) -> Result<Self, WorkspaceError> {
        let here =
            std::env::current_dir().map_err(|error| WorkspaceError::Io { what: "find", path: PathBuf::from("."), error })?;
        let root = here.ancestors().find(|folder| folder.join(MARK).is_file());
        let root = root.ok_or_else(|| WorkspaceError::NotFound { from: here.clone() })?.to_owned();
        let runs = runs.unwrap_or_else(|| root.join("runs"));
        let state = state_folder().unwrap_or_else(|| runs.join("active"));
        Ok(Self { root, runs, state })
    }

    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    #[must_use]
    pub fn runs(&self) -> &Path {
        &self.runs
    }

    /// Locks and open journals: one place for all checkouts of a user, since they share the engine's projects.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Keeps a second harness off the project until the lock is dropped, also by the end of the process.
    pub fn lock(&self, project: &str) -> Result<Lock, WorkspaceError> {
        let path = self.state.join(format!("{project}.lock"));
        let failed = |error| WorkspaceError::Io { what: "lock", path: path.clone(), error };
        fs::create_dir_all(&self.state).map_err(failed)?;
        let file = File::create(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(WorkspaceError::Busy { project: project.to_owned() }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Names of the scenarios, in order.
    pub fn scenarios(&self) -> Result<Vec<String>, WorkspaceError> {
        let folder = self.root.join("scenarios");
        let entries = fs::read_dir(&folder).map_err(|error| WorkspaceError::Io { what: "list", path: folder, error })?;
        let mut names: Vec<String> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".toml").map(str::to_owned))
            .collect();
        names.sort();
        Ok(names)
    }

    /// Reads a scenario by its name, or by the path of its file.
    pub fn scenario(&self, name: &str) -> Result<Scenario, WorkspaceError> {
        let is_path = Path::new(name).extension().is_some_and(|extension| extension == "toml");
        let path = if is_path { PathBuf::from(name) } else { self.root.join("scenarios").join(format!("{name}.toml")) };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(WorkspaceError::UnknownScenario { name: name.to_owned(), known: self.scenarios()? });
            }
            Err(error) => {
                return Err(WorkspaceError::Io { what: "read", path, error });
            }
        };
        let mut scenario = Scenario::parse(name, &text)?;
        // Its errors name the file as it was typed; a run is kept under the bare name.
        if let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) {
            stem.clone_into(&mut scenario.name);
        }
        Ok(scenario)
    }

    /// Resolves a scenario for the default cluster.
    pub fn plan(&self, scenario: &Scenario, seed: u64, overrides: &Overrides) -> Result<Plan, WorkspaceError> {
        let roster = ROSTER.map(str::to_owned);
        let abilities = Abilities::everything().without(Need::Netem, NETEM);
        judge::plan::resolve(scenario, seed, overrides, &roster, &abilities)
            .map_err(|error| WorkspaceError::Plan { scenario: scenario.name.clone(), error })
    }
}

fn state_folder() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?;
    Some(base.join("catga-harness"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkout() -> (tempfile::TempDir, Workspace) {
        let dir = tempfile::tempdir().expect("temp dir");
        fs::create_dir(dir.path().join("scenarios")).expect("folder");
        fs::write(dir.path().join("scenarios/calm.toml"), "").expect("file");
        let workspace = Workspace { root: dir.path().to_owned(), runs: dir.path().join("runs"), state: dir.path().join("state") };
        (dir, workspace)
    }

    #[test]
    fn unknown_scenario_is_answered_with_those_there_are() {
        let (_dir, workspace) = checkout();
        let error = workspace.scenario("storm").expect_err("there is none");
        assert_eq!(error.to_string(), "there is no scenario `storm`; there are: calm");
    }

    #[test]
    fn second_harness_is_kept_off_a_project_until_the_first_lets_go() {
        let (_dir, workspace) = checkout();
        let first = workspace.lock("p").expect("free");
        assert!(matches!(workspace.lock("p"), Err(WorkspaceError::Busy { .. })));
        assert!(workspace.lock("q").is_ok());
        drop(first);
        assert!(workspace.lock("p").is_ok());
    }
}
