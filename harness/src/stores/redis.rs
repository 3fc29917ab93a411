//! Redis, asked on one connection that is made again whenever it broke; or what stands for it in memory.

mod control;

pub use control::Trial;

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, IntoConnectionInfo, Pipeline, RedisError, Value};
use tokio::time::timeout;

use super::{IN_MEMORY, StoreError};
use crate::cluster::Cluster;
use crate::embedded::Keyspace;
use crate::wire;

/// A connection to Redis. A question that failed is never asked again by itself.
#[derive(Debug)]
pub struct Redis {
    way: Way,
    address: String,
    patience: Duration,
}

#[derive(Debug)]
enum Way {
    Network { client: Box<Client>, connection: Option<MultiplexedConnection> },
    Memory(Keyspace),
}

impl Redis {
    /// The one of this cluster; further as [`Redis::new`].
    ///
    /// # Errors
    /// Its address is none.
    pub fn of(cluster: &Cluster, patience: Duration) -> Result<Self, StoreError> {
        match &cluster.memory {
            None => Self::new(&cluster.redis, patience),
            Some(services) => Ok(Self { way: Way::Memory(Keyspace::of(services)), address: IN_MEMORY.to_owned(), patience }),
        }
    }

    /// Names the server, `host:port`; connects with the first question. Connecting and each answer may take `patience`.
    ///
    /// # Errors
    /// `address` is none.
    pub fn new(address: &str, patience: Duration) -> Result<Self, StoreError> {
        let failed = |error: RedisError| StoreError::Redis {
            what: "naming the server",
            address: address.to_owned(),
            detail: error.to_string(),
        };
        let info = format!("redis://{address}").into_connection_info().map_err(failed)?;
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = Client::open(info).map_err(failed)?;
        Ok(Self { way: Way::Network { client: Box::new(client), connection: None }, address: address.to_owned(), patience })
    }

    /// Sends the commands of `pipeline` at once and reads all their answers.
    ///
    /// # Errors
    /// No connection, no answer in time, or a command that Redis refused. The next question gets a new connection.
    pub async fn ask<T: FromRedisValue>(&mut self, what: &'static str, pipeline: &Pipeline) -> Result<T, StoreError> {
        let patience = self.patience;
        let answer = timeout(patience * 2, self.ask_once(pipeline)).await;
        let detail = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {patience:?}"),
        };
        if let Way::Network { connection, .. } = &mut self.way {
            *connection = None;
        }
        Err(StoreError::Redis { what, address: self.address.clone(), detail })
    }

    async fn ask_once<T: FromRedisValue>(&mut self, pipeline: &Pipeline) -> Result<T, RedisError> {
        let (client, connection) = match &mut self.way {
            Way::Network { client, connection } => (client, connection),
            Way::Memory(keyspace) => return pipeline.query_async(keyspace).await,
        };
        let connection = match connection {
            Some(connection) => connection,
            empty => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(self.patience))
                    .set_response_timeout(Some(self.patience));
                let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
                // By this name faults tell us from the clients that they are about. A Redis that is busy with a script
                // refuses it, and must be asked all the same.
                let _ = redis::cmd("CLIENT").arg("SETNAME").arg(wire::redis::OURS).exec_async(&mut connection).await;
                empty.insert(connection)
            }
        };
        pipeline.query_async(connection).await
    }

    /// Reads one value of an answer that holds several kinds.
    ///
    /// # Errors
    /// It is of another kind.
    pub fn read<T: FromRedisValue>(&self, what: &'static str, value: Value) -> Result<T, StoreError> {
        let address = self.address.clone();
        redis::from_redis_value(value).map_err(|error| StoreError::Redis { what, address, detail: error.to_string() })
    }

    /// Every key that begins with `prefix`, each once.
    ///
    /// Redis gives every key that was there all the time; one that came or went meanwhile may be missing.
    ///
    /// # Errors
    /// As for [`Self::ask`].
    pub async fn keys(&mut self, what: &'static str, prefix: &str) -> Result<Vec<String>, StoreError> {
        let pattern = wire::keys::pattern(prefix);
        let mut keys = std::collections::HashSet::new();
        let mut cursor: u64 = 0;
        loop {
            let mut pipeline = redis::pipe();
            pipeline.cmd("SCAN").arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(2_000);
            let ((next, page),): ((u64, Vec<String>),) = self.ask(what, &pipeline).await?;
            keys.extend(page);
            cursor = next;
            if cursor == 0 {
                return Ok(keys.into_iter().collect());
            }
        }
    }
}
