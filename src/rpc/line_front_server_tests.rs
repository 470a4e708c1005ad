//! What clients of a front are told when its server has other clients, other connections and datagrams as well.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use super::tests::{Door, Echo, Flag, ROOM, Shared, front, told};
use super::*;
use crate::id::HostId;
use crate::net::real::RealWorld;
use crate::net::{Arrival, Datagrams};
use crate::rpc::line::{read_answer, write_answer};
use crate::rpc::message::{NO_SESSION, Refused};
use crate::rpc::reply_cache::Limits;
use crate::rpc::serve::{answer, serve_with_front};
use crate::rpc::server::RpcServer;
use crate::rpc::service::{Effects, Input, Service, Ticket};
use crate::rpc::{CacheKind, Semantics};
use crate::seed::Seed;
use crate::trace::Line;

/// Lets every request wait until one says `go`, or `first` for the first of them.
#[derive(Default)]
struct Gate {
    waiting: Vec<Ticket>,
}

impl Service for Gate {
    fn step(&mut self, _: Time, input: Input<'_>, effects: &mut Effects) {
        match input {
            Input::Request { ticket, body, .. } if body == b"go" => {
                for waiting in self.waiting.drain(..) {
                    effects.complete(waiting, b"gone");
                }
                effects.complete(ticket, b"went");
            }
            Input::Request { ticket, body, .. } if body == b"first" => {
                if let Some(first) = (!self.waiting.is_empty()).then(|| self.waiting.remove(0)) {
                    effects.complete(first, b"gone first");
                }
                effects.complete(ticket, b"went");
            }
            Input::Request { ticket, .. } => self.waiting.push(ticket),
            Input::Abandoned(ticket) => self.waiting.retain(|&it| it != ticket),
            _ => {}
        }
    }
}

/// Datagrams that come and go.
#[derive(Clone, Default)]
struct Wire {
    coming: Rc<RefCell<VecDeque<SharedBytes>>>,
    gone: Rc<RefCell<Vec<SharedBytes>>>,
}

impl Datagrams for Wire {
    fn send(&mut self, _: SocketAddr, body: &SharedBytes, _: Option<Label>) {
        self.gone.borrow_mut().push(body.clone());
    }

    fn poll_recv(&mut self, _: &mut Context<'_>) -> Poll<Arrival> {
        match self.coming.borrow_mut().pop_front() {
            Some(body) => Poll::Ready(Arrival {
                body,
                from: self.local_address(),
                label: None,
            }),
            None => Poll::Pending,
        }
    }

    fn local_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 3).into()
    }
}

/// A server that has clients by lines and by datagrams.
struct Scene<'a> {
    door: Door,
    wire: Wire,
    /// Lets the server do all that is to be done.
    settle: &'a mut dyn FnMut(),
}

impl Scene<'_> {
    /// A client that says this over a connection of its own.
    fn says(&mut self, lines: &str) -> Shared {
        let client = self.door.client(lines, ROOM);
        (self.settle)();
        client
    }

    /// A request of client 1 comes in a datagram.
    fn receives(&mut self, sequence: u32, body: &[u8]) {
        let request = Message::Request {
            client: ClientId(1),
            session: NO_SESSION,
            sequence,
            awaited: sequence,
            body,
        };
        let datagram = request.encode().into();
        self.wire.coming.borrow_mut().push_back(datagram);
        (self.settle)();
    }
}

fn gate(semantics: Semantics) -> RpcServer {
    RpcServer::new(Box::<Gate>::default(), None, semantics)
}

