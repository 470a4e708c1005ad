//! The scenario file as it is written: types that read it and give its schema.
//!
//! Everything is optional that a file or a variant may leave out. Enums are externally tagged: with
//! the other representations, mistakes would lose their place in the file.

use schemars::JsonSchema;
use serde::Deserialize;

use super::field::{At, Entries, Ratio, SeedNumber, Whole, Word};
use super::number::{Drawn, Rate, Signed};
use super::{Backend, Check, Expected, Wire};

/// The longest delay and think time: an hour, in ms.
const DELAY_MS_MAX: u32 = 3_600_000;
/// The longest virtual time of a run: a day, in ms.
const RUN_MS_MAX: u32 = 86_400_000;
/// The most that a clock may be ahead or behind at time zero: an hour, in ms.
const OFFSET_MS_MAX: u32 = 3_600_000;

/// A delay of the network, in ms.
pub(super) type DelayMs = Whole<1, DELAY_MS_MAX>;
/// A span that may be zero, in ms.
pub(super) type SpanMs = Whole<0, DELAY_MS_MAX>;
/// A time of the trace, in ms.
type TimeMs = Whole<0, RUN_MS_MAX>;
/// A time of the trace that the seed may choose, in ms.
type DrawnMs = Drawn<0, RUN_MS_MAX>;
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
    /// What the reply cache of at-most-once survives (default: memory).
    pub(super) reply_cache: Option<At<Word<ReplyCacheWord>>>,
    /// How long the reply cache keeps a reply, or the session of a silent client (default: 300000).
    pub(super) reply_cache_age_ms: Option<LengthMs>,
    /// What the service's state survives (default: memory).
    pub(super) state: Option<At<Word<StateWord>>>,
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
    /// What is judged (default: executions, effects, and what is expected or described besides).
    pub(super) checks: Option<At<Vec<At<Word<Check>>>>>,
    /// What a fresh client does when the faults have ended, for the check `liveness`.
    pub(super) liveness: Option<At<LivenessTable>>,
    /// Command lines by client, run on a perfect network before time zero of the trace.
    #[serde(default)]
    pub(super) setup: Entries<Vec<At<String>>>,
    /// Command lines by client: the commands of the service, and `wait 3s`.
    #[serde(default)]
    pub(super) clients: Entries<Vec<At<String>>>,
    /// The server that a client calls, where a service has several (default: the clients take turns).
    #[serde(default)]
    pub(super) home: Entries<At<String>>,
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
    /// No crash of its server: what it does not remember is new and is executed.
    Memory,
    /// No crash either, but clients have sessions of a server life: what belongs to another life is
    /// refused and not executed again.
    Epoch,
    /// Crashes: sessions and replies are on the disk, written together with the effects of the request.
    Durable,
}

/// What a service's state survives.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StateWord {
    /// No crash of the server.
    Memory,
    /// Crashes: it is on the disk, and each step is durable before anything of it is seen.
    Disk,
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
    /// All connections between two hosts are reset.
    Reset(ResetTable),
    /// A host crashes: what it held in memory is gone.
    Crash(At<CrashTable>),
    /// A host runs nothing for a while, and then goes on where it was.
    Pause(PauseTable),
    /// A host's clock is wrong, from the beginning of the run on.
    Skew(At<SkewTable>),
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
    /// A message of this operation that asks for no reply, such as a heartbeat.
    pub(super) tell_from: Option<At<String>>,
    /// A message between servers about this operation, such as "alice#1"; with `to`.
    pub(super) peer_about: Option<At<String>>,
    /// The server that the message between servers is for.
    pub(super) to: Option<At<String>>,
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
    /// A message of this operation that asks for no reply, such as a heartbeat.
    pub(super) tell_from: Option<At<String>>,
    /// A message between servers about this operation, such as "alice#1"; with `to`.
    pub(super) peer_about: Option<At<String>>,
    /// The server that the message between servers is for.
    pub(super) to: Option<At<String>>,
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
    /// A message of this operation that asks for no reply, such as a heartbeat.
    pub(super) tell_from: Option<At<String>>,
    /// A message between servers about this operation, such as "alice#1"; with `to`.
    pub(super) peer_about: Option<At<String>>,
    /// The server that the message between servers is for.
    pub(super) to: Option<At<String>>,
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
    /// Whether only what the first sends to the second is lost (default: false).
    #[serde(default)]
    pub(super) one_way: bool,
    /// What becomes of connections between the two (default: wait).
    pub(super) streams: Option<Word<StreamsWord>>,
}

/// What becomes of connections between hosts that are cut off from each other.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StreamsWord {
    /// What is sent waits until they can reach each other again.
    Wait,
    /// They are reset at both ends when the partition begins.
    Reset,
}

/// Between whom all connections are reset, and when.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetTable {
    /// The two hosts.
    pub(super) between: At<[At<String>; 2]>,
    /// When, in time of the trace.
    pub(super) at_ms: DrawnMs,
}

