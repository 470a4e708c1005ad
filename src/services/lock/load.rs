//! Commands made up for load: critical sections that meet in few files.

use std::collections::BTreeSet;

use crate::seed::Stream;
use crate::services::lock::command::{command, no_command};
use crate::services::lock::files::FileId;
use crate::services::lock::message::Request;
use crate::services::{Command, CommandError};

/// One in so many appends, renewals and releases is of a file that the client does not hold, to be
/// refused.
const STRAY_ONE_IN: u32 = 8;

/// One in so many reads is not from the beginning, but from a byte below [`FROM_MAX`].
const FROM_ONE_IN: u32 = 4;
const FROM_MAX: u32 = 100;

/// The files whose locks a client holds, as far as it knows: all of them, where one lock guards all.
pub(super) type Held = BTreeSet<FileId>;

/// Makes commands up.
#[derive(Clone, Debug)]
pub(super) struct Load {
    files: u16,
    who: String,
    texts: u64,
}

impl Load {
    /// Load on so many files, the first ones, of a client whose texts begin with `who`: something short that
    /// no other client's life has, so that each text is there once.
    pub(super) fn new(files: u16, who: impl Into<String>) -> Self {
        Self {
            files,
            who: who.into(),
            texts: 0,
        }
    }

    /// Makes up a command with this verb for a client that holds this.
    ///
    /// A client acquires files in their order only, so that no two clients wait for each other for ever. If
    /// none is left above those that it holds, it releases one instead. A client that holds none acquires one
    /// instead of appending, renewing or releasing, so that the load goes on.
    ///
    /// # Errors
    ///
    /// If the verb is none.
    pub(super) fn generate(
        &mut self,
        verb: &str,
        held: &Held,
        chance: &mut Stream,
    ) -> Result<Command, CommandError> {
        let request = match verb {
            "hello" => Request::Hello,
            "acquire" => self.acquire(held, chance),
            "append" => match self.file_to_use(held, chance) {
                Some(file) => self.append(file),
                None => self.acquire(held, chance),
            },
            "renew" => match self.file_to_use(held, chance) {
                Some(file) => renew(file),
                None => self.acquire(held, chance),
            },
            "release" => match self.file_to_use(held, chance) {
                Some(file) => release(file),
                None => self.acquire(held, chance),
            },
            "read" => {
                let files: Vec<FileId> = self.files().collect();
                let from = match chance.below(FROM_ONE_IN) {
                    0 => chance.below(FROM_MAX).into(),
                    _ => 0,
                };
                read(one_of(&files, chance), from)
            }
            "close" => Request::Close,
            other => {
                let message = no_command(other);
                return Err(CommandError { message, at: 0 });
            }
        };
        Ok(command(request))
    }

    fn acquire(&self, held: &Held, chance: &mut Stream) -> Request<'static> {
        let (held, free) = self.parted(held);
        let is_above = |file: &FileId| held.last().is_none_or(|highest| file > highest);
        let above: Vec<FileId> = free.into_iter().filter(is_above).collect();
        if above.is_empty() {
            return release(one_of(&held, chance));
        }
        let file = one_of(&above, chance);
        Request::Acquire {
            file: file.name().into(),
            token: 0,
        }
    }

    /// A file that the client holds, or now and then another one; `None` if it holds none.
    fn file_to_use(&self, held: &Held, chance: &mut Stream) -> Option<FileId> {
        let (held, others) = self.parted(held);
        let is_stray = chance.below(STRAY_ONE_IN) == 0 && !others.is_empty();
        let files = if is_stray { others } else { held };
        (!files.is_empty()).then(|| one_of(&files, chance))
    }

    fn append(&mut self, file: FileId) -> Request<'static> {
        self.texts += 1;
        Request::Append {
            file: file.name().into(),
            token: 0,
            text: format!("{}.{};", self.who, self.texts).into(),
        }
    }

    /// The files that the client holds, and the others.
    fn parted(&self, held: &Held) -> (Vec<FileId>, Vec<FileId>) {
        self.files().partition(|file| held.contains(file))
    }

    fn files(&self) -> impl Iterator<Item = FileId> + use<> {
        FileId::all().take(self.files.into())
    }
}

