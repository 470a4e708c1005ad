//! What a front does with many connections, and with clients that leave something undone.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use super::*;
use crate::id::HostId;
use crate::net::real::RealWorld;
use crate::net::{Arrival, Broken, Datagrams, Kind, Piece};
use crate::rpc::Semantics;
use crate::rpc::line::LineFormat;
use crate::rpc::line_connection::ANSWER_MAX;
use crate::rpc::serve::answer;
use crate::rpc::server::RpcServer;
use crate::rpc::service::{Effects, Input, Service};

/// The requests are texts, and so are the replies. A reply speaks of no error.
pub(in crate::rpc) struct Echo;

impl LineFormat for Echo {
    fn read_request(&self, line: &str) -> Result<Vec<u8>, String> {
        Ok(line.into())
    }

    fn write_request(&self, body: &[u8]) -> String {
        String::from_utf8_lossy(body).into_owned()
    }

    fn write_reply(&self, body: &[u8]) -> String {
        self.write_request(body)
    }

    fn read_reply(&self, _request: &[u8], text: &str) -> Option<Vec<u8>> {
        (!text.contains("error: ")).then(|| text.into())
    }

    fn forms(&self) -> Vec<&'static str> {
        Vec::new()
    }
}

/// The client's end of a connection.
#[derive(Default)]
pub(super) struct Client {
    pub(super) said: VecDeque<u8>,
    pub(super) told: Vec<u8>,
    /// How many bytes it still takes in.
    pub(super) room: usize,
    /// Its end is gone.
    is_broken: bool,
    is_closed: bool,
}

pub(super) type Shared = Rc<RefCell<Client>>;

struct End(Shared);

impl Connection for End {
    fn poll_open(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, _: &mut Context<'_>) -> Poll<Result<Option<Piece>, Broken>> {
        let mut client = self.0.borrow_mut();
        if client.is_broken {
            return Poll::Ready(Err(Broken::Reset));
        }
        let count = client.said.len().min(1_000);
        let said: Vec<u8> = client.said.drain(..count).collect();
        if said.is_empty() {
            return Poll::Pending;
        }
        let body = said.into();
        Poll::Ready(Ok(Some(Piece { body, label: None })))
    }

    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        bytes: &[u8],
        _: Option<Label>,
    ) -> Poll<Result<usize, Broken>> {
        let mut client = self.0.borrow_mut();
        let count = bytes.len().min(client.room);
        if count == 0 {
            return Poll::Pending;
        }
        client.room -= count;
        client.told.extend(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn finish(&mut self) {}

    fn peer_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 1).into()
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.0.borrow_mut().is_closed = true;
    }
}

#[derive(Clone, Default)]
pub(super) struct Door(Rc<RefCell<VecDeque<Shared>>>);

impl Door {
    /// A client that says this, and takes in so many bytes.
    pub(super) fn client(&self, said: &str, room: usize) -> Shared {
        let client = Shared::default();
        client.borrow_mut().said.extend(said.bytes());
        client.borrow_mut().room = room;
        self.0.borrow_mut().push_back(client.clone());
        client
    }
}

impl Listener for Door {
    fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<Box<dyn Connection>> {
        match self.0.borrow_mut().pop_front() {
            Some(client) => Poll::Ready(Box::new(End(client))),
            None => Poll::Pending,
        }
    }

    fn local_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 2).into()
    }
}

pub(super) const ROOM: usize = 1_000;

/// A front, and the door to it.
pub(super) fn front() -> (LineFront, Door) {
    let world = RealWorld::new(&["main"], None, None, None);
    let host = world.host(HostId(0), Ipv4Addr::LOCALHOST.into());
    let lines = Lines {
        port: 2,
        format: &Echo,
        idle: Duration::from_secs(300),
    };
    let door = Door::default();
    (LineFront::new(host, Box::new(door.clone()), lines), door)
}

/// Says that it was woken.
#[derive(Default)]
pub(super) struct Flag(AtomicBool);

