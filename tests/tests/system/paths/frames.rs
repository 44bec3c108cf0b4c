//! Pictures posted to the services that look at them.

use airside_tests::{Site, case, egress::Way, pictures, rest};
use anyhow::{Context as _, ensure};
use http::{Request, header};
use serde_json::json;

use super::{ANY_TIME, FRAME, TIME, answers, call, person, picture, refuses, with, without};

/// Another frame than the first: place and time tell frames apart that come by REST.
const LATER: &str = "2020-02-25T14:35:39Z";

#[test]
fn pictures_by_rest() {
    case("pictures", async |case| {
        let site = Site::start(case, None).await?;
        let people = pictures::base64(&pictures::people()?);
        let post = "POST image-analysis /frame";
        let found = answers(&site, post, picture(&people), 200).await?.json()?;
        let persons = found["persons"].as_array().context("persons")?;
        ensure!(
            persons.len() > 1 && persons[0]["event"] == "entry" && persons[0]["section"] == "1",
            "{found}"
        );
        let raw = Request::post(site["image-analysis"].url("/frame"))
            .header(header::CONTENT_TYPE, "image/jpeg");
        let raw = rest::send(raw, pictures::people()?).await?.json()?;
        ensure!(
            raw["persons"].as_array().map(Vec::len) == Some(persons.len()),
            "{raw}"
        );
        let known = answers(&site, "POST face-recognition /frame", picture(&people), 200)
            .await?
            .json()?;
        ensure!(
            known["persons"] == json!([]) && known["timestamp"] == TIME,
            "an unknown face is not listed"
        );

        let collected = call(&site, "POST collector /frame", picture(&people)).await?;
        ensure!(collected.status < 300, "{}", collected.text());
        let count = format!("GET section-1 /persons?{ANY_TIME}&aggregate=count");
        let counted = answers(&site, &count, "", 200).await?.text();
        ensure!(
            counted == persons.len().to_string(),
            "{counted} of {}",
            persons.len()
        );

        let small = pictures::base64(&pictures::empty()?);
        for program in ["image-analysis", "face-recognition", "collector"] {
            let post = format!("POST {program} /frame");
            for image in [
                pictures::broken()?,
                pictures::of_50_megapixels()?,
                "text".into(),
            ] {
                refuses(
                    &site,
                    &post,
                    with(
                        picture(&pictures::base64(&image)),
                        "timestamp",
                        json!(LATER),
                    ),
                    422,
                    "image",
                )
                .await?;
            }
            for (body, field) in [
                (without(picture(&small), "image"), "image"),
                (without(picture(&small), "timestamp"), "timestamp"),
                (with(picture(&small), "section", json!([])), "section"),
                (with(picture(&small), "event", json!(1)), "event"),
                (with(picture(&small), "image", json!("%")), "image"),
                (with(picture(&small), "more", json!(1)), "more"),
                (
                    with(picture(&small), "destination", json!("ftp://a")),
                    "destination",
                ),
            ] {
                refuses(&site, &post, body, 400, field).await?;
            }
            refuses(&site, &post, " ".repeat(20 << 20), 413, "").await?;
            refuses(&site, &post.replace("POST", "GET"), "", 405, "").await?;
        }
        ensure!(
            answers(&site, &count, "", 200).await?.text() == counted,
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
        let body = with(
            people.clone(),
            "destination",
            json!("http://section-1:8080/persons"),
        );
        let persons = answers(&site, "POST image-analysis /frame", body, 200)
            .await?
            .json()?;
        let count = answers(
            &site,
            &format!("GET section-1 /persons?{FRAME}&aggregate=count"),
            "",
            200,
        )
        .await?;
        ensure!(
            Some(count.text())
                == persons["persons"]
                    .as_array()
                    .map(|persons| persons.len().to_string())
        );
        let body = with(people, "destination", json!("http://nobody:8080/persons"));
        refuses(&site, "POST image-analysis /frame", body, 502, "").await
    });
}

#[test]
fn collector() {
    case("collector", async |case| {
        let mut site = Site::start(case, None).await?;
        let persons = json!({"section": "1", "persons": [person("entry")]});
        let answer = call(&site, "POST collector /persons", &persons).await?;
        ensure!(answer.status < 300, "{}", answer.text());
        let count = format!("GET section-1 /persons?{FRAME}&aggregate=count");
        ensure!(answers(&site, &count, "", 200).await?.text() == "1");
        refuses(
            &site,
            "POST collector /persons",
            without(persons.clone(), "section"),
            400,
            "section",
        )
        .await?;
        refuses(
            &site,
            "POST collector /persons",
            without(persons.clone(), "persons"),
            400,
            "persons",
        )
        .await?;
        site.kill("section-1")?;
        refuses(&site, "POST collector /persons", &persons, 502, "").await?;
        site.egress.set("section-1", Way::Hangs);
        refuses(&site, "POST collector /persons", &persons, 504, "").await
    });
}
