//! The node's image: a static binary, a static shell, and nothing else.

use std::path::Path;

use bytes::Bytes;

use super::archive::{entry, header};
use super::programs::{self, Build, Prepared, Programs};
use super::{ImagesError, Progress, fingerprint};
use crate::engine::{Engine, ImportSpec};

/// Changes with whatever this file puts into the image besides the binary.
const LAYOUT: &str = "1";
/// Nobody's id on a usual host.
const USER: u64 = 10001;
/// What the guide's troubleshooting types into the shell.
const APPLETS: [&str; 30] = [
    "sh", "ash", "cat", "clear", "cut", "date", "df", "du", "env", "find", "free", "grep", "head", "hostname", "id", "kill",
    "less", "ls", "nc", "netstat", "nslookup", "ping", "ps", "pwd", "sleep", "tail", "top", "uname", "wc", "wget",
];

/// Compiles the node unless the image of these very sources exists.
pub(super) async fn prepare(engine: &Engine, root: &Path, progress: Progress<'_>, plant: bool) -> Result<Prepared, ImagesError> {
    if let Some(image) = super::chosen("CATGA_NODE_IMAGE").filter(|_| !plant) {
        super::fetch_chosen(engine, "CATGA_NODE_IMAGE", &image, progress).await?;
        return Ok(Prepared::Ready(image));
    }
    let compiler = programs::compiler_version(root).await?;
    let build = Build { root, plant, saying: "compiling the node for its image (a minute or two the first time)" };
    programs::prepare(engine, &build, progress, &|| tag(root, &compiler, plant)).await
}

/// Named after everything that the image is made of.
fn tag(root: &Path, compiler: &str, plant: bool) -> Result<String, ImagesError> {
    let hash = fingerprint::of_sources(root, "node")?
        .add("compiler", compiler.as_bytes())
        .add("layout", LAYOUT.as_bytes())
        .add("planted", &[u8::from(plant)])
        .short();
    Ok(if plant { format!("catga/node:planted-{hash}") } else { format!("catga/node:{hash}") })
}

/// Makes the image of the binary and a shell.
pub(super) async fn import(
    engine: &Engine,
    tag: String,
    programs: &Programs,
    shell: &[u8],
    progress: Progress<'_>,
) -> Result<String, ImagesError> {
    let archive = root_fs(&programs.node().await?, shell).map_err(|error| programs.unreadable(error))?;
    let spec = ImportSpec { tag: &tag, message: "a Catga node", changes: configuration() };
    engine.import_bytes(&spec, Bytes::from(archive)).await?;
    let size = engine.image(&tag).await?.map(|image| image.size_bytes).unwrap_or_default();
    progress(&format!("made the node image {tag} ({:.1} MB)", size as f64 / 1e6));
    Ok(tag)
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
