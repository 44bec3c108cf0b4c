//! Settings of the uplink: the table `[uplink]` of the configuration file.

use std::{path::PathBuf, time::Duration};

use airside_runtime::{
    text,
    tls::{self, InvalidPeer},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    rate::Rate,
    schedule::{InvalidSchedule, Schedule, Window},
};

/// How frames travel to a collector.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Age at which a stream is replaced by a new one, so that a mesh balances anew; varied by a fifth.
    #[serde(with = "text::duration")]
    #[schemars(with = "String")]
    pub stream_age: Duration,
    /// Most that all cameras send together, e.g. `2Mbit/s`; none sends what the line takes.
    #[schemars(with = "Option<String>")]
    pub bandwidth: Option<Rate>,
    /// While a link does not carry the live frames, less is made of what the camera shows, by steps: quality first, then rate.
    pub adaptive: bool,
    /// Times of the week with another bandwidth (`[[uplink.window]]`), in the local time of the device.
    pub window: Vec<Window>,
    /// Authorities that a collector's certificate is trusted by (PEM), for `grpcs://` and `https://`; without, those of the
    /// operating system.
    pub ca: Option<PathBuf>,
    /// Own certificate with its chain (PEM), for a collector that wants one.
    pub certificate: Option<PathBuf>,
    /// The key of that certificate (PEM); not readable by everyone.
    pub key: Option<PathBuf>,
    /// Who the collector must be by its certificate: `spiffe://DOMAIN/PATH` or a host name; without, the host of the destination.
    pub peer: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stream_age: Duration::from_secs(60),
            bandwidth: None,
            adaptive: false,
            window: Vec::new(),
            ca: None,
            certificate: None,
            key: None,
            peer: None,
        }
    }
}

/// A key of `[uplink]` that is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A window.
    #[error("uplink.window: {0}")]
    Window(#[from] InvalidSchedule),
    /// Too young.
    #[error("uplink.stream-age: {0:?} is refused: expected at least 1s")]
    StreamAge(Duration),
    /// One without the other.
    #[error("uplink.{0}: missing beside uplink.{1}")]
    Missing(&'static str, &'static str),
    /// Nobody.
    #[error("uplink.peer: {0}")]
    Peer(#[from] InvalidPeer),
}

impl Refused {
    /// The key to blame.
    #[must_use]
    pub fn key(&self) -> String {
        let key = match self {
            Self::Window(_) => "window",
            Self::StreamAge(_) => "stream-age",
            Self::Missing(key, _) => key,
            Self::Peer(_) => "peer",
        };
        format!("uplink.{key}")
    }
}

impl Settings {
    /// What serde cannot see.
    ///
    /// # Errors
    /// Names the key, its value and what is accepted.
    pub fn check(&self) -> Result<(), Refused> {
        if self.stream_age < Duration::from_secs(1) {
            return Err(Refused::StreamAge(self.stream_age));
        }
        self.schedule()?;
        self.tls()?;
        Ok(())
    }

    /// What TLS is made of.
    ///
    /// # Errors
    /// A certificate without a key or a key without a certificate; a peer that is none.
    pub fn tls(&self) -> Result<tls::Files, Refused> {
        let own = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (Some(_), None) => return Err(Refused::Missing("key", "certificate")),
            (None, Some(_)) => return Err(Refused::Missing("certificate", "key")),
            (None, None) => None,
        };
        Ok(tls::Files {
            ca: self.ca.clone(),
            own,
            peer: self.peer.as_deref().map(str::parse).transpose()?,
        })
    }

    /// What may go at each time of the week.
    ///
    /// # Errors
    /// Windows overlap.
    pub fn schedule(&self) -> Result<Schedule, InvalidSchedule> {
        Schedule::new(self.bandwidth, &self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_and_refused_by_key() {
        let table = r#"
            bandwidth = "2Mbit/s"
            [[window]]
            days = "mon-fri"
            from = "08:00"
            to = "18:00"
            bandwidth = "500kbit/s"
        "#;
        let settings: Settings = toml::from_str(table).unwrap();
        settings.check().unwrap();
        let written = toml::to_string(&settings).unwrap();
        assert_eq!(toml::from_str::<Settings>(&written).unwrap(), settings);
        for (table, wanted) in [
            ("bandwidth = \"fast\"", "expected a rate such as"),
            ("[[window]]\nfrom = \"8\"", "expected a time such as 08:00"),
            ("stream-age = \"1ms\"", "expected at least 1s"),
            (
                "key = \"k\"",
                "uplink.certificate: missing beside uplink.key",
            ),
            ("peer = \"spiffe://x\"", "expected spiffe://DOMAIN/PATH"),
        ] {
            let read = toml::from_str::<Settings>(table).map_err(|error| error.to_string());
            let error =
                read.and_then(|settings| settings.check().map_err(|error| error.to_string()));
            let error = error.unwrap_err();
            assert!(error.contains(wanted), "{table}: {error}");
        }
    }
}
