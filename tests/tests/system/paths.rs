//! Every path of the REST interface, with good and with bad input.

use std::time::Duration;

use airside_tests::{Answer, Site, case, eventually, pictures, rest};
use anyhow::{Context as _, Result, ensure};
use http::{Request, header};
use serde_json::{Value, json};

const TIME: &str = "2020-02-25T14:35:38.204522Z";
const FRAME: &str = "from=2020-02-25T00:00:00Z&to=2020-02-26T00:00:00%2B01:00";
const ANY_TIME: &str = "from=2000-01-01T00:00:00Z&to=2100-01-01T00:00:00Z";

/// Sends `METHOD PROGRAM PATH` with a body.
async fn call(site: &Site, line: &str, body: impl ToString) -> Result<Answer> {
    let mut words = line.splitn(3, ' ');
    let mut word = || words.next().context("METHOD PROGRAM PATH");
    let (method, program, path) = (word()?, word()?, word()?);
    let request = Request::builder()
        .method(method)
        .uri(site[program].url(path))
        .header(header::CONTENT_TYPE, "application/json");
    let answer = rest::send(request, body.to_string()).await?;
    ensure!(
        !answer.header("x-airside-instance").is_empty(),
        "{line}: no instance"
    );
    Ok(answer)
}

/// It is answered so.
async fn answers(site: &Site, line: &str, body: impl ToString, status: u16) -> Result<Answer> {
    let answer = call(site, line, body).await?;
    ensure!(
        answer.status == status,
        "{line}: {} {}",
        answer.status,
        answer.text()
    );
    Ok(answer)
}

/// It is refused with a problem that names the field (empty: none).
async fn refuses(
    site: &Site,
    line: &str,
    body: impl ToString,
    status: u16,
    field: &str,
) -> Result<()> {
    let answer = answers(site, line, body, status).await?;
    let problem = answer.json()?;
    let kind = answer.header("content-type");
    ensure!(kind == "application/problem+json", "{line}: {kind}");
    ensure!(
        problem["status"] == status && problem["title"].is_string(),
        "{line}: {problem}"
    );
    ensure!(
        problem["field"].as_str().unwrap_or_default() == field,
        "{line}: {problem}"
    );
    ensure!(
        problem["detail"]
            .as_str()
            .is_some_and(|detail| !detail.is_empty()),
        "{line}: {problem}"
    );
    Ok(())
}

fn person(event: &str) -> Value {
    json!({"age": "25-32", "gender": "female", "timestamp": TIME, "section": 1, "event": event})
}

fn picture(image: &str) -> Value {
    json!({"timestamp": TIME, "section": 1, "event": "entry", "image": image})
}

