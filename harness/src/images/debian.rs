//! Images of Debian's packages: NATS and Redis for a machine that reaches no registry, and the helper of some faults.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::fingerprint::Fingerprint;
use super::{ImagesError, Progress};
use crate::engine::{Engine, EngineError, ImportSpec};
use crate::tool::{self, ToolError};

/// Has NATS 2.10.27 and Redis 8.0.2.
const SUITE: &str = "trixie";
/// One root file system serves both. Redis runs as the official image's user, NATS as root without a capability: each
/// must be able to write.
const SERVICES: Recipe = Recipe {
    packages: "nats-server,redis-server,busybox-static,ca-certificates",
    setup: "mkdir -p \"$1/data\" && chown 999:1000 \"$1/data\" && chmod 0777 \"$1/data\" && \
    for applet in wget ps nc netstat nslookup ping top less vi; do \
    test -e \"$1/usr/bin/$applet\" || ln -s busybox \"$1/usr/bin/$applet\"; done",
};
/// Documentation and translations are a third of the image.
const LEFT_OUT: [&str; 4] = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"];
/// Where the image keeps its static shell.
pub(super) const SHELL: &str = "/usr/bin/busybox";
/// 20 s on a good line.
const BUILD: Duration = Duration::from_secs(600);
const INSTALL: Duration = Duration::from_secs(300);

/// How to get the tool.
pub(super) const INSTALL_IT: &str = "install mmdebstrap (`sudo apt-get install mmdebstrap debian-archive-keyring`)";

/// A root file system of packages.
#[derive(Debug)]
pub(super) struct Recipe {
    /// Beside the smallest system that can install them; separated by commas.
    pub(super) packages: &'static str,
    /// Run at the end; `$1` is the root.
    pub(super) setup: &'static str,
}

impl Recipe {
    pub(super) fn hash(&self) -> String {
        let left_out = LEFT_OUT.join(" ");
        let parts = [("suite", SUITE), ("packages", self.packages), ("setup", self.setup), ("left out", left_out.as_str())];
        parts
            .iter()
            .fold(Fingerprint::default(), |fingerprint, (name, content)| fingerprint.add(name, content.as_bytes()))
            .short()
    }

    /// Makes an image of it.
    ///
    /// # Errors
    /// In words: the tool is missing, a package cannot be fetched, or the engine refuses the image.
    pub(super) async fn import(&self, engine: &Engine, root: &Path, spec: &ImportSpec<'_>) -> Result<(), ImportError> {
        let folder = root.join("target").join("image");
        tokio::fs::create_dir_all(&folder).await.map_err(|error| ImagesError::Write { path: folder.clone(), error })?;
        install_builder().await.map_err(ImportError::Packages)?;
        let archive = Archive(folder.join(format!("debian-{}-{}.tar", self.hash(), std::process::id())));
        let built = tool::run(&mut self.command(&archive.0), BUILD).await;
        built.map_err(|error| ImportError::Packages(error.to_string()))?;
        Ok(engine.import_file(spec, &archive.0).await.map_err(ImagesError::from)?)
    }

    fn command(&self, archive: &Path) -> Command {
        let mut command = Command::new("mmdebstrap");
        command.args(["--variant=minbase", "--quiet"]).arg(format!("--include={}", self.packages));
        // A host whose own archive is another one keeps Debian's keys here.
        if Path::new("/usr/share/keyrings/debian-archive-keyring.gpg").exists() {
            command.arg("--keyring=/usr/share/keyrings");
        }
        for pattern in LEFT_OUT {
            command.arg(format!("--dpkgopt=path-exclude={pattern}"));
        }
        command.arg(format!("--customize-hook={}", self.setup)).arg(SUITE).arg(archive);
        // Without it the tool takes Debian's own address.
        if let Some(mirror) = std::env::var_os("CATGA_DEBIAN_MIRROR").filter(|mirror| !mirror.is_empty()) {
            command.arg(mirror);
        }
        command
    }
}

/// Why there is no image of packages.
#[derive(Debug)]
pub(super) enum ImportError {
    /// The packages or the tool cannot be had, in words.
    Packages(String),
    Other(ImagesError),
}

