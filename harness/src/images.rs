//! The images that a cluster is made of: the node's from the working tree, NATS and Redis from a registry or from
//! Debian's packages, NATS with a small client program over it; and, where a plan needs them, the fault proxy from the
//! working tree and that of helper containers. Everything is cached by content; when all is there, nothing is built.

mod archive;
mod debian;
mod env_file;
mod fingerprint;
mod helper;
mod nats;
mod node;
mod programs;
mod proxy;
mod shell;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::engine::{Engine, EngineError};
use crate::tool::ToolError;

pub use helper::helper;
pub use proxy::ensure as ensure_proxy;

const OFFICIAL_NATS: &str = "nats:2.12-alpine";
const OFFICIAL_REDIS: &str = "redis:8-alpine";
/// A registry that is reachable resolves a tag within a second or two.
const REGISTRY_ANSWERS: Duration = Duration::from_secs(15);

/// Receives one line whenever something is about to take longer than a moment.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Tags, ready to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    pub node: String,
    pub nats: String,
    pub redis: String,
    /// The fault proxy's: where there is one, the cluster comes up with the proxy between nodes and services.
    pub proxy: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("cannot read {path}, which an image is made of: {error}", path = path.display())]
    Source { path: PathBuf, error: io::Error },
    #[error("cannot write {path}: {error}", path = path.display())]
    Write { path: PathBuf, error: io::Error },
    #[error("the node and its tools do not compile: {0}")]
    Compile(ToolError),
    #[error("the sources changed each time they were compiled; leave them alone for a minute, then try again")]
    Moving,
    #[error("cannot ask the compiler for its version: {0}; install Rust from your distribution or with rustup")]
    Compiler(ToolError),
    #[error(
        "this machine ({host}) cannot compile the node for the engine's Linux on {engine}; let the engine do it where a registry is reachable: `docker build -t catga/node:local -f node/Dockerfile .`, then set CATGA_NODE_IMAGE=catga/node:local"
    )]
    Foreign { host: String, engine: String },
    #[error("cannot fetch {image}, which {variable} asks for: {error}")]
    Chosen { image: String, variable: &'static str, error: EngineError },
    #[error("no registry answers ({registry}), and NATS and Redis cannot be built from Debian's packages: {reason}")]
    Services { registry: String, reason: String },
    #[error("the helper image, which a fault of the plan needs, cannot be built from Debian's packages: {reason}; {advice}")]
    Helper { reason: String, advice: &'static str },
}

/// Makes sure that the images of node, NATS and Redis are there, and leaves a `.env` at `workspace_root` that plain compose commands use.
///
/// `plant` builds the node with its planted bugs, under a tag of its own that `.env` never names.
///
/// # Errors
/// The engine fails, the node does not compile, or NATS and Redis can neither be fetched nor built.
pub async fn ensure(engine: &Engine, workspace_root: &Path, progress: Progress<'_>, plant: bool) -> Result<Images, ImagesError> {
    let (node, services) =
        tokio::try_join!(node::prepare(engine, workspace_root, progress, plant), services(engine, workspace_root, progress))?;
    let (base, redis) = services;
    let node = match node {
        programs::Prepared::Ready(tag) => tag,
        programs::Prepared::Compiled { tag, programs } => {
            let shell = shell::binary(engine, workspace_root, progress).await?;
            node::import(engine, tag, &programs, &shell, progress).await?
        }
    };
    let nats = match chosen("CATGA_NATS_IMAGE") {
        Some(chosen) => chosen,
        None => nats::over(engine, workspace_root, &base, progress, plant).await?,
    };
    let images = Images { node, nats, redis, proxy: None };
    if !plant {
        env_file::write(&workspace_root.join(".env"), &images)?;
    }
    Ok(images)
}

/// NATS and Redis: what the user chose, what is here, what a registry has, or what Debian packages make; in that order.
async fn services(engine: &Engine, root: &Path, progress: Progress<'_>) -> Result<(String, String), ImagesError> {
    let nats = found(engine, "CATGA_NATS_IMAGE", OFFICIAL_NATS, progress).await?;
    let redis = found(engine, "CATGA_REDIS_IMAGE", OFFICIAL_REDIS, progress).await?;
    if let (Some(nats), Some(redis)) = (&nats, &redis) {
        return Ok((nats.clone(), redis.clone()));
    }
    let debian = debian::Tags::of_recipe();
    if !debian.are_here(engine).await? {
        // Both at once: one registry serves both, or neither.
        let (nats_pull, redis_pull) = tokio::join!(
            fetched(engine, nats.as_deref(), OFFICIAL_NATS, progress),
            fetched(engine, redis.as_deref(), OFFICIAL_REDIS, progress)
        );
        match (nats_pull, redis_pull) {
            (Ok(nats), Ok(redis)) => return Ok((nats, redis)),
            (Err(registry), _) | (_, Err(registry)) => debian.build(engine, root, &registry, progress).await?,
        }
    }
    Ok((nats.unwrap_or(debian.nats), redis.unwrap_or(debian.redis)))
}

/// Where [`ensure`] would take NATS and Redis from; what to do if there is no such place. Fetches and builds nothing.
pub async fn source_of_services(engine: &Engine) -> Result<String, String> {
    let told = |error: EngineError| error.to_string();
    let mut missing = Vec::new();
    for (variable, official) in [("CATGA_NATS_IMAGE", OFFICIAL_NATS), ("CATGA_REDIS_IMAGE", OFFICIAL_REDIS)] {
        let image = chosen(variable).unwrap_or_else(|| official.to_owned());
        if !engine.image_exists(&image).await.map_err(told)? {
            missing.push(image);
        }
    }
    if missing.is_empty() {
        return Ok(String::from("their images are on this machine"));
    }
    if debian::Tags::of_recipe().are_here(engine).await.map_err(told)? {
        return Ok(String::from("images of Debian's packages are on this machine"));
    }
    let Err(registry) = engine.registry_has(&missing[0], REGISTRY_ANSWERS).await else {
        return Ok(format!("{} can be fetched", missing.join(" and ")));
    };
    if debian::can_build().await {
        return Ok(String::from("no registry answers; they can be built from Debian's packages"));
    }
    Err(format!("no registry answers ({registry}); {}", debian::advice()))
}

/// The user's choice, fetched if need be, or the official image if it is on this machine.
async fn found(
    engine: &Engine,
    variable: &'static str,
    official: &str,
    progress: Progress<'_>,
) -> Result<Option<String>, ImagesError> {
    let Some(image) = chosen(variable) else {
        return Ok(engine.image_exists(official).await?.then(|| official.to_owned()));
    };
    fetch_chosen(engine, variable, &image, progress).await?;
    Ok(Some(image))
}

fn chosen(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|image| !image.is_empty())
}

async fn fetch_chosen(engine: &Engine, variable: &'static str, image: &str, progress: Progress<'_>) -> Result<(), ImagesError> {
    if engine.image_exists(image).await? {
        return Ok(());
    }
    progress(&format!("fetching {image}"));
    let pulled = engine.pull(image, REGISTRY_ANSWERS).await;
    pulled.map_err(|error| ImagesError::Chosen { image: image.to_owned(), variable, error })
}

async fn fetched(engine: &Engine, here: Option<&str>, official: &str, progress: Progress<'_>) -> Result<String, EngineError> {
    if let Some(here) = here {
        return Ok(here.to_owned());
    }
    progress(&format!("fetching {official}"));
    engine.pull(official, REGISTRY_ANSWERS).await?;
    Ok(official.to_owned())
}
