//! Numbers, sizes, times and durations as the page shows them. Pure.
//!
//! Templates pass numbers by value or by reference.

use std::borrow::Borrow;
use std::time::Duration;

use crate::admin::text;
use crate::amount;
use crate::time::Timestamp;

/// `1,234,567`
pub(super) fn number(number: impl Borrow<u64>) -> String {
    let digits = number.borrow().to_string();
    let first = digits.len() % 3;
    let mut shown = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && at % 3 == first {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `1 record`, `2,000 records`
pub(super) fn count(count: impl Borrow<u64>, one: &str, many: &str) -> String {
    let count = *count.borrow();
    format!("{} {}", number(count), amount::noun(count, one, many))
}

/// `1.5 GiB`
pub(super) fn size(bytes: impl Borrow<u64>) -> String {
    amount::size(*bytes.borrow())
}

/// `0.4 s`, `12 s`, `6 min`, `3 h`, `9 days`
pub(super) fn span(seconds: impl Borrow<f64>) -> String {
    let seconds = *seconds.borrow();
    if seconds < 10.0 {
        return format!("{:.1} s", seconds.max(0.0));
    }
    let whole = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    match whole.as_secs() / 86_400 {
        days @ 2.. => format!("{days} days"),
        _ => amount::span(whole),
    }
}

/// `1 s`, `40 s`, `4 min`: of an estimate, in whole seconds and at least one.
pub(super) fn about(seconds: impl Borrow<f64>) -> String {
    amount::span(Duration::try_from_secs_f64(seconds.borrow().max(1.0).round()).unwrap_or_default())
}

/// `0`, `2.5`, `1,234`
pub(super) fn rate(per_second: impl Borrow<f64>) -> String {
    let rate = *per_second.borrow();
    match rate {
        ..=0.0 => "0".to_owned(),
        ..10.0 => format!("{rate:.1}"),
        _ => number(Duration::try_from_secs_f64(rate).unwrap_or_default().as_secs()),
    }
}

/// `0.3 ms`, `12 ms`, `1.2 s`
pub(super) fn short(seconds: impl Borrow<f64>) -> String {
    let seconds = *seconds.borrow();
    match seconds * 1_000.0 {
        millis if millis < 10.0 => format!("{millis:.1} ms"),
        millis if millis < 1_000.0 => format!("{millis:.0} ms"),
        _ => span(seconds),
    }
}

/// Text of tenants and receivers: what is not displayed, or changes the direction of text, is escaped.
pub(super) fn plain(text: impl AsRef<str>) -> String {
    text::plain(text.as_ref())
}

/// `2026-11-28 17:46:01`, of RFC 3339 in UTC.
pub(super) fn time(rfc3339: &str) -> String {
    rfc3339.get(..19).map_or_else(|| rfc3339.to_owned(), |time| time.replace('T', " "))
}

/// Seconds from one time to another, both RFC 3339.
pub(super) fn between(from: &str, to: &str) -> Option<f64> {
    let (from, to) = (Timestamp::from_rfc3339(from)?, Timestamp::from_rfc3339(to)?);
    Some(to.since(from).as_secs_f64())
}

/// `Thu 2026-12-03 03:12 UTC`: so many seconds after a time of RFC 3339.
pub(super) fn moment_in(from: &str, seconds: f64) -> String {
    let wait = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let at = Timestamp::from_rfc3339(from).map(|from| from.plus(wait).0);
    let at = at.and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
    at.map(|at| at.strftime("%a %Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_groups_of_three() {
        let shown = [0_u64, 12, 123, 1_234, 12_345, 123_456, 1_234_567].map(number);
        assert_eq!(shown, ["0", "12", "123", "1,234", "12,345", "123,456", "1,234,567"]);
        assert_eq!(
            (count(1_u64, "record", "records"), count(0_u64, "record", "records")),
            ("1 record".into(), "0 records".into())
        );
        assert_eq!(
            [0.42, 12.0, 360.0, 10_800.0, 777_600.0].map(span),
            ["0.4 s", "12 s", "6 min", "3 h", "9 days"]
        );
        assert_eq!([0.001, 2.4, 240.0].map(about), ["1 s", "2 s", "4 min"]);
        assert_eq!([0.000_31, 0.0123, 0.9, 1.25].map(short), ["0.3 ms", "12 ms", "900 ms", "1.2 s"]);
        assert_eq!(plain("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(time("2026-11-28T17:46:01.123Z"), "2026-11-28 17:46:01");
        assert_eq!(moment_in("2026-11-28T17:46:01Z", 3_600.0 * 72.0), "Tue 2026-12-01 17:46 UTC");
        assert_eq!(between("2026-11-28T17:46:01Z", "2026-11-28T17:46:03.5Z"), Some(2.5));
    }
}
