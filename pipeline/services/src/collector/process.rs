//! One frame's way: two branches that share the faces and nothing else.

use std::time::Duration;

use airside_core::{FrameId, Timestamp};
use airside_proto::v1::{
    Analysis, AnalyzeRequest, AnalyzeResponse, Descriptor, Face, ObserveRequest, RecognizeRequest,
    ReportRequest,
};
use airside_runtime::carry::Carried;
use tokio::{
    sync::{Semaphore, oneshot},
    time::{Instant, timeout, timeout_at},
};

use super::{
    concurrency::Turn,
    delivery::Delivery,
    ledger::Ledger,
    memory::{Memory, Progress},
    neighbours::{Failure, Neighbours},
    outcome::{Away, Part, Verdict},
    stills::Stills,
};
use crate::{
    frame::{Frame, event_message, identity_message},
    in_hand::InHand,
    sight,
};

/// Who has not heard of the analysis by then searches the picture itself, so that an alert does not wait for an analysis that
/// hangs. Analysis takes about 0.1 s a frame, so the frames under way (setting concurrency) have all had their turn by
/// then even on one core: when there is merely much to do, a second search would only add to it. Counted from the frame's turn.
const FACES_WITHIN: Duration = Duration::from_secs(2);
/// Looking up faces takes about 10 ms each. Descriptors are a help for telling passers-by apart, not worth more delay.
pub(super) const DESCRIPTORS_WITHIN: Duration = Duration::from_millis(250);
/// Faces of a lower box, in pixels, are not named: recognition falls apart there.
const LEAST_NAMED_HEIGHT: f32 = 32.0;

/// Whoever takes frames in hands them to this.
pub trait Record: Send + Sync + 'static {
    /// Sees to it that everything the frame shows is stored, and says whether it is.
    fn record(&self, frame: Frame) -> impl Future<Output = Verdict> + Send;

    /// Notes the verdict on a frame before it is told; the one to tell, which is another when an earlier one stands.
    fn settle(&self, frame: FrameId, verdict: Verdict) -> impl Future<Output = Verdict> + Send;
}

/// Takes frames through the pipeline.
#[derive(Debug)]
pub(super) struct Processor {
    pub(super) neighbours: Neighbours,
    pub(super) delivery: Delivery,
    pub(super) memory: Memory,
    pub(super) stills: Stills,
    pub(super) in_hand: InHand,
    /// One a frame that may be under way.
    pub(super) turns: Semaphore,
    pub(super) ledger: Ledger,
    /// [`DESCRIPTORS_WITHIN`], unless a test has more time.
    pub(super) descriptors_within: Duration,
}

/// What the analysis tells the other branch. Nothing at all means that it failed.
enum Sight {
    Faces(Vec<Face>),
    Unreadable(String),
}

impl Record for Processor {
    async fn record(&self, frame: Frame) -> Verdict {
        let _held = self.in_hand.take();
        let until = Instant::now() + self.neighbours.limit();
        let busy = Verdict::Deferred(Away {
            part: Part::Collector,
            timed_out: true,
        });
        let Ok(Ok(_turn)) = timeout_at(until, self.turns.acquire()).await else {
            return busy;
        };
        let work = Work {
            progress: self.memory.recall(&frame.id),
            processor: self,
            frame: &frame,
            until,
        };
        let Ok(admission) = work.admission().await else {
            return busy;
        };
        let (tell_faces, faces) = oneshot::channel();
        let (tell_descriptors, descriptors) = oneshot::channel();
        let (observed, reported) = tokio::join!(
            work.observe(admission, tell_faces, descriptors),
            work.report(faces, tell_descriptors),
        );
        verdict(observed, reported)
    }

    async fn settle(&self, frame: FrameId, verdict: Verdict) -> Verdict {
        self.ledger.enter(frame, verdict).await
    }
}

