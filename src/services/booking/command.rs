//! The command grammar: one for the prompt, the one-shot command line and scenarios.
//!
//! ```text
//! query FACILITY DAYS                 DAYS: mon | mon,wed | mon..wed | all
//! book FACILITY TIMES                 TIMES: mon 10:00-11:00 | mon 22:00-tue 02:00
//! change ID OFFSET                    OFFSET: +30m | -10h | +1d
//! extend ID SPAN                      SPAN: 60m | 1h
//! cancel ID
//! monitor FACILITY --for SPAN         SPAN: 30s | 20m | 2h
//! auto-book DAYS [--facility FACILITY] [--time 10:00-11:00]
//! ```
//!
//! Names with spaces stand in quotes (see `services::quoting`). Whether an interval is empty or
//! backwards is the server's to say; what is no time of day at all is refused here.

use std::borrow::Cow;

use crate::clock::{ms, parse_span};
use crate::services::booking::DEFAULT_FACILITIES;
use crate::services::booking::codec::{CONFIRMATION, FACILITY, QUERY_DAYS};
use crate::services::booking::message::{Request, WireTime};
use crate::services::booking::week::{WEEK_DAYS, parse_day};
use crate::services::quoting::{Word, Words};
use crate::services::{Command, CommandError, Usage};
use crate::wire::Limit;

/// The commands, for help texts.
pub(crate) const USAGE: [Usage; 7] = [
    Usage {
        form: "query FACILITY DAYS",
        help: "When is it free? DAYS: mon, or mon,wed, or mon..wed, or all.",
    },
    Usage {
        form: "book FACILITY TIMES",
        help: "Book it. TIMES: mon 10:00-11:00, or mon 22:00-tue 02:00.",
    },
    Usage {
        form: "change ID OFFSET",
        help: "Move a booking. OFFSET: +30m, -10h or +1d.",
    },
    Usage {
        form: "extend ID SPAN",
        help: "Let it end SPAN (60m or 1h) after the end that book or the last change gave.",
    },
    Usage {
        form: "cancel ID",
        help: "Cancel a booking.",
    },
    Usage {
        form: "monitor FACILITY --for SPAN",
        help: "Show every change of it for a SPAN of time: 30s, 20m or 2h.",
    },
    Usage {
        form: "auto-book DAYS [--facility FACILITY] [--time 10:00-11:00]",
        help: "Book the same time on each of several days, 'Meeting Room A' unless told otherwise.",
    },
];

/// The time that `auto-book` books unless told otherwise.
const AUTO_BOOK_TIME: (&str, &str) = ("10:00", "11:00");

/// Reads a line.
pub(crate) fn parse(line: &str) -> Result<Vec<Command>, CommandError> {
    commands(Words::of_line(line)?)
}

/// Reads words that are split already, each one word even if it holds spaces. A single word is read
/// as a line, since no command is one word long.
pub(crate) fn parse_words(words: &[&str]) -> Result<Vec<Command>, CommandError> {
    match words {
        [line] => parse(line),
        _ => commands(Words::of_words(words)),
    }
}

/// A request as a command.
pub(crate) fn command(request: &Request<'_>) -> Command {
    Command {
        verb: verb(request),
        body: request.encode(),
    }
}

/// A request in the place of a command, and in its room.
pub(crate) fn replace(command: &mut Command, request: &Request<'_>) {
    command.verb = verb(request);
    request.encode_in(&mut command.body);
}

/// The first word of a request's command.
pub(crate) const fn verb(request: &Request<'_>) -> &'static str {
    match request {
        Request::Query { .. } => "query",
        Request::Book { .. } => "book",
        Request::Change { .. } => "change",
        Request::Extend { .. } => "extend",
        Request::Cancel { .. } => "cancel",
        Request::Monitor { .. } => "monitor",
    }
}

/// The error that a word is none of the verbs.
pub(crate) fn no_command(word: &str) -> String {
    let first_word = |usage: &Usage| usage.form.split(' ').next();
    let verbs: Vec<_> = USAGE.iter().filter_map(first_word).collect();
    format!("`{word}` is no command; write {}", verbs.join(", "))
}

fn commands(mut words: Words) -> Result<Vec<Command>, CommandError> {
    let verb = words.expect("a command, such as `query` or `book`,")?;
    let requests = match verb.text.as_str() {
        "query" => vec![query(&mut words)?],
        "book" => vec![book(&mut words)?],
        "change" => vec![change(&mut words)?],
        "extend" => vec![extend(&mut words)?],
        "cancel" => vec![Request::Cancel {
            confirmation: confirmation(&mut words)?,
        }],
        "monitor" => vec![monitor(&mut words)?],
        "auto-book" => auto_book(&mut words)?,
        other => return Err(verb.error(no_command(other))),
    };
    match words.next() {
        Some(word) => Err(word.error(format!("`{}` is one word too many", word.text))),
        None => Ok(requests.iter().map(command).collect()),
    }
}

fn query(words: &mut Words) -> Result<Request<'static>, CommandError> {
    Ok(Request::Query {
        facility: facility(words)?,
        days: days(&words.expect("a day, such as `mon`, `mon,wed`, `mon..wed` or `all`,")?)?.into(),
    })
}

