//! API keys: who may place orders.

use std::path::PathBuf;

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use subtle::{Choice, ConstantTimeEq as _};

use crate::access::{Secret, given_path};
use crate::settings::Settings;

/// Why the keys cannot be used. None of it shows a key.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("API keys cannot be read from {path}: {source}; check CATGA_API_KEY_FILE")]
    File { path: PathBuf, source: std::io::Error },
    #[error("there is no API key in {path}; write one, or unset CATGA_API_KEY_FILE")]
    EmptyFile { path: PathBuf },
    #[error("an API key may only have visible ASCII characters other than a comma; look at CATGA_API_KEY and CATGA_API_KEY_FILE")]
    Alphabet,
}

/// The keys of which one must be shown to place an order; without any, nobody is asked.
#[derive(Debug, Clone, Default)]
pub struct Keys(Vec<Secret>);

impl Keys {
    /// The keys that the settings name. An empty variable is as good as none, so that a compose file may pass
    /// it through; a file without a key is a mistake.
    pub fn load(settings: &Settings) -> Result<Self, KeysError> {
        let mut keys = Vec::new();
        if let Some(secret) = &settings.api_key {
            add(&mut keys, secret.reveal())?;
        }
        if let Some(path) = given_path(settings.api_key_file.as_ref()) {
            let text = std::fs::read_to_string(path).map_err(|source| KeysError::File { path: path.clone(), source })?;
            let before = keys.len();
            add(&mut keys, &text)?;
            if keys.len() == before {
                return Err(KeysError::EmptyFile { path: path.clone() });
            }
        }
        Ok(Self(keys))
    }

    pub(super) fn are_needed(&self) -> bool {
        !self.0.is_empty()
    }

    /// May this request write? Every key is compared in full, so that the time taken tells at most a key's length.
    pub(super) fn admit(&self, headers: &HeaderMap) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let shown = shown(headers).unwrap_or_default();
        let matches = self.0.iter().map(|key| key.reveal().as_bytes().ct_eq(shown));
        matches.fold(Choice::from(0), |any, one| any | one).into()
    }
}

fn add(keys: &mut Vec<Secret>, text: &str) -> Result<(), KeysError> {
    for key in text.split([',', '\n']).map(str::trim).filter(|key| !key.is_empty()) {
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(KeysError::Alphabet);
        }
        let Ok(secret) = key.parse();
        keys.push(secret);
    }
    Ok(())
}

/// The key that a request shows, in either of two ways.
fn shown(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get("x-api-key") {
        return Some(key.as_bytes());
    }
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().as_bytes())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;
    use crate::cli::Cli;

    fn keys(arguments: &[&str]) -> Result<Keys, KeysError> {
        Keys::load(&Cli::parse_from(["node"].iter().chain(arguments)).settings)
    }

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
    }

    #[test]
    fn one_of_the_keys_must_be_shown_in_one_of_two_ways() {
        let keys = keys(&["--api-key", "old-key, new-key"]).expect("keys");
        let cases = [
            (headers("x-api-key", "old-key"), true),
            (headers("x-api-key", "new-key"), true),
            (headers("authorization", "Bearer new-key"), true),
            (headers("authorization", "bearer  new-key "), true),
            (headers("authorization", "Basic new-key"), false),
            (headers("authorization", "new-key"), false),
            (headers("x-api-key", "new-ke"), false),
            (headers("x-api-key", "new-key2"), false),
            (headers("x-api-key", ""), false),
            (headers("x-api-key", "old-key, new-key"), false),
            (HeaderMap::new(), false),
        ];
        for (headers, admitted) in cases {
            assert_eq!(keys.admit(&headers), admitted, "{headers:?}");
        }
        assert!(!format!("{keys:?}").contains("key"), "{keys:?}");
    }

    #[test]
    fn without_keys_nobody_is_asked() {
        for none in [&[][..], &["--api-key", ""], &["--api-key", " , "], &["--api-key-file", ""]] {
            let keys = keys(none).expect("no keys");
            assert!(!keys.are_needed() && keys.admit(&HeaderMap::new()), "{none:?}");
        }
    }

    #[test]
    fn a_file_of_keys_is_read_or_refused() {
        let path = std::env::temp_dir().join(format!("catga-keys-{}", std::process::id()));
        let load = |content: &str| {
            std::fs::write(&path, content).expect("written");
            keys(&["--api-key-file", path.to_str().expect("a path")])
        };
        assert!(load("one\ntwo,three\n").expect("keys").admit(&headers("x-api-key", "two")));
        assert!(matches!(load(" \n"), Err(KeysError::EmptyFile { .. })));
        let error = load("two words").expect_err("not visible");
        assert!(matches!(error, KeysError::Alphabet) && !error.to_string().contains("words"));
        std::fs::remove_file(&path).expect("removed");
        assert!(matches!(keys(&["--api-key-file", "/nowhere/key"]), Err(KeysError::File { .. })));
    }
}
