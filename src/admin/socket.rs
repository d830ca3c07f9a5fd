//! The control socket in the spool's folder. The folder's path may be longer than a socket address allows.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::net::{UnixListener, UnixStream};

/// The name of the socket in the spool's folder.
pub const SOCKET_NAME: &str = "control.sock";

/// Listens on the socket in `folder` (0600). The caller holds the spool's lock, so an existing socket was
/// left by a process that has ended.
pub fn bind(folder: &Path) -> anyhow::Result<UnixListener> {
    let path = folder.join(SOCKET_NAME);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("remove the old socket {}", path.display()));
        }
        _ => {}
    }
    let address = Address::of(folder).with_context(|| format!("open {}", folder.display()))?;
    let listener =
        UnixListener::bind(address.path).with_context(|| format!("listen on {}", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
        .with_context(|| format!("restrict the permissions of {}", path.display()))?;
    Ok(listener)
}

/// Connects to the socket in `folder`.
pub async fn connect(folder: &Path) -> io::Result<UnixStream> {
    let address = Address::of(folder)?;
    UnixStream::connect(&address.path).await
}

/// A path to the socket that fits into a socket address.
struct Address {
    path: PathBuf,
    /// The folder, kept open while the path refers to its descriptor.
    _folder: Option<File>,
}

impl Address {
    fn of(folder: &Path) -> io::Result<Self> {
        let path = folder.join(SOCKET_NAME);
        if path.as_os_str().len() <= ADDRESS_MAX {
            return Ok(Self { path, _folder: None });
        }
        let folder = File::open(folder)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET_NAME}", folder.as_raw_fd()));
        Ok(Self { path, _folder: Some(folder) })
    }
}

/// The most bytes of a path in a socket address, without the terminating zero.
/// <https://man7.org/linux/man-pages/man7/unix.7.html>
const ADDRESS_MAX: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_of_any_length_has_a_socket() {
        let root = tempfile::tempdir().unwrap();
        let about = root.path().as_os_str().len() + SOCKET_NAME.len() + 2;
        for length in (ADDRESS_MAX - about - 2)..(ADDRESS_MAX - about + 3) {
            let folder = root.path().join("x".repeat(length));
            std::fs::create_dir(&folder).unwrap();
            for _ in 0..2 {
                let listener = bind(&folder).unwrap();
                let (connected, accepted) = tokio::join!(connect(&folder), listener.accept());
                assert!(connected.is_ok() && accepted.is_ok(), "{length}");
            }
        }
    }
}