impl Flag {
    pub(super) fn is_raised_again(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The next line; the front is asked again as often as it wants to be.
fn next(front: &mut LineFront) -> Option<Said> {
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(flag.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        match front.poll_next(&mut context) {
            Poll::Ready(said) => return Some(said),
            Poll::Pending if flag.is_raised_again() => {}
            Poll::Pending => return None,
        }
    }
}

fn text(said: &Said) -> String {
    match &said.ask {
        Ask::Hello => "hello".to_owned(),
        Ask::Once(body) | Ask::Under(_, body) => String::from_utf8_lossy(body).into_owned(),
    }
}

fn in_progress(front: &mut LineFront, said: &Said) {
    let in_progress = Message::InProgress {
        client: said.client,
        sequence: said.sequence,
    };
    front.answer(said.origin.address, &in_progress.encode(), None);
}

fn reply(front: &mut LineFront, said: &Said, body: &str) {
    let reply = Message::Reply {
        client: said.client,
        sequence: said.sequence,
        body: body.as_bytes(),
    };
    front.answer(said.origin.address, &reply.encode(), None);
    assert!(next(front).is_none());
}

pub(super) fn told(client: &Shared) -> String {
    String::from_utf8(client.borrow().told.clone()).unwrap()
}

#[test]
fn a_connection_too_many_is_told_so_and_closed() {
    let (mut front, door) = front();
    let clients: Vec<Shared> = (0..=CONNECTIONS_MAX)
        .map(|_| door.client("", ROOM))
        .collect();
    assert!(next(&mut front).is_none());
    let (last, others) = clients.split_last().unwrap();
    assert!(others.iter().all(|client| !client.borrow().is_closed));
    assert!(last.borrow().is_closed);
    assert_eq!(told(last), "error: too many connections\n");
}

#[test]
fn lines_of_a_connection_take_their_turn_with_others() {
    let (mut front, door) = front();
    let (much, little) = (door.client("a\nb\n", ROOM), door.client("c\n", ROOM));
    let first = next(&mut front).unwrap();
    let second = next(&mut front).unwrap();
    assert_eq!((text(&first).as_str(), text(&second).as_str()), ("a", "c"));
    assert!(next(&mut front).is_none(), "b waits until a is answered");
    front.answer(
        first.origin.address,
        &Message::Reply {
            client: first.client,
            sequence: first.sequence,
            body: b"A",
        }
        .encode(),
        Some(Label::new(
            Kind::Reply,
            crate::id::OperationId {
                client: HostId(0),
                number: 1,
            },
        )),
    );
    let third = next(&mut front).unwrap();
    assert_eq!(text(&third), "b");
    reply(&mut front, &second, "C");
    reply(&mut front, &third, "B");
    assert_eq!(
        (told(&much).as_str(), told(&little).as_str()),
        ("A\nB\n", "C\n")
    );
}

#[test]
fn a_reply_finds_every_connection_on_which_its_request_is_under_way() {
    let (mut front, door) = front();
    let (one, two) = (
        door.client("#1/1 a\n", ROOM),
        door.client("#01/1 a\n", ROOM),
    );
    let said = next(&mut front).unwrap();
    let copy = next(&mut front).unwrap();
    in_progress(&mut front, &copy);
    reply(&mut front, &said, "A\r\nB");
    assert_eq!(told(&one), "#1/1 A  B\n", "it has asked once");
    assert_eq!(told(&two), "#01/1 in progress\n#01/1 A  B\n");
}

#[test]
fn a_client_is_told_nothing_of_copies_that_others_send() {
    let (mut front, door) = front();
    let first = door.client("#1/1 a\n", 0);
    let said = next(&mut front).unwrap();
    for _ in 0..1_000 {
        let other = door.client("#1/1 a\n", ROOM);
        let copy = next(&mut front).unwrap();
        in_progress(&mut front, &copy);
        assert!(next(&mut front).is_none());
        assert_eq!(told(&other), "#1/1 in progress\n");
        other.borrow_mut().is_broken = true;
        assert!(next(&mut front).is_none());
    }
    first.borrow_mut().room = usize::MAX;
    reply(&mut front, &said, "A");
    assert_eq!(told(&first), "#1/1 A\n");
}

#[test]
fn whoever_floods_has_one_turn_among_others() {
    let (mut front, door) = front();
    let mut flooders = Vec::new();
    for flood in ["help\n", "#1/0 nothing\n", "\n \n"] {
        flooders.extend((0..40).map(|_| door.client(&flood.repeat(10_000), usize::MAX)));
    }
    let _client = door.client("a\n", ROOM);
    let said = next(&mut front).unwrap();
    assert_eq!(text(&said), "a");
    let most = flooders.iter().map(|it| told(it).lines().count()).max();
    assert!(most.unwrap() < 50, "{most:?}");
    assert!(flooders.iter().all(|it| !it.borrow().said.is_empty()));
}

#[test]
fn a_flood_lets_other_tasks_have_their_turn() {
    let (mut front, door) = front();
    let flooder = door.client(&"help\n".repeat(10_000), usize::MAX);
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(flag.clone());
    for _ in 0..3 {
        let mut context = Context::from_waker(&waker);
        assert!(front.poll_next(&mut context).is_pending());
        assert!(flag.is_raised_again(), "there is more to do");
    }
    let lines = told(&flooder).lines().count();
    assert!((3..200).contains(&lines), "{lines}");
}

#[test]
fn a_flood_of_connections_shuts_no_line_out() {
    let (mut front, door) = front();
    let client = door.client("a\n", ROOM);
    let said = next(&mut front).unwrap();
    reply(&mut front, &said, "A");
    client.borrow_mut().said.extend(b"b\n");
    let _others: Vec<Shared> = (0..500).map(|_| door.client("", ROOM)).collect();
    assert_eq!(text(&next(&mut front).unwrap()), "b");
    assert!(door.0.borrow().len() > 400, "it has not waited for them");
    assert!(next(&mut front).is_none());
    assert!(door.0.borrow().is_empty());
}

#[test]
fn help_stands_under_the_id_that_it_was_asked_for_with() {
    let (mut front, door) = front();
    let client = door.client("help\n#9f3c/1 help\n#9f3c/00000000001 help\n", ROOM);
    assert!(next(&mut front).is_none());
    let told = told(&client);
    let help = "commands: , help, quit";
    let rest = told.strip_prefix(&format!("{help}\n#9f3c/1 {help}\n"));
    assert!(rest.unwrap().starts_with("error: `#9f3c/00000000001` is"));
}

#[test]
fn a_line_that_is_never_answered_closes_its_connection_in_the_end() {
    let (mut front, door) = front();
    let client = door.client("#1/1 a\nb\n", ROOM);
    let since = front.host.now();
    assert!(next(&mut front).is_some());
    let deadline = front.next_deadline();
    assert!(deadline - since >= ANSWER_MAX && deadline < Time::NEVER);
    front.expire(deadline);
    assert!(next(&mut front).is_none());
    assert_eq!(told(&client), "#1/1 error: no answer for 10m\n");
    front.expire(front.next_deadline());
    assert!(next(&mut front).is_none());
    assert!(client.borrow().is_closed);
}

#[test]
fn a_client_that_reads_nothing_is_asked_for_nothing_and_closed_in_the_end() {
    let (mut front, door) = front();
    let slow = door.client("a\nb\n", 1);
    let said = next(&mut front).unwrap();
    let idle = front.host.now() + front.lines.idle;
    assert!(front.next_deadline() > idle, "it waits for the server");
    reply(&mut front, &said, "AAA");
    assert_eq!(told(&slow), "A");
    let deadline = front.next_deadline();
    assert!(deadline <= front.host.now() + front.lines.idle);
    front.expire(deadline);
    assert!(next(&mut front).is_none());
    assert!(slow.borrow().is_closed);
}

#[test]
fn a_reply_that_took_long_may_be_read_as_late_as_any_other() {
    let (mut front, door) = front();
    let idle = std::mem::take(&mut front.lines.idle);
    let _slow = door.client("a\n", 0);
    let said = next(&mut front).unwrap();
    front.lines.idle = idle;
    let now = front.host.now();
    reply(&mut front, &said, "A");
    assert!(front.next_deadline() >= now + idle);
}

#[test]
fn replies_that_nobody_reads_take_so_much_room_and_the_slowest_makes_room() {
    let (mut front, door) = front();
    let long = "x".repeat(1_024 * 1_024 - 1);
    let clients: Vec<Shared> = (0..65).map(|_| door.client("a\n", 0)).collect();
    let said: Vec<Said> = std::iter::from_fn(|| next(&mut front)).collect();
    // The first to be complete is the slowest, wherever its connection stands.
    for said in said[7..].iter().chain(&said[..7]) {
        reply(&mut front, said, &long);
    }
    assert!(clients[7].borrow().is_closed);
    let read = |client: &Shared, front: &mut LineFront| {
        client.borrow_mut().room = 2 * long.len();
        assert!(next(front).is_none());
        told(client)
    };
    for text in ["A".to_owned(), "s".repeat(SHORT_BYTES_MAX - 1)] {
        let client = door.client("a\n", 2 * text.len());
        let said = next(&mut front).unwrap();
        reply(&mut front, &said, &text);
        assert_eq!(told(&client), format!("{text}\n"));
    }
    let closed = |all: &[Shared]| all.iter().filter(|it| it.borrow().is_closed).count();
    assert_eq!(closed(&clients), 1, "short replies need no room");
    assert_eq!(read(&clients[6], &mut front), format!("{long}\n"));
    let later = door.client("a\n", 0);
    let said = next(&mut front).unwrap();
    reply(&mut front, &said, &long);
    assert_eq!(read(&later, &mut front), format!("{long}\n"));
    assert_eq!(closed(&clients), 1, "what is read makes room");
}

/// A socket that has had many datagrams come in.
struct Flooded(u32);

impl Datagrams for Flooded {
    fn send(&mut self, _: SocketAddr, _: &SharedBytes, _: Option<Label>) {}

    fn poll_recv(&mut self, _: &mut Context<'_>) -> Poll<Arrival> {
        if self.0 == 0 {
            return Poll::Pending;
        }
        self.0 -= 1;
        let client = ClientId(1);
        let datagram = Message::OneWay { client, body: b"" }.encode();
        Poll::Ready(Arrival {
            body: datagram.into(),
            from: self.local_address(),
            label: None,
        })
    }

    fn local_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 3).into()
    }
}

/// Counts the messages that come before the first request.
#[derive(Default)]
struct Counting {
    messages: u32,
    before: Rc<Cell<Option<u32>>>,
}

impl Service for Counting {
    fn step(&mut self, _: Time, input: Input<'_>, _: &mut Effects) {
        match input {
            Input::Request { .. } => self.before.set(Some(self.messages)),
            _ => self.messages += 1,
        }
    }
}

#[test]
fn a_flood_of_datagrams_shuts_no_line_out() {
    let (front, door) = front();
    let _client = door.client("a\n", ROOM);
    let service = Counting::default();
    let before = service.before.clone();
    let mut server = RpcServer::new(Box::new(service), None, Semantics::Maybe);
    let host = front.host.clone();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().unwrap();
    runtime.block_on(async {
        let mut socket = Flooded(10_000);
        let mut answering = answer(&host, &mut socket, &mut server).with_front(Some(front));
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut answering).poll(&mut context).is_pending());
    });
    let before = before.get().expect("the line is heard");
    assert!(before < 100, "after {before} datagrams");
}
