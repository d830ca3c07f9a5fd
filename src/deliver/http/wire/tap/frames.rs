//! Finds the status of an HTTP/2 response in incoming bytes. It is the first field of a header block: <https://www.rfc-editor.org/rfc/rfc9113#section-8.3>

/// A parser of the connection's frames.
#[derive(Debug, Default)]
pub(super) struct Frames {
    any: bool,
    is_answer: bool,
    status: Option<u16>,
    head: Vec<u8>,
    /// Bytes of the frame's payload that are not yet received.
    left: usize,
    /// The beginning of a payload that holds headers.
    kept: Vec<u8>,
}

impl Frames {
    /// A request begins, possibly inside a frame.
    pub(super) fn begin(&mut self) {
        (self.any, self.is_answer, self.status) = (false, false, None);
    }

    pub(super) fn any(&self) -> bool {
        self.any
    }

    /// Whether headers were received.
    pub(super) fn is_answer(&self) -> bool {
        self.is_answer
    }

    pub(super) fn status(&self) -> Option<u16> {
        self.status
    }

    pub(super) fn take_in(&mut self, mut bytes: &[u8]) {
        self.any |= !bytes.is_empty();
        while let Some((first, rest)) = bytes.split_first() {
            if self.left == 0 {
                self.take_head(*first);
                bytes = rest;
                continue;
            }
            let (payload, behind) = bytes.split_at(self.left.min(bytes.len()));
            self.take_payload(payload);
            self.left -= payload.len();
            bytes = behind;
        }
    }

    /// Length, kind, flags, stream.
    fn take_head(&mut self, byte: u8) {
        if self.head.len() == HEAD_BYTES {
            self.head.clear();
            self.kept.clear();
        }
        self.head.push(byte);
        if let [a, b, c, _, _, _, _, _, _] = self.head[..] {
            self.left = u32::from_be_bytes([0, a, b, c]) as usize;
        }
    }

    fn take_payload(&mut self, payload: &[u8]) {
        let [_, _, _, HEADERS, flags, ..] = self.head[..] else { return };
        self.is_answer = true;
        let room = KEPT_BYTES_MAX.saturating_sub(self.kept.len());
        if room == 0 || self.status.is_some() {
            return;
        }
        self.kept.extend_from_slice(payload.get(..payload.len().min(room)).unwrap_or_default());
        let ahead = usize::from(flags & PADDED != 0) + if flags & PRIORITY == 0 { 0 } else { 5 };
        // An interim response is followed by another; a trailer has no status.
        self.status =
            self.kept.get(ahead..).and_then(status).filter(|status| *status == 101 || *status >= 200);
    }
}

/// The status at the start of a header block. <https://www.rfc-editor.org/rfc/rfc7541#section-6>
fn status(mut block: &[u8]) -> Option<u16> {
    // An update of the table's size may come first.
    while block.first()? >> 5 == 1 {
        (_, block) = integer(block, 5)?;
    }
    let first = *block.first()?;
    if first >= 0x80 {
        let (index, _) = integer(block, 7)?;
        return STATUSES.get(index.checked_sub(STATUS_INDEX)?).copied();
    }
    // An indexed name and a literal value, with or without indexing.
    let (name, value) = integer(block, if first >= 0x40 { 6 } else { 4 })?;
    STATUSES.get(name.checked_sub(STATUS_INDEX)?)?;
    let is_huffman = value.first()? & 0x80 != 0;
    let (length, text) = integer(value, 7)?;
    let text = text.get(..length)?;
    let digits = if is_huffman { huffman_digits(text)? } else { String::from_utf8(text.to_vec()).ok()? };
    digits.parse().ok().filter(|status| digits.len() == 3 && (100..600).contains(status))
}

