//! What the agent counts. The ledger is exported as it stands: every scrape reads all outboxes once, so that the
//! exported figures balance too.

pub mod cameras;
pub mod tls;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use airside_runtime::Metrics as Registry;
use prometheus_client::{
    encoding::{
        EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder, MetricEncoder,
        NoLabelSet,
    },
    metrics::{
        MetricType,
        counter::Counter,
        exemplar::Exemplar,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
};

use crate::{capture::Cause, ledger::Ledger, outbox::Outbox, spool::Counts};

/// Why a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the uplink documents them")]
pub enum LinkEnd {
    Aged,
    Drained,
    Switched,
    Idle,
    Superseded,
    Renewed,
    Returned,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    reason: LinkEnd,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    cause: Cause,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabels {
    direction: &'static str,
}

impl EncodeLabelValue for LinkEnd {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        let name = match self {
            Self::Aged => "aged",
            Self::Drained => "drained",
            Self::Switched => "switched",
            Self::Idle => "idle",
            Self::Superseded => "superseded",
            Self::Renewed => "renewed",
            Self::Returned => "returned",
            Self::Failed => "failed",
        };
        name.encode(encoder)
    }
}

impl EncodeLabelValue for Cause {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        let name = match self {
            Self::Missing => "missing",
            Self::Unplayable => "unplayable",
            Self::Unreachable => "unreachable",
            Self::Stalled => "stalled",
            Self::Gstreamer => "gstreamer",
        };
        name.encode(encoder)
    }
}

/// Counters of cameras and links.
#[derive(Clone, Default)]
pub struct Metrics {
    link_ends: Family<EndLabels, Counter>,
    camera_failures: Family<FailureLabels, Counter>,
    gate_seen: Counter,
    gate_admitted: Counter,
    sent_bytes: Counter,
    live: Latency,
    adapted: Family<StepLabels, Counter>,
    outboxes: Outboxes,
}

/// How long live frames take, in factors of two from a collector next door to one that hardly answers.
#[derive(Clone)]
struct Latency(Histogram);

impl Default for Latency {
    fn default() -> Self {
        Self(Histogram::new(exponential_buckets(0.005, 2.0, 13)))
    }
}

/// All outboxes since the process started. That of a camera which was removed stays: a counter must not go back.
type Outboxes = Arc<Mutex<Vec<Arc<Outbox>>>>;

impl Metrics {
    /// Registers everything, the ledgers of all outboxes that it is to follow included.
    #[must_use]
    pub fn registered(registry: &Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "agent_link_ends",
            "Links to a destination that ended, by reason",
            metrics.link_ends.clone(),
        );
        registry.register(
            "agent_camera_failures",
            "Failures of cameras, by cause",
            metrics.camera_failures.clone(),
        );
        registry.register(
            "agent_gate_seen_bytes",
            "Bytes of the pictures that gates judged",
            metrics.gate_seen.clone(),
        );
        registry.register(
            "agent_gate_admitted_bytes",
            "Bytes of the pictures that gates admitted",
            metrics.gate_admitted.clone(),
        );
        registry.register(
            "agent_sent_bytes",
            "Bytes of pictures that were sent, repeats included",
            metrics.sent_bytes.clone(),
        );
        registry.register(
            "agent_live_seconds",
            "Time from the capture of a live frame to its record by the collector",
            metrics.live.0.clone(),
        );
        registry.register(
            "agent_adaptations",
            "Steps by which quality or rate of cameras were adapted to their links, by direction",
            metrics.adapted.clone(),
        );
        let snapshot = Arc::<Mutex<Snapshot>>::default();
        // Metrics are written in the order of registration: the first takes the snapshot for the others.
        for figure in FIGURES {
            let export = Export {
                outboxes: Arc::clone(&metrics.outboxes),
                snapshot: Arc::clone(&snapshot),
                figure,
            };
            registry.register(figure.name, figure.help, export);
        }
        metrics
    }

    /// Exports the ledger of this outbox with the others'.
    pub(crate) fn follow(&self, outbox: Arc<Outbox>) {
        let mut outboxes = self.outboxes.lock().unwrap_or_else(PoisonError::into_inner);
        // A camera that comes back goes on with the ledger that it had.
        outboxes.retain(|one| one.directory().is_none() || one.directory() != outbox.directory());
        outboxes.push(outbox);
    }

    pub(crate) fn link_ended(&self, reason: LinkEnd) {
        self.link_ends.get_or_create(&EndLabels { reason }).inc();
    }

    pub(crate) fn passed_gate(&self, seen: usize, admitted: usize) {
        self.gate_seen.inc_by(seen as u64);
        self.gate_admitted.inc_by(admitted as u64);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.sent_bytes.inc_by(bytes as u64);
    }

    pub(crate) fn answered_live(&self, took: Duration) {
        self.live.0.observe(took.as_secs_f64());
    }

    pub(crate) fn adapted(&self, down: bool) {
        let direction = if down { "down" } else { "up" };
        self.adapted.get_or_create(&StepLabels { direction }).inc();
    }

    pub(crate) fn camera_failed(&self, cause: Cause) {
        self.camera_failures
            .get_or_create(&FailureLabels { cause })
            .inc();
    }
}

