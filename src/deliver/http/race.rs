//! The addresses of one host, tried until one answers.

use std::io::Error;
use std::iter;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::net::TcpStream;

/// The last address that was tried, and why it does not answer.
pub(in crate::deliver) type Unanswered = (SocketAddr, Error);

/// Connects to the first of the addresses that answers. The next one is tried beside those before it when
/// one of them has failed, or after [`NEXT_ADDRESS_AFTER`]. `None`: there are no addresses.
/// <https://www.rfc-editor.org/rfc/rfc8305#section-5>
pub(in crate::deliver) async fn race(addresses: Vec<SocketAddr>) -> Option<Result<TcpStream, Unanswered>> {
    let mut addresses = families_in_turn(addresses).into_iter();
    let connect =
        |address| async move { TcpStream::connect(address).await.map_err(|error| (address, error)) };
    let mut attempts: FuturesUnordered<_> = addresses.next().map(connect).into_iter().collect();
    let mut failed = None;
    loop {
        tokio::select! {
            ended = attempts.next() => match ended {
                None => return failed,
                Some(Ok(stream)) => return Some(Ok(stream)),
                Some(Err(error)) => failed = Some(Err(error)),
            },
            () = tokio::time::sleep(NEXT_ADDRESS_AFTER), if addresses.len() > 0 => {}
        }
        attempts.extend(addresses.next().map(connect));
    }
}

/// The addresses in their order, those of IPv6 and IPv4 in turn, beginning with the family of the first.
/// <https://www.rfc-editor.org/rfc/rfc8305#section-4>
fn families_in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut second = second.into_iter();
    let mut in_turn: Vec<_> =
        first.into_iter().flat_map(|one| iter::once(one).chain(second.next())).collect();
    in_turn.extend(second);
    in_turn
}

const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_from_the_first_on() {
        let of = |text: &str| -> Vec<SocketAddr> {
            text.split(' ').map(|address| SocketAddr::new(address.parse().unwrap(), 1)).collect()
        };
        for (found, in_turn) in [
            ("::1 ::2 1.1.1.1 1.1.1.2", "::1 1.1.1.1 ::2 1.1.1.2"),
            ("1.1.1.1 ::1 ::2 ::3", "1.1.1.1 ::1 ::2 ::3"),
            ("1.1.1.1 1.1.1.2 1.1.1.3 ::1", "1.1.1.1 ::1 1.1.1.2 1.1.1.3"),
            ("1.1.1.1", "1.1.1.1"),
        ] {
            assert_eq!(families_in_turn(of(found)), of(in_turn), "{found}");
        }
        assert!(families_in_turn(Vec::new()).is_empty());
    }

    /// A listener whose queue is full: packets to it are swallowed.
    fn swallows() -> (socket2::Socket, Vec<std::net::TcpStream>, SocketAddr) {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
        let queued: Vec<_> = iter::from_fn(connect).take(100).collect();
        assert!(queued.len() < 100, "the queue has an end");
        (socket, queued, address)
    }

    #[tokio::test]
    async fn an_address_that_swallows_packets_does_not_hold_up_the_next() {
        let (_listener, _queued, silent) = swallows();
        let open = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = open.local_addr().unwrap();
        let refusing = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for addresses in [vec![silent, good], vec![silent, refusing, good], vec![refusing, good]] {
            // Long before the system gives up on a silent address.
            let stream = tokio::time::timeout(Duration::from_secs(20), race(addresses)).await;
            assert_eq!(stream.unwrap().unwrap().unwrap().peer_addr().unwrap(), good);
        }
        let error = race(vec![refusing, refusing]).await.unwrap().unwrap_err();
        assert!(error.0 == refusing);
        assert!(race(Vec::new()).await.is_none());
    }
}
