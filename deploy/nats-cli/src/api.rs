//! Asks the server's API for streams. Answers are kept as they came, and read into what we print of them.

mod answers;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, ServerInfo};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub(crate) use answers::{Account, Consumer, Stream};

/// Entries come in pages; no server of ours has this many.
const PAGES: usize = 1000;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("this server has no JetStream for this account; it is started with `nats-server -js`")]
    NoJetStream,
    #[error("the server did not answer {subject} in time")]
    Silent { subject: String },
    #[error("cannot ask {subject}: {detail}")]
    Request { subject: String, detail: String },
    #[error("cannot read the server's answer to {subject}: {error}")]
    Answer { subject: String, error: serde_json::Error },
    #[error("there is no stream {0}; `nats stream ls` shows those there are")]
    NoStream(String),
    #[error("stream {stream} has no consumer {consumer}; `nats consumer ls {stream}` shows those there are")]
    NoConsumer { stream: String, consumer: String },
    #[error("the server refuses {subject}: {description} (code {code})")]
    Refused { subject: String, description: String, code: u64 },
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) raw: Value,
    subject: String,
}

impl Answer {
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        T::deserialize(&self.raw).map_err(|error| ApiError::Answer { subject: self.subject.clone(), error })
    }
}

#[derive(Debug)]
pub(crate) struct Api {
    client: Client,
}

const STREAM_NOT_FOUND: u64 = 10_059;
const CONSUMER_NOT_FOUND: u64 = 10_014;
const NOT_ENABLED: [u64; 2] = [10_039, 10_076];

impl Api {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    pub(crate) fn server(&self) -> ServerInfo {
        self.client.server_info()
    }

    pub(crate) async fn account(&self) -> Result<Answer, ApiError> {
        self.ask(String::from("$JS.API.INFO"), &Value::Null).await
    }

    pub(crate) async fn streams(&self) -> Result<Answer, ApiError> {
        self.ask_all(String::from("$JS.API.STREAM.LIST"), "streams").await
    }

    pub(crate) async fn stream(&self, name: &str) -> Result<Answer, ApiError> {
        let answer = self.ask(format!("$JS.API.STREAM.INFO.{name}"), &Value::Null).await;
        answer.map_err(|error| named(error, name, ""))
    }

    pub(crate) async fn consumers(&self, stream: &str) -> Result<Answer, ApiError> {
        let answer = self.ask_all(format!("$JS.API.CONSUMER.LIST.{stream}"), "consumers").await;
        answer.map_err(|error| named(error, stream, ""))
    }

    pub(crate) async fn consumer(&self, stream: &str, name: &str) -> Result<Answer, ApiError> {
        let answer = self.ask(format!("$JS.API.CONSUMER.INFO.{stream}.{name}"), &Value::Null).await;
        answer.map_err(|error| named(error, stream, name))
    }

    /// All pages of a list, as one array.
    async fn ask_all(&self, subject: String, field: &str) -> Result<Answer, ApiError> {
        let mut all = Vec::new();
        for _ in 0..PAGES {
            let mut page = self.ask(subject.clone(), &json!({"offset": all.len()})).await?;
            let total = page.raw.get("total").and_then(Value::as_u64).unwrap_or_default();
            let entries = match page.raw.get_mut(field).map(Value::take) {
                Some(Value::Array(entries)) => entries,
                _ => Vec::new(),
            };
            let last = entries.is_empty();
            all.extend(entries);
            if last || u64::try_from(all.len()).is_ok_and(|have| have >= total) {
                break;
            }
        }
        Ok(Answer { raw: Value::Array(all), subject })
    }

    async fn ask(&self, subject: String, request: &Value) -> Result<Answer, ApiError> {
        let payload = if request.is_null() { String::new() } else { request.to_string() };
        let message = match self.client.request(subject.clone(), payload.into()).await {
            Ok(message) => message,
            Err(error) => return Err(failed(subject, &error)),
        };
        let raw = match serde_json::from_slice::<Value>(&message.payload) {
            Ok(raw) => raw,
            Err(error) => return Err(ApiError::Answer { subject, error }),
        };
        match raw.get("error") {
            Some(error) => Err(refused(subject, error)),
            None => Ok(Answer { raw, subject }),
        }
    }
}

fn failed(subject: String, error: &async_nats::RequestError) -> ApiError {
    match error.kind() {
        RequestErrorKind::NoResponders => ApiError::NoJetStream,
        RequestErrorKind::TimedOut => ApiError::Silent { subject },
        _ => ApiError::Request { subject, detail: error.to_string() },
    }
}

fn refused(subject: String, error: &Value) -> ApiError {
    let number = |field: &str| error.get(field).and_then(Value::as_u64);
    let code = number("err_code").or_else(|| number("code")).unwrap_or_default();
    if NOT_ENABLED.contains(&code) {
        return ApiError::NoJetStream;
    }
    let description = error.get("description").and_then(Value::as_str).unwrap_or("without a reason").to_owned();
    ApiError::Refused { subject, description, code }
}

/// Says what was asked for where the server says only that it is not there.
fn named(error: ApiError, stream: &str, consumer: &str) -> ApiError {
    match error {
        ApiError::Refused { code: STREAM_NOT_FOUND, .. } => ApiError::NoStream(stream.to_owned()),
        ApiError::Refused { code: CONSUMER_NOT_FOUND, .. } => {
            ApiError::NoConsumer { stream: stream.to_owned(), consumer: consumer.to_owned() }
        }
        other => other,
    }
}
