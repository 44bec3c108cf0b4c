//! Where a role keeps what it keeps.

use std::{fmt, path::PathBuf, str::FromStr};

use sqlx::postgres::PgConnectOptions;

pub use crate::database::Sharing;

/// Schemes of an address of PostgreSQL.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
/// What may stand behind the `?` of an address. A password may not: it would be shown with the rest.
const PARAMETERS: [&str; 9] = [
    "application_name",
    "dbname",
    "host",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];
/// Those of them that name files.
const FILES: [&str; 3] = ["sslcert", "sslkey", "sslrootcert"];

/// Where an instance of a role keeps what it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A SQLite file of its own.
    File(PathBuf),
    /// A schema of the role's own in a PostgreSQL database.
    Server(Address, Sharing),
}

/// Address of a PostgreSQL database. Shown without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    url: String,
    password: Option<String>,
}

/// A text that is no address of a database. Does not repeat the text, which may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum InvalidAddress {
    /// Not a URL, or a value in it is none.
    #[error(
        "this is no address of a database; expected postgres://USER@HOST:PORT/DATABASE, with sslmode and the like behind a ?"
    )]
    Malformed,
    /// A parameter that is not known.
    #[error("expected no parameter of an address but {}", PARAMETERS.join(", "))]
    Parameter,
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let query = text.split_once('?').map_or("", |(_, query)| query);
        let unknown = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .any(|pair| {
                let key = pair.split('=').next().unwrap_or_default();
                !PARAMETERS.contains(&key)
            });
        if unknown {
            return Err(InvalidAddress::Parameter);
        }
        let address = Self {
            url: text.to_owned(),
            password: None,
        };
        if Self::is_meant(text)
            && address
                .parsed()
                .is_some_and(|options| options.get_database().is_some())
        {
            Ok(address)
        } else {
            Err(InvalidAddress::Malformed)
        }
    }
}

impl Address {
    /// Whether a text is meant as an address, be it a good one or not.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        SCHEMES.iter().any(|scheme| text.starts_with(scheme))
    }

    /// The same with this password.
    #[must_use]
    pub fn with_password(self, password: String) -> Self {
        Self {
            password: Some(password),
            ..self
        }
    }

    /// Whether the address itself holds a password.
    #[must_use]
    pub fn holds_password(&self) -> bool {
        let authority = self.url.split("://").nth(1).unwrap_or_default();
        let authority = authority.split(['/', '?']).next().unwrap_or_default();
        authority
            .rsplit_once('@')
            .is_some_and(|(user, _)| user.contains(':'))
    }

    /// Whether it names files of this machine.
    pub(crate) fn names_files(&self) -> bool {
        let query = self.url.split_once('?').map_or("", |(_, query)| query);
        query.split('&').any(|pair| {
            let key = pair.split('=').next().unwrap_or_default();
            FILES.contains(&key)
        })
    }

    fn parsed(&self) -> Option<PgConnectOptions> {
        self.url.parse().ok()
    }

    /// How the driver connects.
    pub(crate) fn options(&self) -> PgConnectOptions {
        let options = self.parsed().unwrap_or_default();
        match &self.password {
            Some(password) => options.password(password),
            None => options,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = self.options();
        let database = options.get_database().unwrap_or_default();
        match options.get_socket() {
            Some(socket) => write!(f, "postgres://{}/{database}", socket.display()),
            None => {
                let (host, port) = (options.get_host(), options.get_port());
                write!(f, "postgres://{host}:{port}/{database}")
            }
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let text = "postgres://airside:s3cret@db:5433/airside?sslmode=verify-full";
        let address: Address = text.parse().unwrap();
        assert!(address.holds_password());
        assert_eq!(address.to_string(), "postgres://db:5433/airside");
        let shown = format!(
            "{address:?}{:?}",
            address.clone().with_password("s3cret2".to_owned())
        );
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn addresses_without_a_password_are_told_from_those_with_one() {
        for text in [
            "postgres://airside@db/airside",
            "postgresql://db:5432/airside?user=a",
            "postgres:///airside?host=/run/postgresql",
        ] {
            let address: Address = text.parse().unwrap();
            assert!(!address.holds_password(), "{text}");
        }
    }

    #[test]
    fn bad_addresses_are_refused_without_repeating_them() {
        for text in [
            "postgres://a:s3cret@db:x/airside",
            "postgres://a:s3cret@db",
            "postgres://db/airside?password=s3cret",
            "postgres://db/airside?sslmode=s3cret",
            "mysql://a:s3cret@db/airside",
        ] {
            let refused = text.parse::<Address>().unwrap_err().to_string();
            assert!(!refused.contains("s3cret"), "{refused}");
        }
    }
}
