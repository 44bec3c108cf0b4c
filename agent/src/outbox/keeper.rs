//! The thread that looks after a spool on disk: tells the disk to keep what was written, removes what is not needed,
//! lets go of what is too old, and tries a disk that failed again.

use std::{
    io,
    sync::{Arc, Weak, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::Outbox;

/// Longest pause: how long a disk that works again waits to be noticed, and a removed directory.
const PAUSE: Duration = Duration::from_secs(1);
/// Shortest: a disk that is told to keep things more often does nothing else.
const HASTE: Duration = Duration::from_millis(10);

/// Ends its thread, after a last look, when it is dropped.
pub(super) struct Keeper {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Outbox {
    /// Starts looking after the spool, until it is closed or dropped. Does nothing for one in memory.
    ///
    /// # Errors
    /// There are too many threads.
    pub fn keep(self: &Arc<Self>) -> io::Result<()> {
        let Some(disk) = &self.disk else {
            return Ok(());
        };
        let pause = match disk.sync {
            Duration::ZERO => PAUSE,
            sync => sync.clamp(HASTE, PAUSE),
        };
        let (stop, stopped) = mpsc::channel();
        let outbox = Arc::downgrade(self);
        let thread = thread::Builder::new()
            .name("spool".to_owned())
            .spawn(move || look_after(&outbox, &stopped, pause))?;
        *self.keeper() = Some(Keeper {
            stop: Some(stop),
            thread: Some(thread),
        });
        Ok(())
    }
}

fn look_after(outbox: &Weak<Outbox>, stopped: &mpsc::Receiver<()>, pause: Duration) {
    loop {
        let ended = stopped.recv_timeout(pause) == Err(mpsc::RecvTimeoutError::Disconnected);
        if let Some(outbox) = outbox.upgrade() {
            outbox.look_after();
        }
        if ended {
            return;
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // A panic there is in the log.
            let _ = thread.join();
        }
    }
}