fn book(words: &mut Words) -> Result<Request<'static>, CommandError> {
    let facility = facility(words)?;
    let start_day_word = words.expect("a day and a time, such as `mon 10:00-11:00`,")?;
    let start_day = day(&start_day_word, 0, &start_day_word.text)?;
    let times = words.expect("a time, such as `10:00-11:00`,")?;
    let (start_text, end_text) = two_times(&times)?;
    let start = time(&times, 0, start_text, start_day)?;
    let end_at = start_text.len() + 1;
    let end = match parse_day(end_text) {
        Some(end_day) => {
            let end_word = words.expect("a time, such as `02:00`,")?;
            time(&end_word, 0, &end_word.text, end_day)?
        }
        None => time(&times, end_at, end_text, start_day)?,
    };
    Ok(Request::Book {
        facility,
        start,
        end,
    })
}

fn change(words: &mut Words) -> Result<Request<'static>, CommandError> {
    let confirmation = confirmation(words)?;
    let word = words.expect("an offset, such as `+30m`, `-10h` or `+1d`,")?;
    let wrong = || {
        word.error(format!(
            "`{}` is no offset; write a sign, a number and m, h or d, as in +30m",
            word.text
        ))
    };
    let (sign, span) = match (word.text.strip_prefix('+'), word.text.strip_prefix('-')) {
        (Some(later), _) => (1, later),
        (_, Some(earlier)) => (-1, earlier),
        _ => return Err(wrong()),
    };
    let minutes = minutes(span, &[('m', 1), ('h', 60), ('d', 24 * 60)]).ok_or_else(wrong)?;
    let offset_minutes = i32::try_from(sign * minutes).map_err(|_| wrong())?;
    Ok(Request::Change {
        confirmation,
        offset_minutes,
    })
}

fn extend(words: &mut Words) -> Result<Request<'static>, CommandError> {
    let confirmation = confirmation(words)?;
    let word = words.expect("a span, such as `60m` or `1h`,")?;
    let minutes = minutes(&word.text, &[('m', 1), ('h', 60)])
        .and_then(|minutes| u32::try_from(minutes).ok())
        .ok_or_else(|| {
            word.error(format!(
                "`{}` is no span; write a number and m or h, as in 60m",
                word.text
            ))
        })?;
    Ok(Request::Extend {
        confirmation,
        minutes,
    })
}

fn monitor(words: &mut Words) -> Result<Request<'static>, CommandError> {
    let facility = facility(words)?;
    let option = words.expect("`--for` and a span, such as `--for 20m`,")?;
    if option.quoted || option.text != "--for" {
        let message = format!("`{}` stands where `--for` was expected", option.text);
        return Err(option.error(message));
    }
    let word = words.expect("a span, such as `20m`,")?;
    let span = parse_span(&word.text).map_err(|message| word.error(message))?;
    let is_whole = ms(span).is_multiple_of(1_000);
    let seconds = u32::try_from(span.as_secs()).ok().filter(|_| is_whole);
    let seconds = seconds.ok_or_else(|| {
        let text = &word.text;
        word.error(format!(
            "`{text}` cannot be monitored; write whole seconds, at most {}s",
            u32::MAX
        ))
    })?;
    Ok(Request::Monitor { facility, seconds })
}

