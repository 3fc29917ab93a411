//! The document and its page, as a node serves them.

use reqwest::StatusCode;
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use crate::feed::Feed;
use crate::proxy::{Mode, Proxy};
use crate::space::{Node, Space, authority, order, redis_url};

/// What is wrong with `value` by `schema`, for the words of JSON Schema that our document uses; a word that is not known
/// here is wrong, too.
fn faults(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |what: String| faults.push(format!("{at}: {what}: {value}"));
    let number = |bound: &Value| (value.as_f64().unwrap_or(f64::NAN), bound.as_f64().unwrap_or(f64::NAN));
    let length = value.as_str().map_or(0, |text| text.chars().count() as u64);
    for (word, bound) in schema.as_object().expect("a schema") {
        let holds = match word.as_str() {
            "$ref" => {
                let target = document.pointer(bound.as_str().and_then(|path| path.strip_prefix('#')).expect("a reference"));
                return self::faults(document, target.expect("a schema"), value, at);
            }
            "type" => types(bound).iter().any(|kind| is(value, kind)),
            "enum" => bound.as_array().expect("words").contains(value),
            "minimum" => value.is_null() || number(bound).0 >= number(bound).1,
            "maximum" => value.is_null() || number(bound).0 <= number(bound).1,
            "exclusiveMinimum" => number(bound).0 > number(bound).1,
            "multipleOf" => value.to_string().split_once('.').is_none_or(|(_, digits)| digits.len() <= 2),
            "minLength" => length >= bound.as_u64().expect("a length"),
            "maxLength" => length <= bound.as_u64().expect("a length"),
            "maxItems" => value.as_array().is_some_and(|items| items.len() as u64 <= bound.as_u64().expect("a length")),
            "required" => bound.as_array().expect("names").iter().all(|name| {
                !value[name.as_str().expect("a name")].is_null() || value.get(name.as_str().expect("a name")).is_some()
            }),
            "additionalProperties" => {
                assert_eq!(bound, false);
                value.as_object().is_some_and(|object| object.keys().all(|name| schema["properties"].get(name).is_some()))
            }
            // Checked below, or said for humans; patterns are checked by the tests of what they describe.
            "properties" | "items" | "description" | "example" | "examples" | "format" | "pattern" => true,
            other => panic!("{at}: {other} is not known to this test"),
        };
        if !holds {
            fault(format!("{word} {bound}"));
        }
    }
    if let (Some(properties), Some(object)) = (schema["properties"].as_object(), value.as_object()) {
        for (name, value) in object {
            if let Some(schema) = properties.get(name) {
                faults.extend(self::faults(document, schema, value, &format!("{at}.{name}")));
            }
        }
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        faults.extend(values.iter().flat_map(|value| self::faults(document, items, value, &format!("{at}[]"))));
    }
    faults
}

fn types(bound: &Value) -> Vec<&str> {
    bound.as_array().map_or_else(|| vec![bound], |kinds| kinds.iter().collect()).into_iter().filter_map(Value::as_str).collect()
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        other => panic!("type {other} is not known to this test"),
    }
}

#[test]
fn the_judge_of_schemas_finds_faults() {
    let schema = json!({
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": {"a": {"type": "integer", "minimum": 1}, "b": {"type": ["string", "null"], "maxLength": 2}}
    });
    for (value, expected) in [
        (json!({"a": 1}), 0),
        (json!({"a": 1, "b": null}), 0),
        (json!({"a": 0}), 1),
        (json!({"b": "x"}), 1),
        (json!({"a": 1, "c": 1}), 1),
        (json!({"a": 1, "b": "xyz"}), 1),
        (json!([]), 3),
    ] {
        let found = faults(&Value::Null, &schema, &value, "it");
        assert_eq!(found.len(), expected, "{value}: {found:?}");
    }
}

