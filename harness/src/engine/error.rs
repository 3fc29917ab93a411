//! What can go wrong with the engine, and what to do about it.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use bollard::errors::Error;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    #[error(
        "no container engine answers at {host} ({answer}); install one (`apt-get install docker.io`), start it (`systemctl start docker`), or name another in DOCKER_HOST"
    )]
    Absent { host: String, answer: String },
    #[error(
        "the container engine's socket {host} is not permitted to this user; join its group (`sudo usermod -aG docker $USER`, then log in again), or run as a user who may use it"
    )]
    NotPermitted { host: String },
    #[error("the container engine speaks API {api}, and the harness needs 1.41 or newer; upgrade it to 20.10 or newer")]
    TooOld { api: String },
    #[error("cannot use the container engine at {host}: {answer}; DOCKER_HOST takes unix:///path and tcp://host:port")]
    Unusable { host: String, answer: String },
    #[error("{call}: there is no {on}")]
    NotFound { call: &'static str, on: String },
    #[error("{call} {on}: no answer within {limit:?}; look at the engine's own log (`journalctl -u docker`)")]
    Deadline { call: &'static str, on: String, limit: Duration },
    #[error("{call} {on}: the engine answered {answer}")]
    Refused { call: &'static str, on: String, status: Option<u16>, answer: String },
}

impl EngineError {
    /// The container or image that the call was about does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    pub(super) fn connecting(host: &str, error: &Error) -> Self {
        let host = host.to_owned();
        match (error, io_kind(error)) {
            (_, Some(io::ErrorKind::PermissionDenied)) => Self::NotPermitted { host },
            (Error::SocketNotFoundError(_), _) => Self::Absent { host, answer: String::from("there is no such socket") },
            (_, Some(kind)) => Self::Absent { host, answer: kind.to_string() },
            (Error::HyperLegacyError { .. } | Error::RequestTimeoutError, None) => Self::Absent { host, answer: whole(error) },
            _ => Self::Unusable { host, answer: whole(error) },
        }
    }

    pub(super) fn answered(call: &'static str, on: &str, error: &Error) -> Self {
        let on = on.to_owned();
        match error {
            Error::DockerResponseServerError { status_code: 404, .. } => Self::NotFound { call, on },
            Error::DockerResponseServerError { status_code, message } => {
                Self::Refused { call, on, status: Some(*status_code), answer: format!("{status_code}: {message}") }
            }
            other => Self::Refused { call, on, status: None, answer: whole(other) },
        }
    }
}

/// The kind of the first IO error in the chain: the client wraps it several times.
fn io_kind(error: &Error) -> Option<io::ErrorKind> {
    // It hands its own cause on, and would be passed over.
    if let Error::IOError { err } = error {
        return Some(err.kind());
    }
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        cause = error.source();
    }
    None
}

/// The error with its causes, because the outermost one often says only that there was an error.
fn whole(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status_code: u16) -> Error {
        Error::DockerResponseServerError { status_code, message: String::from("as it says") }
    }

    #[test]
    fn not_found_is_told_apart_from_other_refusals() {
        assert!(EngineError::answered("inspect", "container abc", &refused(404)).is_not_found());
        let other = EngineError::answered("stop", "container abc", &refused(409));
        assert!(!other.is_not_found());
        assert_eq!(other.to_string(), "stop container abc: the engine answered 409: as it says");
    }

    #[test]
    fn a_forbidden_socket_is_told_with_the_group_to_join() {
        let error = Error::IOError { err: io::Error::from(io::ErrorKind::PermissionDenied) };
        let told = EngineError::connecting("unix:///var/run/docker.sock", &error);
        assert_eq!(told, EngineError::NotPermitted { host: String::from("unix:///var/run/docker.sock") });
        assert!(told.to_string().contains("usermod -aG docker"), "{told}");
    }
}
