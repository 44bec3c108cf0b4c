//! Requests carried out and how they were answered, so that a repetition is answered the same.

use airside_core::Timestamp;

use crate::{
    Error,
    database::{Session, sql},
};

/// A request that may be repeated: a mesh retries with the same `x-request-id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Method and path.
    pub target: String,
    /// Its id.
    pub id: String,
}

/// How a request was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Media type of the body.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

/// The outcome of something that is carried out once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once<T> {
    /// How it is answered, now as the first time.
    pub answer: Answer,
    /// What it did; `None` if it was carried out before.
    pub effect: Option<T>,
}

/// The answer that the request got before. While it is being carried out elsewhere, that is waited for.
pub(crate) async fn answered(
    session: &mut Session,
    request: &Request,
) -> Result<Option<Answer>, Error> {
    let Request { target, id } = request;
    session.exclude(&format!("request {target} {id}")).await?;
    let select =
        sql("SELECT status, content_type, body FROM request WHERE target = $1 AND id = $2");
    let row: Option<(i64, String, Vec<u8>)> = session.row(select.bind(target).bind(id)).await?;
    row.map(|(status, content_type, body)| {
        let status =
            u16::try_from(status).map_err(|error| Error::content("request's answer", error))?;
        Ok(Answer {
            status,
            content_type,
            body,
        })
    })
    .transpose()
}

/// Notes how a request is answered.
pub(crate) async fn note(
    session: &mut Session,
    request: &Request,
    answer: &Answer,
    now: Timestamp,
) -> Result<(), Error> {
    let insert = sql(
        "INSERT INTO request (target, id, status, content_type, body, answered_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&request.target)
    .bind(&request.id)
    .bind(i64::from(answer.status))
    .bind(&answer.content_type)
    .bind(answer.body.as_slice())
    .bind(now.as_micros());
    session.execute(insert).await?;
    Ok(())
}

/// Forgets the requests answered before.
pub(crate) async fn purge(session: &mut Session, before: Timestamp) -> Result<(), Error> {
    let old = sql("DELETE FROM request WHERE answered_at < $1").bind(before.as_micros());
    session.execute(old).await?;
    Ok(())
}
