//! What a service has taken on and not yet answered, whether it waits for its turn or is under way. Autoscalers go by it
//! (`deploy/k8s/autoscale-backlog`): unlike what merely waits, it says how much there is to do on a service that keeps up.

use airside_runtime::Metrics;
use prometheus_client::metrics::gauge::Gauge;

/// Counts frames in hand.
#[derive(Clone, Debug, Default)]
pub(crate) struct InHand(Gauge);

impl InHand {
    /// Counts that `/metrics` shows as `airside_frames_in_hand`.
    pub(crate) fn registered(metrics: &Metrics) -> Self {
        let in_hand = Self::default();
        let help = "Frames taken on and not yet answered, waiting or under way";
        metrics.register("frames_in_hand", help, in_hand.0.clone());
        in_hand
    }

    /// Takes one on, until what is returned is dropped: answered, or given up.
    pub(crate) fn take(&self) -> Held {
        self.0.inc();
        Held(self.0.clone())
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> i64 {
        self.0.get()
    }
}

/// A frame in hand.
#[derive(Debug)]
pub(crate) struct Held(Gauge);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}
