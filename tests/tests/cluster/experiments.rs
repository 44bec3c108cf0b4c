//! Every experiment of the local mesh, with the same measured checks.

use std::time::Duration;

use airside_tests::case_within;

use super::system::{System, ctl};

/// Thirty experiments of up to two minutes each.
const DEADLINE: Duration = Duration::from_secs(3600);

#[test]
fn every_experiment_holds() {
    case_within(DEADLINE, "cluster-experiments", async |_| {
        let _system = System::deployed().await?;
        ctl(&["experiment", "all"]).await.map(drop)
    });
}
