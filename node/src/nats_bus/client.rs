//! The client of NATS as the settings want it: addresses, credentials, certificates.

use async_nats::{ConnectError, ConnectErrorKind, ConnectOptions, ServerAddr};

use crate::access::{AccessError, NatsProof, NatsSource, TlsFiles, install_provider};
use crate::settings::Settings;

/// Why no bus can be opened at all.
#[derive(Debug, thiserror::Error)]
pub enum NatsOpenError {
    #[error("nats url {url:?} is not understood: {detail}; write nats://HOST:PORT or tls://HOST:PORT")]
    Url { url: String, detail: String },
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// Makes the options for each attempt to connect, with secrets as they are then.
pub(super) struct ClientOptions {
    /// Without credentials: the client would ignore them, and show them in its logs.
    servers: Vec<ServerAddr>,
    source: NatsSource,
    /// What logs in, for humans.
    login: String,
    tls: Option<TlsFiles>,
    inbox_prefix: String,
}

impl std::fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let servers: Vec<_> = self.servers.iter().map(ServerAddr::as_url_str).collect();
        f.debug_struct("ClientOptions").field("servers", &servers).field("login", &self.login).finish_non_exhaustive()
    }
}

impl ClientOptions {
    pub(super) fn new(settings: &Settings) -> Result<Self, NatsOpenError> {
        let url = &settings.nats_url;
        let wrong = |detail: &dyn std::fmt::Display| NatsOpenError::Url { url: url.shown(), detail: detail.to_string() };
        let parsed = url.reveal().split(',').map(|part| part.trim().parse::<ServerAddr>());
        let parsed = parsed.collect::<Result<Vec<_>, _>>().map_err(|error| wrong(&error))?;
        let mut carried = Vec::new();
        let mut servers = Vec::with_capacity(parsed.len());
        for server in parsed {
            if let Some(user) = server.username() {
                let login = (user.to_owned(), server.password().map(str::to_owned));
                if !carried.contains(&login) {
                    carried.push(login);
                }
            }
            let mut bare = server.into_inner();
            if bare.set_username("").and_then(|()| bare.set_password(None)).is_err() {
                return Err(wrong(&"it names no host"));
            }
            servers.push(ServerAddr::from_url(bare).map_err(|error| wrong(&error))?);
        }
        if carried.len() > 1 {
            return Err(AccessError::Urls.into());
        }
        let source = settings.nats.source(carried.first().map(|(user, password)| (user.as_str(), password.as_deref())))?;
        // What stands alone where a url has its user is often a token or a password.
        let may_name = settings.nats.names_user() || carried.iter().any(|(_, password)| password.is_some());
        let login = source.shown(may_name);
        // One server in the clear among several would be enough to give the credentials away.
        let encrypted = servers.iter().all(ServerAddr::tls_required);
        if !encrypted && servers.iter().any(ServerAddr::tls_required) {
            return Err(wrong(&"some servers ask for TLS and others do not"));
        }
        let files = settings.nats.tls(encrypted)?;
        install_provider();
        let inbox_prefix = settings.nats.inbox_prefix().to_owned();
        Ok(Self { servers, source, login, tls: encrypted.then_some(files), inbox_prefix })
    }

    pub(super) fn servers(&self) -> &[ServerAddr] {
        &self.servers
    }

    pub(super) async fn options(&self) -> Result<ConnectOptions, String> {
        let options = ConnectOptions::new().custom_inbox_prefix(&self.inbox_prefix);
        let mut options = match self.source.read().await? {
            NatsProof::Nothing => options,
            NatsProof::Password { user, password } => options.user_and_password(user, password.reveal().to_owned()),
            NatsProof::Token(token) => options.token(token.reveal().to_owned()),
            NatsProof::Nkey(seed) => options.nkey(seed.reveal().to_owned()),
            // The client wants each line ended; and the error of a key that cannot be read could quote it.
            NatsProof::Creds(creds) => options
                .credentials(&format!("{}\n", creds.reveal()))
                .map_err(|_| "the .creds file holds no JWT with its nkey seed".to_owned())?,
        };
        if let Some(files) = &self.tls {
            // Servers that are found on the way must not be talked to in the clear.
            options = options.require_tls(true);
            if let Some(ca) = &files.ca {
                options = options.add_root_certificates(ca.clone());
            }
            if let Some((cert, key)) = &files.identity {
                options = options.add_client_certificate(cert.clone(), key.clone());
            }
        }
        Ok(options)
    }

    /// Why connecting failed, for humans.
    pub(super) fn explain(&self, error: &ConnectError) -> String {
        match error.kind() {
            ConnectErrorKind::AuthorizationViolation => {
                format!("{} is refused: {error}; look at CATGA_NATS_USER and its relatives", self.login)
            }
            ConnectErrorKind::Authentication => {
                format!(
                    "{} cannot be used: {error}; look at the file that CATGA_NATS_CREDS or CATGA_NATS_NKEY_FILE names",
                    self.login
                )
            }
            _ => format!("connecting failed: {error}"),
        }
    }
}
