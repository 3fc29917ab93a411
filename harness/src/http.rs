//! The harness's HTTP clients: what goes on the wire is one request, to the address that was named.

use std::error::Error;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, redirect, retry};

/// A body longer than this is none of ours.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub body: Bytes,
}

/// A request that brought no whole answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// No connection came about: the request was never sent.
    #[error("connecting to {url}: {detail}")]
    Connect { url: String, detail: String },
    #[error("asking {url}: no whole answer in time: {detail}")]
    Timeout { url: String, detail: String },
    #[error("asking {url}: {detail}")]
    Broken { url: String, detail: String },
    #[error("asking {url}: the answer exceeds {limit} bytes")]
    TooLong { url: String, limit: usize },
}

/// A client without retries, redirects and proxies, for questions whose whole answer arrives within `timeout`.
///
/// A request that found a kept connection already closed, and of which nothing was sent, is sent on a new one: that is
/// still one request on the wire.
#[must_use]
pub fn client(timeout: Duration) -> Client {
    built(builder().timeout(timeout).connect_timeout(timeout))
}

/// The same client for answers without an end; only connecting has a deadline, so the caller sets those for reading.
#[must_use]
pub fn streaming_client(connect_timeout: Duration) -> Client {
    built(builder().connect_timeout(connect_timeout).pool_max_idle_per_host(0))
}

fn builder() -> ClientBuilder {
    Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .http1_only()
        .tcp_nodelay(true)
        .referer(false)
        .user_agent(concat!("catga-harness/", env!("CARGO_PKG_VERSION")))
}

fn built(builder: ClientBuilder) -> Client {
    // Building fails on TLS roots and on resolvers, and this client has neither.
    builder.build().expect("a client without TLS and resolver can be built")
}

/// Asks for `url` and reads the whole answer.
///
/// # Errors
/// No whole answer came; see [`HttpError`].
pub async fn get(client: &Client, url: &str) -> Result<Reply, HttpError> {
    send(client.get(url), url).await
}

/// Sends a request and reads the whole answer; `url` is for the error's text.
///
/// # Errors
/// No whole answer came; see [`HttpError`].
pub async fn send(request: RequestBuilder, url: &str) -> Result<Reply, HttpError> {
    let response = request.send().await.map_err(|error| broken(url, &error))?;
    let status = response.status().as_u16();
    Ok(Reply { status, body: body(response, url).await? })
}

async fn body(mut response: Response, url: &str) -> Result<Bytes, HttpError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(url, &error))? {
        body.extend_from_slice(&chunk);
        if body.len() > BODY_LIMIT {
            return Err(HttpError::TooLong { url: url.to_owned(), limit: BODY_LIMIT });
        }
    }
    Ok(body.freeze())
}

/// Sorts what reqwest says into the cases that a caller has to tell apart.
#[must_use]
pub fn broken(url: &str, error: &reqwest::Error) -> HttpError {
    let url = url.to_owned();
    let detail = innermost(error);
    if error.is_connect() {
        HttpError::Connect { url, detail }
    } else if error.is_timeout() {
        HttpError::Timeout { url, detail }
    } else {
        HttpError::Broken { url, detail }
    }
}

/// The last cause: what it wraps around it only repeats the address.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