/// Which host crashes, when, and what is left of it. The time is `at_ms` or `after`; neither is
/// needed where `disk_operation` says enough.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CrashTable {
    /// The host.
    pub(super) host: At<String>,
    /// When, in time of the trace.
    pub(super) at_ms: Option<DrawnMs>,
    /// With which event of the trace: its word and an operation, such as "execute alice#2".
    pub(super) after: Option<At<String>>,
    /// Which event of this word and operation, from 1 (default: 1).
    pub(super) nth: Option<At<Whole<1, 1_000_000>>>,
    /// Not at once, but inside this operation on the host's disk, from 1, counted from then on; from
    /// time zero if neither `at_ms` nor `after` is given.
    pub(super) disk_operation: Option<Drawn<1, 1_000_000>>,
    /// How long it stays down (default: it never comes back).
    pub(super) restart_after_ms: Option<LengthMs>,
    /// What becomes of what its disk has not synced (default: keep).
    pub(super) disk: Option<Word<DiskWord>>,
}

/// What becomes at a crash of what a disk has not synced.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum DiskWord {
    /// It is kept.
    Keep,
    /// It is lost.
    Lose,
    /// Of each sector of 512 bytes, either the old content is found or the new.
    Tear,
    /// The disk has lied since the story began: what it said was synced is lost with the rest.
    Lie,
}

/// Which host stands still, and when.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PauseTable {
    /// The host.
    pub(super) host: At<String>,
    /// When it begins, in time of the trace.
    pub(super) at_ms: DrawnMs,
    /// How long it lasts.
    pub(super) for_ms: LengthMs,
}

/// Which host's clock is wrong, and how. At least one of `offset_ms` and `rate` is needed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SkewTable {
    /// The host.
    pub(super) host: At<String>,
    /// How far ahead the clock is at time zero of the trace; negative: behind (default: 0).
    pub(super) offset_ms: Option<Signed<OFFSET_MS_MAX>>,
    /// How fast it goes, to six decimals: 1.01 gains one percent (default: 1).
    pub(super) rate: Option<Rate>,
}

/// The calls of a fresh client.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LivenessTable {
    /// Its command lines (default: one that changes nothing, if the service has such).
    pub(super) calls: Option<At<Vec<At<String>>>>,
    /// How long each call may take (default: as long as a client waits before it gives up).
    pub(super) within_ms: Option<LengthMs>,
}

/// What must come out of a variant.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// The verdict on executions.
    pub(super) executions: Option<At<Word<Expected>>>,
    /// The verdict on effects.
    pub(super) effects: Option<At<Word<Expected>>>,
    /// The verdict on linearizable.
    pub(super) linearizable: Option<At<Word<Expected>>>,
    /// The verdict on exclusion.
    pub(super) exclusion: Option<At<Word<Expected>>>,
    /// The verdict on atomicity.
    pub(super) atomicity: Option<At<Word<Expected>>>,
    /// The verdict on causal.
    pub(super) causal: Option<At<Word<Expected>>>,
    /// The verdict on causal-memory.
    #[serde(rename = "causal-memory")]
    pub(super) causal_memory: Option<At<Word<Expected>>>,
    /// The verdict on read-your-writes.
    #[serde(rename = "read-your-writes")]
    pub(super) read_your_writes: Option<At<Word<Expected>>>,
    /// The verdict on monotonic-reads.
    #[serde(rename = "monotonic-reads")]
    pub(super) monotonic_reads: Option<At<Word<Expected>>>,
    /// The verdict on monotonic-writes.
    #[serde(rename = "monotonic-writes")]
    pub(super) monotonic_writes: Option<At<Word<Expected>>>,
    /// The verdict on writes-follow-reads.
    #[serde(rename = "writes-follow-reads")]
    pub(super) writes_follow_reads: Option<At<Word<Expected>>>,
    /// The verdict on convergence.
    pub(super) convergence: Option<At<Word<Expected>>>,
    /// The verdict on liveness.
    pub(super) liveness: Option<At<Word<Expected>>>,
    /// How operations end, by operations such as "alice#1".
    #[serde(default)]
    pub(super) outcome: Entries<Word<OutcomeWord>>,
    /// What commands say at the end, on a perfect network.
    #[serde(default, rename = "final")]
    pub(super) finals: Entries<String>,
}

impl Expect {
    /// The verdicts that it asks for, in the order of [`Check::ALL`].
    pub(super) fn verdicts(&self) -> impl Iterator<Item = (Check, &At<Word<Expected>>)> {
        let verdicts = Check::ALL.into_iter().map(|check| match check {
            Check::Executions => (check, &self.executions),
            Check::Effects => (check, &self.effects),
            Check::Linearizable => (check, &self.linearizable),
            Check::Exclusion => (check, &self.exclusion),
            Check::Atomicity => (check, &self.atomicity),
            Check::Causal => (check, &self.causal),
            Check::CausalMemory => (check, &self.causal_memory),
            Check::ReadYourWrites => (check, &self.read_your_writes),
            Check::MonotonicReads => (check, &self.monotonic_reads),
            Check::MonotonicWrites => (check, &self.monotonic_writes),
            Check::WritesFollowReads => (check, &self.writes_follow_reads),
            Check::Convergence => (check, &self.convergence),
            Check::Liveness => (check, &self.liveness),
        });
        verdicts.filter_map(|(check, verdict)| Some((check, verdict.as_ref()?)))
    }
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
