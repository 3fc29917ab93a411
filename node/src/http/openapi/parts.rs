//! Parts that operations share.

use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::content::{Content, ContentBuilder};
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Required, Schema};

use crate::error::Error;
use crate::http::problem::{Problem, Refused, body};
use crate::order::reference;

pub(super) const ORDERS: &str = "orders";
pub(super) const OPERATION: &str = "operation";
pub(super) const DOCUMENT: &str = "document";
pub(super) const API_KEY: &str = "apiKey";
pub(super) const BEARER: &str = "bearer";

/// Largest position: numbers are exact in the store's scripts only up to here.
pub(super) const LAST_POSITION: u64 = 1 << 53;

pub(super) fn content<T: ToSchema>(example: Option<Value>) -> Content {
    ContentBuilder::new().schema(Some(reference::<T>())).example(example).build()
}

/// An answer with a JSON body.
pub(super) fn answer<T: ToSchema>(description: &str, example: Value) -> ResponseBuilder {
    ResponseBuilder::new().description(description).content("application/json", content::<T>(Some(example)))
}

/// An answer with a body of text.
pub(super) fn text(description: &str, kind: &str) -> ResponseBuilder {
    let schema = ObjectBuilder::new().schema_type(Type::String).build();
    ResponseBuilder::new().description(description).content(kind, ContentBuilder::new().schema(Some(schema)).build())
}

/// An answer that says why a request failed, with what it says for example.
pub(super) fn problem(description: &str, example: &Error) -> ResponseBuilder {
    let example = serde_json::from_slice(&body(&Refused::from(example.clone()))).ok();
    ResponseBuilder::new().description(description).content("application/problem+json", content::<Problem<'_>>(example))
}

/// "Not now", which is always with the time after which to try again.
pub(super) fn not_now(description: &str) -> Response {
    let example = Error::Unavailable("store not reached: connecting failed".to_owned());
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).build();
    problem(description, &example).header("Retry-After", header("Seconds after which to try again", seconds)).build()
}

pub(super) fn header(description: &str, schema: impl Into<RefOr<Schema>>) -> Header {
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}

/// A header that has this one value.
pub(super) fn constant(description: &str, value: &str) -> Header {
    header(description, ObjectBuilder::new().schema_type(Type::String).enum_values(Some([value])).build())
}

pub(super) fn text_header(description: &str) -> Header {
    header(description, ObjectBuilder::new().schema_type(Type::String).build())
}

pub(super) fn in_path<T: ToSchema>(name: &str, description: &str) -> Parameter {
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
    parameter.description(Some(description)).schema(Some(reference::<T>())).build()
}

/// An optional whole number at or above 0.
pub(super) fn number(name: &str, place: ParameterIn, description: &str, schema: ObjectBuilder) -> Parameter {
    let schema = schema.schema_type(Type::Integer).minimum(Some(0)).build();
    let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(Required::False);
    parameter.description(Some(description)).schema(Some(schema)).build()
}
