//! Commands made up for load: queries and registrations of a few people that meet now and then.

use crate::seed::Stream;
use crate::services::meeting::command;
use crate::services::meeting::message::{Meeting, Request};
use crate::services::meeting::settings::Settings;
use crate::services::meeting::times::{Interval, Times};
use crate::services::{Command, CommandError};

/// How many names a command has at most.
const NAMES_AT_ONCE: u32 = 3;

/// One in so many queries names somebody who does not exist, too.
const STRANGER_ONE_IN: u32 = 16;

/// Makes commands up about the people of these settings.
#[derive(Clone, Debug)]
pub(super) struct Load {
    people: Vec<(String, Times)>,
}

impl Load {
    pub(super) fn new(settings: &Settings) -> Self {
        let people = settings.people.iter().flat_map(|people| people.iter());
        Self {
            people: people
                .map(|(name, times)| (name.clone(), times.clone()))
                .collect(),
        }
    }

    /// Makes up a command with this verb.
    ///
    /// # Errors
    ///
    /// If the verb is none, or there is nobody.
    pub(super) fn generate(
        &self,
        verb: &str,
        chance: &mut Stream,
    ) -> Result<Command, CommandError> {
        let wrong = |message: String| Err(CommandError { message, at: 0 });
        if self.people.is_empty() {
            return wrong("there are no `people`, so no load can be made up".to_owned());
        }
        let request = match verb {
            "free" => self.free(chance),
            "register" => self.register(chance),
            other => return wrong(format!("`{other}` is no command; write free, register")),
        };
        Ok(command::command(&request))
    }

    fn free(&self, chance: &mut Stream) -> Request {
        let mut names = self.names(chance);
        if chance.below(STRANGER_ONE_IN) == 0 {
            names.push("nobody".to_owned());
        }
        Request::Free { names }
    }

    /// A time of length 1 or 2 that the first of them has, unless it has been taken.
    fn register(&self, chance: &mut Stream) -> Request {
        let names = self.names(chance);
        let of_first = self.people.iter().find(|(name, _)| *name == names[0]);
        let times = of_first.map_or(&[][..], |(_, times)| times.as_slice());
        let stretch = match times.len() {
            0 => Interval::new(0, 1),
            count => {
                let within = times[chance.below(count as u32) as usize];
                let length = u32::try_from(within.end() - within.start()).unwrap_or(u32::MAX);
                let start = within.start() + u64::from(chance.below(length));
                Interval::new(start, start.saturating_add(1 + u64::from(chance.below(2))))
            }
        };
        match stretch {
            Some(stretch) => Request::Register(Meeting { stretch, names }),
            None => Request::Free { names },
        }
    }

    /// Some of the people, each once, at least one.
    fn names(&self, chance: &mut Stream) -> Vec<String> {
        let count = 1 + chance.below(NAMES_AT_ONCE);
        let mut names: Vec<String> = Vec::new();
        for _ in 0..count {
            let place = chance.below(self.people.len() as u32) as usize;
            let (name, _) = &self.people[place];
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use crate::services::meeting::describe;

    fn load(people: &str) -> Load {
        let mut settings = Settings::default();
        let table: toml::Table = people.parse().unwrap();
        settings.set_all(&table).unwrap();
        Load::new(&settings)
    }

    #[test]
    fn commands_are_about_people_and_their_time() {
        let load = load("people = { a = [\"ann;[[1,5]]\"], b = [\"bob;[[3,9]]\", \"eve;[]\"] }");
        let mut chance = Seed(1).stream("load");
        let mut told = Vec::new();
        for verb in ["free", "register"].repeat(100) {
            let command = load.generate(verb, &mut chance).unwrap();
            assert_eq!(command.verb, verb);
            told.push(describe::request(&command.body));
        }
        for expected in [
            "free ann",
            "free bob eve",
            "register 3 4 ann",
            "register 3 5 ann bob",
            "free bob eve nobody",
        ] {
            assert!(told.iter().any(|it| it == expected), "{expected}: {told:?}");
        }
    }

    #[test]
    fn without_people_or_with_another_verb_there_is_no_load() {
        let mut chance = Seed(1).stream("load");
        let error = load("").generate("free", &mut chance).unwrap_err();
        assert!(error.message.contains("no `people`"), "{error}");
        let load = load("people = { a = [\"ann;[[1,5]]\"] }");
        assert!(load.generate("book", &mut chance).is_err());
    }
}
