//! What the scheduler promises, as a specification of its requests and replies as bytes.

use std::collections::BTreeMap;

use crate::check::sequential::SequentialSpec;
use crate::services::meeting::message::{Meeting, Refusal, Reply, Request};
use crate::services::meeting::settings::Settings;
use crate::services::meeting::spec::{self, Asked, Left, MeetingSpec, Names, Told};
use crate::services::meeting::times::Times;

/// The specification of a meeting scheduler.
#[derive(Clone, Debug)]
pub(super) struct Promise(MeetingSpec);

impl Promise {
    /// Of the people of these settings.
    pub(super) fn new(settings: &Settings) -> Self {
        let people = settings.people.iter().flat_map(|people| people.iter());
        let people = people.map(|(name, times)| (name.clone(), times.clone()));
        Self(MeetingSpec::new(
            people.collect::<BTreeMap<String, Times>>(),
        ))
    }
}

impl SequentialSpec for Promise {
    type State = Left;

    fn initial(&self) -> Left {
        self.0.initial()
    }

    fn step(&self, left: &Left, request: &[u8], told: Option<&[u8]>) -> Option<Left> {
        let reply = match told.map(Reply::decode) {
            None => None,
            Some(Ok(reply)) => Some(reply),
            Some(Err(_)) => return None,
        };
        match (asked(request), reply) {
            (None, None | Some(Reply::Refused(Refusal::Invalid))) => Some(left.clone()),
            (None, Some(_)) => None,
            (Some(asked), None) => self.0.step(left, &asked, None),
            (Some(asked), Some(reply)) if told_of(&asked, &reply) => {
                self.0.step(left, &asked, Some(&told_by(reply)?))
            }
            // A query may always be refused for want of room.
            (Some(Asked::Free(_)), Some(Reply::Refused(Refusal::Full | Refusal::TooLong))) => {
                Some(left.clone())
            }
            (Some(_), Some(_)) => None,
        }
    }

    fn only_reads(&self, request: &[u8]) -> bool {
        !matches!(asked(request), Some(Asked::Register(..)))
    }
}

fn asked(request: &[u8]) -> Option<Asked> {
    Some(match Request::decode(request).ok()? {
        Request::Free { names } => Asked::Free(names.into_iter().collect()),
        Request::Register(Meeting { stretch, names }) => {
            Asked::Register(stretch, names.into_iter().collect())
        }
    })
}

/// Whether a reply is about what was asked.
fn told_of(asked: &Asked, reply: &Reply) -> bool {
    match (asked, reply) {
        (Asked::Free(names), Reply::Free(answer)) => {
            let parts = [&answer.names, &answer.unknown, &answer.missing];
            let told: Names = parts.into_iter().flatten().cloned().collect();
            told == *names
        }
        (Asked::Register(stretch, names), Reply::Registered(meeting)) => {
            let told: Names = meeting.names.iter().cloned().collect();
            (*stretch, names) == (meeting.stretch, &told)
        }
        (Asked::Register(..), Reply::Refused(_)) => true,
        _ => false,
    }
}

fn told_by(reply: Reply) -> Option<Told> {
    let set = |names: Vec<String>| names.into_iter().collect::<Names>();
    Some(match reply {
        Reply::Free(answer) => Told::Free {
            times: (!answer.names.is_empty()).then_some(answer.times),
            unknown: set(answer.unknown),
            unanswered: set(answer.missing),
        },
        Reply::Registered(_) => Told::Registered,
        Reply::Refused(refusal) => Told::Refused(match refusal {
            Refusal::Unknown(names) => spec::Refusal::Unknown(set(names)),
            Refusal::NotFree(names) => spec::Refusal::Busy(set(names)),
            Refusal::Unavailable(_) | Refusal::Full => spec::Refusal::NotAgreed,
            Refusal::Invalid | Refusal::TooLong | Refusal::NotMain => return None,
        }),
    })
}
