//! The session in use, and its watch: the stream is asked twice a second whether it still answers, and the
//! session is replaced in the background when it does not.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::task::AbortHandle;

use super::client::NatsOpenError;
use super::connection::{Connector, Session};
use super::stream::NoStream;
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
    let (mut attempt, mut said) = (0_u32, Said::default());
    loop {
        match connector.connect().await {
            Ok(session) => {
                attempt = 0;
                let session = Arc::new(session);
                set(Some(Arc::clone(&session)));
                if sender.up() {
                    tracing::info!(stream = %session.found.identity, "nats is up");
                }
                note_fitness(&sender, session.found.unfit.clone());
                let ended = serve(&connector, &session, &sender).await;
                set(None);
                let was_up = sender.down(ended.clone());
                tracing::warn!(reason = %ended, "nats is down");
                said = Said { outage: was_up, unusable: Some(ended) };
            }
            Err(error) => {
                said.tell(&error);
                let _ = sender.down(error.to_string());
                let pause = backoff(&OsRng, RETRY.0, RETRY.1, attempt);
                tracing::debug!(attempt, pause_ms = crate::ports::whole_millis(pause), %error, "nats is tried again after a pause");
                tokio::time::sleep(pause).await;
                attempt = attempt.saturating_add(1);
            }
        }
    }
}

/// What was said of the present outage: it is told of once, not with every attempt to end it.
#[derive(Debug, Default)]
struct Said {
    outage: bool,
    unusable: Option<String>,
}

impl Said {
    fn tell(&mut self, error: &NoStream) {
        match error {
            // Waiting does not help here, somebody has to act: that is told whatever was said before.
            NoStream::Unusable(why) if self.unusable.as_deref() != Some(why) => {
                tracing::error!(reason = %why, "the stream is refused; orders wait in the outbox");
                *self = Self { outage: true, unusable: Some(why.clone()) };
            }
            NoStream::NoAnswer(_) if !self.outage => {
                tracing::warn!(%error, "nats does not answer; trying on");
                self.outage = true;
            }
            _ => {}
        }
    }
}

fn note_fitness(sender: &LinkSender, unfit: Option<String>) {
    let reason = unfit.clone();
    if sender.fitness(unfit) {
        if let Some(reason) = reason {
            tracing::error!(%reason, "nats is not set up as orders need it");
        } else {
            tracing::info!("nats is set up as orders need it again");
        }
    }
}

/// Watches a session until it ends; returns why. The end is listened for during a probe, too: the client connects once
/// more by itself, and the probe would be answered on a connection that this session is not about.
async fn serve(connector: &Connector, session: &Session, sender: &LinkSender) -> String {
    let probing = async {
        loop {
            tokio::time::sleep(jitter(&OsRng, connector.probe_interval)).await;
            match connector.probe(session).await {
                Ok(unfit) => note_fitness(sender, unfit),
                Err(error) => return error,
            }
        }
    };
    tokio::select! {
        biased;
        () = session.ended.notified() => "the connection ended".to_owned(),
        error = probing => error,
    }
}
