//! Bodies: whole answers, and feeds that a channel fills.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::events::FeedBody;
use crate::error::Error;

/// How much, and for how long, a refused body is read on.
const DRAIN: usize = 256 * 1024;
const DRAIN_PATIENCE: Duration = Duration::from_millis(500);
/// Bytes of a paged answer that the connection gets at once.
const PIECE: usize = 16 * 1024;

/// The body of an answer.
pub(super) enum Answer {
    Whole(Full<Bytes>),
    /// A large one, handed to the connection in pieces, so that its place is taken until nearly all of it is sent.
    Paged {
        rest: Bytes,
        _place: OwnedSemaphorePermit,
    },
    Feed(FeedBody),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(context),
            Self::Paged { rest, .. } if rest.is_empty() => Poll::Ready(None),
            Self::Paged { rest, .. } => Poll::Ready(Some(Ok(Frame::data(rest.split_to(rest.len().min(PIECE)))))),
            Self::Feed(feed) => feed.poll_chunk(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Paged { rest, .. } => rest.is_empty(),
            Self::Feed(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Paged { rest, .. } => SizeHint::with_exact(rest.len() as u64),
            Self::Feed(_) => SizeHint::default(),
        }
    }
}

/// A whole answer of one content type.
pub(super) fn whole(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Answer> {
    let mut response = Response::new(Answer::Whole(Full::new(body.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

pub(super) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Answer> {
    whole(status, "application/json", body)
}

/// A JSON answer that is large and has a place.
pub(super) fn paged(body: String, place: OwnedSemaphorePermit) -> Response<Answer> {
    let mut response = Response::new(Answer::Paged { rest: body.into(), _place: place });
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The bytes of a JSON body of at most `limit`: first its type is checked, then its size.
pub(super) async fn read_json(headers: &HeaderMap, body: &mut Incoming, limit: usize, deadline: Instant) -> Result<Bytes, Error> {
    let too_large = Error::TooLarge { limit };
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let refusal = if !is_json(headers) {
        Some(Error::NotJson)
    } else if announced.is_some_and(|length| length > limit as u64) {
        Some(too_large.clone())
    } else {
        None
    };
    if let Some(refusal) = refusal {
        drain(body).await;
        return Err(refusal);
    }
    let read = timeout_at(deadline, Limited::new(&mut *body, limit).collect()).await;
    if matches!(&read, Ok(Err(error)) if error.is::<LengthLimitError>()) {
        drain(body).await;
    }
    match read {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large),
        Ok(Err(error)) => Err(Error::Malformed(format!("the body broke off: {error}"))),
        Err(_) => Err(Error::SlowBody),
    }
}

/// Reads on a little before a refusal: a connection closed over unread bytes is reset, and the answer lost with it.
pub(super) async fn drain(body: &mut Incoming) {
    let reading = async {
        let mut read = 0;
        while read < DRAIN
            && let Some(Ok(frame)) = body.frame().await
        {
            read += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    // Whoever sends more, or slower, has to live with a reset.
    let _ = tokio::time::timeout(DRAIN_PATIENCE, reading).await;
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_by_its_media_type() {
        let cases = [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", false),
            ("application/jsonp", false),
        ];
        for (value, expected) in cases {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]);
            assert_eq!(is_json(&headers), expected, "{value}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
