//! The node's image: a static binary, a static shell, and nothing else.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use tokio::process::Command;

use super::{ImagesError, Progress, fingerprint};
use crate::engine::{Engine, ImportSpec};
use crate::tool;

/// Changes with whatever this file puts into the image besides the binary.
const LAYOUT: &str = "1";
/// Cold, on two cores, a release build takes 65 s.
const COMPILE: Duration = Duration::from_secs(1200);
/// How often sources that change under the compiler are compiled again.
const ATTEMPTS: usize = 3;
/// Nobody's id on a usual host.
const USER: u64 = 10001;
/// What the guide's troubleshooting types into the shell.
const APPLETS: [&str; 30] = [
    "sh", "ash", "cat", "clear", "cut", "date", "df", "du", "env", "find", "free", "grep", "head", "hostname", "id", "kill",
    "less", "ls", "nc", "netstat", "nslookup", "ping", "ps", "pwd", "sleep", "tail", "top", "uname", "wc", "wget",
];

/// The image is there, or its binary is.
#[derive(Debug)]
pub(super) enum Prepared {
    Ready(String),
    Compiled(Compiled),
}

#[derive(Debug)]
pub(super) struct Compiled {
    tag: String,
    binary: PathBuf,
}

/// Compiles the node unless the image of these very sources exists.
pub(super) async fn prepare(engine: &Engine, root: &Path, progress: Progress<'_>, plant: bool) -> Result<Prepared, ImagesError> {
    let chosen = std::env::var("CATGA_NODE_IMAGE").ok().filter(|image| !image.is_empty() && !plant);
    if let Some(image) = chosen {
        if engine.image_exists(&image).await? {
            return Ok(Prepared::Ready(image));
        }
        progress(&format!("fetching {image}"));
        let pulled = engine.pull(&image, super::REGISTRY_ANSWERS).await;
        return match pulled {
            Ok(()) => Ok(Prepared::Ready(image)),
            Err(error) => Err(ImagesError::Chosen { image, variable: "CATGA_NODE_IMAGE", error }),
        };
    }
    let compiler = compiler_version(root).await?;
    for _ in 0..ATTEMPTS {
        let tag = tag(root, &compiler, plant)?;
        if engine.image_exists(&tag).await? {
            return Ok(Prepared::Ready(tag));
        }
        progress("compiling the node for its image (a minute or two the first time)");
        let binary = compile(engine, root, plant).await?;
        // What was saved while the compiler read would otherwise hide under the tag of what was there before.
        if self::tag(root, &compiler, plant)? == tag {
            return Ok(Prepared::Compiled(Compiled { tag, binary }));
        }
        progress("the node's sources changed meanwhile: once more");
    }
    Err(ImagesError::Moving)
}

/// Named after everything that the image is made of.
fn tag(root: &Path, compiler: &str, plant: bool) -> Result<String, ImagesError> {
    let hash = fingerprint::of_node_sources(root)?
        .add("compiler", compiler.as_bytes())
        .add("layout", LAYOUT.as_bytes())
        .add("planted", &[u8::from(plant)])
        .short();
    Ok(if plant { format!("catga/node:planted-{hash}") } else { format!("catga/node:{hash}") })
}

async fn compiler_version(root: &Path) -> Result<String, ImagesError> {
    let mut rustc = Command::new(from_env("RUSTC", "rustc"));
    rustc.arg("-vV").current_dir(root);
    tool::run(&mut rustc, Duration::from_secs(60)).await.map_err(ImagesError::Compiler)
}

async fn compile(engine: &Engine, root: &Path, plant: bool) -> Result<PathBuf, ImagesError> {
    let arch = engine.facts().await?.arch;
    let (os, host_arch) = (std::env::consts::OS, std::env::consts::ARCH);
    if os != "linux" || host_arch != arch {
        return Err(ImagesError::Foreign { host: format!("{os} on {host_arch}"), engine: arch });
    }
    let triple = format!("{arch}-unknown-linux-gnu");
    let target = root.join("target").join("image");
    let mut cargo = Command::new(from_env("CARGO", "cargo"));
    cargo
        .current_dir(root)
        .args(["build", "--package", "node", "--bin", "node", "--release", "--target", &triple])
        .arg("--target-dir")
        .arg(&target)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        // It would win over RUSTFLAGS.
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    if plant {
        cargo.args(["--features", "planted-bugs"]);
    }
    tool::run(&mut cargo, COMPILE).await.map_err(ImagesError::Compile)?;
    Ok(target.join(triple).join("release").join("node"))
}

