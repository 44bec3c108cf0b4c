//! How soon requests follow a rule.

use airside_cluster::{Cluster, ClusterPlatform, Whereabouts};
use airside_lab::platform::Platform as _;
use airside_tests::{
    following::first_answer,
    report::{Goal, print_distribution},
};
use anyhow::Result;

use crate::site::Site;

const CHANGES: usize = 20;

/// Changes the panel's version to and fro, as a user would, and asks all the while who answers.
pub(super) async fn measure(site: &Site) -> Result<()> {
    let here = Whereabouts {
        context: None,
        namespace: site.operator.namespace.to_owned(),
    };
    let cluster = Cluster::connect(&here).await?;
    let platform = ClusterPlatform::connect(cluster, None, Vec::new()).await?;
    let mut milliseconds = Vec::new();
    for change in 0..CHANGES {
        let version = if change % 2 == 0 { "v2" } else { "v1" };
        let file = format!("deploy/istio/cpanel-{version}.yaml");
        let apply = async {
            let apply = ["apply", "-f", &file];
            site.operator.ctl(&apply).await.map(drop)
        };
        let first = first_answer(platform.entrance(), version, apply).await?;
        milliseconds.push(first.as_secs_f64() * 1e3);
    }
    site.operator.ctl(&["reset"]).await?;
    print_distribution(
        "`airsidectl apply` started to the first request that follows the new rule, 20 changes, ms",
        &milliseconds,
        Goal::AtMost(1000.0),
    );
    Ok(())
}
