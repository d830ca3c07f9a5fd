//! Ports to listen on later.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// A port on which nobody listens, for a server that starts, or starts again, later. It is below those that
/// Linux gives to outgoing connections: one of these may be taken at any time by another test's connection.
/// <https://www.kernel.org/doc/html/latest/networking/ip-sysctl.html>
pub fn port_for_later() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that run side by side begin at places of their own.
    let begin = u16::try_from(std::process::id().wrapping_mul(101) % u32::from(COUNT)).unwrap();
    loop {
        let port = FIRST + (begin + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;
