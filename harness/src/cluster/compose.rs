//! The compose tool: `docker compose` (version 2) or `docker-compose` (1.29.2, or 2 by itself).

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use super::ports::Settled;
use super::{ClusterError, OWNER, UpOptions};
use crate::engine::{ContainerState, Engine, Origin};
use crate::images::Images;
use crate::tool;
use crate::workspace::ROSTER;

/// Names another tool, or one of the two: `docker-compose`, `docker compose`.
const CHOICE: &str = "CATGA_COMPOSE";
const ASK: Duration = Duration::from_secs(30);
/// Starting waits for NATS and Redis to be healthy, and Redis may have to load its data.
const UP: Duration = Duration::from_secs(180);
const DOWN: Duration = Duration::from_secs(120);
/// What an operator may set for nodes in the shell or in `.env`, and what would change what a run measures, or keep the
/// harness out: empty, which is the node's default.
const PLAIN: [&str; 12] = [
    "CATGA_API_KEY",
    "CATGA_LOG_FORMAT",
    "CATGA_MAX_CONNECTIONS",
    "CATGA_MAX_IN_FLIGHT",
    "CATGA_NATS_PASSWORD",
    "CATGA_NATS_TOKEN",
    "CATGA_NATS_USER",
    "CATGA_REDIS_PASSWORD",
    "CATGA_REDIS_USER",
    "CATGA_STREAM_REPLICAS",
    "CATGA_WORKERS",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];
/// The service of further nodes. Where nobody names a port, the engine picks one at each start.
pub(crate) const SCALED: &str = "cluster-node";
/// The port of the further node that is started next.
const FURTHER_PORT: &str = "CATGA_FURTHER_NODE_PORT";
/// The data goes too, so nobody needs a graceful stop.
const HURRIED_GRACE: &str = "1";

/// A compose tool that runs here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComposeTool {
    words: Vec<OsString>,
    version: String,
}

impl ComposeTool {
    /// `docker compose` first, then `docker-compose`, unless `CATGA_COMPOSE` names one.
    ///
    /// # Errors
    /// There is none, or it is too old for the compose file.
    pub async fn detect() -> Result<Self, ClusterError> {
        let chosen = std::env::var(CHOICE).ok().filter(|chosen| !chosen.trim().is_empty());
        let candidates: Vec<String> = match chosen {
            Some(chosen) => vec![chosen],
            None => vec![String::from("docker compose"), String::from("docker-compose")],
        };
        for candidate in candidates {
            let words: Vec<OsString> = candidate.split_whitespace().map(OsString::from).collect();
            let mut ask = command(&words);
            if let Ok(answer) = tool::run(ask.args(["version", "--short"]), ASK).await {
                let version = answer.trim().trim_start_matches('v').to_owned();
                if is_too_old(&version) {
                    return Err(ClusterError::ComposeTooOld { tool: candidate, version });
                }
                return Ok(Self { words, version });
            }
        }
        Err(ClusterError::ComposeAbsent)
    }

    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// As a person types it.
    #[must_use]
    pub fn name(&self) -> String {
        self.words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }
}

/// Has compose run so many containers of the service of free ports, beside all that runs already. What a container of the
/// same image was made from says how; no other service is touched, and no container is made anew.
///
/// # Errors
/// There is no compose tool, or it fails.
pub(crate) async fn scale(engine: &Engine, like: &ContainerState, origin: &Origin, count: usize) -> Result<(), ClusterError> {
    let mut command = again(engine, like, origin).await?;
    command.args(["up", "--detach", "--no-build", "--no-deps", "--no-recreate", "--scale"]);
    command.arg(format!("{SCALED}={count}")).arg(SCALED);
    let ended = tool::run(&mut command, UP).await;
    ended.map(drop).map_err(|error| ClusterError::Compose { what: "scale", project: project_of(like), error })
}

/// Has compose run a shell script in a further container of a service: its user, its image, its volumes, and no more. Says what
/// it wrote.
///
/// # Errors
/// There is no compose tool, or the script fails.
pub(crate) async fn run_beside(
    engine: &Engine,
    like: &ContainerState,
    origin: &Origin,
    script: &str,
) -> Result<String, ClusterError> {
    let mut command = again(engine, like, origin).await?;
    command.args(["run", "--rm", "--no-deps", "-T", "--entrypoint", "sh", &like.service, "-c", script]);
    let ended = tool::run(&mut command, UP).await;
    ended.map_err(|error| ClusterError::Compose { what: "run a script in", project: project_of(like), error })
}

/// The compose tool with all that a container was made from.
async fn again(engine: &Engine, like: &ContainerState, origin: &Origin) -> Result<Command, ClusterError> {
    let tool = ComposeTool::detect().await?;
    let project = project_of(like);
    let mut command = command(&tool.words);
    command.current_dir(&origin.folder).args(["--ansi", "never", "--project-name", &project]);
    for file in &origin.files {
        command.arg("--file").arg(file);
    }
    command
        .env("DOCKER_HOST", engine.host())
        .env("COMPOSE_PROJECT_NAME", &project)
        .envs(origin.environment.iter().filter(|(name, _)| name.starts_with("CATGA_") || name.starts_with("OTEL_")).cloned())
        // Only the service of this image is made.
        .envs(["CATGA_NODE_IMAGE", "CATGA_NATS_IMAGE", "CATGA_REDIS_IMAGE", "CATGA_PROXY_IMAGE"].map(|name| (name, &like.image)))
        .env_remove("COMPOSE_PROFILES");
    if let Some(owner) = &like.owner {
        command.env("CATGA_OWNER", owner);
    }
    Ok(command)
}

