//! The container engine in our own words. This room alone speaks to it; every call has a deadline.
//!
//! `state` is what a container looks like, `setup` how it is set up, `containers` are the calls on one, `exec` runs commands in
//! it, `networks` and `resources` are what it is on and may take, `helpers` are containers of our own beside it; `images` are
//! those on images.

mod containers;
mod error;
mod exec;
mod helpers;
mod images;
mod networks;
mod origin;
mod resources;
mod setup;
mod state;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;

pub use containers::LogLine;
pub use error::EngineError;
pub use exec::Ran;
pub use helpers::{HelperSpec, Inside};
pub use images::{ImageFacts, ImportSpec};
pub use networks::Attachment;
pub use origin::Origin;
pub use resources::Limits;
pub use setup::Setup;
pub use state::{ContainerState, Health, Publisher, Status, Usage, Volume};

/// The API of engine 20.10, the oldest one that the harness is tested on.
const OLDEST_API: (usize, usize) = (1, 41);
/// Long enough for a busy engine on a small machine, short enough not to look like a hang.
const QUESTION: Duration = Duration::from_secs(15);
/// A start, kill, pause or removal: 0.02 to 0.5 s on an idle machine.
const ACTION: Duration = Duration::from_secs(30);

/// No call on a container takes longer, a stop with the usual grace of 10 s included.
pub const LONGEST_CALL: Duration = ACTION.saturating_add(Duration::from_secs(10));

/// A connection to the engine; cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    docker: Docker,
    host: String,
}

/// What engine answers, and what it has to offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineFacts {
    pub version: String,
    pub api: String,
    /// As Rust names it: `x86_64`, `aarch64`.
    pub arch: String,
    pub cores: u64,
    pub memory_bytes: u64,
    pub root_dir: PathBuf,
}

impl Engine {
    /// Connects to `DOCKER_HOST`, or else to the first of the usual sockets that exists.
    ///
    /// # Errors
    /// No engine answers, its socket is not ours to use, or it is too old; the text says what to install or run.
    pub async fn connect() -> Result<Self, EngineError> {
        let host = match std::env::var("DOCKER_HOST") {
            Ok(host) if !host.is_empty() => host,
            _ => usual_socket(),
        };
        Self::connect_to(&host).await
    }

    /// Connects to one address: `unix:///path` or `tcp://host:port`.
    ///
    /// # Errors
    /// As [`Engine::connect`].
    pub async fn connect_to(host: &str) -> Result<Self, EngineError> {
        let docker = Docker::connect_with_host(host).map_err(|error| EngineError::connecting(host, &error))?;
        let negotiated = tokio::time::timeout(QUESTION, docker.negotiate_version()).await;
        let docker = match negotiated {
            Ok(Ok(docker)) => docker,
            Ok(Err(error)) => return Err(EngineError::connecting(host, &error)),
            Err(_) => {
                return Err(EngineError::Deadline { call: "connect to the engine", on: host.to_owned(), limit: QUESTION });
            }
        };
        let api = docker.client_version();
        if (api.major_version, api.minor_version) < OLDEST_API {
            return Err(EngineError::TooOld { api: api.to_string() });
        }
        Ok(Self { docker, host: host.to_owned() })
    }

    /// The address that we are connected to, as `DOCKER_HOST` has it: the compose tool must speak to the same engine.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    pub async fn facts(&self) -> Result<EngineFacts, EngineError> {
        let version = self.asked("ask for the version", &self.host, QUESTION, self.docker.version()).await?;
        let info = self.asked("ask for the resources", &self.host, QUESTION, self.docker.info()).await?;
        let arch = match version.arch.as_deref() {
            Some("amd64") => "x86_64",
            Some("arm64") => "aarch64",
            Some(other) => other,
            None => "unknown",
        };
        Ok(EngineFacts {
            version: version.version.unwrap_or_default(),
            api: version.api_version.unwrap_or_default(),
            arch: arch.to_owned(),
            cores: info.ncpu.and_then(|cores| u64::try_from(cores).ok()).unwrap_or_default(),
            memory_bytes: info.mem_total.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default(),
            root_dir: info.docker_root_dir.map(PathBuf::from).unwrap_or_default(),
        })
    }

    /// Runs one call under its deadline, and turns what went wrong into our words.
    async fn asked<T>(
        &self,
        call: &'static str,
        on: &str,
        limit: Duration,
        future: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, EngineError> {
        match tokio::time::timeout(limit, future).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(EngineError::answered(call, on, &error)),
            Err(_) => Err(EngineError::Deadline { call, on: on.to_owned(), limit }),
        }
    }
}

/// Where engines put their sockets: the system's, then a rootless one's, then the desktop product's.
fn usual_socket() -> String {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(|dir| Path::new(&dir).join("docker.sock"));
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let candidates = [
        Some(PathBuf::from("/var/run/docker.sock")),
        runtime,
        home.as_ref().map(|home| home.join(".docker/run/docker.sock")),
        home.as_ref().map(|home| home.join(".docker/desktop/docker.sock")),
    ];
    let found = candidates.into_iter().flatten().find(|path| path.exists());
    format!("unix://{}", found.unwrap_or_else(|| PathBuf::from("/var/run/docker.sock")).display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_absent_engine_is_told_with_what_to_install() {
        let error = Engine::connect_to("unix:///nowhere/docker.sock").await.expect_err("nothing is there");
        assert!(matches!(error, EngineError::Absent { .. }), "{error:?}");
        assert!(error.to_string().contains("apt-get install docker.io"), "{error}");
    }

    #[tokio::test]
    async fn a_socket_that_nobody_serves_is_an_absent_engine() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("docker.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
        let error = Engine::connect_to(&format!("unix://{}", path.display())).await.expect_err("nobody serves it");
        assert!(matches!(error, EngineError::Absent { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_spoken_to_is_told() {
        let error = Engine::connect_to("ssh://somewhere").await.expect_err("not spoken");
        assert!(error.to_string().contains("ssh://somewhere"), "{error}");
        assert!(error.to_string().contains("DOCKER_HOST"), "{error}");
    }
}
