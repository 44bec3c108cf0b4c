//! Sections: persons in, counts out.

use airside_tests::{Site, case, pictures, rest};
use anyhow::ensure;
use http::Request;
use serde_json::json;

use super::{FRAME, TIME, answers, person, picture, refuses, with, without};

#[test]
fn section() {
    case("section", async |case| {
        let site = Site::start(case, None).await?;
        let post = "POST section-1 /persons";
        let persons = json!({"persons": [person("entry"), person("exit"), person("entry")]});
        answers(&site, post, &persons, 201).await?;
        let count = async |query: &str| {
            let line = format!("GET section-1 /persons?{FRAME}&aggregate=count{query}");
            Ok::<_, anyhow::Error>(answers(&site, &line, "", 200).await?.text())
        };
        ensure!(count("").await? == "3", "{}", count("").await?);
        ensure!(count("&departed=true").await? == "1" && count("&departed=false").await? == "2");
        let list = answers(
            &site,
            &format!("GET section-1 /persons?{FRAME}&departed=true"),
            "",
            200,
        )
        .await?;
        let text = list.text();
        for part in [
            "25-32",
            "female",
            TIME,
            "\"section\":\"1\"",
            "\"event\":\"exit\"",
        ] {
            ensure!(text.contains(part), "{part} is missing in {text}");
        }
        let all = json!({"persons": [person("entry")]});
        for (body, field) in [
            (json!({}), "persons"),
            (json!({"persons": {}}), "persons"),
            (
                json!({"persons": [without(person("entry"), "event")]}),
                "persons[0].event",
            ),
            (
                json!({"persons": [with(person("entry"), "event", json!("in"))]}),
                "persons[0].event",
            ),
            (
                json!({"persons": [with(person("entry"), "age", json!("26"))]}),
                "persons[0].age",
            ),
            (
                json!({"persons": [with(person("entry"), "timestamp", json!("yesterday"))]}),
                "persons[0].timestamp",
            ),
            (
                json!({"persons": [with(person("entry"), "height", json!(1))]}),
                "persons[0].height",
            ),
            (with(all, "more", json!(1)), "more"),
        ] {
            refuses(&site, post, body, 400, field).await?;
        }
        refuses(&site, post, "{", 400, "").await?;
        for (query, field) in [
            ("to=2020-01-01T00:00:00Z", "from"),
            ("from=2020-01-01T00:00:00Z", "to"),
            ("from=x&to=2020-01-01T00:00:00Z", "from"),
            ("from=2021-01-01T00:00:00Z&to=2020-01-01T00:00:00Z", "from"),
            (
                "from=2020-01-01T00:00:00Z&to=2021-01-01T00:00:00Z&departed=maybe",
                "departed",
            ),
            (
                "from=2020-01-01T00:00:00Z&to=2021-01-01T00:00:00Z&aggregate=sum",
                "aggregate",
            ),
        ] {
            refuses(
                &site,
                &format!("GET section-1 /persons?{query}"),
                "",
                400,
                field,
            )
            .await?;
        }
        refuses(&site, "PUT section-1 /persons", "", 405, "").await?;
        ensure!(count("").await? == "3", "a refused body was stored");
        Ok(())
    });
}

#[test]
fn a_post_repeated_by_its_request_id_changes_nothing() {
    case("request_id", async |case| {
        let mut site = Site::start(case, None).await?;
        let body = json!({"persons": [person("entry")]}).to_string();
        let post = async |site: &Site| {
            let request =
                Request::post(site["section-1"].url("/persons")).header("x-request-id", "5e1f");
            rest::send(request, body.clone()).await
        };
        let first = post(&site).await?;
        let again = post(&site).await?;
        ensure!(first.status < 300 && (again.status, &again.body) == (first.status, &first.body));
        site.kill("section-1")?;
        site.restart(case, "section-1").await?;
        let after_death = post(&site).await?;
        ensure!((after_death.status, &after_death.body) == (first.status, &first.body));
        let count = format!("GET section-1 /persons?{FRAME}&aggregate=count");
        ensure!(answers(&site, &count, "", 200).await?.text() == "1");

        let alert = with(
            picture(&pictures::base64(&pictures::empty()?)),
            "persons",
            json!([{"name": "PersonX"}]),
        );
        for _ in 0..2 {
            let request = Request::post(site["alerts"].url("/")).header("x-request-id", "5e20");
            ensure!(rest::send(request, alert.to_string()).await?.status < 300);
        }
        let count = format!("GET alerts /?{FRAME}&aggregate=count");
        ensure!(answers(&site, &count, "", 200).await?.text() == "1");
        Ok(())
    });
}
