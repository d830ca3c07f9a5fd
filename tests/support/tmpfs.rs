//! A small file system of memory: a disk that is really full, and has room again when it should.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Mounted until dropped.
pub struct Tmpfs {
    folder: tempfile::TempDir,
}

impl Tmpfs {
    /// `None`, with a line on stderr, where this user may not mount: the test is skipped then.
    pub fn mount(bytes: u64) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("sidecar-tmpfs").tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes},mode=0700"), "tmpfs"]).arg(folder.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("SKIPPED: no tmpfs can be mounted here, and a full disk needs one (run as root)");
        }
        mounted.then_some(Self { folder })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes every byte that is left.
    pub fn fill(&self) {
        let mut ballast = File::options().create(true).append(true).open(self.ballast()).unwrap();
        // Pages first; what is left of the last one does not matter to a file system of pages.
        while ballast.write_all(&[0; 4096]).is_ok() {}
    }

    /// Gives back what [`Tmpfs::fill`] took.
    pub fn make_room(&self) {
        let _ = std::fs::remove_file(self.ballast());
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: a program that is still ending must not keep the mount for ever.
        let _ = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
    }
}
