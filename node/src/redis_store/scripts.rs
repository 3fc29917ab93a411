//! The scripts. Each checks types and limits before its first write, because a script that fails half way is
//! not rolled back, and takes leases' time from Redis. Those that drain a backlog or keep the node's identity run on a
//! Redis at its memory limit, too: it could not come back from there otherwise.

use redis::Script;

#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) accept: Script,
    pub(super) remove: Script,
    pub(super) postpone: Script,
    pub(super) bury: Script,
    pub(super) claim: Script,
    pub(super) sweep: Script,
    pub(super) apply: Script,
    pub(super) follow: Script,
    pub(super) page: Script,
    pub(super) hold: Script,
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
            apply: Script::new(include_str!("scripts/apply.lua")),
            follow: Script::new(include_str!("scripts/follow.lua")),
            page: Script::new(include_str!("scripts/page.lua")),
            hold: Script::new(include_str!("scripts/hold.lua")),
            release: Script::new(include_str!("scripts/release.lua")),
        }
    }
}
