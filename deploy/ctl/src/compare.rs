//! What Kubernetes alone can do beside Istio: the same load, once as kube-proxy balances it and once through the mesh.
//!
//! ```text
//!                    ┌─▶ kube_proxy: one random pick a connection ─┐
//! drive: the load ───┤                                             ├─▶ the same four instances of the panel
//!                    └─▶ the mesh's ingress, under a rule ─────────┘
//! ```
//!
//! Both sides reach the same processes over loopback, one side after the other, so that nothing but the way of choosing
//! differs. What a probe would do in a cluster is left out on both sides: an instance that fails stays ready.

mod connection;
mod drive;
mod kube_proxy;
mod scenes;

use airside_lab::experiment::{Experiment, Lab};
use airside_lab::platform::Platform;
use airside_lab::terminal::Table;
use anyhow::{Context, Result};

use crate::local::LocalPlatform;
use kube_proxy::KubeProxy;
use scenes::{REPLICAS, Row, Stage, WORKLOAD};

/// The experiment `compare-k8s`. The local mesh has it because it starts a proxy of its own.
pub fn experiment() -> Experiment<LocalPlatform> {
    Experiment::new(
        "compare-k8s",
        "what Kubernetes alone can and cannot do beside Istio",
        |lab| Box::pin(compare(lab)),
    )
}

async fn compare(lab: &mut Lab<'_, LocalPlatform>) -> Result<()> {
    lab.scale(WORKLOAD, REPLICAS).await?;
    let instances = lab.ready("cpanel").await?.into_iter();
    let endpoints: Vec<_> = instances.filter_map(|instance| instance.address).collect();
    let platform = lab.platform();
    let entrance = platform.entrance();
    let mesh = entrance.trim_start_matches("http://").parse();
    let mesh = mesh.with_context(|| format!("{entrance} is no address"))?;
    let directory = platform.run_dir().kube_proxy();
    let proxy = KubeProxy::start(&platform.envoy()?, &directory, &endpoints).await?;
    let mut stage = Stage {
        lab,
        plain: proxy.address,
        mesh,
    };
    let rows = stage.rows().await?;
    proxy.end().await?;
    say!("\n{}", table(&rows));
    for Row { plain, mesh } in rows {
        lab.check(mesh);
        let what = format!("{} (kube-proxy)", plain.what());
        lab.check(plain.unjudged(what));
    }
    Ok(())
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new(["", "wanted", "as kube-proxy does it", "in the mesh"]);
    for Row { plain, mesh } in rows {
        let can = if plain.holds() { "can" } else { "cannot" };
        table.row([
            mesh.what().to_owned(),
            mesh.bound(),
            format!("{:<9} {can}", plain.measured()),
            format!("{:<9} {}", mesh.measured(), mesh.word()),
        ]);
    }
    table
}
