//! What an exploration has found of one variant, in words.

use crate::cli::choice::{Choice, Plan};
use crate::cli::exit::Exit;
use crate::cli::table::counted;
use crate::sim::scenario::{Check, Expected};
use crate::sim::standing::{Counts, Standing};

impl From<Standing> for Exit {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Unasked | Standing::Held | Standing::Open => Self::Held,
            Standing::Unknown => Self::Unknown,
            Standing::Broken => Self::Broken,
        }
    }
}

/// What to look at, with the commands that show it; nothing if there is nothing to see.
pub(crate) fn told(
    counts: &Counts,
    (check, expected): (Check, Option<Expected>),
    all: bool,
    variant: &str,
    replay: &dyn Fn(u64) -> String,
) -> String {
    let check = check.name();
    let standing = counts.standing(expected, all);
    let mut out = String::new();
    let example = |seeds: &[u64]| -> String {
        let lines = seeds.iter().map(|seed| format!("  {}\n", replay(*seed)));
        lines.collect()
    };
    let violated = counted(counts.violated, "seed");
    match (expected, standing) {
        (Some(Expected::Valid), Standing::Broken) => {
            out.push_str(&format!(
                "\nBROKEN {variant}: {check} expected valid, found violated at {violated}, each \
                 confirmed by a second run:\n{}",
                example(&counts.listed)
            ));
            match counts.violated - counts.listed.len() as u64 {
                0 => {}
                more => out.push_str(&format!("  and {}\n", counted(more, "more seed"))),
            }
        }
        (Some(Expected::Violated), Standing::Broken) => out.push_str(&format!(
            "\nBROKEN {variant}: {check} expected violated at one seed at least, found at none\n"
        )),
        (Some(Expected::Violated), Standing::Held) => out.push_str(&format!(
            "\n{variant}: {check} violated, as expected, for example:\n{}",
            example(&counts.listed[..1])
        )),
        (None, _) if counts.violated > 0 => out.push_str(&format!(
            "\n{variant}: {check} violated at {violated}, and nothing is expected of it; for \
             example:\n{}",
            example(&counts.listed[..1])
        )),
        _ => {}
    }
    if let Some(seed) = counts.first_unknown {
        let unknown = counted(counts.unknown, "seed");
        out.push_str(&format!(
            "\n{variant}: {check} could not be judged at {unknown}, for example:\n{}",
            example(&[seed])
        ));
    }
    out
}

/// The command that repeats one run of a variant.
pub(crate) fn replay<'a>(
    choice: &'a Choice,
    plan: &'a Plan,
    variant: &'a str,
) -> impl Fn(u64) -> String + 'a {
    move |seed| choice.replay(&plan.path, variant, seed)
}
