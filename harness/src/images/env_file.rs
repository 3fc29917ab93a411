//! The `.env` beside the compose file: what plain compose commands need to know. Lines that a user added stay.

use std::io;
use std::path::Path;

use super::{Images, ImagesError};

const HEADER: &str = "# Written by `cargo run -p harness -- images`; lines of your own are kept.\n";
const PROJECT: (&str, &str) = ("COMPOSE_PROJECT_NAME", "catga");

/// Writes the file if it would change.
pub(super) fn write(path: &Path, images: &Images) -> Result<(), ImagesError> {
    let failed = |error| ImagesError::Write { path: path.to_owned(), error };
    let before = match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    let after = merged(before.as_deref(), images);
    if before.as_deref() == Some(after.as_str()) {
        return Ok(());
    }
    // Renamed into place, so that a compose command never reads half of it.
    let new = path.with_extension(format!("{}.new", std::process::id()));
    std::fs::write(&new, after).and_then(|()| std::fs::rename(&new, path)).map_err(failed)
}

fn merged(before: Option<&str>, images: &Images) -> String {
    let mut pending = vec![
        ("CATGA_NODE_IMAGE", images.node.as_str()),
        ("CATGA_NATS_IMAGE", images.nats.as_str()),
        ("CATGA_REDIS_IMAGE", images.redis.as_str()),
    ];
    let ours: Vec<&str> = pending.iter().map(|(name, _)| *name).collect();
    let mut text = before.map_or_else(|| HEADER.to_owned(), |_| String::new());
    let mut project_named = false;
    for line in before.unwrap_or_default().lines() {
        let name = line.split_once('=').map(|(name, _)| name.trim()).unwrap_or_default();
        // A user may have named the project; the images are ours.
        project_named |= name == PROJECT.0;
        if !ours.contains(&name) {
            push(&mut text, line);
        } else if let Some(index) = pending.iter().position(|(pending, _)| *pending == name) {
            let (name, value) = pending.remove(index);
            push(&mut text, &format!("{name}={value}"));
        }
    }
    if !project_named {
        pending.insert(0, PROJECT);
    }
    for (name, value) in pending {
        push(&mut text, &format!("{name}={value}"));
    }
    text
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images() -> Images {
        Images { node: String::from("catga/node:new"), nats: String::from("nats:x"), redis: String::from("redis:x"), proxy: None }
    }

    #[test]
    fn a_new_file_names_the_project_and_the_images() {
        let expected = format!(
            "{HEADER}COMPOSE_PROJECT_NAME=catga\nCATGA_NODE_IMAGE=catga/node:new\nCATGA_NATS_IMAGE=nats:x\nCATGA_REDIS_IMAGE=redis:x\n"
        );
        assert_eq!(merged(None, &images()), expected);
        assert_eq!(merged(Some(&expected), &images()), expected, "writing it again changes nothing");
    }

    #[test]
    fn lines_of_the_user_stay_where_they_are() {
        let before =
            "# mine\nCATGA_NODE_1_PORT=9081\nCATGA_NODE_IMAGE=catga/node:old\nCOMPOSE_PROJECT_NAME=shop\nCATGA_NODE_IMAGE=twice";
        let expected = "# mine\nCATGA_NODE_1_PORT=9081\nCATGA_NODE_IMAGE=catga/node:new\nCOMPOSE_PROJECT_NAME=shop\nCATGA_NATS_IMAGE=nats:x\nCATGA_REDIS_IMAGE=redis:x\n";
        assert_eq!(merged(Some(before), &images()), expected);
    }

    #[test]
    fn the_file_is_written_only_when_it_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(".env");
        write(&path, &images()).expect("written");
        let first = std::fs::metadata(&path).and_then(|data| data.modified()).expect("times");
        write(&path, &images()).expect("left alone");
        assert_eq!(std::fs::metadata(&path).and_then(|data| data.modified()).expect("times"), first);
        assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 1);
    }
}
