//! Where a neighbour is. An IPv6 address of one link alone (`fe80::…`) means nothing without that link's name.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use nix::net::if_::if_indextoname;
use serde::{Serialize, Serializer};

/// An address of a neighbour, as `10.0.0.7`, `fd00::7` or `fe80::7%eth0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Host {
    ip: IpAddr,
    /// This machine's interface to it, of an address that holds on one link alone.
    link: Option<String>,
}

impl Host {
    /// Its address.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// As an address of a resource writes it (RFC 3986, and RFC 6874 for the link).
    #[must_use]
    pub fn in_url(&self) -> String {
        match (self.ip, &self.link) {
            (IpAddr::V4(ip), _) => ip.to_string(),
            (IpAddr::V6(ip), None) => format!("[{ip}]"),
            (IpAddr::V6(ip), Some(link)) => format!("[{ip}%25{link}]"),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Self {
        Self { ip, link: None }
    }
}

impl From<SocketAddr> for Host {
    fn from(address: SocketAddr) -> Self {
        let scope = match address {
            SocketAddr::V6(address) => address.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        let name = || if_indextoname(scope).ok()?.into_string().ok();
        // One that is gone has the empty name.
        let name = || name().filter(|name| !name.is_empty());
        Self {
            ip: address.ip(),
            link: (scope > 0).then(|| name().unwrap_or_else(|| scope.to_string())),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.link {
            Some(link) => write!(f, "{}%{link}", self.ip),
            None => self.ip.fmt(f),
        }
    }
}

impl Serialize for Host {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, SocketAddrV6};

    use super::*;

    #[test]
    fn only_an_address_of_one_link_names_it() {
        let told = |address: SocketAddr| {
            let host = Host::from(address);
            (host.to_string(), host.in_url())
        };
        let both = |text: &str, url: &str| (text.to_owned(), url.to_owned());
        assert_eq!(
            told("10.0.0.7:80".parse().unwrap()),
            both("10.0.0.7", "10.0.0.7")
        );
        assert_eq!(
            told("[fd00::7]:80".parse().unwrap()),
            both("fd00::7", "[fd00::7]")
        );
        let ip: Ipv6Addr = "fe80::7".parse().unwrap();
        // The first interface of every machine is the loopback.
        let near = SocketAddrV6::new(ip, 80, 0, 1);
        assert_eq!(told(near.into()), both("fe80::7%lo", "[fe80::7%25lo]"));
        let gone = SocketAddrV6::new(ip, 80, 0, u32::MAX);
        assert_eq!(
            Host::from(SocketAddr::from(gone)).link,
            Some(u32::MAX.to_string())
        );
    }
}
