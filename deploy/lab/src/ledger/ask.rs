//! Asks agents and collectors for their sides.

use airside_core::ledger::{AgentLedger, CollectorCamera, CollectorLedger, Kept};
use serde::de::DeserializeOwned;

use super::{
    compare::{Account, Finding, Side, compare},
    report::{Report, Unasked},
};
use crate::fetch::Client;

/// Most pages of one collector: half a gigabyte of runs. More is no ledger any more.
const PAGES: usize = 1_000;

/// Somebody who keeps a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whom {
    /// Name for people.
    pub name: String,
    /// `http://HOST:PORT`; none when it is known not to listen, with the reason.
    pub origin: Result<String, String>,
}

/// What is to be compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Every agent.
    pub agents: Vec<Whom>,
    /// Every collector that may have been sent their frames.
    pub collectors: Vec<Whom>,
    /// Collectors that no longer run and left a ledger: they matter when what they may know is missing.
    pub gone: Vec<Whom>,
    /// Only agents of this name.
    pub agent: Option<String>,
    /// Only cameras of this name.
    pub camera: Option<String>,
}

/// Asks everybody, agents first, and compares.
pub async fn ask(client: &Client, wanted: &Wanted) -> Report {
    let mut report = Report::default();
    let mut accounts = Vec::new();
    for agent in &wanted.agents {
        match read_agent(client, agent, wanted).await {
            Ok(ledger) if wanted.is_agent(&ledger.agent) => accounts.push((
                agent,
                Account {
                    first: ledger,
                    second: None,
                },
            )),
            Ok(_) => {}
            Err(reason) => report.unasked.push(unasked(agent, reason)),
        }
    }
    let mut sides = Vec::new();
    for collector in &wanted.collectors {
        match read_collector(client, collector, wanted).await {
            Ok((kept, side)) => {
                if kept == Kept::Memory {
                    report.in_memory.push(side.collector.clone());
                }
                sides.push(side);
            }
            Err(reason) => report.unasked.push(unasked(collector, reason)),
        }
    }
    for (agent, account) in &mut accounts {
        let compared = compare(std::slice::from_ref(account), &sides);
        if compared
            .iter()
            .any(|camera| camera.frames(Finding::Unknown) > 0)
        {
            match read_agent(client, agent, wanted).await {
                Ok(ledger) => account.second = Some(ledger),
                Err(reason) => report.unasked.push(unasked(agent, reason)),
            }
        }
    }
    let accounts: Vec<Account> = accounts.into_iter().map(|(_, account)| account).collect();
    report.cameras = compare(&accounts, &sides);
    if report.frames(Finding::Lost) + report.frames(Finding::Unconfirmed) > 0 {
        let reason = |whom: &Whom| whom.origin.clone().err().unwrap_or_default();
        let gone = wanted.gone.iter().map(|whom| unasked(whom, reason(whom)));
        report.unasked.extend(gone);
    }
    report.strangers = strangers(&accounts, &sides);
    report
}

impl Wanted {
    fn is_agent(&self, name: &str) -> bool {
        self.agent.as_deref().is_none_or(|wanted| wanted == name)
    }

    fn is_camera(&self, name: &str) -> bool {
        self.camera.as_deref().is_none_or(|wanted| wanted == name)
    }
}

fn unasked(whom: &Whom, reason: String) -> Unasked {
    Unasked {
        name: whom.name.clone(),
        reason,
    }
}

/// Agents that collectors know and nobody asked.
fn strangers(accounts: &[Account], sides: &[Side]) -> Vec<String> {
    let cameras = sides.iter().flat_map(|side| &side.cameras);
    let asked = |agent: &String| accounts.iter().any(|account| account.first.agent == *agent);
    let mut names: Vec<String> = cameras.map(|camera| camera.agent.clone()).collect();
    names.retain(|name| !asked(name));
    names.sort_unstable();
    names.dedup();
    names
}

async fn read_agent(client: &Client, agent: &Whom, wanted: &Wanted) -> Result<AgentLedger, String> {
    let mut ledger: AgentLedger =
        read(client, &format!("{}/ledger", agent.origin.clone()?)).await?;
    ledger
        .cameras
        .retain(|camera| wanted.is_camera(&camera.camera));
    Ok(ledger)
}

/// All pages of a collector.
async fn read_collector(
    client: &Client,
    collector: &Whom,
    wanted: &Wanted,
) -> Result<(Kept, Side), String> {
    let origin = collector.origin.clone()?;
    let mut cameras = Vec::new();
    let mut after = None::<String>;
    for _ in 0..PAGES {
        let mark = after
            .map(|mark| format!("?after={mark}"))
            .unwrap_or_default();
        let page: CollectorLedger = read(client, &format!("{origin}/ledger{mark}")).await?;
        for camera in page.cameras {
            if wanted.is_agent(&camera.agent) && wanted.is_camera(&camera.camera) {
                add(&mut cameras, camera);
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => {
                let collector = collector.name.clone();
                return Ok((page.kept, Side { collector, cameras }));
            }
        }
    }
    Err(format!("its ledger does not end after {PAGES} pages"))
}

/// Adds what a page says of a camera to what those before said.
fn add(cameras: &mut Vec<CollectorCamera>, page: CollectorCamera) {
    let is_same =
        |known: &&mut CollectorCamera| known.agent == page.agent && known.camera == page.camera;
    let Some(known) = cameras.iter_mut().find(is_same) else {
        cameras.push(page);
        return;
    };
    known.forgotten = known.forgotten.max(page.forgotten);
    for epoch in page.epochs {
        match known
            .epochs
            .iter_mut()
            .find(|known| known.epoch == epoch.epoch)
        {
            Some(known) => known.runs.extend(epoch.runs),
            None => known.epochs.push(epoch),
        }
    }
}

async fn read<T: DeserializeOwned>(client: &Client, url: &str) -> Result<T, String> {
    let answer = client.get(url).await.map_err(|error| error.to_string())?;
    if !answer.status.is_success() {
        return Err(format!("{url} answers {}", answer.status.as_u16()));
    }
    serde_json::from_str(&answer.body).map_err(|error| format!("{url} answers no ledger: {error}"))
}
