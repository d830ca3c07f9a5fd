//! What temporary space is called and how it fails.

/// Why temporary space cannot be used. The spool itself is as it was.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ScratchError {
    /// There is no room on its disk.
    #[error("the disk of the scratch file is full")]
    DiskFull,
    /// It could not be written or read.
    #[error("the scratch file failed: {0}")]
    Failed(String),
}

/// A table of temporary space: keys and values are bytes.
#[derive(Clone, Copy, Debug)]
pub struct ScratchTable(pub &'static str);
