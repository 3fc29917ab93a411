//! A text that is nobody's to see.

use std::convert::Infallible;
use std::path::Path;
use std::str::FromStr;

/// Longest secret that is read from a file, in bytes: a .creds file has below 2 KiB.
const LENGTH: u64 = 64 * 1024;

/// A password, token or key. It shows itself to nobody who does not ask for it by name.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// What is to be sent to the service.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Reads one from a file; the line's end is none of it.
    pub async fn read(path: &Path) -> Result<Self, String> {
        let failed = |what: &dyn std::fmt::Display| format!("secret file {} cannot be used: {what}", path.display());
        let length = tokio::fs::metadata(path).await.map_err(|error| failed(&error))?.len();
        if length > LENGTH {
            return Err(failed(&format!("it has {length} bytes, more than {LENGTH}")));
        }
        let text = tokio::fs::read_to_string(path).await.map_err(|error| failed(&error))?;
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(failed(&"it is empty")),
            secret => Ok(Self(secret.to_owned())),
        }
    }
}

impl AsRef<str> for Secret {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}
