//! The test pattern: a camera that is always there.

use std::{fmt, sync::Arc};

use gstreamer::prelude::*;

use super::{
    Error, Format, Pictures, Source,
    draft::{Draft, Pace},
};

/// A moving or still pattern drawn by GStreamer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pattern(&'static str);

impl Pattern {
    /// The patterns, as `videotestsrc` calls them; the first is the default.
    pub(super) const NAMES: [&'static str; 7] = [
        "smpte",
        "ball",
        "snow",
        "gradient",
        "black",
        "white",
        "checkers-8",
    ];

    /// The pattern `name`; empty means the default.
    pub(super) fn named(name: &str) -> Option<Self> {
        let name = if name.is_empty() {
            Self::NAMES[0]
        } else {
            name
        };
        Self::NAMES
            .into_iter()
            .find(|known| *known == name)
            .map(Self)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "test://{}", self.0)
    }
}

impl Source for Pattern {
    fn open(&self, format: &Format) -> Result<Box<dyn Pictures>, Error> {
        let draft = Draft::new(self.to_string(), format, Pace::Live, &Arc::default())?;
        let source = draft.add("videotestsrc")?;
        source.set_property_from_str("pattern", self.0);
        source.set_property("is-live", true);
        // Drawn in the wanted size: nothing is left to scale.
        let caps = draft.add("capsfilter")?;
        caps.set_property("caps", draft.raw_caps());
        draft.link(&[&source, &caps, &draft.entry()])?;
        draft.start()
    }
}
