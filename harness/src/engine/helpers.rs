//! Helper containers: ours, beside a target, in its namespaces or with its volumes. They end by themselves after a day,
//! and `remove_helpers` finds them by their label whatever became of the run.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use bollard::query_parameters::{CreateContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};

use super::containers::container;
use super::state::{HELPER_LABEL, ONE_OFF_LABEL, OWNER_LABEL, PROJECT_LABEL};
use super::{ACTION, Engine, EngineError, QUESTION};

/// No run is longer, and what is forgotten shall not stay for ever.
const LIFE_SECONDS: &str = "86400";

/// What a helper is made of.
#[derive(Debug, Clone)]
pub struct HelperSpec<'a> {
    /// Full name of the container.
    pub name: &'a str,
    pub image: &'a str,
    /// Compose project that it belongs to, and the mark of who made it.
    pub project: &'a str,
    pub owner: &'a str,
    /// [`super::ContainerState::helper`] says it again, so that a helper of something that is gone can be told.
    pub made_for: &'a str,
    pub inside: Inside<'a>,
    /// `uid:gid`; root without it.
    pub user: Option<&'a str>,
    /// All others are dropped: `NET_ADMIN`.
    pub capabilities: &'a [&'a str],
    /// Names of volumes, and where they are mounted.
    pub volumes: &'a [(&'a str, &'a str)],
}

/// Whose namespace a helper shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inside<'a> {
    /// Nobody's; it has no network.
    Nothing,
    /// The network of a container, by id, as long as that goes on without a restart.
    Network(&'a str),
    /// The processes of a container, by id; it ends with the first of them.
    Processes(&'a str),
    /// Both.
    Everything(&'a str),
}

impl Engine {
    /// Makes and starts a helper, which waits for commands; says its id. One that cannot be started is removed again.
    ///
    /// # Errors
    /// The name is taken, the image is not here, or the target does not run.
    pub async fn start_helper(&self, spec: &HelperSpec<'_>) -> Result<String, EngineError> {
        let (network_mode, pid_mode) = match spec.inside {
            Inside::Nothing => (String::from("none"), None),
            Inside::Network(of) => (format!("container:{of}"), None),
            Inside::Processes(of) => (String::from("none"), Some(format!("container:{of}"))),
            Inside::Everything(of) => (format!("container:{of}"), Some(format!("container:{of}"))),
        };
        let owned = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        let body = ContainerCreateBody {
            image: Some(spec.image.to_owned()),
            entrypoint: owned(&["sleep", LIFE_SECONDS]),
            cmd: Some(Vec::new()),
            user: spec.user.map(str::to_owned),
            labels: Some(HashMap::from([
                (OWNER_LABEL.to_owned(), spec.owner.to_owned()),
                (PROJECT_LABEL.to_owned(), spec.project.to_owned()),
                // Compose takes what it does not know in its project for an orphan, unless it says so.
                (ONE_OFF_LABEL.to_owned(), String::from("True")),
                (HELPER_LABEL.to_owned(), spec.made_for.to_owned()),
            ])),
            host_config: Some(HostConfig {
                auto_remove: Some(true),
                network_mode: Some(network_mode),
                pid_mode,
                cap_drop: owned(&["ALL"]),
                cap_add: owned(spec.capabilities),
                security_opt: owned(&["no-new-privileges:true"]),
                binds: Some(spec.volumes.iter().map(|(volume, at)| format!("{volume}:{at}")).collect()),
                log_config: Some(HostConfigLogConfig { typ: Some(String::from("none")), config: None }),
                ..Default::default()
            }),
            ..Default::default()
        };
        let options = CreateContainerOptionsBuilder::new().name(spec.name).build();
        let on = format!("helper container {}", spec.name);
        let made = self.asked("make", &on, ACTION, self.docker.create_container(Some(options), body)).await?;
        if let Err(error) = self.asked("start", &on, ACTION, self.docker.start_container(&made.id, None)).await {
            // The first error tells more than one of the removal would.
            let _ = self.remove_helper(&made.id).await;
            return Err(error);
        }
        Ok(made.id)
    }

    /// Removes a helper, by id or full name, whether it runs or not. Does nothing if there is none.
    ///
    /// # Errors
    /// It is there and cannot be removed, or the name is that of somebody else's container.
    pub async fn remove_helper(&self, name: &str) -> Result<(), EngineError> {
        let found = match self.inspect(name).await {
            Err(error) if error.is_not_found() => return Ok(()),
            found => found?,
        };
        if found.helper.is_none() {
            let answer = String::from("that it is no helper of ours; it is left alone");
            return Err(EngineError::Refused { call: "remove", on: container(name), status: None, answer });
        }
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let removed = self.docker.remove_container(&found.id, Some(options));
        match self.asked("remove", &container(name), ACTION, removed).await {
            // It ends and is removed by itself at this moment.
            Err(EngineError::Refused { status: Some(409), .. } | EngineError::NotFound { .. }) => Ok(()),
            removed => removed,
        }
    }

    /// Removes every helper of a project; says how many there were.
    ///
    /// # Errors
    /// One cannot be removed.
    pub async fn remove_helpers(&self, project: &str) -> Result<usize, EngineError> {
        let ids = self.helpers(project).await?;
        for id in &ids {
            self.remove_helper(id).await?;
        }
        Ok(ids.len())
    }

    async fn helpers(&self, project: &str) -> Result<Vec<String>, EngineError> {
        let labels = vec![format!("{PROJECT_LABEL}={project}"), HELPER_LABEL.to_owned()];
        let filters = HashMap::from([("label", labels)]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let on = format!("project {project}");
        let listed = self.asked("list the helpers of", &on, QUESTION, self.docker.list_containers(Some(options))).await?;
        Ok(listed.into_iter().filter_map(|helper| helper.id).collect())
    }
}
