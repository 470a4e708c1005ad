//! Every message of the lock service in words.

use crate::services::lock::command::verb;
use crate::services::lock::message::{Lease, Reply, Request, Update};
use crate::services::quoting::{breaks_lines, quote_text};

/// What is told of a file without text.
const NOTHING: &str = "nothing";

/// A request, as its client would type it, and the token that the client has put in. A heartbeat is told
/// like the request that it stands for.
pub(super) fn request(body: &[u8]) -> String {
    match Request::decode(body) {
        Err(error) => format!("no request: {error}"),
        Ok(request) => format!("{}{}", verb(&request), asked(&request)),
    }
}

/// A reply.
pub(super) fn reply(body: &[u8]) -> String {
    match Reply::decode(body) {
        Err(error) => format!("no reply: {error}"),
        Ok(Reply::Connected) => "Connected!".to_owned(),
        Ok(Reply::Granted(given)) => lease("granted", given),
        Ok(Reply::Renewed(given)) => lease("renewed", given),
        Ok(Reply::Released { .. }) => "released".to_owned(),
        Ok(Reply::Staged { token: 0 }) => "appended".to_owned(),
        Ok(Reply::Staged { .. }) => "staged".to_owned(),
        Ok(Reply::Text {
            from, total, text, ..
        }) => piece(from, total, &text),
        Ok(Reply::Disconnected) => "Disconnected!".to_owned(),
        Ok(Reply::Refused(refusal)) => refusal.to_string(),
    }
}

/// What a holder is told in answer to a heartbeat.
pub(super) fn update(body: &[u8]) -> String {
    match Update::decode(body) {
        Err(error) => format!("no update: {error}"),
        Ok(Update::Renewed { lease: given, .. }) => lease("renewed", given),
        Ok(Update::Lost { token }) => format!("lost, token {token}"),
    }
}

/// What follows the verb.
fn asked(request: &Request<'_>) -> String {
    match request {
        Request::Hello | Request::Close => String::new(),
        Request::Acquire { file, token } => match token {
            0 => name(file),
            token => format!("{} after token {token}", name(file)),
        },
        Request::Renew { file, token, .. } | Request::Release { file, token } => {
            format!("{}{}", name(file), with(*token))
        }
        Request::Append { file, token, text } => {
            format!("{} {}{}", name(file), quote_text(text), with(*token))
        }
        Request::Read { file, token, from } => {
            let from = match from {
                0 => String::new(),
                from => format!(" {from}"),
            };
            format!("{}{from}{}", name(file), with(*token))
        }
    }
}

/// ` file_0`, in quotes only if it could be taken for something else.
fn name(file: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !file.is_empty() && file.bytes().all(is_plain) {
        format!(" {file}")
    } else {
        format!(" {}", quote_text(file))
    }
}

/// ` with token 3`, or nothing.
fn with(token: u64) -> String {
    match token {
        0 => String::new(),
        token => format!(" with token {token}"),
    }
}

/// `granted, token 3 for 2000 ms`
fn lease(how: &str, lease: Lease) -> String {
    let Lease {
        token,
        lease_ms,
        is_global,
    } = lease;
    let whole = if is_global { ", all files" } else { "" };
    format!("{how}, token {token} for {lease_ms} ms{whole}")
}

/// What was read, and where to go on if there is more.
fn piece(from: u64, total: u64, text: &str) -> String {
    let next = from.saturating_add(text.len() as u64);
    match (text, from) {
        ("", 0) if total == 0 => NOTHING.to_owned(),
        ("", from) => format!("{NOTHING} from {from} on, of {total} bytes"),
        _ if next < total => format!("{} .. of {total} bytes; go on from {next}", plainly(text)),
        _ => plainly(text),
    }
}

