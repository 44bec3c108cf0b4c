//! What Airside keeps: persons, alerts, carried-out requests, in SQLite.
