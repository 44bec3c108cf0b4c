//! Pictures posted to the services that look at them.

use airside_tests::{Site, case, egress::Way, pictures, rest};
use anyhow::{Context as _, Result, ensure};
use http::{Request, header};
use serde_json::json;

use super::{
    ANY_TIME, FRAME, TIME, answers, carried_out, person, picture, refuses, text, with, without,
};

const LOOKING: [&str; 3] = ["image-analysis", "face-recognition", "collector"];

#[test]
fn people_in_a_picture_are_found_and_counted() {
    case("pictures", async |case| {
        let site = Site::start(case, None).await?;
        let people = picture(&pictures::base64(&pictures::people()?));
        let found = answers(&site, "POST image-analysis /frame", &people, 200).await?;
        let found = found.json()?;
        let persons = found["persons"].as_array().context("persons")?;
        ensure!(persons.len() == 4, "{found}");
        ensure!(
            persons[0]["event"] == "entry" && persons[0]["section"] == "1",
            "{found}"
        );
        let raw = Request::post(site["image-analysis"].url("/frame"))
            .header(header::CONTENT_TYPE, "image/jpeg");
        let raw = rest::send(raw, pictures::people()?).await?.json()?;
        ensure!(raw["persons"].as_array().map(Vec::len) == Some(4), "{raw}");
        let known = answers(&site, "POST face-recognition /frame", &people, 200).await?;
        let known = known.json()?;
        ensure!(known["persons"] == json!([]), "an unknown face is listed");
        ensure!(known["timestamp"] == TIME, "{}", known["timestamp"]);
        carried_out(&site, "POST collector /frame", &people).await?;
        let count = format!("GET section-1 /persons?{ANY_TIME}&aggregate=count");
        ensure!(
            text(&site, &count).await? == "4",
            "{}",
            text(&site, &count).await?
        );
        Ok(())
    });
}

#[test]
fn every_face_in_a_photograph_counts_but_in_a_film_only_what_is_confirmed() {
    case("photographs", async |case| {
        let site = Site::start(case, None).await?;
        let mut found = 0;
        for (minute, photograph) in pictures::photographs()?.into_iter().enumerate() {
            let time = |hour| json!(format!("2020-02-25T{hour}:{minute:02}:00Z"));
            let picture = picture(&pictures::base64(&photograph));
            let posted = with(picture.clone(), "timestamp", time(14));
            let answer = answers(&site, "POST collector /frame", posted, 200).await?;
            found += answer.json()?["persons"].as_u64().context("persons")?;
            // The same as one frame of a camera's film, an hour later.
            let filmed = Request::post(site["collector"].url("/frame"))
                .header(header::CONTENT_TYPE, "application/json")
                .header("x-camera-id", "camera-agent-9/1");
            let body = with(picture, "timestamp", time(15)).to_string();
            ensure!(rest::send(filmed, body).await?.status == 200);
        }
        let count = async |hour: &str| -> Result<u64> {
            let hour = format!("from=2020-02-25T{hour}:00:00Z&to=2020-02-25T{hour}:59:00Z");
            let count = format!("GET section-1 /persons?{hour}&aggregate=count");
            Ok(text(&site, &count).await?.parse()?)
        };
        let photographed = count("14").await?;
        ensure!(photographed == found, "{photographed} of {found}");
        let sure = count("15").await?;
        ensure!(0 < sure && sure < found, "{sure} of {found} in films");
        Ok(())
    });
}

#[test]
fn what_is_no_frame_is_refused() {
    case("no_frames", async |case| {
        let site = Site::start(case, None).await?;
        let good = picture(&pictures::base64(&pictures::empty()?));
        let no_pictures = [
            pictures::broken()?,
            pictures::of_50_megapixels()?,
            "text".into(),
        ];
        let no_pictures = no_pictures.map(|bytes| picture(&pictures::base64(&bytes)));
        for program in LOOKING {
            let post = format!("POST {program} /frame");
            for body in &no_pictures {
                refuses(&site, &post, body, "422 image").await?;
            }
            for (body, refusal) in [
                (without(good.clone(), "image"), "400 image"),
                (without(good.clone(), "timestamp"), "400 timestamp"),
                (with(good.clone(), "section", json!([])), "400 section"),
                (with(good.clone(), "event", json!(1)), "400 event"),
                (with(good.clone(), "image", json!("%")), "400 image"),
                (with(good.clone(), "more", json!(1)), "400 more"),
                (
                    with(good.clone(), "destination", json!("ftp://a")),
                    "400 destination",
                ),
            ] {
                refuses(&site, &post, body, refusal).await?;
            }
            refuses(&site, &post, " ".repeat(20 << 20), "413").await?;
            refuses(&site, &format!("GET {program} /frame"), "", "405").await?;
        }
        let count = format!("GET section-1 /persons?{ANY_TIME}&aggregate=count");
        ensure!(
            text(&site, &count).await? == "0",
            "a refused frame was counted"
        );
        Ok(())
    });
}

#[test]
fn a_result_is_posted_where_the_frame_asks_for_it() {
    case("destination", async |case| {
        let site = Site::start(case, None).await?;
        let people = picture(&pictures::base64(&pictures::people()?));
        let post = "POST image-analysis /frame";
        let section = json!("http://section-1:8080/persons");
        answers(
            &site,
            post,
            with(people.clone(), "destination", section),
            200,
        )
        .await?;
        let count = format!("GET section-1 /persons?{FRAME}&aggregate=count");
        ensure!(text(&site, &count).await? == "4");
        let nobody = json!("http://nobody:8080/persons");
        refuses(&site, post, with(people, "destination", nobody), "502").await
    });
}

#[test]
fn a_collector_hands_persons_to_their_section() {
    case("collector", async |case| {
        let mut site = Site::start(case, None).await?;
        let post = "POST collector /persons";
        let persons = json!({"section": "1", "persons": [person("entry")]});
        carried_out(&site, post, &persons).await?;
        let count = format!("GET section-1 /persons?{FRAME}&aggregate=count");
        ensure!(text(&site, &count).await? == "1");
        for field in ["section", "persons"] {
            let refusal = format!("400 {field}");
            refuses(&site, post, without(persons.clone(), field), &refusal).await?;
        }
        site.kill("section-1")?;
        refuses(&site, post, &persons, "502").await?;
        site.egress.set("section-1", Way::Hangs);
        refuses(&site, post, &persons, "504").await
    });
}
