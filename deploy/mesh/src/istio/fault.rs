//! Faults on purpose.

use serde::Deserialize;

use super::inspect::Inspector;
use super::{Duration, Percent};

/// What goes wrong with some of a rule's requests.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// They wait.
    pub delay: Option<Delay>,
    /// They are answered with an error.
    pub abort: Option<Abort>,
}

/// Requests that wait before they go on.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delay {
    /// How long.
    pub fixed_delay: Duration,
    /// Which share; none, if neither this nor `percent` is there.
    pub percentage: Option<Percent>,
    /// Old form of `percentage`.
    pub percent: Option<u32>,
}

/// Requests that are answered with an error.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Abort {
    /// HTTP status of the answer.
    pub http_status: Option<u16>,
    /// gRPC status of the answer.
    pub grpc_status: Option<GrpcStatus>,
    /// Which share; none, if it is not there.
    pub percentage: Option<Percent>,
}

/// gRPC's status codes by name; the value is the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the names are gRPC's own")]
pub enum GrpcStatus {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Fault {
    pub(super) fn inspect(&self, at: &mut Inspector<'_>) {
        if self.delay.is_none() && self.abort.is_none() {
            at.refuse("does nothing", "`delay` or `abort`");
        }
        if let Some(delay) = &self.delay {
            delay.inspect(&mut at.field("delay"));
        }
        if let Some(abort) = &self.abort {
            abort.inspect(&mut at.field("abort"));
        }
    }
}

impl Delay {
    fn inspect(&self, at: &mut Inspector<'_>) {
        at.field("fixedDelay").duration(Some(self.fixed_delay));
        at.field("percentage").percent(self.percentage);
        at.at_most_one(&[
            ("percentage", self.percentage.is_some()),
            ("percent", self.percent.is_some()),
        ]);
        if let Some(percent) = self.percent
            && percent > 100
        {
            at.field("percent")
                .refuse(format!("{percent} is no percentage"), "0 to 100");
        }
    }
}

impl Abort {
    fn inspect(&self, at: &mut Inspector<'_>) {
        at.field("percentage").percent(self.percentage);
        let alone = at.at_most_one(&[
            ("httpStatus", self.http_status.is_some()),
            ("grpcStatus", self.grpc_status.is_some()),
        ]);
        if alone && self.http_status.is_none() && self.grpc_status.is_none() {
            at.refuse("answers nothing", "`httpStatus` or `grpcStatus`");
        }
        if let Some(status) = self.http_status
            && !(200..600).contains(&status)
        {
            at.field("httpStatus")
                .refuse(format!("{status} is no status"), "200 to 599");
        }
    }
}
