//! What this process takes of its machine, read at the moment of the scrape. A figure that the kernel does not give is left out.

use std::{fmt, fs};

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeVal,
};
use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, exemplar::Exemplar},
};

/// Time of processors that all threads took, in seconds; a counter.
#[derive(Debug)]
pub(super) struct CpuSeconds;

impl EncodeMetric for CpuSeconds {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        match cpu_seconds() {
            Some(seconds) => encoder.encode_counter(&seconds, None::<&Exemplar<NoLabelSet, f64>>),
            None => Ok(()),
        }
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

/// Memory that is resident, in bytes; a gauge.
#[derive(Debug)]
pub(super) struct ResidentBytes;

impl EncodeMetric for ResidentBytes {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        match resident_bytes() {
            Some(bytes) => encoder.encode_gauge(&bytes),
            None => Ok(()),
        }
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

fn cpu_seconds() -> Option<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Some(seconds(usage.user_time()) + seconds(usage.system_time()))
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use crate::Metrics;

    fn value(text: &str, name: &str) -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.expect(name).trim().parse().expect("a number")
    }

    #[test]
    fn work_and_memory_are_told() {
        let metrics = Metrics::default();
        let (cpu, memory) = (
            "airside_process_cpu_seconds_total ",
            "airside_process_resident_memory_bytes ",
        );
        let before = metrics.encode();
        let held = vec![1_u8; 32 << 20];
        // The kernel counts in ticks: work until one shows.
        let mut sum = 0_u64;
        while value(&metrics.encode(), cpu) < value(&before, cpu) + 0.02 {
            sum = held[..1 << 20]
                .iter()
                .fold(sum, |sum, byte| sum + u64::from(*byte));
        }
        assert!(sum > 0);
        let grown = value(&metrics.encode(), memory) - value(&before, memory);
        assert!(grown > 16e6, "{grown}");
    }
}
