//! The image of helper containers: packet filters, limits of processes, a shell. Made only when a plan needs it.

use std::path::Path;

use super::debian::{self, ImportError, Recipe};
use super::{ImagesError, Progress};
use crate::engine::{Engine, ImportSpec};

const RECIPE: Recipe = Recipe { packages: "iptables,iproute2,busybox-static,util-linux", setup: "true" };

/// The image's tag; it is built unless it is here.
///
/// # Errors
/// The engine fails, or Debian's packages cannot be fetched.
pub async fn helper(engine: &Engine, root: &Path, progress: Progress<'_>) -> Result<String, ImagesError> {
    let tag = format!("catga/helper:{}", RECIPE.hash());
    if engine.image_exists(&tag).await? {
        return Ok(tag);
    }
    progress("building the image of helper containers from Debian's packages (half a minute)");
    let changes = vec![String::from("LABEL catga.image=helper")];
    let spec = ImportSpec { tag: &tag, message: "the harness's helper containers", changes };
    match RECIPE.import(engine, root, &spec).await {
        Ok(()) => Ok(tag),
        Err(ImportError::Packages(reason)) => Err(ImagesError::Helper { reason, advice: debian::INSTALL_IT }),
        Err(ImportError::Other(error)) => Err(error),
    }
}
