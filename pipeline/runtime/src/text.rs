//! Values of configuration files that are written as texts with a unit, for `#[serde(with = "…")]`.

/// A span of time, e.g. `"500ms"`; see [`parse::duration`](crate::parse::duration).
pub mod duration {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer, de};

    use crate::parse;

    /// Reads it.
    ///
    /// # Errors
    /// What is no span of time, with the accepted form.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse::duration(&text)
            .map_err(|expected| de::Error::custom(format!("'{text}' is refused: {expected}")))
    }

    /// Writes it in the largest unit that leaves no remainder.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(*time))
    }

    fn text(time: Duration) -> String {
        let micros = time.as_micros();
        let units = [
            ("d", 86_400_000_000),
            ("h", 3_600_000_000),
            ("m", 60_000_000),
            ("s", 1_000_000),
            ("ms", 1_000),
            ("us", 1),
        ];
        let fits = |(_, unit): &(&str, u128)| micros > 0 && micros.is_multiple_of(*unit);
        let (name, unit) = units.into_iter().find(fits).unwrap_or(("s", 1_000_000));
        format!("{}{name}", micros / unit)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn is_read_back_as_written() {
            for text in ["0s", "250us", "500ms", "90s", "5m", "36h", "30d"] {
                assert_eq!(super::text(parse::duration(text).unwrap()), text);
            }
        }
    }
}

/// A size in bytes, e.g. `"16MiB"`; see [`parse::bytes`](crate::parse::bytes).
pub mod bytes {
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    use crate::parse;

    /// Reads it.
    ///
    /// # Errors
    /// What is no size, with the accepted form.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse::bytes(&text)
            .map_err(|expected| de::Error::custom(format!("'{text}' is refused: {expected}")))
    }

    /// Writes it in the largest unit that leaves no remainder.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(size: &usize, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(*size))
    }

    fn text(size: usize) -> String {
        let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        let fits = |(_, unit): &(&str, usize)| size > 0 && size.is_multiple_of(*unit);
        let (name, unit) = units.into_iter().find(fits).unwrap_or(("", 1));
        format!("{}{name}", size / unit)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn is_read_back_as_written() {
            for text in ["0", "100", "12KiB", "16MiB", "2GiB"] {
                assert_eq!(super::text(parse::bytes(text).unwrap()), text);
            }
        }
    }
}
