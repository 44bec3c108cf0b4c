//! What becomes of a frame, and the count of it.

use std::fmt;

use airside_core::ledger::Settlement;
use airside_proto::v1;
use airside_runtime::{Metrics, Problem};
use http::StatusCode;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

/// What became of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything it showed is stored.
    Recorded {
        /// Faces found in it.
        faces: u32,
    },
    /// Not stored, or only in part; worth another try later.
    Deferred(Away),
    /// Will never be stored.
    Rejected {
        /// Why, for whoever sent it.
        reason: String,
    },
}

/// A part of the pipeline that a frame needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Finds faces.
    ImageAnalysis,
    /// Names faces.
    FaceRecognition,
    /// Keeps persons.
    Section,
    /// Keeps alerts.
    Alerts,
    /// This collector itself: too many frames are under way.
    Collector,
    /// This collector's ledger.
    Ledger,
}

/// A part that did not do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Away {
    /// Which.
    pub part: Part,
    /// Whether it kept silent, instead of failing.
    pub timed_out: bool,
}

impl Part {
    /// As it is called in the mesh, and in words where it is a part of this collector.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ImageAnalysis => "image-analysis",
            Self::FaceRecognition => "face-recognition",
            Self::Section => "section",
            Self::Alerts => "alerts",
            Self::Collector => "collector",
            Self::Ledger => "the collector's ledger",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self {
                part: Part::Collector,
                ..
            } => f.write_str("collector busy"),
            Self {
                part,
                timed_out: true,
            } => write!(f, "{part} did not answer in time"),
            Self {
                part,
                timed_out: false,
            } => write!(f, "{part} unavailable"),
        }
    }
}

impl From<Away> for Problem {
    fn from(away: Away) -> Self {
        let status = match away {
            Away {
                part: Part::Collector,
                ..
            } => StatusCode::SERVICE_UNAVAILABLE,
            Away {
                timed_out: true, ..
            } => StatusCode::GATEWAY_TIMEOUT,
            Away {
                timed_out: false, ..
            } => StatusCode::BAD_GATEWAY,
        };
        Self::new(status, format!("{away}; post the frame again later"))
    }
}

impl Verdict {
    /// The outcome as the protocol names it.
    #[must_use]
    pub fn outcome(&self) -> v1::Outcome {
        match self {
            Self::Recorded { .. } => v1::Outcome::Recorded,
            Self::Deferred(_) => v1::Outcome::Deferred,
            Self::Rejected { .. } => v1::Outcome::Rejected,
        }
    }

    /// How it is entered in the ledger; `None` while the frame will come again.
    #[must_use]
    pub fn settlement(&self) -> Option<Settlement> {
        match self {
            Self::Recorded { .. } => Some(Settlement::Recorded),
            Self::Deferred(_) => None,
            Self::Rejected { .. } => Some(Settlement::Rejected),
        }
    }

    /// The acknowledgement of the frame with this identity.
    #[must_use]
    pub fn acknowledge(self, id: v1::FrameId) -> v1::Acknowledgement {
        let outcome = self.outcome().into();
        let (reason, faces) = match self {
            Self::Recorded { faces } => (String::new(), faces),
            Self::Deferred(away) => (away.to_string(), 0),
            Self::Rejected { reason } => (reason, 0),
        };
        v1::Acknowledgement {
            id: Some(id),
            outcome,
            reason,
            faces,
        }
    }
}

/// Counts what became of frames.
#[derive(Clone, Debug, Default)]
pub struct Outcomes(Family<Labels, Counter>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: &'static str,
}

impl Outcomes {
    /// Counts that `/metrics` shows as `airside_collector_frames_total`.
    #[must_use]
    pub fn registered(metrics: &Metrics) -> Self {
        let outcomes = Self::default();
        metrics.register(
            "collector_frames",
            "Frames taken in, by what became of them (cancelled: whoever sent it did not wait)",
            outcomes.0.clone(),
        );
        outcomes
    }

    /// Follows one frame; it counts as cancelled unless [`Count::finish`] says otherwise.
    pub fn begin(&self) -> Count {
        Count {
            outcomes: self.clone(),
            outcome: "cancelled",
        }
    }
}

/// One frame that will be counted.
#[derive(Debug)]
#[must_use = "a frame without an outcome counts as cancelled"]
pub struct Count {
    outcomes: Outcomes,
    outcome: &'static str,
}

impl Count {
    /// Counts the frame under its verdict.
    pub fn finish(mut self, verdict: &Verdict) {
        self.outcome = match verdict {
            Verdict::Recorded { .. } => "recorded",
            Verdict::Deferred(_) => "deferred",
            Verdict::Rejected { .. } => "rejected",
        };
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        let labels = Labels {
            outcome: self.outcome,
        };
        self.outcomes.0.get_or_create(&labels).inc();
    }
}
