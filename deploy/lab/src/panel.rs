//! What is asked of the running system through its one entrance.

use std::time::Duration;

use http::Method;

use crate::fetch::Client;

/// A service that has not answered by now will not.
const DEADLINE: Duration = Duration::from_secs(15);

/// Every status line, then both cameras.
const HEALTH: [&str; 7] = [
    "/status",
    "/collector/status",
    "/momentum/status",
    "/sections/1/status",
    "/alerts/status",
    "/cameras/1/state",
    "/cameras/2/state",
];

/// Prints every status line and both camera states. Says whether all answered well.
pub async fn health(origin: &str) -> bool {
    let client = Client::new(DEADLINE);
    let mut sound = true;
    for path in HEALTH {
        let (good, line) = ask(&client, Method::GET, &format!("{origin}{path}")).await;
        say!(
            "{}",
            if good {
                line
            } else {
                format!("{path}: {line}")
            }
        );
        sound &= good;
    }
    sound
}

/// Starts or stops all cameras. Says whether all followed.
pub async fn cameras(origin: &str, on: bool) -> bool {
    let client = Client::new(DEADLINE);
    let toggle = if on { "on" } else { "off" };
    let url = format!("{origin}/production?toggle={toggle}");
    let (good, line) = ask(&client, Method::POST, &url).await;
    say!("{line}");
    good
}

async fn ask(client: &Client, method: Method, url: &str) -> (bool, String) {
    match client.send(method, url, &[]).await {
        Ok(answer) if answer.status.is_success() => (true, answer.body.trim().to_owned()),
        Ok(answer) => (
            false,
            format!("{}: {}", answer.status.as_u16(), answer.body.trim()),
        ),
        Err(error) => (false, error.to_string()),
    }
}
