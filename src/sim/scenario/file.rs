//! The scenario file as it is written: types that read it and give its schema.
//!
//! Everything is optional that a file or a variant may leave out. Enums are externally tagged: with
//! the other representations, mistakes would lose their place in the file.

use schemars::JsonSchema;
use serde::Deserialize;

use super::field::{At, Entries, Ratio, SeedNumber, Whole, Word};
use super::{Backend, Check, Expected, Wire};

/// The longest delay and think time: an hour, in ms.
const DELAY_MS_MAX: u32 = 3_600_000;
/// The longest virtual time of a run: a day, in ms.
const RUN_MS_MAX: u32 = 86_400_000;

/// A delay of the network, in ms.
pub(super) type DelayMs = Whole<1, DELAY_MS_MAX>;
/// A span that may be zero, in ms.
pub(super) type SpanMs = Whole<0, DELAY_MS_MAX>;
/// A time of the trace, in ms.
type TimeMs = Whole<0, RUN_MS_MAX>;
/// How long something lasts that makes a difference, in ms.
type LengthMs = Whole<1, RUN_MS_MAX>;

/// What belongs to the file as a whole; no variant may override it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    /// What happens, in one or two sentences.
    pub(super) story: At<String>,
    /// The service under test.
    pub(super) service: At<String>,
    /// The number that fixes a run; a string for numbers above 9223372036854775807.
    pub(super) seed: At<SeedNumber>,
    /// What must come out of each variant, by its name.
    #[serde(default)]
    pub(super) expect: Entries<Expect>,
}

/// The keys that a variant may override. The tables `network`, `setup`, `clients` and `load` are
/// merged with the file's, key by key; anything else is replaced.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    /// What becomes of a request whose message is lost (default: at-most-once).
    pub(super) semantics: Option<Word<SemanticsWord>>,
    /// What the reply cache of at-most-once survives.
    #[expect(
        dead_code,
        reason = "so far it has one word only, and that is the default"
    )]
    pub(super) reply_cache: Option<Word<ReplyCacheWord>>,
    /// What the service survives.
    #[expect(
        dead_code,
        reason = "so far it has one word only, and that is the default"
    )]
    pub(super) state: Option<Word<StateWord>>,
    /// The format of the datagrams (default: v2).
    pub(super) wire: Option<At<Word<Wire>>>,
    /// How long a client waits for a reply before it sends again (default: the service's own).
    pub(super) timeout_ms: Option<DelayMs>,
    /// How often a client sends a request before it gives up (default: the service's own).
    pub(super) attempts: Option<Whole<1, 1_000>>,
    /// The simulators that can run it (default: all).
    pub(super) backends: Option<At<Vec<At<Word<Backend>>>>>,
    /// How many virtual seconds the story may take, and each client's setup (default: 600); after
    /// that, the verdict is unknown.
    pub(super) max_virtual_s: Option<Whole<1, { RUN_MS_MAX / 1_000 }>>,
    /// What is judged (default: executions and effects).
    pub(super) checks: Option<Vec<At<Word<Check>>>>,
    /// Command lines by client, run on a perfect network before time zero of the trace.
    #[serde(default)]
    pub(super) setup: Entries<Vec<At<String>>>,
    /// Command lines by client: the commands of the service, and `wait 3s`.
    #[serde(default)]
    pub(super) clients: Entries<Vec<At<String>>>,
    /// Generated clients NAME1, NAME2, .. with drawn operations.
    #[serde(default)]
    pub(super) load: Entries<LoadTable>,
    /// The network (default: no loss, no duplication, delay uniform 1 to 5 ms).
    #[serde(default)]
    pub(super) network: NetworkTable,
    /// Scripted faults 1, 2, ..
    #[serde(default)]
    pub(super) fault: Vec<FaultTable>,
}

/// An invocation semantics.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SemanticsWord {
    /// Sent once; the client may never know.
    Maybe,
    /// Retransmitted until a reply comes; may be executed more than once.
    AtLeastOnce,
    /// Retransmitted; duplicates are answered from the reply cache.
    AtMostOnce,
}

/// What a reply cache survives.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ReplyCacheWord {
    /// Nothing: what is not in memory is new.
    Memory,
}

/// What a service's state survives.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StateWord {
    /// Nothing.
    Memory,
}

/// Clients that are generated.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoadTable {
    /// How many clients.
    pub(super) count: Whole<1, 1_000>,
    /// How many operations each of them performs.
    pub(super) requests: Whole<1, 1_000_000>,
    /// How long a client waits before each operation, in ms.
    pub(super) think_ms: At<DelayTable<SpanMs>>,
    /// Verbs of the service with their weights.
    pub(super) mix: At<Entries<Whole<0, 1_000_000>>>,
}

