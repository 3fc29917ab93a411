//! Access to Redis.

use std::path::PathBuf;

use clap::Args;

use super::tls::Names;
use super::{AccessError, Secret, TlsFiles, given, given_path, path};

const NAMES: Names = Names { ca: "CATGA_REDIS_CA", cert: "CATGA_REDIS_CERT", key: "CATGA_REDIS_KEY", scheme: "rediss" };

/// How to log in to Redis. What is set here goes before what the url carries.
#[derive(Debug, Clone, Args)]
pub struct RedisAccess {
    /// User of Redis; without it the one of the url, else Redis' default user
    #[arg(id = "redis-user", long = "redis-user", env = "CATGA_REDIS_USER", value_name = "NAME")]
    pub user: Option<String>,
    /// Password of Redis; in a file it is better kept
    #[arg(
        id = "redis-password",
        long = "redis-password",
        env = "CATGA_REDIS_PASSWORD",
        value_name = "SECRET",
        hide_env_values = true
    )]
    pub password: Option<Secret>,
    /// File with the password of Redis; read with every attempt to connect
    #[arg(id = "redis-password-file", long = "redis-password-file", env = "CATGA_REDIS_PASSWORD_FILE", value_name = "PATH", value_parser = path())]
    pub password_file: Option<PathBuf>,
    /// Certificates (PEM) that Redis' must be signed by; without it those that the system trusts
    #[arg(id = "redis-ca", long = "redis-ca", env = "CATGA_REDIS_CA", value_name = "PATH", value_parser = path())]
    pub ca: Option<PathBuf>,
    /// Certificate (PEM) that the node shows to Redis
    #[arg(id = "redis-cert", long = "redis-cert", env = "CATGA_REDIS_CERT", value_name = "PATH", value_parser = path())]
    pub cert: Option<PathBuf>,
    /// Key (PEM) of that certificate
    #[arg(id = "redis-key", long = "redis-key", env = "CATGA_REDIS_KEY", value_name = "PATH", value_parser = path())]
    pub key: Option<PathBuf>,
}

impl RedisAccess {
    /// The certificates, once it is certain that all fits together.
    pub(crate) fn tls(&self, tls: bool) -> Result<TlsFiles, AccessError> {
        if given(self.password.as_ref()).is_some() && self.password_file().is_some() {
            return Err(AccessError::Both("CATGA_REDIS_PASSWORD", "CATGA_REDIS_PASSWORD_FILE"));
        }
        TlsFiles::new(self.ca.as_ref(), self.cert.as_ref(), self.key.as_ref(), tls, &NAMES)
    }

    pub(crate) fn user(&self) -> Option<&str> {
        given(self.user.as_ref()).map(String::as_str)
    }

    /// The password as it is now, `None` where only the url may have one.
    pub(crate) async fn password(&self) -> Result<Option<Secret>, String> {
        match self.password_file() {
            Some(path) => Secret::read(path).await.map(Some),
            None => Ok(given(self.password.as_ref()).cloned()),
        }
    }

    fn password_file(&self) -> Option<&PathBuf> {
        given_path(self.password_file.as_ref())
    }
}
