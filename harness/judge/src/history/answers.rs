//! The answers of a history, each kept once: a replay repeats the first answer, and so does the stream.

use hashbrown::HashTable;

use super::Answer;
use super::index::{AnswerIx, Told};
use super::text::Interner;
use super::wall::Wall;
use crate::seed::mix;

/// Finds an answer that is already there. Only needed while a history is read.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) all: Vec<Told>,
    table: HashTable<AnswerIx>,
}

impl Answers {
    pub(super) fn intern<S: AsRef<str>>(&mut self, answer: &Answer<S>, interner: &mut Interner) -> AnswerIx {
        let told = Told {
            order_id: interner.intern(answer.order_id.as_ref()),
            customer_id: interner.intern(answer.customer_id.as_ref()),
            amount_minor: answer.amount_minor,
            message_id: interner.intern(answer.message_id.as_ref()),
            accepted_by: interner.intern(answer.accepted_by.as_ref()),
            accepted_at: Wall::of(answer.accepted_at.as_ref(), interner),
        };
        let Self { all, table } = self;
        let key = hash(&told);
        if let Some(found) = table.find(key, |held| all[held.place()] == told) {
            return *found;
        }
        let new = AnswerIx::at(all.len());
        all.push(told);
        table.insert_unique(key, new, |held| hash(&all[held.place()]));
        new
    }
}

/// Of the two ids that hardly another answer shares.
fn hash(told: &Told) -> u64 {
    mix(u64::from(told.order_id.number()) << 32 | u64::from(told.message_id.number()))
}
