//! The texts of a history, each kept once: ids, names and errors of millions of lines become numbers of four bytes.

use std::num::NonZeroU32;

use hashbrown::HashTable;

use crate::numbers::fit;
use crate::seed::mix;

/// A text of a history, which `History::text` tells. Two of one history are equal exactly if their texts are. It has no order:
/// what is sorted for a report is sorted by the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Text(NonZeroU32);

/// All texts, one behind the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts {
    all: String,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Texts {
    pub(super) fn get(&self, text: Text) -> &str {
        let at = text.0.get() as usize;
        let from = at.checked_sub(2).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(at - 1).and_then(|end| self.all.get(from..*end)).unwrap_or_default()
    }

    fn push(&mut self, text: &str) -> Text {
        self.all.push_str(text);
        self.ends.push(self.all.len());
        Text(NonZeroU32::MIN.saturating_add(fit(self.ends.len() - 1)))
    }
}

/// Finds a text that is already there. Only needed while a history is read.
#[derive(Debug, Default)]
pub(super) struct Interner {
    pub(super) texts: Texts,
    table: HashTable<Text>,
}

impl Interner {
    pub(super) fn intern(&mut self, text: &str) -> Text {
        let Self { texts, table } = self;
        let hash = |text: &str| hash(text.as_bytes());
        let key = hash(text);
        if let Some(found) = table.find(key, |held| texts.get(*held) == text) {
            return *found;
        }
        let new = texts.push(text);
        table.insert_unique(key, new, |held| hash(texts.get(*held)));
        new
    }
}

impl Text {
    /// From 1.
    pub(super) fn number(self) -> u32 {
        self.0.get()
    }

    pub(super) fn numbered(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }
}

fn hash(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(bytes.len() as u64, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(hash.rotate_left(29) ^ u64::from_le_bytes(word))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_is_told_as_it_was_and_kept_once(words in prop::collection::vec("[a-c€]{0,9}", 0..60)) {
            let mut interner = Interner::default();
            let told: Vec<Text> = words.iter().map(|word| interner.intern(word)).collect();
            for (text, word) in told.iter().zip(&words) {
                prop_assert_eq!(interner.texts.get(*text), word);
                prop_assert_eq!(interner.intern(word), *text);
            }
            let different: std::collections::BTreeSet<&String> = words.iter().collect();
            prop_assert_eq!(interner.texts.ends.len(), different.len());
        }
    }
}
