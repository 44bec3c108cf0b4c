//! The addresses of Envoy: taken ones are named before anything is started.

use std::io;
use std::net::{SocketAddr, TcpListener};

use airside_mesh::envoy::Addresses;

/// A listening address and the flag that changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// As it is written on the command line.
    pub name: &'static str,
    /// What it says; port 0 means any free port.
    pub address: SocketAddr,
}

/// The addresses that are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// For clients.
    pub ingress: Flag,
    /// For calls of the services.
    pub egress: Flag,
    /// For Envoy's own state.
    pub admin: Flag,
}

/// An address that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {}: {source}; `{} HOST:PORT` takes another address", flag.address, flag.name)]
pub struct Taken {
    flag: Flag,
    source: io::Error,
}

/// Checks that all are free and picks ports where any will do.
///
/// # Errors
/// The first that is not free.
pub fn claim(wanted: &Wanted) -> Result<Addresses, Taken> {
    let bind = |flag: Flag| {
        let bound = TcpListener::bind(flag.address)
            .and_then(|listener| Ok((listener.local_addr()?, listener)));
        bound.map_err(|source| Taken { flag, source })
    };
    // All are held until the last is bound, so that none is picked twice.
    let (ingress, _held) = bind(wanted.ingress)?;
    let (egress, _held) = bind(wanted.egress)?;
    let (admin, _held) = bind(wanted.admin)?;
    Ok(Addresses {
        ingress,
        egress,
        admin,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag(name: &'static str, port: u16) -> Flag {
        Flag {
            name,
            address: ([127, 0, 0, 1], port).into(),
        }
    }

    #[test]
    fn a_taken_address_names_its_flag() {
        let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = other.local_addr().expect("bound").port();
        let wanted = Wanted {
            ingress: flag("--ingress", 0),
            egress: flag("--egress", port),
            admin: flag("--admin", 0),
        };
        let said = claim(&wanted).expect_err("taken").to_string();
        assert!(said.contains(&format!("127.0.0.1:{port}")), "{said}");
        assert!(said.contains("--egress"), "{said}");
    }

    #[test]
    fn any_ports_are_three_different_ones() {
        let wanted = Wanted {
            ingress: flag("--ingress", 0),
            egress: flag("--egress", 0),
            admin: flag("--admin", 0),
        };
        let picked = claim(&wanted).expect("free ports");
        assert_ne!(picked.ingress, picked.egress);
        assert_ne!(picked.egress, picked.admin);
        assert_ne!(picked.admin, picked.ingress);
    }
}
