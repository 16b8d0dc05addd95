//! Sizes and times as people write them: `"64 MiB"`, `"30s"`. For `#[serde(deserialize_with = ...)]`.

use std::{fmt, time::Duration};

use serde::{
    Deserializer,
    de::{Error, Visitor},
};

/// The units of sizes with their factors, largest first: a size is shown in the first one that divides it.
const SIZES: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// The units of times in milliseconds.
const TIMES: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a number and its unit.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = units.iter().find(|(name, _)| *name == unit.trim())?.1;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// Words a number in the largest unit that divides it.
fn show(value: u64, units: &[(&str, u64)], gap: &str) -> String {
    let fits = |(_, factor): &&(&str, u64)| value != 0 && value.is_multiple_of(*factor);
    let (name, factor) = units.iter().find(fits).or(units.last()).copied().unwrap_or(("", 1));
    format!("{}{gap}{name}", value / factor)
}

/// Words a size.
pub(crate) fn show_size(bytes: u64) -> String {
    show(bytes, &SIZES, " ")
}

/// Words a time.
pub(crate) fn show_time(time: Duration) -> String {
    show(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), &TIMES, "")
}

/// Reads a text that carries a unit.
struct WithUnit {
    units: &'static [(&'static str, u64)],
    expected: &'static str,
}

impl Visitor<'_> for WithUnit {
    type Value = u64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        parse(text, self.units).ok_or_else(|| E::custom(format!("{text:?} is not {}", self.expected)))
    }
}

/// Reads a size in bytes: a number and `B`, `KB`, `MB`, `GB` (powers of 1000), `KiB`, `MiB`, `GiB` (powers of 1024).
pub(crate) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_str(WithUnit {
        units: &SIZES,
        expected: "a size such as \"64 MiB\" or \"10 GB\"",
    })
}

/// Reads a size that may be left out.
pub(crate) fn optional_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    size(deserializer).map(Some)
}

/// Reads a time: a number and `ms`, `s`, `m`, `h` or `d`.
pub(crate) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let milliseconds = deserializer.deserialize_str(WithUnit {
        units: &TIMES,
        expected: "a time such as \"500ms\", \"30s\" or \"24h\"",
    })?;
    Ok(Duration::from_millis(milliseconds))
}

/// Reads a time that may be left out.
pub(crate) fn optional_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    time(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_units() {
        let (size, time) = (|text| parse(text, &SIZES), |text| parse(text, &TIMES));
        assert_eq!(size("64 MiB"), Some(64 << 20));
        assert_eq!(size("10GB"), Some(10_000_000_000));
        assert_eq!(time("500ms"), Some(500));
        assert_eq!(time("2 h"), Some(7_200_000));
        for bad in ["", "5", "MiB", "-1 B", "+1 B", "1.5 GiB", "1 XB", "99999999999 GiB"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }

    #[test]
    fn shows_the_largest_unit_that_divides() {
        let sizes = [0, 1_023, 4 << 20, 10_000_000_000, 3 << 30].map(show_size);
        assert_eq!(sizes, ["0 B", "1023 B", "4 MiB", "10 GB", "3 GiB"]);
        let times = [0, 1, 1_500, 90_000, 86_400_000].map(|ms| show_time(Duration::from_millis(ms)));
        assert_eq!(times, ["0ms", "1ms", "1500ms", "90s", "1d"]);
    }
}