fn auto_book(words: &mut Words) -> Result<Vec<Request<'static>>, CommandError> {
    let days = days(&words.expect("days, such as `mon` or `mon..wed`,")?)?;
    let mut name = Cow::Borrowed(DEFAULT_FACILITIES[0]);
    let mut times = Word {
        text: format!("{}-{}", AUTO_BOOK_TIME.0, AUTO_BOOK_TIME.1),
        at: 0,
        quoted: false,
    };
    while let Some(option) = words.next() {
        match option.text.as_str() {
            "--facility" if !option.quoted => name = facility(words)?,
            "--time" if !option.quoted => {
                times = words.expect("a time, such as `10:00-11:00`,")?;
            }
            other => {
                let message = format!("`{other}` is no option; write --facility or --time");
                return Err(option.error(message));
            }
        }
    }
    let (start, end) = two_times(&times)?;
    let end_at = start.len() + 1;
    let on_day = |day| {
        Ok(Request::Book {
            facility: name.clone(),
            start: time(&times, 0, start, day)?,
            end: time(&times, end_at, end, day)?,
        })
    };
    days.into_iter().map(on_day).collect()
}

fn facility(words: &mut Words) -> Result<Cow<'static, str>, CommandError> {
    let word = words.expect("a facility, such as 'Meeting Room A',")?;
    within(FACILITY, word)
}

fn confirmation(words: &mut Words) -> Result<Cow<'static, str>, CommandError> {
    let word = words.expect("a confirmation id, such as CONF000001,")?;
    within(CONFIRMATION, word)
}

/// The text of a word, if a server will read that much.
fn within(limit: Limit, word: Word) -> Result<Cow<'static, str>, CommandError> {
    match word.text.len() {
        bytes if bytes > limit.max => Err(too_long(limit, &word, format!("{bytes} bytes"))),
        _ => Ok(word.text.into()),
    }
}

fn too_long(limit: Limit, word: &Word, length: String) -> CommandError {
    let Limit { what, max } = limit;
    word.error(format!("the {what} is too long: {length}, at most {max}"))
}

/// `mon`, `mon,wed`, `mon..wed`, `all`, in the order written and as often as written.
fn days(word: &Word) -> Result<Vec<u8>, CommandError> {
    let days = days_as_written(word)?;
    match days.len() {
        count if count > QUERY_DAYS.max => Err(too_long(QUERY_DAYS, word, format!("{count} days"))),
        _ => Ok(days),
    }
}

fn days_as_written(word: &Word) -> Result<Vec<u8>, CommandError> {
    if word.text.eq_ignore_ascii_case("all") {
        return Ok((0..WEEK_DAYS).collect());
    }
    let mut days = Vec::new();
    let mut offset = 0;
    for part in word.text.split(',') {
        match part.split_once("..") {
            Some((first, last)) => {
                let last = day(word, offset + first.len() + 2, last)?;
                let first = day(word, offset, first)?;
                if last < first {
                    let message = format!("`{part}` runs backwards; write the earlier day first");
                    return Err(word.error_at(offset, message));
                }
                days.extend(first..=last);
            }
            None => days.push(day(word, offset, part)?),
        }
        offset += part.len() + 1;
    }
    Ok(days)
}

fn day(word: &Word, offset: usize, text: &str) -> Result<u8, CommandError> {
    parse_day(text).ok_or_else(|| {
        let message =
            format!("`{text}` is no day; write mon to sun, and names with spaces in quotes");
        word.error_at(offset, message)
    })
}

/// The two halves of `10:00-11:00` or `22:00-tue`.
fn two_times(word: &Word) -> Result<(&str, &str), CommandError> {
    word.text.split_once('-').ok_or_else(|| {
        let message = format!("`{}` is no interval; write 10:00-11:00", word.text);
        word.error(message)
    })
}

fn time(word: &Word, offset: usize, text: &str, day: u8) -> Result<WireTime, CommandError> {
    time_of_day(text)
        .map(|(hour, minute)| WireTime { day, hour, minute })
        .ok_or_else(|| {
            let message = format!("`{text}` is no time of day; write 00:00 to 24:00");
            word.error_at(offset, message)
        })
}

fn time_of_day(text: &str) -> Option<(u8, u8)> {
    let (hour, minute) = text.split_once(':')?;
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(hour) || !is_number(minute) || minute.len() != 2 || hour.len() > 2 {
        return None;
    }
    let time = (hour.parse().ok()?, minute.parse().ok()?);
    (time <= (24, 0) && time.1 < 60).then_some(time)
}

/// The minutes of a number with a unit.
fn minutes(text: &str, units: &[(char, i64)]) -> Option<i64> {
    let &(unit, minutes) = units.iter().find(|(unit, _)| text.ends_with(*unit))?;
    let digits = text.strip_suffix(unit)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<i64>().ok()?.checked_mul(minutes)
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