/// How a span of time is drawn.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(rename_all = "snake_case")]
pub(super) enum DelayTable<Ms> {
    /// Always the same.
    Fixed(Ms),
    /// Every whole number from the first to the second, equally likely.
    Uniform([Ms; 2]),
    /// Many short ones, few long ones.
    Exponential(ExponentialTable),
}

/// An exponential distribution, in ms.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExponentialTable {
    /// The mean before rounding and cutting.
    pub(super) mean: DelayMs,
    /// What is drawn longer is cut to this.
    pub(super) max: DelayMs,
}

/// Random conditions of the network.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NetworkTable {
    /// How long a datagram is under way.
    pub(super) delay_ms: Option<At<DelayTable<DelayMs>>>,
    /// How likely a datagram is lost.
    pub(super) loss: Option<Ratio>,
    /// How likely a datagram arrives twice.
    pub(super) duplication: Option<Ratio>,
    /// Overrides for one direction: the key is "from>to".
    #[serde(default)]
    pub(super) link: Entries<LinkTable>,
}

/// Random conditions of one direction of a link; what is absent is as everywhere.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkTable {
    /// How long a datagram is under way.
    pub(super) delay_ms: Option<At<DelayTable<DelayMs>>>,
    /// How likely a datagram is lost.
    pub(super) loss: Option<Ratio>,
    /// How likely a datagram arrives twice.
    pub(super) duplication: Option<Ratio>,
}

/// A scripted fault: one key, which names its kind.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum FaultTable {
    /// A datagram is lost.
    Drop(At<DropTable>),
    /// A datagram arrives once more.
    Duplicate(At<DuplicateTable>),
    /// A datagram is under way for exactly this long.
    Delay(At<DelayFaultTable>),
    /// Two hosts are cut off from each other.
    Partition(PartitionTable),
}

/// Which datagram is lost.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DropTable {
    /// The request of this operation, such as "alice#1".
    pub(super) request_from: Option<At<String>>,
    /// A reply to this operation, such as "alice#1".
    pub(super) reply_to: Option<At<String>>,
    /// An update that this operation asked for, or any update to this client.
    pub(super) update_to: Option<At<String>>,
    /// Which send of that label, from 1 (default: 1).
    pub(super) nth: Option<Whole<1, 1_000_000>>,
}

/// Which datagram arrives once more, and when.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DuplicateTable {
    /// The request of this operation, such as "alice#1".
    pub(super) request_from: Option<At<String>>,
    /// A reply to this operation, such as "alice#1".
    pub(super) reply_to: Option<At<String>>,
    /// An update that this operation asked for, or any update to this client.
    pub(super) update_to: Option<At<String>>,
    /// Which send of that label, from 1 (default: 1).
    pub(super) nth: Option<Whole<1, 1_000_000>>,
    /// How long after the first copy the second arrives.
    pub(super) after_ms: SpanMs,
}

/// Which datagram is delayed, and for how long.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DelayFaultTable {
    /// The request of this operation, such as "alice#1".
    pub(super) request_from: Option<At<String>>,
    /// A reply to this operation, such as "alice#1".
    pub(super) reply_to: Option<At<String>>,
    /// An update that this operation asked for, or any update to this client.
    pub(super) update_to: Option<At<String>>,
    /// Which send of that label, from 1 (default: 1).
    pub(super) nth: Option<Whole<1, 1_000_000>>,
    /// How long it is under way.
    pub(super) ms: DelayMs,
}

/// Who is cut off from whom, and when.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PartitionTable {
    /// The two hosts.
    pub(super) between: At<[At<String>; 2]>,
    /// When it begins, in time of the trace.
    pub(super) at_ms: TimeMs,
    /// How long it lasts.
    pub(super) for_ms: LengthMs,
    /// Whether only datagrams from the first to the second are lost (default: false).
    #[serde(default)]
    pub(super) one_way: bool,
}

/// What must come out of a variant.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// The verdict on executions.
    pub(super) executions: Option<At<Word<Expected>>>,
    /// The verdict on effects.
    pub(super) effects: Option<At<Word<Expected>>>,
    /// How operations end, by operations such as "alice#1".
    #[serde(default)]
    pub(super) outcome: Entries<Word<OutcomeWord>>,
    /// What commands say at the end, on a perfect network.
    #[serde(default, rename = "final")]
    pub(super) finals: Entries<String>,
}

/// How an operation ends.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum OutcomeWord {
    /// It was executed and the client was told so.
    Ok,
    /// It certainly did not happen, or was refused.
    Failed,
    /// It may have happened, and may yet happen.
    Unknown,
}
