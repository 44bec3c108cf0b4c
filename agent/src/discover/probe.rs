//! WS-Discovery: who on a network is a camera. Whoever answers may say anything; what is kept of it is bounded.

use std::{
    collections::HashSet,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
    time::Duration,
};

use futures::future::join_all;
use http::Uri;
use tokio::{
    net::UdpSocket,
    time::{Instant, timeout_at},
};

pub use super::xml::Broken;
use super::{Host, printable, xml::Element};
use crate::capture::percent_decoded;

/// Where cameras listen, by IPv4 and on a link by IPv6.
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);
const GROUP_OF_LINK: Ipv6Addr = Ipv6Addr::new(0xFF02, 0, 0, 0, 0, 0, 0, 0xC);
pub(super) const PORT: u16 = 3702;
/// When the question is asked, from the beginning on: a datagram may be lost.
const ASKED_AT: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(200),
    Duration::from_millis(800),
];
/// No network that one question reaches has more cameras.
const MOST_CAMERAS: usize = 512;
/// A camera has one service address, or one for each of its interfaces.
const MOST_ADDRESSES: usize = 8;

/// A device that says that it is a camera.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// Its name for ever.
    pub endpoint: String,
    /// Addresses of its service.
    pub addresses: Vec<Uri>,
    /// What it is called.
    pub name: Option<String>,
    /// What it is.
    pub hardware: Option<String>,
}

/// Who has answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    /// Each camera once, with the address that its answer came from.
    pub(super) cameras: Vec<(Host, Match)>,
    /// Answers that made no sense.
    pub(super) unreadable: usize,
}

/// Reads an answer to a probe.
///
/// # Errors
/// It is no such answer.
pub fn parse(data: &[u8]) -> Result<Vec<Match>, Broken> {
    let document = Element::parse(data)?;
    let matches = document.all("ProbeMatch").into_iter().take(MOST_CAMERAS);
    Ok(matches.map(Match::of).collect())
}

impl Match {
    fn of(element: &Element) -> Self {
        let addresses = element.text_of("XAddrs").unwrap_or_default();
        let addresses = addresses
            .split_whitespace()
            .filter_map(|one| one.parse().ok());
        let scopes = element.text_of("Scopes").unwrap_or_default();
        let scope = |kind: &str| {
            let of_kind = |scope: &str| {
                let value = scope.split_once(kind)?.1;
                Some(printable(&percent_decoded(value))).filter(|text| !text.is_empty())
            };
            scopes.split_whitespace().find_map(of_kind)
        };
        Self {
            endpoint: printable(element.text_of("Address").unwrap_or_default()),
            addresses: addresses.take(MOST_ADDRESSES).collect(),
            name: scope("onvif.org/name/"),
            hardware: scope("onvif.org/hardware/"),
        }
    }
}

impl Answers {
    fn add(&mut self, known: &mut HashSet<String>, from: &Host, data: &[u8]) {
        let Ok(matches) = parse(data) else {
            self.unreadable += 1;
            return;
        };
        for found in matches {
            // One that has no name is known by where it answers from.
            let identity = match found.endpoint.as_str() {
                "" => from.to_string(),
                endpoint => endpoint.to_owned(),
            };
            if self.cameras.len() < MOST_CAMERAS && known.insert(identity) {
                self.cameras.push((from.clone(), found));
            }
        }
    }
}

/// Asks `to`, else the group of cameras, from each of these addresses of this machine, and collects answers until `patience` ends.
///
/// # Errors
/// Nothing can be sent from any of them.
pub(super) async fn ask(
    from: &[SocketAddr],
    to: Option<SocketAddr>,
    patience: Duration,
) -> io::Result<Answers> {
    let until = Instant::now() + patience;
    let asked = join_all(from.iter().map(|from| {
        let to = to.unwrap_or_else(|| group(*from));
        ask_from(*from, to, until)
    }))
    .await;
    let (mut all, mut known, mut failed) = (Answers::default(), HashSet::new(), None);
    let mut any = false;
    for answers in asked {
        match answers {
            Ok(datagrams) => {
                any = true;
                for (from, data) in datagrams {
                    all.add(&mut known, &from, &data);
                }
            }
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) if !any => Err(error),
        _ => Ok(all),
    }
}

/// The group of the cameras that an own address reaches. By IPv6 it is a group of one link, which the own address names.
fn group(from: SocketAddr) -> SocketAddr {
    match from {
        SocketAddr::V4(_) => (GROUP, PORT).into(),
        SocketAddr::V6(own) => SocketAddrV6::new(GROUP_OF_LINK, PORT, 0, own.scope_id()).into(),
    }
}

