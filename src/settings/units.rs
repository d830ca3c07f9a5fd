//! Durations and sizes with units.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// A duration with its unit: `"500ms"`, `"15s"`, `"72h"`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct HumanDuration(pub Duration);

/// A number of bytes: `1048576`, or with a unit: `"1MiB"`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct ByteSize(pub u64);

/// Parses a duration: `90s`, `72h`.
pub(crate) fn span(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// Parses a number of bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let shift = match unit {
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    number.checked_mul(1_u64.checked_shl(shift)?)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = HumanDuration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration with its unit, like \"500ms\", \"15s\", \"10m\", \"72h\" or \"7d\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<HumanDuration, E> {
                span(text).map(HumanDuration).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeVisitor;
        impl Visitor<'_> for SizeVisitor {
            type Value = ByteSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes, or with its unit, like \"64KiB\", \"1MiB\" or \"10GiB\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<ByteSize, E> {
                size(text).map(ByteSize).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(number))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<ByteSize, E> {
                u64::try_from(number)
                    .map(ByteSize)
                    .map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
            }
        }
        deserializer.deserialize_any(SizeVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        assert_eq!(span("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(
            (span("72h"), span("7d")),
            (Some(Duration::from_hours(72)), Some(Duration::from_hours(168)))
        );
        assert_eq!((size("64KiB"), size("10 GiB"), size("7B")), (Some(65_536), Some(10 << 30), Some(7)));
        for wrong in ["", "5", "ms", "5 minutes", "-5s", "1.5h", "99999999999999999999s", "5kb"] {
            assert_eq!((span(wrong), size(wrong)), (None, None), "{wrong}");
        }
    }
}
