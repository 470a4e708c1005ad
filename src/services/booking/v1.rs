//! Booking's format v1, for clients and servers that were written before this house.
//!
//! Its requests carry a number, its replies do not: a reply to an earlier request is taken for the
//! reply to the current one if only its type fits. That is faithfully kept; `docs/wire.md` lists what
//! goes wrong with it, and how format v2 cures it.
//!
//! Not kept are revisions: an update of format v1 becomes one with the revision 0, and a monitor reply
//! one without a revision.

use std::borrow::Cow;

use super::codec::{
    self, AVAILABILITY, BOOKED, CANCELLED, CHANGED, CONFIRMATION, ERROR, EXTENDED, MONITORING,
    REPLY_OFFSET, UPDATE_CHANGED,
};
use super::message::{Availability, Refusal, Reply, Request, Update};
use crate::net::DATAGRAM_BYTES_MAX;
use crate::rpc::v1::{FormatV1, FromServer, Malformed};
use crate::wire::{Limit, Reader, WireError, Writer, str_bytes};

/// The type and the number of a request. A shorter datagram deserves no reply.
const HEADER_BYTES: usize = 5;

/// The days of a query, repetitions included: whatever a datagram holds. They are not stored.
const QUERY_DAYS: Limit = Limit::new("list of days", DATAGRAM_BYTES_MAX);

/// The free text of a reply: whatever a datagram holds. It is not stored.
const TEXT: Limit = Limit::new("text", DATAGRAM_BYTES_MAX);

/// Translates booking's format v1.
#[derive(Clone, Copy, Debug, Default)]
pub struct BookingV1;

impl FormatV1 for BookingV1 {
    fn decode_request(&self, datagram: &[u8]) -> Result<(u32, Vec<u8>), Malformed> {
        match read_request(datagram) {
            Ok((number, request)) => Ok((number, request.encode())),
            Err(error) => Err(Malformed {
                error,
                reply: (datagram.len() >= HEADER_BYTES)
                    .then(|| encode_error(Refusal::InvalidRequest)),
            }),
        }
    }

    fn encode_request(&self, number: u32, body: &[u8]) -> Result<Vec<u8>, WireError> {
        let request = Request::decode(body)?;
        let mut writer = Writer::with_capacity(HEADER_BYTES + request.field_bytes());
        writer.u8(request.code());
        writer.u32(number);
        request.write_fields(&mut writer);
        Ok(writer.finish())
    }

    fn encode_reply(&self, body: &[u8]) -> Result<Vec<u8>, WireError> {
        Ok(match Reply::decode(body)? {
            Reply::Availability(availability) => encode_availability(AVAILABILITY, &availability),
            Reply::Booked(confirmation) => {
                let mut writer = codec::begin(BOOKED, str_bytes(&confirmation));
                writer.str(&confirmation);
                writer.finish()
            }
            Reply::Changed => vec![CHANGED, 1],
            Reply::Monitoring { seconds, .. } => {
                encode_text(MONITORING, 1, &format!("monitoring for {seconds} s"))
            }
            Reply::Extended => encode_text(EXTENDED, 1, "extended"),
            Reply::Cancelled => encode_text(CANCELLED, 1, "cancelled"),
            Reply::Error(refusal) => encode_error(refusal),
        })
    }

    fn encode_update(&self, body: &[u8]) -> Result<Option<Vec<u8>>, WireError> {
        Ok(match Update::decode(body)? {
            Update::Changed { availability, .. } => {
                Some(encode_availability(UPDATE_CHANGED, &availability))
            }
            Update::Latest { .. } => None,
        })
    }

    fn decode_from_server(
        &self,
        request: Option<&[u8]>,
        datagram: &[u8],
    ) -> Result<FromServer, WireError> {
        let awaited =
            request.and_then(|request| Some(request.first()?.saturating_add(REPLY_OFFSET)));
        let mut reader = Reader::new(datagram);
        let code = reader.u8("reply type")?;
        let message = match code {
            UPDATE_CHANGED => FromServer::Update(read_update(&mut reader)?.encode()),
            ERROR => FromServer::Reply(read_error(&mut reader)?.encode()),
            AVAILABILITY..=CANCELLED if awaited.is_none_or(|awaited| code == awaited) => {
                FromServer::Reply(read_reply(code, request, &mut reader)?.encode())
            }
            AVAILABILITY..=CANCELLED => return Ok(FromServer::OtherReply),
            code => return Err(codec::unknown("reply type", code)),
        };
        reader.finish()?;
        Ok(message)
    }
}

