//! The connection to Redis, and its watch: it is asked twice a second whether it still answers, and replaced
//! in the background when it does not. A cut network gives no reset, so silence is all there is to go by.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError, RedisResult};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::client::{ClientMaker, RedisOpenError};
use super::errors::{classify, ends_connection};
use crate::ports::{Link, LinkSender, StoreError, backoff, jitter, link};
use crate::settings::Settings;
use crate::system::OsRng;

/// First and largest pause between two attempts to connect.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));
/// Probes between two looks at the memory policy.
const POLICY_EVERY: u32 = 4;

/// The connection in use, if any.
#[derive(Debug)]
pub(super) struct RedisLink {
    shared: Arc<Shared>,
    link: Link,
    watcher: AbortHandle,
}

struct Shared {
    client: ClientMaker,
    probe_interval: Duration,
    probe_timeout: Duration,
    command_timeout: Duration,
    current: RwLock<Option<(MultiplexedConnection, u64)>>,
    /// A command found the connection useless.
    broken: Notify,
    sender: LinkSender,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("client", &self.client).finish_non_exhaustive()
    }
}

impl RedisLink {
    pub(super) fn open(settings: &Settings) -> Result<Self, RedisOpenError> {
        let (sender, link) = link();
        let shared = Arc::new(Shared {
            client: ClientMaker::new(settings)?,
            probe_interval: settings.probe_interval,
            probe_timeout: settings.probe_timeout,
            command_timeout: settings.redis_timeout,
            current: RwLock::new(None),
            broken: Notify::new(),
            sender,
        });
        let watcher = tokio::spawn(watch(Arc::clone(&shared))).abort_handle();
        Ok(Self { shared, link, watcher })
    }

    pub(super) fn watch(&self) -> Link {
        self.link.clone()
    }

    /// The live connection and its epoch.
    pub(super) fn connection(&self) -> Result<(MultiplexedConnection, u64), StoreError> {
        let current = self.shared.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone().ok_or_else(|| {
            let detail = self.link.state().detail;
            StoreError::Unsent(detail.unwrap_or_else(|| "no live connection".to_owned()))
        })
    }

    /// Notes a failed command, and says what it proves.
    pub(super) fn failed(&self, epoch: u64, error: &RedisError) -> StoreError {
        if ends_connection(error) {
            let current = self.shared.current.read().unwrap_or_else(PoisonError::into_inner);
            if current.as_ref().is_some_and(|(_, live)| *live == epoch) {
                self.shared.broken.notify_one();
            }
        }
        classify(error)
    }
}

impl Drop for RedisLink {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

/// Keeps a live connection in place, for ever.
async fn watch(shared: Arc<Shared>) {
    let (mut attempt, mut said) = (0_u32, false);
    loop {
        match shared.connect().await {
            Ok((connection, unfit)) => {
                attempt = 0;
                let ended = shared.serve(connection, unfit).await;
                shared.set(None);
                said = shared.sender.down(ended.clone());
                tracing::warn!(reason = %ended, "redis is down");
            }
            Err(error) => {
                // An outage is told of once, not with every attempt to end it.
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!(%error, "redis does not answer; trying on");
                }
                let pause = backoff(&OsRng, RETRY.0, RETRY.1, attempt);
                tracing::debug!(attempt, pause_ms = crate::ports::whole_millis(pause), %error, "redis is tried again after a pause");
                let _ = shared.sender.down(error);
                tokio::time::sleep(pause).await;
                attempt = attempt.saturating_add(1);
            }
        }
    }
}

impl Shared {
    fn set(&self, connection: Option<(MultiplexedConnection, u64)>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = connection;
    }

