//! How every Airside service starts, reports, becomes ready and drains.
