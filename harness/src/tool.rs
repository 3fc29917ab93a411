//! Programs that we call: cargo, the compose tool, a package tool. Quiet while they work, quoted when they fail.

use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// The end of a failed program's output is where it says why.
const LAST_LINES: usize = 40;

#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    #[error("cannot run {program}: it is not installed, or not on PATH")]
    Missing { program: String },
    #[error("cannot run {program}: {error}")]
    Start { program: String, error: io::Error },
    #[error("{program} failed ({ended}):\n{output}")]
    Failed { program: String, ended: String, output: String },
    #[error("{program} did not end within {limit:?} and was killed; it had said:\n{output}")]
    Deadline { program: String, limit: Duration, output: String },
}

/// Runs a program to its end and returns what it wrote to standard output.
///
/// It gets no input, and a process group of its own: a Ctrl-C reaches the harness alone, which then decides.
///
/// # Errors
/// It is missing, fails, or outlives its limit; then it is killed.
pub async fn run(command: &mut Command, limit: Duration) -> Result<String, ToolError> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let spawned =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).process_group(0).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ToolError::Missing { program });
        }
        Err(error) => return Err(ToolError::Start { program, error }),
    };
    let (answer, all) = (Captured::default(), Captured::default());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ended = tokio::time::timeout(limit, async {
        let (status, (), ()) =
            tokio::join!(child.wait(), copy(stdout, [Some(&answer), Some(&all)]), copy(stderr, [None, Some(&all)]));
        status
    })
    .await;
    match ended {
        Ok(Ok(status)) if status.success() => Ok(answer.text()),
        Ok(Ok(status)) => Err(ToolError::Failed { program, ended: status.to_string(), output: all.last_lines() }),
        Ok(Err(error)) => Err(ToolError::Start { program, error }),
        Err(_) => Err(ToolError::Deadline { program, limit, output: all.last_lines() }),
    }
}

/// Output as it comes, kept even where the program has to be killed.
#[derive(Debug, Default, Clone)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn push(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    fn last_lines(&self) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }
}

async fn copy(from: Option<impl AsyncRead + Unpin>, into: [Option<&Captured>; 2]) {
    let Some(mut from) = from else { return };
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(read) = from.read(&mut chunk).await {
        if read == 0 {
            break;
        }
        for captured in into.into_iter().flatten() {
            captured.push(&chunk[..read]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn only_standard_output_is_the_answer() {
        let answer = run(&mut shell("echo told; echo noise >&2"), Duration::from_secs(5)).await.expect("it runs");
        assert_eq!(answer, "told\n");
    }

    #[tokio::test]
    async fn a_failure_is_quoted_with_both_streams() {
        let error = run(&mut shell("echo one; echo two >&2; exit 3"), Duration::from_secs(5)).await.expect_err("it fails");
        let text = error.to_string();
        assert!(text.contains("one") && text.contains("two") && text.contains("exit status: 3"), "{text}");
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed_and_quoted() {
        let error = run(&mut shell("echo so far; exec sleep 60"), Duration::from_millis(300)).await.expect_err("it hangs");
        assert!(matches!(&error, ToolError::Deadline { output, .. } if output == "so far"), "{error}");
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let error = run(&mut Command::new("no-such-program"), Duration::from_secs(5)).await.expect_err("it is missing");
        assert_eq!(error.to_string(), "cannot run no-such-program: it is not installed, or not on PATH");
    }
}