/// Plays it with a server whose reply cache is of this kind.
fn play(kind: CacheKind, limits: Limits, scene: impl FnOnce(&mut Scene<'_>)) {
    let numbers = Seed(1).stream("sessions");
    play_with(
        gate(Semantics::AtMostOnce).with_reply_cache(kind, limits, numbers),
        scene,
    );
}

fn play_with(mut server: RpcServer, play: impl FnOnce(&mut Scene<'_>)) {
    let (front, door) = front();
    let host = front.host.clone();
    let wire = Wire::default();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().unwrap();
    runtime.block_on(async {
        let mut socket = wire.clone();
        let mut answering = answer(&host, &mut socket, &mut server).with_front(Some(front));
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(flag.clone());
        let mut settle = || {
            let mut context = Context::from_waker(&waker);
            while Pin::new(&mut answering).poll(&mut context).is_pending() && flag.is_raised_again()
            {
            }
        };
        let settle = &mut settle;
        play(&mut Scene { door, wire, settle });
    });
}

fn play_in_memory(scene: impl FnOnce(&mut Scene<'_>)) {
    play(CacheKind::Memory, Limits::default(), scene);
}

#[test]
fn what_was_asked_for_in_a_datagram_first_is_answered_over_a_connection_too() {
    play_in_memory(|scene| {
        scene.receives(1, b"wait");
        let client = scene.says("#1/1 wait\n#2/1 wait\n");
        assert_eq!(told(&client), "#1/1 in progress\n");
        scene.says("go\n");
        let expected = "#1/1 in progress\n#1/1 gone\n";
        assert_eq!(told(&client), expected, "and its next line is taken");
        scene.says("go\n");
        assert_eq!(told(&client), format!("{expected}#2/1 gone\n"));
        let gone = scene.wire.gone.borrow();
        let reply = Message::Reply {
            client: ClientId(1),
            sequence: 1,
            body: b"gone",
        };
        assert_eq!(gone.last(), Some(&reply.encode().into()));
    });
}

#[test]
fn whose_duplicates_are_not_filtered_is_given_no_reply_to_another_request() {
    play_with(gate(Semantics::AtLeastOnce), |scene| {
        let (one, other) = (scene.says("#1/1 wait\n"), scene.says("#1/1 another\n"));
        scene.receives(1, b"a third");
        scene.says("first\n");
        assert_eq!(
            (told(&one).as_str(), told(&other).as_str()),
            ("#1/1 gone first\n", "")
        );
        let again = scene.says("#1/1 again\n");
        scene.says("first\n");
        assert_eq!(
            (told(&other).as_str(), told(&again).as_str()),
            ("#1/1 gone first\n", "")
        );
        scene.says("first\n");
        assert_eq!(told(&again), "", "that was the reply to the datagram");
        scene.says("go\n");
        assert_eq!(told(&again), "#1/1 gone\n");
    });
}

#[test]
fn what_a_datagram_says_nobody_waits_for_is_not_waited_for_over_a_connection() {
    play_in_memory(|scene| {
        scene.receives(1, b"wait");
        let client = scene.says("#1/1 wait\n");
        scene.receives(2, b"wait");
        let expected = format!("#1/1 in progress\n#1/1 {SUPERSEDED}\n");
        assert_eq!(told(&client), expected);
    });
    play_in_memory(|scene| {
        let client = scene.says("#1/1 wait\n");
        scene.receives(2, b"wait");
        assert_eq!(told(&client), format!("#1/1 {SUPERSEDED}\n"));
    });
}

#[test]
fn whoever_asks_for_something_else_waits_for_nothing_earlier() {
    play_in_memory(|scene| {
        let (one, other) = (scene.says("#1/1 wait\n"), scene.says("#2/1 wait\n"));
        let later = scene.says("#1/2 wait\n");
        assert_eq!(told(&one), format!("#1/1 {SUPERSEDED}\n"));
        scene.says("go\n");
        assert_eq!(told(&one), format!("#1/1 {SUPERSEDED}\n"));
        assert_eq!(told(&other), "#2/1 gone\n");
        assert_eq!(told(&later), "#1/2 gone\n");
        let earlier = scene.says("#1/1 wait\n");
        assert_eq!(told(&earlier), format!("#1/1 {SUPERSEDED}\n"));
    });
}

#[test]
fn what_the_server_refuses_ends_nothing_that_is_under_way() {
    play_in_memory(|scene| {
        let client = scene.says("#1/9 wait\n");
        let refused = scene.says("#1/bad1/99 wait\n#1/9 other\n#1/100 hello\n");
        assert!(told(&refused).starts_with(
            "#1/bad1/99 refused: session expired\n#1/9 refused: another request has this id\n"
        ));
        assert_eq!(told(&client), "");
        scene.says("go\n");
        assert_eq!(told(&client), "#1/9 gone\n");
    });
}

#[test]
fn a_server_that_is_full_says_so_and_not_that_a_session_has_expired() {
    let limits = Limits {
        clients: 1,
        ..Limits::default()
    };
    play(CacheKind::Epoch, limits, |scene| {
        let known = scene.says("#1/1 go\n");
        let lines = scene.says("#2/1 go\n#2/2 hello\n#2/bad1/3 go\n");
        assert_eq!(told(&known), "#1/1 went\n");
        let full = Refused::Full;
        let expected = format!(
            "#2/1 refused: {full}\n#2/2 refused: {full}\n#2/bad1/3 refused: session expired\n"
        );
        assert_eq!(told(&lines), expected);
    });
}

#[test]
fn a_server_without_sessions_gives_none_and_says_so() {
    play_in_memory(|scene| {
        let client = scene.says("#1/1 hello\n");
        let told = told(&client);
        assert!(told.starts_with("#1/1 error: this server has no sessions; "));
        // The client of this crate understands it: it goes on without.
        let text = told.strip_prefix("#1/1 ").unwrap().trim_end();
        let welcome = Message::Welcome {
            client: ClientId(1),
            sequence: 1,
            session: NO_SESSION,
        };
        let read = read_answer(text, (ClientId(1), 1), None, &Echo);
        assert_eq!(read, Some(welcome.encode()));
    });
    let welcome = Message::Welcome {
        client: ClientId(1),
        sequence: 1,
        session: 0x51d0,
    };
    let text = write_answer(&welcome, &Echo).unwrap();
    assert_eq!(text, "session 51d0");
    let read = read_answer(&text, (ClientId(1), 1), None, &Echo);
    assert_eq!(read, Some(welcome.encode()));
}

/// Stops at the first request.
struct Stopping;

impl Service for Stopping {
    fn step(&mut self, _: Time, _: Input<'_>, effects: &mut Effects) {
        effects.stop("nothing left to do");
    }
}

#[test]
fn a_server_that_stops_ends_its_connections_before_it_says_so() {
    let (front, door) = front();
    let client = door.client("ask\n", ROOM);
    let ends_at_halt = Rc::new(Cell::new(None));
    let (seen, held) = (ends_at_halt.clone(), client.clone());
    let listener = Box::new(move |line: &Line, _: &[String]| {
        if line.event.word() == "halt" {
            seen.set(Some(Rc::strong_count(&held)));
        }
    });
    let world = RealWorld::new(&["main"], None, None, Some(listener));
    let host = world.host(HostId(0), Ipv4Addr::LOCALHOST.into());
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().unwrap();
    runtime.block_on(async {
        let server = RpcServer::new(Box::new(Stopping), None, Semantics::AtMostOnce);
        serve_with_front(host, Box::<Wire>::default(), Some(front), server).await;
    });
    // The test's own and the listener's.
    assert_eq!(
        ends_at_halt.get(),
        Some(2),
        "the end of the connection is gone"
    );
}
