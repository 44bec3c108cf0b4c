//! Several destinations in order: the first that answers gets the frames.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Destination, InvalidDestination};

/// One destination or several, the preferred one first. None is named twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destinations(Vec<Destination>);

/// What names no destinations.
#[derive(Debug, thiserror::Error)]
pub enum InvalidDestinations {
    /// One of them is none.
    #[error(transparent)]
    Invalid(#[from] InvalidDestination),
    /// One stands there twice.
    #[error("{0} is named twice")]
    Twice(Destination),
    /// There is none.
    #[error("expected at least one destination")]
    None,
}

impl Destinations {
    /// All, the preferred one first.
    #[must_use]
    pub fn all(&self) -> &[Destination] {
        &self.0
    }

    /// The preferred one.
    #[must_use]
    pub fn first(&self) -> &Destination {
        &self.0[0]
    }
}

impl TryFrom<Vec<Destination>> for Destinations {
    type Error = InvalidDestinations;

    fn try_from(all: Vec<Destination>) -> Result<Self, InvalidDestinations> {
        for (index, one) in all.iter().enumerate() {
            if all[..index].contains(one) {
                return Err(InvalidDestinations::Twice(one.clone()));
            }
        }
        match all.is_empty() {
            true => Err(InvalidDestinations::None),
            false => Ok(Self(all)),
        }
    }
}

impl FromStr for Destinations {
    type Err = InvalidDestinations;

    /// Several are parted by commas, as flags and variables have no lists.
    fn from_str(text: &str) -> Result<Self, InvalidDestinations> {
        let all: Result<Vec<_>, _> = text.split(',').map(|one| one.trim().parse()).collect();
        all?.try_into()
    }
}

impl fmt::Display for Destinations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join(", "))
    }
}

impl Serialize for Destinations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [one] => serializer.collect_str(one),
            several => serializer.collect_seq(several.iter().map(ToString::to_string)),
        }
    }
}

impl<'de> Deserialize<'de> for Destinations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrList;

        impl<'de> de::Visitor<'de> for TextOrList {
            type Value = Destinations;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a destination or a list of them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Destinations, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> Result<Destinations, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = list.next_element()? {
                    all.push(one);
                }
                all.try_into().map_err(de::Error::custom)
            }
        }

        deserializer.deserialize_any(TextOrList)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_a_text_and_several_are_a_list() {
        let one: Destinations = "grpc://a:1".parse().unwrap();
        assert_eq!(serde_json::to_string(&one).unwrap(), "\"grpc://a:1\"");
        let several: Destinations = "grpc://a:1, http://b:2".parse().unwrap();
        assert_eq!(several.first().to_string(), "grpc://a:1");
        let list = serde_json::to_string(&several).unwrap();
        assert_eq!(list, r#"["grpc://a:1","http://b:2"]"#);
        assert_eq!(
            serde_json::from_str::<Destinations>(&list).unwrap(),
            several
        );
        for (text, wanted) in [
            ("[]", "at least one"),
            (
                "[\"grpc://a:1\", \"grpc://a:1\"]",
                "grpc://a:1 is named twice",
            ),
            (
                "[\"grpc://a:1\", \"a\"]",
                "\"a\" is no destination; expected grpc://",
            ),
            ("\"grpc://a:1,\"", "\"\" is no destination"),
            ("7", "expected a destination or a list of them"),
        ] {
            let refused = serde_json::from_str::<Destinations>(text).unwrap_err();
            assert!(refused.to_string().contains(wanted), "{text}: {refused}");
        }
    }
}
