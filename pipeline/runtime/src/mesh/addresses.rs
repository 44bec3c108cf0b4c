//! One connection out of all addresses that a name has: each next one is tried when the one before fails or takes its time, the
//! first that stands is taken (RFC 8305).

use std::{collections::VecDeque, io, net::SocketAddr, time::Duration};

use tokio::{net::TcpStream, task::JoinSet};

/// The RFC's recommendation: longer than most connections take, shorter than anybody notices.
const STAGGER: Duration = Duration::from_millis(250);

/// Connects to the first address that accepts.
pub(super) async fn connect(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut left = alternating(addresses);
    // Ends with this function, and the attempts that are under way with it.
    let mut attempts = JoinSet::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        if let Some(address) = left.pop_front() {
            attempts.spawn(TcpStream::connect(address));
        } else if attempts.is_empty() {
            return Err(failure);
        }
        tokio::select! {
            Some(ended) = attempts.join_next() => match ended {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failure = error,
                Err(panic) => failure = io::Error::other(panic),
            },
            () = tokio::time::sleep(STAGGER), if !left.is_empty() => {}
        }
    }
}

/// The families take turns, so that one that does not work here costs one attempt; what the resolver put first stays first.
fn alternating(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut order = VecDeque::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return order;
        }
        order.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// An address where nobody answers: connections wait in a queue that is full.
    async fn silent() -> (SocketAddr, Vec<TcpStream>, TcpListener) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        loop {
            let next = TcpStream::connect(address);
            match tokio::time::timeout(Duration::from_millis(300), next).await {
                Ok(stream) => queue.push(stream.unwrap()),
                Err(_) => return (address, queue, listener),
            }
        }
    }

    /// An address where nobody is.
    async fn refusing() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    }

    #[test]
    fn families_take_turns() {
        let given = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]);
        let wanted = addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        assert_eq!(alternating(given), wanted);
        let one = addresses(&["1.1.1.1:1", "2.2.2.2:1"]);
        assert_eq!(alternating(one.clone()), one);
    }

    #[tokio::test]
    async fn an_address_that_is_silent_or_refuses_is_passed_over() {
        let (silent, _queue, _full) = silent().await;
        let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wanted = open.local_addr().unwrap();
        let start = Instant::now();
        let stream = connect(vec![silent, refusing().await, wanted])
            .await
            .unwrap();
        assert_eq!(stream.peer_addr().unwrap(), wanted);
        assert!(start.elapsed() >= STAGGER);
        let refused = connect(vec![refusing().await, refusing().await]).await;
        assert_eq!(
            refused.unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );
        assert!(connect(Vec::new()).await.is_err());
    }
}
