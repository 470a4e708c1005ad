//! Every message of the meeting scheduler in words.

use crate::id::OperationId;
use crate::services::meeting::command::verb;
use crate::services::meeting::message::{
    Entry, Meeting, PeerBody, PeerMessage, Piece, Reply, Request, TaskId,
};
use crate::services::meeting::times::Times;
use crate::trace::{Part, TransactionStep};

/// How many names are told of a piece; the others are counted.
const NAMES_TOLD_MAX: usize = 5;

/// A request, as its client would type it.
pub(super) fn request(body: &[u8]) -> String {
    match Request::decode(body) {
        Err(error) => format!("no request: {error}"),
        Ok(request) => {
            let when = match &request {
                Request::Free { .. } => String::new(),
                Request::Register(Meeting { stretch, .. }) => {
                    format!("{} {} ", stretch.start(), stretch.end())
                }
            };
            format!("{} {when}{}", verb(&request), request.names().join(" "))
        }
    }
}

/// A reply, as in the seed's session.
pub(super) fn reply(body: &[u8]) -> String {
    match Reply::decode(body) {
        Err(error) => format!("no reply: {error}"),
        Ok(Reply::Free(answer)) => answer.to_string(),
        Ok(Reply::Registered(meeting)) => {
            format!("Registered {}", of_meeting(&meeting))
        }
        Ok(Reply::Refused(refusal)) => refusal.to_string(),
    }
}

/// A message from one server to another.
pub(super) fn peer(body: &[u8]) -> String {
    match PeerMessage::decode(body) {
        Err(error) => format!("no message: {error}"),
        Ok(message) => told(&message.body),
    }
}

fn told(body: &PeerBody) -> String {
    match body {
        PeerBody::Here => "has begun".to_owned(),
        PeerBody::Who { .. } => "asks for names".to_owned(),
        PeerBody::Names { piece, names, .. } => format!("has {}{}", some(names), of_piece(*piece)),
        PeerBody::HasNames { piece, .. } => format!("knows piece {} of the names", piece + 1),
        PeerBody::NamesTaken { names, .. } => format!("knows another {}", some(names)),
        PeerBody::Lookup { names, pieces, .. } => match &pieces[..] {
            [] => format!("free {}", names.join(" ")),
            pieces => {
                let numbers: Vec<String> = pieces.iter().map(|it| (it + 1).to_string()).collect();
                format!("free {}: piece {}", names.join(" "), numbers.join(", "))
            }
        },
        PeerBody::Times { piece, entries, .. } => {
            format!("{}{}", of_entries(entries), of_piece(*piece))
        }
        PeerBody::Prepare { task, meeting } => format!("{task} prepare {}", of_meeting(meeting)),
        PeerBody::Vote { task, against } if against.is_empty() => format!("{task} yes"),
        PeerBody::Vote { task, against } => format!("{task} no: {}", against.join(", ")),
        PeerBody::Decide { task, commit: true } => format!("{task} commit"),
        PeerBody::Decide {
            task,
            commit: false,
        } => format!("{task} abort"),
        PeerBody::Done { task } => format!("{task} done"),
        PeerBody::Inquire { task } => format!("{task} decided?"),
    }
}

/// What a server does in a transaction.
pub(super) fn step(
    (task, about): (TaskId, Option<OperationId>),
    part: Part,
    meeting: &Meeting,
) -> TransactionStep {
    TransactionStep {
        operation: about,
        transaction: task.to_string().into(),
        part,
        found: false,
        text: of_meeting(meeting).into(),
    }
}

/// `[1,2] for lilith, jameson`
pub(super) fn of_meeting(meeting: &Meeting) -> String {
    format!("{} for {}", meeting.stretch, meeting.names.join(", "))
}

fn of_entries(entries: &[Entry]) -> String {
    let one = |entry: &Entry| {
        let times = Times::new(entry.times.clone()).unwrap_or_default();
        format!("{} {times}", entry.name)
    };
    match entries {
        [] => "nobody".to_owned(),
        entries => entries.iter().map(one).collect::<Vec<_>>().join("; "),
    }
}

fn some(names: &[String]) -> String {
    match names.len().checked_sub(NAMES_TOLD_MAX) {
        None if names.is_empty() => "nobody".to_owned(),
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..NAMES_TOLD_MAX].join(", ")),
    }
}

/// `, piece 1 of 2`, or nothing if it is the only one.
fn of_piece(piece: Piece) -> String {
    match piece {
        Piece { of: 1, .. } => String::new(),
        Piece { number, of } => format!(", piece {} of {of}", number + 1),
    }
}
