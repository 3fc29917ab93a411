//! Identifiers. Each is valid once it exists; none needs escaping in JSON, in a key or in a path.

use std::fmt;

/// Why a text is no identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("must have 1 to {0} characters")]
    Length(usize),
    #[error("may only have the characters {0}")]
    Alphabet(&'static str),
    #[error("must have at least one letter or digit")]
    OnlyPunctuation,
}

/// Longest order, customer and message id, in bytes.
pub(super) const LONG: usize = 128;
/// Longest node id, in bytes.
pub(super) const SHORT: usize = 32;

fn check_long(text: &str) -> Result<(), IdError> {
    check(text, LONG, "A-Z a-z 0-9 . _ : -", |byte| matches!(byte, b'.' | b'_' | b':' | b'-'))?;
    // `.` and `..` would be path segments of another meaning.
    if text.bytes().any(|byte| byte.is_ascii_alphanumeric()) { Ok(()) } else { Err(IdError::OnlyPunctuation) }
}

fn check_short(text: &str) -> Result<(), IdError> {
    check(text, SHORT, "A-Z a-z 0-9 _ -", |byte| matches!(byte, b'_' | b'-'))
}

fn check(text: &str, longest: usize, alphabet: &'static str, punctuation: fn(u8) -> bool) -> Result<(), IdError> {
    if text.is_empty() || text.len() > longest {
        return Err(IdError::Length(longest));
    }
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || punctuation(byte)) {
        Ok(())
    } else {
        Err(IdError::Alphabet(alphabet))
    }
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            /// The identifier that `text` spells, or what is wrong with it.
            pub fn new(text: &str) -> Result<Self, IdError> {
                $check(text)?;
                Ok(Self(text.into()))
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier!(
    /// The client's name for an order: 1 to 128 of `A-Z a-z 0-9 . _ : -`, one of them a letter or digit.
    OrderId,
    check_long
);
identifier!(
    /// The client's name for a customer; the same alphabet as [`OrderId`].
    CustomerId,
    check_long
);
identifier!(
    /// The cluster's name for the event of an order: `Nats-Msg-Id` on the wire.
    MessageId,
    check_long
);
identifier!(
    /// A node's name: 1 to 32 of `A-Z a-z 0-9 _ -`, also the name of its durable consumer.
    NodeId,
    check_short
);

impl MessageId {
    const ALPHABET: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

    /// An id of 120 random bits in 20 characters: short, because Redis keeps one copy per node for a day.
    #[must_use]
    pub fn from_random(high: u64, low: u64) -> Self {
        let digit = |half: u64, place: u32| usize::try_from(half >> (6 * place) & 63).unwrap_or(0);
        let digits = |half| (0..10).map(move |place| Self::ALPHABET[digit(half, place)] as char);
        let text: String = digits(high).chain(digits(low)).collect();
        // Neither a leading dash nor an id of dashes alone should trouble a shell or a reader.
        if text.starts_with(['-', '_']) { Self(format!("m{}", &text[1..]).into()) } else { Self(text.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked_by_length_alphabet_and_substance() {
        let long = "x".repeat(128);
        let cases: [(&str, Option<IdError>); 9] = [
            ("order-001", None),
            ("A.b_c:d-9", None),
            (&long, None),
            ("", Some(IdError::Length(128))),
            ("..", Some(IdError::OnlyPunctuation)),
            ("-:_.", Some(IdError::OnlyPunctuation)),
            ("a b", Some(IdError::Alphabet("A-Z a-z 0-9 . _ : -"))),
            ("a/b", Some(IdError::Alphabet("A-Z a-z 0-9 . _ : -"))),
            ("ä", Some(IdError::Alphabet("A-Z a-z 0-9 . _ : -"))),
        ];
        for (text, wrong) in cases {
            assert_eq!(OrderId::new(text).err(), wrong, "{text:?}");
        }
        assert_eq!(OrderId::new(&"x".repeat(129)), Err(IdError::Length(128)));
    }

    #[test]
    fn node_ids_are_short_and_have_no_dots() {
        assert!(NodeId::new("catga_cluster-node-1_1").is_ok());
        assert_eq!(NodeId::new("a.b"), Err(IdError::Alphabet("A-Z a-z 0-9 _ -")));
        assert_eq!(NodeId::new(&"n".repeat(33)), Err(IdError::Length(32)));
    }

    #[test]
    fn random_message_ids_are_valid_and_keep_their_bits() {
        for high in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
            let id = MessageId::from_random(high, !high);
            assert_eq!(id.as_str().len(), 20);
            assert!(MessageId::new(id.as_str()).is_ok(), "{id}");
        }
        assert_ne!(MessageId::from_random(1, 2), MessageId::from_random(2, 1));
    }
}
