//! Both services that look at pictures, on port 0 and without models: what they refuse and what they answer.

use airside_imaging::{Picture, encode_jpeg};
use airside_proto::v1::{
    AnalyzeRequest, Frame, RecognizeRequest, face_recognition_client::FaceRecognitionClient,
    image_analysis_client::ImageAnalysisClient,
};
use clap::Parser as _;
use http::StatusCode;
use serde_json::{Value, json};
use tonic::Code;

use super::*;
use crate::{face_recognition, frame::Image, trial::Trial};

const FLAGS: [&str; 5] = ["role", "--listen", "127.0.0.1:0", "--models", "/nowhere"];

async fn analysis() -> Trial {
    analysis_with(&[]).await
}

async fn analysis_with(more: &[&str]) -> Trial {
    let settings = Settings::try_parse_from(FLAGS.iter().chain(more)).unwrap();
    Trial::run(build(&settings).await.unwrap())
}

async fn recognition() -> Trial {
    recognition_with(&[]).await
}

async fn recognition_with(more: &[&str]) -> Trial {
    let settings = face_recognition::Settings::try_parse_from(FLAGS.iter().chain(more)).unwrap();
    let bound = face_recognition::build(&settings).await.unwrap();
    let trial = Trial::run(bound);
    while trial.get("/readyz").await.status != StatusCode::OK {
        tokio::task::yield_now().await;
    }
    trial
}

fn empty_scene() -> Bytes {
    encode_jpeg(&Picture::filled(64, 64, [90; 3]), 80).unwrap()
}

fn posted(image: &[u8]) -> Value {
    let image = Image(Bytes::copy_from_slice(image));
    json!({"timestamp": "2020-02-25T14:35:38.204522Z", "section": 1, "event": "entry", "image": image})
}

#[tokio::test]
async fn without_models_both_start_answer_and_say_what_is_off() {
    let (analysis, recognition) = (analysis().await, recognition().await);
    let body = posted(&empty_scene()).to_string();
    assert_eq!(
        analysis.post("/frame", None, &body).await.json(),
        json!({"persons": []})
    );
    let named = recognition.post("/frame", None, &body).await.json();
    assert_eq!(
        (&named["persons"], &named["section"]),
        (&json!([]), &json!("1"))
    );
    assert_eq!(named["image"], posted(&empty_scene())["image"]);
    for (service, ability) in [(&analysis, "age and gender"), (&recognition, "names")] {
        let ready = service.get("/readyz").await.json();
        assert!(ready["off"][ability].is_string(), "{ready}");
        let metrics = service.get("/metrics").await.body;
        assert!(
            metrics.contains("\nairside_frames_in_hand 0\n"),
            "{metrics}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_refused_by_name() {
    for service in [analysis().await, recognition().await] {
        for image in [b"no picture".as_slice(), &empty_scene()[..200]] {
            let refused = service
                .post("/frame", None, &posted(image).to_string())
                .await;
            refused.refuses(StatusCode::UNPROCESSABLE_ENTITY, "image");
        }
        for (field, value) in [
            ("destination", json!("ftp://a")),
            ("event", json!("in")),
            ("more", json!(1)),
        ] {
            let mut body = posted(&empty_scene());
            body[field] = value;
            let refused = service.post("/frame", None, &body.to_string()).await;
            refused.refuses(StatusCode::BAD_REQUEST, field);
        }
    }
}

#[tokio::test]
async fn grpc_refuses_the_same() {
    let frame = |image: &[u8]| {
        Some(Frame {
            image: Bytes::copy_from_slice(image),
            ..Frame::default()
        })
    };
    let service = analysis().await;
    let mut client = ImageAnalysisClient::new(service.channel());
    let ask = |image: &[u8]| AnalyzeRequest {
        frame: frame(image),
    };
    let seen = client
        .analyze(ask(&empty_scene()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((seen.faces.len(), seen.width, seen.height), (0, 64, 64));
    let refused = client.analyze(ask(b"x")).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);

    let service = recognition().await;
    let mut client = FaceRecognitionClient::new(service.channel());
    let ask = |image: &[u8]| RecognizeRequest {
        frame: frame(image),
        ..RecognizeRequest::default()
    };
    assert!(
        client
            .recognize(ask(&empty_scene()))
            .await
            .unwrap()
            .into_inner()
            .matches
            .is_empty()
    );
    let refused = client.recognize(ask(b"x")).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn recent_results_are_told_by_request_and_only_where_they_are_kept() {
    let path = format!("/results/recent?key={}", "0a".repeat(16));
    for service in [analysis().await, recognition().await] {
        assert_eq!(service.get(&path).await.status, StatusCode::NOT_FOUND);
    }
    let keeping = ["--recent-results", "1m"];
    let body = posted(&empty_scene()).to_string();
    let service = analysis_with(&keeping).await;
    for request in [Some("a"), None, Some("b")] {
        service.post("/frame", request, &body).await;
    }
    let answer = service.get(&path).await.json();
    let seen = |request: &str| json!({"request": request, "faces": []});
    assert_eq!(answer["results"], json!([seen("a"), seen("b")]));
    let refused = service.get("/results/recent?key=0").await;
    refused.refuses(StatusCode::BAD_REQUEST, "key");
    let recognition = recognition_with(&keeping).await.get(&path).await.json();
    assert_eq!(recognition, json!({"results": []}));
}
