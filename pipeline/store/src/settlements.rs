//! What a collector answered for each frame, exactly and for good: its side of the ledger.
//!
//! Kept as runs of sequence numbers with the same answer, so that a camera's day is a few rows. A frame has one
//! answer; of several the weightiest stands ([`Settlement::or`]). A collector has a file of its own: what it answered is nobody
//! else's to write.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::Path};

use airside_core::{
    FrameId, Run, Runs, Timestamp,
    ledger::{Place, Settlement},
};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqlitePool};

use crate::{Error, database::File};

/// The answers of one collector.
#[derive(Clone, Debug)]
pub struct Settlements {
    file: File,
}

/// One epoch of one camera.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stream {
    /// Agent that owns the camera.
    pub agent: String,
    /// Camera within the agent.
    pub camera: String,
    /// Its epoch.
    pub epoch: u64,
}

/// Which answers are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Those of this agent alone.
    pub agent: Option<String>,
    /// Those of cameras of this name alone.
    pub camera: Option<String>,
    /// Those behind this frame, in the order of the answers.
    pub after: Option<FrameId>,
    /// Most runs.
    pub limit: u32,
}

type Row = (String, String, i64, i64, i64, String);

impl Settlements {
    /// Opens or creates the file.
    ///
    /// # Errors
    /// It cannot be opened for writing, or is a file of something else.
    pub async fn open(file: &Path) -> Result<Self, Error> {
        let file = File::open(file, &sqlx::migrate!("migrations/sqlite/ledger")).await?;
        Ok(Self { file })
    }

    /// Keeps the answers as long as this process lives.
    ///
    /// # Errors
    /// There is no memory for it.
    pub async fn in_memory() -> Result<Self, Error> {
        let file = File::in_memory(&sqlx::migrate!("migrations/sqlite/ledger")).await?;
        Ok(Self { file })
    }

    /// Notes how frames are to be answered, all or none; what stands for each of them from now on.
    ///
    /// # Errors
    /// It cannot be written. What stands for some frames may have been by then, and is entered again as it is.
    pub async fn enter(
        &self,
        frames: &[(FrameId, Settlement)],
        now: Timestamp,
    ) -> Result<Vec<Settlement>, Error> {
        let mut streams = BTreeMap::<Stream, Runs<Settlement>>::new();
        for (frame, settlement) in frames {
            settle(
                streams.entry(Stream::of(frame)).or_default(),
                frame.sequence..=frame.sequence,
                *settlement,
            );
        }
        if !append(self.file.writer(), &streams, now).await? {
            let mut write = self.file.write().await?;
            for (stream, runs) in &mut streams {
                let asked = std::mem::take(runs);
                for run in asked.iter() {
                    runs.extend(enter_run(&mut write, stream, run, now).await?);
                }
            }
            write.commit().await?;
        }
        let standing = frames.iter().map(|(frame, settlement)| {
            let runs = streams.get(&Stream::of(frame));
            let standing = runs.and_then(|runs| runs.get(frame.sequence)).copied();
            standing.unwrap_or(*settlement)
        });
        Ok(standing.collect())
    }

    /// Answers in the order of agent, camera, epoch, sequence; as many runs as the query allows. Of the run in which
    /// `after` stands only what follows may be new.
    ///
    /// # Errors
    /// The file, or what stands in it, cannot be read.
    pub async fn list(&self, query: &Query) -> Result<Vec<(Stream, Run<Settlement>)>, Error> {
        let mut select = QueryBuilder::<Sqlite>::new(
            "SELECT agent, camera, epoch, first, last, settlement FROM settlement_run WHERE TRUE",
        );
        query.narrow(&mut select);
        if let Some(after) = &query.after {
            select.push(" AND (agent, camera, epoch, last) > (");
            let mut values = select.separated(", ");
            values.push_bind(after.agent.clone());
            values.push_bind(after.camera.clone());
            values.push_bind(after.epoch.cast_signed());
            values.push_bind(after.sequence.cast_signed());
            select.push(")");
        }
        select.push(" ORDER BY agent, camera, epoch, first LIMIT ");
        select.push_bind(query.limit);
        let rows: Vec<Row> = select.build_query_as().fetch_all(self.file.read()).await?;
        rows.into_iter().map(read_row).collect()
    }

