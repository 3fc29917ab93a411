//! A Redis or a NATS of a test's own, to be broken: a container on a port of 127.0.0.1 that stays the same over restarts,
//! removed by its id at the end.

use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio::process::Command;

use crate::services::image;
use crate::space::{eventually, query};

/// How long the engine may take for anything.
const ENGINE: Duration = Duration::from_secs(30);

/// Runs the engine's command line; fails with what it said.
pub(crate) async fn docker(arguments: &[&str]) -> String {
    match try_docker(arguments).await {
        Ok(output) => output,
        Err(error) => panic!("docker {}: {error}", arguments.join(" ")),
    }
}

pub(crate) async fn try_docker(arguments: &[&str]) -> Result<String, String> {
    let running = Command::new("docker").args(arguments).kill_on_drop(true).output();
    let output = tokio::time::timeout(ENGINE, running).await.map_err(|_| format!("not done in {ENGINE:?}"))?;
    let output = output.map_err(|error| format!("cannot be run: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

/// A port of 127.0.0.1 that is free, and not one that the system gives to outgoing connections.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    for _ in 0..1000 {
        let offset = u16::try_from(std::process::id() % 79).unwrap_or(0) * 100 + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + offset % 8_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between 20000 and 28000");
}

/// A container, removed when dropped.
pub(crate) struct Container {
    pub(crate) id: String,
}

impl Container {
    /// Runs an image; `arguments` are all that stands behind `docker run -d`.
    pub(crate) async fn run(arguments: &[&str]) -> Self {
        let all = [&["run", "-d", "--label", "catga.owner=node-test"], arguments].concat();
        Self { id: docker(&all).await }
    }

    pub(crate) async fn exec(&self, command: &[&str]) -> Result<String, String> {
        try_docker(&[&["exec", "-u", "0", &self.id], command].concat()).await
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker").args(["rm", "-f", "-v", &self.id]).output();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Redis,
    Nats,
}

/// One service.
pub(crate) struct Service {
    kind: Kind,
    pub(crate) container: Container,
    pub(crate) port: u16,
    pub(crate) url: String,
}

/// What the cluster's Redis is started with, and what a test adds.
const REDIS: &[&str] = &["redis-server", "--dir", "/data", "--appendonly", "yes", "--save", "", "--protected-mode", "no"];

impl Service {
    /// A Redis that syncs every write.
    pub(crate) async fn redis(arguments: &[&str]) -> Self {
        Self::redis_in(&[], &[&["--appendfsync", "always"], arguments].concat()).await
    }

    /// A Redis with options for its container.
    pub(crate) async fn redis_in(options: &[&str], arguments: &[&str]) -> Self {
        let image = image("CATGA_REDIS_IMAGE");
        Self::run(Kind::Redis, free_port(), options, &image, &[REDIS, arguments].concat()).await
    }

    pub(crate) async fn nats() -> Self {
        Self::nats_on(free_port(), &["-js", "-sd", "/data"]).await
    }

    /// A NATS that is told everything, on a port.
    pub(crate) async fn nats_on(port: u16, arguments: &[&str]) -> Self {
        let image = image("CATGA_NATS_IMAGE");
        Self::run(Kind::Nats, port, &[], &image, &[&["nats-server"], arguments].concat()).await
    }

    async fn run(kind: Kind, port: u16, options: &[&str], image: &str, command: &[&str]) -> Self {
        let (scheme, inside) = match kind {
            Kind::Redis => ("redis", 6379),
            Kind::Nats => ("nats", 4222),
        };
        let publish = format!("127.0.0.1:{port}:{inside}");
        let container = Container::run(&[options, &["-p", &publish, image], command].concat()).await;
        let service = Self { kind, container, port, url: format!("{scheme}://127.0.0.1:{port}") };
        service.wait().await;
        service
    }

    /// Waits until it answers.
    pub(crate) async fn wait(&self) {
        let Self { kind, url, .. } = self;
        eventually(&format!("{url} answers"), async || match kind {
            Kind::Redis => query::<String>(url, &["PING"]).await.map(drop).map_err(|error| error.to_string()),
            Kind::Nats => {
                let options = async_nats::ConnectOptions::new().connection_timeout(Duration::from_secs(1));
                options.connect(url).await.map(drop).map_err(|error| error.to_string())
            }
        })
        .await;
    }

    /// SIGTERM, until it has ended.
    pub(crate) async fn stop(&self) {
        docker(&["stop", "-t", "10", &self.container.id]).await;
    }

    /// SIGKILL.
    pub(crate) async fn kill(&self) {
        docker(&["kill", &self.container.id]).await;
    }

    pub(crate) async fn signal(&self, signal: &str) {
        docker(&["kill", "-s", signal, &self.container.id]).await;
    }

    /// Starts it again, on the same port and with the same data, without waiting for it.
    pub(crate) async fn start(&self) {
        docker(&["start", &self.container.id]).await;
    }

    /// Copies what is under `/data/NAME` to a folder of the host's.
    pub(crate) async fn save(&self, name: &str, folder: &Path) {
        let from = format!("{}:/data/{name}", self.container.id);
        docker(&["cp", "-a", &from, folder.to_str().expect("a path in UTF-8")]).await;
    }

    /// Puts it back, over what is there.
    pub(crate) async fn restore(&self, name: &str, folder: &Path) {
        let from = folder.join(name);
        docker(&["cp", "-a", from.to_str().expect("a path in UTF-8"), &format!("{}:/data/", self.container.id)]).await;
    }

    pub(crate) async fn query<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        query(&self.url, command).await.expect("redis answers")
    }
}
