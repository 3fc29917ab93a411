//! The scenarios of a checkout: one file each, in `scenarios/` or in the folder of a group under it.

use std::fs;
use std::path::{Path, PathBuf};

use super::WorkspaceError;

/// A scenario file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its folder under `scenarios/`, e.g. `process`; empty for the files that lie there directly.
    pub group: String,
    /// The bare name, e.g. `kill-one`: unique in a checkout.
    pub name: String,
    /// From the top of the checkout, e.g. `scenarios/process/kill-one.toml`.
    pub file: PathBuf,
}

impl Listed {
    /// The path of its file, in a form in which [`super::Workspace::scenario`] takes it.
    #[must_use]
    pub fn file_from(&self, root: &Path) -> String {
        root.join(&self.file).display().to_string()
    }

    /// Is it what somebody calls `name`: `kill-one` or `process/kill-one`?
    fn is_called(&self, name: &str) -> bool {
        let in_group = || name.strip_suffix(&self.name)?.strip_suffix('/');
        self.name == name || in_group().is_some_and(|group| group == self.group)
    }
}

/// All scenarios by group and name; those without a group come first.
///
/// # Errors
/// A folder cannot be read, or two files have the same name.
pub(super) fn list(root: &Path) -> Result<Vec<Listed>, WorkspaceError> {
    let folder = Path::new("scenarios");
    let mut listed = Vec::new();
    for group in read(root, folder, &mut listed, "")? {
        let inside = folder.join(&group);
        // One level: a group has no groups.
        read(root, &inside, &mut listed, &group)?;
    }
    listed.sort();
    let mut by_name: Vec<&Listed> = listed.iter().collect();
    by_name.sort_by_key(|scenario| &scenario.name);
    match by_name.windows(2).find(|pair| pair[0].name == pair[1].name) {
        None => Ok(listed),
        Some(pair) => {
            Err(WorkspaceError::SameName { name: pair[0].name.clone(), one: pair[0].file.clone(), other: pair[1].file.clone() })
        }
    }
}

/// The one that is called so.
pub(super) fn find<'a>(listed: &'a [Listed], name: &str) -> Option<&'a Listed> {
    listed.iter().find(|scenario| scenario.is_called(name))
}

/// Adds the scenarios of one folder; gives the names of the folders in it.
fn read(root: &Path, folder: &Path, listed: &mut Vec<Listed>, group: &str) -> Result<Vec<String>, WorkspaceError> {
    let path = root.join(folder);
    let failed = |error| WorkspaceError::Io { what: "list", path: path.clone(), error };
    let mut folders = Vec::new();
    for entry in fs::read_dir(&path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let file_name = entry.file_name();
        let Some(file_name) = file_name.to_str() else { continue };
        if entry.path().is_dir() {
            folders.push(file_name.to_owned());
        } else if let Some(name) = file_name.strip_suffix(".toml") {
            listed.push(Listed { group: group.to_owned(), name: name.to_owned(), file: folder.join(file_name) });
        }
    }
    folders.sort();
    Ok(folders)
}
