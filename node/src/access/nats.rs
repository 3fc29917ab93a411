//! Access to NATS.

use std::path::PathBuf;

use clap::Args;

use super::tls::Names;
use super::url::decoded;
use super::{AccessError, Secret, TlsFiles, given, given_path, path};

const NAMES: Names = Names { ca: "CATGA_NATS_CA", cert: "CATGA_NATS_CERT", key: "CATGA_NATS_KEY", scheme: "tls" };

/// The client's own prefix of subjects for answers.
const INBOX: &str = "_INBOX";

/// How to log in to NATS: by user and password, by token, by a .creds file or by an nkey; by one of them only.
#[derive(Debug, Clone, Args)]
pub struct NatsAccess {
    /// User of NATS
    #[arg(id = "nats-user", long = "nats-user", env = "CATGA_NATS_USER", value_name = "NAME")]
    pub user: Option<String>,
    /// Password of that user; in a file it is better kept
    #[arg(
        id = "nats-password",
        long = "nats-password",
        env = "CATGA_NATS_PASSWORD",
        value_name = "SECRET",
        hide_env_values = true
    )]
    pub password: Option<Secret>,
    /// File with the password; read with every attempt to connect
    #[arg(id = "nats-password-file", long = "nats-password-file", env = "CATGA_NATS_PASSWORD_FILE", value_name = "PATH", value_parser = path())]
    pub password_file: Option<PathBuf>,
    /// Token for NATS; in a file it is better kept
    #[arg(id = "nats-token", long = "nats-token", env = "CATGA_NATS_TOKEN", value_name = "SECRET", hide_env_values = true)]
    pub token: Option<Secret>,
    /// File with the token; read with every attempt to connect
    #[arg(id = "nats-token-file", long = "nats-token-file", env = "CATGA_NATS_TOKEN_FILE", value_name = "PATH", value_parser = path())]
    pub token_file: Option<PathBuf>,
    /// A .creds file, with a JWT and its nkey; read with every attempt to connect
    #[arg(id = "nats-creds", long = "nats-creds", env = "CATGA_NATS_CREDS", value_name = "PATH", value_parser = path())]
    pub creds: Option<PathBuf>,
    /// File with the seed of an nkey; read with every attempt to connect
    #[arg(id = "nats-nkey-file", long = "nats-nkey-file", env = "CATGA_NATS_NKEY_FILE", value_name = "PATH", value_parser = path())]
    pub nkey_file: Option<PathBuf>,
    /// Certificates (PEM) that NATS' must be signed by; without it those that the system trusts
    #[arg(id = "nats-ca", long = "nats-ca", env = "CATGA_NATS_CA", value_name = "PATH", value_parser = path())]
    pub ca: Option<PathBuf>,
    /// Certificate (PEM) that the node shows to NATS
    #[arg(id = "nats-cert", long = "nats-cert", env = "CATGA_NATS_CERT", value_name = "PATH", value_parser = path())]
    pub cert: Option<PathBuf>,
    /// Key (PEM) of that certificate
    #[arg(id = "nats-key", long = "nats-key", env = "CATGA_NATS_KEY", value_name = "PATH", value_parser = path())]
    pub key: Option<PathBuf>,
    /// Prefix of the subjects that answers come to, for permissions that keep clients apart
    #[arg(
        id = "nats-inbox-prefix",
        long = "nats-inbox-prefix",
        env = "CATGA_NATS_INBOX_PREFIX",
        default_value = INBOX,
        value_name = "SUBJECT"
    )]
    pub inbox_prefix: String,
}

/// What the node shows to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NatsProof {
    Nothing,
    Password { user: String, password: Secret },
    Token(Secret),
    Creds(Secret),
    Nkey(Secret),
}

/// Where that comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Fixed(NatsProof),
    PasswordFile { user: String, path: PathBuf },
    TokenFile(PathBuf),
    Creds(PathBuf),
    NkeyFile(PathBuf),
}

impl Source {
    /// The proof as it is now.
    pub(crate) async fn read(&self) -> Result<NatsProof, String> {
        Ok(match self {
            Self::Fixed(proof) => proof.clone(),
            Self::PasswordFile { user, path } => NatsProof::Password { user: user.clone(), password: Secret::read(path).await? },
            Self::TokenFile(path) => NatsProof::Token(Secret::read(path).await?),
            Self::Creds(path) => NatsProof::Creds(Secret::read(path).await?),
            Self::NkeyFile(path) => NatsProof::Nkey(Secret::read(path).await?),
        })
    }

    /// What it is, for humans; the user is named where it is certain to be one.
    pub(crate) fn shown(&self, may_name: bool) -> String {
        match self {
            Self::Fixed(NatsProof::Password { .. }) | Self::PasswordFile { .. } if !may_name => {
                "the url's user and its password".to_owned()
            }
            Self::Fixed(NatsProof::Password { user, .. }) | Self::PasswordFile { user, .. } => {
                format!("user {user} and its password")
            }
            Self::Fixed(NatsProof::Token(_)) | Self::TokenFile(_) => "the token".to_owned(),
            Self::Fixed(NatsProof::Creds(_)) | Self::Creds(_) => "the .creds file".to_owned(),
            Self::Fixed(NatsProof::Nkey(_)) | Self::NkeyFile(_) => "the nkey".to_owned(),
            Self::Fixed(NatsProof::Nothing) => "a connection without credentials".to_owned(),
        }
    }
}

impl NatsAccess {
    /// Where answers come to.
    pub(crate) fn inbox_prefix(&self) -> &str {
        given(Some(&self.inbox_prefix)).map_or(INBOX, String::as_str)
    }