fn read_request(datagram: &[u8]) -> Result<(u32, Request<'_>), WireError> {
    let mut reader = Reader::new(datagram);
    let code = reader.u8("request type")?;
    let number = reader.u32("request number")?;
    let request = Request::read_fields(code, &mut reader, codec::read_name, |reader| {
        reader
            .bytes(QUERY_DAYS)
            .map(without_repetitions)
            .map(Cow::Owned)
    })?;
    reader.finish()?;
    Ok((number, request))
}

/// Each day once, in first-seen order.
fn without_repetitions(days: &[u8]) -> Vec<u8> {
    let mut seen = [false; codec::QUERY_DAYS.max];
    let first = |day: &u8| !std::mem::replace(&mut seen[usize::from(*day)], true);
    days.iter().copied().filter(first).collect()
}

fn read_reply(
    code: u8,
    request: Option<&[u8]>,
    reader: &mut Reader<'_>,
) -> Result<Reply, WireError> {
    Ok(match code {
        AVAILABILITY => Reply::Availability(codec::read_availability(reader)?),
        BOOKED => Reply::Booked(reader.str(CONFIRMATION)?.into()),
        CHANGED => {
            read_success(reader)?;
            Reply::Changed
        }
        MONITORING => {
            read_success_text(reader)?;
            monitoring(request)?
        }
        EXTENDED => {
            read_success_text(reader)?;
            Reply::Extended
        }
        CANCELLED => {
            read_success_text(reader)?;
            Reply::Cancelled
        }
        code => return Err(codec::unknown("reply type", code)),
    })
}

/// What the reply to a monitor leaves out is known from its request, if there is one.
fn monitoring(request: Option<&[u8]>) -> Result<Reply, WireError> {
    let seconds = match request.map(Request::decode).transpose()? {
        Some(Request::Monitor { seconds, .. }) => seconds,
        Some(other) => return Err(codec::unknown("request type", other.code())),
        None => 0,
    };
    Ok(Reply::Monitoring {
        revision: 0,
        seconds,
    })
}

fn read_success(reader: &mut Reader<'_>) -> Result<(), WireError> {
    let at = reader.position();
    match reader.u8("success")? {
        1 => Ok(()),
        value => Err(WireError::OutOfRange {
            what: "success",
            at,
            value: value.into(),
            expected: "1",
        }),
    }
}

fn read_success_text(reader: &mut Reader<'_>) -> Result<(), WireError> {
    read_success(reader)?;
    reader.str(TEXT).map(|_| ())
}

/// Errors with a code of another server's own come as invalid requests: nothing happened.
fn read_error(reader: &mut Reader<'_>) -> Result<Reply, WireError> {
    let code = reader.u8("error code")?;
    reader.str(TEXT)?;
    let refusal = Refusal::from_code(code).unwrap_or(Refusal::InvalidRequest);
    Ok(Reply::Error(refusal))
}

fn read_update(reader: &mut Reader<'_>) -> Result<Update, WireError> {
    Ok(Update::Changed {
        revision: 0,
        oldest: 0,
        availability: codec::read_availability(reader)?,
    })
}

fn encode_availability(code: u8, availability: &Availability) -> Vec<u8> {
    let mut writer = codec::begin(code, codec::availability_bytes(availability));
    codec::write_availability(&mut writer, availability);
    writer.finish()
}

fn encode_error(refusal: Refusal) -> Vec<u8> {
    encode_text(ERROR, refusal.code(), &refusal.to_string())
}

