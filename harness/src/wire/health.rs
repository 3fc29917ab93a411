//! What a node says of itself on `/health`.

use serde::Deserialize;

use super::WireError;

/// The body of `/health`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Health {
    /// `up`, `degraded` or `down`.
    pub status: String,
    /// The id by which the node calls itself.
    pub node: String,
    pub version: String,
    pub checks: Checks,
}

/// `up` or `down` for each service that a node needs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Checks {
    pub nats: String,
    pub redis: String,
}

/// Reads the body of `/health`, whatever the status of the answer was.
///
/// # Errors
/// The bytes are no such object.
pub fn health(body: &[u8]) -> Result<Health, WireError> {
    serde_json::from_slice(body).map_err(|error| WireError::json("a health answer", &error, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_names_the_node_and_each_service() {
        let body = br#"{"status":"degraded","node":"n1","version":"0.1.0","checks":{"nats":"down","redis":"up"}}"#;
        let read = health(body).expect("health");
        assert_eq!((read.status.as_str(), read.node.as_str()), ("degraded", "n1"));
        assert_eq!((read.checks.nats.as_str(), read.checks.redis.as_str()), ("down", "up"));
    }

    #[test]
    fn health_without_checks_is_an_error() {
        for body in ["", "ok", r#"{"status":"up"}"#, r#"{"status":"up","node":"n","version":"1","checks":{}}"#] {
            assert!(health(body.as_bytes()).is_err(), "{body}");
        }
    }
}
