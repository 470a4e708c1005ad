//! The file that an exploration leaves: a header, and a line of JSON for each run.
//!
//! ```text
//! {"wavetank":"0.1.0","format":1,"scenario_hash":"..","variants":{SCENARIO:[VARIANT, ..]},"seeds":["0","400"],"shard":"1/2"}
//! {"scenario":"booking/storm","variant":"at-most-once","seed":"0","verdicts":{"effects":"valid"},"digest":".."}
//! ```
//!
//! The lines are sorted by scenario, variant and seed. Seeds are texts, because JSON readers may not
//! keep large numbers.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::check::Verdict;
use crate::seed::fnv1a;
use crate::sim::scenario::Variant;
use crate::sim::shard::Shard;

/// The number of this format.
pub const FORMAT: u32 = 1;

/// The first line: what the runs are runs of.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The version of the program.
    pub wavetank: String,
    /// [`FORMAT`].
    pub format: u32,
    /// A hash of all that a run depends on apart from its seed, in hexadecimal: see [`scenario_hash`].
    pub scenario_hash: String,
    /// The variants of each scenario, sorted.
    pub variants: BTreeMap<String, Vec<String>>,
    /// The half-open range of seeds.
    pub seeds: [String; 2],
    /// Which part of the range, as in `1/2`. Where parts were joined and some are missing, they are
    /// joined with `+`.
    pub shard: String,
}

/// One run.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RunLine {
    /// The scenario's name.
    pub scenario: String,
    /// The variant's name.
    pub variant: String,
    /// The seed.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub seed: u64,
    /// What each check says, by its name.
    pub verdicts: BTreeMap<String, VerdictKind>,
    /// A hash of what the run amounts to, in hexadecimal: see [`crate::sim::explore`].
    pub digest: String,
}

/// A verdict without its evidence.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VerdictKind {
    /// The property holds.
    Valid,
    /// It does not.
    Violated,
    /// It could not be judged.
    Unknown,
}

impl From<&Verdict> for VerdictKind {
    fn from(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Valid => Self::Valid,
            Verdict::Violated(_) => Self::Violated,
            Verdict::Unknown(_) => Self::Unknown,
        }
    }
}

impl Header {
    /// The header of an exploration of these variants, each with the name of its scenario.
    #[must_use]
    pub fn new<'a>(
        variants: impl Iterator<Item = (&'a str, &'a Variant)> + Clone,
        seeds: &Range<u64>,
        shard: Shard,
    ) -> Self {
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (scenario, variant) in variants.clone() {
            let names = names.entry(scenario.to_owned()).or_default();
            names.push(variant.name.clone());
            names.sort();
        }
        Self {
            wavetank: env!("CARGO_PKG_VERSION").to_owned(),
            format: FORMAT,
            scenario_hash: scenario_hash(variants),
            variants: names,
            seeds: [seeds.start.to_string(), seeds.end.to_string()],
            shard: shard.to_string(),
        }
    }

    /// The range of seeds; `None` if it is none.
    #[must_use]
    pub fn range(&self) -> Option<Range<u64>> {
        let [from, to] = &self.seeds;
        let range = from.parse().ok()?..to.parse().ok()?;
        (range.start <= range.end).then_some(range)
    }

    /// What has been configured otherwise there: the first field that differs, with both values. The
    /// range and the part are not compared.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<String> {
        let variants = |header: &Self| {
            let each = header.variants.iter();
            let each = each.map(|(scenario, names)| format!("{scenario} ({})", names.join(", ")));
            each.collect::<Vec<_>>().join("; ")
        };
        let fields = |header: &Self| {
            [
                ("wavetank", header.wavetank.clone()),
                ("format", header.format.to_string()),
                ("variants", variants(header)),
                ("scenario_hash", header.scenario_hash.clone()),
            ]
        };
        let mut pairs = fields(self).into_iter().zip(fields(other));
        pairs.find_map(|((name, own), (_, others))| {
            (own != others).then(|| format!("`{name}` is {others} and not {own}"))
        })
    }
}

/// A hash of variants as they were understood, overrides applied: comments, the story and the pinned
/// seed do not count, and neither does the simulator.
#[must_use]
pub fn scenario_hash<'a>(variants: impl Iterator<Item = (&'a str, &'a Variant)>) -> String {
    let mut each: Vec<String> = variants
        .map(|(scenario, variant)| format!("{scenario}: {variant:?}\n"))
        .collect();
    each.sort();
    hex(fnv1a(each.concat().as_bytes()))
}

/// A hash as it is written: 16 hexadecimal digits.
#[must_use]
pub fn hex(hash: u64) -> String {
    format!("{hash:016x}")
}

/// A header or a run as its line, with the end of the line.
///
/// # Panics
///
/// Never: texts and numbers have a JSON form.
#[must_use]
pub fn line(of: &impl Serialize) -> String {
    let json = serde_json::to_string(of).expect("texts and numbers have a JSON form");
    format!("{json}\n")
}

fn as_text<S: Serializer>(seed: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(seed)
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_one_line_and_comes_back() {
        let run = RunLine {
            scenario: "booking/storm".to_owned(),
            variant: "maybe".to_owned(),
            seed: u64::MAX,
            verdicts: BTreeMap::from([("effects".to_owned(), VerdictKind::Unknown)]),
            digest: hex(255),
        };
        let text = line(&run);
        assert_eq!(
            text,
            concat!(
                r#"{"scenario":"booking/storm","variant":"maybe","seed":"18446744073709551615","#,
                r#""verdicts":{"effects":"unknown"},"digest":"00000000000000ff"}"#,
                "\n"
            )
        );
        assert_eq!(serde_json::from_str::<RunLine>(&text).unwrap(), run);
    }

    #[test]
    fn headers_of_other_configurations_differ() {
        let header = Header {
            wavetank: "0.1.0".to_owned(),
            format: FORMAT,
            scenario_hash: hex(1),
            variants: BTreeMap::from([("s".to_owned(), vec!["a".to_owned()])]),
            seeds: ["0".to_owned(), "400".to_owned()],
            shard: "1/2".to_owned(),
        };
        let mut other = header.clone();
        other.shard = "2/2".to_owned();
        assert_eq!(header.first_difference(&other), None);
        other.scenario_hash = hex(2);
        other.wavetank = "0.2.0".to_owned();
        let told = header.first_difference(&other).unwrap();
        assert_eq!(told, "`wavetank` is 0.2.0 and not 0.1.0");
        assert_eq!(header.range(), Some(0..400));
        other.seeds[0] = "401".to_owned();
        assert_eq!(other.range(), None);
    }
}
