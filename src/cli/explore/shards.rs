//! `--shard auto`: which part of the range this machine has, by the environment of whoever started it.

use crate::cli::exit::UsageError;
use crate::sim::shard::Shard;

/// Says how many parts there are where the environment does not; where it does, both must agree.
const TOTAL: &str = "WAVETANK_SHARDS";

/// What `--shard` says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wanted {
    /// This part.
    Part(Shard),
    /// The part that the environment names.
    Auto,
}

/// Reads `I/N` or `auto`.
pub(crate) fn parse(text: &str) -> Result<Wanted, String> {
    match text {
        "auto" => Ok(Wanted::Auto),
        _ => text.parse().map(Wanted::Part),
    }
}

/// The variables of the environment.
type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Somebody who starts a program many times, with a number for each.
struct Engine {
    name: &'static str,
    /// The variable that is there only under this engine, with the number.
    index: &'static str,
    /// The number of the first.
    first: First,
    total: Total,
}

/// The number of the first part.
#[derive(Clone, Copy)]
enum First {
    Is(u64),
    /// Slurm's smallest task of the array.
    SlurmMin,
}

/// How many parts there are.
#[derive(Clone, Copy)]
enum Total {
    /// In this variable.
    In(&'static str),
    /// Slurm's own count, if its array is whole.
    Slurm,
    /// Nowhere.
    Untold,
}

const ENGINES: [Engine; 5] = [
    Engine {
        name: "a Slurm array",
        index: "SLURM_ARRAY_TASK_ID",
        first: First::SlurmMin,
        total: Total::Slurm,
    },
    Engine {
        name: "a Kubernetes indexed job",
        index: "JOB_COMPLETION_INDEX",
        first: First::Is(0),
        total: Total::In("JOB_COMPLETIONS"),
    },
    Engine {
        name: "an AWS Batch array",
        index: "AWS_BATCH_JOB_ARRAY_INDEX",
        first: First::Is(0),
        total: Total::In("AWS_BATCH_JOB_ARRAY_SIZE"),
    },
    Engine {
        name: "GitLab's parallel",
        index: "CI_NODE_INDEX",
        first: First::Is(1),
        total: Total::In("CI_NODE_TOTAL"),
    },
    Engine {
        name: "GNU parallel",
        index: "PARALLEL_SEQ",
        first: First::Is(1),
        total: Total::Untold,
    },
];

/// The part that the environment names.
pub(crate) fn auto(environment: Environment<'_>) -> Result<Shard, UsageError> {
    let found = ENGINES
        .iter()
        .filter(|engine| environment(engine.index).is_some());
    match found.collect::<Vec<_>>()[..] {
        [engine] => engine.shard(environment),
        [] => {
            let known = ENGINES.map(|engine| format!("{} ({})", engine.name, engine.index));
            Err(UsageError(format!(
                "--shard auto: nothing in the environment says which part this is; known are {}; \
                 or write --shard I/N",
                known.join(", ")
            )))
        }
        [first, second, ..] => Err(UsageError(format!(
            "--shard auto: the environment names two parts, that of {} ({}) and that of {} ({}); \
             write --shard I/N",
            first.name, first.index, second.name, second.index
        ))),
    }
}

impl Engine {
    fn shard(&self, environment: Environment<'_>) -> Result<Shard, UsageError> {
        let number = read(environment, self.index)?;
        let (first, step) = match self.first {
            First::Is(first) => (first, 1),
            First::SlurmMin => (
                read(environment, "SLURM_ARRAY_TASK_MIN")?,
                slurm_step(environment)?,
            ),
        };
        let total = self.total(environment)?;
        let place = number.checked_sub(first).filter(|place| place % step == 0);
        let shard = place.and_then(|place| Shard::new((place / step).checked_add(1)?, total));
        shard.ok_or_else(|| {
            let (name, index) = (self.name, self.index);
            wrong(format!(
                "under {name}, {index} is {number}, which is none of {total} parts from {first} on"
            ))
        })
    }

