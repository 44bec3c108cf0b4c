//! Settings of the control interface: the table `[control]` of the configuration file.

use std::{net::SocketAddr, path::PathBuf};

use airside_runtime::{Server, Service, Tls, Token, TokenError, tls};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may control the agent, beside those on its own machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// File with the token that requests must bear (`Authorization: Bearer …`).
    pub token_file: Option<PathBuf>,
    /// The interface's own certificate (PEM); with it, it speaks TLS.
    pub certificate: Option<PathBuf>,
    /// The key of that certificate (PEM).
    pub key: Option<PathBuf>,
    /// Authorities of clients' certificates (PEM); with them, only their holders are let in.
    pub client_ca: Option<PathBuf>,
    /// Whether cameras are shown live (`GET /cameras/{id}/preview`).
    pub preview: bool,
}

/// Keys that are refused together.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// One without the other.
    #[error("missing beside control.{0}")]
    Missing(&'static str),
    /// Strangers could come in.
    #[error(
        "'{0}' is refused: who reaches it could control the cameras; expected a loopback address such as 127.0.0.1:8080, \
         or control.token-file, or control.certificate and control.key, or --trusted-network where a mesh or a firewall \
         keeps strangers away"
    )]
    Open(SocketAddr),
}

/// Files that do not hold what they should.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// The token.
    #[error("control.token-file: {0}")]
    Token(#[from] TokenError),
    /// Certificate, key, authorities.
    #[error("control.certificate, control.key, control.client-ca: {0}")]
    Tls(#[from] tls::Error),
}

impl Settings {
    /// What holds between keys; the key to blame comes with the reason.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn check(&self, server: &Server, trusted: bool) -> Result<(), (&'static str, Refused)> {
        let missing = |key, beside| Err((key, Refused::Missing(beside)));
        match (&self.certificate, &self.key, &self.client_ca) {
            (Some(_), None, _) => return missing("control.key", "certificate"),
            (None, Some(_), _) => return missing("control.certificate", "key"),
            (None, None, Some(_)) => return missing("control.certificate", "client-ca"),
            _ => {}
        }
        let guarded = self.token_file.is_some() || self.certificate.is_some();
        let open = |address: &SocketAddr| !address.ip().to_canonical().is_loopback();
        let listen = [
            ("listen", Some(server.listen)),
            ("listen-grpc", server.listen_grpc),
        ];
        for (key, address) in listen {
            if let Some(address) = address.filter(open)
                && !guarded
                && !trusted
            {
                return Err((key, Refused::Open(address)));
            }
        }
        Ok(())
    }

    /// Has the service serve as these settings say.
    ///
    /// # Errors
    /// A file does not hold what it should.
    pub fn secure(&self, service: Service) -> Result<Service, Unfit> {
        let token = self.token_file.as_deref().map(Token::read).transpose()?;
        let tls = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                Some(Tls::new(certificate, key, self.client_ca.as_deref())?)
            }
            _ => None,
        };
        Ok(service.tls(tls).guarded(token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Flags {
        #[command(flatten)]
        server: Server,
    }

    fn check(table: &str, listen: &str, trusted: bool) -> Result<(), String> {
        check_flags(table, &["--listen", listen], trusted)
    }

    fn check_flags(table: &str, flags: &[&str], trusted: bool) -> Result<(), String> {
        let settings: Settings = toml::from_str(table).unwrap();
        let flags = [&["agent"], flags].concat();
        let server = <Flags as clap::Parser>::parse_from(flags).server;
        settings
            .check(&server, trusted)
            .map_err(|(key, reason)| format!("{key}: {reason}"))
    }

    #[test]
    fn strangers_do_not_come_in_by_the_second_address_either() {
        let flags = ["--listen-grpc", "0.0.0.0:9090"];
        let refused = check_flags("", &flags, false).unwrap_err();
        assert!(refused.starts_with("listen-grpc: '0.0.0.0:9090' is refused"));
        check_flags("token-file = 't'", &flags, false).unwrap();
    }

    #[test]
    fn strangers_are_kept_out() {
        for (table, listen, trusted) in [
            ("", "127.0.0.1:8080", false),
            ("", "[::1]:8080", false),
            ("", "[::ffff:127.0.0.1]:8080", false),
            ("", "0.0.0.0:8080", true),
            ("token-file = 't'", "0.0.0.0:8080", false),
            ("certificate = 'c'\nkey = 'k'", "10.0.0.1:8080", false),
        ] {
            check(table, listen, trusted).unwrap();
        }
        for (table, listen, wanted) in [
            ("", "0.0.0.0:8080", "listen: '0.0.0.0:8080' is refused"),
            ("", "[::]:8080", "--trusted-network"),
            ("preview = true", "10.0.0.1:8080", "control.token-file"),
            (
                "certificate = 'c'",
                "127.0.0.1:1",
                "control.key: missing beside control.certificate",
            ),
            ("key = 'k'", "127.0.0.1:1", "control.certificate: missing"),
            (
                "client-ca = 'a'",
                "127.0.0.1:1",
                "control.certificate: missing",
            ),
        ] {
            let refused = check(table, listen, false).unwrap_err();
            assert!(refused.contains(wanted), "{table}: {refused}");
        }
    }
}