    pub(crate) fn tls(&self, tls: bool) -> Result<TlsFiles, AccessError> {
        TlsFiles::new(self.ca.as_ref(), self.cert.as_ref(), self.key.as_ref(), tls, &NAMES)
    }

    /// Is the user set by a variable of its own?
    pub(crate) fn names_user(&self) -> bool {
        given(self.user.as_ref()).is_some()
    }

    /// Where the proof comes from; the url's user and password count where nothing else is set, and a user without a
    /// password is a token there.
    pub(crate) fn source(&self, url: Option<(&str, Option<&str>)>) -> Result<Source, AccessError> {
        let secret = |secret: &Option<Secret>| given(secret.as_ref()).cloned();
        let (password, token) = (secret(&self.password), secret(&self.token));
        let (password_file, token_file) = (given_path(self.password_file.as_ref()), given_path(self.token_file.as_ref()));
        let (creds, nkey) = (given_path(self.creds.as_ref()), given_path(self.nkey_file.as_ref()));
        let set: Vec<&'static str> = [
            (password.is_some(), "CATGA_NATS_PASSWORD"),
            (password_file.is_some(), "CATGA_NATS_PASSWORD_FILE"),
            (token.is_some(), "CATGA_NATS_TOKEN"),
            (token_file.is_some(), "CATGA_NATS_TOKEN_FILE"),
            (creds.is_some(), "CATGA_NATS_CREDS"),
            (nkey.is_some(), "CATGA_NATS_NKEY_FILE"),
        ]
        .into_iter()
        .filter_map(|(set, name)| set.then_some(name))
        .collect();
        if let [one, another, ..] = set.as_slice() {
            return Err(AccessError::Both(one, another));
        }
        let decode = |(user, password): (&str, Option<&str>)| (decoded(user), password.map(decoded));
        let (url_user, url_password) = url.map(decode).map_or((None, None), |(user, password)| (Some(user), password));
        let explicit = given(self.user.as_ref()).cloned();
        let user = explicit.clone().or_else(|| url_user.clone());
        if let Some(path) = password_file {
            let user = user.ok_or(AccessError::Half("CATGA_NATS_PASSWORD_FILE", "CATGA_NATS_USER"))?;
            return Ok(Source::PasswordFile { user, path: path.clone() });
        }
        if let Some(password) = password {
            let user = user.ok_or(AccessError::Half("CATGA_NATS_PASSWORD", "CATGA_NATS_USER"))?;
            return Ok(Source::Fixed(NatsProof::Password { user, password }));
        }
        if let (Some(_), Some(other)) = (&explicit, set.first()) {
            return Err(AccessError::Both("CATGA_NATS_USER", other));
        }
        let text = |text: String| match text.parse::<Secret>() {
            Ok(secret) => secret,
            Err(never) => match never {},
        };
        Ok(match (token, token_file, creds, nkey) {
            (Some(token), ..) => Source::Fixed(NatsProof::Token(token)),
            (_, Some(path), ..) => Source::TokenFile(path.clone()),
            (_, _, Some(path), _) => Source::Creds(path.clone()),
            (.., Some(path)) => Source::NkeyFile(path.clone()),
            _ => match (explicit, url_user, url_password) {
                (Some(user), _, Some(password)) | (None, Some(user), Some(password)) => {
                    Source::Fixed(NatsProof::Password { user, password: text(password) })
                }
                (Some(_), ..) => return Err(AccessError::Half("CATGA_NATS_USER", "CATGA_NATS_PASSWORD")),
                (None, Some(token), None) => Source::Fixed(NatsProof::Token(text(token))),
                (None, None, _) => Source::Fixed(NatsProof::Nothing),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    fn source(flags: &[&str], url: Option<(&str, Option<&str>)>) -> Result<Source, AccessError> {
        Cli::parse_from([&["node"], flags].concat()).settings.nats.source(url)
    }

    fn fixed(flags: &[&str], url: Option<(&str, Option<&str>)>) -> NatsProof {
        match source(flags, url) {
            Ok(Source::Fixed(proof)) => proof,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_proof_is_chosen_and_two_are_refused() {
        let secret = |text: &str| text.parse::<Secret>().expect("any text");
        let password = |user: &str, text: &str| NatsProof::Password { user: user.to_owned(), password: secret(text) };
        assert_eq!(fixed(&[], None), NatsProof::Nothing);
        assert_eq!(fixed(&[], Some(("t%40ken", None))), NatsProof::Token(secret("t@ken")));
        assert_eq!(fixed(&[], Some(("u", Some("p")))), password("u", "p"));
        assert_eq!(fixed(&["--nats-password", "q"], Some(("u", None))), password("u", "q"));
        assert_eq!(fixed(&["--nats-user", "v", "--nats-password", "q"], Some(("u", Some("p")))), password("v", "q"));
        assert_eq!(fixed(&["--nats-token", "t", "--nats-user", ""], None), NatsProof::Token(secret("t")));
        assert!(matches!(source(&["--nats-creds", "f"], None), Ok(Source::Creds(_))));
        assert!(matches!(source(&["--nats-nkey-file", "f"], None), Ok(Source::NkeyFile(_))));
        for wrong in [
            &["--nats-token", "t", "--nats-creds", "f"][..],
            &["--nats-password", "p", "--nats-password-file", "f", "--nats-user", "u"],
            &["--nats-user", "u", "--nats-token", "t"],
            &["--nats-user", "u"],
            &["--nats-password", "p"],
        ] {
            let refused = source(wrong, None).expect_err("two proofs, or half of one").to_string();
            assert!(refused.contains("CATGA_NATS_"), "{refused}");
        }
    }
}
