//! Running a command in a container that runs.

use std::time::Duration;

use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use futures_util::TryStreamExt;

use super::containers::container;
use super::{Engine, EngineError, QUESTION};

/// What a command may write before the rest is left out: it is read to be told to a person.
const OUTPUT_LIMIT: usize = 64 * 1024;

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    pub code: i64,
    /// Of both streams, in the order in which they were written.
    pub output: String,
}

impl Engine {
    /// Runs a command in a container, by its own user, and waits until it ends. One that does not end within `limit`
    /// goes on; let the command itself have a limit.
    ///
    /// # Errors
    /// The container is not there or does not run, or the command does not end in time. A program that cannot be found
    /// or started ends with a code of 126 or 127.
    pub async fn exec(&self, id: &str, words: &[&str], limit: Duration) -> Result<Ran, EngineError> {
        let on = format!("`{}` in {}", words.join(" "), container(id));
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(words.iter().map(|word| (*word).to_owned()).collect()),
            ..Default::default()
        };
        let exec = self.asked("prepare", &on, QUESTION, self.docker.create_exec(id, config)).await?;
        let started = self.docker.start_exec(&exec.id, None::<StartExecOptions>);
        let output = async {
            let StartExecResults::Attached { output, .. } = started.await? else { return Ok(Vec::new()) };
            let gathered = output.try_fold(Vec::new(), |mut all, chunk| async move {
                let chunk = chunk.into_bytes();
                all.extend_from_slice(&chunk[..chunk.len().min(OUTPUT_LIMIT.saturating_sub(all.len()))]);
                Ok(all)
            });
            gathered.await
        };
        let output = self.asked("run", &on, limit, output).await?;
        let ended = self.asked("look at", &on, QUESTION, self.docker.inspect_exec(&exec.id)).await?;
        let Some(code) = ended.exit_code.filter(|_| ended.running != Some(true)) else {
            let answer = String::from("that it has not ended, though its output has");
            return Err(EngineError::Refused { call: "run", on, status: None, answer });
        };
        Ok(Ran { code, output: String::from_utf8_lossy(&output).into_owned() })
    }
}
