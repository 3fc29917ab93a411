//! Names of the keys in Redis, as the contract gives them.

/// The index of the outbox: a sorted set of message ids by due time in ms.
pub const OUTBOX_INDEX: &str = "catga:outbox:pending";
/// What the key of an outbox row begins with; the message id follows.
pub const OUTBOX_ROW: &str = "catga:outbox:pending:";
/// What the key of a dead row begins with; the message id follows.
pub const OUTBOX_DEAD: &str = "catga:outbox:dead:";
/// What the key of an idempotency record begins with; the order id follows.
pub const RECORD: &str = "catga:idempotency:";

/// What the key of a mark in a node's inbox begins with; the message id follows.
#[must_use]
pub fn inbox(node_id: &str) -> String {
    format!("{INBOX}{node_id}:")
}

/// What the keys of all inboxes begin with; node id, a colon and message id follow.
pub const INBOX: &str = "catga:inbox:";

/// Fields of an outbox row that the harness reads.
pub const ROW_PAYLOAD: &str = "payload";
pub const ROW_CREATED_AT: &str = "createdAt";
/// The id of the node that may publish the row now.
pub const ROW_LEASE_OWNER: &str = "leaseOwner";
pub const ROW_ATTEMPTS: &str = "attempts";
pub const ROW_LAST_ERROR: &str = "lastError";

/// A SCAN pattern that matches exactly the keys that begin with `prefix`.
#[must_use]
pub fn pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for c in prefix.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('*');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_its_prefix_literally() {
        assert_eq!(pattern(OUTBOX_DEAD), "catga:outbox:dead:*");
        assert_eq!(pattern("a[b]*"), "a\\[b\\]\\**");
    }
}
