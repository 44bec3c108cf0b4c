//! The collector's side of the ledger: what was answered for each frame that came by gRPC.
//!
//! ```text
//! verdict ──▶ one task: answers that wait at the same time share a transaction ──▶ SQLite
//!    ▲                                     │
//!    └── acknowledgement goes out ◀── on the disk
//! ```
//!
//! Invariants: no acknowledgement but `DEFERRED` without its entry; a frame has one entry, and every acknowledgement of it
//! from then on says the same, except that what was refused may still be recorded. When nothing can be entered, frames are
//! deferred and the service is not ready. Posted frames that bring no
//! identity of an agent's are left out.

mod listing;

use std::{convert::Infallible, path::PathBuf, time::Duration};

use airside_core::{
    FrameId, Timestamp,
    ledger::{Kept, Settlement},
};
use airside_runtime::{Service, parse};
use airside_store::{Error, Settlements};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};

pub(super) use self::listing::Listing;
use super::outcome::{Away, Part, Verdict};
use crate::storage::{Health, maintain};

/// Answers that may wait, the windows of a dozen busy streams; those beyond wait for their turn.
const WAITING: usize = 1024;
/// Answers that share a transaction: as many as can wait, as each costs little beside the disk's latency.
const BATCH: usize = WAITING;
/// Time between the beginnings of two transactions, unless many answers wait. One costs as much processor time as taking in two
/// frames, so that under a flood of frames they are to be few; analysis takes twenty times as long as this. An answer that comes
/// alone, as those of cameras do, waits for nothing.
const APART: Duration = Duration::from_millis(4);
/// Answers that begin a transaction at once: each then costs a sixteenth of a frame. Half of a wide window, so that the
/// other half keeps its agent busy meanwhile.
const MANY: usize = 32;

/// How the ledger is kept.
#[derive(clap::Args, Clone, Debug)]
pub struct Keeping {
    /// SQLite file that keeps what was answered for each frame, made with its directory if it is not there; each replica has its
    /// own. Without one it is kept in memory and ends with the process.
    #[arg(long, env = "AIRSIDE_LEDGER", value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// Time after which what was answered is forgotten.
    #[arg(long, env = "AIRSIDE_RETENTION", default_value = "30d", value_name = "TIME", value_parser = parse::duration)]
    pub retention: Duration,
}

/// Enters what frames are answered.
#[derive(Clone, Debug)]
pub struct Ledger {
    inbox: mpsc::Sender<Entry>,
}

#[derive(Debug)]
struct Entry {
    frame: FrameId,
    settlement: Settlement,
    /// Gets what stands; dropped when nothing could be entered.
    standing: oneshot::Sender<Settlement>,
}

/// Opens the ledger and starts its tasks.
///
/// # Errors
/// The file cannot be used.
pub async fn start(service: &mut Service, settings: &Keeping) -> Result<(Ledger, Listing), Error> {
    let (settlements, kept) = match &settings.ledger {
        Some(file) => (Settlements::open(file).await?, Kept::Disk),
        None => {
            tracing::warn!(
                "the ledger is kept in memory and ends with this process; --ledger FILE keeps it"
            );
            (Settlements::in_memory().await?, Kept::Memory)
        }
    };
    let health = Health::new(service.readiness());
    let (inbox, entries) = mpsc::channel(WAITING);
    service.spawn(
        "ledger",
        write(settlements.clone(), entries, health.clone()),
    );
    let maintenance = maintain(
        settlements.clone(),
        settings.retention,
        health.clone(),
        service.drain(),
    );
    service.spawn("ledger's maintenance", maintenance);
    let listing = Listing {
        settlements,
        kept,
        health,
    };
    Ok((Ledger { inbox }, listing))
}

impl Ledger {
    /// Enters the verdict on a frame; the one to answer with, which is another when an earlier answer stands or nothing can
    /// be entered.
    pub async fn enter(&self, frame: FrameId, verdict: Verdict) -> Verdict {
        let Some(settlement) = verdict.settlement() else {
            return verdict;
        };
        let (standing, stands) = oneshot::channel();
        let entry = Entry {
            frame,
            settlement,
            standing,
        };
        // When the task is gone nobody waits for the answer below either.
        let _ = self.inbox.send(entry).await;
        match stands.await {
            Ok(stands) if stands == settlement => verdict,
            // Only this outweighs another answer. How many faces there were is not kept.
            Ok(_) => Verdict::Recorded { faces: 0 },
            Err(_) => Verdict::Deferred(Away {
                part: Part::Ledger,
                timed_out: false,
            }),
        }
    }
}

/// Waits for more answers until `end`, or until there are many, or no more will come.
async fn gather(entries: &mut mpsc::Receiver<Entry>, batch: &mut Vec<Entry>, end: Instant) {
    let ended = sleep_until(end);
    tokio::pin!(ended);
    while batch.len() < MANY {
        let room = BATCH - batch.len();
        tokio::select! {
            biased;
            // Time that has passed changes nothing for what is already there.
            more = entries.recv_many(batch, room) => if more == 0 { return },
            () = &mut ended => return,
        }
    }
}

/// Works until the last sender is gone.
async fn write(
    settlements: Settlements,
    mut entries: mpsc::Receiver<Entry>,
    health: Health,
) -> Result<(), Infallible> {
    let mut batch = Vec::with_capacity(BATCH);
    let mut next = Instant::now();
    while entries.recv_many(&mut batch, BATCH).await > 0 {
        gather(&mut entries, &mut batch, next).await;
        next = Instant::now() + APART;
        let (frames, waiting): (Vec<_>, Vec<_>) = batch
            .drain(..)
            .map(|entry| ((entry.frame, entry.settlement), entry.standing))
            .unzip();
        let entered = settlements.enter(&frames, Timestamp::now()).await;
        // What went wrong is in the log and the readiness; who waits is told by the dropped sender.
        if let Ok(standing) = health.wrote(entered) {
            for (waiting, standing) in waiting.into_iter().zip(standing) {
                // Who does not wait any more sends the frame again and is answered the same.
                let _ = waiting.send(standing);
            }
        }
    }
    Ok(())
}
