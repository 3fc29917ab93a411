//! The checkout that the harness works in: compose file, scenarios, runs.

mod catalogue;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use judge::plan::{Abilities, Overrides, Plan};
use judge::scenario::Scenario;

use crate::cluster::{Kind, SCALED};
use crate::embedded;
use crate::locks::{self, Lock, LockError};

pub use catalogue::Listed;

/// The compose file marks the top of a checkout.
const MARK: &str = "docker-compose.yml";
/// The nodes of the default cluster, as compose names them.
pub const ROSTER: [&str; 3] = ["cluster-node-1", "cluster-node-2", "cluster-node-3"];

#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    #[error("no {MARK} here or above {from}; run this inside a checkout of the project", from = from.display())]
    NotFound { from: PathBuf },
    #[error("cannot {what} {path}: {error}", path = path.display())]
    Io { what: &'static str, path: PathBuf, error: io::Error },
    #[error("there is no scenario `{name}`; there are: {known}", known = known.join(", "))]
    UnknownScenario { name: String, known: Vec<String> },
    #[error("two scenarios are called `{name}`: {one} and {other}; rename one of them", one = one.display(), other = other.display())]
    SameName { name: String, one: PathBuf, other: PathBuf },
    #[error(transparent)]
    Scenario(#[from] judge::scenario::ScenarioError),
    #[error("{scenario}: {error:#}")]
    Arrivals { scenario: String, error: anyhow::Error },
    #[error("{scenario} cannot be planned: {error}")]
    Plan { scenario: String, error: judge::plan::PlanError },
    #[error("another harness is working on compose project {project} ({holder}); wait for it to end")]
    Busy { project: String, holder: String },
    #[error(transparent)]
    Lock(#[from] LockError),
}

#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
    runs: PathBuf,
    state: PathBuf,
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
        match locks::take(&self.state.join(format!("{project}.lock")), "a run, or a command") {
            Err(LockError::Held { holder, .. }) => Err(WorkspaceError::Busy { project: project.to_owned(), holder }),
            other => Ok(other?),
        }
    }

    /// The scenarios, by group and name.
    pub fn scenarios(&self) -> Result<Vec<Listed>, WorkspaceError> {
        catalogue::list(&self.root)
    }

    /// Reads a scenario by its name, with or without its group, or by the path of its file.
    pub fn scenario(&self, name: &str) -> Result<Scenario, WorkspaceError> {
        let is_path = Path::new(name).extension().is_some_and(|extension| extension == "toml");
        let (typed, path) = if is_path {
            (name.to_owned(), PathBuf::from(name))
        } else {
            let listed = self.scenarios()?;
            let Some(found) = catalogue::find(&listed, name) else { return Err(unknown(name, &listed)) };
            (found.file.display().to_string(), self.root.join(&found.file))
        };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(unknown(name, &self.scenarios()?)),
            Err(error) => return Err(WorkspaceError::Io { what: "read", path, error }),
        };
        // Its errors name the file as it was typed; a run is kept under the bare name.
        let mut scenario = Scenario::parse(&typed, &text)?;
        if let Some(arrivals) = &scenario.load.arrivals {
            let beside = path.parent().unwrap_or(Path::new("")).join(arrivals);
            let read = crate::arrivals::read(&beside);
            scenario.load.recorded = Some(read.map_err(|error| WorkspaceError::Arrivals { scenario: typed, error })?);
        }
        Ok(scenario)
    }

    /// Resolves a scenario for the cluster that it asks for, on a cluster of this kind. What a given compose cluster lacks is
    /// found out when it is brought up.
    pub fn plan(&self, scenario: &Scenario, seed: u64, overrides: &Overrides, kind: Kind) -> Result<Plan, WorkspaceError> {
        let abilities = match kind {
            Kind::Compose => Abilities::everything(),
            Kind::Embedded => embedded::abilities(),
        };
        judge::plan::resolve(scenario, seed, overrides, &roster(scenario.nodes), &abilities)
            .map_err(|error| WorkspaceError::Plan { scenario: scenario.name.clone(), error })
    }
}

