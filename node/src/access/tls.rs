//! Certificates: whom the node trusts, and what it shows of itself.

use std::path::PathBuf;

use super::{AccessError, given_path};

/// Files in PEM form.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// Whom to trust; without it, whom the system trusts.
    pub ca: Option<PathBuf>,
    /// The node's own certificate and its key, where the server asks for them.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// The names of the variables, for errors.
pub(super) struct Names {
    pub(super) ca: &'static str,
    pub(super) cert: &'static str,
    pub(super) key: &'static str,
    /// The scheme that asks for TLS.
    pub(super) scheme: &'static str,
}

impl TlsFiles {
    pub(super) fn new(
        ca: Option<&PathBuf>,
        cert: Option<&PathBuf>,
        key: Option<&PathBuf>,
        tls: bool,
        names: &Names,
    ) -> Result<Self, AccessError> {
        let set = |path: Option<&PathBuf>| given_path(path).cloned();
        let (ca, cert, key) = (set(ca), set(cert), set(key));
        // A certificate that silently went unused would leave the connection in the clear.
        let unused = [(&ca, names.ca), (&cert, names.cert), (&key, names.key)].into_iter().find(|(path, _)| path.is_some());
        if let (false, Some((_, name))) = (tls, unused) {
            return Err(AccessError::WithoutTls(name, names.scheme));
        }
        let identity = match (cert, key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (Some(_), None) => return Err(AccessError::Half(names.cert, names.key)),
            (None, Some(_)) => return Err(AccessError::Half(names.key, names.cert)),
            (None, None) => None,
        };
        Ok(Self { ca, identity })
    }
}

/// Chooses the cryptography of all TLS of this process; more than once does no harm.
pub fn install_provider() {
    // An error says that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
