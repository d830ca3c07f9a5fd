//! How many bytes must have arrived before the kernel wakes the reader of a socket: `SO_RCVLOWAT` of
//! <https://man7.org/linux/man-pages/man7/socket.7.html>.
//!
//! The server sends each message for itself. While few bytes are worth a wake-up, the kernel takes and acknowledges
//! what arrives, and a socket that is full wakes its reader all the same.

use nix::libc;
use nix::sys::socket::setsockopt;
use nix::{setsockopt_impl, sockopt_impl};

use super::socket::Socket;

sockopt_impl!(
    /// `SO_RCVLOWAT`
    ReceiveLowWater,
    SetOnly,
    libc::SOL_SOCKET,
    libc::SO_RCVLOWAT,
    i32
);

/// The low-water mark of a socket.
#[derive(Debug)]
pub(in crate::source) struct LowWater(i32);

impl Default for LowWater {
    fn default() -> Self {
        Self(1)
    }
}

impl LowWater {
    /// Wakes the reader once so many bytes have arrived; where they have already, at once. Returns whether the
    /// socket can: one of Unix, or of another system, cannot.
    pub(in crate::source) fn set(&mut self, socket: &Socket, bytes: i32) -> bool {
        let tcp = match socket {
            Socket::Tcp(stream) => stream,
            Socket::Tls(stream) => stream.get_ref().0,
            Socket::Unix(_) => return false,
        };
        let is_set =
            self.0 == bytes || cfg!(target_os = "linux") && setsockopt(tcp, ReceiveLowWater, &bytes).is_ok();
        if is_set {
            self.0 = bytes;
        }
        is_set
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream, UnixStream};
    use tokio::time::timeout;

    use super::*;

    async fn pair() -> (TcpStream, Socket) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (listener.accept().await.unwrap().0, Socket::Tcp(client))
    }

    #[tokio::test]
    async fn few_bytes_wake_nobody_until_enough_have_come_or_few_are_enough() {
        let ((mut server, mut socket), mut low_water) = (pair().await, LowWater::default());
        let (mut buffer, patience) = ([0; 8_192], Duration::from_secs(10));
        assert!(low_water.set(&socket, 4_096));
        server.write_all(&[1; 100]).await.unwrap();
        let early = timeout(Duration::from_millis(50), socket.read(&mut buffer)).await;
        assert!(early.is_err(), "woken by 100 bytes");
        server.write_all(&[2; 5_000]).await.unwrap();
        assert_eq!(timeout(patience, socket.read(&mut buffer)).await.unwrap().unwrap(), 5_100);
        server.write_all(&[3; 100]).await.unwrap();
        assert!(low_water.set(&socket, 1));
        assert_eq!(timeout(patience, socket.read(&mut buffer)).await.unwrap().unwrap(), 100);
    }

    #[tokio::test]
    async fn the_end_of_the_connection_wakes_whatever_is_set() {
        let ((mut server, mut socket), mut low_water) = (pair().await, LowWater::default());
        assert!(low_water.set(&socket, 4_096));
        server.write_all(&[1; 100]).await.unwrap();
        drop(server);
        let (mut buffer, patience) = (Vec::new(), Duration::from_secs(10));
        assert_eq!(timeout(patience, socket.read_to_end(&mut buffer)).await.unwrap().unwrap(), 100);
    }

    #[tokio::test]
    async fn a_unix_socket_cannot() {
        let (_server, client) = UnixStream::pair().unwrap();
        assert!(!LowWater::default().set(&Socket::Unix(client), 4_096));
    }
}
