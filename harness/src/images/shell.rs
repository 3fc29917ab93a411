//! The static shell of the node's image, taken out of an image that has one.

use std::path::Path;

use super::{ImagesError, Progress, REGISTRY_ANSWERS, debian};
use crate::engine::Engine;

/// Statically linked, as opposed to the shell of the official NATS and Redis images.
const OFFICIAL: &str = "busybox:stable-musl";

/// From what is on this machine if possible; else from a registry; else from Debian's packages.
pub(super) async fn binary(engine: &Engine, root: &Path, progress: Progress<'_>) -> Result<Vec<u8>, ImagesError> {
    let debian = debian::Tags::of_recipe();
    if debian.are_here(engine).await? {
        return Ok(engine.file_from_image(&debian.nats, debian::SHELL).await?);
    }
    if !engine.image_exists(OFFICIAL).await? {
        progress(&format!("fetching {OFFICIAL}"));
        if let Err(registry) = engine.pull(OFFICIAL, REGISTRY_ANSWERS).await {
            debian.build(engine, root, &registry, progress).await?;
            return Ok(engine.file_from_image(&debian.nats, debian::SHELL).await?);
        }
    }
    Ok(engine.file_from_image(OFFICIAL, "/bin/busybox").await?)
}
