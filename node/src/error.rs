//! The one closed enum of what a request can fail with. HTTP maps it in `http/problem.rs`, and nowhere else.

use std::borrow::Cow;

use crate::ports::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("orders are taken with an API key only: X-Api-Key: KEY, or Authorization: Bearer KEY")]
    Unauthorized,
    #[error("the content type must be application/json")]
    NotJson,
    #[error("the body must be at most {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the body did not arrive in time")]
    SlowBody,
    #[error("{0}")]
    Malformed(String),
    #[error("{detail}")]
    Invalid { field: Option<&'static str>, detail: String },
    #[error("order {order_id} exists with other content")]
    Conflict { order_id: String },
    #[error("{0}")]
    NotFound(Cow<'static, str>),
    #[error("the method must be {allow}")]
    Method { allow: &'static str },
    /// Proven: nothing was written.
    #[error("{0}")]
    Unavailable(String),
    /// The order may or may not exist.
    #[error("{0}")]
    Indeterminate(String),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        if error.proves_nothing_written() { Self::Unavailable(error.to_string()) } else { Self::Indeterminate(error.to_string()) }
    }
}

impl Error {
    /// A read wrote nothing, so whatever the store's failure, the answer is "not now".
    #[must_use]
    pub fn of_read(error: &StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