fn renew(file: FileId) -> Request<'static> {
    let file = file.name().into();
    Request::Renew {
        file,
        token: 0,
        number: 0,
    }
}

fn release(file: FileId) -> Request<'static> {
    let file = file.name().into();
    Request::Release { file, token: 0 }
}

fn read(file: FileId, from: u64) -> Request<'static> {
    Request::Read {
        file: file.name().into(),
        token: 0,
        from,
    }
}

fn one_of(files: &[FileId], chance: &mut Stream) -> FileId {
    files[chance.below(files.len() as u32) as usize]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::seed::Seed;
    use crate::services::lock::describe;

    const FILES: u16 = 3;

    fn file(number: u16) -> FileId {
        FileId::of_number(number).unwrap()
    }

    /// What a client holds of these files.
    fn holding(files: &[u16]) -> Held {
        files.iter().map(|&number| file(number)).collect()
    }

    /// How often each command is made up of 800 with this verb.
    fn made_up(verb: &str, held: &Held) -> BTreeMap<String, u32> {
        let mut load = Load::new(FILES, "c2");
        let mut chance = Seed(7).stream("load");
        let mut counts = BTreeMap::new();
        for _ in 0..800 {
            let command = load.generate(verb, held, &mut chance).unwrap();
            let words = describe::request(&command.body);
            assert!(words.starts_with(command.verb));
            let about: Vec<&str> = words.split(' ').take(2).collect();
            *counts.entry(about.join(" ")).or_default() += 1;
        }
        counts
    }

    fn commands(verb: &str, held: &Held) -> Vec<String> {
        made_up(verb, held).into_keys().collect()
    }

    #[test]
    fn only_files_above_those_held_are_acquired_and_else_one_is_released() {
        let all = ["acquire file_0", "acquire file_1", "acquire file_2"];
        assert_eq!(commands("acquire", &holding(&[])), all);
        assert_eq!(commands("acquire", &holding(&[1])), ["acquire file_2"]);
        assert_eq!(
            commands("acquire", &holding(&[0, 2])),
            ["release file_0", "release file_2"]
        );
        let held = FileId::all().collect(); // one lock guards all
        let all = ["release file_0", "release file_1", "release file_2"];
        assert_eq!(commands("acquire", &held), all);
    }

    #[test]
    fn what_needs_a_lock_is_mostly_done_under_one() {
        for verb in ["append", "renew", "release"] {
            let counts = made_up(verb, &holding(&[1]));
            let of = |number: u16| counts.get(&format!("{verb} file_{number}")).copied();
            let stray = of(0).unwrap() + of(2).unwrap();
            assert!((70..130).contains(&stray), "{verb}: {counts:?}");
            assert_eq!(of(1).unwrap() + stray, 800);

            let counts = made_up(verb, &Held::default());
            let acquired = counts.iter().filter(|(it, _)| it.starts_with("acquire"));
            let acquired: u32 = acquired.map(|(_, count)| count).sum();
            assert!((670..730).contains(&acquired), "{verb}: {counts:?}");

            let counts = made_up(verb, &holding(&[0, 1, 2]));
            assert_eq!(counts.values().sum::<u32>(), 800);
            assert!(counts.keys().all(|it| it.starts_with(verb)));
        }
    }

    #[test]
    fn no_text_is_made_up_twice() {
        let mut load = Load::new(FILES, "c2");
        let mut chance = Seed(7).stream("load");
        let mut texts = BTreeSet::new();
        for _ in 0..100 {
            let command = load.generate("append", &holding(&[0]), &mut chance);
            let command = command.unwrap();
            let Ok(Request::Append { text, token: 0, .. }) = Request::decode(&command.body) else {
                panic!("no append");
            };
            assert!(texts.insert(text.into_owned()));
        }
        assert!(texts.contains("c2.17;"));
    }

    #[test]
    fn every_verb_is_load_and_no_other_word() {
        for verb in ["hello", "read", "close"] {
            assert!(
                commands(verb, &holding(&[1]))
                    .iter()
                    .all(|it| it.starts_with(verb))
            );
        }
        let mut chance = Seed(7).stream("load");
        let error = Load::new(FILES, "c2").generate("put", &Held::default(), &mut chance);
        assert!(error.unwrap_err().message.contains("write hello, acquire"));
    }
}
