//! A `[[fault]]` table: its kind, and the parameters that belong to that kind.

use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::values;
use crate::plan::{Direction, FaultKind, Link, Peer, Via};

/// A `[[fault]]` table as written, with the parameters taken into its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultSpec {
    pub at: Duration,
    /// `None` for a fault that heals itself.
    pub hold: Option<Duration>,
    pub kind: FaultKind,
    pub target: String,
    pub repeat: Option<Repeat>,
}

/// A fault that comes several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeat {
    /// From one start to the next.
    pub every: Duration,
    /// The first one included.
    pub times: u32,
}

/// One of the faults that a `[nemesis]` draws from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrawnSpec {
    pub kind: FaultKind,
    pub target: String,
    /// How often it is drawn, in proportion to the others.
    pub weight: u32,
    /// Least and greatest length; `None` for a fault that heals itself.
    pub hold: Option<(Duration, Duration)>,
}

/// How often one table may repeat.
const TIMES_MAX: u32 = 200;
const WEIGHT_MAX: u32 = 1_000;

/// All that a fault may say. Which of it belongs to which kind is told by [`Table::take_kind`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    kind: Spanned<String>,
    target: String,
    #[serde(rename = "for", default, deserialize_with = "values::some_range")]
    hold: Option<(Duration, Duration)>,

    // When, for a `[[fault]]`.
    #[serde(default, deserialize_with = "values::some_duration")]
    at: Option<Duration>,
    #[serde(default, deserialize_with = "values::some_duration")]
    every: Option<Duration>,
    times: Option<u32>,

    // How often, for a fault of `[nemesis]`.
    weight: Option<u32>,

    // Parameters of the kinds. Each is taken by the kind that it belongs to.
    from: Option<Peer>,
    direction: Option<Direction>,
    link: Option<Link>,
    via: Option<Via>,
    #[serde(default, deserialize_with = "values::some_duration")]
    pause: Option<Duration>,
    #[serde(default, deserialize_with = "values::some_duration")]
    down: Option<Duration>,
    #[serde(default, deserialize_with = "values::some_duration")]
    up: Option<Duration>,
    #[serde(default, deserialize_with = "values::some_duration")]
    latency: Option<Duration>,
    #[serde(default, deserialize_with = "values::some_duration")]
    jitter: Option<Duration>,
    #[serde(default, deserialize_with = "values::some_duration")]
    after: Option<Duration>,
    #[serde(default, deserialize_with = "values::some_duration")]
    gap: Option<Duration>,
    #[serde(default, deserialize_with = "values::some_duration")]
    length: Option<Duration>,
    #[serde(default, deserialize_with = "values::some_duration")]
    lose: Option<Duration>,
    #[serde(default, deserialize_with = "values::some_size")]
    bytes_per_second: Option<u64>,
    #[serde(default, deserialize_with = "values::some_size")]
    size: Option<u64>,
    cpus: Option<f64>,
    limit: Option<u64>,
    nodes: Option<u64>,
}

/// What is wrong with a fault, and where.
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) at: Range<usize>,
}

impl Table {
    /// Reads a `[[fault]]`.
    ///
    /// # Errors
    /// The kind is unknown, lacks a parameter, or has one that belongs to another kind or to `[nemesis]`.
    pub(super) fn read(self) -> Result<FaultSpec, Wrong> {
        self.read_as(|table, word, kind| {
            if table.weight.is_some() {
                return Err("`weight` belongs to the faults of `[nemesis]`; a `[[fault]]` comes for certain".to_owned());
            }
            let hold = match table.hold {
                Some((least, most)) if least != most => {
                    return Err("`for` is one length here; a range belongs to the faults of `[nemesis]`".to_owned());
                }
                hold => hold.map(|(least, _)| least),
            };
            let repeat = match (table.every, table.times) {
                (None, None) => None,
                (Some(every), Some(times @ 1..=TIMES_MAX)) if !every.is_zero() => Some(Repeat { every, times }),
                _ => {
                    return Err(format!(
                        "a fault that repeats needs both `every` (a time above 0) and `times` (1 to {TIMES_MAX})"
                    ));
                }
            };
            Ok(FaultSpec { at: need(word, "at", table.at)?, hold, kind, target: table.target, repeat })
        })
    }

