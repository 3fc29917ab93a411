//! What kinds of faults are called.

use super::{Direction, FaultKind, Via};

impl FaultKind {
    /// Every word that [`FaultKind::word`] gives.
    pub const WORDS: [&str; 31] = [
        "stop",
        "drain",
        "kill",
        "pause",
        "restart",
        "rolling_restart",
        "crash_loop",
        "cut",
        "flap",
        "delay",
        "bandwidth",
        "black_hole",
        "reset",
        "slice",
        "half_close",
        "drop_replies",
        "cpu",
        "memory",
        "disk_full",
        "descriptors",
        "purge_stream",
        "delete_stream",
        "delete_consumer",
        "lame_duck",
        "read_only",
        "out_of_memory",
        "client_kill",
        "script_flush",
        "slow_script",
        "roll_back",
        "scale_out",
    ];

    /// The word that scenarios use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Drain => "drain",
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Restart => "restart",
            Self::RollingRestart => "rolling_restart",
            Self::CrashLoop { .. } => "crash_loop",
            Self::Cut { .. } => "cut",
            Self::Flap { .. } => "flap",
            Self::Delay { .. } => "delay",
            Self::Bandwidth { .. } => "bandwidth",
            Self::BlackHole { .. } => "black_hole",
            Self::Reset { .. } => "reset",
            Self::Slice { .. } => "slice",
            Self::HalfClose { .. } => "half_close",
            Self::DropReplies { .. } => "drop_replies",
            Self::Cpu { .. } => "cpu",
            Self::Memory { .. } => "memory",
            Self::DiskFull => "disk_full",
            Self::Descriptors { .. } => "descriptors",
            Self::PurgeStream => "purge_stream",
            Self::DeleteStream => "delete_stream",
            Self::DeleteConsumer => "delete_consumer",
            Self::LameDuck => "lame_duck",
            Self::ReadOnly => "read_only",
            Self::OutOfMemory => "out_of_memory",
            Self::ClientKill => "client_kill",
            Self::ScriptFlush => "script_flush",
            Self::SlowScript { .. } => "slow_script",
            Self::RollBack { .. } => "roll_back",
            Self::ScaleOut { .. } => "scale_out",
        }
    }
}

/// As a person would say it: `cut from nats, in`, `delay redis 50 ms`.
impl std::fmt::Display for FaultKind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.word())?;
        match self {
            Self::CrashLoop { pause_ms } => write!(out, " every {pause_ms} ms"),
            Self::Cut { from, direction: Direction::Both } => write!(out, " from {}", from.word()),
            Self::Cut { from, direction } => write!(out, " from {}, {} only", from.word(), direction.word()),
            Self::Flap { from, down_ms, up_ms } => write!(out, " from {}, {down_ms} ms down, {up_ms} ms up", from.word()),
            Self::Delay { link, latency_ms, jitter_ms, via, .. } => {
                let by = if *via == Via::Netem { ", by netem" } else { "" };
                write!(out, " {} {latency_ms}±{jitter_ms} ms{by}", link.word())
            }
            Self::Bandwidth { link, bytes_per_second } => write!(out, " {} {bytes_per_second} B/s", link.word()),
            Self::BlackHole { link, direction: Direction::Both } | Self::HalfClose { link } => write!(out, " {}", link.word()),
            Self::BlackHole { link, direction } => write!(out, " {}, {} only", link.word(), direction.word()),
            Self::Reset { link, after_ms } | Self::DropReplies { link, after_ms } => {
                write!(out, " {} after {after_ms} ms", link.word())
            }
            Self::Slice { link, bytes, gap_us } => write!(out, " {} {bytes} B each {gap_us} µs", link.word()),
            Self::Cpu { millicpus } => write!(out, " {} cores", *millicpus as f64 / 1_000.0),
            Self::Memory { bytes } => write!(out, " {} MiB", bytes >> 20),
            Self::Descriptors { limit } => write!(out, " {limit}"),
            Self::SlowScript { length_ms } => write!(out, " {length_ms} ms"),
            Self::RollBack { lose_ms } => write!(out, " by {lose_ms} ms"),
            Self::ScaleOut { nodes } => write!(out, " to {nodes} nodes"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    /// Every variant, as serde names it: it tells them all to whoever gives another one.
    fn variants() -> Vec<String> {
        let told = serde_json::from_str::<FaultKind>(r#"{"kind": "?"}"#).expect_err("no kind").to_string();
        let (_, all) = told.split_once("expected one of ").expect("they are told");
        all.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn every_kind_is_listed_read_from_a_scenario_and_told_of() {
        assert_eq!(variants(), FaultKind::WORDS);
        let pages = [include_str!("../../../../../docs/faults.md"), include_str!("../../../../../scenarios/README.md")];
        for word in FaultKind::WORDS {
            let load = "[load]\nprofile = \"constant\"\nrate = 1\nduration = \"60s\"\nkeys = \"unique\"\n";
            let text = format!("hypothesis = \"h\"\n{load}[[fault]]\nkind = \"{word}\"\ntarget = \"nats\"\n");
            let told = Scenario::parse("test", &text).expect_err("it does not say when").to_string();
            assert!(told.contains(&format!("the fault `{word}` needs ")), "{told}");
            assert!(pages.iter().all(|page| page.contains(&format!("`{word}`"))), "{word} has no row");
        }
    }
}
