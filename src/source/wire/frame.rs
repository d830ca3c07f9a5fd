//! Protocol messages, and the content of CopyData in a replication stream.
//! <https://www.postgresql.org/docs/current/protocol-replication.html>

use crate::position::Lsn;
use crate::time::Timestamp;

/// The content of one CopyData message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Frame<'a> {
    /// XLogData: a message of pgoutput.
    Data {
        /// Its LSN; zero for messages without one.
        start: Lsn,
        /// When it was sent, by the server's clock.
        sent_at: Timestamp,
        /// The pgoutput message.
        body: &'a [u8],
    },
    /// Primary keepalive: the server's current position.
    Keepalive {
        /// Everything before this LSN was sent.
        end: Lsn,
        /// The server requests a status update at once.
        reply_requested: bool,
    },
}

/// Bytes that are not a frame.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MalformedFrame {
    /// The frame is truncated.
    #[error("a frame of the stream ends early")]
    Truncated,
    /// The frame's kind is unknown.
    #[error("a frame of unknown kind {0:?}")]
    Unknown(char),
    /// The length is impossible.
    #[error("a message of kind {kind:?} with an impossible length of {length} bytes")]
    Length {
        /// The message's kind.
        kind: char,
        /// The length in its header.
        length: i64,
    },
}

impl<'a> Frame<'a> {
    /// Parses the content of one CopyData message.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, MalformedFrame> {
        let (kind, rest) = bytes.split_first().ok_or(MalformedFrame::Truncated)?;
        match kind {
            b'w' => {
                let (start, rest) = number(rest)?;
                let (_end, rest) = number(rest)?;
                let (sent_at, body) = number(rest)?;
                let sent_at = Timestamp::from_postgres(sent_at.cast_signed());
                Ok(Self::Data { start: Lsn(start), sent_at, body })
            }
            b'k' => {
                let (end, rest) = number(rest)?;
                let (_sent_at, rest) = number(rest)?;
                let (reply, _) = rest.split_first().ok_or(MalformedFrame::Truncated)?;
                Ok(Self::Keepalive { end: Lsn(end), reply_requested: *reply != 0 })
            }
            unknown => Err(MalformedFrame::Unknown((*unknown).into())),
        }
    }
}

/// Kind and total length of the message at the start of `bytes`; `None` if more bytes are needed.
pub(in crate::source) fn message_length(bytes: &[u8]) -> Result<Option<(u8, usize)>, MalformedFrame> {
    let Some((kind, rest)) = bytes.split_first() else { return Ok(None) };
    let Some((length, _)) = rest.split_first_chunk::<4>() else { return Ok(None) };
    let length = i64::from(i32::from_be_bytes(*length));
    // The length includes itself but not the kind.
    match usize::try_from(length) {
        Ok(whole) if (4..MESSAGE_BYTES_MAX).contains(&whole) => Ok(Some((*kind, whole + 1))),
        _ => Err(MalformedFrame::Length { kind: (*kind).into(), length }),
    }
}

/// A standby status update as a CopyData message: the server may discard the WAL before `synced`.
pub(in crate::source) fn status_update(synced: Lsn, now: Timestamp, reply_requested: bool) -> [u8; 39] {
    let mut body = [0; 39];
    let fields: [&[u8]; 7] = [
        b"d\0\0\0\x26r",
        &synced.0.to_be_bytes(), // Written.
        &synced.0.to_be_bytes(), // Flushed: the one that lets Postgres recycle its log.
        &synced.0.to_be_bytes(), // Applied.
        &now.to_postgres().to_be_bytes(),
        &[u8::from(reply_requested)],
        &[],
    ];
    let mut rest = &mut body[..];
    for field in fields {
        let (place, after) = std::mem::take(&mut rest).split_at_mut(field.len());
        place.copy_from_slice(field);
        rest = after;
    }
    body
}

fn number(bytes: &[u8]) -> Result<(u64, &[u8]), MalformedFrame> {
    let (number, rest) = bytes.split_first_chunk().ok_or(MalformedFrame::Truncated)?;
    Ok((u64::from_be_bytes(*number), rest))
}

/// Postgres sends no message larger than 1 GiB, headers excluded.
const MESSAGE_BYTES_MAX: usize = (1 << 30) + 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEEPALIVE: &[u8] = b"k\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\0\x01";
    const DATA: &[u8] = b"w\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0\x07body";

    #[test]
    fn frames_are_read_and_none_of_their_truncations() {
        assert_eq!(Frame::parse(KEEPALIVE), Ok(Frame::Keepalive { end: Lsn(7), reply_requested: true }));
        let sent_at = Timestamp::from_postgres(7);
        assert_eq!(Frame::parse(DATA), Ok(Frame::Data { start: Lsn(5), sent_at, body: b"body" }));
        for length in 0..KEEPALIVE.len() {
            assert!(Frame::parse(&KEEPALIVE[..length]).is_err());
        }
        for length in 0..DATA.len() - 4 {
            assert!(Frame::parse(&DATA[..length]).is_err());
        }
        assert_eq!(Frame::parse(b"x"), Err(MalformedFrame::Unknown('x')));
    }

    #[test]
    fn a_length_that_cannot_be_is_refused() {
        assert_eq!(message_length(b"d\0\0\0"), Ok(None));
        assert_eq!(message_length(b"d\0\0\0\x04"), Ok(Some((b'd', 5))));
        assert!(message_length(b"d\0\0\0\x03").is_err());
        assert!(message_length(b"d\xff\xff\xff\xff").is_err());
        assert!(message_length(b"HTTP/1.1 400").is_err());
    }

    #[test]
    fn a_status_update_tells_the_synced_lsn_three_times() {
        let update = status_update(Lsn(9), Timestamp::from_postgres(3), true);
        assert_eq!(message_length(&update), Ok(Some((b'd', update.len()))));
        assert_eq!(
            &update[5..],
            b"r\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x03\x01"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Frame::parse(&bytes);
            let _ = message_length(&bytes);
        }
    }
}
