//! The session in use, and its watch: the stream is asked twice a second whether it still answers, and the
//! session is replaced in the background when it does not.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::task::AbortHandle;

use super::client::NatsOpenError;
use super::connection::{Connector, Session};
use crate::order::NodeId;
use crate::ports::{BusError, Link, LinkSender, backoff, jitter, link};
use crate::settings::Settings;
use crate::system::OsRng;

/// First and largest pause between two attempts to connect.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));

#[derive(Debug)]
pub(super) struct NatsLink {
    current: Arc<RwLock<Option<Arc<Session>>>>,
    link: Link,
    watcher: AbortHandle,
}

impl NatsLink {
    pub(super) fn open(settings: &Settings, node: &NodeId) -> Result<Self, NatsOpenError> {
        let connector = Connector::new(settings, node)?;
        let (sender, link) = link();
        let current = Arc::new(RwLock::new(None));
        let watcher = tokio::spawn(watch(connector, Arc::clone(&current), sender)).abort_handle();
        Ok(Self { current, link, watcher })
    }

    pub(super) fn watch(&self) -> Link {
        self.link.clone()
    }

    pub(super) fn session(&self) -> Result<Arc<Session>, BusError> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone().ok_or_else(|| BusError::Down(self.link.state().detail.unwrap_or_else(|| "no live connection".to_owned())))
    }
}

impl Drop for NatsLink {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

/// Keeps a live session in place, for ever.
async fn watch(connector: Connector, current: Arc<RwLock<Option<Arc<Session>>>>, sender: LinkSender) {
    let set = |session| *current.write().unwrap_or_else(PoisonError::into_inner) = session;
    let (mut attempt, mut said) = (0, false);
    loop {
        match connector.connect().await {
            Ok(session) => {
                attempt = 0;
                let session = Arc::new(session);
                set(Some(Arc::clone(&session)));
                if sender.up() {
                    tracing::info!(stream = %session.identity, "nats is up");
                }
                let ended = serve(&connector, &session).await;
                set(None);
                said = sender.down(ended.clone());
                tracing::warn!(reason = %ended, "nats is down");
            }
            Err(error) => {
                // An outage is told of once, not with every attempt to end it.
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!(%error, "nats does not answer; trying on");
                }
                let _ = sender.down(error);
                tokio::time::sleep(backoff(&OsRng, RETRY.0, RETRY.1, attempt)).await;
                attempt += 1;
            }
        }
    }
}

/// Watches a session until it ends; returns why.
async fn serve(connector: &Connector, session: &Session) -> String {
    loop {
        tokio::select! {
            () = session.ended.notified() => return "the connection ended".to_owned(),
            () = tokio::time::sleep(jitter(&OsRng, connector.probe_interval)) => {}
        }
        if let Err(error) = connector.probe(session).await {
            return error;
        }
    }
}
