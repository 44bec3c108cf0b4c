//! Whom a client takes for its peer: the certificate's chain leads to a trusted authority, it is in force, and it bears the wanted
//! name or SPIFFE identity.

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use x509_parser::{extensions::GeneralName, prelude::X509Certificate};

/// Who the peer must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Its certificate bears this host name or IP address, whatever the address that leads there says.
    Name(ServerName<'static>),
    /// Its certificate bears this SPIFFE identity, whatever its host is called.
    Spiffe(String),
}

/// A text that names no peer.
#[derive(Debug, thiserror::Error)]
#[error(
    "'{0}' is refused: expected spiffe://DOMAIN/PATH or the host name in the peer's certificate"
)]
pub struct InvalidPeer(String);

impl FromStr for Peer {
    type Err = InvalidPeer;

    fn from_str(text: &str) -> Result<Self, InvalidPeer> {
        let invalid = || InvalidPeer(text.chars().take(200).collect());
        match text.split_once("://") {
            Some(("spiffe", identity)) => {
                // The standard's letters: a domain, and a path without empty steps.
                let mut steps = identity.split('/');
                let domain = steps.next().unwrap_or_default();
                let fits = |step: &str, upper: bool| {
                    let fits = |c: char| match c {
                        'A'..='Z' => upper,
                        c => c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c),
                    };
                    !step.is_empty() && step != "." && step != ".." && step.chars().all(fits)
                };
                let path = identity.contains('/') && steps.all(|step| fits(step, true));
                if fits(domain, false) && path {
                    Ok(Self::Spiffe(text.to_owned()))
                } else {
                    Err(invalid())
                }
            }
            Some(_) => Err(invalid()),
            None => ServerName::try_from(text.to_owned())
                .map(Self::Name)
                .map_err(|_| invalid()),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(&name.to_str()),
            Self::Spiffe(identity) => f.write_str(identity),
        }
    }
}

/// The peer is somebody else.
#[derive(Debug, thiserror::Error)]
#[error("the peer's certificate is for {}, not for {wanted}", had.as_deref().unwrap_or("nobody by name"))]
struct SomebodyElse {
    wanted: String,
    had: Option<String>,
}

/// Verifies a peer's certificate.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) roots: RootCertStore,
    /// The identity it must bear; without one, the name under which it was sought.
    pub(super) identity: Option<String>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            algorithms,
        )?;
        let names = Names::of(certificate);
        let somebody_else = |wanted: String, had: Vec<String>| {
            let had = (!had.is_empty()).then(|| had.join(", "));
            let error = SomebodyElse { wanted, had };
            rustls::Error::from(CertificateError::Other(OtherError(Arc::new(error))))
        };
        match &self.identity {
            // A certificate with several identities has none, by the standard.
            Some(wanted) if names.identities != [wanted.clone()] => {
                Err(somebody_else(wanted.clone(), names.identities))
            }
            Some(_) => Ok(ServerCertVerified::assertion()),
            None => match verify_server_name(&parsed, name) {
                Ok(()) => Ok(ServerCertVerified::assertion()),
                Err(_) => Err(somebody_else(name.to_str().into_owned(), names.hosts)),
            },
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What a certificate calls its holder.
#[derive(Debug, Default)]
struct Names {
    hosts: Vec<String>,
    /// All of its URIs.
    identities: Vec<String>,
}

impl Names {
    fn of(certificate: &[u8]) -> Self {
        let mut names = Self::default();
        let parsed = x509_parser::parse_x509_certificate(certificate).ok();
        let parsed: Option<X509Certificate<'_>> = parsed.map(|(_, parsed)| parsed);
        let alternatives = parsed.as_ref().and_then(|parsed| {
            let found = parsed.subject_alternative_name().ok()??;
            Some(&found.value.general_names)
        });
        for name in alternatives.into_iter().flatten() {
            match name {
                GeneralName::DNSName(host) => names.hosts.push((*host).to_owned()),
                GeneralName::URI(identity) => names.identities.push((*identity).to_owned()),
                GeneralName::IPAddress(bytes) => {
                    let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
                    let six = <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
                    names
                        .hosts
                        .extend(four.or(six).ok().map(|ip| ip.to_string()));
                }
                _ => {}
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_name_an_address_or_an_identity() {
        for text in [
            "collector.example",
            "10.0.0.7",
            "spiffe://example.org/collector",
            "spiffe://example.org/ns/default/sa/Collector_1",
        ] {
            let peer: Peer = text.parse().unwrap();
            assert_eq!(peer.to_string(), text);
        }
        for text in [
            "",
            "spiffe://",
            "spiffe://example.org",
            "spiffe://Example.org/x",
            "spiffe://example.org/",
            "spiffe://example.org//x",
            "spiffe://example.org/../x",
            "spiffe://example.org:1/x",
            "https://example.org/x",
            "two words",
        ] {
            let refused = text.parse::<Peer>().unwrap_err().to_string();
            assert!(refused.contains("expected spiffe://"), "{text}: {refused}");
        }
    }
}