    /// A connection that answers, and why its server is unfit, if it is.
    async fn connect(&self) -> Result<(MultiplexedConnection, Option<String>), String> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.probe_timeout))
            .set_response_timeout(Some(self.command_timeout));
        let client = self.client.make().await?;
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = match timeout(self.probe_timeout, connecting).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(self.client.explain("connecting failed", &error)),
            Err(_) => return Err(format!("connecting took longer than {:?}", self.probe_timeout)),
        };
        let unfit = self.ask(policy(&mut connection)).await?;
        // INFO is answered by a server that refuses all else, e.g. while it loads its data.
        self.ask(ping(&mut connection)).await?;
        Ok((connection, unfit))
    }

    /// Puts the connection into use until it ends; returns why.
    async fn serve(&self, mut connection: MultiplexedConnection, unfit: Option<String>) -> String {
        // Whoever sees the link up must find the connection, so it is put in place first.
        let epoch = self.sender.next_epoch();
        // A complaint about the connection before this one must not end this one.
        let _ = self.broken.notified().now_or_never();
        self.set(Some((connection.clone(), epoch)));
        if self.sender.up() {
            tracing::info!(epoch, "redis is up");
        }
        self.note_fitness(unfit);
        for probe in 1_u32.. {
            tokio::select! {
                () = self.broken.notified() => return "a command got no answer".to_owned(),
                () = tokio::time::sleep(jitter(&OsRng, self.probe_interval)) => {}
            }
            let asked = if probe.is_multiple_of(POLICY_EVERY) {
                self.ask(policy(&mut connection)).await.map(|unfit| self.note_fitness(unfit))
            } else {
                self.ask(ping(&mut connection)).await
            };
            if let Err(error) = asked {
                return error;
            }
        }
        "probes are used up".to_owned()
    }

    async fn ask<T>(&self, question: impl Future<Output = RedisResult<T>>) -> Result<T, String> {
        match timeout(self.probe_timeout, question).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.client.explain("a probe failed", &error)),
            Err(_) => Err(format!("a probe got no answer in {:?}", self.probe_timeout)),
        }
    }

    fn note_fitness(&self, unfit: Option<String>) {
        let reason = unfit.clone();
        if self.sender.fitness(unfit) {
            if let Some(reason) = reason {
                tracing::error!(%reason, "redis is not fit for an outbox");
            } else {
                tracing::info!("redis is fit again");
            }
        }
    }
}

/// Does the server answer? It refuses PING as well when it cannot write to its disk, and still answers reads then.
async fn ping(connection: &mut MultiplexedConnection) -> RedisResult<()> {
    match redis::cmd("PING").query_async(connection).await {
        Err(error) if error.code() == Some("MISCONF") => Ok(()),
        answer => answer,
    }
}

/// Why the server would drop what it promised to keep, if it would.
async fn policy(connection: &mut MultiplexedConnection) -> RedisResult<Option<String>> {
    let info: String = redis::cmd("INFO").arg("memory").query_async(connection).await?;
    let policy = info.lines().find_map(|line| line.strip_prefix("maxmemory_policy:")).map_or("", str::trim);
    Ok(match policy {
        "" | "noeviction" => None,
        other => Some(format!("maxmemory-policy is {other}, which drops outbox rows; set it to noeviction")),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::cli::Cli;

    /// Answers like a Redis that loads its data: INFO as always, PING with a refusal.
    async fn load(stream: TcpStream) {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let answer = match line.as_str() {
                "INFO" => "$29\r\nmaxmemory_policy:noeviction\r\n\r\n",
                "PING" => "-LOADING Redis is loading the dataset in memory\r\n",
                "CLIENT" | "HELLO" | "SELECT" => "+OK\r\n",
                _ => continue,
            };
            if write.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    #[tokio::test]
    async fn a_server_that_loads_its_data_is_never_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("redis://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(load(stream));
            }
        });
        let link = RedisLink::open(&Cli::parse_from(["node", "--redis-url", &url]).settings).expect("a link");
        let mut watch = link.watch();
        assert!(timeout(Duration::from_secs(2), watch.wait_up()).await.is_err(), "it counts as up");
        let detail = link.watch().state().detail.unwrap_or_default();
        assert!(detail.contains("is loading the dataset"), "{detail}");
    }
}
