//! The document at `/openapi.json`, in the words of `OpenAPI` 3.1: made from the routes and from the types that the answers are made of.

mod operations;
mod parts;
mod shapes;

use bytes::Bytes;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Response};
use utoipa::openapi::path::{HttpMethod, PathItem, Paths};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::server::Server;
use utoipa::openapi::{Components, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, tag::TagBuilder};

use super::App;
use super::auth::Keys;
use super::body::Answer;
use super::routes::Route;
use super::swagger::{tag, tagged};
use crate::ports::Ports;
use crate::settings::Settings;

const ABOUT: &str = "One node of a Catga cluster. An order is durable when it is answered; every node applies it once, a little \
    later, and shows it in its own projection. An answer says what is certain: 201 and 200 accepted, 4xx and 503 nothing \
    was written, 504 the order may or may not exist. The same request may always be sent again: an `orderId` is accepted once. \
    Every GET answers HEAD as well.";

/// The document as it is served.
pub(super) struct Document {
    bytes: Bytes,
    tag: HeaderValue,
}

impl Document {
    pub(super) fn new(keys: &Keys, settings: &Settings) -> Self {
        let document = describe(keys.are_needed(), settings.body_limit);
        let bytes = Bytes::from(document.to_json().unwrap_or_default());
        let tag = tag(&bytes).unwrap_or(HeaderValue::from_static("\"0\""));
        Self { bytes, tag }
    }
}

/// `/openapi.json`
pub(super) fn document<P: Ports>(app: &App<P>, headers: &HeaderMap) -> Response<Answer> {
    tagged(headers, &app.document.tag, HeaderValue::from_static("application/json"), &app.document.bytes)
}

fn describe(keys_are_needed: bool, body_limit: u32) -> OpenApi {
    let mut paths = Paths::new();
    for route in Route::ALL {
        let mut item = PathItem::new(HttpMethod::Get, operations::get(route));
        if route == Route::Orders {
            item.post = Some(operations::place(keys_are_needed, body_limit));
        }
        paths.paths.insert(route.template().to_owned(), item);
    }
    let info = InfoBuilder::new().title("Catga cluster node").version(env!("CARGO_PKG_VERSION")).description(Some(ABOUT));
    let licence = LicenseBuilder::new().name("MIT").identifier(Some("MIT")).build();
    let named = |(name, description): (&str, &str)| TagBuilder::new().name(name).description(Some(description)).build();
    let tags = [
        (parts::ORDERS, "Placing orders, and what this node has applied of them"),
        (parts::OPERATION, "How the node is"),
        (parts::DOCUMENT, "What you are reading"),
    ];
    let mut components = shapes::components();
    if keys_are_needed {
        add_schemes(&mut components);
    }
    OpenApiBuilder::new()
        .info(info.license(Some(licence)).build())
        // Relative to wherever the document was fetched from, so that the page can try out any node.
        .servers(Some([Server::new("/")]))
        .paths(paths)
        .components(Some(components))
        .tags(Some(tags.map(named)))
        .build()
}

fn add_schemes(components: &mut Components) {
    let key = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description("X-Api-Key", "One of the node's API keys")));
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("The same key as a bearer token")).build();
    components.add_security_scheme(parts::API_KEY, key);
    components.add_security_scheme(parts::BEARER, SecurityScheme::Http(bearer));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn document(keys: bool) -> Value {
        serde_json::to_value(describe(keys, 16_384)).expect("JSON")
    }

    #[test]
    fn every_route_and_method_has_its_entry_and_no_entry_is_without_one() {
        let document = document(false);
        let described: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .expect("paths")
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().expect("operations").keys().map(move |method| (path.clone(), method.clone()))
            })
            .collect();
        let served = Route::ALL.into_iter().flat_map(|route| {
            // HEAD is GET without the body, and said once for all.
            let methods = route.allow().split(", ").filter(|method| *method != "HEAD");
            methods.map(move |method| (route.template().to_owned(), method.to_ascii_lowercase()))
        });
        assert_eq!(described, served.collect::<BTreeSet<_>>());
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_operation_is_named_once() {
        let document = document(true);
        let text = document.to_string();
        for reference in text.split(r##""$ref":"#"##).skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
        let operations = document["paths"].as_object().expect("paths").values().flat_map(|item| {
            item.as_object().expect("operations").values().map(|operation| operation["operationId"].as_str().expect("an id"))
        });
        let operations: Vec<&str> = operations.collect();
        assert_eq!(operations.iter().collect::<BTreeSet<_>>().len(), operations.len(), "{operations:?}");
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["servers"][0]["url"], "/");
    }

    #[test]
    fn keys_are_asked_for_where_they_are_needed() {
        let (open, locked) = (document(false), document(true));
        assert!(open["paths"]["/api/orders"]["post"]["security"].is_null() && open["components"]["securitySchemes"].is_null());
        assert_eq!(locked["paths"]["/api/orders"]["post"]["security"].as_array().map(Vec::len), Some(2));
        assert!(locked["paths"]["/api/orders"]["get"]["security"].is_null());
        assert_eq!(locked["components"]["securitySchemes"].as_object().map(serde_json::Map::len), Some(2));
    }

    #[test]
    fn bounds_are_those_that_are_checked() {
        let document = document(false);
        let schemas = &document["components"]["schemas"];
        assert_eq!((&schemas["OrderId"]["maxLength"], &schemas["NodeId"]["maxLength"]), (&128.into(), &32.into()));
        assert_eq!(schemas["Amount"]["maximum"], 1_000_000_000);
        assert_eq!(schemas["Amount"]["exclusiveMinimum"], 0);
        assert_eq!(schemas["NewOrder"]["additionalProperties"], false);
        assert_eq!(schemas["NewOrder"]["required"], serde_json::json!(["orderId", "customerId", "amount"]));
        let example = &document["paths"]["/api/orders"]["post"]["requestBody"]["content"]["application/json"]["example"];
        let order = crate::order::parse_order(example.to_string().as_bytes()).expect("the example is an order");
        assert_eq!((order.order_id.as_str(), order.canonical().as_str()), ("order-001", "customer-123 9999"));
    }
}
