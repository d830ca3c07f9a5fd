//! A checked cursor over one message.

use crate::position::Lsn;

/// Why a message is malformed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Malformed {
    /// The message ends inside a field.
    #[error("the message ends inside its {0}")]
    Truncated(&'static str),
    /// Bytes follow the message's last field.
    #[error("{0} bytes follow the message's end")]
    Trailing(usize),
    /// A text is not UTF-8, or not terminated.
    #[error("the {0} is not a text")]
    NotAText(&'static str),
    /// A kind that protocol version 1 does not have.
    #[error("unknown {what} {found:?}")]
    Unknown {
        /// What has this kind.
        what: &'static str,
        /// The byte found.
        found: char,
    },
}

/// Reads big-endian fields from the front of a message.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn take(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed::Truncated(what))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed::Truncated(what))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, Malformed> {
        Ok(u8::from_be_bytes(self.array(what)?))
    }

    pub(super) fn u16(&mut self, what: &'static str) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.array(what)?))
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.array(what)?))
    }

    pub(super) fn i32(&mut self, what: &'static str) -> Result<i32, Malformed> {
        Ok(i32::from_be_bytes(self.array(what)?))
    }

    pub(super) fn i64(&mut self, what: &'static str) -> Result<i64, Malformed> {
        Ok(i64::from_be_bytes(self.array(what)?))
    }

    pub(super) fn lsn(&mut self, what: &'static str) -> Result<Lsn, Malformed> {
        Ok(Lsn(u64::from_be_bytes(self.array(what)?)))
    }

    /// A text that is terminated by a zero byte.
    pub(super) fn text(&mut self, what: &'static str) -> Result<&'a str, Malformed> {
        let length = self.rest.iter().position(|byte| *byte == 0).ok_or(Malformed::Truncated(what))?;
        let bytes = self.take(length, what)?;
        self.u8(what)?;
        std::str::from_utf8(bytes).map_err(|_| Malformed::NotAText(what))
    }

    /// The number of unread bytes.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn end(self) -> Result<(), Malformed> {
        match self.rest.len() {
            0 => Ok(()),
            more => Err(Malformed::Trailing(more)),
        }
    }
}