    /// Up to which frame each camera's answers were forgotten, at least in part.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn forgotten(
        &self,
        query: &Query,
    ) -> Result<BTreeMap<(String, String), Place>, Error> {
        let mut select = QueryBuilder::<Sqlite>::new(
            "SELECT agent, camera, epoch, sequence FROM forgotten WHERE TRUE",
        );
        query.narrow(&mut select);
        let rows: Vec<(String, String, i64, i64)> =
            select.build_query_as().fetch_all(self.file.read()).await?;
        let places = rows.into_iter().map(|(agent, camera, epoch, sequence)| {
            let place = Place {
                epoch: epoch.cast_unsigned(),
                sequence: sequence.cast_unsigned(),
            };
            ((agent, camera), place)
        });
        Ok(places.collect())
    }

    /// Erases the runs to which nothing was added since `before`, and keeps in mind up to where that was.
    ///
    /// # Errors
    /// The file cannot be written; nothing was erased.
    pub async fn purge(&self, before: Timestamp) -> Result<(), Error> {
        let mut write = self.file.write().await?;
        sqlx::query(
            "INSERT INTO forgotten (agent, camera, epoch, sequence)
             SELECT agent, camera, epoch, last FROM (
                 SELECT agent, camera, epoch, last,
                        ROW_NUMBER() OVER (PARTITION BY agent, camera ORDER BY epoch DESC, last DESC) AS place
                 FROM settlement_run WHERE touched_at < $1
             ) AS erased WHERE place = 1
             ON CONFLICT (agent, camera) DO UPDATE SET epoch = excluded.epoch, sequence = excluded.sequence
             WHERE (excluded.epoch, excluded.sequence) > (forgotten.epoch, forgotten.sequence)",
        )
        .bind(before.as_micros())
        .execute(&mut *write)
        .await?;
        sqlx::query("DELETE FROM settlement_run WHERE touched_at < $1")
            .bind(before.as_micros())
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    /// Finds out whether writing works.
    ///
    /// # Errors
    /// It does not.
    pub async fn probe(&self) -> Result<(), Error> {
        self.file.probe().await
    }
}

impl Stream {
    fn of(frame: &FrameId) -> Self {
        Self {
            agent: frame.agent.clone(),
            camera: frame.camera.clone(),
            epoch: frame.epoch,
        }
    }
}

impl Query {
    fn narrow(&self, select: &mut QueryBuilder<Sqlite>) {
        if let Some(agent) = &self.agent {
            select.push(" AND agent = ").push_bind(agent.clone());
        }
        if let Some(camera) = &self.camera {
            select.push(" AND camera = ").push_bind(camera.clone());
        }
    }
}

/// Settles frames in memory as [`Settlement::or`] says.
fn settle(
    runs: &mut Runs<Settlement>,
    frames: std::ops::RangeInclusive<u64>,
    settlement: Settlement,
) {
    let (first, last) = frames.into_inner();
    let standing: Vec<Run<Settlement>> = runs
        .iter()
        .filter(|run| run.first <= last && run.last >= first)
        .map(|run| Run {
            first: run.first.max(first),
            last: run.last.min(last),
            state: run.state.or(settlement),
        })
        .collect();
    runs.set(first..=last, settlement);
    runs.extend(standing);
}

