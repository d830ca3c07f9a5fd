//! Reads of the documents table. In: a session, the table and columns. Out: its rows as the stream would
//! carry them, as of one consistent point of the WAL; counts over it.
//!
//! Guarantees: rows are read in constant memory; a snapshot holds exactly the transactions that commit
//! before its LSN; nothing is written.

/// One row of the documents table.
pub mod lookup;
/// SELECTs over the documents table.
pub mod select;
/// The table at one consistent point of the WAL.
pub mod snapshot;
