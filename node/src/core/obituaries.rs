//! One log line for each row that is set aside, and few for a flood of them: all of them are in the store, and counted.

use std::time::Duration;

use crate::ports::{Grave, RowFate};

/// Lines that may come at once.
const BURST: u32 = 100;
/// How long one more line takes to be allowed again.
const EVERY: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Obituaries {
    left: u32,
    /// Up to when lines were allowed again.
    counted: Duration,
    untold: u64,
}

impl Obituaries {
    pub(super) fn new(now: Duration) -> Self {
        Self { left: BURST, counted: now, untold: 0 }
    }

    /// Tells of the rows that were moved.
    pub(super) fn publish(&mut self, now: Duration, graves: &[Grave], fates: &[RowFate]) {
        for (grave, _) in graves.iter().zip(fates).filter(|(_, fate)| **fate == RowFate::Changed) {
            if !self.allowed(now) {
                self.untold += 1;
                continue;
            }
            let (id, reason, untold) = (&grave.row.message_id, &grave.reason, std::mem::take(&mut self.untold));
            if untold > 0 {
                tracing::error!(messageId = %id, %reason, untold, "an outbox row is set aside, as are others before it that no line tells of");
            } else {
                tracing::error!(messageId = %id, %reason, "an outbox row can never be published and is set aside");
            }
        }
    }

    fn allowed(&mut self, now: Duration) -> bool {
        let earned = now.saturating_sub(self.counted).as_millis() / EVERY.as_millis();
        if earned > 0 {
            self.left = self.left.saturating_add(u32::try_from(earned).unwrap_or(BURST)).min(BURST);
            self.counted = now;
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_of_in_few_lines() {
        let mut obituaries = Obituaries::new(Duration::ZERO);
        let told =
            |obituaries: &mut Obituaries, now: u64| (0..1000).filter(|_| obituaries.allowed(Duration::from_millis(now))).count();
        assert_eq!(told(&mut obituaries, 50), 100, "all that may come at once");
        assert_eq!(told(&mut obituaries, 1050), 10, "ten a second from then on");
        assert_eq!(told(&mut obituaries, 3_600_000), 100, "and never more than that at once");
    }
}
