//! Why TLS does not come about, in words that say what to do.

use std::io;

use rustls::{AlertDescription, CertificateError, pki_types::UnixTime};

/// The reason behind an error of a connection.
pub(super) fn reason(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(error) => of_tls(error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the peer hangs up instead of shaking hands; it may want a certificate".to_owned()
        }
        None => error.to_string(),
    }
}

/// The reason behind an error while the connection stands, if TLS knows it better than the system.
pub(super) fn of_standing(error: io::Error) -> io::Error {
    let reason = error.get_ref().and_then(|inner| inner.downcast_ref());
    match reason.map(of_tls) {
        Some(reason) => io::Error::new(error.kind(), reason),
        None => error,
    }
}

fn of_tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(reason) => of_certificate(reason),
        rustls::Error::AlertReceived(alert) => of_alert(*alert),
        rustls::Error::InvalidMessage(_) => "the peer does not speak TLS".to_owned(),
        error => format!("TLS: {error}"),
    }
}

fn of_certificate(reason: &CertificateError) -> String {
    match reason {
        CertificateError::ExpiredContext { time, not_after } => format!(
            "the peer's certificate expired at {} (here it is {})",
            text(*not_after),
            text(*time)
        ),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "the peer's certificate is not valid before {} (here it is {})",
            text(*not_before),
            text(*time)
        ),
        CertificateError::UnknownIssuer => {
            "the peer's certificate is signed by an authority that is not trusted here".to_owned()
        }
        CertificateError::Other(reason) => reason.0.to_string(),
        reason => format!("the peer's certificate is refused: {reason}"),
    }
}

fn of_alert(alert: AlertDescription) -> String {
    let text = match alert {
        AlertDescription::CertificateRequired => {
            "the peer wants a certificate, and none is configured here"
        }
        AlertDescription::CertificateExpired => {
            "the peer says that the certificate of this side has expired"
        }
        AlertDescription::UnknownCA => {
            "the peer does not trust the authority of this side's certificate"
        }
        AlertDescription::NoApplicationProtocol => {
            "the peer does not speak the protocol (HTTP/2 for grpcs://, HTTP/1.1 for https://)"
        }
        AlertDescription::HandshakeFailure => {
            "the peer refuses: it wants a certificate, or encryption that is not known here"
        }
        AlertDescription::UnrecognisedName => {
            "the peer does not know the name that it was called by"
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError => {
            return format!("the peer refuses the certificate of this side ({alert:?})");
        }
        alert => return format!("the peer ends TLS with {alert:?}"),
    };
    text.to_owned()
}

fn text(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    super::client::text(seconds)
}
