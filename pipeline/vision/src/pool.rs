//! A fixed number of things of which each serves one caller at a time.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, PoisonError};

/// Things to borrow. Whoever finds none waits for the next that comes back.
pub(crate) struct Pool<T> {
    idle: Mutex<Vec<T>>,
    returned: Condvar,
}

impl<T> Pool<T> {
    pub(crate) fn new(things: Vec<T>) -> Self {
        debug_assert!(
            !things.is_empty(),
            "an empty pool would make every caller wait for ever"
        );
        Self {
            idle: Mutex::new(things),
            returned: Condvar::new(),
        }
    }

    /// Takes one, waiting if need be; it goes back when the loan is dropped.
    pub(crate) fn borrow(&self) -> Loan<'_, T> {
        // A panic while the lock was held cannot leave the list half-changed: only push and pop happen under it.
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(thing) = idle.pop() {
                return Loan {
                    pool: self,
                    thing: Some(thing),
                };
            }
            idle = self
                .returned
                .wait(idle)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// One thing on loan from its pool.
pub(crate) struct Loan<'a, T> {
    pool: &'a Pool<T>,
    thing: Option<T>,
}

const HELD: &str = "a loan holds its thing until it is dropped";

impl<T> Deref for Loan<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.thing.as_ref().expect(HELD)
    }
}

impl<T> DerefMut for Loan<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.thing.as_mut().expect(HELD)
    }
}

impl<T> Drop for Loan<'_, T> {
    fn drop(&mut self) {
        if let Some(thing) = self.thing.take() {
            self.pool
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(thing);
            self.pool.returned.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn never_more_loans_than_things() {
        let pool = Pool::new(vec![(), ()]);
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _loan = pool.borrow();
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 2);
        assert_eq!(pool.idle.into_inner().expect("nobody panicked").len(), 2);
    }
}
