//! Runs of a lock server, made up step by step by the rules themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use wavetank::check::exclusion::{LockAccess, Step, Told, What};
use wavetank::clock::Time;
use wavetank::id::{HostId, OperationId};
use wavetank::seed::{Seed, Stream};

/// The clients.
pub(crate) const NAMES: [&str; 3] = ["c1", "c2", "c3"];

/// How long a lease is, in ms.
pub(crate) const LEASE_MS: u64 = 1_000;

/// How many steps are made up, but for what follows from them.
const STEPS: u32 = 120;

/// How many locks there are, and files.
const LOCKS: u16 = 2;

/// A run as it is made up.
pub(crate) struct MadeUp {
    chance: Stream,
    steps: Vec<Step>,
    now: u64,
    numbers: [u32; NAMES.len()],
    locks: [Lock; LOCKS as usize],
}

#[derive(Default)]
struct Lock {
    token: u64,
    held: Option<Held>,
    waiting: Vec<OperationId>,
    staged: String,
    file: String,
}

#[derive(Clone, Copy)]
struct Held {
    by: OperationId,
    lease_end: u64,
}

impl MadeUp {
    /// A run without any violation.
    pub(crate) fn run(seed: Seed) -> Vec<Step> {
        let mut run = Self {
            chance: seed.stream("made up"),
            steps: Vec::new(),
            now: 0,
            numbers: [0; NAMES.len()],
            locks: Default::default(),
        };
        for _ in 0..STEPS {
            let until = run.now + u64::from(run.chance.below(300));
            run.go_on_to(until);
            run.do_something();
        }
        run.end();
        run.steps
    }

    /// Withdraws grants whose lease runs out until then, where somebody waits.
    fn go_on_to(&mut self, until: u64) {
        let ends = |lock: &Lock| {
            let end = lock.held.filter(|_| !lock.waiting.is_empty())?.lease_end;
            Some(end).filter(|&end| end <= until)
        };
        loop {
            let due =
                (0..LOCKS).filter_map(|lock| Some((ends(&self.locks[usize::from(lock)])?, lock)));
            let Some((end, lock)) = due.min() else { break };
            self.now = end.max(self.now);
            self.withdraw(lock);
            self.grant_next(lock);
        }
        self.now = until;
    }

    fn do_something(&mut self) {
        let client = self.chance.below(NAMES.len() as u32) as usize;
        let number = self.chance.below(LOCKS.into()) as u16;
        let held = self.locks[usize::from(number)].held;
        let holds = held.filter(|held| held.by.client.index() == client);
        match (self.chance.below(20), holds) {
            (0, _) => self.crash(),
            (1, _) => self.pause(),
            (2, _) => self.close(client),
            (3, Some(held)) => self.renew(number, held),
            (4..7, Some(_)) => self.release(number, client),
            (7..15, Some(_)) => self.stage(number, client),
            (15, Some(held)) => self.grant_again(number, held, client),
            (16, Some(_)) => self.begin_anew(number, client),
            (3..8, None) => self.acquire(number, client),
            (8, None) => self.give_up(number),
            (9, None) => {
                let operation = self.operation(client);
                self.push(Some(operation), What::Told(Told::Refused));
            }
            _ => self.read(number, client, holds.is_some()),
        }
    }

    fn push(&mut self, operation: Option<OperationId>, what: What) {
        self.steps.push(Step {
            line: self.steps.len() as u32 + 1,
            clock: Time::from_ms(self.now),
            operation,
            what,
        });
    }

    fn accept(&mut self, operation: OperationId, access: LockAccess) {
        self.push(Some(operation), What::Accepted(access));
    }

    fn operation(&mut self, client: usize) -> OperationId {
        self.numbers[client] += 1;
        OperationId {
            client: HostId(client as u16),
            number: self.numbers[client],
        }
    }

    fn lock(&mut self, number: u16) -> &mut Lock {
        &mut self.locks[usize::from(number)]
    }

    fn acquire(&mut self, number: u16, client: usize) {
        let waits = |lock: &Lock| lock.waiting.iter().any(|it| it.client.index() == client);
        if waits(self.lock(number)) {
            return;
        }
        let operation = self.operation(client);
        let now = self.now;
        let is_held = self.lock(number).held;
        let is_free = is_held.is_none_or(|held| held.lease_end <= now);
        if is_free && is_held.is_some() {
            self.withdraw(number);
        }
        self.lock(number).waiting.push(operation);
        if is_free {
            self.grant_next(number);
        } else {
            self.accept(operation, LockAccess::Waits { lock: number });
        }
    }

    fn grant_next(&mut self, number: u16) {
        let lease_end = self.now + LEASE_MS;
        let lock = self.lock(number);
        if lock.waiting.is_empty() {
            return;
        }
        let by = lock.waiting.remove(0);
        lock.token += 1;
        lock.held = Some(Held { by, lease_end });
        let token = lock.token;
        let lease = Duration::from_millis(LEASE_MS);
        let lock = number;
        self.push(Some(by), What::Grant { lock, token, lease });
        if self.chance.below(2) == 0 {
            self.push(Some(by), What::Told(Told::Granted { lock, token }));
        }
    }

