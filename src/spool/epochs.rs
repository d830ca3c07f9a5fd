//! Which epoch a record is of: positions grow within one, and start anew with the next.

use uuid::Uuid;

use crate::record::Seq;

/// All epochs of a spool, in order. Never empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Epochs {
    first: Uuid,
    /// Each with the last record before it.
    later: Vec<(Seq, Uuid)>,
}

/// The epoch of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Epoch {
    /// Its id.
    pub id: Uuid,
    /// Its last record, where it has ended.
    pub last: Option<Seq>,
}

impl Epochs {
    /// A new spool's.
    pub fn new(first: Uuid) -> Self {
        Self { first, later: Vec::new() }
    }

    /// Records behind `after` are of this one.
    pub fn begin(&mut self, after: Seq, epoch: Uuid) {
        self.later.push((after, epoch));
    }

    /// The epoch of what is spooled now.
    pub fn current(&self) -> Uuid {
        self.later.last().map_or(self.first, |(_, epoch)| *epoch)
    }

    /// The last record before the current epoch; 0 where there was none before it.
    pub fn current_after(&self) -> Seq {
        self.later.last().map_or(Seq(0), |(after, _)| *after)
    }

    /// The epoch of a record.
    pub fn of(&self, seq: Seq) -> Epoch {
        let begun = self.later.partition_point(|(after, _)| *after < seq);
        let id = begun.checked_sub(1).and_then(|at| self.later.get(at)).map_or(self.first, |(_, id)| *id);
        Epoch { id, last: self.later.get(begun).map(|(after, _)| *after) }
    }

    /// As [`crate::spool::Fact::Epoch`] keeps it: 16 bytes of the first, then 8 and 16 of each later one.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.first.as_bytes().to_vec();
        for (after, epoch) in &self.later {
            bytes.extend_from_slice(&after.0.to_be_bytes());
            bytes.extend_from_slice(epoch.as_bytes());
        }
        bytes
    }

    /// `None`: they are not as they were written.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (first, mut rest) = bytes.split_first_chunk()?;
        let mut epochs = Self::new(Uuid::from_bytes(*first));
        while !rest.is_empty() {
            let (after, epoch_on) = rest.split_first_chunk()?;
            let (epoch, on) = epoch_on.split_first_chunk()?;
            epochs.begin(Seq(u64::from_be_bytes(*after)), Uuid::from_bytes(*epoch));
            rest = on;
        }
        Some(epochs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_of_the_epoch_that_had_begun() {
        let [a, b, c] = [1, 2, 3].map(Uuid::from_u128);
        let mut epochs = Epochs::new(a);
        assert_eq!(epochs.of(Seq(9)), Epoch { id: a, last: None });
        epochs.begin(Seq(9), b);
        epochs.begin(Seq(20), c);
        let of = |seq| epochs.of(Seq(seq));
        assert_eq!(
            (of(9), of(10)),
            (Epoch { id: a, last: Some(Seq(9)) }, Epoch { id: b, last: Some(Seq(20)) })
        );
        assert_eq!((of(21), epochs.current()), (Epoch { id: c, last: None }, c));
        assert_eq!(Epochs::from_bytes(&epochs.to_bytes()), Some(epochs.clone()));
        assert_eq!(Epochs::from_bytes(&epochs.to_bytes()[..50]), None);
    }

    /// They are on users' disks: where this fails, the format has changed.
    #[test]
    fn the_bytes_of_epochs_are_those_of_format_1() {
        let mut epochs = Epochs::new(Uuid::from_u128(0x0102));
        epochs.begin(Seq(0x0304), Uuid::from_u128(0x0506));
        let hex = epochs.to_bytes().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        assert_eq!(hex, "00000000000000000000000000000102000000000000030400000000000000000000000000000506");
    }
}
