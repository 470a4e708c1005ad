//! Connections over TCP: the traits that hosts know, on loopback.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

use tokio::task::LocalSet;

use wavetank::clock::Time;
use wavetank::host::Host;
use wavetank::id::{HostId, OperationId};
use wavetank::net::real::RealWorld;
use wavetank::net::{Broken, Connection, Kind, Label, Listener, accept, read_until, write_all};
use wavetank::seed::Seed;
use wavetank::trace::text::line_text;
use wavetank::trace::{Describe, Line, Names};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

fn block_on(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, future);
}

/// A server and a client of one world, bound to an address.
fn hosts(at: IpAddr) -> [Host; 2] {
    let world = RealWorld::new(&["server", "alice"], None, Some(Seed(1)), None);
    [0, 1].map(|id| world.host(HostId(id), at))
}

/// A connection, and both of its ends.
async fn pair(hosts: &[Host; 2]) -> (Box<dyn Listener>, [Box<dyn Connection>; 2]) {
    let mut listener = hosts[0].listen(0).unwrap();
    let client = hosts[1].connect(listener.local_address()).await.unwrap();
    let server = accept(&mut *listener).await;
    (listener, [server, client])
}

async fn read_to_end(host: &Host, connection: &mut dyn Connection) -> Result<Vec<u8>, Broken> {
    let mut timer = host.timer();
    let mut bytes = Vec::new();
    while let Some(piece) = read_until(connection, &mut *timer, Time::NEVER)
        .await
        .expect("there is no deadline")?
    {
        bytes.extend_from_slice(&piece.body);
    }
    Ok(bytes)
}

#[test]
fn what_a_service_says_back_comes_back_whole_on_ipv4_and_ipv6() {
    for at in [V4, V6] {
        block_on(async {
            let hosts = hosts(at);
            let (listener, [mut server, mut client]) = pair(&hosts).await;
            assert_eq!(client.peer_address(), listener.local_address());
            assert!(server.peer_address().ip() == at);
            let inner = hosts[0].clone();
            hosts[0].spawn(async move {
                let mut timer = inner.timer();
                let never = Time::NEVER;
                while let Some(Ok(Some(piece))) = read_until(&mut *server, &mut *timer, never).await
                {
                    write_all(&mut *server, &piece.body, None).await.unwrap();
                }
            });
            // Less than the system's buffers hold, as nobody reads what comes back before the end.
            let said: Vec<u8> = (0..50_000_u32).map(|place| (place % 251) as u8).collect();
            write_all(&mut *client, &said, None).await.unwrap();
            client.finish();
            let refused = poll_fn(|context| client.poll_write(context, b"!", None)).await;
            assert_eq!(refused, Err(Broken::Reset));
            let heard = read_to_end(&hosts[1], &mut *client).await;
            assert!(heard.unwrap() == said, "every byte in its place");
        });
    }
}

#[test]
fn who_has_finished_reads_on() {
    block_on(async {
        let hosts = hosts(V4);
        let (_listener, [mut server, mut client]) = pair(&hosts).await;
        write_all(&mut *client, b"question", None).await.unwrap();
        client.finish();
        client.finish();
        assert_eq!(
            read_to_end(&hosts[0], &mut *server).await.unwrap(),
            b"question"
        );
        write_all(&mut *server, b"answer", None).await.unwrap();
        drop(server);
        assert_eq!(
            read_to_end(&hosts[1], &mut *client).await.unwrap(),
            b"answer"
        );
    });
}

#[test]
fn a_writer_waits_for_its_reader() {
    block_on(async {
        let hosts = hosts(V4);
        let (_listener, [mut server, mut client]) = pair(&hosts).await;
        let mut written = 0;
        // The system's buffers are finite: there comes a write that has to wait.
        poll_fn(|context| {
            while let std::task::Poll::Ready(more) = client.poll_write(context, &[7; 65_536], None)
            {
                written += more.unwrap();
            }
            std::task::Poll::Ready(())
        })
        .await;
        let reader = hosts[0].clone();
        let all = async { read_to_end(&reader, &mut *server).await.unwrap().len() };
        let more = async {
            write_all(&mut *client, &[8; 65_536], None).await.unwrap();
            client.finish();
        };
        let (read, ()) = tokio::join!(all, more);
        assert_eq!(read, written + 65_536);
    });
}

