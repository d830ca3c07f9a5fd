//! A socket that can rest: until it is read or written again, what arrives waits in the kernel and wakes nobody.

use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A socket of TCP or Unix.
///
/// While it rests, the runtime does not watch it. A low-water mark (`SO_RCVLOWAT`) would spare the wake-ups as well,
/// but below it the kernel acknowledges each segment at once, and on one machine the sender's thread pays for that:
/// `__tcp_ack_snd_check` in <https://github.com/torvalds/linux/blob/v6.12/net/ipv4/tcp_input.c>.
#[derive(Debug)]
pub(in crate::source) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
    RestingTcp(std::net::TcpStream),
    RestingUnix(StdUnixStream),
    /// The runtime could not take or give it.
    Lost,
}

impl Transport {
    /// Rests until the next read or write.
    pub(in crate::source) fn rest(&mut self) -> io::Result<()> {
        *self = match std::mem::replace(self, Self::Lost) {
            Self::Tcp(socket) => Self::RestingTcp(socket.into_std()?),
            Self::Unix(socket) => Self::RestingUnix(socket.into_std()?),
            resting => resting,
        };
        Ok(())
    }

    /// Watched again by the runtime of the caller: polled outside one, it panics.
    fn watched(self: Pin<&mut Self>) -> io::Result<&mut Self> {
        let me = self.get_mut();
        if matches!(me, Self::RestingTcp(_) | Self::RestingUnix(_)) {
            *me = match std::mem::replace(me, Self::Lost) {
                Self::RestingTcp(socket) => Self::Tcp(TcpStream::from_std(socket)?),
                Self::RestingUnix(socket) => Self::Unix(UnixStream::from_std(socket)?),
                watched => watched,
            };
        }
        Ok(me)
    }
}

fn lost<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.watched()? {
            Self::Tcp(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Unix(socket) => Pin::new(socket).poll_read(cx, buf),
            _ => lost(),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.watched()? {
            Self::Tcp(socket) => Pin::new(socket).poll_write(cx, buf),
            Self::Unix(socket) => Pin::new(socket).poll_write(cx, buf),
            _ => lost(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.watched()? {
            Self::Tcp(socket) => Pin::new(socket).poll_flush(cx),
            Self::Unix(socket) => Pin::new(socket).poll_flush(cx),
            _ => lost(),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.watched()? {
            Self::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Unix(socket) => Pin::new(socket).poll_shutdown(cx),
            _ => lost(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;

    async fn pair() -> (TcpStream, Transport) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (listener.accept().await.unwrap().0, Transport::Tcp(client))
    }

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Whether the reader was woken by what arrived.
    async fn wakes(server: &mut (impl AsyncWrite + Unpin), transport: &mut Transport, rests: bool) -> bool {
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let mut buffer = [0; 100];
        let mut buffer = ReadBuf::new(&mut buffer);
        assert!(
            Pin::new(&mut *transport).poll_read(&mut Context::from_waker(&waker), &mut buffer).is_pending()
        );
        if rests {
            transport.rest().unwrap();
        }
        server.write_all(&[1; 100]).await.unwrap();
        let woken = poll_fn(|cx| {
            cx.waker().wake_by_ref();
            if wakes.0.load(Ordering::SeqCst) > 0 { Poll::Ready(()) } else { Poll::Pending }
        });
        let is_woken = timeout(Duration::from_millis(if rests { 50 } else { 10_000 }), woken).await.is_ok();
        let mut bytes = [0; 100];
        timeout(Duration::from_secs(10), transport.read_exact(&mut bytes)).await.unwrap().unwrap();
        assert_eq!(bytes, [1; 100]);
        is_woken
    }

    #[tokio::test]
    async fn at_rest_what_arrives_wakes_nobody_and_is_read_later() {
        let (mut server, mut transport) = pair().await;
        let (mut unix_server, unix) = UnixStream::pair().unwrap();
        let mut unix = Transport::Unix(unix);
        for rests in [false, true, false, true] {
            assert_eq!(wakes(&mut server, &mut transport, rests).await, !rests);
            assert_eq!(wakes(&mut unix_server, &mut unix, rests).await, !rests);
        }
    }

    #[tokio::test]
    async fn at_rest_it_can_be_written_and_its_end_is_read_later() {
        let (mut server, mut transport) = pair().await;
        transport.rest().unwrap();
        transport.write_all(&[2; 7]).await.unwrap();
        let mut received = [0; 7];
        server.read_exact(&mut received).await.unwrap();
        assert_eq!(received, [2; 7]);
        transport.rest().unwrap();
        server.write_all(&[3; 9]).await.unwrap();
        drop(server);
        let mut rest = Vec::new();
        timeout(Duration::from_secs(10), transport.read_to_end(&mut rest)).await.unwrap().unwrap();
        assert_eq!(rest, [3; 9]);
    }
}
