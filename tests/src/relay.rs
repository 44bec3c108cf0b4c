//! A bad line: a TCP relay that passes bytes on late, slowly, with pauses as lost segments cause them, or not at all.
//!
//! Everything can be changed while connections stand, and chance comes from a seed.
//!
//! ```text
//! agent ──▶ Relay ──────────────────────────────▶ collector
//!             │ rate      a flight leaves when the one before it is through
//!             │ loss      and its lost segments were sent again
//!             │ latency   arrives so much later
//!             │ held      nothing passes, nobody is told (a pulled plug)
//!             │ refused   connections end as soon as they stand
//!             │ cut()     those that stand end (a restarted firewall)
//!             └ strand()  those that stand pass nothing any more, new ones do (half-open: the peer forgot them)
//! ```
//!
//! TCP hides what is lost and lets it cost time, so that is what is emulated. Bytes travel in flights of ten segments, a first
//! window. What is lost of a flight is sent again after a round trip, or after the 200 ms that Linux waits at least;
//! what of that is lost again waits twice as long each time.

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpSocket, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    task::JoinSet,
    time::Instant,
};

/// Payload of a segment on Ethernet.
const SEGMENT: usize = 1448;
/// Segments that a sender has on the way at first (RFC 6928).
const FLIGHT: usize = 10 * SEGMENT;
/// What Linux waits at least before it takes a segment for lost.
const RETRANSMISSION: Duration = Duration::from_millis(200);
/// Linux waits no longer than this between two tries.
const LONGEST_RETRANSMISSION: Duration = Duration::from_secs(120);
/// Buffer of a cheap router. What the kernel would hold beside it makes a slow line look fast.
const RECEIVE_BUFFER: u32 = 32 << 10;
/// Flights under way, more than any latency here fills.
const UNDER_WAY: usize = 256;

/// How the line is, either way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line {
    /// Time from end to end.
    pub latency: Duration,
    /// Share of segments that are lost.
    pub loss: f64,
    /// Bytes a second; `None` for all there are.
    pub rate: Option<u32>,
    /// Whether anything passes.
    pub plug: Plug,
}

/// Whether anything passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plug {
    /// It does.
    #[default]
    In,
    /// Nothing, and nobody is told.
    Pulled,
    /// Connections end as soon as they stand.
    Refused,
}

#[derive(Clone, Copy, Debug)]
struct State {
    line: Line,
    to: SocketAddr,
    /// Connections so far; each has its number.
    opened: u64,
    /// Connections up to this one have been cut.
    cut: u64,
    /// Connections up to this one pass nothing.
    stranded: u64,
}

/// The relay. Serves until dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    state: watch::Sender<State>,
    _serving: JoinSet<()>,
}

impl Relay {
    /// A good line to this address. `seed` decides what is lost.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(to: SocketAddr, seed: u64) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.bind(([127, 0, 0, 1], 0).into())?;
        let listener = socket.listen(64)?;
        let address = listener.local_addr()?;
        let (state, _) = watch::channel(State {
            line: Line::default(),
            to,
            opened: 0,
            cut: 0,
            stranded: 0,
        });
        let mut serving = JoinSet::new();
        let shared = state.clone();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                shared.send_modify(|state| state.opened += 1);
                let number = shared.borrow().opened;
                let connection = Connection {
                    number,
                    state: shared.subscribe(),
                };
                connections.spawn(connection.serve(near, seed ^ number));
            }
        });
        Ok(Self {
            address,
            state,
            _serving: serving,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// New connections go there from now on.
    pub fn lead_to(&self, to: SocketAddr) {
        self.state.send_modify(|state| state.to = to);
    }

    /// The line is like this from now on.
    pub fn set(&self, line: Line) {
        self.state.send_modify(|state| state.line = line);
    }

    /// Ends every connection that stands.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cut = state.opened);
    }

    /// Nothing passes any more through the connections that stand, and nobody is told.
    pub fn strand(&self) {
        self.state
            .send_modify(|state| state.stranded = state.opened);
    }

    /// Connections so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.state.borrow().opened
    }
}

#[derive(Clone)]
struct Connection {
    number: u64,
    state: watch::Receiver<State>,
}

impl Connection {
    async fn serve(mut self, near: TcpStream, seed: u64) {
        // Closing a relayed connection with a reset tells both ends at once, as a dead program's kernel does.
        let _ = near.set_zero_linger();
        let _ = near.set_nodelay(true);
        if !self.passes().await {
            return;
        }
        let to = self.state.borrow().to;
        let Ok(far) = TcpStream::connect(to).await else {
            return;
        };
        let _ = far.set_nodelay(true);
        let (near_in, near_out) = near.into_split();
        let (far_in, far_out) = far.into_split();
        let mut ended = self.clone();
        let both = async {
            tokio::join!(
                self.clone().relay(near_in, far_out, seed),
                self.clone().relay(far_in, near_out, !seed),
            )
        };
        tokio::select! {
            _ = both => {}
            () = ended.ended() => {}
        }
    }

