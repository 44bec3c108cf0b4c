//! All instances of a mesh, in the groups in which they end.

use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::{Board, Instance, Launch};

/// When an instance ends, relative to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// What only feeds the others; ends first.
    Feeders,
    /// The services.
    Services,
    /// What the services call each other through; ends last.
    Proxy,
}

impl Group {
    const ORDER: [Self; 3] = [Self::Feeders, Self::Services, Self::Proxy];

    /// Time from being asked to end to being killed; together less than 10 s.
    fn drain(self) -> Duration {
        match self {
            Self::Feeders => Duration::from_secs(3),
            Self::Services => Duration::from_secs(4),
            Self::Proxy => Duration::from_secs(1),
        }
    }
}

#[derive(Debug, Default)]
struct Members {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

/// Every instance there is.
#[derive(Debug)]
pub struct Crew {
    board: Board,
    groups: [Members; 3],
}

impl Crew {
    /// Nobody yet. What becomes of them is written on `board`.
    pub fn new(board: &Board) -> Self {
        Self {
            board: board.clone(),
            groups: Default::default(),
        }
    }

    /// Starts an instance and keeps it running.
    pub fn start(&mut self, group: Group, launch: Launch) {
        let members = &mut self.groups[group as usize];
        let stop = members.stop.clone();
        let instance = Instance::new(launch, self.board.clone(), stop, group.drain());
        members.tasks.spawn(instance.run());
    }

    /// Ends everyone, group after group.
    ///
    /// # Errors
    /// A supervising task that panicked.
    pub async fn end(&mut self) -> Result<(), JoinError> {
        for group in Group::ORDER {
            let members = &mut self.groups[group as usize];
            members.stop.cancel();
            while let Some(ended) = members.tasks.join_next().await {
                ended?;
            }
        }
        Ok(())
    }
}
