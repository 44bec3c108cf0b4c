//! Image analysis, face recognition, section and alerts in one, which answer, fail or hang as a test wants.

use std::sync::{Arc, Mutex};

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
use tokio::sync::watch;
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
    /// Until it is to behave otherwise.
    Hangs,
    /// Once so many calls were with it at a time, it answers none while there are more than it bears.
    Labours {
        overloaded_by: usize,
        bears: usize,
    },
}

#[derive(Debug, Default)]
struct State {
    observed: Option<ObserveRequest>,
    frames: Vec<Frame>,
}

#[derive(Clone)]
struct Parts {
    state: Arc<Mutex<State>>,
    manners: watch::Sender<[Manner; 4]>,
    calls: watch::Sender<[usize; 4]>,
    hanging: watch::Sender<Crowd>,
    labouring: watch::Sender<Crowd>,
}

/// Calls that are not answered yet.
#[derive(Clone, Copy, Debug, Default)]
struct Crowd {
    present: usize,
    /// At a time.
    most: usize,
}

/// One call of a crowd, until it is answered or its caller is gone.
struct Unanswered(watch::Sender<Crowd>);

impl Unanswered {
    fn of(crowd: &watch::Sender<Crowd>) -> Self {
        crowd.send_modify(|crowd| {
            crowd.present += 1;
            crowd.most = crowd.most.max(crowd.present);
        });
        Self(crowd.clone())
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.0.send_modify(|crowd| crowd.present -= 1);
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
            manners: watch::Sender::default(),
            calls: watch::Sender::default(),
            hanging: watch::Sender::default(),
            labouring: watch::Sender::default(),
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
        let manners = &self.parts.manners;
        manners.send_modify(|manners| manners[part as usize] = manner);
    }

    /// Calls that this part answered, or that hung.
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

    /// Waits until calls hung, and all of them were given up by their callers.
    pub(super) async fn given_up(&self) {
        let mut hanging = self.parts.hanging.subscribe();
        hanging
            .wait_for(|hanging| hanging.most > 0 && hanging.present == 0)
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
        let mut manners = self.manners.subscribe();
        let manner = manners.borrow_and_update()[part as usize];
        let count = || self.calls.send_modify(|calls| calls[part as usize] += 1);
        match manner {
            Manner::Fails(code) => Err(Status::new(code, "as the test wants")),
            Manner::Hangs => {
                let _unanswered = Unanswered::of(&self.hanging);
                count();
                let hangs = |manners: &[Manner; 4]| matches!(manners[part as usize], Manner::Hangs);
                let manners = manners.wait_for(|manners| !hangs(manners)).await.unwrap();
                Ok(manners[part as usize])
            }
            Manner::Labours {
                overloaded_by,
                bears,
            } => {
                let _unanswered = Unanswered::of(&self.labouring);
                let mut labouring = self.labouring.subscribe();
                labouring
                    .wait_for(|crowd| crowd.most >= overloaded_by && crowd.present <= bears)
                    .await
                    .unwrap();
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