fn project_of(container: &ContainerState) -> String {
    container.project.clone().unwrap_or_default()
}

/// One project in one checkout.
pub(super) struct Run<'a> {
    pub(super) engine: &'a Engine,
    pub(super) tool: &'a ComposeTool,
    pub(super) root: &'a Path,
    pub(super) project: &'a str,
}

impl Run<'_> {
    pub(super) async fn up(&self, images: &Images, ports: &Settled, options: &UpOptions) -> Result<(), ClusterError> {
        let mut command = self.command_to_start(images, ports, options);
        command.arg("--remove-orphans");
        for unwanted in ROSTER.iter().skip(options.nodes) {
            command.arg("--scale").arg(format!("{unwanted}=0"));
        }
        self.finish("start", &mut command, UP).await?;
        // One at a time, as compose gives all containers of a service what it is told for the service: so each gets a port
        // of its own and keeps it over restarts.
        for (number, port) in (1..).zip(ports.further()) {
            let mut command = self.command_to_start(images, ports, options);
            command
                .args(["--no-deps", "--no-recreate", "--scale", &format!("{SCALED}={number}"), SCALED])
                .env(FURTHER_PORT, port.to_string());
            self.finish("start a further node of", &mut command, UP).await?;
        }
        Ok(())
    }

    fn command_to_start(&self, images: &Images, ports: &Settled, options: &UpOptions) -> Command {
        let mut command = self.command();
        // None are needed to take a project down: what they add is found by its label.
        for overlay in &options.overlays {
            command.arg("--file").arg(self.root.join(overlay.file()));
        }
        if let Some(proxy) = &images.proxy {
            command.arg("--file").arg(self.root.join("deploy/links.yml")).env("CATGA_PROXY_IMAGE", proxy);
        }
        command
            .args(["up", "--detach", "--no-build"])
            .env("CATGA_NODE_IMAGE", &images.node)
            .env("CATGA_NATS_IMAGE", &images.nats)
            .env("CATGA_REDIS_IMAGE", &images.redis)
            .envs(ports.environment());
        if let Some(plant) = &options.plant {
            command.env("CATGA_PLANT", plant);
        }
        command
    }

    pub(super) async fn down(&self, remove_volumes: bool) -> Result<(), ClusterError> {
        let mut command = self.command();
        command.args(["down", "--remove-orphans"]);
        if remove_volumes {
            command.args(["--volumes", "--timeout", HURRIED_GRACE]);
        }
        self.finish("take down", &mut command, DOWN).await
    }

    fn command(&self) -> Command {
        let mut command = command(&self.tool.words);
        command
            .current_dir(self.root)
            .args(["--ansi", "never", "--project-name", self.project, "--file"])
            .arg(self.root.join("docker-compose.yml"))
            // The same engine as ours, and the same project wherever the file says so.
            .env("DOCKER_HOST", self.engine.host())
            .env("COMPOSE_PROJECT_NAME", self.project)
            .env("CATGA_OWNER", OWNER)
            .envs(PLAIN.map(|name| (name, "")))
            // A bug is planted on purpose or not at all.
            .env_remove("CATGA_PLANT")
            .env_remove("COMPOSE_PROFILES");
        command
    }

    async fn finish(&self, what: &'static str, command: &mut Command, limit: Duration) -> Result<(), ClusterError> {
        let ended = tool::run(command, limit).await;
        ended.map(drop).map_err(|error| ClusterError::Compose { what, project: self.project.to_owned(), error })
    }
}

fn command(words: &[OsString]) -> Command {
    let (program, rest) = words.split_first().expect("a compose tool has a name");
    let mut command = Command::new(program);
    command.args(rest);
    command
}

/// 1.27 is the first that reads the compose specification without a `version:`.
fn is_too_old(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    matches!((parts.next().flatten(), parts.next().flatten()), (Some(0), _) | (Some(1), Some(..=26)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_made_plain_is_in_the_compose_file() {
        let compose = include_str!("../../../docker-compose.yml");
        for name in PLAIN {
            assert!(compose.contains(&format!("\n    {name}:")), "{name}");
        }
    }

    #[test]
    fn port_of_a_further_node_is_in_the_compose_file() {
        let compose = include_str!("../../../docker-compose.yml");
        assert!(compose.contains(&format!("\n  {SCALED}:\n")) && compose.contains(&format!("${{{FURTHER_PORT}-}}:8080")));
    }

    #[test]
    fn only_versions_before_the_specification_are_too_old() {
        for (version, expected) in
            [("1.25.0", true), ("1.26.2", true), ("1.29.2", false), ("2.26.1-4", false), ("2.40.3+ds1", false)]
        {
            assert_eq!(is_too_old(version), expected, "{version}");
        }
    }
}
