//! Log lines for what others can bring about as often as they like: each gets its line, and a flood gets few.

use std::time::Duration;

/// Lines that may come at once.
const BURST: u32 = 100;
/// How long one more line takes to be allowed again.
const EVERY: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Ration {
    left: u32,
    /// Up to when lines were allowed again.
    counted: Duration,
    untold: u64,
}

impl Ration {
    pub(super) fn new(now: Duration) -> Self {
        Self { left: BURST, counted: now, untold: 0 }
    }

    /// May a line be written now? If so, how many were left out since the last one.
    pub(super) fn line(&mut self, now: Duration) -> Option<u64> {
        let earned = now.saturating_sub(self.counted).as_millis() / EVERY.as_millis();
        if earned > 0 {
            self.left = self.left.saturating_add(u32::try_from(earned).unwrap_or(BURST)).min(BURST);
            self.counted = now;
        }
        if self.left == 0 {
            self.untold += 1;
            return None;
        }
        self.left -= 1;
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_of_in_few_lines() {
        let mut ration = Ration::new(Duration::ZERO);
        let told =
            |ration: &mut Ration, now: u64| (0..1000).filter_map(|_| ration.line(Duration::from_millis(now))).collect::<Vec<_>>();
        assert_eq!(told(&mut ration, 50), [0; 100], "all that may come at once");
        let later = told(&mut ration, 1050);
        assert_eq!((later.len(), later[0]), (10, 900), "ten a second from then on, and what was left out is counted");
        assert_eq!(told(&mut ration, 3_600_000).len(), 100, "and never more than that at once");
    }
}