/// A text as it stands; in quotes if that would be more than one line, or be taken for something else.
fn plainly(text: &str) -> String {
    let is_clear = text != NOTHING && !text.starts_with(['\'', '"']);
    if is_clear && !text.contains(breaks_lines) {
        text.to_owned()
    } else {
        quote_text(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::services::lock::codec;
    use crate::services::lock::message::Refusal;

    const LEASE: Lease = Lease {
        token: 3,
        lease_ms: 2_000,
        is_global: false,
    };

    #[test]
    fn requests_are_told_as_typed_and_with_their_token() {
        let file = || "file_0".into();
        let told = |request: Request<'_>| super::request(&request.encode());
        assert_eq!(told(Request::Hello), "hello");
        assert_eq!(told(Request::Close), "close");
        let acquire = |token| {
            told(Request::Acquire {
                file: file(),
                token,
            })
        };
        assert_eq!(acquire(0), "acquire file_0");
        assert_eq!(acquire(2), "acquire file_0 after token 2");
        let append = |token| Request::Append {
            file: file(),
            token,
            text: "A".into(),
        };
        assert_eq!(told(append(3)), "append file_0 'A' with token 3");
        assert_eq!(told(append(0)), "append file_0 'A'");
        let (file, token) = (file(), 3);
        assert_eq!(
            told(Request::Renew {
                file: file.clone(),
                token,
                number: 1,
            }),
            "renew file_0 with token 3"
        );
        assert_eq!(
            told(Request::Release {
                file: file.clone(),
                token
            }),
            "release file_0 with token 3"
        );
        let from = 8_192;
        assert_eq!(
            told(Request::Read { file, token, from }),
            "read file_0 8192 with token 3"
        );
        assert!(request(&[9]).starts_with("no request: unknown kind"));
    }

    #[test]
    fn replies_are_told_in_words() {
        let told = |reply: Reply<'_>| super::reply(&reply.encode());
        assert_eq!(told(Reply::Connected), "Connected!");
        assert_eq!(told(Reply::Disconnected), "Disconnected!");
        assert_eq!(told(Reply::Granted(LEASE)), "granted, token 3 for 2000 ms");
        let global = Lease {
            is_global: true,
            ..LEASE
        };
        assert_eq!(
            told(Reply::Renewed(global)),
            "renewed, token 3 for 2000 ms, all files"
        );
        assert_eq!(told(Reply::Staged { token: 3 }), "staged");
        assert_eq!(told(Reply::Staged { token: 0 }), "appended");
        assert_eq!(told(Reply::Released { token: 3 }), "released");
        for refusal in Refusal::ALL {
            assert_eq!(told(Reply::Refused(refusal)), refusal.to_string());
        }
        assert!(reply(&[4]).starts_with("no reply: unknown result code 4"));
    }

    #[test]
    fn updates_are_told_in_words() {
        let told = |update: Update| super::update(&update.encode());
        assert_eq!(
            told(Update::Renewed {
                lease: LEASE,
                number: 1
            }),
            "renewed, token 3 for 2000 ms"
        );
        assert_eq!(told(Update::Lost { token: 3 }), "lost, token 3");
        assert!(update(&[]).starts_with("no update: truncated"));
    }

    #[test]
    fn a_text_is_told_plainly_unless_it_would_be_misread() {
        let told = |from, total, text: &'static str| {
            let text = Reply::Text {
                token: 0,
                from,
                total,
                text: text.into(),
            };
            reply(&text.encode())
        };
        assert_eq!(told(0, 2, "BA"), "BA");
        assert_eq!(told(0, 0, ""), "nothing");
        assert_eq!(told(0, 7, "nothing"), "'nothing'");
        assert_eq!(told(0, 3, "'A'"), r#""'A'""#);
        assert_eq!(told(0, 4, "A\nB\n"), r#""A\nB\n""#);
        assert_eq!(told(0, 9, "BA"), "BA .. of 9 bytes; go on from 2");
        assert_eq!(told(7, 9, "BA"), "BA");
        assert_eq!(told(9, 9, ""), "nothing from 9 on, of 9 bytes");
    }

    proptest! {
        #[test]
        fn whatever_is_told_is_one_line(
            request in codec::tests::request(),
            reply in codec::tests::reply(),
            update in codec::tests::update(),
        ) {
            let told = [
                super::request(&request.encode()),
                super::reply(&reply.encode()),
                super::update(&update.encode()),
            ];
            for told in told {
                prop_assert_eq!(told.lines().count(), 1, "{}", told);
            }
        }
    }
}