fn without(mut body: Value, field: &str) -> Value {
    if let Some(object) = body.as_object_mut() {
        object.remove(field);
    }
    body
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

#[test]
fn every_service_answers_what_all_have_in_common() {
    case("common", async |case| {
        let mut site = Site::start(case, None).await?;
        site.add_agent(case, "camera-agent-1", "test://ball", 5)
            .await?;
        let statuses = [
            ("collector", "Collector v1 : Online - collector"),
            ("image-analysis", "Image Analysis v1 : Online"),
            ("face-recognition", "Face Recognition v1 : Online"),
            ("section-1", "Section 1 v1 : Online"),
            ("alerts", "Alerts v1 : Online"),
            ("momentum", "Momentum v1 : Online"),
            ("cpanel-v1", "CPanel v1 : Online - cpanel-v1"),
            ("cpanel-v2", "CPanel v2 : Online - cpanel-v2"),
        ];
        for (name, status) in statuses {
            let answer = answers(&site, &format!("GET {name} /status"), "", 200).await?;
            ensure!(
                answer.text().trim_end() == status,
                "{name}: {}",
                answer.text()
            );
            ensure!(answer.header("content-type").starts_with("text/plain"));
            ensure!(answer.header("x-airside-instance") == name);
        }
        let names: Vec<String> = site.programs().map(|(name, _)| name.to_owned()).collect();
        for name in names {
            answers(&site, &format!("GET {name} /healthz"), "", 200).await?;
            let ready = answers(&site, &format!("GET {name} /readyz"), "", 200).await?;
            ensure!(ready.json()?["ready"] == true);
            let metrics = answers(&site, &format!("GET {name} /metrics"), "", 200).await?;
            ensure!(metrics.text().contains("airside_requests_total"));
            refuses(&site, &format!("DELETE {name} /status"), "", 405, "").await?;
            refuses(&site, &format!("GET {name} /nowhere"), "", 404, "").await?;
            refuses(&site, &format!("GET {name} /fault"), "", 404, "").await?;
        }
        Ok(())
    });
}

#[test]
fn section() {
    case("section", async |case| {
        let site = Site::start(case, None).await?;
        let post = "POST section-1 /persons";
        let persons = json!({"persons": [person("entry"), person("exit"), person("entry")]});
        ensure!(
            answers(&site, post, &persons, 200).await.is_ok()
                || answers(&site, post, &persons, 201).await.is_ok()
        );
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
                    picture(&pictures::base64(&image)),
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
fn alerts() {
    case("alerts", async |case| {
        let site = Site::start(case, None).await?;
        let image = pictures::base64(&pictures::empty()?);
        let alert = |time: &str| {
            let alert = with(picture(&image), "persons", json!([{"name": "PersonX"}]));
            with(alert, "timestamp", json!(time))
        };
        for second in 10..15 {
            let time = format!("2020-02-25T14:35:{second}Z");
            let answer = call(&site, "POST alerts /", alert(&time)).await?;
            ensure!(answer.status < 300, "{}", answer.text());
        }
        let count = answers(
            &site,
            &format!("GET alerts /?{FRAME}&aggregate=count"),
            "",
            200,
        )
        .await?;
        ensure!(count.text() == "5", "{}", count.text());
        let ids = ids(&answers(&site, &format!("GET alerts /?{FRAME}"), "", 200)
            .await?
            .json()?);
        ensure!(ids.len() == 5, "{ids:?}");
        let one = answers(&site, &format!("GET alerts /{}", ids[0]), "", 200)
            .await?
            .json()?;
        ensure!(
            one["image"] == image.as_str() && one["persons"][0]["name"] == "PersonX",
            "{one}"
        );
        ensure!(
            answers(&site, "GET alerts /", "", 200)
                .await?
                .text()
                .contains(&ids[0].to_string())
        );
        let gone = call(&site, &format!("DELETE alerts /{}", ids[0]), "").await?;
        ensure!(gone.status < 300, "{}", gone.text());
        refuses(&site, &format!("GET alerts /{}", ids[0]), "", 404, "").await?;
        refuses(&site, &format!("DELETE alerts /{}", ids[0]), "", 404, "").await?;
        let newer = call(&site, "POST alerts /", alert(TIME)).await?;
        ensure!(newer.status < 300);
        let shown = answers(&site, "GET momentum /alert", "", 200)
            .await?
            .json()?;
        ensure!(shown["timestamp"] == TIME && shown["image"] == image.as_str());

        for (body, field) in [
            (without(alert(TIME), "persons"), "persons"),
            (without(alert(TIME), "timestamp"), "timestamp"),
            (with(alert(TIME), "event", json!("in")), "event"),
            (with(alert(TIME), "persons", json!([{}])), "persons[0].name"),
            (with(alert(TIME), "more", json!(1)), "more"),
        ] {
            refuses(&site, "POST alerts /", body, 400, field).await?;
        }
        let late = "GET alerts /?from=2021-01-01T00:00:00Z&to=2020-01-01T00:00:00Z";
        refuses(&site, late, "", 400, "from").await?;
        refuses(&site, "PUT alerts /", "", 405, "").await
    });
}

fn ids(list: &Value) -> Vec<i64> {
    let inner = list
        .as_object()
        .and_then(|object| object.values().find(|value| value.is_array()));
    let rows = inner.unwrap_or(list).as_array().into_iter().flatten();
    rows.filter_map(|alert| alert["id"].as_i64()).collect()
}

#[test]
fn momentum() {
    case("momentum", async |case| {
        let site = Site::start(case, None).await?;
        let image = pictures::base64(&pictures::empty()?);
        for (path, persons) in [
            ("/analysis", json!([person("entry")])),
            ("/alert", json!([{"name": "PersonX"}])),
        ] {
            let (get, post) = (
                format!("GET momentum {path}"),
                format!("POST momentum {path}"),
            );
            let body = |time: &str| {
                with(
                    with(picture(&image), "persons", persons.clone()),
                    "timestamp",
                    json!(time),
                )
            };
            answers(&site, &get, "", 204).await?;
            answers(&site, &format!("GET cpanel-v1 {path}"), "", 204).await?;
            answers(&site, &post, body("2020-02-25T16:00:00+01:00"), 200).await?;
            answers(&site, &post, body(TIME), 200).await?;
            let newest = answers(&site, &get, "", 200).await?;
            ensure!(
                newest.json()?["timestamp"] == "2020-02-25T15:00:00.000000Z",
                "{}",
                newest.text()
            );
            ensure!(newest.header("access-control-allow-origin") == "*");
            answers(&site, &format!("GET cpanel-v2 {path}"), "", 200).await?;
            refuses(
                &site,
                &post,
                without(body(TIME), "timestamp"),
                400,
                "timestamp",
            )
            .await?;
            refuses(
                &site,
                &post,
                with(body(TIME), "persons", json!(1)),
                400,
                "persons",
            )
            .await?;
            refuses(&site, &get.replace("GET", "DELETE"), "", 405, "").await?;
        }
        let preflight = Request::options(site["momentum"].url("/analysis"))
            .header("origin", "http://elsewhere")
            .header("access-control-request-method", "POST");
        let preflight = rest::send(preflight, "").await?;
        ensure!(preflight.status < 300 && preflight.header("access-control-allow-origin") == "*");
        Ok(())
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
        site.egress
            .set("section-1", airside_tests::egress::Way::Hangs);
        refuses(&site, "POST collector /persons", &persons, 504, "").await
    });
}

#[test]
fn agent() {
    case("agent", async |case| {
        let mut site = Site::start(case, None).await?;
        site.add_agent(case, "camera-agent-1", "test://ball", 5)
            .await?;
        let state = async || {
            answers(&site, "GET camera-agent-1 /state", "", 200)
                .await?
                .json()
        };
        let before = state().await?;
        ensure!(
            before["streaming"] == false
                && before["section"] == Value::Null
                && before["event"] == Value::Null,
            "{before}"
        );
        ensure!(
            before["destination"] == Value::Null
                && before["fps"].is_number()
                && before["cycle"] == 0,
            "{before}"
        );
        let stream = json!({"section": 1, "destination": "http://collector:8080", "event": "entry", "format": "json", "extra-info": ""});
        let post = "POST camera-agent-1 /stream?toggle=on";
        answers(&site, post, &stream, 200).await?;
        let grown = eventually("frames are streamed", Duration::from_secs(20), async || {
            Ok(Some(state().await?).filter(|state| state["cycle"].as_u64() > Some(2)))
        })
        .await?;
        ensure!(
            grown["streaming"] == true && grown["section"] == "1" && grown["event"] == "entry",
            "{grown}"
        );
        for (body, field) in [
            (without(stream.clone(), "section"), "section"),
            (with(stream.clone(), "event", json!("in")), "event"),
            (
                with(stream.clone(), "destination", json!("ftp://a")),
                "destination",
            ),
            (with(stream.clone(), "format", json!("xml")), "format"),
            (with(stream.clone(), "more", json!(1)), "more"),
        ] {
            refuses(&site, post, body, 400, field).await?;
        }
        refuses(
            &site,
            "POST camera-agent-1 /stream?toggle=maybe",
            &stream,
            400,
            "toggle",
        )
        .await?;
        refuses(&site, "GET camera-agent-1 /stream", "", 405, "").await?;
        refuses(
            &site,
            "GET camera-agent-1 /cameras/nobody/state",
            "",
            404,
            "",
        )
        .await?;
        ensure!(
            state().await?["streaming"] == true,
            "a bad body stops the stream"
        );
        newest_frame(&site).await?;
        answers(&site, "POST camera-agent-1 /stream?toggle=off", "", 200).await?;
        let after = state().await?;
        ensure!(
            after["streaming"] == false && after["section"] == "1",
            "{after}"
        );
        Ok(())
    });
}

async fn newest_frame(site: &Site) -> Result<()> {
    let frame = answers(site, "GET camera-agent-1 /frame", "", 200)
        .await?
        .json()?;
    for field in ["timestamp", "section", "event", "image", "extra-info"] {
        ensure!(frame[field].is_string(), "{field} is missing");
    }
    let request = Request::get(site["camera-agent-1"].url("/cameras/1/frame"))
        .header(header::ACCEPT, "image/jpeg");
    let jpeg = rest::send(request, "").await?;
    ensure!(jpeg.header("content-type") == "image/jpeg" && jpeg.body.starts_with(&[0xFF, 0xD8]));
    Ok(())
}
