//! A picture in JSON: base64.

use std::borrow::Cow;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The standard alphabet; written with padding, read with or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes of a picture, in JSON as base64 of the standard alphabet. Read with line breaks in it and behind
/// `data:image/…;base64,`, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image(pub Bytes);

/// The text is no base64.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected a JPEG or PNG as base64 of the standard alphabet")]
pub struct NoBase64;

impl Image {
    /// Reads base64.
    ///
    /// # Errors
    /// What is no base64, and an empty text.
    pub fn from_base64(text: &str) -> Result<Self, NoBase64> {
        let text = match text.split_once(";base64,") {
            Some((kind, rest)) if kind.starts_with("data:image/") => rest,
            _ => text,
        };
        let text: Cow<'_, str> = if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
            text.split_ascii_whitespace().collect::<String>().into()
        } else {
            text.into()
        };
        match BASE64.decode(text.as_bytes()) {
            Ok(bytes) if !bytes.is_empty() => Ok(Self(bytes.into())),
            Ok(_) | Err(_) => Err(NoBase64),
        }
    }

    /// As base64, for JSON and pages.
    #[must_use]
    pub fn to_base64(&self) -> String {
        BASE64.encode(&self.0)
    }
}

impl Serialize for Image {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_base64())
    }
}

impl<'de> Deserialize<'de> for Image {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        // By hand, because a borrowed text saves a copy of every picture.
        impl de::Visitor<'_> for Visitor {
            type Value = Image;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JPEG or PNG as base64")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Image, E> {
                Image::from_base64(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_clients_write() {
        let wanted = Image(Bytes::from_static(&[0xff, 0xd8, 0xff, 0xe0]));
        for text in [
            "/9j/4A==",
            "/9j/4A",
            "/9j/\r\n4A==\n",
            "data:image/jpeg;base64,/9j/4A==",
        ] {
            assert_eq!(Image::from_base64(text), Ok(wanted.clone()), "{text:?}");
        }
        assert_eq!(wanted.to_base64(), "/9j/4A==");
    }

    #[test]
    fn refuses_what_is_no_base64() {
        for text in [
            "",
            " ",
            "_9j_4A==",
            "/9j/4A===",
            "%",
            "data:text/plain;base64,/9j/4A==",
        ] {
            assert_eq!(Image::from_base64(text), Err(NoBase64), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn survives_a_round_trip(bytes in proptest::collection::vec(any::<u8>(), 1..100)) {
            let image = Image(bytes.into());
            let text = serde_json::to_string(&image).unwrap();
            prop_assert_eq!(serde_json::from_str::<Image>(&text).unwrap(), image);
        }

        #[test]
        fn never_panics(text in "\\PC{0,60}") {
            let _ = Image::from_base64(&text);
        }
    }
}
