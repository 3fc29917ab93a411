//! Calls on containers: find, look, stop, start, kill, pause, restart, follow.

use std::collections::HashMap;
use std::time::Duration;

use bollard::query_parameters::{
    KillContainerOptionsBuilder, ListContainersOptionsBuilder, ListVolumesOptionsBuilder, LogsOptionsBuilder,
    RestartContainerOptionsBuilder, StatsOptionsBuilder, StopContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::{Stream, StreamExt, TryStreamExt};

use super::state::{self, ContainerState, PROJECT_LABEL, Publisher, Usage, Volume};
use super::{ACTION, Engine, EngineError, QUESTION};

impl Engine {
    /// All containers of a compose project, in whatever state, by service and number; no helpers of ours.
    pub async fn containers(&self, project: &str) -> Result<Vec<ContainerState>, EngineError> {
        let filters = HashMap::from([("label", vec![format!("{PROJECT_LABEL}={project}")])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let on = format!("project {project}");
        let listed = self.asked("list the containers of", &on, QUESTION, self.docker.list_containers(Some(options))).await?;
        let ids: Vec<String> = listed.into_iter().filter_map(|container| container.id).collect();
        let looks = ids.iter().map(|id| async {
            match self.inspect(id).await {
                // It went between the list and the look.
                Err(error) if error.is_not_found() => Ok(None),
                looked => looked.map(Some),
            }
        });
        let mut found: Vec<ContainerState> = try_join_all(looks).await?.into_iter().flatten().collect();
        found.retain(|container| !container.one_off && container.helper.is_none());
        found.sort_by(|a, b| (&a.service, a.number).cmp(&(&b.service, b.number)));
        Ok(found)
    }

    /// The volumes of a compose project.
    pub async fn volumes(&self, project: &str) -> Result<Vec<Volume>, EngineError> {
        let filters = HashMap::from([("label", vec![format!("{PROJECT_LABEL}={project}")])]);
        let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
        let on = format!("project {project}");
        let listed = self.asked("list the volumes of", &on, QUESTION, self.docker.list_volumes(Some(options))).await?;
        let volumes = listed.volumes.unwrap_or_default();
        Ok(volumes.into_iter().map(|volume| Volume { owner: state::owner(&volume.labels), name: volume.name }).collect())
    }

    /// The running container that publishes a TCP port of the host, of any project.
    pub async fn publisher(&self, port: u16) -> Result<Option<Publisher>, EngineError> {
        let options = ListContainersOptionsBuilder::new().build();
        let listed =
            self.asked("list the containers at", &self.host, QUESTION, self.docker.list_containers(Some(options))).await?;
        let found = listed.into_iter().find(|container| {
            let ports = container.ports.as_deref().unwrap_or_default();
            ports.iter().any(|published| published.public_port == Some(port))
        });
        Ok(found.map(|container| Publisher {
            name: container
                .names
                .unwrap_or_default()
                .first()
                .map(|name| name.trim_start_matches('/').to_owned())
                .unwrap_or_default(),
            project: container.labels.unwrap_or_default().get(PROJECT_LABEL).cloned(),
        }))
    }

    /// One container, by id or full name.
    pub async fn inspect(&self, id: &str) -> Result<ContainerState, EngineError> {
        let inspected = self.asked("inspect", &container(id), QUESTION, self.docker.inspect_container(id, None)).await?;
        Ok(ContainerState::from(inspected))
    }

    /// SIGTERM, and SIGKILL once the grace period has passed. Does nothing to a stopped container.
    pub async fn stop(&self, id: &str, grace: Duration) -> Result<(), EngineError> {
        let options = StopContainerOptionsBuilder::new().t(whole_seconds(grace)).build();
        self.asked("stop", &container(id), ACTION + grace, self.docker.stop_container(id, Some(options))).await
    }

    /// Does nothing to a container that runs.
    pub async fn start(&self, id: &str) -> Result<(), EngineError> {
        self.asked("start", &container(id), ACTION, self.docker.start_container(id, None)).await
    }

    /// Sends a signal (`SIGKILL`) to the container's first process. The engine then leaves it down, whatever its restart policy.
    pub async fn kill(&self, id: &str, signal: &str) -> Result<(), EngineError> {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        self.asked("kill", &container(id), ACTION, self.docker.kill_container(id, Some(options))).await
    }

    /// Freezes every process of a running container; refused for one that is frozen already.
    pub async fn pause(&self, id: &str) -> Result<(), EngineError> {
        self.asked("pause", &container(id), ACTION, self.docker.pause_container(id)).await
    }

    /// Refused for a container that is not frozen.
    pub async fn unpause(&self, id: &str) -> Result<(), EngineError> {
        self.asked("unpause", &container(id), ACTION, self.docker.unpause_container(id)).await
    }

    /// Stops with a grace period and starts again, in one call.
    pub async fn restart(&self, id: &str, grace: Duration) -> Result<(), EngineError> {
        let options = RestartContainerOptionsBuilder::new().t(whole_seconds(grace)).build();
        self.asked("restart", &container(id), ACTION + grace, self.docker.restart_container(id, Some(options))).await
    }

    /// Memory and CPU time at this moment.
    pub async fn usage(&self, id: &str) -> Result<Usage, EngineError> {
        let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
        let mut stats = std::pin::pin!(self.docker.stats(id, Some(options)));
        let first = tokio::time::timeout(QUESTION, stats.next()).await;
        match first {
            Ok(Some(Ok(stats))) => Ok(Usage::from(stats)),
            Ok(Some(Err(error))) => Err(EngineError::answered("measure", &container(id), &error)),
            Ok(None) => Err(EngineError::NotFound { call: "measure", on: container(id) }),
            Err(_) => Err(EngineError::Deadline { call: "measure", on: container(id), limit: QUESTION }),
        }
    }

    /// The end of what the container has written to both streams.
    pub async fn last_lines(&self, id: &str, lines: usize) -> Result<String, EngineError> {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&lines.to_string()).build();
        let chunks = self.docker.logs(id, Some(options)).try_fold(Vec::new(), |mut all, chunk| async move {
            all.extend_from_slice(&chunk.into_bytes());
            Ok(all)
        });
        let all = self.asked("read the log of", &container(id), QUESTION, chunks).await?;
        Ok(String::from_utf8_lossy(&all).into_owned())
    }

    /// The lines of both output streams, from the container's first one that is still kept, or from the second in which
    /// `since` (a [`LogLine::at`], or nothing) lies, until the container stops. After a start, follow again.
    pub fn follow_logs(&self, id: &str, since: &str) -> impl Stream<Item = Result<LogLine, EngineError>> + Send + use<> {
        let options = LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).timestamps(true).tail("all");
        let options = options.since(whole_second(since)).build();
        let on = container(id);
        self.docker.logs(id, Some(options)).map(move |chunk| match chunk {
            Ok(output) => Ok(LogLine::parse(output.into_bytes())),
            Err(error) => Err(EngineError::answered("follow the log of", &on, &error)),
        })
    }
}

/// One line as the engine kept it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When the engine read it: RFC 3339, UTC, of fixed width, so that times compare as text. Empty if it gave none.
    pub at: String,
    /// With its line feed.
    pub text: Bytes,
}

