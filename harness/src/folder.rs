//! Where a run is kept: `<runs>/<scenario>/<utc>-<seed>/`, with `<runs>/latest` pointing to the newest.

pub mod compress;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use judge::plan::Plan;
use judge::report::Report;

const PLAN: &str = "plan.json";
const REPORT: &str = "report.json";
/// The report for people.
pub const PAGE: &str = "report.html";
/// For CI systems.
pub const JUNIT: &str = "junit.xml";
pub const MARKDOWN: &str = "summary.md";
const CLUSTER: &str = "cluster.json";
const LOGS: &str = "logs";

#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {path}: {error}", path = path.display())]
pub struct FolderError {
    what: &'static str,
    path: PathBuf,
    error: io::Error,
}

/// The folder of one run.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes the folder and writes the plan into it.
    pub fn create(runs: &Path, plan: &Plan, now: Timestamp) -> Result<Self, FolderError> {
        let name = format!("{}-{}", now.strftime("%Y%m%dT%H%M%SZ"), plan.seed);
        let folder = Self { path: runs.join(&plan.scenario).join(name) };
        fs::create_dir_all(folder.logs()).map_err(failed("create", &folder.logs()))?;
        folder.write_json(PLAN, plan)?;
        link_latest(runs, &folder.path).map_err(failed("link", &runs.join("latest")))?;
        Ok(folder)
    }

    /// A folder that an earlier run left.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.path.join(LOGS)
    }

    pub fn read_plan(&self) -> Result<Plan, FolderError> {
        let path = self.path.join(PLAN);
        let text = fs::read(&path).map_err(failed("read", &path))?;
        serde_json::from_slice(&text).map_err(io::Error::from).map_err(failed("read", &path))
    }

    pub fn write_report(&self, report: &Report) -> Result<(), FolderError> {
        self.write_json(REPORT, report)
    }

    pub fn write_text(&self, name: &str, text: &str) -> Result<(), FolderError> {
        self.write(name, text.as_bytes())
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let path = self.path.join(name);
        fs::write(&path, bytes).map_err(failed("write", &path))
    }

    /// The report of a run that was judged.
    pub fn read_report(&self) -> Result<Report, FolderError> {
        let path = self.path.join(REPORT);
        let text = fs::read(&path).map_err(failed("read", &path))?;
        serde_json::from_slice(&text).map_err(io::Error::from).map_err(failed("read", &path))
    }

    /// `None` where the run did not come to write it, or another version wrote something else.
    #[must_use]
    pub fn read_cluster<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&fs::read(self.path.join(CLUSTER)).ok()?).ok()
    }

    /// What the run was made on.
    pub fn write_cluster(&self, cluster: &impl serde::Serialize) -> Result<(), FolderError> {
        self.write_json(CLUSTER, cluster)
    }

    fn write_json<T: serde::Serialize>(&self, name: &str, value: &T) -> Result<(), FolderError> {
        let path = self.path.join(name);
        let mut text = serde_json::to_vec_pretty(value).map_err(io::Error::from).map_err(failed("write", &path))?;
        text.push(b'\n');
        fs::write(&path, text).map_err(failed("write", &path))
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError + use<> {
    let path = path.to_owned();
    move |error| FolderError { what, path, error }
}

/// Points `<runs>/latest` to `to`, in one step, so that a reader never finds it missing.
fn link_latest(runs: &Path, to: &Path) -> io::Result<()> {
    let relative = to.strip_prefix(runs).unwrap_or(to);
    let fresh = runs.join(".latest");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::os::unix::fs::symlink(relative, &fresh)?;
    fs::rename(fresh, runs.join("latest"))
}