    /// One way, until its sender has ended.
    async fn relay(self, from: OwnedReadHalf, mut to: OwnedWriteHalf, seed: u64) {
        let (flights, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
        let mut far_end = self.clone();
        let arrive = async move {
            while let Some((due, flight)) = arriving.recv().await {
                tokio::time::sleep_until(due).await;
                if !far_end.passes().await || to.write_all(&flight).await.is_err() {
                    return;
                }
            }
            // The end travels like everything else; a peer that is gone needs none.
            let _ = to.shutdown().await;
        };
        tokio::join!(self.depart(from, flights, seed), arrive);
    }

    async fn depart(
        mut self,
        mut from: OwnedReadHalf,
        flights: mpsc::Sender<(Instant, Vec<u8>)>,
        seed: u64,
    ) {
        let mut chance = StdRng::seed_from_u64(seed);
        loop {
            let mut flight = vec![0; FLIGHT];
            let length = from.read(&mut flight).await.unwrap_or_default();
            if length == 0 || !self.passes().await {
                return;
            }
            flight.truncate(length);
            let line = self.state.borrow().line;
            tokio::time::sleep(line.takes(length, &mut chance)).await;
            let due = Instant::now() + line.latency;
            if flights.send((due, flight)).await.is_err() {
                return;
            }
        }
    }

    /// Waits until something passes; `false` when nothing ever will.
    async fn passes(&mut self) -> bool {
        let number = self.number;
        let state = self.state.wait_for(|state| {
            let plugged = state.line.plug != Plug::Pulled && state.stranded < number;
            plugged || state.cut >= number
        });
        state
            .await
            .is_ok_and(|state| state.cut < number && state.line.plug == Plug::In)
    }

    /// Waits until the connection is cut or refused.
    async fn ended(&mut self) {
        let number = self.number;
        let ended = self
            .state
            .wait_for(|state| state.cut >= number || state.line.plug == Plug::Refused);
        // Also when the relay itself ends.
        let _ = ended.await;
    }
}

impl Line {
    /// How long a flight of so many bytes keeps the line.
    fn takes(&self, length: usize, chance: &mut StdRng) -> Duration {
        let rate = f64::from(self.rate.unwrap_or(u32::MAX));
        let mut takes = Duration::from_secs_f64(length as f64 / rate);
        let mut waits = RETRANSMISSION.max(2 * self.latency);
        let mut missing = length.div_ceil(SEGMENT);
        loop {
            missing = (0..missing)
                .filter(|_| chance.random_bool(self.loss))
                .count();
            if missing == 0 {
                return takes;
            }
            takes += waits;
            waits = (2 * waits).min(LONGEST_RETRANSMISSION);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io, net::TcpListener};

    use super::*;

    /// A relay to somebody who returns what he gets.
    async fn echo() -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = Relay::start(listener.local_addr().unwrap(), 1)
            .await
            .unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    io::copy(&mut from, &mut to).await
                });
            }
        });
        relay
    }

    async fn returns(stream: &mut TcpStream) -> io::Result<()> {
        let mut answer = [0; 4];
        stream.write_all(b"ping").await?;
        stream.read_exact(&mut answer).await?;
        assert_eq!(&answer, b"ping");
        Ok(())
    }

    async fn is_silent(stream: &mut TcpStream) -> bool {
        let wait = Duration::from_millis(300);
        tokio::time::timeout(wait, returns(stream)).await.is_err()
    }

    #[tokio::test]
    async fn a_pulled_plug_holds_what_was_sent_until_it_is_in_again() {
        let relay = echo().await;
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        returns(&mut stream).await.unwrap();
        relay.set(Line {
            plug: Plug::Pulled,
            ..Line::default()
        });
        assert!(is_silent(&mut stream).await);
        relay.set(Line::default());
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.unwrap();
        returns(&mut stream).await.unwrap();
    }

    #[tokio::test]
    async fn stranded_connections_are_silent_and_new_ones_are_not() {
        let relay = echo().await;
        let mut old = TcpStream::connect(relay.address()).await.unwrap();
        returns(&mut old).await.unwrap();
        relay.strand();
        assert!(is_silent(&mut old).await);
        let mut new = TcpStream::connect(relay.address()).await.unwrap();
        returns(&mut new).await.unwrap();
        assert!(is_silent(&mut old).await);
        assert_eq!(relay.connections(), 2);
    }

    #[tokio::test]
    async fn cut_and_refused_connections_end() {
        let relay = echo().await;
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        returns(&mut stream).await.unwrap();
        relay.cut();
        assert!(returns(&mut stream).await.is_err());
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        returns(&mut stream).await.unwrap();
        relay.set(Line {
            plug: Plug::Refused,
            ..Line::default()
        });
        assert!(returns(&mut stream).await.is_err());
        let mut refused = TcpStream::connect(relay.address()).await.unwrap();
        assert!(returns(&mut refused).await.is_err());
    }

    #[tokio::test]
    async fn a_late_line_is_late_either_way() {
        let relay = echo().await;
        let latency = Duration::from_millis(60);
        relay.set(Line {
            latency,
            ..Line::default()
        });
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        let began = Instant::now();
        returns(&mut stream).await.unwrap();
        assert!(began.elapsed() >= 2 * latency);
    }

    #[test]
    fn loss_and_rate_cost_time_and_chance_has_a_seed() {
        let mut line = Line {
            rate: Some(25_000),
            ..Line::default()
        };
        let takes = |line: &Line, seed| {
            let mut chance = StdRng::seed_from_u64(seed);
            let flights = (0..1000).map(|_| line.takes(FLIGHT, &mut chance));
            flights.sum::<Duration>().as_secs_f64() / 1000.0
        };
        let bare = FLIGHT as f64 / 25_000.0;
        assert!((takes(&line, 1) - bare).abs() < 1e-6);
        line.loss = 0.2;
        let lossy = takes(&line, 1);
        // Nine flights of ten lose something; a third of those twice.
        assert!((bare + 0.2..bare + 0.6).contains(&lossy), "{lossy}");
        assert!((lossy - takes(&line, 1)).abs() < f64::EPSILON);
        assert!((lossy - takes(&line, 2)).abs() > f64::EPSILON);
    }
}
