//! Gets to the server: options, environment, or a saved context, in that order.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, ServerAddr};
use serde::Deserialize;

use crate::cli::Server;

const DEFAULT_URL: &str = "nats://127.0.0.1:4222";

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("`{url}` is no address of a server: {error}; try {DEFAULT_URL}")]
    Address { url: String, error: std::io::Error },
    #[error("cannot read {what} {path}: {detail}", path = path.display())]
    File { what: &'static str, path: PathBuf, detail: String },
    #[error("context {name}: there is no folder of contexts, for neither XDG_CONFIG_HOME nor HOME is set")]
    NoHome { name: String },
    #[error("cannot connect to {url}: {error}; is the server up, and is this its address?")]
    Server { url: String, error: async_nats::ConnectError },
    #[error("{url} did not answer within {limit:?}")]
    Silent { url: String, limit: Duration },
}

/// What a context file may say; other programs write more into it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Context {
    url: String,
    user: String,
    password: String,
    token: String,
    creds: String,
    ca: String,
}

/// One connection that gives up after the server's time is over.
pub(crate) async fn connect(server: &Server) -> Result<Client, ConnectError> {
    let context = match &server.context {
        Some(name) => read_context(name)?,
        None => Context::default(),
    };
    let url = server.url.clone().or_else(|| set(&context.url)).unwrap_or_else(|| DEFAULT_URL.to_owned());
    let addresses: Result<Vec<ServerAddr>, _> = url.split(',').map(|part| part.trim().parse()).collect();
    let addresses = addresses.map_err(|error| ConnectError::Address { url: url.clone(), error })?;
    let limit = Duration::from_secs(server.timeout.into());
    let options = options(server, &context, limit).await?;
    match tokio::time::timeout(limit, options.connect(addresses)).await {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(error)) => Err(ConnectError::Server { url, error }),
        Err(_) => Err(ConnectError::Silent { url, limit }),
    }
}

async fn options(server: &Server, context: &Context, limit: Duration) -> Result<ConnectOptions, ConnectError> {
    let mut options = ConnectOptions::new().name("nats, the small one of Catga").request_timeout(Some(limit));
    let creds = server.creds.clone().or_else(|| set(&context.creds).map(PathBuf::from));
    let user = server.user.clone().or_else(|| set(&context.user));
    let password = server.password.clone().or_else(|| set(&context.password));
    if let Some(path) = creds {
        let text = tokio::fs::read_to_string(&path).await;
        let read = text.and_then(|text| ConnectOptions::with_credentials(&text));
        let failed = |error: std::io::Error| ConnectError::File { what: "credentials", path, detail: error.to_string() };
        options = read.map_err(failed)?.name("nats, the small one of Catga").request_timeout(Some(limit));
    } else {
        options = match (user, password, set(&context.token)) {
            (Some(user), Some(password), _) => options.user_and_password(user, password),
            (Some(token), None, _) | (None, _, Some(token)) => options.token(token),
            (None, _, None) => options,
        };
    }
    let ca = server.tlsca.clone().or_else(|| set(&context.ca).map(PathBuf::from));
    Ok(match ca {
        Some(ca) => options.add_root_certificates(ca).require_tls(true),
        None => options,
    })
}

fn read_context(name: &str) -> Result<Context, ConnectError> {
    let folder = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")));
    let config = config.ok_or_else(|| ConnectError::NoHome { name: name.to_owned() })?;
    parse_context(&config.join("nats/context").join(format!("{name}.json")))
}

fn parse_context(path: &Path) -> Result<Context, ConnectError> {
    let failed = |detail: String| ConnectError::File { what: "context", path: path.to_owned(), detail };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
}

fn set(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_of_the_large_program_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("shop.json");
        std::fs::write(&path, r#"{"description": "shop", "url": "nats://h:4222", "user": "u", "nkey": ""}"#).expect("written");
        let context = parse_context(&path).expect("read");
        assert_eq!((context.url.as_str(), context.user.as_str()), ("nats://h:4222", "u"));
    }

    #[test]
    fn a_context_that_is_not_there_is_named() {
        let error = parse_context(Path::new("/nowhere/shop.json")).expect_err("missing").to_string();
        assert!(error.starts_with("cannot read context /nowhere/shop.json: "), "{error}");
    }
}
