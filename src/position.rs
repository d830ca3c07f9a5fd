//! LSNs and positions, ordered and printable.

use std::fmt;
use std::str::FromStr;

/// A log sequence number: a byte position in the WAL.
///
/// Written as Postgres writes it, `0/16B3748`, so that it can be pasted into SQL. Parsed from that form, or
/// from the first half of a [`Position`], `0-16B3748`.
/// <https://www.postgresql.org/docs/current/datatype-pg-lsn.html>
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Lsn(pub u64);

/// The position of one record in the order of all committed changes: the LSN of its transaction's commit
/// record, as in Begin, and its number among the records of that transaction, over all lanes, from 1. No
/// two records of an epoch have the same position.
///
/// Written `0-16B3748/3`: receivers and scripts split it at the slash.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Position {
    /// The LSN of the transaction's commit record.
    pub commit: Lsn,
    /// 1, 2, …
    pub number: u32,
}

/// A position in a request: an LSN alone means the whole transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// The LSN of a transaction's commit record.
    pub commit: Lsn,
    /// The number of one record, if given.
    pub number: Option<u32>,
}

impl Place {
    /// The position of the first record it covers.
    pub fn first(self) -> Position {
        Position { commit: self.commit, number: self.number.unwrap_or(1) }
    }

    /// The position of the last record it covers.
    pub fn last(self) -> Position {
        Position { commit: self.commit, number: self.number.unwrap_or(u32::MAX) }
    }
}

/// Why a text is not an LSN or position.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not an LSN: expected `0/16B3748`, `0-16B3748` or `0-16B3748/3`")]
pub struct NotAnLsn(String);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl fmt::Debug for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Lsn {
    type Err = NotAnLsn;

    fn from_str(text: &str) -> Result<Self, NotAnLsn> {
        let refuse = || NotAnLsn(text.to_owned());
        let (high, low) = text.split_once(['/', '-']).ok_or_else(refuse)?;
        let half = |digits: &str| {
            let plain = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
            plain.then(|| u64::from_str_radix(digits, 16).ok()).flatten().ok_or_else(refuse)
        };
        Ok(Self(half(high)? << 32 | half(low)?))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}-{:X}/{}", self.commit.0 >> 32, self.commit.0 & 0xFFFF_FFFF, self.number)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            None => self.commit.fmt(f),
            Some(number) => Position { commit: self.commit, number }.fmt(f),
        }
    }
}

impl FromStr for Place {
    type Err = NotAnLsn;

    fn from_str(text: &str) -> Result<Self, NotAnLsn> {
        let whole = Lsn::from_str(text).map(|commit| Self { commit, number: None });
        let of_one = || {
            let (commit, number) = text.rsplit_once('/')?;
            let number = number.parse().ok().filter(|_| number.bytes().all(|b| b.is_ascii_digit()))?;
            Some(Self { commit: commit.parse().ok()?, number: Some(number) })
        };
        whole.or_else(|refused| of_one().ok_or(refused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_lsn_is_read_with_slash_or_hyphen_and_written_with_a_slash() {
        let lsn = Lsn(0x1_016B_3748);
        assert_eq!("1/16B3748".parse(), Ok(Lsn(0x0000_0001_016B_3748)));
        assert_eq!("1-16b3748".parse(), Ok(lsn));
        assert_eq!(lsn.to_string(), "1/16B3748");
        assert_eq!(Position { commit: lsn, number: 3 }.to_string(), "1-16B3748/3");
    }

    #[test]
    fn a_place_may_name_one_record() {
        let commit = Lsn(0x16B_3748);
        assert_eq!("0-16B3748/3".parse(), Ok(Place { commit, number: Some(3) }));
        assert_eq!("0/16B3748/3".parse(), Ok(Place { commit, number: Some(3) }));
        assert_eq!("0/16B3748".parse(), Ok(Place { commit, number: None }));
    }

    #[test]
    fn what_is_no_lsn_is_refused_with_the_valid_forms() {
        for text in [
            "",
            "16B3748",
            "0/",
            "/1",
            "0/123456789",
            "0/+1",
            "0/1/",
            "0/1/-1",
            "0/1/+1",
            "x/1",
            "0/1/4294967296",
        ] {
            let refused = text.parse::<Place>().expect_err(text);
            assert!(refused.to_string().contains("0-16B3748/3"), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(lsn: u64, number: u32) {
            let position = Position { commit: Lsn(lsn), number };
            prop_assert_eq!(Lsn(lsn).to_string().parse(), Ok(Lsn(lsn)));
            let place = Place { commit: Lsn(lsn), number: (number > 0).then_some(number) };
            prop_assert_eq!(place.to_string().parse(), Ok(place));
            prop_assert_eq!(position.to_string().parse(), Ok(Place { commit: Lsn(lsn), number: Some(number) }));
        }
    }
}