/// The services of so many nodes, as [`crate::cluster::service_name`] names them.
#[must_use]
pub fn roster(nodes: usize) -> Vec<String> {
    let further = |number: usize| match number {
        1 => SCALED.to_owned(),
        number => format!("{SCALED}.{number}"),
    };
    let named = ROSTER.iter().map(|name| (*name).to_owned());
    named.chain((1..).map(further)).take(nodes).collect()
}

fn unknown(name: &str, listed: &[Listed]) -> WorkspaceError {
    WorkspaceError::UnknownScenario { name: name.to_owned(), known: listed.iter().map(|known| known.name.clone()).collect() }
}

fn state_folder() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?;
    Some(base.join("catga-harness"))
}

#[cfg(test)]
mod tests {
    use judge::plan::FaultKind;

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

    const CALM: &str = "hypothesis = \"calm\"\n[load]\nprofile = \"constant\"\nrate = 9\nduration = \"9s\"\n";

    #[test]
    fn scenario_of_a_group_is_found_by_either_name_and_kept_under_the_bare_one() {
        let (dir, workspace) = checkout();
        fs::create_dir(dir.path().join("scenarios/process")).expect("folder");
        fs::write(dir.path().join("scenarios/process/kill-one.toml"), CALM).expect("file");
        for name in ["kill-one", "process/kill-one"] {
            let scenario = workspace.scenario(name).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(scenario.name, "kill-one");
        }
        for name in ["network/kill-one", "one", "/kill-one", "process/"] {
            assert!(matches!(workspace.scenario(name), Err(WorkspaceError::UnknownScenario { .. })), "{name}");
        }
        let listed: Vec<(String, String)> =
            workspace.scenarios().expect("listed").into_iter().map(|found| (found.group, found.name)).collect();
        let expected = [("", "calm"), ("process", "kill-one")].map(|(group, name)| (group.to_owned(), name.to_owned()));
        assert_eq!(listed, expected);
        fs::write(dir.path().join("scenarios/process/kill-one.toml"), "speed = 1").expect("file");
        let error = workspace.scenario("kill-one").expect_err("it is wrong").to_string();
        assert!(error.starts_with("scenarios/process/kill-one.toml:1:1: "), "{error}");
    }

    #[test]
    fn two_scenarios_of_one_name_are_refused_with_both_files() {
        let (dir, workspace) = checkout();
        fs::create_dir(dir.path().join("scenarios/process")).expect("folder");
        fs::write(dir.path().join("scenarios/process/calm.toml"), CALM).expect("file");
        let error = workspace.scenario("calm").expect_err("which?").to_string();
        assert!(error.contains("scenarios/calm.toml and scenarios/process/calm.toml"), "{error}");
    }

    #[test]
    fn every_scenario_of_the_project_opens_with_its_hypothesis_and_can_be_planned() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let workspace = Workspace { root: root.clone(), runs: root.join("runs"), state: root.join("state") };
        let listed = workspace.scenarios().expect("listed");
        assert!(listed.iter().any(|found| found.name == "default"), "{listed:?}");
        let mut unused = FaultKind::WORDS.to_vec();
        for found in listed {
            let text = fs::read_to_string(root.join(&found.file)).expect("read");
            unused.retain(|word| !text.contains(&format!("kind = \"{word}\"")));
            assert!(text.starts_with("hypothesis = "), "{}", found.file.display());
            let scenario = workspace.scenario(&found.name).unwrap_or_else(|error| panic!("{error}"));
            for seed in 0..50 {
                let plan = workspace.plan(&scenario, seed, &Overrides::default(), Kind::Compose);
                plan.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            }
        }
        assert!(unused.is_empty(), "faults that no scenario has: {unused:?}");
    }

    #[test]
    fn roster_goes_on_with_the_names_of_scaled_containers() {
        assert_eq!(roster(2), ["cluster-node-1", "cluster-node-2"]);
        let five = ["cluster-node-1", "cluster-node-2", "cluster-node-3", "cluster-node", "cluster-node.2"];
        assert_eq!(roster(5), five);
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
