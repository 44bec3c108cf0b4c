//! Settings of the spool: the table `[spool]` of the configuration file.

use std::{path::PathBuf, time::Duration};

use airside_runtime::text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How frames are kept on disk until they are acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Most bytes on disk for each camera.
    #[serde(with = "text::bytes")]
    #[schemars(with = "String")]
    pub size: usize,
    /// Frames that waited for so long are given up.
    #[serde(with = "text::duration")]
    #[schemars(with = "String")]
    pub age: Duration,
    /// What is done when the spool is full.
    pub policy: Policy,
    /// After a power failure at most the frames of this time are lost, one second at most; `"0s"` waits for the disk at every frame.
    #[serde(with = "text::duration")]
    #[schemars(with = "String")]
    pub sync: Duration,
    /// File with a key of 32 bytes (base64) with which frames are encrypted on disk; none leaves them plain.
    pub key_file: Option<PathBuf>,
}

/// What is done when the spool is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The oldest frame gives way to the newest.
    #[default]
    DropOldest,
    /// The camera stops until there is room again.
    StopCapture,
}

/// What a spool keeps to, and may be told anew while it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most bytes on disk.
    pub size: u64,
    /// Frames that waited for so long are given up.
    pub age: Duration,
    /// What is done when it is full.
    pub policy: Policy,
    /// How often the disk is told to keep what was written; zero for at every frame.
    pub sync: Duration,
}

/// Less would not hold the largest pictures that cameras send.
const SMALLEST: usize = 1 << 20;

/// A size that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} bytes are too few; expected 1MiB or more")]
pub struct TooSmall(usize);

impl Settings {
    /// What its keys must be beyond their types.
    ///
    /// # Errors
    /// The size is too small.
    pub fn check(&self) -> Result<(), TooSmall> {
        if self.size < SMALLEST {
            return Err(TooSmall(self.size));
        }
        Ok(())
    }

    /// What a spool keeps to.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        Bounds {
            size: self.size as u64,
            age: self.age,
            policy: self.policy,
            sync: self.sync,
        }
    }

    /// Takes over what can be changed while spools are used: all but the key, with which frames on disk are encrypted.
    pub fn take_over(&mut self, wanted: &Self) {
        *self = Self {
            key_file: self.key_file.take(),
            ..wanted.clone()
        };
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            size: 2 << 30,
            age: Duration::from_secs(7 * 86_400),
            policy: Policy::default(),
            sync: Duration::from_secs(1),
            key_file: None,
        }
    }
}
