//! All instances of a mesh, each with its own end, and the groups in which all end together.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::{Board, Instance, Launch, Stop};

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

    /// Time from being told to end to being killed; together less than 10 s.
    fn drain(self) -> Duration {
        match self {
            Self::Feeders => Duration::from_secs(3),
            Self::Services => Duration::from_secs(4),
            Self::Proxy => Duration::from_secs(1),
        }
    }
}

#[derive(Debug)]
struct Member {
    group: Group,
    /// Ends this one.
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

/// Every instance there is.
#[derive(Debug)]
pub struct Crew {
    board: Board,
    /// Ends a whole group.
    ending: [CancellationToken; 3],
    members: BTreeMap<String, Member>,
}

impl Crew {
    /// Nobody yet. What becomes of them is written on `board`.
    pub fn new(board: &Board) -> Self {
        Self {
            board: board.clone(),
            ending: Default::default(),
            members: BTreeMap::new(),
        }
    }

    /// Starts an instance and keeps it running.
    pub fn start(&mut self, group: Group, launch: Launch) {
        let everyone = self.ending[group as usize].clone();
        let stop = everyone.child_token();
        let name = launch.name.clone();
        self.board.add(&launch);
        let instance = Instance::new(
            launch,
            self.board.clone(),
            Stop {
                own: stop.clone(),
                everyone,
            },
            group.drain(),
        );
        let task = AbortOnDropHandle::new(tokio::spawn(instance.run()));
        self.members.insert(name, Member { group, stop, task });
    }

    /// Ends these instances, all at once, and forgets them. A name that is not there is ended already.
    ///
    /// # Errors
    /// A supervising task that panicked.
    pub async fn retire(&mut self, names: &[String]) -> Result<(), JoinError> {
        for name in names {
            if let Some(member) = self.members.get(name) {
                member.stop.cancel();
            }
        }
        for name in names {
            // It stays a member until it has ended: who gives up waiting has lost nobody.
            if let Some(member) = self.members.get_mut(name) {
                (&mut member.task).await?;
                self.members.remove(name);
                self.board.remove(name);
            }
        }
        Ok(())
    }

    /// Ends everyone, group after group.
    ///
    /// # Errors
    /// A supervising task that panicked.
    pub async fn end(&mut self) -> Result<(), JoinError> {
        for group in Group::ORDER {
            self.ending[group as usize].cancel();
            let members = self.members.values_mut();
            for member in members.filter(|member| member.group == group) {
                (&mut member.task).await?;
            }
        }
        Ok(())
    }
}
