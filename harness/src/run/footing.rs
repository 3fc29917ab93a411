//! What a run stands on: a cluster under an engine, which outlives the harness and has to be healed, or an embedded one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use super::{Job, Stage};
use crate::cluster::{self, Cluster};
use crate::embedded::Embedded;
use crate::engine::{Engine, EngineError};
use crate::failure::{Exit, Failure, Sort};
use crate::folder::RunFolder;
use crate::lives::Lives;
use crate::logs::Logs;
use crate::nemesis::fingerprint::Fingerprint;
use crate::nemesis::guardian::{self, Guardian};
use crate::nemesis::journal::{self, Journal, Scene};
use crate::nemesis::{Site, leftovers};
use crate::recorder::Recorder;

/// How long it may take until a healed cluster is as it was before the run.
const EQUAL_WITHIN: Duration = Duration::from_secs(15);

/// A cluster that is up.
#[derive(Clone, Copy)]
pub(super) enum Ready<'a> {
    Compose { cluster: &'a Cluster, engine: &'a Engine },
    Embedded(&'a Embedded),
}

impl<'a> Ready<'a> {
    pub(super) fn cluster(self) -> &'a Cluster {
        match self {
            Self::Compose { cluster, .. } => cluster,
            Self::Embedded(embedded) => embedded.cluster(),
        }
    }
}

pub(super) enum Footing<'a> {
    Compose(Box<Compose>),
    Embedded {
        embedded: &'a Embedded,
        /// The folder of the nodes' logs.
        logs: PathBuf,
    },
}

pub(super) struct Compose {
    pub(super) site: Site,
    scene: Scene,
    logs: tokio::sync::Mutex<Option<Logs>>,
    lives: Lives,
}

impl<'a> Footing<'a> {
    /// Follows the logs, and writes down what the cluster is like before the run.
    pub(super) async fn find(job: &Job, ready: Ready<'a>, folder: &RunFolder) -> Result<Self, Failure> {
        let (cluster, engine) = match ready {
            Ready::Compose { cluster, engine } => (cluster, engine),
            Ready::Embedded(embedded) => {
                embedded.log_into(&folder.logs()).context("cannot write the nodes' logs").environment()?;
                folder.write_cluster(&Surroundings::of_embedded(job)).environment()?;
                return Ok(Self::Embedded { embedded, logs: folder.logs() });
            }
        };
        let logs = tokio::sync::Mutex::new(Some(Logs::follow(cluster, engine, &folder.logs())));
        let lives = Lives::look(cluster, engine).await;
        let site = Site { engine: engine.clone(), cluster: cluster.clone() };
        let fingerprint = Fingerprint::take_settled(&site).await;
        let fingerprint = fingerprint.context("cannot tell what the cluster is like before the run").environment()?;
        folder.write_cluster(&Surroundings::of(job, &site, fingerprint.clone()).await.environment()?).environment()?;
        let run = std::path::absolute(folder.path()).environment()?;
        let scene = Scene { engine: engine.host().to_owned(), cluster: cluster.clone(), run, fingerprint };
        Ok(Self::Compose(Box::new(Compose { site, scene, logs, lives })))
    }

    /// `None` where there is none.
    pub(super) fn engine(&self) -> Option<&Engine> {
        match self {
            Self::Compose(compose) => Some(&compose.site.engine),
            Self::Embedded { .. } => None,
        }
    }

    pub(super) fn cluster(&self) -> &Cluster {
        match self {
            Self::Compose(compose) => &compose.site.cluster,
            Self::Embedded { embedded, .. } => embedded.cluster(),
        }
    }

    /// Folders on the disks that the run fills: its own, and where the engine keeps volumes and logs, if that is here.
    pub(super) async fn disks(&self, folder: &Path) -> Vec<PathBuf> {
        let mut disks = vec![folder.to_owned()];
        if let Self::Compose(compose) = self {
            // An engine that does not answer is told of by what needs it.
            let engines = compose.site.engine.facts().await.map(|facts| facts.root_dir);
            disks.extend(engines.ok().filter(|folder| folder.is_dir()));
        }
        disks
    }

    /// Ends the logs, and writes down what they and the processes tell of the run.
    pub(super) async fn end_logs(&self, recorder: &Recorder, nonce: &str) {
        match self {
            Self::Compose(compose) => {
                if let Some(logs) = compose.logs.lock().await.take() {
                    logs.stop(recorder, nonce).await;
                }
                compose.lives.write(&compose.site.cluster, &compose.site.engine, recorder).await;
            }
            Self::Embedded { embedded, logs } => {
                embedded.flush_logs();
                let services: Vec<String> = embedded.cluster().nodes.iter().map(|node| node.name.clone()).collect();
                let complete = services.iter().cloned().collect();
                crate::logs::tell(logs, services, &complete, recorder, nonce).await;
            }
        }
    }

