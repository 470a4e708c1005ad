//! `effects`: was everybody told what the first executions give?
//!
//! Definition: take each request's first execution, in the order of the trace, and apply those to a
//! fresh service. Every outcome that a client was told by a reply, and the final state, must agree
//! with that replay.
//!
//! ```text
//! alice   |-- cancel --x        |-- cancel again --|     told: already cancelled
//! server       [cancelled]          [already cancelled]  first execution: cancelled; violated
//!
//! bob     |-- extend --x        |-- extend again --|     told: extended
//! server       [extended]           [extended]           first execution: extended; valid
//! ```
//!
//! It follows the definition of idempotent operations in Coulouris, Dollimore, Kindberg and Blair,
//! "Distributed Systems", 5th edition, section 5.2: performed repeatedly, they have the same effect as
//! if performed once. A second execution of an idempotent request breaks `executions` and not
//! `effects`; that of another request breaks both.
//!
//! The final state is what the commands say that a scenario runs in the end, and, where a request ran
//! more than once, what the service's own [probes](crate::services::Application::probes) say on a
//! service that has executed all that the server has. So a second execution that nobody was told of
//! is found too: with every reply lost, a change by an hour that ran three times moves by three.
//!
//! Outcomes in a client's own words (no reply came) are no evidence and are not looked at, nor are
//! operations of the setup.

use std::collections::BTreeMap;

use crate::check::{Verdict, cite};
use crate::clock::Time;
use crate::history::Told;
use crate::id::{HostId, OperationId};
use crate::trace::{Describe, Detail, Event, Line, Names, TraceFile};

/// Whose operation the commands at the end are: no client's.
pub const FINAL: OperationId = OperationId {
    client: HostId(u16::MAX),
    number: 0,
};

/// What a fresh service does: the setup has been applied to it, and nothing else.
///
/// `R` is how a request is given: bytes in a run, a text where a trace is read from a file. Any
/// closure of this form is a spec.
pub trait Spec<R: ?Sized = str> {
    /// Applies a request and gives the texts of the replies that this step brings about: to the
    /// request itself, unless it waits, and to those that had waited for it.
    ///
    /// Times never fall from one call to the next, and count from time zero of the trace.
    fn apply(
        &mut self,
        at: Time,
        operation: OperationId,
        request: &R,
    ) -> Vec<(OperationId, String)>;
}

impl<R: ?Sized, F> Spec<R> for F
where
    F: FnMut(Time, OperationId, &R) -> Vec<(OperationId, String)>,
{
    fn apply(
        &mut self,
        at: Time,
        operation: OperationId,
        request: &R,
    ) -> Vec<(OperationId, String)> {
        self(at, operation, request)
    }
}

/// A request was executed.
#[derive(Debug, Eq, PartialEq)]
pub struct Applied<'a, R: ?Sized = str> {
    /// Whose request.
    pub operation: OperationId,
    /// When.
    pub at: Time,
    /// In which line of the trace; 0 if the trace was not kept.
    pub line: u32,
    /// The request itself.
    pub request: &'a R,
}

/// A reply ended a client's operation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ToldReply {
    /// Which operation.
    pub operation: OperationId,
    /// The operation whose reply it was, where the network knows it.
    pub reply_to: Option<OperationId>,
    /// In which line of the trace; 0 if the trace was not kept.
    pub line: u32,
    /// The reply, in words.
    pub text: String,
}

/// A command that was run at the end, or a probe of the final state, and what the service said.
#[derive(Debug, Eq, PartialEq)]
pub struct Asked<'a, R: ?Sized = str> {
    /// When.
    pub at: Time,
    /// The command, as a client would type it.
    pub command: &'a str,
    /// The command as a request.
    pub request: &'a R,
    /// The reply, in words.
    pub told: &'a str,
}

