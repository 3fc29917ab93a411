//! How the single values of a scenario are written, and their defaults.

use std::fmt;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::plan::{Keys, NODES_MAX};

pub(super) fn default_warm_up() -> Duration {
    Duration::from_secs(3)
}

/// Long enough for a node's own answer after a stall of a second, short enough that the clients of a paused node are few.
pub(super) fn default_client_timeout() -> Duration {
    Duration::from_secs(2)
}

pub(super) fn default_quiescent_within() -> Duration {
    super::QUIESCENT_WITHIN
}

pub(super) fn default_keys() -> Keys {
    Keys::default()
}

pub(super) fn default_customers() -> u32 {
    500
}

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(DurationVisitor)
}

pub(super) fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

/// One duration, or the least and the greatest of a range.
pub(super) fn some_range<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<(Duration, Duration)>, D::Error> {
    deserializer.deserialize_any(RangeVisitor).map(Some)
}

struct RangeVisitor;

impl<'de> Visitor<'de> for RangeVisitor {
    type Value = (Duration, Duration);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"10s\", or two for a range, the shorter first: [\"1s\", \"4s\"]")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let duration = parse_duration(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))?;
        Ok((duration, duration))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut next = || -> Result<Option<Duration>, A::Error> {
            let text: Option<String> = seq.next_element()?;
            text.map(|text| parse_duration(&text).ok_or_else(|| A::Error::invalid_value(Unexpected::Str(&text), &self)))
                .transpose()
        };
        match (next()?, next()?, next()?) {
            (Some(least), Some(most), None) if least <= most => Ok((least, most)),
            _ => Err(A::Error::invalid_value(Unexpected::Seq, &self)),
        }
    }
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"250ms\", \"10s\" or \"2m\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        parse_duration(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// `250ms`, `1.5s`, `2m`; exact to the millisecond, at most a day.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(unit_at);
    let ms_per_unit = match unit.trim() {
        "ms" => 1.0,
        "s" => 1_000.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        _ => return None,
    };
    let ms = number.parse::<f64>().ok()? * ms_per_unit;
    let whole = ms.round();
    if (ms - whole).abs() > 1e-6 || !(0.0..=86_400_000.0).contains(&whole) {
        return None;
    }
    Some(Duration::from_secs_f64(whole / 1_000.0))
}

pub(super) fn some_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    deserializer.deserialize_any(SizeVisitor).map(Some)
}

pub(super) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_any(SizeVisitor)
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size in bytes, such as 512, \"64KiB\" or \"1GiB\"")
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<u64, E> {
        u64::try_from(bytes).map_err(|_| E::invalid_value(Unexpected::Signed(bytes), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        parse_size(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// `512B`, `64KiB`, `256MiB`, `1GiB`; whole numbers only.
fn parse_size(text: &str) -> Option<u64> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let shift = match unit.trim() {
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

pub(super) fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    const EXPECTED: &str = "a rate in operations per second, above 0 and at most 100000";
    let rate = f64::deserialize(deserializer)?;
    if rate > 0.0 && rate <= 100_000.0 { Ok(rate) } else { Err(D::Error::invalid_value(Unexpected::Float(rate), &EXPECTED)) }
}

pub(super) fn some_rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    rate(deserializer).map(Some)
}

/// The rate of a part of the load, which may rest.
pub(super) fn part_rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    part(f64::deserialize(deserializer)?)
}

pub(super) fn some_part_rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    part_rate(deserializer).map(Some)
}

/// Of several parts, one of which at least does not rest.
pub(super) fn some_rates<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<f64>>, D::Error> {
    const EXPECTED: &str = "1 to 1000 rates in operations per second, not all of them 0";
    let rates: Vec<f64> = Deserialize::deserialize(deserializer)?;
    let rates = rates.into_iter().map(part).collect::<Result<Vec<f64>, D::Error>>()?;
    if rates.len() > 1_000 || !rates.iter().any(|rate| *rate > 0.0) {
        return Err(D::Error::invalid_value(Unexpected::Seq, &EXPECTED));
    }
    Ok(Some(rates))
}

fn part<E: Error>(rate: f64) -> Result<f64, E> {
    const EXPECTED: &str = "a rate in operations per second, from 0 to 100000";
    if (0.0..=100_000.0).contains(&rate) { Ok(rate) } else { Err(E::invalid_value(Unexpected::Float(rate), &EXPECTED)) }
}

pub(super) fn nodes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let nodes = u64::deserialize(deserializer)?;
    match usize::try_from(nodes) {
        Ok(some) if (1..=NODES_MAX).contains(&nodes) => Ok(some),
        _ => Err(D::Error::invalid_value(Unexpected::Unsigned(nodes), &format!("1 to {NODES_MAX} nodes").as_str())),
    }
}

