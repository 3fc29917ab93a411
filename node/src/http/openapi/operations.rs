//! Every operation: what it takes, and all that it can answer.

use serde_json::{Value, json};
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{Operation, OperationBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{RefOr, Required};

use super::parts::{
    API_KEY, BEARER, DOCUMENT, LAST_POSITION, OPERATION, ORDERS, answer, constant, content, in_path, not_now, number, problem,
    text, text_header,
};
use super::shapes::{AppliedOrder, Customer, FeedEvent, OrderPage};
use crate::error::Error;
use crate::http::health::Report;
use crate::http::routes::Route;
use crate::http::swagger::FILES;
use crate::order::{CustomerId, OrderId, OrderWire, PlacedWire, reference};

const OF_THE_STORE: &str = "Not now: the store is away, too many requests are under way, or the node is draining";

fn operation(id: &str, tag: &str, summary: &str, description: &str) -> OperationBuilder {
    OperationBuilder::new().operation_id(Some(id)).tag(tag).summary(Some(summary)).description(Some(description))
}

/// The GET of a route.
pub(super) fn get(route: Route) -> Operation {
    match route {
        Route::Orders => list(),
        Route::Order => order(),
        Route::Customer => customer(),
        Route::Events => events(),
        Route::Health => health("getHealth", "Health", "200 while orders are accepted: `up`, or `degraded` while NATS is away"),
        Route::Ready => {
            health("getReadiness", "Readiness", "The same as `/health`. It does not gate POST: an order is tried at any time")
        }
        Route::Live => live(),
        Route::Metrics => metrics(),
        Route::OpenApi => document(),
        Route::Swagger => swagger(),
        Route::SwaggerFile => swagger_file(),
    }
}

fn invalid(field: &'static str, detail: &str) -> Error {
    Error::Invalid { field: Some(field), detail: detail.to_owned() }
}

fn placed_example() -> Value {
    json!({
        "orderId": "order-001", "customerId": "customer-123", "amount": 99.99, "messageId": "7Qm2Jc0xWb4Zk9TtVd1s",
        "acceptedBy": "cluster-node-1", "acceptedAt": "2026-11-24T12:00:00.000001Z"
    })
}

fn applied_example() -> Value {
    let mut order = placed_example();
    let added = json!({"sequence": 1, "position": 1, "applied": 1, "appliedAt": "2026-11-24T12:00:00.004001Z"});
    if let (Some(order), Value::Object(added)) = (order.as_object_mut(), added) {
        order.extend(added);
    }
    order
}

/// `POST /api/orders`
pub(super) fn place(keys_are_needed: bool, body_limit: u32) -> Operation {
    let example = json!({"orderId": "order-001", "customerId": "customer-123", "amount": 99.99});
    let body = RequestBodyBuilder::new()
        .description(Some("One order. Checks run in this order: 401, 415, 413, 400, 422, 503."))
        .required(Some(Required::True))
        .content("application/json", content::<OrderWire<'_>>(Some(example)))
        .build();
    let location = text_header("Where the order is found, once this node has applied it");
    let replayed = constant("The order was accepted before, and this is the first answer again", "true");
    let challenge = text_header("How to show a key");
    let operation = operation(
        "placeOrder",
        ORDERS,
        "Place an order",
        "An `orderId` is accepted once: sending the same order again gives the first answer again.",
    )
    .request_body(Some(body))
    .response("201", answer::<PlacedWire<'_>>("Accepted, and durable", placed_example()).header("Location", location).build())
    .response(
        "200",
        answer::<PlacedWire<'_>>("Accepted before", placed_example()).header("Idempotent-Replayed", replayed).build(),
    )
    .response("400", problem("The body is not JSON", &Error::Malformed("the body is not JSON: EOF while parsing an object at line 1 column 1".to_owned())).build())
    .response("401", problem("The node asks for an API key, and none that is valid was shown", &Error::Unauthorized).header("WWW-Authenticate", challenge).build())
    .response("408", problem("The body did not arrive in time", &Error::SlowBody).build())
    .response("409", problem("The order exists with other content; nothing was written", &Error::Conflict { order_id: "order-001".to_owned() }).build())
    .response("413", problem(&format!("The body is larger than {body_limit} bytes"), &Error::TooLarge { limit: body_limit as usize }).build())
    .response("415", problem("The body is not said to be JSON", &Error::NotJson).build())
    .response("422", problem("The body is JSON, and no valid order", &invalid("amount", "amount must be above 0")).build())
    .response("503", not_now("Not now, and nothing was written: the store is away, the backlog is at its limit, too many requests are under way, or the node is starting or draining"))
    .response("504", problem("The order may or may not exist: send it again to find out", &Error::Indeterminate("no answer from the store: timed out".to_owned())).build());
    if !keys_are_needed {
        return operation.build();
    }
    let either = [API_KEY, BEARER].map(|name| SecurityRequirement::new::<_, [&str; 0], &str>(name, []));
    operation.securities(Some(either)).build()
}

fn list() -> Operation {
    let after = ObjectBuilder::new().maximum(Some(LAST_POSITION as f64)).default(Some(json!(0)));
    let limit = ObjectBuilder::new().default(Some(json!(100)));
    let example = json!({"orders": [applied_example()], "next": null});
    operation(
        "listOrders",
        ORDERS,
        "Orders that this node has applied",
        "In the order of application. Ask again with `after` = `next`, until `next` is null.",
    )
    .parameter(number("after", ParameterIn::Query, "The position to go on after", after))
    .parameter(number("limit", ParameterIn::Query, "How many at most; from 1 to 1000, to which it is clamped", limit))
    .response("200", answer::<OrderPage>("A page", example).build())
    .response(
        "422",
        problem("A parameter is no position or no number", &invalid("limit", "limit must be a whole number, not \"x\"")).build(),
    )
    .response("503", not_now(OF_THE_STORE))
    .build()
}

fn order() -> Operation {
    operation("getOrder", ORDERS, "An order, as this node has applied it", "Other nodes may be ahead, or behind.")
        .parameter(in_path::<OrderId>("orderId", "The order"))
        .response("200", answer::<AppliedOrder>("The order", applied_example()).build())
        .response(
            "404",
            problem(
                "This node has not applied such an order, at least not yet",
                &Error::NotFound("order order-001 is not applied on this node".into()),
            )
            .build(),
        )
        .response("503", not_now(OF_THE_STORE))
        .build()
}

fn customer() -> Operation {
    let example = json!({"customerId": "customer-123", "orders": 1, "total": 99.99});
    operation("getCustomer", ORDERS, "A customer's ledger", "The number and the sum of the orders that this node has applied.")
        .parameter(in_path::<CustomerId>("customerId", "The customer"))
        .response("200", answer::<Customer>("The ledger", example).build())
        .response(
            "404",
            problem(
                "This node has applied no order of such a customer, at least not yet",
                &Error::NotFound("customer customer-123 has no orders on this node".into()),
            )
            .build(),
        )
        .response("503", not_now(OF_THE_STORE))
        .build()
}

fn events() -> Operation {
    // What stands here is one event, as readers of such streams have it; comments are no events.
    let stream = ContentBuilder::new()
        .schema(Some(reference::<FeedEvent>()))
        .example(Some(json!(
            ": feed from 0\n\nid: 1\nevent: order-applied\ndata: {\"orderId\":\"order-001\",\"messageId\":\"7Qm2Jc0xWb4Zk9TtVd1s\",\
             \"sequence\":1,\"acceptedAt\":\"2026-11-24T12:00:00.000001Z\",\"appliedAt\":\"2026-11-24T12:00:00.004001Z\"}\n\n"
        )))
        .build();
    let feed =
        ResponseBuilder::new().description("The feed; it goes on until either side ends it").content("text/event-stream", stream);
    operation(
        "getEvents",
        ORDERS,
        "A feed of the orders that this node applies",
        "One event an order, in the order of application, and a comment at least every 2 s. Without `Last-Event-ID` it starts now. \
         A client that does not read is told so and disconnected; it resumes where it was, without a gap.",
    )
    .parameter(number("Last-Event-ID", ParameterIn::Header, "The position to go on after", ObjectBuilder::new()))
    .response("200", feed.build())
    .response("422", problem("`Last-Event-ID` is no position", &invalid("Last-Event-ID", "Last-Event-ID must be the id of an event")).build())
    .response("503", not_now("Not now: the store is away, there are too many feeds, or the node is draining"))
    .build()
}

fn health_example(status: &str) -> Value {
    let nats = if status == "degraded" { "down" } else { "up" };
    let redis = if status == "down" { "down" } else { "up" };
    json!({"status": status, "node": "cluster-node-1", "version": env!("CARGO_PKG_VERSION"), "checks": {"nats": nats, "redis": redis}})
}

fn health(id: &str, summary: &str, description: &str) -> Operation {
    operation(id, OPERATION, summary, description)
        .response("200", answer::<Report<'_>>("Orders are accepted", health_example("up")).build())
        .response("503", answer::<Report<'_>>("No order can be accepted", health_example("down")).build())
        .build()
}

fn live() -> Operation {
    operation("getLiveness", OPERATION, "Liveness", "200 while the process can serve, whatever it needs")
        .response("200", answer::<Report<'_>>("The process serves", health_example("up")).build())
        .build()
}

fn metrics() -> Operation {
    operation("getMetrics", OPERATION, "Metrics", "For Prometheus to scrape")
        .response("200", text("All that the node counts", "text/plain; version=0.0.4; charset=utf-8").build())
        .build()
}

fn document() -> Operation {
    let any = ObjectBuilder::new().schema_type(Type::Object).build();
    let kind = ContentBuilder::new().schema(Some(any)).build();
    let response = ResponseBuilder::new().description("OpenAPI 3.1").content("application/json", kind);
    operation("getDocument", DOCUMENT, "This document", "Made from the node's own types")
        .response("200", response.header("ETag", text_header("Changes with the document")).build())
        .response("304", ResponseBuilder::new().description("It is the one that `If-None-Match` names").build())
        .build()
}

fn swagger() -> Operation {
    let response = text("To the page", "text/plain; charset=utf-8").header("Location", constant("The page", "swagger/"));
    operation("getSwagger", DOCUMENT, "To the page", "The page's files lie below `/swagger/`")
        .response("308", response.build())
        .build()
}

fn swagger_file() -> Operation {
    let names = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(FILES)).build();
    let name = utoipa::openapi::path::ParameterBuilder::new()
        .name("file")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("A file of the page; without one it is the page itself"))
        .schema(Some(names))
        .build();
    let kinds = ["text/html; charset=utf-8", "text/css; charset=utf-8", "text/javascript; charset=utf-8", "image/png"];
    let file = kinds.into_iter().fold(ResponseBuilder::new().description("The file"), |response, kind| {
        response.content(kind, ContentBuilder::new().build())
    });
    operation("getSwaggerFile", DOCUMENT, "The page, and its files", "From the binary; no network is needed")
        .parameter(name)
        .response("200", file.header("ETag", text_header("Changes with the file")).build())
        .response("304", ResponseBuilder::new().description("It is the one that `If-None-Match` names").build())
        .response(
            "404",
            RefOr::T(problem("The page has no such file", &Error::NotFound("the page has no such file".into())).build()),
        )
        .build()
}
