//! The fault proxy between nodes and services, spoken to over its control interface, and looked through from outside.

mod probe;

use std::time::Duration;

use judge::plan::Link;
use proxy::{LinkState, Order, State};
use reqwest::Client;

use crate::http::{self, HttpError};

pub use probe::{Met, Probe, echo};

/// The proxy answers from memory.
const ANSWERS: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub enum LinksError {
    #[error("the fault proxy does not answer: {0}; is its container `links` running?")]
    Http(#[from] HttpError),
    #[error("the fault proxy answered {status} to {call}: {body}")]
    Refused { call: String, status: u16, body: String },
    #[error("the fault proxy answered {call} with what cannot be read: {error}")]
    Unread { call: String, error: serde_json::Error },
    #[error("the fault proxy has no listener {name}; it has: {known}")]
    Unknown { name: String, known: String },
}

/// The name of a node's listener for a service.
#[must_use]
pub fn listener(node: &str, link: Link) -> String {
    // Scaled nodes (`cluster-node.2`) share the listeners of their service.
    let service = node.split('.').next().unwrap_or(node);
    format!("{service}/{}", link.word())
}

/// The control interface of a fault proxy.
#[derive(Debug, Clone)]
pub struct Links {
    client: Client,
    url: String,
}

impl Links {
    /// At `http://127.0.0.1:20017`.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Self { client: http::client(ANSWERS), url: url.to_owned() }
    }

    /// The state of every listener.
    ///
    /// # Errors
    /// No answer.
    pub async fn all(&self) -> Result<Vec<LinkState>, LinksError> {
        let url = format!("{}/", self.url);
        let state: State = read("GET /", &http::get(&self.client, &url).await?)?;
        Ok(state.listeners)
    }

    /// The state of one listener.
    ///
    /// # Errors
    /// No answer, or there is no such listener.
    pub async fn look(&self, name: &str) -> Result<LinkState, LinksError> {
        let listeners = self.all().await?;
        let known = || listeners.iter().map(|listener| listener.name.as_str()).collect::<Vec<_>>().join(", ");
        let found = listeners.iter().find(|listener| listener.name == name);
        found.cloned().ok_or_else(|| LinksError::Unknown { name: name.to_owned(), known: known() })
    }

    /// Puts a rule in force, or renews it.
    ///
    /// # Errors
    /// No answer, or the proxy refused.
    pub async fn put(&self, name: &str, order: &Order) -> Result<LinkState, LinksError> {
        let url = self.rule_url(name);
        let request = self.client.put(&url).json(order);
        read(&format!("PUT /rules/{name}"), &http::send(request, &url).await?)
    }

    /// Takes a listener's rule away, if it has one.
    ///
    /// # Errors
    /// No answer, or there is no such listener.
    pub async fn remove(&self, name: &str) -> Result<LinkState, LinksError> {
        let url = self.rule_url(name);
        read(&format!("DELETE /rules/{name}"), &http::send(self.client.delete(&url), &url).await?)
    }

    fn rule_url(&self, name: &str) -> String {
        format!("{}/rules/{name}", self.url)
    }
}

fn read<T: serde::de::DeserializeOwned>(call: &str, reply: &http::Reply) -> Result<T, LinksError> {
    if reply.status != 200 {
        let body = String::from_utf8_lossy(&reply.body).into_owned();
        return Err(LinksError::Refused { call: call.to_owned(), status: reply.status, body });
    }
    serde_json::from_slice(&reply.body).map_err(|error| LinksError::Unread { call: call.to_owned(), error })
}
