//! Reads the status from the incoming bytes, in parallel with the HTTP library: on a malformed head the
//! library fails without the status, which decides the outcome.

mod frames;

use std::io::{Error, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use self::frames::Frames;
use crate::clock::Clock;

/// The bytes received since the request began.
#[derive(Clone, Debug)]
pub(super) struct StatusTap(Arc<Mutex<TapState>>);

#[derive(Debug)]
struct TapState {
    reader: StatusReader,
    /// When the first byte of an answer was received.
    answered_at: Option<Instant>,
    /// Bytes received without a final status.
    undecided_bytes: usize,
}

#[derive(Debug)]
enum StatusReader {
    Frames(Frames),
    StatusLine(StatusLine),
}

/// A connection whose incoming bytes are observed.
pub(super) struct TappedStream<S> {
    inner: S,
    tap: StatusTap,
    /// Writing failed, and what was received before is being read.
    write_error: Option<Error>,
}

/// Finds the status line of an HTTP/1 response in incoming bytes.
#[derive(Debug, Default)]
struct StatusLine {
    any: bool,
    status: Option<u16>,
    /// The line that is being read, up to a length.
    line: Vec<u8>,
    /// After an interim response's status line: its header lines are skipped.
    interim: bool,
    /// The bytes are not an HTTP/1 response.
    gave_up: bool,
}

impl StatusTap {
    pub(super) fn http1() -> Self {
        Self::new(StatusReader::StatusLine(StatusLine::default()))
    }

    pub(super) fn http2() -> Self {
        Self::new(StatusReader::Frames(Frames::default()))
    }

    fn new(reader: StatusReader) -> Self {
        Self(Arc::new(Mutex::new(TapState { reader, answered_at: None, undecided_bytes: 0 })))
    }

    /// A request begins: bytes received before are not its response.
    pub(super) fn begin(&self) {
        let mut state = self.lock();
        (state.answered_at, state.undecided_bytes) = (None, 0);
        match &mut state.reader {
            StatusReader::Frames(frames) => frames.begin(),
            StatusReader::StatusLine(line) => *line = StatusLine::default(),
        }
    }

    /// Whether any byte was received.
    pub(super) fn any(&self) -> bool {
        match &self.lock().reader {
            StatusReader::Frames(frames) => frames.any(),
            StatusReader::StatusLine(line) => line.any,
        }
    }

    /// When the first byte of an answer was received.
    pub(super) fn answered_at(&self) -> Option<Instant> {
        self.lock().answered_at
    }

    /// The status of the final response, if it was received.
    pub(super) fn status(&self) -> Option<u16> {
        match &self.lock().reader {
            StatusReader::Frames(frames) => frames.status(),
            StatusReader::StatusLine(line) => line.status,
        }
    }

    /// An error: interim responses, or frames that are no answer, have no end. The HTTP library would read
    /// them as fast as they come, and not let the deadline pass in between.
    fn take_in(&self, bytes: &[u8]) -> Result<(), Error> {
        let mut state = self.lock();
        let (is_answer, is_undecided) = match &mut state.reader {
            StatusReader::Frames(frames) => {
                frames.take_in(bytes);
                (frames.is_answer(), frames.status().is_none())
            }
            StatusReader::StatusLine(line) => {
                line.take_in(bytes);
                (line.any, line.status.is_none())
            }
        };
        if is_answer && state.answered_at.is_none() {
            state.answered_at = Some(Clock::runtime());
        }
        state.undecided_bytes += if is_undecided { bytes.len() } else { 0 };
        if state.undecided_bytes > UNDECIDED_BYTES_MAX {
            let why = format!("no final status within {UNDECIDED_BYTES_MAX} bytes");
            // Not `InvalidData`, which is the kind of an error of TLS.
            return Err(Error::other(why));
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, TapState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StatusLine {
    fn take_in(&mut self, bytes: &[u8]) {
        self.any |= !bytes.is_empty();
        for byte in bytes {
            if self.status.is_some() || self.gave_up {
                return;
            }
            if *byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                self.take_line(line.strip_suffix(b"\r").unwrap_or(&line));
            } else if self.line.len() < LINE_BYTES_MAX {
                self.line.push(*byte);
            }
        }
    }

    fn take_line(&mut self, line: &[u8]) {
        if self.interim {
            self.interim = !line.is_empty();
        } else if !line.is_empty() {
            match status_of(line) {
                Some(101 | 200..) => self.status = status_of(line),
                Some(_) => self.interim = true,
                None => self.gave_up = true,
            }
        }
    }
}

/// The status of an answer whose bytes are received in pieces of this size.
pub fn status_in(bytes: &[u8], http2: bool, piece: usize) -> Option<u16> {
    let tap = if http2 { StatusTap::http2() } else { StatusTap::http1() };
    bytes.chunks(piece.max(1)).for_each(|piece| drop(tap.take_in(piece)));
    tap.status()
}

/// `HTTP/1.1 200 OK`, of any version and reason.
fn status_of(line: &[u8]) -> Option<u16> {
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_ascii_whitespace();
    let version = words.next()?.strip_prefix("HTTP/")?;
    let code = words.next().filter(|code| code.len() == 3)?;
    let is_version = !version.is_empty() && version.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit());
    code.parse().ok().filter(|code| is_version && (100..600).contains(code))
}

impl<S> TappedStream<S> {
    pub(super) fn new(inner: S, tap: StatusTap) -> Self {
        Self { inner, tap, write_error: None }
    }
}

impl<S: AsyncRead + Unpin> TappedStream<S> {
    /// A receiver may respond and close before it has read the whole request: writing fails then, with the
    /// response still unread. The error is reported once all of that is read: the runtime may learn of bytes that
    /// are there later than of the failed write.
    fn poll_written(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<Result<usize, Error>>,
    ) -> Poll<Result<usize, Error>> {
        let Poll::Ready(Err(error)) = written else { return written };
        let mut space = [0; 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut self.inner).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    if self.tap.take_in(buffer.filled()).is_err() {
                        return Poll::Ready(Err(error));
                    }
                }
                Poll::Pending if self.tap.status().is_none() => {
                    self.write_error = Some(error);
                    return Poll::Pending;
                }
                _ => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TappedStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.inner).poll_read(cx, buf);
        this.tap.take_in(buf.filled().get(before..).unwrap_or_default())?;
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TappedStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        let this = self.get_mut();
        let written = match this.write_error.take() {
            Some(error) => Poll::Ready(Err(error)),
            None => Pin::new(&mut this.inner).poll_write(cx, buf),
        };
        this.poll_written(cx, written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize, Error>> {
        let this = self.get_mut();
        let written = match this.write_error.take() {
            Some(error) => Poll::Ready(Err(error)),
            None => Pin::new(&mut this.inner).poll_write_vectored(cx, bufs),
        };
        this.poll_written(cx, written)
    }
}

const LINE_BYTES_MAX: usize = 256;
/// More than the window updates of any request.
const UNDECIDED_BYTES_MAX: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_status_is_that_of_the_final_answer_however_its_bytes_come() {
        for (answer, status) in [
            ("HTTP/1.1 200 OK\r\n", Some(200)),
            ("HTTP/1.0 503\r\n", Some(503)),
            ("HTTP/2 204 \n", Some(204)),
            ("\r\nHTTP/1.1 201 Created\r\n", Some(201)),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 X\r\nbad\r\n", Some(202)),
            ("HTTP/1.1 103 Hints\r\nlink: HTTP/1.1 200\r\nHTTP/1.1 200 OK\r\n", None),
            ("HTTP/1.1 101 Switching\r\n", Some(101)),
            ("HTTP/1.1 200", None),
            ("HTTP/1.1 20\r\n", None),
            ("HTTP/1.1 2000 OK\r\n", None),
            ("ICY 200 OK\r\nHTTP/1.1 200 OK\r\n", None),
        ] {
            for size in [1, 2, 7, 100] {
                let mut scan = StatusLine::default();
                answer.as_bytes().chunks(size).for_each(|bytes| scan.take_in(bytes));
                assert_eq!(scan.status, status, "{answer:?} in pieces of {size}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn the_size_of_pieces_changes_nothing(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(1), Just(0), Just(b'\n'), Just(0x88)], 0..200),
            status in proptest::option::of(100_u16..=600),
            http2: bool,
            piece in 1_usize..50,
        ) {
            let line = status.map_or_else(Vec::new, |status| format!("HTTP/1.1 {status}\r\n").into_bytes());
            let bytes = [line, bytes].concat();
            let whole = status_in(&bytes, http2, bytes.len());
            prop_assert_eq!(status_in(&bytes, http2, piece), whole);
            prop_assert!(whole.is_none_or(|status| status == 101 || (200..600).contains(&status)));
        }
    }
}