type Values = Vec<(Option<&'static str>, u64)>;

/// One exported figure of the ledger.
#[derive(Debug)]
struct Figure {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    label: &'static str,
    values: fn(&Snapshot) -> Values,
}

/// `captured` stands first, see [`Metrics::registered`].
const FIGURES: &[Figure] = &[
    Figure {
        name: "agent_frames_captured",
        help: "Pictures that cameras yielded",
        kind: MetricType::Counter,
        label: "",
        values: |now| vec![(None, now.ledger.captured)],
    },
    Figure {
        name: "agent_frames_gated",
        help: "Frames kept back because nothing was worth sending",
        kind: MetricType::Counter,
        label: "",
        values: |now| vec![(None, now.ledger.gated)],
    },
    Figure {
        name: "agent_frames_acknowledged",
        help: "Frames that the collector recorded",
        kind: MetricType::Counter,
        label: "",
        values: |now| vec![(None, now.ledger.acknowledged)],
    },
    Figure {
        name: "agent_frames_shed",
        help: "Frames given up on purpose because there was too much, by reason",
        kind: MetricType::Counter,
        label: "reason",
        values: |now| {
            vec![
                (Some("full"), now.ledger.shed.full),
                (Some("age"), now.ledger.shed.age),
                (Some("collector"), now.ledger.shed.collector),
            ]
        },
    },
    Figure {
        name: "agent_frames_dropped",
        help: "Frames given up for another reason",
        kind: MetricType::Counter,
        label: "reason",
        values: |now| {
            vec![
                (Some("overrun"), now.ledger.dropped.overrun),
                (Some("rejected"), now.ledger.dropped.rejected),
                (Some("shutdown"), now.ledger.dropped.shutdown),
                (Some("lost"), now.ledger.dropped.lost),
                (Some("corrupt"), now.ledger.dropped.corrupt),
            ]
        },
    },
    Figure {
        name: "agent_frames_spooled",
        help: "Frames not yet settled, by where they are",
        kind: MetricType::Gauge,
        label: "place",
        values: |now| {
            vec![
                (Some("live"), now.counts.live),
                (Some("backlog"), now.counts.backlog),
                (Some("in_flight"), now.counts.in_flight),
            ]
        },
    },
    Figure {
        name: "agent_spool_bytes",
        help: "Bytes of frames on disk",
        kind: MetricType::Gauge,
        label: "",
        values: |now| vec![(None, now.bytes)],
    },
    Figure {
        name: "agent_spool_oldest_seconds",
        help: "Age of the oldest frame that is not settled",
        kind: MetricType::Gauge,
        label: "",
        values: |now| vec![(None, now.oldest.as_secs())],
    },
    Figure {
        name: "agent_spool_degraded",
        help: "Cameras whose frames wait in memory because the disk does not work",
        kind: MetricType::Gauge,
        label: "",
        values: |now| vec![(None, now.degraded)],
    },
    Figure {
        name: "agent_spool_damaged_segments",
        help: "Files of the spool in which frames could not be read, since the process started",
        kind: MetricType::Counter,
        label: "",
        values: |now| vec![(None, now.damaged)],
    },
];

/// All outboxes at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Snapshot {
    ledger: Ledger,
    counts: Counts,
    bytes: u64,
    oldest: Duration,
    degraded: u64,
    damaged: u64,
}

struct Export {
    outboxes: Outboxes,
    snapshot: Arc<Mutex<Snapshot>>,
    figure: &'static Figure,
}

impl Export {
    fn read(&self) -> Values {
        let mut snapshot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        if self.figure.name == FIGURES[0].name {
            let outboxes = self.outboxes.lock().unwrap_or_else(PoisonError::into_inner);
            *snapshot = total(&outboxes);
        }
        (self.figure.values)(&snapshot)
    }

    fn write(&self, encoder: &mut MetricEncoder<'_>, value: u64) -> fmt::Result {
        match self.figure.kind {
            MetricType::Counter => {
                encoder.encode_counter(&value, None::<&Exemplar<NoLabelSet, u64>>)
            }
            _ => encoder.encode_gauge(&value),
        }
    }
}

/// All outboxes together, each at one moment.
fn total(outboxes: &[Arc<Outbox>]) -> Snapshot {
    let mut all = Snapshot::default();
    for outbox in outboxes {
        let (ledger, its) = outbox.balance();
        let storage = outbox.storage();
        all.ledger = all.ledger.plus(&ledger);
        all.counts.live += its.live;
        all.counts.backlog += its.backlog;
        all.counts.in_flight += its.in_flight;
        all.bytes += storage.bytes;
        all.oldest = all.oldest.max(storage.oldest.unwrap_or_default());
        all.degraded += u64::from(storage.trouble.is_some());
        all.damaged += storage.damaged;
    }
    all
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.figure.name)
    }
}

impl EncodeMetric for Export {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (label, value) in self.read() {
            match label {
                Some(label) => {
                    let labels = [(self.figure.label, label)];
                    self.write(&mut encoder.encode_family(&labels)?, value)?;
                }
                None => self.write(&mut encoder, value)?,
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        self.figure.kind
    }
}
