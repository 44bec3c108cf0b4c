//! Headless Chromium, spoken to by WebDriver (W3C).

use std::{fs, path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};
use http::Request;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::{Case, rest};

/// A cold start of Chromium takes seconds on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(30);
/// No sandbox: tests run as root in containers. The rest keeps the browser from anything but the page.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A browser with one empty window. Ends when dropped.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    session: String,
}

impl Browser {
    /// Starts a browser with a fresh profile.
    ///
    /// # Errors
    /// chromedriver or Chromium is missing or does not start.
    pub async fn start(case: &Case) -> Result<Self> {
        let profile = case.directory().join("chromium");
        let log = fs::File::create(case.directory().join("chromedriver.log"))?;
        let mut driver = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "chromedriver", "--port=0"])
            // A browser that is killed leaves its temporary files.
            .env("TMPDIR", case.directory())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let port = tokio::time::timeout(START_LIMIT, port(&mut driver));
        let port = port.await.context("chromedriver does not start")??;
        let root = format!("http://127.0.0.1:{port}/session");
        let answer = rest::post(&root, &capabilities(&profile)).await?;
        let id = text(&answer.json()?, "/value/sessionId")?;
        Ok(Self {
            driver,
            session: format!("{root}/{id}"),
        })
    }

    /// Opens a page and waits until it is loaded.
    ///
    /// # Errors
    /// It does not load.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.command("url", &json!({ "url": url })).await.map(drop)
    }

    /// Runs the body of a JavaScript function in the page and hands back what it returns.
    ///
    /// # Errors
    /// The script throws.
    pub async fn run(&self, script: &str) -> Result<Value> {
        let script = json!({ "script": script, "args": [] });
        self.command("execute/sync", &script).await
    }

    async fn command(&self, path: &str, body: &Value) -> Result<Value> {
        let answer = rest::post(&format!("{}/{path}", self.session), body).await?;
        let mut answer_body = answer.json()?;
        ensure!(
            answer.status == 200,
            "the browser refuses {body}: {answer_body}"
        );
        Ok(answer_body["value"].take())
    }

    /// Ends the browser.
    ///
    /// # Errors
    /// The driver does not answer.
    pub async fn close(mut self) -> Result<()> {
        rest::send(Request::delete(&self.session), "").await?;
        self.driver.kill().await?;
        Ok(())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        use nix::{
            sys::signal::{Signal, killpg},
            unistd::Pid,
        };
        let group = self.driver.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = group {
            // The browser's processes are in the driver's group.
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
    }
}

/// chromedriver says on which port it listens.
async fn port(driver: &mut Child) -> Result<u16> {
    let output = driver.stdout.take().context("the output is piped")?;
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await? {
        let port = line.split_once("started successfully on port ");
        if let Some((_, port)) = port {
            return Ok(port.trim_end_matches('.').parse()?);
        }
    }
    anyhow::bail!("chromedriver ended without listening")
}

fn capabilities(profile: &Path) -> Value {
    let mut args: Vec<String> = FLAGS.map(str::to_owned).to_vec();
    args.push(format!("--user-data-dir={}", profile.display()));
    args.push("--window-size=1280,1600".to_owned());
    json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": { "args": args } } } })
}

fn text(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    let found = found.with_context(|| format!("no {pointer} in {value}"))?;
    Ok(found.to_owned())
}