/// Deferred while any part may still be done, rejected when one never will be.
fn verdict(observed: Result<u32, Failure>, reported: Result<(), Failure>) -> Verdict {
    match (observed, reported) {
        (Ok(faces), Ok(())) => Verdict::Recorded { faces },
        (Err(Failure::Away(away)), _) | (_, Err(Failure::Away(away))) => Verdict::Deferred(away),
        (Err(Failure::Refused(reason)), _) | (_, Err(Failure::Refused(reason))) => {
            Verdict::Rejected { reason }
        }
    }
}

/// One frame on its way.
struct Work<'a> {
    processor: &'a Processor,
    frame: &'a Frame,
    /// What an earlier delivery of it already did.
    progress: Progress,
    /// It waits for turns until then, all in all.
    until: Instant,
}

/// Whether a frame may be analysed.
enum Admission<'a> {
    /// It was before, and showed so many faces.
    Earlier(u32),
    /// It may now.
    Now(Turn<'a>),
    /// The analysis answers nobody: do without.
    Away,
}

/// The analysis answers others and has no turn for this frame.
struct Busy;

impl Work<'_> {
    fn id(&self) -> &FrameId {
        &self.frame.id
    }

    /// Waits for a turn at image analysis. A frame that waits because there is much to do is not searched for persons meanwhile:
    /// recognition would do again what the analysis does for it, of the same processor perhaps.
    async fn admission(&self) -> Result<Admission<'_>, Busy> {
        if let Some(faces) = self.progress.observed {
            return Ok(Admission::Earlier(faces));
        }
        let analyses = self.processor.neighbours.analyses();
        let turn = analyses.turn_while_answering(self.until, FACES_WITHIN);
        match turn.await {
            Some(turn) => Ok(Admission::Now(turn)),
            None if analyses.is_answering(FACES_WITHIN) => Err(Busy),
            None => Ok(Admission::Away),
        }
    }

    /// Has the frame analysed and hands its faces to the section; the number of faces.
    async fn observe(
        &self,
        admission: Admission<'_>,
        tell_faces: oneshot::Sender<Sight>,
        descriptors: oneshot::Receiver<Vec<Descriptor>>,
    ) -> Result<u32, Failure> {
        let turn = match admission {
            Admission::Now(turn) => turn,
            Admission::Earlier(faces) => return Ok(faces),
            Admission::Away => {
                return Err(Failure::Away(Away {
                    part: Part::ImageAnalysis,
                    timed_out: true,
                }));
            }
        };
        let request = AnalyzeRequest {
            frame: Some(self.frame.into()),
        };
        let seen = match self.processor.neighbours.analyze(turn, request).await {
            Ok(seen) => seen,
            Err(failure) => {
                if let Failure::Refused(reason) = &failure {
                    // Nobody listens where this frame's persons were reported before.
                    let _ = tell_faces.send(Sight::Unreadable(reason.clone()));
                }
                return Err(failure);
            }
        };
        self.deliver(&seen);
        let still = self.is_still(&seen);
        let count = u32::try_from(seen.faces.len()).unwrap_or(u32::MAX);
        let mut faces: Vec<Face> = seen.faces.iter().map(sight::for_show).collect();
        let _ = tell_faces.send(Sight::Faces(seen.faces));
        if !faces.is_empty() {
            let descriptors = timeout(self.processor.descriptors_within, descriptors);
            if let Ok(Ok(descriptors)) = descriptors.await {
                for (face, descriptor) in faces.iter_mut().zip(descriptors) {
                    face.descriptor = descriptor.values;
                }
            }
            let request = ObserveRequest {
                frame: Some(identity_message(self.id())),
                captured_at_us: self.frame.captured_at.as_micros(),
                section: self.frame.section.to_string(),
                event: event_message(self.frame.event).into(),
                width: seen.width,
                height: seen.height,
                faces,
                still,
                awaited_since_us: self.frame.awaited_since.map(Timestamp::as_micros),
            };
            let section = &self.frame.section;
            self.processor.neighbours.observe(section, request).await?;
        }
        let memory = &self.processor.memory;
        memory.note(self.id(), |progress| progress.observed = Some(count));
        Ok(count)
    }

    fn is_still(&self, seen: &AnalyzeResponse) -> bool {
        let carried = Carried::current();
        let (size, at) = ((seen.width, seen.height), self.frame.captured_at);
        let stills = &self.processor.stills;
        stills.include(self.id(), at, size, carried.camera_id())
    }

    /// Offers the analysis for show, once.
    fn deliver(&self, seen: &AnalyzeResponse) {
        if self.progress.delivered {
            return;
        }
        self.processor.delivery.offer(Analysis {
            frame: Some(self.frame.into()),
            faces: seen.faces.iter().map(sight::for_show).collect(),
            width: seen.width,
            height: seen.height,
        });
        let memory = &self.processor.memory;
        memory.note(self.id(), |progress| progress.delivered = true);
    }

    /// Has the faces named and reports the persons of interest among them.
    async fn report(
        &self,
        faces: oneshot::Receiver<Sight>,
        tell_descriptors: oneshot::Sender<Vec<Descriptor>>,
    ) -> Result<(), Failure> {
        if self.progress.reported {
            return Ok(());
        }
        let request = match timeout(FACES_WITHIN, faces).await {
            Ok(Ok(Sight::Unreadable(reason))) => return Err(Failure::Refused(reason)),
            Ok(Ok(Sight::Faces(faces))) => self.question(faces),
            Ok(Err(_)) | Err(_) => Some(self.whole_picture()),
        };
        if let Some(request) = request {
            let neighbours = &self.processor.neighbours;
            let answer = neighbours.recognize(request, self.until).await?;
            // The other branch may have gone on without them.
            let _ = tell_descriptors.send(answer.descriptors);
            let mut persons: Vec<String> =
                answer.matches.into_iter().map(|found| found.name).collect();
            persons.sort_unstable();
            persons.dedup();
            if !persons.is_empty() {
                let frame = Some(self.frame.into());
                let request = ReportRequest { frame, persons };
                self.processor.neighbours.report(request).await?;
            }
        }
        let memory = &self.processor.memory;
        memory.note(self.id(), |progress| progress.reported = true);
        Ok(())
    }

    /// What to ask face recognition about these faces, if anything.
    fn question(&self, faces: Vec<Face>) -> Option<RecognizeRequest> {
        if faces.iter().any(|face| !face.chip.is_empty()) {
            return Some(RecognizeRequest {
                frame: Some(airside_proto::v1::Frame {
                    image: bytes::Bytes::new(),
                    ..self.frame.into()
                }),
                searched: true,
                faces,
            });
        }
        // An analysis that cuts no chips (it lacks the landmarks net) leaves the search to recognition, which may have it.
        let tall = |face: &Face| {
            face.r#box
                .is_some_and(|bounds| bounds.height >= LEAST_NAMED_HEIGHT)
        };
        faces.iter().any(tall).then(|| self.whole_picture())
    }

    fn whole_picture(&self) -> RecognizeRequest {
        RecognizeRequest {
            frame: Some(self.frame.into()),
            searched: false,
            faces: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWAY: Away = Away {
        part: Part::Alerts,
        timed_out: false,
    };

    #[test]
    fn deferred_while_any_part_may_still_be_done() {
        let refused = || Failure::Refused("section: another".to_owned());
        assert_eq!(verdict(Ok(2), Ok(())), Verdict::Recorded { faces: 2 });
        for (observed, reported) in [
            (Ok(2), Err(Failure::Away(AWAY))),
            (Err(Failure::Away(AWAY)), Ok(())),
            (Err(refused()), Err(Failure::Away(AWAY))),
            (Err(Failure::Away(AWAY)), Err(refused())),
        ] {
            assert_eq!(verdict(observed, reported), Verdict::Deferred(AWAY));
        }
        let rejected = Verdict::Rejected {
            reason: "section: another".to_owned(),
        };
        assert_eq!(verdict(Err(refused()), Ok(())), rejected);
        assert_eq!(verdict(Ok(0), Err(refused())), rejected);
    }
}