async fn ask_from(
    from: SocketAddr,
    to: SocketAddr,
    until: Instant,
) -> io::Result<Vec<(Host, Vec<u8>)>> {
    // Linux sends to a group by the interface whose address a socket is bound to (ip(7)); no option is needed for that.
    let socket = UdpSocket::bind(from).await?;
    let question = question();
    let began = Instant::now();
    let mut asked = ASKED_AT.iter().map(|after| began + *after).peekable();
    let mut answers = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    while answers.len() < 2 * MOST_CAMERAS * ASKED_AT.len() {
        if asked.next_if(|due| *due <= Instant::now()).is_some() {
            socket.send_to(question.as_bytes(), to).await?;
        }
        let next = asked.peek().map_or(until, |due| until.min(*due));
        match timeout_at(next, socket.recv_from(&mut buffer)).await {
            Ok(Ok((length, sender))) => answers.push((sender.into(), buffer[..length].to_vec())),
            // Nobody listens at a single address that was asked.
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Ok(Err(error)) => return Err(error),
            Err(_) if Instant::now() >= until => break,
            Err(_) => {}
        }
    }
    Ok(answers)
}

fn question() -> String {
    let id = uuid();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:n="http://www.onvif.org/ver10/network/wsdl"><s:Header><a:Action s:mustUnderstand="1">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action><a:MessageID>urn:uuid:{id}</a:MessageID><a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo><a:To s:mustUnderstand="1">urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></s:Header><s:Body><d:Probe><d:Types>n:NetworkVideoTransmitter</d:Types></d:Probe></s:Body></s:Envelope>"#
    )
}

/// A random UUID (version 4).
fn uuid() -> String {
    let random: u128 = rand::random();
    let version = random & !(0xF << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{version:032x}");
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;

    const ANSWER: &str = r#"<?xml version="1.0"?><E:Envelope xmlns:E="http://www.w3.org/2003/05/soap-envelope"><E:Header/><E:Body>
<D:ProbeMatches xmlns:D="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:A="http://schemas.xmlsoap.org/ws/2004/08/addressing"><D:ProbeMatch>
<A:EndpointReference><A:Address>urn:uuid:1419d68a-1dd2-11b2-a105-000000000001</A:Address></A:EndpointReference>
<D:Types>dn:NetworkVideoTransmitter</D:Types>
<D:Scopes>onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/ACME%20Dome&#10;x onvif://www.onvif.org/hardware/D-1</D:Scopes>
<D:XAddrs>http://10.0.0.7/onvif/device_service http://[fe80::1]/onvif/device_service nonsense:</D:XAddrs>
</D:ProbeMatch></D:ProbeMatches></E:Body></E:Envelope>"#;

    #[test]
    fn reads_what_a_camera_says_of_itself() {
        let found = parse(ANSWER.as_bytes()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name.as_deref(), Some("ACME Dome"));
        assert_eq!(found[0].hardware.as_deref(), Some("D-1"));
        assert_eq!(
            found[0].endpoint,
            "urn:uuid:1419d68a-1dd2-11b2-a105-000000000001"
        );
        let addresses: Vec<_> = found[0].addresses.iter().map(Uri::to_string).collect();
        assert_eq!(
            addresses[..2],
            [
                "http://10.0.0.7/onvif/device_service",
                "http://[fe80::1]/onvif/device_service"
            ]
        );
        assert_eq!(parse(b"<other/>").unwrap(), []);
    }

    #[test]
    fn each_camera_is_told_once_and_nonsense_is_counted() {
        let (mut answers, mut known) = (Answers::default(), HashSet::new());
        let from = |last| Host::from(IpAddr::from([10, 0, 0, last]));
        for data in [ANSWER, "<x", ANSWER, "", ANSWER] {
            answers.add(&mut known, &from(7), data.as_bytes());
        }
        let nameless = ANSWER.replace("urn:uuid:1419d68a-1dd2-11b2-a105-000000000001", "");
        for last in [8, 8, 9] {
            answers.add(&mut known, &from(last), nameless.as_bytes());
        }
        assert_eq!((answers.cameras.len(), answers.unreadable), (3, 2));
        for number in 0..2 * MOST_CAMERAS {
            let other = ANSWER.replace("urn:uuid:", &number.to_string());
            answers.add(&mut known, &from(7), other.as_bytes());
        }
        assert_eq!(answers.cameras.len(), MOST_CAMERAS);
    }

    #[test]
    fn each_address_asks_the_group_that_it_reaches() {
        let own: SocketAddr = "10.0.0.2:0".parse().unwrap();
        assert_eq!(group(own), "239.255.255.250:3702".parse().unwrap());
        let own = SocketAddrV6::new("fe80::2".parse().unwrap(), 0, 0, 4);
        let wanted = SocketAddrV6::new("ff02::c".parse().unwrap(), 3702, 0, 4);
        assert_eq!(group(own.into()), SocketAddr::from(wanted));
    }

    #[test]
    fn a_uuid_has_its_form() {
        let id = uuid();
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
    }

    proptest! {
        #[test]
        fn reads_anything(from in 0..ANSWER.len(), to in 0..ANSWER.len(), data in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(&data);
            let mut answer = ANSWER.as_bytes().to_vec();
            answer.splice(from.min(to)..from.max(to), data);
            if let Ok(matches) = parse(&answer) {
                for found in matches {
                    prop_assert!(found.name.unwrap_or_default().chars().all(|c| !c.is_control()));
                }
            }
        }
    }
}
