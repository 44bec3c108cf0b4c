//! What a request costs on its way through ingress and egress.

use std::time::{Duration, Instant};

use airside_runtime::Mesh;
use airside_tests::{
    report::{Comparison, print_figures, quantile},
    usage,
};
use anyhow::{Result, ensure};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::task::JoinSet;

use crate::running::Running;

/// Client, ingress, panel, egress, section, and back.
const PATH: &str = "/sections/1/status";
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(10);

/// One round of one side.
struct Round {
    requests_a_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    services_us: f64,
    envoy_us: f64,
}

/// Where requests go, and who works for them.
struct Side {
    url: String,
    services: [u32; 2],
    envoy: u32,
}

pub(super) async fn measure(mesh: &Running<'_>) -> Result<()> {
    let panel = mesh.direct_panel().await?;
    let section = mesh.pid("section-1-v1-0")?;
    let envoy = mesh.pid("envoy")?;
    let through = Side {
        url: format!("{}{PATH}", mesh.mesh.ingress),
        services: [mesh.pid("cpanel-v1-0")?, section],
        envoy,
    };
    let direct = Side {
        url: panel.url(PATH),
        services: [panel.pid(), section],
        envoy,
    };
    for connections in [1, 8] {
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        // The first round warms up.
        for round in 0..=ROUNDS {
            let pair = (
                through.drive(connections).await?,
                direct.drive(connections).await?,
            );
            if round > 0 {
                ours.push(pair.0);
                bare.push(pair.1);
            }
        }
        print(connections, &ours, &bare);
    }
    Ok(())
}

fn print(connections: usize, mesh: &[Round], direct: &[Round]) {
    let of = |side: &[Round], figure: fn(&Round) -> f64| side.iter().map(figure).collect();
    let compare = |what: &str, figure: fn(&Round) -> f64| {
        let title = format!("GET {PATH} over {connections} connection(s): {what}");
        let comparison = Comparison {
            title: &title,
            airside: ("ingress and egress", of(mesh, figure)),
            bare: ("direct", of(direct, figure)),
            goal: None,
        };
        comparison.print();
    };
    compare("requests a second", |round| round.requests_a_second);
    compare("p50, ms", |round| round.p50_ms);
    compare("p99, ms", |round| round.p99_ms);
    print_figures(
        &format!("GET {PATH} over {connections} connection(s): CPU, µs a request"),
        &[
            ("services, in the mesh", of(mesh, |round| round.services_us)),
            ("services, direct", of(direct, |round| round.services_us)),
            ("Envoy, both ways", of(mesh, |round| round.envoy_us)),
        ],
    );
}

impl Side {
    /// Asks over so many connections, on each one request after the other.
    async fn drive(&self, connections: usize) -> Result<Round> {
        let before = self.cpu()?;
        let begun = Instant::now();
        let mut clients = JoinSet::new();
        for _ in 0..connections {
            clients.spawn(ask(self.url.clone(), begun + ROUND));
        }
        let mut milliseconds = Vec::new();
        while let Some(times) = clients.join_next().await {
            milliseconds.extend(times??);
        }
        let seconds = begun.elapsed().as_secs_f64();
        let after = self.cpu()?;
        let requests = milliseconds.len() as f64;
        let us = |before: Duration, after: Duration| (after - before).as_secs_f64() * 1e6;
        Ok(Round {
            requests_a_second: requests / seconds,
            p50_ms: quantile(&milliseconds, 0.5),
            p99_ms: quantile(&milliseconds, 0.99),
            services_us: us(before.0, after.0) / requests,
            envoy_us: us(before.1, after.1) / requests,
        })
    }

    /// Of the services together, and of Envoy.
    fn cpu(&self) -> Result<(Duration, Duration)> {
        let [panel, section] = self.services;
        Ok((
            usage::cpu(panel)? + usage::cpu(section)?,
            usage::cpu(self.envoy)?,
        ))
    }
}

/// One request after the other until `end`; milliseconds of each.
async fn ask(url: String, end: Instant) -> Result<Vec<f64>> {
    let client = Mesh::new(None);
    let mut milliseconds = Vec::new();
    while Instant::now() < end {
        let begun = Instant::now();
        get(&client, &url).await?;
        milliseconds.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(milliseconds)
}

/// Body of an answer that must be a success.
pub(super) async fn get(client: &Mesh, url: &str) -> Result<Bytes> {
    let request = Request::get(url).body(Full::new(Bytes::new()))?;
    let answer = client.send(request, LIMIT).await?;
    ensure!(answer.status().is_success(), "{}: {url}", answer.status());
    Ok(answer.into_body())
}
