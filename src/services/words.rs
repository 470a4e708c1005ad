//! Every word of a trace that is a service's.

use std::sync::Arc;

use crate::rpc::message::{Message, NO_SESSION, is_v2};
use crate::rpc::v1::FromServer;
use crate::services::Application;
use crate::trace::text::line_text;
use crate::trace::{Describe, Line, Names};

/// Puts the bytes of an application's messages into words.
#[derive(Clone, Debug)]
pub struct Words(pub Arc<dyn Application>);

impl Words {
    /// Logs a line of a trace as it happens: the same words as in the trace's text.
    pub fn log(&self, line: &Line, names: &[String]) {
        if Self::are_logged() {
            tracing::info!(target: "wavetank::trace", "{}", line_text(line, Names(names), self));
        }
    }

    /// Whether anybody sees what [`Self::log`] logs.
    #[must_use]
    pub fn are_logged() -> bool {
        tracing::enabled!(target: "wavetank::trace", tracing::Level::INFO)
    }

    fn message(&self, message: &Message<'_>) -> String {
        match message {
            Message::Request { body, .. } => self.0.describe_request(body),
            Message::Reply { body, .. } => self.0.describe_reply(body),
            Message::InProgress { .. } => "in progress".to_owned(),
            Message::Refused { reason, .. } => format!("refused: {reason}"),
            Message::Update { body, .. } => self.0.describe_update(body),
            Message::OneWay { body, .. } => self.0.describe_one_way(body),
            Message::Hello { .. } => "asks for a session".to_owned(),
            Message::Welcome {
                session: NO_SESSION,
                ..
            } => "needs no session".to_owned(),
            Message::Welcome { .. } => "has a session".to_owned(),
            Message::Peer { body, .. } => self.0.describe_peer(body),
        }
    }

    fn v1(&self, datagram: &[u8]) -> Option<String> {
        let format = self.0.format_v1()?;
        if let Ok((_, body)) = format.decode_request(datagram) {
            return Some(self.0.describe_request(&body));
        }
        Some(match format.decode_from_server(None, datagram).ok()? {
            FromServer::Reply(body) => self.0.describe_reply(&body),
            FromServer::Update(body) => self.0.describe_update(&body),
            FromServer::OtherReply => return None,
        })
    }
}

impl Describe for Words {
    fn datagram(&self, bytes: &[u8]) -> String {
        let words = if is_v2(bytes) {
            Message::decode(bytes)
                .ok()
                .map(|message| self.message(&message))
        } else {
            self.v1(bytes)
        };
        words.unwrap_or_else(|| format!("{} bytes that are no message", bytes.len()))
    }

    fn request(&self, body: &[u8]) -> String {
        self.0.describe_request(body)
    }

    fn reply(&self, body: &[u8]) -> String {
        self.0.describe_reply(body)
    }

    fn update(&self, body: &[u8]) -> String {
        self.0.describe_update(body)
    }

    fn segment(&self, bytes: &[u8]) -> String {
        self.0.describe_segment(bytes)
    }
}
