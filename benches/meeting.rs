//! Loading a data file of the meeting scheduler, what its people have in common, and a query on loopback.
//!
//! `cargo bench --bench meeting` makes up a file of 100,000 people with 50 intervals each, reads it a
//! few times, and prints the medians: of reading it, of checking that its names stand in no other file, and of
//! the common time of ten people. Then it starts a main server and two data servers, each a process of its own with
//! half of the people, and asks over one connection when ten people are free, five on each: how long it
//! takes from the start of the data servers until everybody is known, and the median and the slowest of the queries.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use std::{env, fs, process};

use wavetank::seed::Seed;
use wavetank::services::meeting::data_file::DataFile;
use wavetank::services::meeting::times::Times;

const PEOPLE: usize = 100_000;

/// Intervals of each.
const INTERVALS: usize = 50;

const ROUNDS: usize = 7;

/// People that are asked for together.
const ASKED: usize = 10;

const QUERIES: usize = 2_000;

fn made_up_file(persons: std::ops::Range<usize>) -> String {
    let mut chance = Seed(1).stream("people");
    let mut text = String::new();
    for person in persons {
        write!(text, "person{person};[").expect("a string takes all");
        let mut time = 1_000 + chance.below(100);
        for interval in 0..INTERVALS {
            let start = time + 1 + chance.below(900);
            time = start + 1 + chance.below(900);
            let comma = if interval == 0 { "" } else { "," };
            write!(text, "{comma}[{start},{time}]").expect("a string takes all");
        }
        text.push_str("]\n");
    }
    text
}

/// A process that ends with the bench.
struct Serving(Child);

impl Serving {
    /// Starts a server of the scheduler, and gives the addresses that it says.
    fn start(arguments: &[String], lines: usize) -> (Self, Vec<SocketAddr>) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
        let command = command.args(["serve", "meeting", "--role"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let out = child.stdout.take().expect("it is piped");
        let said = BufReader::new(out).lines().take(lines);
        let said: Vec<String> = said.map(|line| line.expect("it is text")).collect();
        let words = said.iter().flat_map(|line| line.split(' '));
        (
            Self(child),
            words.filter_map(|word| word.parse().ok()).collect(),
        )
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _gone = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// A directory that goes with the bench.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

/// Asks real servers: how long until everybody is known, and how long each query takes, in milliseconds.
fn ask_real_servers(directory: &Path) -> (f64, Vec<f64>) {
    let places = [0; 3].map(|_| UdpSocket::bind("127.0.0.1:0").expect("a free port"));
    let [main, a, b] = places.map(|socket| socket.local_addr().expect("bound").to_string());
    let argument = |text: &str| text.to_owned();
    let mut arguments = vec![argument("main"), argument("--listen"), main.clone()];
    arguments.extend([argument("--tcp"), argument("127.0.0.1:0")]);
    for peer in [format!("a={a}"), format!("b={b}")] {
        arguments.extend([argument("--peer"), peer]);
    }
    let (_main, addresses) = Serving::start(&arguments, 2);
    let clients = *addresses.last().expect("it says where clients connect");
    let mut connection = BufReader::new(TcpStream::connect(clients).expect("it listens"));
    let no_delay = connection.get_ref().set_nodelay(true);
    no_delay.expect("a connection has that option");
    let start = |(name, listen): (&str, &String)| {
        let file = directory.join(name).with_extension("txt");
        let mut arguments = vec![argument("data"), argument("--name"), argument(name)];
        arguments.extend([argument("--listen"), listen.clone()]);
        arguments.extend([argument("--main"), main.clone()]);
        arguments.extend([argument("--file"), file.display().to_string()]);
        Serving::start(&arguments, 1).0
    };
    let everybody = query(0);
    let (known, _data) = timed(|| {
        let data = [("a", &a), ("b", &b)].map(start);
        while !ask(&mut connection, &everybody).1.starts_with("Available") {}
        data
    });
    let asked = (0..QUERIES).map(|number| {
        let (ms, answer) = ask(&mut connection, &query(number));
        assert!(answer.starts_with("Available"), "{answer}");
        ms
    });
    (known, asked.collect())
}

/// A line that asks for ten people, five of each data server.
fn query(number: usize) -> String {
    let person = |nth: usize| (number * 31 + nth * PEOPLE / ASKED) % PEOPLE;
    let names: Vec<String> = (0..ASKED)
        .map(|nth| format!("person{}", person(nth)))
        .collect();
    names.join(" ") + "\n"
}

/// How long an answer takes, in milliseconds, and the answer.
fn ask(connection: &mut BufReader<TcpStream>, line: &str) -> (f64, String) {
    timed(|| {
        let asked = connection.get_mut().write_all(line.as_bytes());
        asked.expect("the main server lives");
        let mut answer = String::new();
        let read = connection.read_line(&mut answer);
        read.expect("the main server lives");
        answer
    })
}

/// What a call takes, in milliseconds, and what it gives.
#[expect(
    clippy::disallowed_methods,
    reason = "a bench measures the machine's time"
)]
fn timed<T>(call: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let given = black_box(call());
    (start.elapsed().as_secs_f64() * 1e3, given)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let text = made_up_file(0..PEOPLE);
    let mut took = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        let (reading, file) = timed(|| DataFile::parse("a.txt", black_box(text.as_bytes())));
        let files = [file.expect("what was made up is right")];
        let (checking, checked) = timed(|| DataFile::check_apart(&files));
        checked.expect("every name is made up once");
        let [file] = files;
        let people = file.into_people();
        let asked: Vec<&Times> = people.values().take(ASKED).collect();
        let (merging, _) = timed(|| Times::common(&asked));
        for (took, ms) in took.iter_mut().zip([reading, checking, merging]) {
            took.push(ms);
        }
    }
    let [reading, checking, merging] = took.map(median);
    let megabytes = text.len() as f64 / 1e6;
    println!("{PEOPLE} people, {INTERVALS} intervals each, {megabytes:.0} MB");
    println!("read             {reading:8.0} ms");
    println!("names checked    {checking:8.0} ms");
    println!("{ASKED} people merged {merging:8.3} ms");
    let directory = Directory(env::temp_dir().join(format!("wavetank-meeting-{}", process::id())));
    fs::create_dir(&directory.0).expect("a directory among the temporary files");
    for (name, persons) in [("a.txt", 0..PEOPLE / 2), ("b.txt", PEOPLE / 2..PEOPLE)] {
        let written = fs::write(directory.0.join(name), made_up_file(persons));
        written.expect("there is room for it");
    }
    let (known, asked) = ask_real_servers(&directory.0);
    println!("two data servers, half of the people each");
    println!("all are known    {known:8.0} ms");
    let slowest = asked.iter().copied().fold(0.0, f64::max);
    let middle = median(asked);
    println!("{ASKED} people asked  {middle:8.3} ms, the slowest of {QUERIES} {slowest:.3} ms");
}