/// Sends a request, and holds the answer against the document's entry for it: status, content type, headers, body.
async fn held(document: &Value, request: reqwest::RequestBuilder, method: &str, template: &str) -> (u16, Value) {
    let response = request.send().await.expect("the node answers");
    let status = response.status().as_u16();
    let entry = &document["paths"][template][method]["responses"][status.to_string()];
    assert!(entry.is_object(), "{method} {template} is not said to answer {status}");
    for name in entry["headers"].as_object().into_iter().flat_map(serde_json::Map::keys) {
        assert!(response.headers().contains_key(name.as_str()), "{method} {template} {status} has no {name}");
    }
    let kind = response.headers().get("content-type").map_or("", |kind| kind.to_str().expect("text")).to_owned();
    let body = response.bytes().await.expect("a body");
    let Some(content) = entry["content"].as_object() else {
        assert!(body.is_empty(), "{method} {template} {status} has a body");
        return (status, Value::Null);
    };
    let schema = &content.get(&kind).unwrap_or_else(|| panic!("{method} {template} {status} is {kind}"))["schema"];
    if !kind.contains("json") {
        return (status, Value::Null);
    }
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(faults(document, schema, &body, template), Vec::<String>::new(), "{method} {template} {status}");
    (status, body)
}

#[tokio::test]
async fn real_answers_are_as_the_document_says() {
    let space = Space::new().await;
    let redis = Proxy::to(&authority(&redis_url()), Mode::Open).await;
    let node = space.node("n1").set("CATGA_REDIS_URL", format!("redis://{}", redis.address)).set("CATGA_API_KEY", "key");
    let node = node.set("CATGA_BODY_TIMEOUT", "400ms").ready().await;
    let document = node.get("/openapi.json").await.1;
    let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().expect("a client");
    let url = |path: &str| format!("{}{path}", node.url);
    let post = |kind: &'static str, body: String| {
        client.post(url("/api/orders")).header("content-type", kind).header("x-api-key", "key").body(body)
    };
    let json = "application/json";
    let conflict = json!({"orderId": "order-001", "customerId": "customer-123", "amount": 1}).to_string();
    let slow = reqwest::Body::wrap_stream(futures_util::stream::once(async { Ok::<_, std::io::Error>("{") }).chain_pending());
    let cases = [
        (post(json, order("order-001").to_string()), 201),
        (post(json, order("order-001").to_string()), 200),
        (post(json, conflict), 409),
        (post(json, "{".to_owned()), 400),
        (post("text/plain", "{}".to_owned()), 415),
        (post(json, "x".repeat(20_000)), 413),
        (post(json, "{}".to_owned()), 422),
        (post(json, String::new()).body(slow), 408),
        (client.post(url("/api/orders")).body("{}"), 401),
    ];
    for (request, expected) in cases {
        assert_eq!(held(&document, request, "post", "/api/orders").await.0, expected);
    }
    node.wait_applied("order-001").await;
    let reads = [
        ("/api/orders", "/api/orders?limit=10", 200),
        ("/api/orders", "/api/orders?limit=x", 422),
        ("/api/orders/{orderId}", "/api/orders/order-001", 200),
        ("/api/orders/{orderId}", "/api/orders/none", 404),
        ("/api/customers/{customerId}", "/api/customers/customer-123", 200),
        ("/api/customers/{customerId}", "/api/customers/none", 404),
        ("/health", "/health", 200),
        ("/health/ready", "/health/ready", 200),
        ("/health/live", "/health/live", 200),
        ("/metrics", "/metrics", 200),
        ("/openapi.json", "/openapi.json", 200),
        ("/swagger", "/swagger", 308),
        ("/swagger/{file}", "/swagger/", 200),
        ("/swagger/{file}", "/swagger/favicon-32x32.png", 200),
        ("/swagger/{file}", "/swagger/none", 404),
    ];
    for (template, path, expected) in reads {
        assert_eq!(held(&document, client.get(url(path)), "get", template).await.0, expected, "{path}");
    }
    let wrong = client.get(url("/api/events")).header("last-event-id", "x");
    assert_eq!(held(&document, wrong, "get", "/api/events").await.0, 422);

    redis.set(Mode::DropAnswers);
    assert_eq!(held(&document, post(json, order("doubtful").to_string()), "post", "/api/orders").await.0, 504);
    redis.set(Mode::BlackHole);
    node.wait_status("down").await;
    assert_eq!(held(&document, post(json, order("refused").to_string()), "post", "/api/orders").await.0, 503);
    for (template, path) in [
        ("/api/orders", "/api/orders"),
        ("/api/orders/{orderId}", "/api/orders/a"),
        ("/api/customers/{customerId}", "/api/customers/a"),
        ("/api/events", "/api/events"),
        ("/health", "/health"),
        ("/health/ready", "/health/ready"),
    ] {
        assert_eq!(held(&document, client.get(url(path)), "get", template).await.0, 503, "{path}");
    }
    assert_eq!(held(&document, client.get(url("/health/live")), "get", "/health/live").await.0, 200);
    space.clean().await;
}

