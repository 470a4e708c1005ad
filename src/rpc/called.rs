//! How a call of a client ended, and what the client may conclude from that.

use crate::history::{Outcome, OutcomeKind, Told};
use crate::id::OperationId;
use crate::rpc::message::Refused;
use crate::wire::SharedBytes;

/// How a call ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Called {
    /// With a reply of the service, in the service's own encoding.
    Reply {
        /// The reply.
        body: SharedBytes,
        /// The operation whose reply it is, where the network knows it.
        reply_to: Option<OperationId>,
    },
    /// The server refused the call before it reached the service.
    Refused(Refused),
    /// It was not sent: the client's format cannot express it.
    NotExpressible,
    /// It was not sent: the server refused the client a session.
    NoSession(Refused),
    /// It was not sent: no answer came to the client's hello.
    NoWelcome {
        /// How often the hello was sent.
        sends: u16,
    },
    /// No reply came: nobody knows whether the request was executed.
    GaveUp {
        /// How often it was sent.
        sends: u16,
    },
}

impl Called {
    /// What a client may conclude. `is_error` says of a reply whether the service refused.
    ///
    /// A session that the server does not know may have belonged to a server life in which an earlier
    /// attempt was executed, so that nobody knows either; nor does a server that is full remember
    /// whether it was, and another copy of the request may find room.
    #[must_use]
    #[inline]
    pub fn outcome(&self, is_error: impl FnOnce(&[u8]) -> bool) -> Outcome {
        match self {
            Self::Reply { body, reply_to } => {
                let failed = is_error(body);
                let kind = if failed {
                    OutcomeKind::Failed
                } else {
                    OutcomeKind::Ok
                };
                Outcome {
                    kind,
                    told: Told::Reply(body.clone()),
                    reply_to: *reply_to,
                }
            }
            Self::Refused(reason @ (Refused::SessionExpired | Refused::Full)) => {
                Outcome::text(OutcomeKind::Unknown, reason.to_string())
            }
            Self::Refused(reason) => Outcome::text(OutcomeKind::Failed, reason.to_string()),
            Self::NotExpressible => {
                Outcome::text(OutcomeKind::Failed, "format v1 cannot express it")
            }
            Self::NoSession(reason) => {
                Outcome::text(OutcomeKind::Failed, format!("no session: {reason}"))
            }
            Self::NoWelcome { sends: 1 } => {
                Outcome::text(OutcomeKind::Failed, "no session: no answer to 1 hello")
            }
            Self::NoWelcome { sends } => Outcome::text(
                OutcomeKind::Failed,
                format!("no session: no answer to {sends} hellos"),
            ),
            Self::GaveUp { sends: 1 } => Outcome::text(OutcomeKind::Unknown, "no reply to 1 send"),
            Self::GaveUp { sends } => {
                Outcome::text(OutcomeKind::Unknown, format!("no reply to {sends} sends"))
            }
        }
    }
}
