//! What a call takes for its answer, datagram by datagram.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::task::Waker;

use super::*;
use crate::id::ClientId;
use crate::net::Datagrams;
use crate::net::real::RealWorld;
use crate::rpc::Semantics;
use crate::rpc::client::{CallOptions, Wire};
use crate::rpc::message::Message;
use crate::rpc::v1::{FormatV1, FromServer, Malformed};
use crate::wire::WireError;

/// A format v1 whose requests are their bodies, and whose replies are those behind an `=`.
struct Old;

impl FormatV1 for Old {
    fn decode_request(&self, _: &[u8]) -> Result<(u32, Vec<u8>), Malformed> {
        unreachable!("there is no server")
    }

    fn encode_request(&self, _: u32, body: &[u8]) -> Result<Vec<u8>, WireError> {
        Ok(body.to_vec())
    }

    fn encode_reply(&self, _: &[u8]) -> Result<Vec<u8>, WireError> {
        unreachable!("there is no server")
    }

    fn encode_update(&self, _: &[u8]) -> Result<Option<Vec<u8>>, WireError> {
        unreachable!("there is no server")
    }

    fn decode_from_server(
        &self,
        _: Option<&[u8]>,
        datagram: &[u8],
    ) -> Result<FromServer, WireError> {
        Ok(match datagram.strip_prefix(b"=") {
            Some(body) => FromServer::Reply(body.to_vec()),
            None => FromServer::OtherReply,
        })
    }
}

/// Datagrams that come and go.
#[derive(Clone, Default)]
struct Mail {
    coming: Rc<RefCell<VecDeque<SharedBytes>>>,
    gone: Rc<RefCell<Vec<SharedBytes>>>,
}

impl Datagrams for Mail {
    fn send(&mut self, _: SocketAddr, body: &SharedBytes, _: Option<Label>) {
        self.gone.borrow_mut().push(body.clone());
    }

    fn poll_recv(&mut self, _: &mut Context<'_>) -> Poll<Arrival> {
        let body = self.coming.borrow_mut().pop_front();
        body.map_or(Poll::Pending, |body| {
            Poll::Ready(Arrival {
                body,
                from: self.local_address(),
                label: None,
            })
        })
    }

    fn local_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 1).into()
    }
}

impl Mail {
    /// Comes to the client, which has sent its latest number.
    fn comes(&self, message: impl FnOnce(ClientId, u32) -> Message<'static>) {
        let gone = self.gone.borrow();
        let (client, sequence) = match Message::decode(gone.last().unwrap()).unwrap() {
            Message::Hello { client, sequence }
            | Message::Request {
                client, sequence, ..
            } => (client, sequence),
            other => panic!("{other:?}"),
        };
        let datagram = message(client, sequence).share();
        self.coming.borrow_mut().push_back(datagram);
    }

    /// Every message that the client has sent is a hello or a request: `h` or `r`.
    fn sent(&self) -> String {
        let gone = self.gone.borrow();
        let letter = |datagram: &SharedBytes| match Message::decode(datagram) {
            Ok(Message::Hello { .. }) => 'h',
            Ok(Message::Request { .. }) => 'r',
            _ => '?',
        };
        gone.iter().map(letter).collect()
    }
}

/// Lets a client of this format and this mail do something.
fn with_client(wire: Wire, sessions: bool, act: impl FnOnce(&mut RpcClient, &Mail)) {
    let world = RealWorld::new(&["alice"], None, None, None);
    let host = world.host(HostId(0), Ipv4Addr::LOCALHOST.into());
    let mail = Mail::default();
    let options = CallOptions {
        semantics: Semantics::AtMostOnce,
        policy: Policy::default(),
        wire,
        sessions,
    };
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().unwrap();
    runtime.block_on(async {
        let server = (Ipv4Addr::LOCALHOST, 1).into();
        let mut client = RpcClient::new(host, Box::new(mail.clone()), server, options);
        act(&mut client, &mail);
    });
}

fn operation(number: u32) -> OperationId {
    let client = HostId(0);
    OperationId { client, number }
}

fn poll(call: &mut Call<'_>) -> Poll<Called> {
    Pin::new(call).poll(&mut Context::from_waker(Waker::noop()))
}

fn reply(client: ClientId, sequence: u32) -> Message<'static> {
    let body = b"done";
    Message::Reply {
        client,
        sequence,
        body,
    }
}

fn welcome(client: ClientId, sequence: u32) -> Message<'static> {
    Message::Welcome {
        client,
        sequence,
        session: 7,
    }
}

fn done() -> Poll<Called> {
    Poll::Ready(Called::Reply {
        body: b"done".into(),
        reply_to: None,
    })
}

#[test]
fn a_reply_is_taken_from_its_own_client_and_number_only() {
    with_client(Wire::V2, false, |client, mail| {
        let mut call = client.call(operation(1), b"ask");
        mail.comes(|client, sequence| reply(client, sequence + 1));
        mail.comes(|ClientId(client), sequence| reply(ClientId(client ^ 1), sequence));
        assert_eq!(poll(&mut call), Poll::Pending);
        mail.comes(reply);
        assert_eq!(poll(&mut call), done());
    });
}

#[test]
fn a_reply_under_the_number_of_a_hello_answers_nothing() {
    with_client(Wire::V2, true, |client, mail| {
        let mut call = client.call(operation(1), b"ask");
        mail.comes(reply);
        assert_eq!(poll(&mut call), Poll::Pending);
        assert_eq!(mail.sent(), "h");
        mail.comes(welcome);
        assert_eq!(poll(&mut call), Poll::Pending);
        assert_eq!(mail.sent(), "hr");
        mail.comes(reply);
        assert_eq!(poll(&mut call), done());
    });
}

#[test]
fn to_a_client_of_format_v1_a_reply_of_format_v2_is_none() {
    with_client(Wire::V1(&Old), false, |client, mail| {
        let id = client.id;
        let mut call = client.call(operation(1), b"ask");
        let sequence = call.client.sending.sequence;
        mail.coming
            .borrow_mut()
            .push_back(reply(id, sequence).share());
        assert_eq!(poll(&mut call), Poll::Pending);
        mail.coming.borrow_mut().push_back(b"=done".into());
        assert_eq!(poll(&mut call), done());
    });
}

#[test]
fn a_call_that_was_given_up_half_way_leaves_nothing_to_the_next_one() {
    with_client(Wire::V2, true, |client, mail| {
        assert_eq!(
            poll(&mut client.call(operation(1), b"first")),
            Poll::Pending
        );
        mail.comes(welcome); // for the hello of the first
        mail.comes(reply);
        let mut second = client.call(operation(2), b"second");
        assert_eq!(poll(&mut second), Poll::Pending);
        assert_eq!(mail.sent(), "hh");
        mail.comes(welcome);
        assert_eq!(poll(&mut second), Poll::Pending);
        mail.comes(reply);
        assert_eq!(poll(&mut second), done());
        assert_eq!(mail.sent(), "hhr");
        let gone = mail.gone.borrow();
        let request = Message::decode(gone.last().unwrap()).unwrap();
        assert!(matches!(
            request,
            Message::Request {
                body: b"second",
                session: 7,
                ..
            }
        ));
    });
}
