//! The url of a service, which may carry credentials.

use std::convert::Infallible;
use std::str::FromStr;

/// A url, or several with commas between. What is shown of it lacks the credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceUrl(String);

impl ServiceUrl {
    /// As it was written, credentials and all.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// As it may be shown. It need not be a valid url, so all up to the last `@` may be credentials.
    #[must_use]
    pub fn shown(&self) -> String {
        let (scheme, rest) = self.0.split_once("://").map_or(("", self.0.as_str()), |(scheme, rest)| (scheme, rest));
        let separator = if scheme.is_empty() { "" } else { "://" };
        let rest = match rest.rsplit_once('@') {
            Some((_, rest)) => format!("***@{rest}"),
            None => rest.to_owned(),
        };
        match rest.split_once('?') {
            Some((rest, _)) => format!("{scheme}{separator}{rest}?***"),
            None => format!("{scheme}{separator}{rest}"),
        }
    }
}

impl FromStr for ServiceUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for ServiceUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.shown())
    }
}

/// `%40` is `@`; what is no such sequence stays as it is.
pub(super) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = text.get(at + 1..at + 3).filter(|pair| bytes[at] == b'%' && pair.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if let Some(byte) = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_a_url_has_no_credentials() {
        for (written, shown) in [
            ("redis://127.0.0.1:6379/3", "redis://127.0.0.1:6379/3"),
            ("rediss://catga:hush@redis:6379", "rediss://***@redis:6379"),
            ("nats://hush@a:4222,nats://hush@b:4222", "nats://***@b:4222"),
            ("redis://catga:hu/sh,hu@sh@redis", "redis://***@redis"),
            ("catga:hush@redis", "***@redis"),
            ("unix:///run/redis?user=catga&pass=hush", "unix:///run/redis?***"),
        ] {
            let url: ServiceUrl = written.parse().expect("any text");
            assert_eq!((url.shown().as_str(), format!("{url:?}")), (shown, format!("{shown:?}")));
        }
    }

    #[test]
    fn credentials_in_urls_are_decoded() {
        for (written, meant) in
            [("plain", "plain"), ("a%40b%2Fc", "a@b/c"), ("100%", "100%"), ("%zz%4", "%zz%4"), ("%C3%A9", "é")]
        {
            assert_eq!(decoded(written), meant);
        }
    }
}
