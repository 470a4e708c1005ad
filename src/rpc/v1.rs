//! Where a service's format v1 plugs in.
//!
//! Format v1 is a service's own: its datagrams have no envelope, requests are known by source address
//! and a number, and replies carry no request id at all. A [`FormatV1`] translates between such
//! datagrams and the service's own encoding, the one that format v2 carries as bodies. The service
//! itself never sees a v1 datagram.

use crate::wire::WireError;

/// Translates a service's format v1.
pub trait FormatV1: Sync {
    /// Reads a request: its number, and its body in the service's own encoding.
    ///
    /// # Errors
    ///
    /// If the datagram is no request; with the reply that says so, where it deserves one.
    fn decode_request(&self, datagram: &[u8]) -> Result<(u32, Vec<u8>), Malformed>;

    /// Writes a request.
    ///
    /// # Errors
    ///
    /// If the body is no request of the service, or none that format v1 can express.
    fn encode_request(&self, number: u32, body: &[u8]) -> Result<Vec<u8>, WireError>;

    /// Writes the reply to a request.
    ///
    /// # Errors
    ///
    /// If the body is no reply of the service.
    fn encode_reply(&self, body: &[u8]) -> Result<Vec<u8>, WireError>;

    /// Writes an update; `None` if format v1 has no such update.
    ///
    /// # Errors
    ///
    /// If the body is no update of the service.
    fn encode_update(&self, body: &[u8]) -> Result<Option<Vec<u8>>, WireError>;

    /// Reads what a server sent: an update, or something that may be the reply to `request`, the one
    /// that is waited for. Without it, any reply is read, as far as it can be.
    ///
    /// # Errors
    ///
    /// If the datagram is neither.
    fn decode_from_server(
        &self,
        request: Option<&[u8]>,
        datagram: &[u8],
    ) -> Result<FromServer, WireError>;
}

/// A datagram is no request of format v1.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Malformed {
    /// What is wrong with it.
    pub error: WireError,
    /// The reply that says so; `None` if the datagram deserves no reply.
    pub reply: Option<Vec<u8>>,
}

/// What a server of format v1 sent, in the service's own encoding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FromServer {
    /// It may be the reply to the request; nothing in it says to which request it belongs.
    Reply(Vec<u8>),
    /// A reply, but not of the type that the request calls for.
    OtherReply,
    /// An update.
    Update(Vec<u8>),
}
