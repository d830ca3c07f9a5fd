//! Times that a form gives. Pure.

use super::visit::Visit;

/// What a field for a time gives, as RFC 3339: `2026-11-28T17:46`, with or without seconds and zone.
pub(super) fn in_utc(given: &str) -> String {
    let given = given.trim();
    let has_zone = given.ends_with('Z') || given.get(16..).is_some_and(|rest| rest.contains(['+', '-']));
    match given.len() {
        _ if has_zone => given.to_owned(),
        16 => format!("{given}:00Z"),
        _ => format!("{given}Z"),
    }
}

/// The value of a field for a time, as the query has it: without its zone.
pub(super) fn field(visit: &Visit, name: &str) -> String {
    visit.query(name).unwrap_or_default().trim_end_matches('Z').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_a_zone_is_in_utc() {
        let given =
            ["2026-11-28T17:46", "2026-11-28T17:46:01", "2026-11-28T17:46:01Z", "2026-11-28T17:46:01+02:00"];
        let utc = [
            "2026-11-28T17:46:00Z",
            "2026-11-28T17:46:01Z",
            "2026-11-28T17:46:01Z",
            "2026-11-28T17:46:01+02:00",
        ];
        assert_eq!(given.map(in_utc), utc);
    }
}
