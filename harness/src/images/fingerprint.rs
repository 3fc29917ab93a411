//! What an image is made of, as one short hash: the same inputs give the same tag.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::ImagesError;

/// Twelve hexadecimal digits are plenty for the few images of one machine.
const DIGITS: usize = 12;
/// Files of the workspace that change what cargo builds.
const WORKSPACE: [&str; 5] = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "rust-toolchain", ".cargo/config.toml"];
/// Parts of the packages' folders that do not reach their binaries.
const NOT_BUILT: [&str; 6] =
    ["node/Dockerfile", "node/tests", "node/fuzz", "node/proptest-regressions", "deploy/nats-cli/tests", "harness/proxy/tests"];

/// Collects inputs, each with its name and length, so that no two sets of inputs read alike.
#[derive(Debug, Default)]
pub(super) struct Fingerprint(Sha256);

impl Fingerprint {
    pub(super) fn add(mut self, name: &str, content: &[u8]) -> Self {
        for part in [name.as_bytes(), content] {
            self.0.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            self.0.update(part);
        }
        self
    }

    pub(super) fn short(self) -> String {
        use std::fmt::Write as _;
        let mut digits = String::with_capacity(64);
        for byte in self.0.finalize() {
            // Writing to a String cannot fail.
            let _ = write!(digits, "{byte:02x}");
        }
        digits.truncate(DIGITS);
        digits
    }
}

/// The sources of the package in `folder`, in a fixed order.
pub(super) fn of_sources(root: &Path, folder: &str) -> Result<Fingerprint, ImagesError> {
    let mut files: Vec<PathBuf> = WORKSPACE.iter().map(|name| root.join(name)).filter(|path| path.is_file()).collect();
    collect(root, &root.join(folder), &mut files)?;
    files.sort();
    files.iter().try_fold(Fingerprint::default(), |fingerprint, path| {
        let content = std::fs::read(path).map_err(|error| source(path, error))?;
        Ok(fingerprint.add(&relative(root, path), &content))
    })
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), ImagesError> {
    for entry in std::fs::read_dir(folder).map_err(|error| source(folder, error))? {
        let path = entry.map_err(|error| source(folder, error))?.path();
        let name = relative(root, &path);
        if NOT_BUILT.contains(&name.as_str()) || path.extension().is_some_and(|extension| extension == "md") {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}

fn source(path: &Path, error: io::Error) -> ImagesError {
    ImagesError::Source { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("node/src")).expect("folders");
        fs::create_dir_all(root.path().join("node/tests")).expect("folders");
        fs::write(root.path().join("Cargo.toml"), "[workspace]").expect("a file");
        fs::write(root.path().join("node/src/main.rs"), "fn main() {}").expect("a file");
        root
    }

    fn short(root: &Path) -> String {
        of_sources(root, "node").expect("readable").short()
    }

    #[test]
    fn the_same_sources_give_the_same_hash_wherever_they_lie() {
        let (one, two) = (tree(), tree());
        assert_eq!(short(one.path()), short(two.path()));
        assert_eq!(short(one.path()).len(), DIGITS);
    }

    #[test]
    fn a_changed_a_new_and_a_renamed_source_change_the_hash() {
        let root = tree();
        let before = short(root.path());
        fs::write(root.path().join("node/src/main.rs"), "fn main() { }").expect("a file");
        let changed = short(root.path());
        fs::write(root.path().join("node/src/lib.rs"), "").expect("a file");
        let added = short(root.path());
        fs::rename(root.path().join("node/src/lib.rs"), root.path().join("node/src/other.rs")).expect("renamed");
        let renamed = short(root.path());
        let mut all = vec![before, changed, added, renamed];
        all.dedup();
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn tests_and_prose_do_not_rebuild_the_image() {
        let root = tree();
        let before = short(root.path());
        fs::write(root.path().join("node/tests/contract.rs"), "").expect("a file");
        fs::write(root.path().join("node/README.md"), "").expect("a file");
        fs::write(root.path().join("node/Dockerfile"), "").expect("a file");
        assert_eq!(short(root.path()), before);
    }
}
