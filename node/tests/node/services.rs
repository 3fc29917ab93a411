//! Services of a test's own, in containers: for tests that set them up in another way, or do them harm.

use std::path::Path;
use std::process::{Command, Output};

use crate::space::eventually;

/// The image of a service, as the harness names it in `.env`.
pub(crate) fn image(variable: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let file = std::fs::read_to_string(root.join(".env")).unwrap_or_default();
    let line = file.lines().find_map(|line| line.strip_prefix(variable)?.strip_prefix('='));
    std::env::var(variable).ok().filter(|image| !image.is_empty()).or_else(|| line.map(str::to_owned)).unwrap_or_else(|| {
        panic!("no image is known as {variable}; write `.env` by `cargo run -p harness -- images`, or set the variable")
    })
}

fn run(arguments: &[&str]) -> Output {
    Command::new("docker").args(arguments).output().expect("the docker command is installed")
}

fn docker(arguments: &[&str]) -> String {
    let output = run(arguments);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "docker {arguments:?}: {out} {err}");
    out.trim().to_owned()
}

/// A running service; removed when dropped.
pub(crate) struct Container {
    id: String,
    folder: tempfile::TempDir,
    port: &'static str,
}

impl Container {
    /// Redis without persistence, with `files` in `/conf`.
    pub(crate) async fn redis(files: &[(&str, &str)], arguments: &[&str]) -> Self {
        let fixed = ["redis-server", "--save", "", "--protected-mode", "no", "--dir", "/data"];
        let container = Self::start("CATGA_REDIS_IMAGE", "6379", files, &[&fixed, arguments].concat());
        container.listening().await;
        container
    }

    /// NATS with streams, and with `files` in `/conf`, one of which is `nats.conf`: what is set beside the streams.
    pub(crate) async fn nats(files: &[(&str, &str)]) -> Self {
        let command = ["nats-server", "-c", "/conf/nats.conf"];
        let container = Self::start("CATGA_NATS_IMAGE", "4222", files, &command);
        container.listening().await;
        container
    }

    fn start(variable: &str, port: &'static str, files: &[(&str, &str)], command: &[&str]) -> Self {
        let image = image(variable);
        let publish = format!("127.0.0.1::{port}");
        let create = ["create", "--label", "catga.owner=node-test", "--user", "0:0", "-p", &publish, &image];
        let folder = tempfile::tempdir().expect("a folder");
        let container = Self { id: docker(&[&create, command].concat()), folder, port };
        for (name, text) in files {
            container.write(name, text);
        }
        docker(&["start", &container.id]);
        container
    }

    /// Replaces a file in `/conf`.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let conf = self.folder.path().join("conf");
        std::fs::create_dir_all(&conf).expect("a folder");
        // In the file and not on the command line, so that it outlives a reload.
        let streams = if name == "nats.conf" { "jetstream { store_dir: /data }\n" } else { "" };
        std::fs::write(conf.join(name), format!("{streams}{text}")).expect("written");
        docker(&["cp", conf.to_str().expect("a path"), &format!("{}:/", self.id)]);
    }

    /// `127.0.0.1:PORT`, as published.
    pub(crate) fn address(&self) -> String {
        docker(&["port", &self.id, self.port]).lines().next().expect("a published port").to_owned()
    }

    pub(crate) fn port(&self) -> String {
        self.address().rsplit_once(':').expect("a port").1.to_owned()
    }

    pub(crate) fn exec(&self, command: &[&str]) -> String {
        docker(&[&["exec", &self.id], command].concat())
    }

    /// `redis-cli` in the container.
    pub(crate) fn redis_cli(&self, command: &[&str]) -> String {
        self.exec(&[&["redis-cli", "-e"], command].concat())
    }

    pub(crate) fn signal(&self, signal: &str) {
        docker(&["kill", "-s", signal, &self.id]);
    }

    /// All that the service said.
    pub(crate) fn logs(&self) -> String {
        let output = run(&["logs", &self.id]);
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    async fn listening(&self) {
        eventually("the service says that it is ready", async || match self.logs() {
            logs if logs.contains("Ready to accept connections") || logs.contains("Server is ready") => Ok(()),
            logs => Err(logs),
        })
        .await;
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        run(&["rm", "-f", "-v", &self.id]);
    }
}
