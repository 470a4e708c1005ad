//! Scenario files: what good ones mean, and what is said about bad ones.

#[path = "scenario_files/echo.rs"]
mod echo;
#[path = "scenario_files/faults.rs"]
mod faults;
#[path = "scenario_files/keeper.rs"]
mod keeper;
#[path = "scenario_files/overrides.rs"]
mod overrides;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use wavetank::clock::Time;
use wavetank::history::OutcomeKind;
use wavetank::id::{HostId, OperationId};
use wavetank::net::conditions::{
    Conditions, Delay, Fault, Partition, Probability, Reset, Selector, Streams, Target,
};
use wavetank::net::faults::{Chosen, Crash, DiskFate, Pause, Skew, Trigger, When};
use wavetank::rpc::reply_cache::Limits;
use wavetank::rpc::{CacheKind, Semantics, StateKind};
use wavetank::seed::Seed;
use wavetank::services::{Application, Command, catalogue};
use wavetank::sim::scenario::{
    Backend, Check, Expectations, Expected, Scenario, Script, Step, Think, Variant, Wire, schema,
    schema_text,
};
use wavetank::trace::Event;

use echo::Echo;
use keeper::Keeper;

fn services() -> Vec<Arc<dyn Application>> {
    vec![Arc::new(Echo { volume: 5 })]
}

/// The same, and one that stores its state.
fn services_and_keeper() -> Vec<Arc<dyn Application>> {
    vec![Arc::new(Echo { volume: 5 }), Arc::new(Keeper)]
}

/// Three lines that every file here begins with.
const HEAD: &str = "story = \"It echoes.\"\nservice = \"echo\"\nseed = 7\n";
/// Two lines that most files here have next: clients with two operations and one.
const CLIENTS: &str =
    "clients.alice = [\"say hi\", \"wait 3s\", \"ask\"]\nclients.bob = [\"ask\"]\n";

fn mistake(text: &str) -> String {
    mistake_with(&services(), text)
}

fn mistake_with(services: &[Arc<dyn Application>], text: &str) -> String {
    Scenario::parse("bad.toml", text, services)
        .unwrap_err()
        .to_string()
}

fn good(text: &str) -> Scenario {
    Scenario::parse("good.toml", text, &services()).unwrap_or_else(|error| panic!("{error}"))
}

fn only_variant(text: &str) -> Arc<Variant> {
    let mut scenario = good(text);
    assert_eq!(scenario.variants.len(), 1);
    scenario.variants.remove(0)
}

const fn operation(client: u16, number: u32) -> OperationId {
    OperationId {
        client: HostId(client),
        number,
    }
}

#[test]
fn a_check_is_made_where_it_is_listed_expected_or_described() {
    let only = format!("{HEAD}{CLIENTS}checks = [\"effects\"]\n");
    assert_eq!(only_variant(&only).checks, [Check::Effects]);

    let described = format!("{HEAD}{CLIENTS}liveness = {{ calls = [\"ask\", \"twice x\"] }}\n");
    let variant = only_variant(&described);
    assert_eq!(
        variant.checks,
        [Check::Executions, Check::Effects, Check::Liveness]
    );
    let liveness = variant.liveness.as_ref().unwrap();
    let calls = liveness.calls.iter();
    let calls: Vec<_> = calls
        .map(|(line, commands)| (line.as_str(), commands.len()))
        .collect();
    assert_eq!(calls, [("ask", 1), ("twice x", 2)]);
    assert_eq!(
        liveness.within,
        Duration::from_secs(15),
        "3 sends, 5 s each"
    );

    let bound = described.replace(" }", ", within_ms = 40 }");
    let bound = only_variant(&bound).liveness.as_ref().unwrap().within;
    assert_eq!(bound, Duration::from_millis(40));
}

#[test]
fn booking_has_a_specification_and_a_call_that_changes_nothing() {
    let text = "story = \"x\"\nservice = \"booking\"\nseed = 7\nclients.alice = []\n\
                variants.plain = {}\nvariants.asked = {}\n\
                [expect.asked]\nliveness = \"valid\"\nlinearizable = \"valid\"\n";
    let scenario = Scenario::parse("x.toml", text, &catalogue());
    let scenario = scenario.unwrap_or_else(|mistake| panic!("{mistake}"));
    let [plain, asked] = &scenario.variants[..] else {
        panic!("two variants");
    };
    assert_eq!(plain.checks, Check::USUAL);
    assert_eq!(
        asked.checks,
        [
            Check::Executions,
            Check::Effects,
            Check::Linearizable,
            Check::Liveness
        ]
    );
    let calls = &asked.liveness.as_ref().unwrap().calls;
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].0, "query 'Meeting Room A' mon");
}

