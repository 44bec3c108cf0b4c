//! `airside-agent discover`: which cameras are there, as configuration to paste.
//!
//! V4L2 devices are listed with what they can send, network cameras are asked to show themselves (WS-Discovery) and then for the
//! addresses of their streams (ONVIF). Passwords are neither printed nor told to anyone but the camera that was found, and there
//! only as a digest.

pub mod devices;
mod host;
pub mod onvif;
pub mod probe;
mod report;
mod soap;
mod xml;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
    path::{Path, PathBuf},
    time::Duration,
};

use airside_runtime::parse;
use nix::{
    ifaddrs::{InterfaceAddress, getifaddrs},
    net::if_::InterfaceFlags,
};

pub use self::{host::Host, report::Report};
use crate::capture::{Credentials, RefusedCredentials};

/// Where the kernel lists video devices, and where they are.
const SYSTEM: (&str, &str) = ("/sys/class/video4linux", "/dev");
/// Longest text of a device that is shown.
const LONGEST_TEXT: usize = 120;

/// Where to look.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Ask on this network alone: name or address of an own interface [default: all but the loopback]
    #[arg(long, value_name = "INTERFACE")]
    pub interface: Option<String>,
    /// Ask this camera alone, which multicast may not reach: `ADDRESS[:PORT]`
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub address: Option<SocketAddr>,
    /// How long network cameras are waited for.
    #[arg(long, default_value = "3s", value_name = "TIME", value_parser = parse::duration)]
    pub timeout: Duration,
    /// File with user and password of the network cameras, as `user:password` on one line; without, many do not tell their streams.
    #[arg(long, value_name = "FILE")]
    pub credentials_file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Why nothing can be looked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such interface.
    #[error(
        "interface '{wanted}' is none of this machine that can be asked from; expected {known}"
    )]
    Interface {
        /// What was given.
        wanted: String,
        /// What there is.
        known: String,
    },
    /// The list of interfaces.
    #[error("the network interfaces cannot be listed")]
    Interfaces(#[source] nix::Error),
    /// The question.
    #[error("nothing can be sent: {0}")]
    Ask(io::Error),
    /// The file with credentials.
    #[error(transparent)]
    Credentials(#[from] RefusedCredentials),
}

/// Looks for cameras.
///
/// # Errors
/// What was asked for cannot be done; a network that cannot be asked is told in the report unless it was named.
pub async fn run(args: &Args) -> Result<Report, Error> {
    let credentials = args.credentials_file.as_deref();
    let credentials = credentials.map(Credentials::read).transpose()?;
    let from = own_addresses(args)?;
    let devices =
        tokio::task::spawn_blocking(|| devices::list(Path::new(SYSTEM.0), Path::new(SYSTEM.1)));
    let found = match from.as_slice() {
        [] => Ok((Vec::new(), 0)),
        from => onvif::find(from, args.address, args.timeout, credentials.as_ref()).await,
    };
    let named = args.address.is_some() || args.interface.is_some();
    let (cameras, unreadable_answers, problem) = match found {
        Ok((cameras, unreadable)) => (cameras, unreadable, None),
        Err(error) if named => return Err(error),
        Err(error) => (Vec::new(), 0, Some(error.to_string())),
    };
    Ok(Report {
        // A panic on the way is in the log.
        devices: devices.await.unwrap_or_default(),
        cameras,
        asked_from: from.into_iter().map(Host::from).collect(),
        unreadable_answers,
        problem,
        credentials_file: args.credentials_file.clone(),
    })
}

/// The addresses of this machine that questions are sent from: IPv4 first, by which most cameras are known better.
fn own_addresses(args: &Args) -> Result<Vec<SocketAddr>, Error> {
    let interfaces = getifaddrs().map_err(Error::Interfaces)?;
    let asks = |ip: IpAddr| match args.address {
        Some(to) => ip.is_ipv4() == to.is_ipv4(),
        // A group is asked from an address of its own reach.
        None => ip.is_ipv4() || matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()),
    };
    let known = interfaces.filter_map(|one| Some((own_address(&one)?, one)));
    let mut known: Vec<_> = known.filter(|(own, _)| asks(own.ip())).collect();
    known.sort_by_key(|(own, _)| own.is_ipv6());
    let Some(wanted) = &args.interface else {
        if let Some(to) = args.address {
            let any = match to {
                SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            return Ok(vec![SocketAddr::new(any, 0)]);
        }
        let reaches = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_MULTICAST;
        let asks = |one: &InterfaceAddress| {
            one.flags.contains(reaches) && !one.flags.contains(InterfaceFlags::IFF_LOOPBACK)
        };
        let asked = known.iter().filter(|(_, one)| asks(one));
        return Ok(asked.map(|(own, _)| *own).collect());
    };
    let is_wanted = |(own, one): &&(SocketAddr, InterfaceAddress)| {
        one.interface_name == *wanted || own.ip().to_string() == *wanted
    };
    let named: Vec<_> = known
        .iter()
        .filter(is_wanted)
        .map(|(own, _)| *own)
        .collect();
    if named.is_empty() {
        let known: Vec<_> = known
            .iter()
            .map(|(own, one)| format!("{} ({})", one.interface_name, own.ip()))
            .collect();
        return Err(Error::Interface {
            wanted: printable(wanted),
            known: known.join(", "),
        });
    }
    Ok(named)
}

/// The address of an interface, and which link an address of one link alone is of.
fn own_address(interface: &InterfaceAddress) -> Option<SocketAddr> {
    let address = interface.address.as_ref()?;
    let v4 = address
        .as_sockaddr_in()
        .map(|own| SocketAddr::new(own.ip().into(), 0));
    let v6 = || {
        let own = address.as_sockaddr_in6()?;
        Some(SocketAddrV6::new(own.ip(), 0, 0, own.scope_id()).into())
    };
    v4.or_else(v6)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let with_port = || text.parse().ok();
    let alone = || Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, probe::PORT));
    let address = with_port().or_else(alone);
    address.ok_or_else(|| "expected an address such as 10.0.0.7, with or without port".to_owned())
}

/// What a device says, on one line and not too long.
fn printable(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c.is_whitespace());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(LONGEST_TEXT).collect()
}
