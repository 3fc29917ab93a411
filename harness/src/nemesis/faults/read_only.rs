//! Read-only: Redis asks for more replicas than there are, and answers writes with NOREPLICAS. Healed by the setting of before.

use super::refusing::Refusing;

pub(super) const READ_ONLY: Refusing = Refusing {
    setting: "min-replicas-to-write",
    // More than any cluster has.
    value: "1000",
    code: "NOREPLICAS",
    needs: None,
};
