//! How a camera is reached: the keys of a camera that depend on the kind of its source.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Location, codec::Codec};

/// How a camera is reached and what is set on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// How an RTSP camera sends its packets.
    pub transport: Transport,
    /// File with user and password of a network camera.
    pub credentials_file: Option<PathBuf>,
    /// Authorities that the certificate of a camera by HTTPS is trusted by.
    pub ca: Option<PathBuf>,
    /// Values of a V4L2 device's controls.
    pub controls: BTreeMap<String, i32>,
    /// Decoder of compressed video.
    pub decoder: Preference,
}

/// A setting that does not fit its camera.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Misfit {
    /// Its key.
    pub key: &'static str,
    /// What is wrong, and what is expected.
    pub reason: String,
}

impl Settings {
    /// Refuses what makes no sense for the camera at `location`.
    ///
    /// # Errors
    /// Names the key.
    pub fn check(&self, location: &Location) -> Result<(), Misfit> {
        let misfit = |key, reason: String| Err(Misfit { key, reason });
        let rtsp = matches!(location, Location::Rtsp(_));
        if self.transport != Transport::default() && !rtsp {
            return misfit("transport", only_with("rtsp:// and rtsps://"));
        }
        if self.credentials_file.is_some() {
            if !rtsp && !matches!(location, Location::Http(_)) {
                return misfit(
                    "credentials-file",
                    only_with("rtsp://, rtsps://, http:// and https://"),
                );
            }
            if location.has_credentials() {
                let reason = "is refused: the source has user and password already; expected one or the other";
                return misfit("credentials-file", reason.to_owned());
            }
        }
        let secure = matches!(location, Location::Http(camera) if camera.is_secure());
        if self.ca.is_some() && !secure {
            return misfit("ca", only_with("https://"));
        }
        if !self.controls.is_empty() && !matches!(location, Location::Device(_)) {
            return misfit(
                "controls",
                only_with("a V4L2 device (/dev/videoN, /dev/v4l/…)"),
            );
        }
        if let Preference::Element(name) = &self.decoder {
            let known = Codec::ALL.iter().flat_map(|codec| codec.decoders());
            if !known.clone().any(|known| known == name) {
                let known = known.fold(String::new(), |all, one| format!("{all} {one}"));
                return misfit(
                    "decoder",
                    format!("'{name}' is refused: expected auto or one of{known}"),
                );
            }
        }
        Ok(())
    }
}

fn only_with(sources: &str) -> String {
    format!("is refused: expected only with {sources}")
}

/// How an RTSP camera sends its packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Within the RTSP connection: every camera offers it, nothing is lost, and no firewall needs a hole.
    #[default]
    Tcp,
    /// In datagrams: what is lost is lost, and nothing waits for it.
    Udp,
    /// In datagrams; if none arrives, within the connection.
    Auto,
}

/// Which decoder is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Preference {
    /// The first that works, in the order of [`super::codec::Codec::decoders`].
    #[default]
    Auto,
    /// This element and no other.
    Element(String),
}

impl From<String> for Preference {
    fn from(name: String) -> Self {
        match name.as_str() {
            "auto" => Self::Auto,
            _ => Self::Element(name),
        }
    }
}

impl From<Preference> for String {
    fn from(preference: Preference) -> Self {
        match preference {
            Preference::Auto => "auto".to_owned(),
            Preference::Element(name) => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(source: &str, settings: &Settings) -> Option<&'static str> {
        let location: Location = source.parse().unwrap();
        settings.check(&location).err().map(|misfit| misfit.key)
    }

    #[test]
    fn each_setting_is_for_some_cameras_alone() {
        let default = Settings::default;
        let udp = Settings {
            transport: Transport::Udp,
            ..default()
        };
        let file = Settings {
            credentials_file: Some("/run/credentials/gate".into()),
            ..default()
        };
        let bright = Settings {
            controls: BTreeMap::from([("brightness".to_owned(), 120)]),
            ..default()
        };
        let trusting = Settings {
            ca: Some("/etc/airside-agent/cameras.pem".into()),
            ..default()
        };
        for source in [
            "rtsp://gate/1",
            "http://gate/1.jpg",
            "https://gate/1.jpg",
            "/dev/video0",
            "test://",
            "film.mp4",
        ] {
            let only_for = |prefix, key| (!source.starts_with(prefix)).then_some(key);
            let network = source.starts_with("rtsp://") || source.starts_with("http");
            assert_eq!(refused(source, &default()), None);
            assert_eq!(refused(source, &udp), only_for("rtsp://", "transport"));
            assert_eq!(
                refused(source, &file),
                (!network).then_some("credentials-file")
            );
            assert_eq!(refused(source, &trusting), only_for("https://", "ca"));
            assert_eq!(refused(source, &bright), only_for("/dev/", "controls"));
        }
        assert_eq!(
            refused("rtsp://guard:x@gate/1", &file),
            Some("credentials-file")
        );
    }

    #[test]
    fn a_decoder_has_a_known_name() {
        let decoder = |name: &str| Settings {
            decoder: name.to_owned().into(),
            ..Settings::default()
        };
        for (name, wanted) in [
            ("auto", None),
            ("avdec_h265", None),
            ("h264", Some("decoder")),
            ("", Some("decoder")),
        ] {
            assert_eq!(refused("rtsp://gate/1", &decoder(name)), wanted, "{name}");
        }
    }
}
