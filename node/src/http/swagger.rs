//! The page at `/swagger`: Swagger UI from the binary, which asks nobody but this node.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, LOCATION, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Response, StatusCode};
use utoipa_swagger_ui::Config;

use super::body::{Answer, whole};
use crate::error::Error;

/// What the page is made of. The archive has more, e.g. maps of its sources for debuggers.
pub(super) const FILES: [&str; 8] = [
    "index.html",
    "index.css",
    "swagger-ui.css",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "swagger-initializer.js",
    "favicon-16x16.png",
    "favicon-32x32.png",
];

/// The browser itself refuses what would come from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    connect-src 'self'; font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the page, as it is answered.
struct Asset {
    bytes: Bytes,
    kind: HeaderValue,
    tag: HeaderValue,
}

/// Made with the first request: the page is rarely looked at.
static ASSETS: LazyLock<BTreeMap<&str, Asset>> = LazyLock::new(|| {
    // Relative, so that the page also works behind a proxy that adds a prefix.
    let config = Config::new(["../openapi.json"]).validator_url("none").try_it_out_enabled(true).display_request_duration(true);
    let config = Arc::new(config);
    FILES.into_iter().filter_map(|name| Some((name, asset(name, &config)?))).collect()
});

fn asset(name: &str, config: &Arc<Config<'static>>) -> Option<Asset> {
    let file = utoipa_swagger_ui::serve(name, Arc::clone(config)).ok()??;
    let kind = match file.content_type.as_str() {
        text @ ("text/html" | "text/css" | "text/javascript" | "application/javascript") => format!("{text}; charset=utf-8"),
        other => other.to_owned(),
    };
    let bytes = match file.bytes {
        std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
    };
    Some(Asset { kind: HeaderValue::try_from(kind).ok()?, tag: tag(&bytes)?, bytes })
}

/// The entity tag of some bytes: the same bytes have the same one, also after a restart.
pub(super) fn tag(bytes: &[u8]) -> Option<HeaderValue> {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    HeaderValue::try_from(format!("\"{:016x}\"", hasher.finish())).ok()
}

/// `/swagger`: the page's files are found beside it, so it has to end in a slash.
pub(super) fn redirect() -> Response<Answer> {
    let mut response = whole(StatusCode::PERMANENT_REDIRECT, "text/plain; charset=utf-8", "swagger/\n");
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("swagger/"));
    response
}

/// `/swagger/{file}`; without a name it is the page itself.
pub(super) fn file(name: &str, headers: &HeaderMap) -> Result<Response<Answer>, Error> {
    let name = if name.is_empty() { "index.html" } else { name };
    let asset = ASSETS.get(name).ok_or(Error::NotFound("the page has no such file".into()))?;
    let mut response = tagged(headers, &asset.tag, asset.kind.clone(), &asset.bytes);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Ok(response)
}

/// A whole answer that a client may keep, as long as it asks whether it is still the same.
pub(super) fn tagged(headers: &HeaderMap, tag: &HeaderValue, kind: HeaderValue, bytes: &Bytes) -> Response<Answer> {
    let asked = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let known = asked.split(',').any(|one| one.trim().trim_start_matches("W/").as_bytes() == tag.as_bytes());
    let mut response = if known {
        let mut response = whole(StatusCode::NOT_MODIFIED, "", Bytes::new());
        response.headers_mut().remove(CONTENT_TYPE);
        response
    } else {
        let mut response = whole(StatusCode::OK, "", bytes.clone());
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    };
    let headers = response.headers_mut();
    headers.insert(ETAG, tag.clone());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_in_the_binary_and_none_calls_elsewhere() {
        for name in FILES {
            let asset = ASSETS.get(name).unwrap_or_else(|| panic!("{name} is not in the archive"));
            assert!(!asset.bytes.is_empty(), "{name}");
        }
        let page = &ASSETS["index.html"];
        assert_eq!(page.kind, "text/html; charset=utf-8");
        let text = std::str::from_utf8(&page.bytes).expect("text");
        assert!(!text.contains("://"), "the page names somebody else: {text}");
        let named = text.split(['"', '\'']).filter_map(|part| part.strip_prefix("./"));
        assert!(named.clone().count() >= 5, "{text}");
        for file in named {
            assert!(FILES.contains(&file), "{file} is needed by the page");
        }
        let initializer = std::str::from_utf8(&ASSETS["swagger-initializer.js"].bytes).expect("text");
        assert!(initializer.contains("../openapi.json") && initializer.contains(r#""validatorUrl": "none""#), "{initializer}");
    }
}