fn encode_text(code: u8, value: u8, text: &str) -> Vec<u8> {
    let mut writer = codec::begin(code, 1 + str_bytes(text));
    writer.u8(value);
    writer.str(text);
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::booking::message::{DayAvailability, WireTime};

    const ROOM: &[u8] = b"\0\0\0\x0eMeeting Room A";
    const CONF: &[u8] = b"\0\0\0\x0aCONF000001";

    fn time(day: u8, hour: u8, minute: u8) -> WireTime {
        WireTime { day, hour, minute }
    }

    fn examples() -> Vec<(u32, Vec<u8>, Request<'static>)> {
        let facility = || "Meeting Room A".into();
        let confirmation = || "CONF000001".into();
        vec![
            (
                1,
                [b"\x01\0\0\0\x01", ROOM, b"\0\0\0\x03\0\x01\x02"].concat(),
                Request::Query {
                    facility: facility(),
                    days: vec![0, 1, 2].into(),
                },
            ),
            (
                2,
                [b"\x02\0\0\0\x02", ROOM, b"\0\x0a\0\0\x0b\x1e"].concat(),
                Request::Book {
                    facility: facility(),
                    start: time(0, 10, 0),
                    end: time(0, 11, 30),
                },
            ),
            (
                6,
                [b"\x03\0\0\0\x06", CONF, b"\xff\xff\xfd\xa8"].concat(),
                Request::Change {
                    confirmation: confirmation(),
                    offset_minutes: -600,
                },
            ),
            (
                1,
                [b"\x04\0\0\0\x01", ROOM, b"\0\0\0\x03"].concat(),
                Request::Monitor {
                    facility: facility(),
                    seconds: 3,
                },
            ),
            (
                9,
                [b"\x05\0\0\0\x09", CONF, b"\0\0\0\x3c"].concat(),
                Request::Extend {
                    confirmation: confirmation(),
                    minutes: 60,
                },
            ),
            (
                12,
                [b"\x06\0\0\0\x0c", CONF].concat(),
                Request::Cancel {
                    confirmation: confirmation(),
                },
            ),
        ]
    }

    #[test]
    fn requests_are_those_of_the_format_byte_for_byte() {
        for (number, datagram, request) in examples() {
            let body = request.encode();
            assert_eq!(BookingV1.encode_request(number, &body).unwrap(), datagram);
            assert_eq!(BookingV1.decode_request(&datagram), Ok((number, body)));
        }
    }

    #[test]
    fn replies_are_those_of_the_format_byte_for_byte() {
        let free_day = |day| DayAvailability {
            day,
            free: vec![(time(day, 0, 0), time(day, 24, 0))],
        };
        let availability = Reply::Availability(Availability {
            facility: "Meeting Room A".into(),
            days: (0..3).map(free_day).collect(),
        });
        let days = b"\0\0\0\x03\0\0\0\0\x01\0\0\0\0\x18\0\x01\0\0\0\x01\x01\0\0\x01\x18\0\
            \x02\0\0\0\x01\x02\0\0\x02\x18\0";
        let monitoring = Reply::Monitoring {
            revision: 0,
            seconds: 3,
        };
        let expected = [
            (availability, [b"\x65", ROOM, days].concat()),
            (Reply::Booked("CONF000001".into()), [b"\x66", CONF].concat()),
            (Reply::Changed, vec![0x67, 1]),
            (monitoring, b"\x68\x01\0\0\0\x12monitoring for 3 s".to_vec()),
            (Reply::Extended, b"\x69\x01\0\0\0\x08extended".to_vec()),
            (Reply::Cancelled, b"\x6a\x01\0\0\0\x09cancelled".to_vec()),
        ];
        for ((reply, datagram), (_, _, request)) in expected.into_iter().zip(examples()) {
            let body = reply.encode();
            assert_eq!(BookingV1.encode_reply(&body).unwrap(), datagram);
            let read = BookingV1.decode_from_server(Some(&request.encode()), &datagram);
            assert_eq!(read, Ok(FromServer::Reply(body)));
        }
    }

    #[test]
    fn an_error_has_its_code_and_its_text_and_unknown_codes_are_invalid_requests() {
        let cancel = examples()[5].2.encode();
        let datagram = b"\xff\x07\0\0\0\x11already cancelled";
        let body = Reply::Error(Refusal::AlreadyCancelled).encode();
        assert_eq!(BookingV1.encode_reply(&body).unwrap(), datagram);
        let read = BookingV1.decode_from_server(Some(&cancel), datagram);
        assert_eq!(read, Ok(FromServer::Reply(body)));
        let read = BookingV1.decode_from_server(Some(&cancel), b"\xff\x63\0\0\0\0");
        let invalid = Reply::Error(Refusal::InvalidRequest).encode();
        assert_eq!(read, Ok(FromServer::Reply(invalid)));
    }

    #[test]
    fn a_reply_of_another_type_is_told_apart() {
        let cancel = examples()[5].2.encode();
        let booked = [b"\x66", CONF].concat();
        let read = BookingV1.decode_from_server(Some(&cancel), &booked);
        assert_eq!(read, Ok(FromServer::OtherReply));
        let error = BookingV1.decode_from_server(Some(&cancel), &[107]);
        assert_eq!(error, Err(codec::unknown("reply type", 107)));
    }

    #[test]
    fn an_update_loses_its_revision_and_the_latest_revision_is_not_sent() {
        let update = |revision, oldest| Update::Changed {
            revision,
            oldest,
            availability: Availability {
                facility: "Meeting Room A".into(),
                days: Vec::new(),
            },
        };
        let datagram = [b"\xc8", ROOM, b"\0\0\0\0"].concat();
        let encoded = BookingV1.encode_update(&update(4, 2).encode());
        assert_eq!(encoded, Ok(Some(datagram.clone())));
        let monitor = examples()[3].2.encode();
        let read = BookingV1.decode_from_server(Some(&monitor), &datagram);
        assert_eq!(read, Ok(FromServer::Update(update(0, 0).encode())));
        let latest = Update::Latest {
            facility: "Meeting Room A".into(),
            revision: 4,
            ended: false,
        };
        assert_eq!(BookingV1.encode_update(&latest.encode()), Ok(None));
    }

    #[test]
    fn a_malformed_request_is_answered_if_it_has_a_header() {
        let reply = |datagram: &[u8]| BookingV1.decode_request(datagram).unwrap_err().reply;
        let invalid = b"\xff\x05\0\0\0\x0finvalid request".to_vec();
        assert_eq!(reply(b""), None);
        assert_eq!(reply(b"\x06\0\0\0"), None);
        assert_eq!(reply(b"\x06\0\0\0\x01"), Some(invalid.clone()));
        assert_eq!(reply(b"\x63\0\0\0\x01"), Some(invalid));
    }

    #[test]
    fn names_over_255_bytes_and_ids_over_64_are_answered_as_invalid() {
        let error_of = |kind: u8, length: u32| {
            let text = vec![b'x'; length as usize];
            let no_days: &[u8] = if kind == 1 { &[0; 4] } else { &[] };
            let datagram = [
                &[kind, 0, 0, 0, 1],
                &length.to_be_bytes()[..],
                &text,
                no_days,
            ]
            .concat();
            match BookingV1.decode_request(&datagram) {
                Ok(_) => None,
                Err(malformed) => malformed.reply.map(|reply| reply[1]),
            }
        };
        let (query, cancel) = (1, 6);
        for (kind, limit) in [(query, 255), (cancel, 64)] {
            assert_eq!(error_of(kind, limit), None);
            assert_eq!(error_of(kind, limit + 1), Some(5));
        }
    }

    #[test]
    fn impossible_times_and_days_are_left_to_the_service() {
        let mut days: Vec<u8> = (0..=255).rev().collect();
        days.extend_from_within(..);
        let count = 512_u32.to_be_bytes();
        let query = [b"\x01\0\0\0\x01", ROOM, &count, &days].concat();
        let (_, body) = BookingV1.decode_request(&query).unwrap();
        let expected = Request::Query {
            facility: "Meeting Room A".into(),
            days: (0..=255).rev().collect(),
        };
        assert_eq!(Request::decode(&body), Ok(expected));
        let book = [b"\x02\0\0\0\x02", ROOM, b"\x07\x19\x3c\xff\xff\xff"].concat();
        assert!(BookingV1.decode_request(&book).is_ok());
    }
}
