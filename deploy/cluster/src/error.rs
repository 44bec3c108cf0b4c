//! Why a cluster did not do what was asked: the words of the API server, once read and said plainly.

use std::error::Error as StdError;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::time::Duration;

use kube::core::Status;

/// Why the cluster did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A right is missing.
    #[error("{what}: {denied}")]
    Denied {
        /// What was to be done.
        what: String,
        /// The missing right.
        denied: Box<Denied>,
    },
    /// The API server does not know who asks.
    #[error("{what}: the API server does not accept these credentials; they may have expired")]
    Unknown {
        /// What was to be done.
        what: String,
    },
    /// The certificate of one side is not accepted by the other.
    #[error("{what}: no trusted connection to the API server: {reason}")]
    Untrusted {
        /// What was to be done.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The API server did not answer for so long.
    #[error("{what}: the API server has not answered for {waited:.0?}: {reason}")]
    Away {
        /// What was to be done.
        what: String,
        /// How long it was asked.
        waited: Duration,
        /// Its last sign.
        reason: String,
    },
    /// Somebody else has set these fields.
    #[error(
        "{what}: {conflicts}; take the field out of the manifest, or let the other one give it up"
    )]
    Conflict {
        /// What was to be done.
        what: String,
        /// Fields and who has set them.
        conflicts: String,
    },
    /// It was there before, without the label of airsidectl.
    #[error(
        "{0} is there and was not created by airsidectl (no label app.kubernetes.io/managed-by=airsidectl); it stays as it is"
    )]
    Foreign(String),
    /// The cluster has no such kind of object.
    #[error("{0}")]
    NoKind(String),
    /// Another operator is at work.
    #[error(
        "{holder} is at work in namespace {namespace} since {since}; its claim ends {seconds} s after its last sign of life"
    )]
    Busy {
        /// Who, and with what.
        holder: String,
        /// Where.
        namespace: String,
        /// Since when.
        since: String,
        /// How long a claim lives without a sign of life.
        seconds: u64,
    },
    /// A manifest, a name or a setting that cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// The API server refuses for another reason.
    #[error("{what}: {reason}")]
    Refused {
        /// What was to be done.
        what: String,
        /// Its words.
        reason: String,
    },
}

impl Error {
    /// Reads what the API server, or the way to it, says.
    pub(crate) fn of(what: &str, error: &kube::Error) -> Self {
        let what = what.to_owned();
        match error {
            kube::Error::Api(status) => Self::of_status(what, status),
            other => match distrust(other) {
                Some(reason) => Self::Untrusted { what, reason },
                None => Self::Refused {
                    what,
                    reason: innermost(other),
                },
            },
        }
    }

    fn of_status(what: String, status: &Status) -> Self {
        match status.code {
            401 => Self::Unknown { what },
            403 => match Denied::read(&status.message) {
                Some(denied) => Self::Denied {
                    what,
                    denied: Box::new(denied),
                },
                None => Self::Refused {
                    what,
                    reason: status.message.clone(),
                },
            },
            409 if conflicts(status).is_some() => Self::Conflict {
                what,
                conflicts: conflicts(status).unwrap_or_default(),
            },
            _ => Self::Refused {
                what,
                reason: status.message.clone(),
            },
        }
    }

    /// Whether the cluster is fine and the input is not.
    pub fn is_bad_input(&self) -> bool {
        matches!(
            self,
            Self::Unusable(_) | Self::NoKind(_) | Self::Foreign(_) | Self::Conflict { .. }
        )
    }
}

/// A right that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Who asked, as the API server knows them.
    pub user: String,
    /// `patch`
    pub verb: String,
    /// `deployments`, `pods/portforward`
    pub resource: String,
    /// `apps`; empty for the core group.
    pub group: String,
    /// Where; none for the whole cluster.
    pub namespace: Option<String>,
}

impl Denied {
    /// Reads `… User "u" cannot patch resource "deployments" in API group "apps" in the namespace "airside"`.
    fn read(message: &str) -> Option<Self> {
        let quoted = |start: &str| {
            let rest = message.split_once(start)?.1;
            Some(rest.split_once('"')?.0.to_owned())
        };
        let verb = message.split_once(" cannot ")?.1.split(' ').next()?;
        Some(Self {
            user: quoted("User \"")?,
            verb: verb.to_owned(),
            resource: quoted("resource \"")?,
            group: quoted("API group \"").unwrap_or_default(),
            namespace: quoted("namespace \""),
        })
    }
}

impl Display for Denied {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            user,
            verb,
            resource,
            group,
            namespace,
        } = self;
        let dot = if group.is_empty() { "" } else { "." };
        write!(f, "{user} may not {verb} {resource}{dot}{group}")?;
        match namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => write!(f, " in the whole cluster"),
        }?;
        write!(f, "; deploy/k8s/rbac has every right that airsidectl needs")
    }
}

/// The fields that somebody else has set, with whom.
fn conflicts(status: &Status) -> Option<String> {
    let causes = status.details.as_ref()?.causes.iter();
    let conflicts: Vec<String> = causes
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| format!("{}: {}", cause.field, cause.message))
        .collect();
    (!conflicts.is_empty()).then(|| conflicts.join(", "))
}

/// Whether asking again may help: nobody listens, or the API server is starting, ending or overloaded.
pub(crate) fn is_passing(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 429 | 500 | 502 | 503 | 504),
        kube::Error::Service(_) | kube::Error::HyperError(_) | kube::Error::ReadEvents(_) => {
            distrust(error).is_none()
        }
        _ => false,
    }
}

pub(crate) fn is_missing(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// What TLS says against the other side, if that is it.
fn distrust(error: &kube::Error) -> Option<String> {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls.to_string());
        }
        // An I/O error names the cause of what it wraps, not what it wraps.
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        cause = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

pub(crate) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_named() {
        let message = "deployments.apps \"collector-v1\" is forbidden: User \"guest\" cannot patch resource \
                       \"deployments\" in API group \"apps\" in the namespace \"airside\"";
        let denied = Denied::read(message).expect("read");
        let words = denied.to_string();
        assert!(
            words.starts_with("guest may not patch deployments.apps in namespace airside"),
            "{words}"
        );
        let cluster = "nodes is forbidden: User \"guest\" cannot list resource \"nodes\" in API group \"\" at the cluster scope";
        let denied = Denied::read(cluster).expect("read");
        assert!(
            denied
                .to_string()
                .starts_with("guest may not list nodes in the whole cluster"),
            "{denied}"
        );
        assert_eq!(Denied::read("exceeded quota"), None);
    }

    #[test]
    fn only_what_may_pass_is_asked_again() {
        let status = |code| kube::Error::Api(Status::failure("", "").with_code(code).boxed());
        assert!([429, 500, 503].map(status).iter().all(is_passing));
        assert!(![400, 403, 404, 409, 422].map(status).iter().any(is_passing));
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert!(is_passing(&kube::Error::Service(refused.into())));
        let expired = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        let expired = kube::Error::Service(io::Error::other(expired).into());
        assert!(!is_passing(&expired));
        let words = Error::of("read pods", &expired).to_string();
        assert!(
            words.contains("no trusted connection") && words.contains("Expired"),
            "{words}"
        );
    }
}
