//! File descriptors: every connection takes one, and the usual soft limit of 1024 is below the default of connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a node needs beside the connections that it serves: those beyond the limit, its own to NATS and Redis, its log.
const OTHERS: u64 = 256;

/// Raises the soft limit as far as the hard one allows, and says so where that is not enough.
pub fn raise(max_connections: u32) {
    let needed = u64::from(max_connections) + OTHERS;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return;
    }
    let raised = maximum.map_or(needed, |maximum| maximum.min(needed));
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }) {
        tracing::warn!(%error, needed, ?current, "the limit of open files could not be raised");
    } else if raised < needed {
        tracing::warn!(
            needed,
            limit = raised,
            "the limit of open files is below what the connection limit needs; raise it, or lower CATGA_MAX_CONNECTIONS"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_raised_to_what_is_needed_and_never_lowered() {
        let before = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        raise(1);
        assert_eq!(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), before.max(1 + OTHERS));
        let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        raise(u32::MAX);
        assert!(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) >= hard.min(before));
    }
}