pub(super) fn customers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        0 => Err(D::Error::invalid_value(Unexpected::Unsigned(0), &"at least 1 customer")),
        some => Ok(some),
    }
}

pub(super) fn skew<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    const EXPECTED: &str = "an exponent from 0 (all customers alike) to 5";
    let skew = f64::deserialize(deserializer)?;
    if (0.0..=5.0).contains(&skew) { Ok(skew) } else { Err(D::Error::invalid_value(Unexpected::Float(skew), &EXPECTED)) }
}

pub(super) fn some_body<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<(u32, u32)>, D::Error> {
    deserializer.deserialize_any(BodyVisitor).map(Some)
}

struct BodyVisitor;

impl BodyVisitor {
    /// What the contract lets through.
    fn check<E: Error>(self, least: u64, most: u64) -> Result<(u32, u32), E> {
        match (u32::try_from(least), u32::try_from(most)) {
            (Ok(small), Ok(large)) if small <= large && large <= 16 * 1_024 => Ok((small, large)),
            _ => Err(E::invalid_value(Unexpected::Other(&format!("{least} to {most} bytes")), &self)),
        }
    }
}

impl<'de> Visitor<'de> for BodyVisitor {
    type Value = (u32, u32);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size up to 16KiB such as \"2KiB\", or two for a range, the smaller first: [\"200B\", \"4KiB\"]")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let size = parse_size(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))?;
        self.check(size, size)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut sizes = Vec::new();
        while let Some(text) = seq.next_element::<String>()? {
            sizes.push(parse_size(&text).ok_or_else(|| A::Error::invalid_value(Unexpected::Str(&text), &self))?);
        }
        match sizes[..] {
            [least, most] => self.check(least, most),
            _ => Err(A::Error::invalid_value(Unexpected::Seq, &self)),
        }
    }
}

fn share<E: Error>(value: f64) -> Result<f64, E> {
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err(E::invalid_value(Unexpected::Float(value), &"a share between 0 and 1"))
    }
}

pub(super) fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Keys, D::Error> {
    deserializer.deserialize_any(KeysVisitor)
}

struct KeysVisitor;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shares {
    #[serde(default)]
    repeat: f64,
    #[serde(default)]
    conflict: f64,
    #[serde(default)]
    hot: f64,
    #[serde(default)]
    read: f64,
}

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"unique\", \"hot\", or shares such as { repeat = 0.05, conflict = 0.01, hot = 0.1, read = 0.2 }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Keys, E> {
        match text {
            "unique" => Ok(default_keys()),
            // Every operation after the first comes back to the only order there is.
            "hot" => Ok(Keys { hot: 1.0, ..Keys::default() }),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Keys, A::Error> {
        let shares = Shares::deserialize(MapAccessDeserializer::new(map))?;
        let Shares { repeat, conflict, hot, read } = shares;
        for value in [repeat, conflict, hot, read, repeat + conflict + hot + read] {
            share::<A::Error>(value)?;
        }
        Ok(Keys { repeat, conflict, hot, read })
    }
}
