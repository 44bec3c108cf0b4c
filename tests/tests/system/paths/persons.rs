//! Sections: persons in, counts out.

use airside_tests::{Site, case, pictures, rest};
use anyhow::{Result, ensure};
use http::Request;
use serde_json::json;

use super::{FRAME, TIME, answers, person, picture, refuses, text, with, without};

const POST: &str = "POST section-1 /persons";

async fn count(site: &Site, query: &str) -> Result<String> {
    let line = format!("GET section-1 /persons?{FRAME}&aggregate=count{query}");
    text(site, &line).await
}

#[test]
fn a_section_keeps_and_counts_persons() {
    case("section", async |case| {
        let site = Site::start(case, None).await?;
        let persons = json!({"persons": [person("entry"), person("exit"), person("entry")]});
        answers(&site, POST, persons, 201).await?;
        ensure!(count(&site, "").await? == "3");
        ensure!(count(&site, "&departed=true").await? == "1");
        ensure!(count(&site, "&departed=false").await? == "2");
        let line = format!("GET section-1 /persons?{FRAME}&departed=true");
        let list = text(&site, &line).await?;
        for part in [
            "25-32",
            "female",
            TIME,
            r#""section":"1""#,
            r#""event":"exit""#,
        ] {
            ensure!(list.contains(part), "{part} is missing in {list}");
        }
        Ok(())
    });
}

#[test]
fn a_section_refuses_what_is_no_person_and_no_time_frame() {
    case("section_refuses", async |case| {
        let site = Site::start(case, None).await?;
        let one = |person| json!({ "persons": [person] });
        let entry = || person("entry");
        for (body, refusal) in [
            (json!({}), "400 persons"),
            (json!({"persons": {}}), "400 persons"),
            (one(without(entry(), "event")), "400 persons[0].event"),
            (
                one(with(entry(), "event", json!("in"))),
                "400 persons[0].event",
            ),
            (one(with(entry(), "age", json!("26"))), "400 persons[0].age"),
            (
                one(with(entry(), "timestamp", json!("now"))),
                "400 persons[0].timestamp",
            ),
            (
                one(with(entry(), "height", json!(1))),
                "400 persons[0].height",
            ),
            (with(one(entry()), "more", json!(1)), "400 more"),
        ] {
            refuses(&site, POST, body, refusal).await?;
        }
        refuses(&site, POST, "{", "400").await?;
        let valid = "from=2020-01-01T00:00:00Z&to=2021-01-01T00:00:00Z";
        for (query, refusal) in [
            ("to=2020-01-01T00:00:00Z", "400 from"),
            ("from=2020-01-01T00:00:00Z", "400 to"),
            ("from=x&to=2020-01-01T00:00:00Z", "400 from"),
            (
                "from=2021-01-01T00:00:00Z&to=2020-01-01T00:00:00Z",
                "400 from",
            ),
            (&format!("{valid}&departed=maybe"), "400 departed"),
            (&format!("{valid}&aggregate=sum"), "400 aggregate"),
        ] {
            let line = format!("GET section-1 /persons?{query}");
            refuses(&site, &line, "", refusal).await?;
        }
        refuses(&site, "PUT section-1 /persons", "", "405").await?;
        ensure!(count(&site, "").await? == "0", "a refused body was stored");
        Ok(())
    });
}

#[test]
fn a_post_repeated_by_its_request_id_changes_nothing() {
    case("request_id", async |case| {
        let mut site = Site::start(case, None).await?;
        let body = json!({"persons": [person("entry")]}).to_string();
        let post = async |site: &Site| {
            let request = Request::post(site["section-1"].url("/persons"));
            rest::send(request.header("x-request-id", "5e1f"), body.clone()).await
        };
        let first = post(&site).await?;
        let again = post(&site).await?;
        ensure!(first.status < 300 && (again.status, &again.body) == (first.status, &first.body));
        site.kill("section-1")?;
        site.restart(case, "section-1").await?;
        let after_death = post(&site).await?;
        ensure!((after_death.status, &after_death.body) == (first.status, &first.body));
        ensure!(count(&site, "").await? == "1");

        let image = pictures::base64(&pictures::empty()?);
        let alert = with(picture(&image), "persons", json!([{"name": "PersonX"}]));
        for _ in 0..2 {
            let request = Request::post(site["alerts"].url("/")).header("x-request-id", "5e20");
            ensure!(rest::send(request, alert.to_string()).await?.status < 300);
        }
        let count = format!("GET alerts /?{FRAME}&aggregate=count");
        ensure!(text(&site, &count).await? == "1");
        Ok(())
    });
}