impl LogLine {
    fn parse(mut line: Bytes) -> Self {
        match line.iter().position(|byte| *byte == b' ') {
            Some(end) if line.first().is_some_and(u8::is_ascii_digit) => {
                let at = String::from_utf8_lossy(&line.split_to(end)).into_owned();
                Self { at, text: line.slice(1..) }
            }
            _ => Self { at: String::new(), text: line },
        }
    }
}

/// The engine's client takes whole seconds; 0 asks for everything.
fn whole_second(since: &str) -> i32 {
    since.parse::<jiff::Timestamp>().ok().and_then(|since| i32::try_from(since.as_second()).ok()).unwrap_or_default()
}

pub(super) fn container(id: &str) -> String {
    format!("container {id}")
}

fn whole_seconds(grace: Duration) -> i32 {
    i32::try_from(grace.as_secs()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_is_parted_from_its_time() {
        let line = LogLine::parse(Bytes::from_static(b"2026-11-24T08:24:06.120000000Z {\"a\": 1}\n"));
        assert_eq!(line.at, "2026-11-24T08:24:06.120000000Z");
        assert_eq!(line.text.as_ref(), b"{\"a\": 1}\n");
    }

    #[test]
    fn a_line_without_a_time_stays_whole() {
        let line = LogLine::parse(Bytes::from_static(b"plain text\n"));
        assert_eq!((line.at.as_str(), line.text.as_ref()), ("", &b"plain text\n"[..]));
    }

    #[test]
    fn following_again_starts_at_the_second_of_the_last_line() {
        assert_eq!(whole_second("1970-01-01T00:00:07.900000000Z"), 7);
        assert_eq!(whole_second(""), 0);
    }
}