fn from_env(variable: &str, otherwise: &str) -> std::ffi::OsString {
    std::env::var_os(variable).filter(|value| !value.is_empty()).unwrap_or_else(|| otherwise.into())
}

impl Compiled {
    /// Makes the image of the binary and a shell.
    pub(super) async fn import(self, engine: &Engine, shell: &[u8], progress: Progress<'_>) -> Result<String, ImagesError> {
        let unreadable = |error| ImagesError::Source { path: self.binary.clone(), error };
        let binary = tokio::fs::read(&self.binary).await.map_err(unreadable)?;
        let archive = root_fs(&binary, shell).map_err(unreadable)?;
        let spec = ImportSpec { tag: &self.tag, message: "a Catga node", changes: configuration() };
        engine.import_bytes(&spec, Bytes::from(archive)).await?;
        let size = engine.image(&self.tag).await?.map(|image| image.size_bytes).unwrap_or_default();
        progress(&format!("made the node image {} ({:.1} MB)", self.tag, size as f64 / 1e6));
        Ok(self.tag)
    }
}

fn configuration() -> Vec<String> {
    vec![
        format!("USER {USER}:{USER}"),
        String::from("WORKDIR /"),
        String::from("ENV PATH=/bin"),
        // One arena for each core and thread would cost the idle node more memory than its data.
        String::from("ENV MALLOC_ARENA_MAX=2"),
        String::from("EXPOSE 8080"),
        String::from("ENTRYPOINT [\"/node\"]"),
        String::from("HEALTHCHECK --interval=2s --timeout=3s --start-period=20s --retries=5 CMD [\"/node\", \"probe\"]"),
        String::from("LABEL catga.image=node"),
    ]
}

/// The same binary and shell give the same archive, byte for byte.
fn root_fs(binary: &[u8], shell: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::with_capacity(binary.len() + shell.len() + 64 * 1024));
    let account = format!("root:x:0:0::/:/bin/sh\nnode:x:{USER}:{USER}::/:/bin/sh\n");
    let group = format!("root:x:0:\nnode:x:{USER}:\n");
    for folder in ["bin/", "etc/"] {
        entry(&mut archive, folder, 0o755, &[])?;
    }
    entry(&mut archive, "tmp/", 0o1777, &[])?;
    entry(&mut archive, "etc/passwd", 0o644, account.as_bytes())?;
    entry(&mut archive, "etc/group", 0o644, group.as_bytes())?;
    entry(&mut archive, "etc/nsswitch.conf", 0o644, b"hosts: files dns\n")?;
    entry(&mut archive, "node", 0o755, binary)?;
    entry(&mut archive, "bin/busybox", 0o755, shell)?;
    for applet in APPLETS {
        let mut header = header(tar::EntryType::Symlink, 0o777, 0);
        archive.append_link(&mut header, format!("bin/{applet}"), "busybox")?;
    }
    archive.into_inner()
}

fn entry(archive: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32, content: &[u8]) -> std::io::Result<()> {
    let kind = if path.ends_with('/') { tar::EntryType::Directory } else { tar::EntryType::Regular };
    let mut header = header(kind, mode, content.len());
    archive.append_data(&mut header, path, content)
}

fn header(kind: tar::EntryType, mode: u32, size: usize) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(u64::try_from(size).unwrap_or(u64::MAX));
    header
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_image_holds_the_node_and_a_shell_and_is_the_same_each_time() {
        let archive = root_fs(b"binary", b"shell").expect("an archive");
        assert_eq!(archive, root_fs(b"binary", b"shell").expect("an archive"));
        let mut reader = tar::Archive::new(archive.as_slice());
        let entries: BTreeMap<String, (u32, Option<String>)> = reader
            .entries()
            .expect("entries")
            .map(|entry| {
                let entry = entry.expect("an entry");
                let link = entry.link_name().expect("a name").map(|link| link.display().to_string());
                (entry.path().expect("a path").display().to_string(), (entry.header().mode().expect("a mode"), link))
            })
            .collect();
        assert_eq!(entries["node"], (0o755, None));
        assert_eq!(entries["bin/busybox"], (0o755, None));
        assert_eq!(entries["bin/sh"], (0o777, Some(String::from("busybox"))));
    }
}
