//! One log line for each row that is set aside, and few for a flood of them: all of them are in the store, and counted.

use std::time::Duration;

use super::ration::Ration;
use crate::ports::{Grave, RowFate};

#[derive(Debug)]
pub(super) struct Obituaries(Ration);

impl Obituaries {
    pub(super) fn new(now: Duration) -> Self {
        Self(Ration::new(now))
    }

    /// Tells of the rows that were moved.
    pub(super) fn publish(&mut self, now: Duration, graves: &[Grave], fates: &[RowFate]) {
        for (grave, _) in graves.iter().zip(fates).filter(|(_, fate)| **fate == RowFate::Changed) {
            let (id, reason) = (&grave.row.message_id, &grave.reason);
            match self.0.line(now) {
                Some(0) => tracing::error!(messageId = %id, %reason, "an outbox row can never be published and is set aside"),
                Some(untold) => {
                    tracing::error!(messageId = %id, %reason, untold, "an outbox row is set aside, as are others before it that no line tells of");
                }
                None => {}
            }
        }
    }
}