/// Reads every case of a file of mistakes: lines of a scenario, then `# LINE:COLUMN: message`, then an
/// empty line. The lines of the scenario follow `before`.
fn check(before: &str, cases: &str) {
    check_with(&services(), before, cases);
}

fn check_with(services: &[Arc<dyn Application>], before: &str, cases: &str) {
    let mut wrong = Vec::new();
    let mut lines = String::new();
    for line in cases.lines() {
        let expected = line
            .strip_prefix("# ")
            .filter(|text| text.starts_with(char::is_numeric));
        let Some(expected) = expected else {
            if !(lines.is_empty() && line.is_empty()) {
                lines += line;
                lines += "\n";
            }
            continue;
        };
        let said = mistake_with(services, &format!("{before}{lines}"));
        if said != format!("bad.toml:{expected}") {
            wrong.push(format!(
                "{lines}  said:     {said}\n  expected: bad.toml:{expected}"
            ));
        }
        lines.clear();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(lines.is_empty(), "no message after {lines}");
}

#[test]
fn a_mistake_in_the_whole_is_reported_at_its_place() {
    check("", include_str!("scenario_files/whole.txt"));
}

#[test]
fn a_mistake_in_keys_and_scripts_is_reported_at_its_place() {
    check(HEAD, include_str!("scenario_files/keys.txt"));
}

#[test]
fn a_mistake_in_network_faults_and_expectations_is_reported_at_its_place() {
    check(
        &format!("{HEAD}{CLIENTS}"),
        include_str!("scenario_files/network.txt"),
    );
}

#[test]
fn a_mistake_in_a_fault_of_a_host_is_reported_at_its_place() {
    check(
        &format!("{HEAD}{CLIENTS}"),
        include_str!("scenario_files/hosts.txt"),
    );
}

#[test]
fn what_cannot_survive_a_crash_is_reported_at_its_place() {
    check_with(
        &services_and_keeper(),
        "story = \"It is kept.\"\nseed = 7\nclients.alice = []\n",
        include_str!("scenario_files/survival.txt"),
    );
}

#[test]
fn a_small_file_has_one_variant_and_the_usual_values() {
    let scenario = good(&format!("{HEAD}{CLIENTS}"));
    assert_eq!(scenario.name, "good");
    assert_eq!(scenario.story, "It echoes.");
    assert_eq!(scenario.seed, Seed(7));
    assert_eq!(scenario.service_name, "echo");

    let variant = scenario.variant("default").unwrap();
    assert_eq!(variant.host_names(), ["server", "alice", "bob"]);
    assert_eq!(variant.semantics, Semantics::AtMostOnce);
    assert_eq!(variant.reply_cache, CacheKind::Memory);
    assert_eq!(variant.reply_cache_limits, Limits::default());
    assert_eq!(variant.state, StateKind::Memory);
    assert_eq!(variant.wire, Wire::V2);
    assert_eq!(variant.policy, Echo { volume: 5 }.policy());
    assert_eq!(variant.backends, Backend::ALL);
    assert_eq!(variant.checks, Check::USUAL);
    assert_eq!(variant.liveness, None);
    assert_eq!(variant.max_virtual, Duration::from_secs(600));
    assert_eq!(
        variant.conditions.everywhere,
        Conditions::default().everywhere
    );
    assert!(variant.conditions.faults.is_empty());
    assert_eq!(variant.expect, Expectations::default());
}

#[test]
fn scripts_hold_waits_and_commands_and_a_line_may_stand_for_several() {
    let variant = only_variant(&format!(
        "{HEAD}[setup]\nbob = [\"twice a\"]\n[clients]\nzoe = [\"wait 500ms\", \"twice b\"]\nbob = []\n"
    ));
    assert_eq!(variant.host_names(), ["server", "zoe", "bob"]);
    let say = |text: &str| {
        let body = text.as_bytes().to_vec();
        Step::Perform(Command { verb: "say", body }, format!("twice {text}"))
    };
    let wait = Step::Wait(Duration::from_millis(500));
    assert_eq!(
        variant.clients[0].script,
        Script::Steps(vec![wait, say("b"), say("b")])
    );
    assert_eq!(variant.clients[0].operations(), 2);
    assert_eq!(variant.clients[1].setup, [say("a"), say("a")]);
    assert_eq!(variant.clients[1].operations(), 0);
}

#[test]
fn a_variant_says_what_survives_a_crash() {
    let text = r#"story = "It is kept."
        service = "keeper"
        seed = 7
        state = "disk"
        [variants]
        forgets = { reply_cache = "memory" }
        refuses = { reply_cache = "epoch" }
        remembers = { reply_cache = "durable" }
        nothing = { reply_cache = "epoch", state = "memory" }
        old = { wire = "v1", reply_cache = "memory" }
        [clients]
        alice = ["keep it"]
        "#;
    let scenario = Scenario::parse("good.toml", text, &services_and_keeper()).unwrap();
    let survives = |name: &str| {
        let variant = scenario.variant(name).unwrap();
        (variant.reply_cache, variant.state)
    };
    assert_eq!(survives("forgets"), (CacheKind::Memory, StateKind::Disk));
    assert_eq!(survives("refuses"), (CacheKind::Epoch, StateKind::Disk));
    assert_eq!(survives("remembers"), (CacheKind::Durable, StateKind::Disk));
    assert_eq!(survives("nothing"), (CacheKind::Epoch, StateKind::Memory));
    assert_eq!(survives("old"), (CacheKind::Memory, StateKind::Disk));
}

#[test]
fn booking_is_on_a_disk_if_it_stores_its_state() {
    let text = r#"story = "It is booked."
        service = "booking"
        seed = 7
        facilities = ["Chapel"]
        reply_cache = "durable"
        state = "disk"
        clients.alice = ["query Chapel mon"]
        "#;
    let stores_state = catalogue().iter().any(|service| service.stores_state());
    let scenario = Scenario::parse("booking.toml", text, &catalogue());
    match scenario {
        Ok(scenario) => {
            let variant = &scenario.variants[0];
            assert!(stores_state);
            assert_eq!(variant.reply_cache, CacheKind::Durable);
            assert_eq!(variant.state, StateKind::Disk);
        }
        Err(mistake) => {
            assert!(!stores_state, "{mistake}");
            let expected = "booking does not store its state; expected `memory`";
            assert_eq!(
                mistake.to_string(),
                format!("booking.toml:6:17: {expected}")
            );
        }
    }
}

#[test]
fn a_load_generates_clients_after_those_of_the_file() {
    let variant = only_variant(&format!(
        "{HEAD}{CLIENTS}
        [load.reader]
        count = 2
        requests = 100
        think_ms = {{ uniform = [0, 450] }}
        mix = {{ ask = 4, say = 1 }}
        [[fault]]
        drop = {{ request_from = \"reader2#100\" }}
        "
    ));
    assert_eq!(
        variant.host_names(),
        ["server", "alice", "bob", "reader1", "reader2"]
    );
    let Script::Load(load) = &variant.clients[3].script else {
        panic!("reader1 is generated")
    };
    assert_eq!(load.requests, 100);
    assert_eq!(load.mix, [("ask", 4), ("say", 1)]);
    assert_eq!(load.think, Think::Uniform { min: 0, max: 450 });
    assert_eq!(load.think.draw(0), Duration::ZERO);
    assert_eq!(load.think.draw(u32::MAX), Duration::from_millis(450));
}

#[test]
fn a_variant_has_a_thousand_clients_at_most_listed_or_generated() {
    let list = |count: u32| -> String {
        let lines = (0..count).map(|number| format!("clients.c{number} = []\n"));
        lines.collect()
    };
    let load = "load.x = { count = 1, requests = 1, think_ms = { fixed = 1 }, mix = { ask = 1 } }";
    let text = |count| format!("{HEAD}{}", list(count));
    assert_eq!(only_variant(&text(1_000)).clients.len(), 1_000);
    let expected = "too many clients; expected at most 1000";
    assert_eq!(
        mistake(&text(1_001)),
        format!("bad.toml:1004:9: {expected}")
    );
    let generated = mistake(&format!("{}{load}", text(1_000)));
    assert_eq!(generated, format!("bad.toml:1004:6: {expected}"));
}

#[test]
fn a_variant_replaces_keys_and_merges_tables_one_level_deep() {
    let scenario = good(&format!(
        "{HEAD}semantics = \"maybe\"
        timeout_ms = 100
        volume = 3
        [variants]
        zebra = {{}}
        ape = {{ semantics = \"at-least-once\", attempts = 9, volume = 11, network = {{ loss = 0.2 }}, \
                 clients = {{ bob = [\"ask\"] }}, fault = [] }}
        [clients]
        alice = [\"ask\"]
        [network]
        delay_ms = {{ fixed = 3 }}
        loss = 0.1
        [[fault]]
        drop = {{ reply_to = \"alice#1\" }}
        "
    ));
    let [zebra, ape] = scenario.variants.as_slice() else {
        panic!("two variants")
    };
    assert_eq!((zebra.name.as_str(), ape.name.as_str()), ("zebra", "ape"));
    assert_eq!(zebra.semantics, Semantics::Maybe);
    assert_eq!(ape.semantics, Semantics::AtLeastOnce);
    assert_eq!((zebra.policy.attempts, ape.policy.attempts), (3, 9));
    assert_eq!(zebra.policy.timeout, ape.policy.timeout);
    assert_eq!(format!("{:?}", zebra.application), "Echo { volume: 3 }");
    assert_eq!(format!("{:?}", ape.application), "Echo { volume: 11 }");
    assert_eq!(ape.conditions.everywhere.delay, Delay::Fixed(3));
    assert_eq!(Some(ape.conditions.everywhere.loss), Probability::new(0.2));
    assert_eq!(ape.host_names(), ["server", "alice", "bob"]);
    assert_eq!(
        (zebra.conditions.faults.len(), ape.conditions.faults.len()),
        (1, 0)
    );
}

#[test]
fn expectations_belong_to_their_variant() {
    let scenario = good(&format!(
        "{HEAD}{CLIENTS}
        [variants]
        one = {{}}
        two = {{}}
        [expect.two]
        effects = \"valid\"
        executions = \"violated\"
        outcome = {{ \"alice#2\" = \"unknown\", \"bob#1\" = \"ok\" }}
        final = {{ \"twice x\" = \"x x\" }}
        "
    ));
    assert_eq!(scenario.variants[0].expect, Expectations::default());
    let expect = &scenario.variants[1].expect;
    assert_eq!(
        expect.checks,
        [
            (Check::Executions, Expected::Violated),
            (Check::Effects, Expected::Valid)
        ]
    );
    assert_eq!(
        expect.outcomes,
        [
            (operation(1, 2), OutcomeKind::Unknown),
            (operation(2, 1), OutcomeKind::Ok)
        ]
    );
    assert_eq!(expect.finals[0].line, "twice x");
    assert_eq!(expect.finals[0].commands.len(), 2);
    assert_eq!(expect.finals[0].expected, "x x");
}

#[test]
fn a_seed_beyond_the_integers_of_toml_is_written_as_a_string() {
    let text = format!("{HEAD}{CLIENTS}").replace("seed = 7", "seed = \"18446744073709551615\"");
    assert_eq!(good(&text).seed, Seed(u64::MAX));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Scenario::load(Path::new("sims/none.toml"), &services()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("sims/none.toml: cannot be read: "),
        "{error}"
    );
}

#[test]
fn the_schema_has_the_settings_of_the_services() {
    let schema = schema(&services());
    assert_eq!(
        schema["properties"]["service"]["enum"],
        serde_json::json!(["echo"])
    );
    for keys in [&schema, &schema["$defs"]["Variant"]] {
        assert_eq!(keys["properties"]["volume"]["description"], "How loud.");
        assert_eq!(keys["properties"]["timeout_ms"]["type"], "integer");
        assert_eq!(keys["additionalProperties"], false);
    }
    assert_eq!(
        schema["required"],
        serde_json::json!(["story", "service", "seed"])
    );
}

#[test]
fn the_committed_schema_is_the_generated_one() {
    let committed = std::fs::read_to_string("sims/scenario.schema.json").unwrap_or_default();
    assert!(
        committed == schema_text(&catalogue()),
        "sims/scenario.schema.json is out of date: cargo run -- schema > sims/scenario.schema.json"
    );
}
