//! The thread that looks after a spool on disk: tells the disk to keep what was written, removes what is not needed,
//! lets go of what is too old, and tries a disk that failed again.
//!
//! A segment that is full is kept at once and not when its time has come: the disk then writes while frames come, instead of
//! standing still first and having everything to do in the end.

use std::{
    io,
    sync::{
        Arc, Weak,
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::Outbox;

/// Longest pause: how long a disk that works again waits to be noticed, and a removed directory.
const PAUSE: Duration = Duration::from_secs(1);
/// Shortest: a disk that is told to keep things more often does nothing else.
const HASTE: Duration = Duration::from_millis(10);

/// Ends its thread, after a last look, when it is dropped.
pub(super) struct Keeper {
    /// Tells that a segment is full.
    full: Option<mpsc::SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Outbox {
    /// Starts looking after the spool, until it is closed or dropped. Does nothing for one in memory.
    ///
    /// # Errors
    /// There are too many threads.
    pub fn keep(self: &Arc<Self>) -> io::Result<()> {
        if self.disk.is_none() {
            return Ok(());
        }
        // One notice is enough for all segments that are full by then.
        let (full, notices) = mpsc::sync_channel(1);
        let outbox = Arc::downgrade(self);
        let thread = thread::Builder::new()
            .name("spool".to_owned())
            .spawn(move || look_after(&outbox, &notices))?;
        *self.keeper() = Some(Keeper {
            full: Some(full),
            thread: Some(thread),
        });
        Ok(())
    }

    fn pause(&self) -> Duration {
        let sync = self.disk.as_ref().map(|disk| disk.bounds().sync);
        match sync {
            None | Some(Duration::ZERO) => PAUSE,
            Some(sync) => sync.clamp(HASTE, PAUSE),
        }
    }
}

impl Keeper {
    /// Has a segment that is full kept.
    pub(super) fn is_full(&self) {
        if let Some(full) = &self.full {
            // One that waits already is as good.
            let _ = full.try_send(());
        }
    }
}

fn look_after(outbox: &Weak<Outbox>, notices: &mpsc::Receiver<()>) {
    let pause = || outbox.upgrade().map_or(PAUSE, |outbox| outbox.pause());
    let mut due = Instant::now() + pause();
    loop {
        let notice = notices.recv_timeout(due.saturating_duration_since(Instant::now()));
        let ended = notice == Err(RecvTimeoutError::Disconnected);
        if let Some(outbox) = outbox.upgrade() {
            if notice.is_ok() {
                outbox.keep_full();
            }
            if ended || Instant::now() >= due {
                outbox.look_after();
                due = Instant::now() + outbox.pause();
            }
        }
        if ended {
            return;
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.full.take();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // A panic there is in the log.
            let _ = thread.join();
        }
    }
}
