//! The text of a trace: one event per line, in fixed columns, for people to read and to compare.
//!
//! `docs/trace.md` describes every column. Same rows, same bytes.

use std::fmt::Write;

use crate::trace::{Describe, Final, Header, Line, Names, Row, TraceFile};

/// Columns of an event's number, so that a long trace does not move what stands after it.
const NUMBER_WIDTH: usize = 6;
/// Columns of its time in ms: almost three hours of virtual time.
const MS_WIDTH: usize = 7;
/// The least columns of a host's name: those of `server`.
const HOST_WIDTH_MIN: usize = 6;
/// Columns of the word: those of `in-progress` and a space.
const WORD_WIDTH: usize = 12;
/// Columns of the details, after which a note begins.
const DETAILS_WIDTH: usize = 34;
/// Columns of a property's name in the last block, two spaces included, unless one is longer.
const CHECK_WIDTH_MIN: usize = 12;
/// Columns of a verdict: those of `violated`.
const VERDICT_WIDTH: usize = 8;
/// What begins a line about the final state.
const FINALLY: &str = "in the end";
/// Where the lines of a story are broken.
const STORY_WIDTH: usize = 100;

/// The whole trace: header, events, verdicts.
#[must_use]
pub fn write(trace: &TraceFile) -> String {
    let mut out = String::new();
    write_header(&mut out, &trace.header);
    let width = longest(&trace.header.hosts);
    for row in &trace.rows {
        let _ = write!(out, "{:NUMBER_WIDTH$}", row.number);
        write_row(&mut out, row, width);
    }
    write_last_block(&mut out, trace);
    out
}

/// One line without its number, for logs of what happens now.
#[must_use]
pub fn line_text(line: &Line, names: Names<'_>, describe: &dyn Describe) -> String {
    let mut out = String::new();
    let row = Row::new(0, line, names, describe);
    write_row(&mut out, &row, longest(names.0));
    out.truncate(out.trim_end().len());
    out
}

fn write_header(out: &mut String, header: &Header) {
    let seed = header.seed.0;
    let _ = writeln!(
        out,
        "# {} · {} · seed {seed}",
        header.scenario, header.variant
    );
    for line in wrap(&header.story, STORY_WIDTH - 2) {
        let _ = writeln!(out, "# {line}");
    }
    let _ = writeln!(out, "# {}", header.command);
}

fn write_row(out: &mut String, row: &Row, width: usize) {
    let peer = row.peer.as_deref().unwrap_or_default();
    let _ = write!(
        out,
        "{:MS_WIDTH$}  {:width$}  {:WORD_WIDTH$}{peer:width$}  ",
        row.ms, row.host, row.event
    );
    out.push_str(&row.details);
    if !row.note.is_empty() {
        let details = row.details.chars().count();
        let gap = DETAILS_WIDTH.saturating_sub(details).max(2);
        let _ = write!(out, "{:gap$}{}", "", row.note);
    }
    end_line(out);
}

/// What was asked at the end, and the verdicts.
fn write_last_block(out: &mut String, trace: &TraceFile) {
    let names = trace
        .verdicts
        .iter()
        .map(|row| row.check.chars().count() + 2);
    let width = names.max().unwrap_or(0).max(CHECK_WIDTH_MIN);
    for Final { command, told, .. } in &trace.finals {
        let _ = writeln!(out, "{FINALLY:width$}{command} -> {told}");
    }
    for row in &trace.verdicts {
        let _ = write!(
            out,
            "{:width$}{:VERDICT_WIDTH$}  {}",
            row.check, row.verdict, row.evidence
        );
        end_line(out);
    }
}

/// Ends the line, without spaces before its end.
fn end_line(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
}

fn longest(hosts: &[String]) -> usize {
    let widths = hosts.iter().map(|name| name.chars().count());
    widths.max().unwrap_or(0).max(HOST_WIDTH_MIN)
}

