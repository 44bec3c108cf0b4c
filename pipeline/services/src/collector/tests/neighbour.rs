//! Image analysis, face recognition, section and alerts in one, which answer, fail or hang as a test wants.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use airside_imaging::{Picture, encode_jpeg};
use airside_proto::v1::{
    AnalyzeRequest, AnalyzeResponse, Box as FaceBox, Descriptor, Face, Frame, Match,
    ObserveRequest, ObserveResponse, RecognizeRequest, RecognizeResponse, ReportRequest,
    ReportResponse,
    alerts_server::{Alerts, AlertsServer},
    face_recognition_server::{FaceRecognition, FaceRecognitionServer},
    image_analysis_server::{ImageAnalysis, ImageAnalysisServer},
    section_server::{Section, SectionServer},
};
use airside_runtime::{Server, Service};
use bytes::Bytes;
use clap::Parser as _;
use tokio::sync::{Semaphore, watch};
use tonic::{Code, Request, Response, Status};

use crate::trial::Trial;

#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Analysis,
    Recognition,
    Section,
    Alerts,
}

/// How a part behaves.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Manner {
    #[default]
    Answers,
    SeesNobody,
    Fails(Code),
    Hangs,
    /// On a processor that all its calls share.
    Labours,
}

/// Pieces of a call's work, and the time that each takes the processor.
const WORK: (u32, Duration) = (15, Duration::from_millis(10));

#[derive(Debug, Default)]
struct State {
    manners: [Manner; 4],
    observed: Option<ObserveRequest>,
    frames: Vec<Frame>,
}

#[derive(Clone)]
struct Parts {
    state: Arc<Mutex<State>>,
    calls: watch::Sender<[usize; 4]>,
    /// Calls that hung until their caller was gone.
    abandoned: watch::Sender<usize>,
    processor: Arc<Semaphore>,
}

/// Counts a call that is abandoned.
struct Hanging(watch::Sender<usize>);

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.send_modify(|abandoned| *abandoned += 1);
    }
}

pub(super) struct Neighbour {
    parts: Parts,
    trial: Trial,
}

#[derive(clap::Parser)]
struct Settings {
    #[command(flatten)]
    server: Server,
}

impl Neighbour {
    pub(super) async fn start() -> Self {
        let parts = Parts {
            state: Arc::default(),
            calls: watch::channel([0; 4]).0,
            abandoned: watch::channel(0).0,
            processor: Arc::new(Semaphore::new(1)),
        };
        let settings = ["neighbour", "--listen", "127.0.0.1:0"];
        let settings = Settings::try_parse_from(settings).unwrap();
        let bound = Service::new("Neighbour", &settings.server)
            .grpc(ImageAnalysisServer::new(parts.clone()))
            .grpc(FaceRecognitionServer::new(parts.clone()))
            .grpc(SectionServer::new(parts.clone()))
            .grpc(AlertsServer::new(parts.clone()))
            .bind();
        Self {
            parts,
            trial: Trial::run(bound.await.unwrap()),
        }
    }

    pub(super) fn origin(&self) -> String {
        self.trial.origin().to_owned()
    }

    pub(super) fn set(&self, part: Part, manner: Manner) {
        self.parts.state.lock().unwrap().manners[part as usize] = manner;
    }

    /// Calls that this part answered, or would have.
    pub(super) fn calls(&self, part: Part) -> usize {
        self.parts.calls.borrow()[part as usize]
    }

    /// Waits for the first call.
    pub(super) async fn called(&self, part: Part) {
        let mut calls = self.parts.calls.subscribe();
        calls
            .wait_for(|calls| calls[part as usize] > 0)
            .await
            .unwrap();
    }

    /// Waits until a call that hung was given up by its caller.
    pub(super) async fn abandoned(&self) {
        let mut abandoned = self.parts.abandoned.subscribe();
        abandoned
            .wait_for(|abandoned| *abandoned > 0)
            .await
            .unwrap();
    }

    /// What the section was told last.
    pub(super) fn observed(&self) -> ObserveRequest {
        self.parts.state.lock().unwrap().observed.clone().unwrap()
    }

    /// The frames that analysis, recognition and alerts were handed.
    pub(super) fn frames(&self) -> Vec<Frame> {
        self.parts.state.lock().unwrap().frames.clone()
    }
}

