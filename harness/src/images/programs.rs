//! The programs that images are made of, compiled to static binaries. One call of cargo makes them all, so that they
//! share what they depend on.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::{ImagesError, Progress};
use crate::engine::Engine;
use crate::tool;

/// Cold, on two cores, a release build takes 65 s.
const COMPILE: Duration = Duration::from_secs(1200);
/// How often sources that change under the compiler are compiled again.
const ATTEMPTS: usize = 3;

/// The image is there, or its programs are.
#[derive(Debug)]
pub(super) enum Prepared {
    Ready(String),
    Compiled { tag: String, programs: Programs },
}

/// The folder that cargo has put them into.
#[derive(Debug)]
pub(super) struct Programs(PathBuf);

impl Programs {
    pub(super) async fn node(&self) -> Result<Vec<u8>, ImagesError> {
        self.read("node").await
    }

    pub(super) async fn nats(&self) -> Result<Vec<u8>, ImagesError> {
        self.read("nats").await
    }

    pub(super) async fn proxy(&self) -> Result<Vec<u8>, ImagesError> {
        self.read("catga-proxy").await
    }

    pub(super) fn unreadable(&self, error: io::Error) -> ImagesError {
        ImagesError::Source { path: self.0.clone(), error }
    }

    async fn read(&self, name: &str) -> Result<Vec<u8>, ImagesError> {
        let path = self.0.join(name);
        tokio::fs::read(&path).await.map_err(|error| ImagesError::Source { path, error })
    }
}

/// What is compiled, and what to say before.
#[derive(Debug)]
pub(super) struct Build<'a> {
    pub(super) root: &'a Path,
    pub(super) plant: bool,
    pub(super) saying: &'a str,
}

/// Compiles unless the image exists that `tag` names after the sources as they are now.
pub(super) async fn prepare(
    engine: &Engine,
    build: &Build<'_>,
    progress: Progress<'_>,
    tag: &(dyn Fn() -> Result<String, ImagesError> + Send + Sync),
) -> Result<Prepared, ImagesError> {
    for _ in 0..ATTEMPTS {
        let named = tag()?;
        if engine.image_exists(&named).await? {
            return Ok(Prepared::Ready(named));
        }
        progress(build.saying);
        let programs = compile(engine, build).await?;
        // What was saved while the compiler read would otherwise hide under the tag of what was there before.
        if tag()? == named {
            return Ok(Prepared::Compiled { tag: named, programs });
        }
        progress("the sources changed meanwhile: once more");
    }
    Err(ImagesError::Moving)
}

pub(super) async fn compiler_version(root: &Path) -> Result<String, ImagesError> {
    let mut rustc = Command::new(from_env("RUSTC", "rustc"));
    rustc.arg("-vV").current_dir(root);
    tool::run(&mut rustc, Duration::from_secs(60)).await.map_err(ImagesError::Compiler)
}

async fn compile(engine: &Engine, build: &Build<'_>) -> Result<Programs, ImagesError> {
    let arch = engine.facts().await?.arch;
    let (os, host_arch) = (std::env::consts::OS, std::env::consts::ARCH);
    if os != "linux" || host_arch != arch {
        return Err(ImagesError::Foreign { host: format!("{os} on {host_arch}"), engine: arch });
    }
    let triple = format!("{arch}-unknown-linux-gnu");
    let target = build.root.join("target").join("image");
    let mut cargo = Command::new(from_env("CARGO", "cargo"));
    cargo
        .current_dir(build.root)
        .args(["build", "--package", "node", "--bin", "node", "--package", "nats-cli", "--bin", "nats"])
        .args(["--package", "proxy", "--bin", "catga-proxy"])
        .args(["--release", "--target", &triple])
        .arg("--target-dir")
        .arg(&target)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        // It would win over RUSTFLAGS.
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    if build.plant {
        cargo.args(["--features", "node/planted-bugs"]);
    }
    tool::run(&mut cargo, COMPILE).await.map_err(ImagesError::Compile)?;
    Ok(Programs(target.join(triple).join("release")))
}

fn from_env(variable: &str, otherwise: &str) -> std::ffi::OsString {
    std::env::var_os(variable).filter(|value| !value.is_empty()).unwrap_or_else(|| otherwise.into())
}
