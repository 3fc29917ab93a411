//! The client of Redis as the settings want it: address, credentials, certificates.

use redis::io::tcp::TcpSettings;
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisError, TlsCertificates,
};

use crate::access::{AccessError, RedisAccess, TlsFiles, install_provider};
use crate::settings::Settings;

/// Why no store can be opened at all.
#[derive(Debug, thiserror::Error)]
pub enum RedisOpenError {
    #[error("redis url {url:?} is not understood: {source}; write redis://HOST:PORT or rediss://HOST:PORT")]
    Url { url: String, source: RedisError },
    #[error(
        "redis url {0:?} asks for TLS without its checks, which this node does not do; name Redis' own CA with CATGA_REDIS_CA"
    )]
    Unchecked(String),
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// Makes a client for each attempt to connect, with secrets and certificates as they are then.
pub(super) struct ClientMaker {
    /// With the credentials of the url, if it has any.
    info: ConnectionInfo,
    access: RedisAccess,
    tls: Option<TlsFiles>,
}

impl std::fmt::Debug for ClientMaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientMaker").field("address", self.info.addr()).finish_non_exhaustive()
    }
}

impl ClientMaker {
    pub(super) fn new(settings: &Settings) -> Result<Self, RedisOpenError> {
        let url = &settings.redis_url;
        let info = url.reveal().into_connection_info().map_err(|source| RedisOpenError::Url { url: url.shown(), source })?;
        let encrypted = match info.addr() {
            ConnectionAddr::TcpTls { insecure: true, .. } => return Err(RedisOpenError::Unchecked(url.shown())),
            ConnectionAddr::TcpTls { .. } => true,
            _ => false,
        };
        let files = settings.redis.tls(encrypted)?;
        install_provider();
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        Ok(Self { info, access: settings.redis.clone(), tls: encrypted.then_some(files) })
    }

    pub(super) async fn make(&self) -> Result<Client, String> {
        let mut login = self.info.redis_settings().clone();
        if let Some(user) = self.access.user() {
            login = login.set_username(user);
        }
        if let Some(password) = self.access.password().await? {
            login = login.set_password(password.reveal());
        }
        let info = self.info.clone().set_redis_settings(login);
        let Some(files) = &self.tls else {
            return Client::open(info).map_err(|error| format!("no client can be made: {error}"));
        };
        let root_cert = match &files.ca {
            Some(path) => Some(read(path).await?),
            None => None,
        };
        let client_tls = match &files.identity {
            Some((cert, key)) => Some(ClientTlsConfig { client_cert: read(cert).await?, client_key: read(key).await? }),
            None => None,
        };
        Client::build_with_tls(info, TlsCertificates { client_tls, root_cert })
            .map_err(|error| format!("the certificates for redis cannot be used: {error}"))
    }

    /// Why something failed, for humans.
    pub(super) fn explain(&self, what: &str, error: &RedisError) -> String {
        let refused =
            matches!(error.code(), Some("WRONGPASS" | "NOAUTH" | "NOPERM")) || error.kind() == ErrorKind::AuthenticationFailed;
        if !refused {
            return format!("{what}: {error}");
        }
        let url = self.info.redis_settings();
        let user = match (self.access.user(), url.username()) {
            (Some(user), _) => format!("user {user}"),
            (None, None) => "user default".to_owned(),
            (None, Some(user)) if url.password().is_some() => format!("user {user}"),
            // What stands alone where a user belongs is often the password.
            (None, Some(_)) => "the url's user".to_owned(),
        };
        format!("the credentials of {user} are refused: {error}; look at CATGA_REDIS_USER and CATGA_REDIS_PASSWORD_FILE")
    }
}

async fn read(path: &std::path::Path) -> Result<Vec<u8>, String> {
    tokio::fs::read(path).await.map_err(|error| format!("certificate file {} cannot be read: {error}", path.display()))
}