/// A stream that goes on without ever giving more.
trait ChainPending: futures_util::Stream + Sized {
    fn chain_pending(self) -> futures_util::stream::Chain<Self, futures_util::stream::Pending<Self::Item>> {
        futures_util::StreamExt::chain(self, futures_util::stream::pending())
    }
}
impl<S: futures_util::Stream> ChainPending for S {}

#[tokio::test]
async fn events_are_as_the_document_says() {
    let space = Space::new().await;
    let node = space.node("n1").ready().await;
    let document = node.get("/openapi.json").await.1;
    node.place("order-001").await;
    let mut feed = Feed::open(&node, Some(0)).await;
    let mut held = Vec::new();
    while held.len() < 2 {
        let block = feed.block().await.expect("the feed ends with a word");
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        let Some(event) = field("event: ") else { continue };
        let shape = if event == "end" { "FeedEnd" } else { "OrderApplied" };
        let data = serde_json::from_str(&field("data: ").expect("data")).expect("JSON");
        let found = faults(&document, &document["components"]["schemas"][shape], &data, shape);
        assert_eq!(found, Vec::<String>::new(), "{block}");
        held.push(event);
        node.signal("-TERM");
    }
    assert_eq!(held, ["order-applied", "end"]);
    space.clean().await;
}

#[tokio::test]
async fn the_page_is_whole_is_kept_and_asks_nobody_else() {
    let space = Space::new().await;
    let node = space.node("n1").start().await;
    let get = async |node: &Node, path: &str| space.client.get(format!("{}{path}", node.url)).send().await.expect("an answer");
    let page = get(&node, "/swagger").await;
    assert_eq!((page.status(), page.url().path()), (StatusCode::OK, "/swagger/"), "redirected");
    assert!(page.headers()["content-security-policy"].to_str().is_ok_and(|policy| policy.starts_with("default-src 'none'")));
    let text = page.text().await.expect("a body");
    assert!(text.contains(r#"id="swagger-ui""#), "{text}");
    for (file, kind, least) in [
        ("swagger-ui-bundle.js", "text/javascript; charset=utf-8", 1_000_000),
        ("swagger-ui-standalone-preset.js", "text/javascript; charset=utf-8", 100_000),
        ("swagger-ui.css", "text/css; charset=utf-8", 100_000),
        ("index.css", "text/css; charset=utf-8", 100),
        ("swagger-initializer.js", "text/javascript; charset=utf-8", 100),
        ("favicon-32x32.png", "image/png", 100),
    ] {
        let path = format!("/swagger/{file}");
        let response = get(&node, &path).await;
        assert_eq!((response.status(), &response.headers()["content-type"]), (StatusCode::OK, &kind.parse().expect("a header")));
        let tag = response.headers()["etag"].clone();
        assert!(response.bytes().await.expect("a body").len() >= least, "{file}");
        let again = space.client.get(format!("{}{path}", node.url)).header("if-none-match", tag).send().await.expect("an answer");
        assert_eq!((again.status(), again.bytes().await.expect("no body").len()), (StatusCode::NOT_MODIFIED, 0), "{file}");
    }
    space.clean().await;
}