/// What nearly every batch is: each stream goes on where it ended, with the answer it ended with. One statement then, which
/// costs a fraction of a transaction that looks first. Whether it was so; if not, some streams may have been entered.
async fn append(
    writer: &SqlitePool,
    streams: &BTreeMap<Stream, Runs<Settlement>>,
    now: Timestamp,
) -> Result<bool, Error> {
    let single = streams.iter().filter_map(|(stream, runs)| {
        let mut runs = runs.iter();
        let only = runs.next().filter(|_| runs.next().is_none())?;
        // Nothing can stand before 0.
        (only.first > 0).then_some((stream, only))
    });
    let single: Vec<_> = single.collect();
    if single.len() < streams.len() {
        return Ok(false);
    }
    let mut update = QueryBuilder::<Sqlite>::new(
        "WITH added (agent, camera, epoch, first, last, settlement) AS (",
    );
    update.push_values(&single, |mut values, (stream, run)| {
        values
            .push_bind(stream.agent.clone())
            .push_bind(stream.camera.clone())
            .push_bind(stream.epoch.cast_signed())
            .push_bind(run.first.cast_signed())
            .push_bind(run.last.cast_signed())
            .push_bind(run.state.as_str());
    });
    update.push(") UPDATE settlement_run SET last = added.last, touched_at = ");
    update.push_bind(now.as_micros());
    // The newest run of its stream, without a gap.
    update.push(
        " FROM added
         WHERE (settlement_run.agent, settlement_run.camera, settlement_run.epoch, settlement_run.settlement)
             = (added.agent, added.camera, added.epoch, added.settlement)
           AND settlement_run.first = (
               SELECT MAX(newest.first) FROM settlement_run AS newest
               WHERE (newest.agent, newest.camera, newest.epoch) = (added.agent, added.camera, added.epoch))
           AND settlement_run.last + 1 = added.first",
    );
    let updated = update.build().execute(writer).await?.rows_affected();
    Ok(updated == single.len() as u64)
}

/// Enters a run; what stands for its frames and their neighbours from now on.
async fn enter_run(
    connection: &mut SqliteConnection,
    stream: &Stream,
    run: Run<&Settlement>,
    now: Timestamp,
) -> Result<Vec<Run<Settlement>>, Error> {
    let before = neighbours(connection, stream, run).await?;
    let mut after = before.clone();
    settle(&mut after, run.first..=run.last, *run.state);
    for old in before.iter() {
        let stays = after.iter().any(|new| new.first == old.first);
        if !stays {
            sqlx::query(
                "DELETE FROM settlement_run
                 WHERE agent = $1 AND camera = $2 AND epoch = $3 AND first = $4",
            )
            .bind(&stream.agent)
            .bind(&stream.camera)
            .bind(stream.epoch.cast_signed())
            .bind(old.first.cast_signed())
            .execute(&mut *connection)
            .await?;
        }
    }
    for new in after.iter() {
        if before.iter().any(|old| old == new) {
            continue;
        }
        sqlx::query(
            "INSERT INTO settlement_run (agent, camera, epoch, first, last, settlement, touched_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (agent, camera, epoch, first) DO UPDATE
             SET last = excluded.last, settlement = excluded.settlement, touched_at = excluded.touched_at",
        )
        .bind(&stream.agent)
        .bind(&stream.camera)
        .bind(stream.epoch.cast_signed())
        .bind(new.first.cast_signed())
        .bind(new.last.cast_signed())
        .bind(new.state.as_str())
        .bind(now.as_micros())
        .execute(&mut *connection)
        .await?;
    }
    Ok(after.iter().map(|run| copied(&run)).collect())
}

/// The runs that a run overlaps or touches.
async fn neighbours(
    connection: &mut SqliteConnection,
    stream: &Stream,
    run: Run<&Settlement>,
) -> Result<Runs<Settlement>, Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT agent, camera, epoch, first, last, settlement FROM settlement_run
         WHERE agent = $1 AND camera = $2 AND epoch = $3 AND first <= $4 AND last >= $5",
    )
    .bind(&stream.agent)
    .bind(&stream.camera)
    .bind(stream.epoch.cast_signed())
    .bind(run.last.cast_signed().saturating_add(1))
    .bind(run.first.cast_signed().saturating_sub(1))
    .fetch_all(connection)
    .await?;
    let runs = rows.into_iter().map(|row| Ok(read_row(row)?.1));
    runs.collect()
}

fn copied(run: &Run<&Settlement>) -> Run<Settlement> {
    Run {
        first: run.first,
        last: run.last,
        state: *run.state,
    }
}

fn read_row(row: Row) -> Result<(Stream, Run<Settlement>), Error> {
    let (agent, camera, epoch, first, last, settlement) = row;
    let known = [Settlement::Recorded, Settlement::Rejected, Settlement::Shed];
    let state = known
        .into_iter()
        .find(|known| known.as_str() == settlement)
        .ok_or_else(|| Error::content("settlement", settlement))?;
    let stream = Stream {
        agent,
        camera,
        epoch: epoch.cast_unsigned(),
    };
    let run = Run {
        first: first.cast_unsigned(),
        last: last.cast_unsigned(),
        state,
    };
    Ok((stream, run))
}
