//! The collector's ledger against the acknowledgements, while the collector is killed again and again.

mod proof;

use std::collections::BTreeSet;

use airside_core::{
    Runs,
    ledger::{CollectorLedger, Settlement},
};
use airside_proto::v1::Outcome;
use airside_tests::{Case, Site, case, films::Films, ingest::Stream, pictures};
use anyhow::{Context as _, Result, ensure};

const EPOCH: u64 = 1;
const KILLS: u64 = 3;

/// What the collector says of this epoch.
async fn entries(site: &Site) -> Result<Runs<Settlement>> {
    let ledger = site["collector"].get("/ledger").await?.json()?;
    let ledger: CollectorLedger = serde_json::from_value(ledger)?;
    let cameras = ledger.cameras.iter();
    let mut epochs = cameras.flat_map(|camera| &camera.epochs);
    let epoch = epochs.find(|epoch| epoch.epoch == EPOCH);
    Ok(epoch.map(|epoch| epoch.states()).unwrap_or_default())
}

#[test]
fn what_was_acknowledged_stands_in_the_ledger_of_a_collector_that_is_killed() {
    case("ledger", killed);
}

async fn killed(case: &Case) -> Result<()> {
    let films = Films::of_seconds(30).await?;
    let name = &films.truth.person_of_interest.name;
    let picture = pictures::person_of_interest(&films.gallery(), name)?;
    let mut site = Site::start(case, None).await?;
    let mut acknowledged = BTreeSet::new();
    let mut sent = 0;
    for _ in 0..KILLS {
        let mut stream = Stream::open(site["collector"].address(), "gate", EPOCH).await?;
        for _ in 0..stream.credits {
            sent += 1;
            let frame = stream.frame(sent, picture.clone());
            stream.send(frame).await?;
        }
        // The rest of the window is under way when it dies.
        for _ in 0..2 {
            let answer = stream.acknowledgement().await?;
            ensure!(answer.outcome() == Outcome::Recorded, "{answer:?}");
            acknowledged.insert(answer.id.context("no identity")?.sequence);
        }
        site.kill("collector")?;
        site.restart(case, "collector").await?;
        let entries = entries(&site).await?;
        let stands = |sequence: &u64| entries.get(*sequence) == Some(&Settlement::Recorded);
        ensure!(
            acknowledged.iter().all(stands),
            "acknowledged {acknowledged:?}, entered {entries:?}"
        );
    }
    let mut stream = Stream::open(site["collector"].address(), "gate", EPOCH).await?;
    for sequence in 1..=sent {
        let frame = stream.frame(sequence, picture.clone());
        let answer = stream.deliver(frame).await?;
        ensure!(answer.outcome() == Outcome::Recorded, "{answer:?}");
    }
    let mut whole = Runs::new();
    whole.set(1..=sent, Settlement::Recorded);
    let entries = entries(&site).await?;
    ensure!(entries == whole, "{entries:?}");
    Ok(())
}
