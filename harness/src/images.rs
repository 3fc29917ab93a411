//! The images that a cluster is made of: the node's from the working tree, NATS and Redis from a registry or from
//! Debian's packages. Everything is cached by content; when all is there, nothing is built.

mod debian;
mod env_file;
mod fingerprint;
mod node;
mod shell;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::engine::{Engine, EngineError};
use crate::tool::ToolError;

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
}

#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("cannot read {path}, which the node image is made of: {error}", path = path.display())]
    Source { path: PathBuf, error: io::Error },
    #[error("cannot write {path}: {error}", path = path.display())]
    Write { path: PathBuf, error: io::Error },
    #[error("the node does not compile: {0}")]
    Compile(ToolError),
    #[error("the node's sources changed each time they were compiled; leave them alone for a minute, then try again")]
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
}

/// Makes sure that all three images are there, and leaves a `.env` at `workspace_root` that plain compose commands use.
///
/// `plant` builds the node with its planted bugs, under a tag of its own that `.env` never names.
///
/// # Errors
/// The engine fails, the node does not compile, or NATS and Redis can neither be fetched nor built.
pub async fn ensure(engine: &Engine, workspace_root: &Path, progress: Progress<'_>, plant: bool) -> Result<Images, ImagesError> {
    let (node, services) =
        tokio::try_join!(node::prepare(engine, workspace_root, progress, plant), services(engine, workspace_root, progress))?;
    let (nats, redis) = services;
    let node = match node {
        node::Prepared::Ready(tag) => tag,
        node::Prepared::Compiled(compiled) => {
            let shell = shell::binary(engine, workspace_root, progress).await?;
            compiled.import(engine, &shell, progress).await?
        }
    };
    let images = Images { node, nats, redis };
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
        let image = std::env::var(variable).ok().filter(|image| !image.is_empty()).unwrap_or_else(|| official.to_owned());
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
    Err(format!("no registry answers ({registry}); {}", debian::ADVICE))
}

/// The user's choice, fetched if need be, or the official image if it is on this machine.
async fn found(
    engine: &Engine,
    variable: &'static str,
    official: &str,
    progress: Progress<'_>,
) -> Result<Option<String>, ImagesError> {
    let chosen = std::env::var(variable).ok().filter(|image| !image.is_empty());
    let Some(image) = chosen else {
        return Ok(engine.image_exists(official).await?.then(|| official.to_owned()));
    };
    if !engine.image_exists(&image).await? {
        progress(&format!("fetching {image}"));
        engine.pull(&image, REGISTRY_ANSWERS).await.map_err(|error| ImagesError::Chosen {
            image: image.clone(),
            variable,
            error,
        })?;
    }
    Ok(Some(image))
}

async fn fetched(engine: &Engine, here: Option<&str>, official: &str, progress: Progress<'_>) -> Result<String, EngineError> {
    if let Some(here) = here {
        return Ok(here.to_owned());
    }
    progress(&format!("fetching {official}"));
    engine.pull(official, REGISTRY_ANSWERS).await?;
    Ok(official.to_owned())
}