impl Parts {
    fn keep(&self, frame: Option<Frame>) -> Frame {
        let frame = frame.expect("every request has a frame");
        self.state.lock().unwrap().frames.push(frame.clone());
        frame
    }

    /// Behaves; a call that fails is not counted.
    async fn behave(&self, part: Part) -> Result<Manner, Status> {
        let manner = self.state.lock().unwrap().manners[part as usize];
        let count = || self.calls.send_modify(|calls| calls[part as usize] += 1);
        match manner {
            Manner::Fails(code) => Err(Status::new(code, "as the test wants")),
            Manner::Hangs => {
                if !matches!(part, Part::Analysis | Part::Recognition) {
                    count();
                }
                let _hanging = Hanging(self.abandoned.clone());
                std::future::pending().await
            }
            Manner::Labours => {
                // Whoever waits gets the processor in turn, so that each is the slower the more there are.
                for _ in 0..WORK.0 {
                    let _processor = self.processor.acquire().await.unwrap();
                    tokio::time::sleep(WORK.1).await;
                }
                count();
                Ok(manner)
            }
            manner => {
                count();
                Ok(manner)
            }
        }
    }
}

fn face() -> Face {
    Face {
        r#box: Some(FaceBox {
            x: 1.0,
            y: 1.0,
            width: 50.0,
            height: 60.0,
        }),
        score: 0.9,
        chip: vec![0; 12].into(),
        chip_size: 2,
        ..Face::default()
    }
}

#[tonic::async_trait]
impl ImageAnalysis for Parts {
    async fn analyze(
        &self,
        request: Request<AnalyzeRequest>,
    ) -> Result<Response<AnalyzeResponse>, Status> {
        self.keep(request.into_inner().frame);
        let faces = match self.behave(Part::Analysis).await? {
            Manner::SeesNobody => Vec::new(),
            _ => vec![face()],
        };
        Ok(Response::new(AnalyzeResponse {
            faces,
            width: 64,
            height: 64,
        }))
    }
}

#[tonic::async_trait]
impl FaceRecognition for Parts {
    async fn recognize(
        &self,
        request: Request<RecognizeRequest>,
    ) -> Result<Response<RecognizeResponse>, Status> {
        self.behave(Part::Recognition).await?;
        let request = request.into_inner();
        let pictured = !self.keep(request.frame).image.is_empty();
        assert_ne!(request.searched, pictured, "faces or the picture, not both");
        let named = Match {
            name: "PersonX".to_owned(),
            ..Match::default()
        };
        let descriptor = |_| Descriptor { values: vec![0.5] };
        Ok(Response::new(RecognizeResponse {
            matches: vec![named.clone(), named],
            descriptors: request.faces.into_iter().map(descriptor).collect(),
        }))
    }
}

#[tonic::async_trait]
impl Section for Parts {
    async fn observe(
        &self,
        request: Request<ObserveRequest>,
    ) -> Result<Response<ObserveResponse>, Status> {
        self.behave(Part::Section).await?;
        self.state.lock().unwrap().observed = Some(request.into_inner());
        Ok(Response::new(ObserveResponse::default()))
    }
}

#[tonic::async_trait]
impl Alerts for Parts {
    async fn report(
        &self,
        request: Request<ReportRequest>,
    ) -> Result<Response<ReportResponse>, Status> {
        self.behave(Part::Alerts).await?;
        let request = request.into_inner();
        assert_eq!(request.persons, ["PersonX"], "each person once");
        self.keep(request.frame);
        Ok(Response::new(ReportResponse::default()))
    }
}

/// A small grey picture.
pub(super) fn picture() -> Bytes {
    encode_jpeg(&Picture::filled(64, 64, [128; 3]), 80).unwrap()
}

/// The small picture with another size in its header.
pub(super) fn header_of_50_megapixels() -> Vec<u8> {
    let mut bytes = picture().to_vec();
    // A JPEG states its size in its SOF0 segment: marker, length, precision, height, width.
    let start = bytes
        .windows(2)
        .position(|two| two == [0xff, 0xc0])
        .unwrap()
        + 5;
    bytes[start..start + 2].copy_from_slice(&5_000_u16.to_be_bytes());
    bytes[start + 2..start + 4].copy_from_slice(&10_000_u16.to_be_bytes());
    bytes
}
