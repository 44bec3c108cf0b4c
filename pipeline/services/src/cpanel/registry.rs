//! The cameras and sections that the panel knows, read from its TOML file.

use std::{collections::BTreeSet, fs, io, path::Path};

use airside_core::{Event, SectionId};
use airside_runtime::parse;
use http::Uri;
use serde::{Deserialize, Serialize, Serializer, de};

/// The cameras and sections.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Registry {
    #[serde(default, rename = "camera")]
    pub(super) cameras: Vec<Camera>,
    #[serde(default, rename = "section")]
    pub(super) sections: Vec<Section>,
}

/// A camera, as `GET /cameras` shows it but for its address.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Camera {
    pub(super) id: u32,
    /// Which way people go there.
    #[serde(rename = "type")]
    pub(super) event: Event,
    #[serde(serialize_with = "number_if_it_is_one")]
    pub(super) section: SectionId,
    /// Its agent.
    #[serde(deserialize_with = "origin", skip_serializing)]
    pub(super) host: Uri,
    /// Its name at the agent, where that has several; the first otherwise.
    #[serde(default, skip_serializing)]
    pub(super) camera: Option<SectionId>,
}

/// A section, as `GET /sections` shows it but for its address.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    #[serde(serialize_with = "number_if_it_is_one")]
    pub(super) id: SectionId,
    pub(super) description: String,
    #[serde(deserialize_with = "origin", skip_serializing)]
    pub(super) host: Uri,
}

/// Why a registry is not taken over.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The file cannot be read.
    #[error("cannot read the registry {file}: {source}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// It is no TOML, or a key is missing, unknown or mistyped.
    #[error("the registry {file} is not valid: {source}")]
    Malformed {
        /// The file.
        file: String,
        /// Line, key and what was expected.
        source: Box<toml::de::Error>,
    },
    /// Two entries contradict each other.
    #[error("the registry {file} is not valid: {key}: {reason}")]
    Contradiction {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// What is wrong and what was expected.
        reason: String,
    },
}

impl Registry {
    /// Reads the file.
    ///
    /// # Errors
    /// Names the file, and line or key.
    pub(super) fn read(file: &Path) -> Result<Self, RegistryError> {
        let name = file.display().to_string();
        let text = fs::read_to_string(file).map_err(|source| RegistryError::Unreadable {
            file: name.clone(),
            source,
        })?;
        Self::parse(&text, name)
    }

    fn parse(text: &str, file: String) -> Result<Self, RegistryError> {
        let registry: Self = match toml::from_str(text) {
            Ok(registry) => registry,
            Err(source) => {
                return Err(RegistryError::Malformed {
                    file,
                    source: Box::new(source),
                });
            }
        };
        match registry.contradiction() {
            None => Ok(registry),
            Some((key, reason)) => Err(RegistryError::Contradiction { file, key, reason }),
        }
    }

    fn contradiction(&self) -> Option<(String, String)> {
        let mut sections = BTreeSet::new();
        for (index, Section { id, .. }) in self.sections.iter().enumerate() {
            if !sections.insert(id) {
                let reason = format!("{id} is there already; expected an id of its own");
                return Some((format!("section[{index}].id"), reason));
            }
        }
        let mut cameras = BTreeSet::new();
        for (index, Camera { id, section, .. }) in self.cameras.iter().enumerate() {
            if !cameras.insert(id) {
                let reason = format!("{id} is there already; expected an id of its own");
                return Some((format!("camera[{index}].id"), reason));
            }
            if !sections.contains(section) {
                let reason = format!("{section} is not registered; expected the id of a section");
                return Some((format!("camera[{index}].section"), reason));
            }
        }
        None
    }

    pub(super) fn camera(&self, id: &str) -> Option<&Camera> {
        let id: u32 = id.parse().ok()?;
        self.cameras.iter().find(|camera| camera.id == id)
    }

    pub(super) fn section(&self, id: &str) -> Option<&Section> {
        self.sections
            .iter()
            .find(|section| section.id.as_str() == id)
    }
}

impl Camera {
    /// Where its agent serves `what` of it.
    pub(super) fn path(&self, what: &str) -> String {
        match &self.camera {
            Some(camera) => format!("/cameras/{camera}/{what}"),
            None => format!("/{what}"),
        }
    }
}

fn origin<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Uri, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse::origin(&text).map_err(de::Error::custom)
}

/// The registry writes `"section":1` where every other place writes a string; clients rely on both.
fn number_if_it_is_one<S: Serializer>(id: &SectionId, serializer: S) -> Result<S::Ok, S::Error> {
    match id.as_str().parse::<u64>() {
        Ok(number) if number.to_string() == id.as_str() => serializer.serialize_u64(number),
        Ok(_) | Err(_) => serializer.serialize_str(id.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: &str = include_str!("../../../../deploy/local/panel.toml");

    fn refusal(text: &str) -> String {
        let error = Registry::parse(text, "panel.toml".to_owned()).unwrap_err();
        error.to_string()
    }

    #[test]
    fn the_default_registry_is_shown_as_the_contract_says() {
        let registry = Registry::parse(DEFAULT, "panel.toml".to_owned()).unwrap();
        assert_eq!(
            serde_json::to_string(&registry.cameras[0]).unwrap(),
            r#"{"id":1,"type":"exit","section":1}"#
        );
        assert_eq!(
            serde_json::to_string(&registry.sections[0]).unwrap(),
            r#"{"id":1,"description":"section 1"}"#
        );
        assert_eq!(registry.cameras[0].path("state"), "/state");
    }

    #[test]
    fn a_broken_registry_names_line_or_key() {
        let text = refusal("[[camera]]\nid = \"x\"\n");
        assert!(text.contains("line 2"), "{text}");
        let text = refusal("[[camera]]\nid = 1\ncolour = \"red\"\n");
        assert!(text.contains("colour"), "{text}");
        let section = "[[section]]\nid = 1\ndescription = \"\"\nhost = \"http://section-1:8080\"\n";
        let text = refusal(&section.repeat(2));
        assert!(text.contains("section[1].id"), "{text}");
        let camera = "[[camera]]\nid = 1\ntype = \"exit\"\nsection = 2\nhost = \"http://a:1\"\n";
        let text = refusal(&format!("{section}{camera}"));
        assert!(text.contains("camera[0].section"), "{text}");
    }
}