    /// A journal, and a guardian that heals by it; none of both where all that is broken ends with this process.
    pub(super) async fn guard(&self, job: &Job) -> Result<(Option<Journal>, Option<Guardian>), Failure> {
        let Self::Compose(compose) = self else { return Ok((None, None)) };
        let scene = &compose.scene;
        let state = job.workspace.state();
        let journal = Journal::create(state, scene.clone(), job.death).context("cannot create the journal").environment()?;
        let program = guardian::own_program().context("cannot find the harness's own program").environment()?;
        let guardian = Guardian::start(&program, state, &scene.cluster.project).await.environment()?;
        Ok((Some(journal), Some(guardian)))
    }

    /// What it means that nobody waits for the healing any more.
    pub(super) fn left_unhealed(&self, guardian: Option<&Guardian>) -> Failure {
        if let Self::Embedded { .. } = self {
            let error = anyhow::anyhow!("interrupted again and again: the embedded cluster ends with whatever was broken in it");
            return Failure { exit: Exit::Interrupted, error };
        }
        let id = guardian.and_then(Guardian::id).map(|id| format!(" (process {id})")).unwrap_or_default();
        let project = &self.cluster().project;
        let error = anyhow::anyhow!(
            "interrupted again and again: healing is left to the guardian{id}; `harness heal --project {project}` waits for it"
        );
        Failure { exit: Exit::Environment, error }
    }

    /// Compares the cluster with what it was, and lets the guardian go, unless something is left for it.
    pub(super) async fn close(&self, stage: &Stage<'_>, guardian: Option<Guardian>) {
        let (Self::Compose(compose), Some(guardian)) = (self, guardian) else { return };
        let Stage { job, .. } = *stage;
        if let Err(expired) = compose.scene.fingerprint.wait_until_equal(&compose.site, EQUAL_WITHIN).await {
            stage.trouble(format!("everything was healed, and yet the cluster is not as it was: {}", expired.last_seen));
        }
        let (journals, project) = (job.workspace.state(), &compose.site.cluster.project);
        let open = match journal::left(journals, project) {
            Ok(left) => left.unwrap_or_default().open,
            Err(error) => return stage.trouble(format!("the journal cannot be read, the guardian heals: {error}")),
        };
        if !open.is_empty() {
            let open: Vec<String> = open.iter().map(leftovers::advice).collect();
            stage.trouble(format!("not healed: {}; then run `harness heal --project {project}`", open.join("; ")));
            // What is removed anyway needs no guardian, and should the removal fail, the next start heals.
            if job.bring_up.use_running || job.keep_up {
                return;
            }
        } else if let Err(error) = journal::close(journals, project) {
            stage.trouble(format!("the journal cannot be moved into the run's folder: {error}"));
        }
        // It was needed by nobody: that it is gone changes no verdict.
        if let Err(error) = guardian.release().await {
            stage.out.note(format!("warning: the guardian was not there any more, or did not leave: {error}"));
        }
    }

    /// Does the journal tell of something that is not healed?
    pub(super) fn is_left_broken(&self, job: &Job) -> Result<bool, Failure> {
        let Self::Compose(compose) = self else { return Ok(false) };
        let left = journal::left(job.workspace.state(), &compose.site.cluster.project);
        let left = left.context("cannot read the journal").environment()?;
        Ok(left.is_some_and(|left| !left.open.is_empty()))
    }
}

/// What the history does not tell of the cluster: kept in the run folder as `cluster.json`.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Surroundings {
    pub(crate) project: String,
    pub(crate) engine: String,
    /// A planted bug that the nodes run with.
    pub(crate) plant: Option<String>,
    /// What a person types to run it again.
    pub(crate) repeat: String,
    /// Image of each service, as the engine names it.
    pub(crate) images: BTreeMap<String, String>,
    /// What the cluster was like before the first fault.
    fingerprint: Fingerprint,
}

impl Surroundings {
    async fn of(job: &Job, site: &Site, fingerprint: Fingerprint) -> Result<Self, EngineError> {
        let Site { engine, cluster } = site;
        let facts = engine.facts().await?;
        let containers = engine.containers(&cluster.project).await?;
        Ok(Self {
            project: cluster.project.clone(),
            engine: format!("{} (API {})", facts.version, facts.api),
            plant: job.bring_up.plant.clone(),
            repeat: job.repeat.clone(),
            images: containers.iter().map(|container| (cluster::service_name(container), container.image.clone())).collect(),
            fingerprint,
        })
    }

    fn of_embedded(job: &Job) -> Self {
        Self {
            project: crate::embedded::NAME.to_owned(),
            engine: "none: nodes, store and stream are in the harness's own process".to_owned(),
            plant: job.bring_up.plant.clone(),
            repeat: job.repeat.clone(),
            images: BTreeMap::new(),
            fingerprint: Fingerprint::default(),
        }
    }
}