    /// How many parts there are, as the environment and the user say.
    fn total(&self, environment: Environment<'_>) -> Result<u64, UsageError> {
        let told = match self.total {
            Total::In(name) if environment(name).is_some() => {
                Some((name, read(environment, name)?))
            }
            Total::Slurm => Some(("SLURM_ARRAY_TASK_COUNT", slurm_count(environment)?)),
            Total::In(_) | Total::Untold => None,
        };
        let own = match environment(TOTAL) {
            Some(_) => Some(read(environment, TOTAL)?),
            None => None,
        };
        match (told, own) {
            (Some((name, told)), Some(own)) if told != own => Err(wrong(format!(
                "{name} is {told}, but {TOTAL} is {own}; was only a part of the jobs started again?"
            ))),
            (Some((_, total)), _) | (None, Some(total)) => Ok(total),
            (None, None) => {
                let also = match self.total {
                    Total::In(name) => format!("{name} or "),
                    _ => String::new(),
                };
                Err(wrong(format!(
                    "{} does not say how many parts there are; set {also}{TOTAL}",
                    self.name
                )))
            }
        }
    }
}

/// The number of tasks of a Slurm array. A part of an array that is submitted again counts the part
/// only, so that it must not be believed where it does not fit the numbers of the tasks.
fn slurm_count(environment: Environment<'_>) -> Result<u64, UsageError> {
    let [min, max, count] = ["MIN", "MAX", "COUNT"].map(|name| format!("SLURM_ARRAY_TASK_{name}"));
    let min = read(environment, &min)?;
    let max = read(environment, &max)?;
    let count = read(environment, &count)?;
    let step = slurm_step(environment)?;
    let fits = max.checked_sub(min).map(|span| span / step + 1) == Some(count);
    let is_one_of_more = count == 1 && min > 1;
    if fits && !is_one_of_more {
        return Ok(count);
    }
    Err(wrong(format!(
        "SLURM_ARRAY_TASK_COUNT is {count}, which is not the size of an array from {min} to {max} \
         in steps of {step} that was started as a whole; where only some tasks were started again, \
         write --shard I/N with the N of the first time"
    )))
}

/// The step between the tasks of a Slurm array, 1 unless it says so.
fn slurm_step(environment: Environment<'_>) -> Result<u64, UsageError> {
    const STEP: &str = "SLURM_ARRAY_TASK_STEP";
    match environment(STEP) {
        None => Ok(1),
        Some(_) => match read(environment, STEP)? {
            0 => Err(wrong(format!("{STEP} is 0"))),
            step => Ok(step),
        },
    }
}

fn read(environment: Environment<'_>, name: &str) -> Result<u64, UsageError> {
    let text = environment(name).ok_or_else(|| wrong(format!("{name} is not set")))?;
    let number = text.trim().parse();
    number.map_err(|_| wrong(format!("{name} is `{text}` and no number")))
}

fn wrong(told: String) -> UsageError {
    UsageError(format!("--shard auto: {told}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `auto` makes of `NAME=VALUE` words.
    fn auto_of(words: &str) -> Result<String, String> {
        let find = |name: &str| {
            let mut pairs = words.split(' ').filter_map(|word| word.split_once('='));
            let found = pairs.find(|(key, _)| *key == name);
            found.map(|(_, value)| value.to_owned())
        };
        let shard = auto(&find).map_err(|error| error.to_string())?;
        Ok(shard.to_string())
    }

    fn slurm(id: u64, min: u64, max: u64, count: u64) -> String {
        format!(
            "SLURM_ARRAY_TASK_ID={id} SLURM_ARRAY_TASK_MIN={min} SLURM_ARRAY_TASK_MAX={max} \
             SLURM_ARRAY_TASK_COUNT={count}"
        )
    }

    #[test]
    fn each_engine_names_its_part() {
        let stepped = format!("{} SLURM_ARRAY_TASK_STEP=10", slurm(30, 10, 40, 4));
        for (words, part) in [
            (slurm(0, 0, 7, 8).as_str(), "1/8"),
            (&slurm(8, 1, 8, 8), "8/8"),
            (&stepped, "3/4"),
            ("JOB_COMPLETION_INDEX=3 JOB_COMPLETIONS=4", "4/4"),
            ("JOB_COMPLETION_INDEX=0 WAVETANK_SHARDS=4", "1/4"),
            (
                "AWS_BATCH_JOB_ARRAY_INDEX=1 AWS_BATCH_JOB_ARRAY_SIZE=3",
                "2/3",
            ),
            ("CI_NODE_INDEX=2 CI_NODE_TOTAL=2", "2/2"),
            ("CI_NODE_INDEX=2 CI_NODE_TOTAL=2 WAVETANK_SHARDS=2", "2/2"),
            ("PARALLEL_SEQ=5 PARALLEL_JOBSLOT=1 WAVETANK_SHARDS=6", "5/6"),
        ] {
            assert_eq!(auto_of(words).as_deref(), Ok(part), "{words}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let part_again = slurm(3, 1, 7, 2);
        let one_again = slurm(3, 3, 3, 1);
        let beside = format!("{} PARALLEL_SEQ=1", slurm(0, 0, 7, 8));
        for (words, told) in [
            ("", "nothing in the environment"),
            ("CI_NODE_TOTAL=1", "nothing in the environment"),
            (part_again.as_str(), "SLURM_ARRAY_TASK_COUNT is 2"),
            (&one_again, "SLURM_ARRAY_TASK_COUNT is 1"),
            ("SLURM_ARRAY_TASK_ID=1", "SLURM_ARRAY_TASK_MIN is not set"),
            (
                "JOB_COMPLETION_INDEX=3",
                "set JOB_COMPLETIONS or WAVETANK_SHARDS",
            ),
            (
                "JOB_COMPLETION_INDEX=4 JOB_COMPLETIONS=4",
                "none of 4 parts from 0 on",
            ),
            (
                "AWS_BATCH_JOB_ARRAY_INDEX=1",
                "set AWS_BATCH_JOB_ARRAY_SIZE or",
            ),
            (
                "CI_NODE_INDEX=0 CI_NODE_TOTAL=2",
                "none of 2 parts from 1 on",
            ),
            (
                "CI_NODE_INDEX=1 CI_NODE_TOTAL=2 WAVETANK_SHARDS=4",
                "is 2, but WAVETANK_SHARDS is 4",
            ),
            (
                "PARALLEL_SEQ=5 PARALLEL_JOBSLOT=1",
                "GNU parallel does not say",
            ),
            ("PARALLEL_SEQ=x WAVETANK_SHARDS=2", "is `x` and no number"),
            (
                &beside,
                "Slurm array (SLURM_ARRAY_TASK_ID) and that of GNU parallel (PARALLEL_SEQ)",
            ),
        ] {
            let refused = auto_of(words).unwrap_err();
            assert!(refused.contains(told), "{words}: {refused}");
        }
    }
}
