//! A Prometheus of the case's own: Debian's program, on a free port of loopback, its data in the case's directory.

use std::{fmt::Write as _, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use http::{Request, header};
use serde_json::Value;

use crate::{Case, Process, Spec, eventually, rest};

/// Where Debian's package puts it.
const PROGRAM: &str = "/usr/bin/prometheus";
/// It takes a second; a busy machine needs its time.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// A running Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    process: Process,
    url: String,
}

impl Prometheus {
    /// Starts it with this configuration and waits until it is ready.
    ///
    /// # Errors
    /// It does not start; the error shows its last lines.
    pub async fn start(case: &Case, config: &Path) -> Result<Self> {
        let spec = Spec::bare("prometheus", PROGRAM)
            .flag("--config.file", config)
            .flag(
                "--storage.tsdb.path",
                case.directory().join("prometheus-data"),
            )
            .flag("--web.listen-address", "127.0.0.1:0");
        let mut process = spec.start(case)?;
        let url = eventually("Prometheus is ready", READY_WITHIN, async || {
            process.still_running()?;
            let log = process.log();
            let Some(address) = address(&log) else {
                return Ok(None);
            };
            let url = format!("http://{address}");
            let ready = rest::get(&format!("{url}/-/ready")).await;
            Ok(ready.is_ok_and(|ready| ready.status == 200).then_some(url))
        })
        .await?;
        Ok(Self { process, url })
    }

    /// The series that an expression gives now.
    ///
    /// # Errors
    /// Prometheus does not take the expression; says why.
    pub async fn query(&mut self, expression: &str) -> Result<Vec<Value>> {
        let request = Request::post(format!("{}/api/v1/query", self.url))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let body = format!("query={}", encoded(expression));
        let data = self.data(rest::send(request, body).await?)?;
        let result = data["result"].as_array();
        Ok(result.with_context(|| data.to_string())?.clone())
    }

    /// Every rule with its state, as `/api/v1/rules` tells it.
    ///
    /// # Errors
    /// No answer.
    pub async fn rules(&mut self) -> Result<Vec<Value>> {
        let data = self.data(rest::get(&format!("{}/api/v1/rules", self.url)).await?)?;
        let groups = data["groups"].as_array().into_iter().flatten();
        let rules = groups.filter_map(|group| group["rules"].as_array());
        Ok(rules.flatten().cloned().collect())
    }

    fn data(&mut self, answer: rest::Answer) -> Result<Value> {
        self.process.still_running()?;
        let answer = answer.json()?;
        ensure!(answer["status"] == "success", "{answer}");
        Ok(answer["data"].clone())
    }
}

/// Where it says that it listens.
fn address(log: &str) -> Option<&str> {
    let line = log
        .lines()
        .find(|line| line.contains(r#"msg="Listening on""#))?;
    line.split_once("address=")?.1.split_whitespace().next()
}

/// As a form takes it.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        // Writing to a String does not fail.
        let _ = write!(encoded, "%{byte:02X}");
        encoded
    })
}
