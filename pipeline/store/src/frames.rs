//! Which frames were carried out, kept as runs of sequence numbers: a camera's day is a few rows.

use airside_core::{FrameId, Timestamp};

use crate::{
    Error,
    database::{Session, sql},
};

/// By what name writers about a camera exclude each other.
pub(crate) fn turn(agent: &str, camera: &str) -> String {
    format!("camera {agent}/{camera}")
}

/// Notes that a frame is carried out; `false` if it was before. It is its camera's turn.
pub(crate) async fn note(
    session: &mut Session,
    frame: &FrameId,
    now: Timestamp,
) -> Result<bool, Error> {
    let (epoch, sequence) = (frame.epoch.cast_signed(), frame.sequence.cast_signed());
    let select = sql("SELECT first, last FROM frame_run
         WHERE agent = $1 AND camera = $2 AND epoch = $3 AND first <= $4 AND last >= $5")
    .bind(&frame.agent)
    .bind(&frame.camera)
    .bind(epoch)
    .bind(sequence.saturating_add(1))
    .bind(sequence.saturating_sub(1));
    let neighbours: Vec<(i64, i64)> = session.rows(select).await?;
    if neighbours
        .iter()
        .any(|(first, last)| (first..=last).contains(&&sequence))
    {
        return Ok(false);
    }
    let mut run = (sequence, sequence);
    for (first, last) in neighbours {
        run = (run.0.min(first), run.1.max(last));
        let delete = sql(
            "DELETE FROM frame_run WHERE agent = $1 AND camera = $2 AND epoch = $3 AND first = $4",
        )
        .bind(&frame.agent)
        .bind(&frame.camera)
        .bind(epoch)
        .bind(first);
        session.execute(delete).await?;
    }
    let insert = sql(
        "INSERT INTO frame_run (agent, camera, epoch, first, last, touched_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&frame.agent)
    .bind(&frame.camera)
    .bind(epoch)
    .bind(run.0)
    .bind(run.1)
    .bind(now.as_micros());
    session.execute(insert).await?;
    Ok(true)
}

/// Forgets the runs that nothing was added to since.
pub(crate) async fn purge(session: &mut Session, before: Timestamp) -> Result<(), Error> {
    let old = sql("DELETE FROM frame_run WHERE touched_at < $1").bind(before.as_micros());
    session.execute(old).await?;
    Ok(())
}
