//! Calls on images: look, pull, import from a root file system, copy a file out, remove.

use std::path::Path;
use std::time::Duration;

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    BuildImageOptionsBuilder, CreateImageOptions, CreateImageOptionsBuilder, DownloadFromContainerOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder, TagImageOptionsBuilder,
};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, TryStreamExt};
use tokio::io::AsyncReadExt;

use super::{ACTION, Engine, EngineError, QUESTION};

/// Between two signs of life of a pull: layers are downloaded with progress messages.
const PULL_SILENCE: Duration = Duration::from_secs(60);
const PULL_WHOLE: Duration = Duration::from_secs(600);
const IMPORT: Duration = Duration::from_secs(300);
/// Per read of a root file system on its way to the engine.
const CHUNK: usize = 256 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    pub id: String,
    pub size_bytes: u64,
}

/// An image made of one root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportSpec<'a> {
    /// `name:tag`.
    pub tag: &'a str,
    pub message: &'a str,
    /// Dockerfile instructions that set the image's configuration: `USER`, `ENTRYPOINT`, `LABEL` and the like.
    pub changes: Vec<String>,
}

impl Engine {
    /// `None` if this machine does not have it.
    pub async fn image(&self, tag: &str) -> Result<Option<ImageFacts>, EngineError> {
        match self.asked("inspect", &image(tag), QUESTION, self.docker.inspect_image(tag)).await {
            Ok(found) => Ok(Some(ImageFacts {
                id: found.id.unwrap_or_default(),
                size_bytes: found.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
            })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub async fn image_exists(&self, tag: &str) -> Result<bool, EngineError> {
        Ok(self.image(tag).await?.is_some())
    }

    /// Fetches an image; `first` is how long the registry may take to say anything at all.
    pub async fn pull(&self, tag: &str, first: Duration) -> Result<(), EngineError> {
        let (repo, version) = split_tag(tag);
        let options = CreateImageOptionsBuilder::new().from_image(repo).tag(version).build();
        let started = tokio::time::Instant::now();
        let mut events = std::pin::pin!(self.docker.create_image(Some(options), None, None));
        let mut limit = first;
        loop {
            if started.elapsed() > PULL_WHOLE {
                return Err(EngineError::Deadline { call: "pull", on: image(tag), limit: PULL_WHOLE });
            }
            match tokio::time::timeout(limit, events.next()).await {
                Ok(None) => return Ok(()),
                Ok(Some(Ok(_))) => limit = PULL_SILENCE,
                Ok(Some(Err(error))) => {
                    return Err(EngineError::answered("pull", &image(tag), &error));
                }
                Err(_) => {
                    return Err(EngineError::Deadline { call: "pull", on: image(tag), limit });
                }
            }
        }
    }

    /// Asks the image's registry whether it has it, without fetching it.
    pub async fn registry_has(&self, tag: &str, limit: Duration) -> Result<(), EngineError> {
        self.asked("ask the registry for", &image(tag), limit, self.docker.inspect_registry_image(tag, None)).await.map(drop)
    }

    /// Makes an image of a tar archive in memory.
    pub async fn import_bytes(&self, spec: &ImportSpec<'_>, tar: Bytes) -> Result<(), EngineError> {
        let docker = self.docker.clone().with_timeout(IMPORT);
        let events = docker.create_image(Some(import_options(spec)), Some(bollard::body_full(tar)), None);
        self.drained("import", spec.tag, events).await
    }

    /// Makes an image of a tar archive on disk, without holding it in memory.
    pub async fn import_file(&self, spec: &ImportSpec<'_>, tar: &Path) -> Result<(), EngineError> {
        let file = tokio::fs::File::open(tar).await.map_err(|error| EngineError::Refused {
            call: "read for an import",
            on: tar.display().to_string(),
            status: None,
            answer: error.to_string(),
        })?;
        let chunks = futures_util::stream::try_unfold(file, |mut file| async move {
            let mut chunk = BytesMut::with_capacity(CHUNK);
            let read = file.read_buf(&mut chunk).await?;
            Ok((read > 0).then(|| (chunk.freeze(), file)))
        });
        let docker = self.docker.clone().with_timeout(IMPORT);
        let events = docker.create_image(Some(import_options(spec)), Some(bollard::body_try_stream(chunks)), None);
        self.drained("import", spec.tag, events).await
    }

    /// Makes an image of a build context: a tar archive in memory with a `Dockerfile` in it.
    pub async fn build(&self, tag: &str, context: Bytes) -> Result<(), EngineError> {
        let docker = self.docker.clone().with_timeout(IMPORT);
        let options = BuildImageOptionsBuilder::new().t(tag).rm(true).forcerm(true).build();
        let events = docker.build_image(options, None, Some(bollard::body_full(context)));
        self.drained("build", tag, events).await
    }

    /// One regular file out of an image.
    pub async fn file_from_image(&self, tag: &str, path: &str) -> Result<Vec<u8>, EngineError> {
        // Never started: the command only has to be there for an image that names none.
        let body = ContainerCreateBody {
            image: Some(tag.to_owned()),
            entrypoint: Some(vec![String::from("/none")]),
            ..Default::default()
        };
        let created = self.asked("make a container of", &image(tag), ACTION, self.docker.create_container(None, body)).await?;
        let copied = self.file_from_container(&created.id, path).await;
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let removed = self.asked("remove", &created.id, ACTION, self.docker.remove_container(&created.id, Some(options))).await;
        let file = copied?;
        removed?;
        Ok(file)
    }

    /// Gives an image a second name.
    pub async fn tag(&self, from: &str, to: &str) -> Result<(), EngineError> {
        let (repo, version) = split_tag(to);
        let options = TagImageOptionsBuilder::new().repo(repo).tag(version).build();
        self.asked("tag", &image(from), ACTION, self.docker.tag_image(from, Some(options))).await
    }

    /// Removes a tag, and the image with its last one. Does nothing if there is none.
    pub async fn remove_image(&self, tag: &str) -> Result<(), EngineError> {
        let options = RemoveImageOptionsBuilder::new().build();
        match self.asked("remove", &image(tag), ACTION, self.docker.remove_image(tag, Some(options), None)).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    async fn file_from_container(&self, id: &str, path: &str) -> Result<Vec<u8>, EngineError> {
        let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
        let archive = self.docker.download_from_container(id, Some(options));
        let archive = archive.try_fold(BytesMut::new(), |mut all, chunk| async move {
            all.extend_from_slice(&chunk);
            Ok(all)
        });
        let archive = self.asked("copy a file from", id, ACTION, archive).await?;
        single_file(&archive).map_err(|answer| EngineError::Refused { call: "copy", on: path.to_owned(), status: None, answer })
    }

    async fn drained<T>(
        &self,
        call: &'static str,
        tag: &str,
        events: impl Stream<Item = Result<T, bollard::errors::Error>>,
    ) -> Result<(), EngineError> {
        self.asked(call, &image(tag), IMPORT, events.try_for_each(|_| async { Ok(()) })).await
    }
}

fn import_options(spec: &ImportSpec<'_>) -> CreateImageOptions {
    let (repo, version) = split_tag(spec.tag);
    CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo(repo)
        .tag(version)
        .message(spec.message)
        .changes(spec.changes.clone())
        .build()
}

/// A colon in the last part of the path starts the tag; before that it belongs to a registry's port.
fn split_tag(tag: &str) -> (&str, &str) {
    match tag.rsplit_once(':') {
        Some((repo, version)) if !version.contains('/') => (repo, version),
        _ => (tag, "latest"),
    }
}

fn single_file(archive: &[u8]) -> Result<Vec<u8>, String> {
    let mut archive = tar::Archive::new(archive);
    let mut entries = archive.entries().map_err(|error| error.to_string())?;
    let mut entry = entries.next().ok_or("an empty archive")?.map_err(|error| error.to_string())?;
    if !entry.header().entry_type().is_file() {
        return Err(String::from("something that is not a regular file"));
    }
    let mut content = Vec::new();
    std::io::Read::read_to_end(&mut entry, &mut content).map_err(|error| error.to_string())?;
    Ok(content)
}

fn image(tag: &str) -> String {
    format!("image {tag}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_split_from_its_image_and_a_registry_port_is_not() {
        assert_eq!(split_tag("nats:2.12-alpine"), ("nats", "2.12-alpine"));
        assert_eq!(split_tag("catga/node:abc"), ("catga/node", "abc"));
        assert_eq!(split_tag("host:5000/nats"), ("host:5000/nats", "latest"));
        assert_eq!(split_tag("redis"), ("redis", "latest"));
    }
}