/// An integer with a prefix in the first byte, and the bytes after it.
fn integer(bytes: &[u8], prefix: u32) -> Option<(usize, &[u8])> {
    let (first, mut rest) = bytes.split_first()?;
    let most = (1_usize << prefix) - 1;
    let mut value = usize::from(*first) & most;
    if value < most {
        return Some((value, rest));
    }
    for shift in [0, 7, 14] {
        let (byte, behind) = rest.split_first()?;
        rest = behind;
        value += usize::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some((value, rest));
        }
    }
    None
}

/// Huffman-coded digits: 0 to 2 have five bits, the others six.
/// <https://www.rfc-editor.org/rfc/rfc7541#appendix-B>
fn huffman_digits(bytes: &[u8]) -> Option<String> {
    let bits = bytes.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let mut left = bytes.len().checked_mul(8).filter(|left| *left <= 24)?;
    let mut digits = String::new();
    while digits.len() < 3 {
        let next = |count: usize| Some(bits >> left.checked_sub(count)? & ((1 << count) - 1));
        let (digit, count) = match next(5)? {
            short @ 0..=2 => (short, 5),
            _ => (next(6)?.checked_sub(0b01_0110).filter(|digit| (3..10).contains(digit))?, 6),
        };
        digits.push(char::from_digit(u32::try_from(digit).ok()?, 10)?);
        left -= count;
    }
    // Ones fill the last byte.
    (left < 8 && bits & ((1 << left) - 1) == (1 << left) - 1).then_some(digits)
}

const HEAD_BYTES: usize = 9;
const HEADERS: u8 = 1;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;
const KEPT_BYTES_MAX: usize = 64;
/// The status codes of the static table, and the index of the first: appendix A.
const STATUSES: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
const STATUS_INDEX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_in_each_form_that_it_may_have() {
        for (block, expected) in [
            (&[0x88][..], Some(200)),
            (&[0x89], Some(204)),
            (&[0x8E], Some(500)),
            (&[0x82], None),
            (&[0xC0], None),
            (&[0x20, 0x88], Some(200)),
            (&[0x3F, 0xE1, 0x1F, 0x88], Some(200)),
            (&[0x08, 3, b'2', b'0', b'2'], Some(202)),
            (&[0x18, 3, b'5', b'0', b'3'], Some(503)),
            (&[0x48, 3, b'4', b'2', b'9'], Some(429)),
            (&[0x48, 0x82, 0x64, 0x02], Some(302)),
            (&[0x48, 0x82, 0x10, 0x01], Some(200)),
            (&[0x48, 0x82, 0x10, 0x05], Some(202)),
            (&[0x48, 0x83, 0x7D, 0xF7, 0xFF], None),
            (&[0x48, 4, b'2', b'0', b'0', b'0'], None),
            (&[0x48, 3, b'2', b'0'], None),
            (&[0x44, 1, b'/'], None),
            (&[], None),
        ] {
            assert_eq!(status(block), expected, "{block:x?}");
        }
    }

    #[test]
    fn frames_are_separated_however_their_bytes_arrive() {
        let bytes: &[u8] = &[
            &[0, 0, 0, 4, 0, 0, 0, 0, 0][..],
            &[0, 0, 2, 0, 0, 0, 0, 0, 1, 0x88, 0x88],
            &[0, 0, 3, 1, 4, 0, 0, 0, 1, 0x08, 3, b'1'],
            &[0, 0, 8, 1, 0x2C, 0, 0, 0, 1, 1, 0, 0, 0, 0, 9, 0x89, 0],
        ]
        .concat();
        for size in [1, 2, 3, 10, 100] {
            let mut frames = Frames::default();
            bytes.chunks(size).for_each(|bytes| frames.take_in(bytes));
            assert_eq!(frames.status(), Some(204), "in pieces of {size}");
            frames.begin();
            assert_eq!((frames.status(), frames.any()), (None, false));
            frames.take_in(&[0, 0, 1, 1, 4, 0, 0, 0, 3, 0x88]);
            assert_eq!((frames.status(), frames.any()), (Some(200), true));
        }
    }
}
