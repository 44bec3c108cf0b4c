//! Passages: folding the observations of one camera into persons, each counted once.
