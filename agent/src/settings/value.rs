//! Values of flags and of the file: the same texts are accepted in both, and numbers in the file.

use std::{fmt, str::FromStr, time::Duration};

use airside_runtime::parse;
use serde::{Deserializer, de};

pub(super) fn name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    // It also names a directory: neither a hidden one nor the one above.
    if (1..=64).contains(&text.len()) && text.chars().all(fits) && !text.starts_with('.') {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 64 letters, digits, '-', '_' or '.', the first not '.'".to_owned())
    }
}

pub(super) fn pixels(text: &str) -> Result<u32, String> {
    number(text, 16, 8192).ok_or_else(|| "expected 16 to 8192 pixels".to_owned())
}

pub(super) fn fps(text: &str) -> Result<f64, String> {
    number(text, 0.01, 120.0).ok_or_else(|| "expected 0.01 to 120 pictures a second".to_owned())
}

pub(super) fn quality(text: &str) -> Result<u8, String> {
    number(text, 1, 100).ok_or_else(|| "expected 1 (smallest) to 100 (best)".to_owned())
}

pub(super) fn window(text: &str) -> Result<usize, String> {
    number(text, 1, 1_000_000).ok_or_else(|| "expected 1 to 1000000 frames".to_owned())
}

pub(super) fn stall(text: &str) -> Result<Duration, String> {
    at_least(text, Duration::from_millis(100))
}

pub(super) fn stream_age(text: &str) -> Result<Duration, String> {
    at_least(text, Duration::from_secs(1))
}

fn number<T: FromStr + PartialOrd>(text: &str, least: T, most: T) -> Option<T> {
    let number = text.parse().ok()?;
    (least..=most).contains(&number).then_some(number)
}

fn at_least(text: &str, least: Duration) -> Result<Duration, String> {
    let time = parse::duration(text)?;
    (time >= least)
        .then_some(time)
        .ok_or_else(|| format!("expected at least {least:?}"))
}

/// For `#[serde(deserialize_with = "…")]` of the camera tables.
pub(super) mod read {
    use super::{
        Deserializer, Duration, FromStr, de, fmt, fps as to_fps, name as to_name,
        pixels as to_pixels, quality as to_quality, stall as to_stall, text,
    };

    pub(in super::super) fn name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
        refusing(from, to_name)
    }

    pub(in super::super) fn pixels<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<u32>, D::Error> {
        refusing(from, to_pixels).map(Some)
    }

    pub(in super::super) fn fps<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<f64>, D::Error> {
        refusing(from, to_fps).map(Some)
    }

    pub(in super::super) fn quality<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<u8>, D::Error> {
        refusing(from, to_quality).map(Some)
    }

    pub(in super::super) fn stall<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        refusing(from, to_stall).map(Some)
    }

    /// For types whose error tells by itself what was given, without its secrets.
    pub(in super::super) fn parsed<'de, D, T>(from: D) -> Result<T, D::Error>
    where
        D: Deserializer<'de>,
        T: FromStr<Err: fmt::Display>,
    {
        text(from)?.parse().map_err(de::Error::custom)
    }

    fn refusing<'de, D: Deserializer<'de>, T>(
        from: D,
        parse: fn(&str) -> Result<T, String>,
    ) -> Result<T, D::Error> {
        let text = text(from)?;
        parse(&text)
            .map_err(|expected| de::Error::custom(format!("'{text}' is refused: {expected}")))
    }
}

/// A text, or a number as a text.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    struct Text;

    impl de::Visitor<'_> for Text {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or a number")
        }

        fn visit_str<E>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_i64<E>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_u64<E>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_f64<E>(self, number: f64) -> Result<String, E> {
            Ok(number.to_string())
        }
    }

    from.deserialize_any(Text)
}
