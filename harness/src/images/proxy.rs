//! The image of the fault proxy: a static binary, and what it needs to look names up.

use std::path::Path;

use bytes::Bytes;

use super::archive::entry;
use super::programs::{self, Build, Prepared};
use super::{ImagesError, Progress, fingerprint};
use crate::engine::{Engine, ImportSpec};

/// Changes with whatever this file puts into the image besides the binary.
const LAYOUT: &str = "1";
const PROGRAM: &str = "catga-proxy";
/// Nobody's id on a usual host.
const USER: u64 = 10001;

/// Makes sure that the image of the fault proxy is there, and returns its tag. `plant` as for the node, which is compiled
/// together with it.
///
/// # Errors
/// The engine fails, or the proxy does not compile.
pub async fn ensure(engine: &Engine, root: &Path, progress: Progress<'_>, plant: bool) -> Result<String, ImagesError> {
    if let Some(image) = super::chosen("CATGA_PROXY_IMAGE") {
        super::fetch_chosen(engine, "CATGA_PROXY_IMAGE", &image, progress).await?;
        return Ok(image);
    }
    let compiler = programs::compiler_version(root).await?;
    let build = Build { root, plant, saying: "compiling the fault proxy for its image" };
    let (tag, programs) = match programs::prepare(engine, &build, progress, &|| tag(root, &compiler)).await? {
        Prepared::Ready(tag) => return Ok(tag),
        Prepared::Compiled { tag, programs } => (tag, programs),
    };
    let archive = root_fs(&programs.proxy().await?).map_err(|error| programs.unreadable(error))?;
    let spec = ImportSpec { tag: &tag, message: "the fault proxy", changes: configuration() };
    engine.import_bytes(&spec, Bytes::from(archive)).await?;
    progress(&format!("made the image of the fault proxy, {tag}"));
    Ok(tag)
}

/// Named after everything that the image is made of.
fn tag(root: &Path, compiler: &str) -> Result<String, ImagesError> {
    let hash = fingerprint::of_sources(root, "harness/proxy")?
        .add("compiler", compiler.as_bytes())
        .add("layout", LAYOUT.as_bytes())
        .short();
    Ok(format!("catga/proxy:{hash}"))
}

fn configuration() -> Vec<String> {
    vec![
        format!("USER {USER}:{USER}"),
        String::from("WORKDIR /"),
        format!("ENTRYPOINT [\"/{PROGRAM}\"]"),
        String::from("LABEL catga.image=proxy"),
    ]
}

fn root_fs(binary: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::with_capacity(binary.len() + 8 * 1024));
    entry(&mut archive, "etc/", 0o755, &[])?;
    entry(&mut archive, "etc/passwd", 0o644, format!("root:x:0:0::/:\nproxy:x:{USER}:{USER}::/:\n").as_bytes())?;
    entry(&mut archive, "etc/nsswitch.conf", 0o644, b"hosts: files dns\n")?;
    entry(&mut archive, PROGRAM, 0o755, binary)?;
    archive.into_inner()
}