/// Judges a run: `applied` in the order of the trace, `asked` in the order of asking.
#[must_use]
pub fn judge<R: ?Sized>(
    applied: &[Applied<'_, R>],
    told: &[ToldReply],
    asked: &[Asked<'_, R>],
    spec: &mut dyn Spec<R>,
    names: Names<'_>,
) -> Verdict {
    let mut firsts: BTreeMap<OperationId, First> = BTreeMap::new();
    let mut replies = BTreeMap::new();
    for run in applied.iter().filter(|run| run.operation.number > 0) {
        if let Some(first) = firsts.get_mut(&run.operation) {
            first.is_only = false;
            continue;
        }
        let (line, is_only) = (run.line, true);
        firsts.insert(run.operation, First { line, is_only });
        replies.extend(spec.apply(run.at, run.operation, run.request));
    }

    let told = told.iter().filter(|told| told.operation.number > 0);
    let told_otherwise = told.filter_map(|told| {
        let first = firsts.get(&told.operation).copied();
        let reply = replies.get(&told.operation).map(String::as_str);
        disagreement(told, first, reply, names)
    });
    let mut violations: Vec<cite::Violation> = told_otherwise.collect();
    // The final state is one thing: what first shows a difference stands for the others.
    violations.extend(asked.iter().find_map(|asked| {
        let replies = spec.apply(asked.at, FINAL, asked.request);
        final_disagreement(asked.command, asked.told, &replies)
    }));
    cite::verdict(violations)
}

/// What a recorder kept, for [`judge`] and a spec of bytes.
#[must_use]
pub fn from_lines<'a>(
    lines: &'a [Line],
    detail: Detail,
    describe: &dyn Describe,
) -> (Vec<Applied<'a, [u8]>>, Vec<ToldReply>) {
    let mut applied = Vec::new();
    let mut told = Vec::new();
    for (line, recorded) in cite::numbers(detail).zip(lines) {
        match &recorded.event {
            Event::Execute {
                operation, request, ..
            } => applied.push(Applied {
                operation: *operation,
                at: recorded.at,
                line,
                request: &request[..],
            }),
            Event::Outcome { operation, outcome } => {
                if let Told::Reply(reply) = &outcome.told {
                    told.push(ToldReply {
                        operation: *operation,
                        reply_to: outcome.reply_to,
                        line,
                        text: describe.reply(reply),
                    });
                }
            }
            _ => {}
        }
    }
    (applied, told)
}

/// What a trace says in words, for [`judge`] and a spec of texts.
#[must_use]
pub fn from_trace(trace: &TraceFile) -> (Vec<Applied<'_>>, Vec<ToldReply>, Vec<Asked<'_>>) {
    let names = Names(&trace.header.hosts);
    let find = |name: &Option<String>| names.find_operation(name.as_deref()?);
    let mut applied = Vec::new();
    let mut told = Vec::new();
    for row in &trace.rows {
        let Some(operation) = find(&row.operation) else {
            continue;
        };
        if let (Some(request), "execute") = (&row.request, row.event.as_str()) {
            applied.push(Applied {
                operation,
                at: Time::from_ms(row.ms),
                line: row.number,
                request: request.as_str(),
            });
        }
        if let Some(outcome) = row.outcome.as_ref().filter(|outcome| outcome.by_reply) {
            told.push(ToldReply {
                operation,
                reply_to: find(&outcome.reply_to),
                line: row.number,
                text: outcome.text.clone(),
            });
        }
    }
    let asked = trace.finals.iter().map(|last| Asked {
        at: Time::from_ms(last.ms),
        command: &last.command,
        request: last.command.as_str(),
        told: &last.told,
    });
    (applied, told, asked.collect())
}

/// The first execution of a request.
#[derive(Clone, Copy)]
struct First {
    line: u32,
    /// Whether the request did not run again: then what it gave is what its client was told.
    is_only: bool,
}

/// What is wrong with what a client was told, given its first execution and the reply in the replay.
fn disagreement(
    told: &ToldReply,
    first: Option<First>,
    reply: Option<&str>,
    names: Names<'_>,
) -> Option<cite::Violation> {
    let but = match (first, reply) {
        (Some(_), Some(reply)) if reply == told.text => return None,
        (Some(First { line, is_only }), reply) => {
            let gave = reply.map_or("no reply".to_owned(), |reply| format!("\"{reply}\""));
            let line = cite::lines(&[line]);
            if is_only && told.reply_to == Some(told.operation) {
                format!("the replay of its execution{line} gives {gave}")
            } else {
                format!("its first execution{line} gave {gave}")
            }
        }
        (None, _) => match told.reply_to.filter(|other| *other != told.operation) {
            Some(other) => format!("it never ran: that reply was to {}", names.operation(other)),
            None => "it never ran".to_owned(),
        },
    };
    Some(cite::Violation {
        line: told.line,
        text: format!(
            "{} was told \"{}\"{}, but {but}",
            names.operation(told.operation),
            told.text,
            cite::lines(&[told.line])
        ),
    })
}

/// What a service said to a command of [`FINAL`], among the replies that a step brought about.
#[must_use]
pub fn final_reply(replies: &[(OperationId, String)]) -> &str {
    let reply = replies.iter().find(|(operation, _)| *operation == FINAL);
    reply.map_or("nothing", |(_, reply)| reply)
}

fn final_disagreement(
    command: &str,
    told: &str,
    replies: &[(OperationId, String)],
) -> Option<cite::Violation> {
    let reply = final_reply(replies);
    (reply != told).then(|| cite::Violation {
        // After every line of the trace.
        line: u32::MAX,
        text: format!("{command} says \"{told}\", but the replay says \"{reply}\""),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::sample::{Plain, alice, hosts, lost_cancel_reply};

    /// Whoever comes first must wait, and is served when the second comes.
    fn rendezvous() -> impl Spec {
        let mut waiting = None;
        move |_: Time, operation: OperationId, _: &str| match waiting.take() {
            None => {
                waiting = Some(operation);
                Vec::new()
            }
            Some(first) => vec![(first, "met".to_owned()), (operation, "met".to_owned())],
        }
    }

    fn run(number: u32, line: u32) -> Applied<'static> {
        Applied {
            operation: alice(number),
            at: Time::from_ms(line.into()),
            line,
            request: "meet",
        }
    }

    fn met(number: u32, line: u32) -> ToldReply {
        ToldReply {
            operation: alice(number),
            reply_to: Some(alice(number)),
            line,
            text: "met".to_owned(),
        }
    }

    #[test]
    fn a_request_that_waits_is_completed_by_another() {
        let told = [met(1, 5), met(2, 6)];
        let hosts = hosts();
        let names = Names(&hosts);
        let together = judge(
            &[run(1, 1), run(2, 2)],
            &told,
            &[],
            &mut rendezvous(),
            names,
        );
        assert_eq!(together, Verdict::Valid);
        let alone = judge(
            &[run(1, 1), run(1, 2)],
            &told[..1],
            &[],
            &mut rendezvous(),
            names,
        );
        assert_eq!(
            alone.evidence(),
            "alice#1 was told \"met\" (line 5), but its first execution (line 1) gave no reply"
        );
    }

    #[test]
    fn what_a_request_gave_that_ran_once_is_not_what_the_replay_gives() {
        let hosts = hosts();
        let mut spec =
            |_: Time, operation: OperationId, _: &str| vec![(operation, "missed".to_owned())];
        let told = [met(1, 5)];
        let verdict = judge(&[run(1, 1)], &told, &[], &mut spec, Names(&hosts));
        assert_eq!(
            verdict.evidence(),
            "alice#1 was told \"met\" (line 5), but the replay of its execution (line 1) gives \"missed\""
        );
    }

    #[test]
    fn a_run_is_judged_from_its_bytes() {
        let lines = lost_cancel_reply();
        let (applied, told) = from_lines(&lines, Detail::Trace, &Plain);
        let mut spec =
            |_: Time, operation: OperationId, _: &[u8]| vec![(operation, "cancelled".to_owned())];
        let hosts = hosts();
        let verdict = judge(&applied, &told, &[], &mut spec, Names(&hosts));
        assert_eq!(
            verdict.evidence(),
            "alice#1 was told \"already cancelled\" (line 9), but its first execution (line 3) gave \
             \"cancelled\""
        );
    }
}
