//! NATS and Redis from Debian's packages, for a machine that reaches no registry. One root file system serves both.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use super::fingerprint::Fingerprint;
use super::{ImagesError, Progress};
use crate::engine::{Engine, EngineError, ImportSpec};
use crate::tool::{self, ToolError};

/// Has NATS 2.10.27 and Redis 8.0.2.
const SUITE: &str = "trixie";
const PACKAGES: &str = "nats-server,redis-server,busybox-static,ca-certificates";
/// Redis runs as the official image's user, NATS as root without a capability: each must be able to write.
const SETUP: &str = "mkdir -p \"$1/data\" && chown 999:1000 \"$1/data\" && chmod 0777 \"$1/data\" && \
    for applet in wget ps nc netstat nslookup ping top less vi; do \
    test -e \"$1/usr/bin/$applet\" || ln -s busybox \"$1/usr/bin/$applet\"; done";
/// Documentation and translations are a third of the image.
const LEFT_OUT: [&str; 4] = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"];
/// Where the image keeps its static shell.
pub(super) const SHELL: &str = "/usr/bin/busybox";
/// 20 s on a good line.
const BUILD: Duration = Duration::from_secs(600);
const INSTALL: Duration = Duration::from_secs(300);

pub(super) const ADVICE: &str = "install mmdebstrap (`sudo apt-get install mmdebstrap debian-archive-keyring`), or name images that are on this machine in CATGA_NATS_IMAGE and CATGA_REDIS_IMAGE";

/// The tags of one recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tags {
    pub(super) nats: String,
    pub(super) redis: String,
}

impl Tags {
    pub(super) fn of_recipe() -> Self {
        let left_out = LEFT_OUT.join(" ");
        let recipe = [("suite", SUITE), ("packages", PACKAGES), ("setup", SETUP), ("left out", left_out.as_str())];
        let hash = recipe
            .iter()
            .fold(Fingerprint::default(), |fingerprint, (name, content)| fingerprint.add(name, content.as_bytes()))
            .short();
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
        let failed = |reason: String| ImagesError::Services { registry: registry.to_string(), reason };
        let folder = root.join("target").join("image");
        tokio::fs::create_dir_all(&folder).await.map_err(|error| ImagesError::Write { path: folder.clone(), error })?;
        let archive = folder.join(format!("services-{}.tar", std::process::id()));
        install_builder().await.map_err(failed)?;
        let built = tool::run(&mut recipe(&archive), BUILD).await.map_err(|error| failed(error.to_string()));
        let imported = match built {
            Ok(_) => self.import(engine, &archive).await.map_err(ImagesError::from),
            Err(error) => Err(error),
        };
        // It is 100 MB, and the engine has it now.
        let _ = tokio::fs::remove_file(&archive).await;
        imported
    }

    async fn import(&self, engine: &Engine, archive: &Path) -> Result<(), EngineError> {
        let changes = vec![String::from("WORKDIR /data"), String::from("LABEL catga.image=services")];
        let spec = ImportSpec { tag: &self.nats, message: "NATS and Redis from Debian's packages", changes };
        engine.import_file(&spec, archive).await?;
        engine.tag(&self.nats, &self.redis).await
    }
}

fn recipe(archive: &Path) -> Command {
    let mut command = Command::new("mmdebstrap");
    command.args(["--variant=minbase", "--quiet"]).arg(format!("--include={PACKAGES}"));
    // A host whose own archive is another one keeps Debian's keys here.
    if Path::new("/usr/share/keyrings/debian-archive-keyring.gpg").exists() {
        command.arg("--keyring=/usr/share/keyrings");
    }
    for pattern in LEFT_OUT {
        command.arg(format!("--dpkgopt=path-exclude={pattern}"));
    }
    command.arg(format!("--customize-hook={SETUP}")).arg(SUITE).arg(archive);
    // Without it the tool takes Debian's own address.
    if let Some(mirror) = std::env::var_os("CATGA_DEBIAN_MIRROR").filter(|mirror| !mirror.is_empty()) {
        command.arg(mirror);
    }
    command
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
        Err(error) => return Err(format!("{error}; {ADVICE}")),
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
    installed.map(drop).map_err(|error| format!("{ADVICE}; tried to: {error}"))
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
