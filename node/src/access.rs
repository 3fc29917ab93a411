//! How the node shows its services who it is, and they show it: credentials and certificates. Files are read with
//! every attempt to connect, so that a secret that was changed needs no restart. There is no way to leave the check of
//! a server's certificate out.

mod nats;
mod redis;
mod secret;
mod tls;
mod url;

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};

pub(crate) use self::nats::Source as NatsSource;
pub use self::nats::{NatsAccess, NatsProof};
pub use self::redis::RedisAccess;
pub use self::secret::Secret;
pub use self::tls::{TlsFiles, install_provider};
pub use self::url::ServiceUrl;

/// Why the access to a service cannot be as it is set. No secret is part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    #[error("{0} and {1} are both set; set one of them")]
    Both(&'static str, &'static str),
    #[error("{0} is set without {1}; set both")]
    Half(&'static str, &'static str),
    #[error("{0} is set, and the url does not ask for TLS; write {1}://HOST:PORT")]
    WithoutTls(&'static str, &'static str),
    #[error("the urls carry different credentials; let them carry the same or none")]
    Urls,
}

/// An empty variable is one that is not set: compose files and shells pass such ones on.
fn given<T: AsRef<str>>(value: Option<&T>) -> Option<&T> {
    value.filter(|value| !value.as_ref().is_empty())
}

/// The same for a variable that names a file.
pub(crate) fn given_path(path: Option<&PathBuf>) -> Option<&PathBuf> {
    path.filter(|path| !path.as_os_str().is_empty())
}

/// A path, which may be empty for the same reason.
pub(crate) fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::Cli;

    #[test]
    fn settings_show_no_secret() {
        let flags = ["--redis-url", "redis://shop:hush@r", "--nats-url", "nats://hush@n", "--redis-password", "hush"];
        let cli = Cli::parse_from([&["node"], &flags[..], &["--nats-password", "hush", "--nats-token", "hush"]].concat());
        let shown = format!("{cli:?}");
        assert!(shown.contains("redis://***@r") && !shown.contains("hush"), "{shown}");
    }
}