impl From<ImagesError> for ImportError {
    fn from(error: ImagesError) -> Self {
        Self::Other(error)
    }
}

/// It is 100 MB, and the engine has it in the end.
struct Archive(PathBuf);

impl Drop for Archive {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The tags of NATS and Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tags {
    pub(super) nats: String,
    pub(super) redis: String,
}

impl Tags {
    pub(super) fn of_recipe() -> Self {
        let hash = SERVICES.hash();
        Self { nats: format!("catga/nats:debian-{hash}"), redis: format!("catga/redis:debian-{hash}") }
    }

    pub(super) async fn are_here(&self, engine: &Engine) -> Result<bool, EngineError> {
        if !engine.image_exists(&self.nats).await? {
            return Ok(false);
        }
        // Both names are of one image; `down --rmi all` takes only the one that the cluster ran.
        if !engine.image_exists(&self.redis).await? {
            engine.tag(&self.nats, &self.redis).await?;
        }
        Ok(true)
    }

    /// Builds both, because `registry` says why they cannot be fetched.
    pub(super) async fn build(
        &self,
        engine: &Engine,
        root: &Path,
        registry: &EngineError,
        progress: Progress<'_>,
    ) -> Result<(), ImagesError> {
        progress("no registry answers: building NATS and Redis from Debian's packages (half a minute)");
        let changes = vec![String::from("WORKDIR /data"), String::from("LABEL catga.image=services")];
        let spec = ImportSpec { tag: &self.nats, message: "NATS and Redis from Debian's packages", changes };
        match SERVICES.import(engine, root, &spec).await {
            Ok(()) => Ok(engine.tag(&self.nats, &self.redis).await?),
            Err(ImportError::Packages(reason)) => {
                Err(ImagesError::Services { registry: registry.to_string(), reason: format!("{reason}; {}", advice()) })
            }
            Err(ImportError::Other(error)) => Err(error),
        }
    }
}

/// What to do where NATS and Redis can be had from nowhere.
pub(super) fn advice() -> String {
    format!("{INSTALL_IT}, or name images that are on this machine in CATGA_NATS_IMAGE and CATGA_REDIS_IMAGE")
}

/// Whether [`Tags::build`] has what it takes: the tool, or the right to install it.
pub(super) async fn can_build() -> bool {
    let limit = Duration::from_secs(30);
    if tool::run(Command::new("mmdebstrap").arg("--version"), limit).await.is_ok() {
        return true;
    }
    let user = tool::run(Command::new("id").arg("-u"), limit).await;
    user.is_ok_and(|id| id.trim() == "0") && tool::run(Command::new("apt-get").arg("--version"), limit).await.is_ok()
}

/// Installs the tool where we may; else says what to install.
async fn install_builder() -> Result<(), String> {
    match tool::run(Command::new("mmdebstrap").arg("--version"), Duration::from_secs(30)).await {
        Ok(_) => return Ok(()),
        Err(ToolError::Missing { .. }) => {}
        Err(error) => return Err(error.to_string()),
    }
    // Fails at once, and harmlessly, where there is no apt or we are not root.
    if install().await.is_ok() {
        return Ok(());
    }
    let updated = tool::run(Command::new("apt-get").arg("update"), INSTALL).await;
    let installed = match updated {
        Ok(_) => install().await,
        Err(error) => Err(error),
    };
    installed.map(drop).map_err(|error| format!("mmdebstrap is missing, and it cannot be installed: {error}"))
}

async fn install() -> Result<String, ToolError> {
    let mut apt = Command::new("apt-get");
    // Another apt may be at work on a fresh machine.
    apt.args(["-o", "DPkg::Lock::Timeout=120", "install", "-y", "--no-install-recommends"]);
    apt.args(["mmdebstrap", "debian-archive-keyring"]);
    tool::run(apt.env("DEBIAN_FRONTEND", "noninteractive"), INSTALL).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_recipe_has_one_tag_for_each_service() {
        let tags = Tags::of_recipe();
        assert_eq!(tags, Tags::of_recipe());
        assert!(tags.nats.starts_with("catga/nats:debian-") && tags.redis.starts_with("catga/redis:debian-"), "{tags:?}");
    }
}
