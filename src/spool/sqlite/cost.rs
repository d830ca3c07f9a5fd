//! What rows take of the disk, as it is counted against `spool.bytes_max`.

/// What a row takes besides its content, about: pages, indexes and headers.
pub(super) const BATCH_COST: u64 = 200;
pub(super) const DEAD_LETTER_COST: u64 = 120;
pub(super) const CHUNK_COST: u64 = 120;

pub(super) fn chunk_cost(packed: usize) -> u64 {
    packed as u64 + CHUNK_COST
}

pub(super) fn attempt_cost(texts: usize) -> u64 {
    texts as u64 + 120
}
