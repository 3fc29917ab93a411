//! What a Redis error proves.

use redis::{ErrorKind, RedisError};

use crate::ports::StoreError;

/// Errors by which Redis refuses a script before its first write: once it has written, Redis lets it go on.
const REFUSALS: [&str; 7] = ["OOM", "LOADING", "READONLY", "MISCONF", "NOAUTH", "NOREPLICAS", "MASTERDOWN"];

/// Classifies the error of a command that was handed to a connection.
pub(super) fn classify(error: &RedisError) -> StoreError {
    match error.code() {
        Some(code) if REFUSALS.contains(&code) => StoreError::Refused(error.to_string()),
        // A permission may also be missing in the middle of a script, whose name and line the error then has.
        Some("NOPERM") if !error.to_string().contains("script: ") => StoreError::Refused(error.to_string()),
        None if error.is_io_error() || error.is_timeout() || error.is_connection_dropped() => StoreError::Lost(error.to_string()),
        _ => StoreError::Failed(error.to_string()),
    }
}

/// Does the error end the connection's usefulness? An answer that is not of the form that was asked for comes from a damaged
/// key, and the next answer is as good as ever.
pub(super) fn ends_connection(error: &RedisError) -> bool {
    let unrecoverable = error.is_unrecoverable_error() && error.kind() != ErrorKind::Parse;
    error.is_timeout() || error.is_connection_dropped() || unrecoverable || error.is_io_error()
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::*;

    fn server(line: &str) -> RedisError {
        let reply = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).expect("an error reply parses");
        match reply {
            Value::ServerError(error) => error.into(),
            other => panic!("{other:?} is no error"),
        }
    }

    #[test]
    fn only_refusals_before_the_first_write_are_proof() {
        let refused = [
            "OOM command not allowed when used memory > 'maxmemory'. script: abc, on @user_script:25.",
            "LOADING Redis is loading the dataset in memory",
            "READONLY You can't write against a read only replica. script: abc, on @user_script:25.",
            "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
            "NOAUTH Authentication required.",
            "NOPERM User catga has no permissions to run the 'evalsha' command",
            "NOREPLICAS Not enough good replicas to write.",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        ];
        for line in refused {
            assert!(classify(&server(line)).proves_nothing_written(), "{line}");
        }
        let unproven = [
            "ERR something",
            "WRONGTYPE Operation against a key",
            "BUSY Redis is busy running a script",
            "NOPERM ACL failure in script: User catga has no permissions to run the 'zadd' command script: abc, on @user_script:7.",
        ];
        for line in unproven {
            assert!(!classify(&server(line)).proves_nothing_written(), "{line}");
        }
        let dropped = RedisError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        assert!(matches!(classify(&dropped), StoreError::Lost(_)));
        assert!(matches!(classify(&RedisError::from((ErrorKind::Io, "closed"))), StoreError::Lost(_)));
    }
}
