//! Out of memory: Redis may use one byte, and answers what needs memory with OOM. Healed by the limit of before.

use super::refusing::Refusing;

pub(super) const OUT_OF_MEMORY: Refusing = Refusing {
    setting: "maxmemory",
    value: "1",
    code: "OOM",
    // Under any other policy Redis would throw keys away instead of refusing new ones.
    needs: Some(("maxmemory-policy", "noeviction")),
};
