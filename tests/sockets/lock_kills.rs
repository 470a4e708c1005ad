//! A lock server is killed again and again under load: what was acknowledged is in the files once, each
//! critical section whole, and nothing of a refused one. One of the clients stands still in its sections
//! until another one has the lock.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};

use wavetank::seed::Seed;
use wavetank::services::lock::library::{Connection, LockError};

use crate::directory::Directory;
use crate::lock::{Clients, any_port, block_on, serve_from};

const CLIENTS: u16 = 5;
const FILES: u16 = 2;

/// How often the server is killed.
const KILLS: u32 = 6;

/// Short enough for the client that stands still to lose a few.
const LEASE: &str = "--set lease_ms=150";

/// What became of a critical section: of two appended lines and their release.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Section {
    Released,
    Refused,
    /// Nobody knows whether it was released.
    Unknown,
}

/// All sections with their files and the text that they were to add.
#[derive(Default)]
struct Load {
    sections: RefCell<Vec<(u16, String, Section)>>,
    is_over: Cell<bool>,
    news: Notify,
}

impl Load {
    fn ended(&self, file: u16, lines: &[String; 2], section: Result<(), LockError>) {
        let became = match section {
            Ok(()) => Section::Released,
            Err(LockError::Refused(_)) => Section::Refused,
            Err(LockError::SessionExpired | LockError::Unknown(_)) => Section::Unknown,
            Err(error) => panic!("{error}"),
        };
        let section = (file, lines.concat(), became);
        self.sections.borrow_mut().push(section);
        self.news.notify_waiters();
    }

    /// How many sections of a file were released.
    fn released(&self, file: u16) -> usize {
        let sections = self.sections.borrow();
        let released =
            |(of, _, became): &&(u16, String, Section)| *of == file && *became == Section::Released;
        sections.iter().filter(released).count()
    }

    /// Waits until another section of a file has been released, or all is over.
    async fn until_next(&self, file: u16) {
        let before = self.released(file);
        while self.released(file) == before && !self.is_over.get() {
            self.news.notified().await;
        }
    }

    fn end(&self) {
        self.is_over.set(true);
        self.news.notify_waiters();
    }
}

/// One section after the other, each on the next file.
async fn write_sections(client: u16, mut connection: Connection, load: Rc<Load>) {
    for number in 0.. {
        if load.is_over.get() {
            connection.close().await.unwrap();
            return;
        }
        let file = (client + number) % FILES;
        let lines = ["a", "b"].map(|part| format!("{client}.{number}{part}\n"));
        let section = write_section(&mut connection, file, &lines).await;
        load.ended(file, &lines, section);
    }
}

/// The same on the first file, by a client whose tasks `apart` nobody runs between the two lines.
async fn stand_still_in_sections(
    client: u16,
    mut connection: Connection,
    apart: LocalSet,
    load: Rc<Load>,
) {
    for number in 0.. {
        if load.is_over.get() {
            apart.run_until(connection.close()).await.unwrap();
            return;
        }
        let lines = ["a", "b"].map(|part| format!("{client}.{number}{part}\n"));
        let began = apart.run_until(async {
            let guard = connection.acquire("file_0").await?;
            connection.append(&guard, &lines[0]).await?;
            Ok(guard)
        });
        let section = match began.await {
            Ok(guard) => {
                load.until_next(0).await;
                let rest = async {
                    connection.append(&guard, &lines[1]).await?;
                    connection.release(guard).await
                };
                apart.run_until(rest).await
            }
            Err(error) => Err(error),
        };
        load.ended(0, &lines, section);
    }
}

async fn write_section(
    connection: &mut Connection,
    file: u16,
    lines: &[String; 2],
) -> Result<(), LockError> {
    let guard = connection.acquire(&format!("file_{file}")).await?;
    for line in lines {
        connection.append(&guard, line).await?;
    }
    connection.release(guard).await
}

#[test]
fn what_was_acknowledged_over_many_kills_is_there_once_and_in_whole_sections() {
    let directory = Directory::new("lock-kills");
    let mut server = serve_from(&directory, any_port(), LEASE);
    let address = server.address;
    let load = Rc::new(Load::default());
    block_on(async {
        let names: Vec<String> = (0..CLIENTS + 2).map(|place| format!("c{place}")).collect();
        let clients = Clients::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let mut writing = Vec::new();
        for client in 0..CLIENTS {
            let connection = clients.connect(client, address).await;
            let writer = write_sections(client, connection, load.clone());
            writing.push(spawn_local(writer));
        }
        let apart = LocalSet::new();
        let connection = apart.run_until(clients.connect(CLIENTS, address)).await;
        let writer = stand_still_in_sections(CLIENTS, connection, apart, load.clone());
        writing.push(spawn_local(writer));
        let mut chance = Seed(1).stream("kills");
        for _ in 0..KILLS {
            // Any moment: in the midst of a call, a section, a change of holders.
            clients.until_more(100 + chance.below(200) as usize).await;
            server.kill();
            server = serve_from(&directory, address, LEASE);
        }
        clients.until_more(100).await;
        load.end();
        for writer in writing {
            writer.await.unwrap();
        }
        let mut reader = clients.connect(CLIENTS + 1, address).await;
        let sections = load.sections.take();
        for file in 0..FILES {
            let text = reader.read(&format!("file_{file}"), None).await.unwrap();
            let mut found: Vec<String> = Vec::new();
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            found.extend(lines.chunks(2).map(|section| section.concat()));
            let of = |wanted: &[Section]| {
                let mut texts: Vec<&str> = sections
                    .iter()
                    .filter(|(of, _, became)| *of == file && wanted.contains(became))
                    .map(|(_, text, _)| text.as_str())
                    .collect();
                texts.sort_unstable();
                texts
            };
            found.sort_unstable();
            assert_eq!(found, of(&[Section::Released]), "file_{file}");
            assert_eq!(of(&[Section::Unknown]), [""; 0], "file_{file}");
        }
        let count = |wanted: Section| {
            let became = sections.iter().filter(|(_, _, became)| *became == wanted);
            became.count()
        };
        let (released, refused) = (count(Section::Released), count(Section::Refused));
        assert!(released >= 20 && refused >= 1, "{sections:?}");
    });
}