    fn grant_again(&mut self, number: u16, held: Held, client: usize) {
        let operation = self.operation(client);
        self.lock(number).held = Some(Held {
            lease_end: self.now + LEASE_MS,
            ..held
        });
        let token = self.lock(number).token;
        self.accept(
            operation,
            LockAccess::Granted {
                lock: number,
                token,
            },
        );
    }

    /// The holder acquires anew, which ends its grant; others may have waited for longer.
    fn begin_anew(&mut self, number: u16, client: usize) {
        let operation = self.operation(client);
        self.accept(operation, LockAccess::Waits { lock: number });
        self.lock(number).waiting.push(operation);
        self.withdraw(number);
        self.grant_next(number);
    }

    fn renew(&mut self, number: u16, held: Held) {
        self.lock(number).held = Some(Held {
            lease_end: self.now + LEASE_MS,
            ..held
        });
        let token = self.lock(number).token;
        let lease = Duration::from_millis(LEASE_MS);
        self.push(
            Some(held.by),
            What::Renew {
                lock: number,
                token,
                lease,
            },
        );
    }

    fn withdraw(&mut self, number: u16) {
        let lock = self.lock(number);
        let held = lock.held.take().expect("it is held");
        lock.staged.clear();
        let token = lock.token;
        self.push(
            Some(held.by),
            What::Withdraw {
                lock: number,
                token,
            },
        );
    }

    fn stage(&mut self, number: u16, client: usize) {
        let operation = self.operation(client);
        let text = format!("{}.{} ", NAMES[client], operation.number);
        let lock = self.lock(number);
        lock.staged.push_str(&text);
        let staged = LockAccess::Staged {
            lock: number,
            token: lock.token,
            file: number,
            text: text.into(),
        };
        self.accept(operation, staged);
        if self.chance.below(2) == 0 {
            self.push(Some(operation), What::Told(Told::Done));
        }
    }

    fn release(&mut self, number: u16, client: usize) {
        let operation = self.operation(client);
        let lock = self.lock(number);
        lock.held = None;
        let staged = std::mem::take(&mut lock.staged);
        lock.file.push_str(&staged);
        let token = lock.token;
        self.accept(
            operation,
            LockAccess::Released {
                lock: number,
                token,
            },
        );
        self.grant_next(number);
    }

    fn read(&mut self, number: u16, client: usize, is_own: bool) {
        let operation = self.operation(client);
        let lock = self.lock(number);
        let (token, own) = match is_own {
            true => (lock.token, lock.staged.as_str()),
            false => (0, ""),
        };
        let whole = format!("{}{own}", lock.file);
        let from = whole.len() / 2;
        let part = [&whole[..], &whole[from..]][usize::from(self.chance.below(4) == 0)];
        let read = LockAccess::Read {
            file: number,
            token,
            from: (whole.len() - part.len()) as u64,
            total: whole.len() as u64,
            text: part.into(),
        };
        self.accept(operation, read);
    }

    fn close(&mut self, client: usize) {
        let operation = self.operation(client);
        self.accept(operation, LockAccess::Closed);
        for number in 0..LOCKS {
            let lock = self.lock(number);
            let gone: Vec<OperationId> = lock
                .waiting
                .extract_if(.., |it| it.client.index() == client)
                .collect();
            let holds = lock
                .held
                .is_some_and(|held| held.by.client.index() == client);
            gone.into_iter()
                .for_each(|it| self.push(Some(it), What::Gone));
            if holds {
                self.withdraw(number);
                self.grant_next(number);
            }
        }
    }

    fn give_up(&mut self, number: u16) {
        if let Some(gone) = self.lock(number).waiting.pop() {
            self.push(Some(gone), What::Gone);
        }
    }

    fn crash(&mut self) {
        self.push(None, What::Crash);
        self.now += u64::from(self.chance.below(3_000));
        self.push(None, What::GoesOn);
        for number in 0..LOCKS {
            self.lock(number).waiting.clear();
            if let Some(held) = self.lock(number).held {
                self.renew(number, held);
            }
        }
    }

    fn pause(&mut self) {
        self.push(None, What::Pause);
        let until = self.now + u64::from(self.chance.below(3_000));
        self.now = until;
        self.push(None, What::GoesOn);
        // What has fallen due is done now.
        self.go_on_to(until);
    }

    fn end(&mut self) {
        self.push(None, What::End);
        let files: BTreeMap<u16, String> = (0..LOCKS)
            .map(|number| (number, self.lock(number).file.clone()))
            .collect();
        for (file, text) in files {
            let read = LockAccess::Read {
                file,
                token: 0,
                from: 0,
                total: text.len() as u64,
                text: text.into(),
            };
            self.push(None, What::Accepted(read));
        }
    }
}
