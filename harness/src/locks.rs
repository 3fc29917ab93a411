//! Locks between processes: files that the kernel unlocks when their holder ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::poll;

const ASK_EVERY: Duration = Duration::from_millis(50);

/// Held until it is dropped, also by the end of the process. No child inherits it.
#[derive(Debug)]
#[must_use]
pub struct Lock {
    _file: File,
}

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("cannot lock {path}: {error}", path = path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{path} is held by {holder}", path = path.display())]
    Held { path: PathBuf, holder: String },
}

/// Takes the lock at once, and notes in its file who holds it: `guardian of runs/quick/…`.
///
/// # Errors
/// Somebody holds it, or the file cannot be made.
pub fn take(path: &Path, holder: &str) -> Result<Lock, LockError> {
    let failed = |error| LockError::Io { path: path.to_owned(), error };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    // Not truncated before it is ours: it names the holder.
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {
            // Who holds it is for people; a full disk keeps nobody from locking.
            let _ = note(&mut file, holder);
            Ok(Lock { _file: file })
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            Err(LockError::Held { path: path.to_owned(), holder: holder.trim().to_owned() })
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Takes the lock as soon as it is free; `told` is given the holder's words once, if somebody holds it.
///
/// # Errors
/// It is still held when `within` has passed, or the file cannot be made.
pub async fn wait(path: &Path, holder: &str, within: Duration, told: impl Fn(&str)) -> Result<Lock, LockError> {
    let mut last = match take(path, holder) {
        Err(LockError::Held { path, holder }) => {
            told(&holder);
            LockError::Held { path, holder }
        }
        other => return other,
    };
    let asked = poll::until(within, ASK_EVERY, || {
        let taken = match take(path, holder) {
            Err(held @ LockError::Held { .. }) => {
                last = held;
                Err(String::from("held"))
            }
            other => Ok(other),
        };
        std::future::ready(taken)
    });
    match asked.await {
        Ok(taken) => taken,
        Err(_) => Err(last),
    }
}

fn note(file: &mut File, holder: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{holder} (process {})", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_waits_for_the_first_and_is_told_who_it_is() {
        let folder = tempfile::tempdir().expect("temp dir");
        let path = folder.path().join("p.lock");
        let first = take(&path, "the first").expect("free");
        let held = take(&path, "the second").expect_err("held").to_string();
        let expected = format!("held by the first (process {})", std::process::id());
        assert!(held.ends_with(&expected), "{held}");

        let within = Duration::from_millis(200);
        let error = wait(&path, "the second", within, |holder| assert!(holder.starts_with("the first"))).await;
        assert!(matches!(error, Err(LockError::Held { .. })), "{error:?}");

        let waiting = wait(&path, "the second", Duration::from_secs(10), |_| {});
        let ((), second) = tokio::join!(
            async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                drop(first);
            },
            waiting
        );
        let second = second.expect("free at last");
        assert!(take(&path, "the third").expect_err("held").to_string().contains("the second"));
        drop(second);
    }
}
