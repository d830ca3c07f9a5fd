//! Who may read the spool's files.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Shuts out everybody else. What belongs to another user and is written by its group (a volume of
/// Kubernetes with `fsGroup`, a file restored from a backup) is not ours to change: it does where others
/// are shut out already.
pub(super) fn protect(path: &Path, mode: u32) -> std::io::Result<()> {
    match std::fs::set_permissions(path, Permissions::from_mode(mode)) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            let found = path.metadata()?.permissions().mode() & 0o777;
            if found & OTHERS == 0 {
                return Ok(());
            }
            let why =
                format!("it belongs to another user, and its mode {found:o} lets everybody in: chmod o-rwx");
            Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, why))
        }
        done => done,
    }
}

const OTHERS: u32 = 0o007;
