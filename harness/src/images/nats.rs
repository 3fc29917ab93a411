//! NATS with a client program in it. The server's own image has none, and the guide types `nats` into its container.

use std::path::Path;

use bytes::Bytes;

use super::archive::entry;
use super::programs::{self, Build, Prepared};
use super::{ImagesError, Progress, fingerprint};
use crate::engine::Engine;

/// On the path of every image that has one, and before what another image may have.
const PROGRAM: &str = "/usr/local/bin/nats";

/// The image of the server `base` with our program over it; `base` itself where it cannot be compiled for the engine.
pub(super) async fn over(
    engine: &Engine,
    root: &Path,
    base: &str,
    progress: Progress<'_>,
    plant: bool,
) -> Result<String, ImagesError> {
    let compiler = programs::compiler_version(root).await?;
    // The node is compiled with it, so a planted run must not compile another node than its own.
    let build = Build { root, plant, saying: "compiling the small `nats` for the NATS image" };
    let prepared = programs::prepare(engine, &build, progress, &|| tag(root, &compiler, base)).await;
    let (tag, programs) = match prepared {
        Ok(Prepared::Ready(tag)) => return Ok(tag),
        Ok(Prepared::Compiled { tag, programs }) => (tag, programs),
        Err(ImagesError::Foreign { .. }) => {
            progress("NATS without a `nats` inside: this machine cannot compile it for the engine; deploy/nats/Dockerfile can");
            return Ok(base.to_owned());
        }
        Err(error) => return Err(error),
    };
    let context = context(base, &programs.nats().await?).map_err(|error| programs.unreadable(error))?;
    engine.build(&tag, Bytes::from(context)).await?;
    progress(&format!("made the NATS image {tag}"));
    Ok(tag)
}

/// Named after everything that the image is made of.
fn tag(root: &Path, compiler: &str, base: &str) -> Result<String, ImagesError> {
    let hash = fingerprint::of_sources(root, "deploy/nats-cli")?
        .add("compiler", compiler.as_bytes())
        .add("recipe", recipe(base).as_bytes())
        .short();
    Ok(format!("catga/nats:{hash}"))
}

fn recipe(base: &str) -> String {
    format!("FROM {base}\nCOPY nats {PROGRAM}\nLABEL catga.image=nats\n")
}

fn context(base: &str, program: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::with_capacity(program.len() + 8 * 1024));
    entry(&mut archive, "Dockerfile", 0o644, recipe(base).as_bytes())?;
    entry(&mut archive, "nats", 0o755, program)?;
    archive.into_inner()
}