#[test]
fn a_connection_is_refused_where_nobody_listens_and_reset_where_it_was_not_read() {
    block_on(async {
        let hosts = hosts(V4);
        let gone = hosts[0].listen(0).unwrap().local_address();
        let refused = hosts[1].connect(gone).await;
        assert_eq!(refused.err(), Some(Broken::Refused));

        let (_listener, [mut server, mut client]) = pair(&hosts).await;
        write_all(&mut *client, b"unread", None).await.unwrap();
        let piece = poll_fn(|context| server.poll_read(context)).await;
        assert_eq!(&*piece.unwrap().unwrap().body, b"unread");
        write_all(&mut *client, b"and more", None).await.unwrap();
        drop(server);
        let read = read_to_end(&hosts[1], &mut *client).await;
        assert_eq!(read, Err(Broken::Reset));
        let again = poll_fn(|context| client.poll_read(context)).await;
        assert_eq!(again.err(), Some(Broken::Reset), "it stays so");
    });
}

#[test]
fn a_reset_that_a_writer_was_told_of_is_no_end_to_the_reader() {
    block_on(async {
        let hosts = hosts(V4);
        let (_listener, [mut server, mut client]) = pair(&hosts).await;
        write_all(&mut *client, b"unread", None).await.unwrap();
        write_all(&mut *server, b"the last word", None)
            .await
            .unwrap();
        poll_fn(|context| server.poll_read(context)).await.unwrap();
        write_all(&mut *client, b"unread", None).await.unwrap();
        drop(server);
        // The system tells it once, to whoever asks first.
        while write_all(&mut *client, b"!", None).await.is_ok() {
            let soon = hosts[1].now() + std::time::Duration::from_millis(1);
            hosts[1].sleep_until(soon).await;
        }
        let read = read_to_end(&hosts[1], &mut *client).await;
        assert_eq!(read, Err(Broken::Reset));
    });
}

#[test]
fn a_read_ends_at_its_deadline() {
    block_on(async {
        let hosts = hosts(V4);
        let (_listener, [mut server, _client]) = pair(&hosts).await;
        let mut timer = hosts[0].timer();
        let soon = hosts[0].now() + std::time::Duration::from_millis(5);
        assert!(read_until(&mut *server, &mut *timer, soon).await.is_none());
    });
}

/// Bytes that are their own words.
struct Plain;

impl Describe for Plain {
    fn datagram(&self, bytes: &[u8]) -> String {
        self.segment(bytes)
    }

    fn request(&self, body: &[u8]) -> String {
        self.segment(body)
    }

    fn reply(&self, body: &[u8]) -> String {
        self.segment(body)
    }

    fn update(&self, body: &[u8]) -> String {
        self.segment(body)
    }
}

#[test]
fn a_trace_of_one_process_reads_as_in_simulation_and_labels_come_with_their_bytes() {
    let told = Rc::new(RefCell::new(Vec::new()));
    let lines = told.clone();
    let listener = move |line: &Line, names: &[String]| {
        let text = line_text(line, Names(names), &Plain);
        let text = text.trim_start().trim_start_matches(char::is_numeric);
        lines.borrow_mut().push(text.trim_start().to_owned());
    };
    let listener: wavetank::net::real::Listener = Box::new(listener);
    let names = ["server", "alice"];
    let world = RealWorld::new(&names, None, Some(Seed(1)), Some(listener));
    block_on(async {
        let hosts = [0, 1].map(|id| world.host(HostId(id), V4));
        let (_listener, [mut server, mut client]) = pair(&hosts).await;
        let label = |number| {
            let client = HostId(1);
            Some(Label::new(Kind::Request, OperationId { client, number }))
        };
        write_all(&mut *client, b"find Bob\n", label(1))
            .await
            .unwrap();
        write_all(&mut *client, b"find Eve\n", label(2))
            .await
            .unwrap();
        for (number, text) in [(1, b"find Bob\n"), (2, b"find Eve\n")] {
            let piece = poll_fn(|context| server.poll_read(context)).await;
            let piece = piece.unwrap().unwrap();
            assert_eq!((&*piece.body, piece.label), (&text[..], label(number)));
        }
        write_all(&mut *server, b"nobody\n", None).await.unwrap();
        drop(server);
        read_to_end(&hosts[1], &mut *client).await.unwrap();
        drop(client);
        let nobody: SocketAddr = hosts[0].listen(0).unwrap().local_address();
        world.name_address(nobody, HostId(0));
        assert!(hosts[1].connect(nobody).await.is_err());
    });
    assert_eq!(
        *told.borrow(),
        [
            "alice   connect     server  alice/1",
            "server  accept      alice   alice/1",
            "alice   segment     server  alice/1 alice#1 find Bob",
            "alice   segment     server  alice/1 alice#2 find Eve",
            "server  segment     alice   alice/1 nobody",
            "server  end         alice   alice/1",
            "alice   end         server  alice/1",
            "alice   connect     server  alice/2",
            "alice   broken      server  alice/2 refused",
        ]
    );
}
