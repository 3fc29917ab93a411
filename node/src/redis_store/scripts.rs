//! The scripts. Each checks types and limits before its first write, because a script that fails half way is
//! not rolled back, and takes leases' time from Redis. Those that drain a backlog or keep the node's identity run on a
//! Redis at its memory limit, too: it could not come back from there otherwise.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisResult, ServerErrorKind};

/// A script and the hash that the server knows it by.
#[derive(Debug)]
pub(super) struct Script(redis::Script);

impl Script {
    fn new(code: &str) -> Self {
        Self(redis::Script::new(code))
    }

    /// The beginning of a call: `keys` keys have to follow, then the arguments.
    pub(super) fn call(&self, keys: usize) -> Cmd {
        self.long_call(keys, 16, 1024)
    }

    /// [`Script::call`] with room for so many keys and arguments, and so many bytes of them.
    pub(super) fn long_call(&self, keys: usize, words: usize, bytes: usize) -> Cmd {
        let mut call = Cmd::with_capacity(3 + words, 64 + bytes);
        call.arg("EVALSHA").arg(self.0.get_hash()).arg(keys);
        call
    }

    /// Runs a call. It is executed at most once: a server that does not know the script yet has executed nothing.
    pub(super) async fn run<T: FromRedisValue>(&self, call: &Cmd, connection: &mut MultiplexedConnection) -> RedisResult<T> {
        match call.query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.0.load_async(connection).await?;
                call.query_async(connection).await
            }
            outcome => outcome,
        }
    }
}

#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) accept: Script,
    pub(super) remove: Script,
    pub(super) postpone: Script,
    pub(super) bury: Script,
    pub(super) claim: Script,
    pub(super) sweep: Script,
    pub(super) backlog: Script,
    pub(super) apply: Script,
    pub(super) follow: Script,
    pub(super) page: Script,
    pub(super) hold: Script,
    pub(super) trial: Script,
    pub(super) release: Script,
}

impl Default for Scripts {
    fn default() -> Self {
        Self {
            accept: Script::new(include_str!("scripts/accept.lua")),
            remove: Script::new(include_str!("scripts/remove.lua")),
            postpone: Script::new(include_str!("scripts/postpone.lua")),
            bury: Script::new(include_str!("scripts/bury.lua")),
            claim: Script::new(include_str!("scripts/claim.lua")),
            sweep: Script::new(include_str!("scripts/sweep.lua")),
            backlog: Script::new(include_str!("scripts/backlog.lua")),
            apply: Script::new(include_str!("scripts/apply.lua")),
            follow: Script::new(include_str!("scripts/follow.lua")),
            page: Script::new(include_str!("scripts/page.lua")),
            hold: Script::new(include_str!("scripts/hold.lua")),
            trial: Script::new(include_str!("scripts/trial.lua")),
            release: Script::new(include_str!("scripts/release.lua")),
        }
    }
}
