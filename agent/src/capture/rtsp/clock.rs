//! The camera's clock against this machine's.
//!
//! Every few seconds a camera reports (RTCP sender report) which time its clock showed for which of its packets. Pictures carry
//! this machine's time all the same: a gate needs all its cameras on one clock, and few cameras are set right. What is
//! told is the difference, so that someone sets them right.

use std::sync::Arc;

use airside_core::Timestamp;
use gstreamer::{self as gst, prelude::*};

use crate::capture::tail::Counters;

/// Seconds from 1900, where the time of a report begins, to 1970.
const NTP_TO_UNIX: i64 = 2_208_988_800;
/// Second byte of a sender report.
const SENDER_REPORT: u8 = 200;

/// Writes the offset of the camera's clock into `counters` with each report that `source` (an `rtspsrc`) receives.
pub(super) fn watch(source: &gst::Element, counters: &Arc<Counters>) {
    let counters = Arc::clone(counters);
    source.connect("new-manager", false, move |arguments| {
        let manager = arguments.get(1)?.get::<gst::Element>().ok()?;
        let counters = Arc::clone(&counters);
        manager.connect("new-jitterbuffer", false, move |arguments| {
            let buffer = arguments.get(1)?.get::<gst::Element>().ok()?;
            let counters = Arc::clone(&counters);
            buffer.connect("handle-sync", false, move |arguments| {
                let buffer = arguments.first()?.get::<gst::Element>().ok()?;
                let report = arguments.get(1)?.get::<gst::Structure>().ok()?;
                let age = buffer.current_running_time()?.nseconds();
                if let Some(offset) = offset(&report, age) {
                    counters.set_offset(offset);
                }
                None
            });
            None
        });
        None
    });
}

/// Microseconds by which the camera's clock is ahead, from a report that is handled at this running time (in nanoseconds).
fn offset(report: &gst::StructureRef, now: u64) -> Option<i64> {
    let packet = report.get::<gst::Buffer>("sr-buffer").ok()?;
    let theirs = reported(&packet.map_readable().ok()?)?;
    let rate = report
        .get::<u32>("clock-rate")
        .ok()
        .filter(|rate| *rate > 0)?;
    let base = i128::from(report.get::<u64>("base-rtptime").ok()?);
    let reported = i128::from(report.get::<u64>("sr-ext-rtptime").ok()?);
    // The packet of the report came so long after the first one, and that one when the base time was.
    let after = (reported - base) * 1_000_000_000 / i128::from(rate);
    let arrived = i128::from(report.get::<u64>("base-time").ok()?) + after;
    let ago = i64::try_from((i128::from(now) - arrived) / 1000).ok()?;
    Some(theirs - (Timestamp::now().as_micros() - ago))
}

/// The camera's time in a sender report, in microseconds since 1970; `None` if it is something else, or tells no time.
#[must_use]
pub fn reported(packet: &[u8]) -> Option<i64> {
    if *packet.get(1)? != SENDER_REPORT {
        return None;
    }
    let number = |at: usize| {
        let bytes = packet.get(at..at + 4)?.try_into().ok()?;
        Some(i64::from(u32::from_be_bytes(bytes)))
    };
    let (seconds, fraction) = (number(8)?, number(12)?);
    // A camera that was never set counts from its start; that is no time.
    let since_1970 = seconds.checked_sub(NTP_TO_UNIX).filter(|time| *time >= 0)?;
    Some(since_1970 * 1_000_000 + ((fraction * 1_000_000) >> 32))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn report(kind: u8, seconds: u32, fraction: u32) -> Vec<u8> {
        let mut packet = vec![0x80, kind, 0, 6, 1, 2, 3, 4];
        packet.extend(seconds.to_be_bytes());
        packet.extend(fraction.to_be_bytes());
        packet
    }

    #[test]
    fn reads_the_time_of_a_sender_report_alone() {
        let unix = 2_208_988_800;
        assert_eq!(
            reported(&report(SENDER_REPORT, unix + 5, 1 << 31)),
            Some(5_500_000)
        );
        assert_eq!(reported(&report(201, unix + 5, 0)), None);
        assert_eq!(reported(&report(SENDER_REPORT, 77, 0)), None);
        let whole = report(SENDER_REPORT, unix, 0);
        for length in 0..whole.len() {
            assert_eq!(reported(&whole[..length]), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_packet_can_be_read(
            mut packet in prop::collection::vec(any::<u8>(), 0..40),
            is_report in any::<bool>(),
        ) {
            if let Some(kind) = packet.get_mut(1).filter(|_| is_report) {
                *kind = SENDER_REPORT;
            }
            prop_assert!(reported(&packet).is_none_or(|time| time >= 0));
        }
    }

    #[test]
    fn compares_the_reported_time_with_that_of_the_packet() {
        gst::init().unwrap();
        let ahead = 3_600;
        let now = Timestamp::now().as_micros();
        let seconds = now / 1_000_000 + NTP_TO_UNIX + ahead;
        let packet = report(SENDER_REPORT, u32::try_from(seconds).unwrap(), 0);
        // The stream began at 10 s; the report is for what came 20 s later, and is handled 2 s after that.
        let structure = |rate: u32| {
            gst::Structure::builder("application/x-rtp-sync")
                .field("sr-buffer", gst::Buffer::from_slice(packet.clone()))
                .field("clock-rate", rate)
                .field("base-rtptime", 7_000_000_u64)
                .field("sr-ext-rtptime", 8_800_000_u64)
                .field("base-time", 10_000_000_000_u64)
                .build()
        };
        let offset = offset(&structure(90_000), 32_000_000_000).unwrap();
        // The time of the report stands for a packet of two seconds ago; it was rounded down to a second.
        let wanted = (ahead + 2) * 1_000_000;
        assert!(
            (wanted - 1_100_000..wanted + 100_000).contains(&offset),
            "{offset}"
        );
        assert_eq!(super::offset(&structure(0), 32_000_000_000), None);
    }
}