/// Breaks a text between words into lines of at most this width, where words allow.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;
    use crate::net::Kind;
    use crate::trace::sample::{self, Plain, header, lost_cancel_reply, send};
    use crate::trace::{Event, Ignored};

    #[test]
    fn the_sample_of_the_design_comes_out_byte_for_byte() {
        let mut trace = TraceFile::new(header(), &lost_cancel_reply(), &Plain);
        trace.verdicts = sample::verdicts();
        assert_eq!(
            write(&trace),
            r#"# booking/lost-cancel-reply · at-least-once · seed 7
# The reply to a cancel is lost; the retransmission runs the cancel again.
# wavetank run sims/booking/lost-cancel-reply.toml --variant at-least-once --seed 7
     1      0  alice   send        server  alice#1 cancel CONF000001
     2      3  server  receive     alice   alice#1
     3      3  server  execute             alice#1 cancel CONF000001 -> cancelled
     4      3  server  reply       alice   alice#1 cancelled                 lost: fault 1
     5   5000  alice   retransmit  server  alice#1 cancel CONF000001         attempt 2 of 3
     6   5002  server  receive     alice   alice#1
     7   5002  server  execute             alice#1 cancel CONF000001 -> already cancelled
     8   5002  server  reply       alice   alice#1 already cancelled
     9   5005  alice   outcome             alice#1 failed: already cancelled
executions  violated  alice#1 ran 2 times (lines 3, 7)
effects     violated  alice was told "already cancelled" (line 9) of her own first cancel (line 3)
"#
        );
    }

    #[test]
    fn every_event_has_its_details() {
        let hosts = sample::hosts();
        let texts: Vec<String> = sample::every_event()
            .into_iter()
            .map(|event| line_text(&sample::line(0, event), Names(&hosts), &Plain))
            .collect();
        assert_eq!(
            texts.join("\n"),
            "      0  alice   send        server  alice#1 cancel A                  delayed to 4003 ms: fault 3
      0  alice   retransmit  server  alice#1 cancel A                  attempt 2 of 3, duplicated: chance
      0  alice   reply       server  alice#1 cancelled                 lost: chance
      0  alice   in-progress server  alice#1
      0  alice   update      server  alice#1 free
      0  alice   tell        server  alice#1 still here
      0  alice   hello       server  alice#1 asks for a session
      0  alice   welcome     server  alice#1 has a session
      0  alice   peer        server  alice#1 replicate A
      0  alice   send        server  unlabelled x
      0  alice   receive     server  alice#1
      0  alice   execute             alice#setup book A -> waits
      0  alice   complete            alice#1 -> granted
      0  alice   commit              alice#2 A (2,0)
      0  alice   grant               alice#1 A, token 7, for 2000 ms
      0  alice   renew               alice#1 A, token 7, for 2000 ms
      0  alice   withdraw            alice#1 A, token 7: its lease has run out
      0  alice   decide              alice#1 1.2 commit on alice, server: A
      0  alice   hold                alice#1 1.2 A
      0  alice   take                alice#1 1.2 A                     before the crash: found on the disk
      0  alice   release             alice#1 1.2 A
      0  alice   filter              alice#1 duplicate: stored reply sent
      0  alice   abandon             alice#1 nobody waits for it any more
      0  alice   ignore      server  alice#1 reply: not waiting for it
      0  alice   ignore      server  unlabelled: malformed
      0  alice   patience    server  alice#1 in progress: sends again at 9000 ms
      0  alice   notified    server  alice#1 free
      0  alice   outcome             alice#1 unknown: no reply to 3 sends
      0  alice   outcome             alice#1 ok: cancelled             taken from the reply to alice#2
      0  alice   connect     server  alice/2
      0  alice   accept      server  alice/2
      0  alice   segment     server  alice/2 alice#1 find Bob          delayed to 203 ms: chance
      0  alice   segment     server  alice/2 2 bytes
      0  alice   end         server  alice/2
      0  alice   reset       server  alice/2                           lost: chance
      0  alice   refuse      server  alice/2
      0  alice   broken      server  alice/2 refused
      0  alice   broken      server  alice/2 reset                     fault 7
      0  alice   broken      server  alice/2 timed out
      0  alice   lost        server  alice/2 alice#1: host down, sent again later
      0  alice   lost        server  alice#1 request: nobody listens
      0  alice   lost        server  alice#1 request: host down
      0  alice   partition   server  cut off, this way only            fault 2
      0  alice   heal        server  reachable again                   fault 2
      0  alice   crash                                                 fault 4
      0  alice   crash               disk: 3 sectors lost              fault 4
      0  alice   crash               inside a disk operation, 3 of 4 sectors lost  fault 4
      0  alice   restart                                               fault 4
      0  alice   pause               for 3000 ms
      0  alice   pause               for 1 ms                          fault 5
      0  alice   resume                                                fault 5
      0  alice   skew                +250 ms, rate 1.01                fault 6
      0  alice   expire              lock A of alice
      0  alice   expire              alice#3 monitor
      0  alice   halt                the disk is full
      0  alice   stall               alice#2 waits for A (1,0)"
        );
    }

    #[test]
    fn a_note_stands_two_spaces_after_long_details() {
        let long = "cancel CONF000001 and everything else";
        let event = send(Kind::Reply, long, sample::lost());
        let text = line_text(&sample::line(5, event), Names(&sample::hosts()), &Plain);
        assert!(
            text.ends_with("alice#1 cancel CONF000001 and everything else  lost: chance"),
            "{text}"
        );
    }

    #[test]
    fn the_longest_name_sets_the_columns_of_hosts() {
        let mut header = header();
        header.hosts[1] = "data-centre-1".to_owned();
        let event = Event::Ignore {
            from: crate::id::HostId(1),
            label: None,
            reason: Ignored::Malformed,
        };
        let trace = TraceFile::new(
            header,
            &[Line {
                at: Time::ZERO,
                host: crate::id::HostId(0),
                event,
            }],
            &Plain,
        );
        let text = write(&trace);
        let line = text.lines().nth(3);
        assert_eq!(
            line,
            Some("     1      0  alice          ignore      data-centre-1  unlabelled: malformed")
        );
    }

    #[test]
    fn a_long_story_is_broken_between_words() {
        let story = "word ".repeat(50);
        let lines = wrap(&story, STORY_WIDTH - 2);
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.len() <= 98), "{lines:?}");
        assert_eq!(lines.join(" "), story.trim_end());
    }
}