    /// Reads one of the faults of `[nemesis]`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(super) fn read_drawn(self) -> Result<DrawnSpec, Wrong> {
        self.read_as(|table, _, kind| {
            if table.at.is_some() || table.every.is_some() || table.times.is_some() {
                return Err("`at`, `every` and `times` belong to a `[[fault]]`; `[nemesis]` chooses the times itself".to_owned());
            }
            let weight = table.weight.unwrap_or(1);
            if !(1..=WEIGHT_MAX).contains(&weight) {
                return Err(format!("`weight` is {weight}: give 1 to {WEIGHT_MAX}"));
            }
            Ok(DrawnSpec { kind, target: table.target, weight, hold: table.hold })
        })
    }

    fn read_as<T>(mut self, rest: impl FnOnce(Self, &str, FaultKind) -> Result<T, String>) -> Result<T, Wrong> {
        let word = self.kind.get_ref().clone();
        let at = self.kind.span();
        let wrong = |message: String| Wrong { message, at: at.clone() };
        let kind = self.take_kind(&word).map_err(wrong)?;
        if let Some(left) = self.left_over() {
            return Err(wrong(format!("`{left}` is no parameter of the fault `{word}`")));
        }
        rest(self, &word, kind).map_err(wrong)
    }

    fn take_kind(&mut self, word: &str) -> Result<FaultKind, String> {
        let kind = match word {
            "stop" => FaultKind::Stop,
            "drain" => FaultKind::Drain,
            "kill" => FaultKind::Kill,
            "pause" => FaultKind::Pause,
            "restart" => FaultKind::Restart,
            "rolling_restart" => FaultKind::RollingRestart,
            "crash_loop" => FaultKind::CrashLoop { pause_ms: millis(need(word, "pause", self.pause.take())?) },
            "cut" => FaultKind::Cut { from: need(word, "from", self.from.take())?, direction: self.take_direction() },
            "flap" => FaultKind::Flap {
                from: need(word, "from", self.from.take())?,
                down_ms: millis(need(word, "down", self.down.take())?),
                up_ms: millis(need(word, "up", self.up.take())?),
            },
            "delay" => FaultKind::Delay {
                link: self.take_link(word)?,
                via: self.via.take().unwrap_or(Via::Proxy),
                latency_ms: millis(need(word, "latency", self.latency.take())?),
                jitter_ms: self.jitter.take().map_or(0, millis),
                seed: 0,
            },
            "bandwidth" => FaultKind::Bandwidth {
                link: self.take_link(word)?,
                bytes_per_second: need(word, "bytes_per_second", self.bytes_per_second.take())?,
            },
            "black_hole" => FaultKind::BlackHole { link: self.take_link(word)?, direction: self.take_direction() },
            "reset" => FaultKind::Reset { link: self.take_link(word)?, after_ms: self.after.take().map_or(0, millis) },
            "slice" => FaultKind::Slice {
                link: self.take_link(word)?,
                bytes: need(word, "size", self.size.take())?,
                gap_us: self.gap.take().map_or(0, |gap| millis(gap) * 1_000),
            },
            "half_close" => FaultKind::HalfClose { link: self.take_link(word)? },
            "drop_replies" => {
                FaultKind::DropReplies { link: self.take_link(word)?, after_ms: self.after.take().map_or(500, millis) }
            }
            "cpu" => FaultKind::Cpu { millicpus: millicpus(need(word, "cpus", self.cpus.take())?)? },
            "memory" => FaultKind::Memory { bytes: need(word, "size", self.size.take())? },
            "disk_full" => FaultKind::DiskFull,
            "descriptors" => FaultKind::Descriptors { limit: need(word, "limit", self.limit.take())? },
            "purge_stream" => FaultKind::PurgeStream,
            "delete_stream" => FaultKind::DeleteStream,
            "delete_consumer" => FaultKind::DeleteConsumer,
            "lame_duck" => FaultKind::LameDuck,
            "read_only" => FaultKind::ReadOnly,
            "out_of_memory" => FaultKind::OutOfMemory,
            "client_kill" => FaultKind::ClientKill,
            "script_flush" => FaultKind::ScriptFlush,
            "slow_script" => FaultKind::SlowScript { length_ms: millis(need(word, "length", self.length.take())?) },
            "roll_back" => FaultKind::RollBack { lose_ms: millis(need(word, "lose", self.lose.take())?) },
            "scale_out" => FaultKind::ScaleOut { nodes: need(word, "nodes", self.nodes.take())? },
            _ => return Err(format!("unknown kind `{word}`, expected one of {}", FaultKind::WORDS.join(", "))),
        };
        Ok(kind)
    }

    fn take_link(&mut self, word: &str) -> Result<Link, String> {
        need(word, "link", self.link.take())
    }

    fn take_direction(&mut self) -> Direction {
        self.direction.take().unwrap_or(Direction::Both)
    }

    /// The first parameter that no kind took.
    fn left_over(&self) -> Option<&'static str> {
        let parameters = [
            ("from", self.from.is_some()),
            ("direction", self.direction.is_some()),
            ("link", self.link.is_some()),
            ("via", self.via.is_some()),
            ("pause", self.pause.is_some()),
            ("down", self.down.is_some()),
            ("up", self.up.is_some()),
            ("latency", self.latency.is_some()),
            ("jitter", self.jitter.is_some()),
            ("after", self.after.is_some()),
            ("gap", self.gap.is_some()),
            ("length", self.length.is_some()),
            ("lose", self.lose.is_some()),
            ("bytes_per_second", self.bytes_per_second.is_some()),
            ("size", self.size.is_some()),
            ("cpus", self.cpus.is_some()),
            ("limit", self.limit.is_some()),
            ("nodes", self.nodes.is_some()),
        ];
        parameters.into_iter().find(|(_, is_left)| *is_left).map(|(name, _)| name)
    }
}

fn need<T>(word: &str, name: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("the fault `{word}` needs `{name}`"))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn millicpus(cpus: f64) -> Result<u64, String> {
    let millicpus = crate::numbers::whole((cpus * 1_000.0).round());
    if (10..=64_000).contains(&millicpus) { Ok(millicpus) } else { Err(format!("`cpus` is {cpus}: give 0.01 to 64 cores")) }
}
