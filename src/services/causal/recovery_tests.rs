//! A data centre that has lost its memory, and the others, played by the test.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::id::{ClientId, ClientKey, HostId, OperationId, Version};
use crate::rpc::service::{Caller, Effect, Input, Service, Ticket, TimerKey};
use crate::services::causal::message::{Ask, PeerMessage, Request};
use crate::services::causal::settings::Settings;
use crate::services::causal::transfers::Transfers;
use crate::services::causal::write::{Dependency, Write};

const LIFE: u32 = 0xabc;

/// Data centre 0 in a later life.
fn returned() -> CausalServer {
    let mut server = CausalServer::new(Settings::default(), 0).with_life(LIFE);
    let mut effects = Effects::default();
    server.begin_again(Time::ZERO, &mut effects);
    let timer = |effect| matches!(effect, Effect::SetTimer(_, Time::ZERO));
    assert!(effects.iter().all(timer) && effects.len() == 1);
    server
}

fn step(server: &mut CausalServer, at_ms: u64, input: Input<'_>) -> Vec<String> {
    let mut effects = Effects::default();
    server.step(Time::from_ms(at_ms), input, &mut effects);
    let told = effects.iter().filter_map(|effect| match effect {
        Effect::Complete { reply, .. } => Some(format!("reply {}", describe::reply(reply))),
        Effect::Send { to, body, .. } => Some(format!("to dc{to}: {}", describe::peer(body))),
        Effect::Commit(commit) => Some(format!("commit {}", commit.text)),
        _ => None,
    });
    told.collect()
}

fn hear(server: &mut CausalServer, from: u16, life: u32, body: PeerBody) -> Vec<String> {
    let message = PeerMessage {
        life,
        everywhere: 0,
        body,
    };
    let (about, body) = (None, &message.encode());
    step(server, 10, Input::Peer { from, about, body })
}

fn ask(server: &mut CausalServer, needs: Vec<Dependency>, ask: Ask) -> Vec<String> {
    let caller = &Caller {
        client: ClientKey::Id(ClientId(1)),
        address: ([10, 0, 0, 1], 1).into(),
        operation: OperationId {
            client: HostId(3),
            number: 1,
        },
    };
    let request = Request {
        clock: 0,
        needs,
        ask,
    };
    let (ticket, body) = (Ticket(1), &request.encode());
    step(
        server,
        5,
        Input::Request {
            ticket,
            caller,
            body,
        },
    )
}

fn put() -> Ask {
    Ask::Put {
        key: "x".to_owned(),
        value: "1".to_owned(),
        author: "alice".to_owned(),
    }
}

fn write(replica: u16, timestamp: u64) -> Write {
    Write {
        key: format!("k{timestamp}"),
        value: "v".to_owned(),
        author: String::new(),
        version: Version {
            timestamp,
            replica,
            life: 0,
        },
        sequence: timestamp,
        needs: Vec::new(),
    }
}

/// The only page of a data centre that holds these writes, for this life.
fn page(answers: u32, writes: &[Write]) -> PeerBody {
    let own = Origin {
        replica: 1,
        life: 0,
    };
    let mut replica = Replica::new(own, Settings::default().mode);
    for write in writes {
        replica.arrive(Time::ZERO, write.clone(), None);
    }
    let body = Image::pages(&replica).remove(0);
    PeerBody::Page(Page {
        number: 1,
        answers,
        page: 0,
        of: 1,
        body,
    })
}

#[test]
fn it_asks_all_and_answers_nobody_until_each_has_given_its_image() {
    let mut server = returned();
    let asked = step(&mut server, 0, Input::Timer(TimerKey(0)));
    let lost = "has lost its memory, and asks for all";
    assert_eq!(
        asked,
        [format!("to dc1: {lost}"), format!("to dc2: {lost}")]
    );
    assert!(ask(&mut server, vec![], put()).is_empty());
    assert!(
        hear(&mut server, 1, 0, PeerBody::Write(write(1, 1))).is_empty(),
        "no commit either"
    );
    let told = hear(&mut server, 1, 0, page(LIFE, &[write(1, 1)]));
    assert_eq!(
        told,
        ["commit k1 = 'v' (1,1) from dc1", "to dc1: has page 1"]
    );
    assert!(!server.is_settled());
    let again = step(&mut server, 1_000, Input::Timer(TimerKey(0)));
    assert_eq!(
        again,
        [format!("to dc2: {lost}")],
        "only whom it does not know"
    );
    let told = hear(&mut server, 2, 0, page(LIFE, &[]));
    assert!(told.contains(&"reply x (2,0/abc)".to_owned()), "{told:?}");
}

#[test]
fn requests_are_refused_when_that_takes_too_long() {
    let mut server = returned();
    ask(&mut server, vec![], put());
    let told = step(&mut server, 5_005, Input::Timer(TimerKey(0)));
    assert!(
        told[0].starts_with("reply the data centre has lost its memory"),
        "{told:?}"
    );
}

#[test]
fn an_image_that_was_taken_for_an_earlier_life_does_not_count() {
    let mut server = returned();
    ask(&mut server, vec![], put());
    for from in [1, 2] {
        for earlier in [0, LIFE - 1] {
            hear(&mut server, from, 7, page(earlier, &[]));
        }
    }
    assert!(server.is_recovering);
}

#[test]
fn what_it_learns_of_its_own_earlier_lives_it_tells_all() {
    let mut server = returned();
    step(&mut server, 0, Input::Timer(TimerKey(0)));
    let told = hear(&mut server, 1, 0, page(LIFE, &[write(0, 4)]));
    let page_to = |to| format!("to dc{to}: page 1 of 1 of its state");
    assert!(
        told.contains(&page_to(1)) && told.contains(&page_to(2)),
        "{told:?}"
    );
    let told = hear(&mut server, 2, 0, page(LIFE, &[write(0, 4)]));
    assert_eq!(told, ["to dc2: has page 1"], "it is told once");
}

#[test]
fn a_write_of_a_life_that_has_ended_goes_back_to_where_it_came_from() {
    let mut server = CausalServer::new(Settings::default(), 0);
    hear(&mut server, 1, 9, PeerBody::Fetch);
    let told = hear(&mut server, 1, 0, PeerBody::Write(write(1, 1)));
    assert!(
        told.contains(&"to dc1: page 1 of 1 of its state".to_owned()),
        "{told:?}"
    );
}

proptest! {
    /// Numbers that no data centre gives, in every place: they may be believed, but break nothing.
    #[test]
    fn whatever_another_data_centre_says_breaks_nothing(
        said in vec((0_u16..4, extreme(), extreme(), 0_u8..4), 1..12),
    ) {
        let mut server = CausalServer::new(Settings::default(), 0);
        for (replica, number, timestamp, kind) in said {
            let origin = [&replica.to_be_bytes()[..], &[0; 4]].concat();
            let numbers = [number.to_be_bytes(), timestamp.to_be_bytes()].concat();
            let version = Version { timestamp, replica, life: 0 };
            let sequence = number;
            let body = match kind {
                0 => PeerBody::Write(Write { sequence, ..Write { version, ..write(1, 1) } }),
                1 => PeerBody::Acknowledge { version, sequence },
                _ => PeerBody::Page(Page {
                    number: 1,
                    answers: 0,
                    page: 0,
                    of: 1,
                    body: [&[kind][..], &origin, &numbers].concat(),
                }),
            };
            let message = PeerMessage { life: 0, everywhere: timestamp, body };
            let (from, about, body) = (1, None, &message.encode());
            step(&mut server, 10, Input::Peer { from, about, body });
            ask(&mut server, vec![], put());
        }
        prop_assert!(!ask(&mut server, vec![], Ask::List).is_empty());
    }
}

fn extreme() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..4, u64::MAX - 3..=u64::MAX]
}

/// Pages of one image that are due now.
fn due(transfers: &mut Transfers, at_ms: u64) -> Vec<Page> {
    let due = transfers.take_due(Time::from_ms(at_ms)).into_iter();
    due.filter_map(|(_, body)| match body {
        PeerBody::Page(page) => Some(page),
        _ => None,
    })
    .collect()
}

#[test]
fn an_image_goes_page_by_page_each_until_it_is_acknowledged() {
    let timeouts = BTreeMap::from([(1, std::time::Duration::from_secs(1))]);
    let (mut from, mut to) = (Transfers::new(timeouts.clone()), Transfers::new(timeouts));
    from.send(Time::ZERO, 1, 5, vec![vec![1], vec![2]]);
    assert!(from.is_answering(1, 5) && !from.is_answering(1, 6));
    let first = due(&mut from, 0);
    assert!(due(&mut from, 999).is_empty());
    assert_eq!(due(&mut from, 1_000), first, "again");
    assert!(to.receive(0, 0, &first[0]).0);
    assert!(
        to.receive(0, 0, &first[0]).0,
        "a duplicate is acknowledged too"
    );
    from.acknowledge(Time::from_ms(1_000), 1, (1, 0));
    from.acknowledge(Time::from_ms(1_000), 1, (1, 0));
    let second = due(&mut from, 1_000);
    let (is_taken, received) = to.receive(0, 0, &second[0]);
    assert_eq!(
        (is_taken, received.unwrap().pages),
        (true, vec![vec![1], vec![2]])
    );
    assert!(
        to.receive(0, 0, &second[0]).1.is_none(),
        "it is merged once"
    );
    from.acknowledge(Time::from_ms(1_000), 1, (1, 1));
    assert!(from.is_empty());
}

#[test]
fn a_later_image_takes_the_place_of_an_earlier_one_and_answers_as_that_did() {
    let timeouts = BTreeMap::from([(1, std::time::Duration::from_secs(1))]);
    let mut from = Transfers::new(timeouts.clone());
    let mut to = Transfers::new(timeouts);
    from.send(Time::ZERO, 1, 5, vec![vec![1], vec![2]]);
    let earlier = due(&mut from, 0);
    to.receive(0, 0, &earlier[0]);
    from.send(Time::ZERO, 1, 0, vec![vec![3]]);
    from.acknowledge(Time::ZERO, 1, (1, 0));
    let later = due(&mut from, 0);
    assert_eq!((later[0].answers, later[0].of), (5, 1));
    let (_, received) = to.receive(0, 0, &later[0]);
    assert_eq!(received.unwrap().pages, [[3]]);
}

#[test]
fn what_it_learns_of_another_s_ended_life_it_sends_back_there() {
    let mut server = CausalServer::new(Settings::default(), 0);
    hear(&mut server, 1, 5, PeerBody::Fetch);
    step(&mut server, 20, Input::Timer(TimerKey(0)));
    // A late image of an earlier life of dc1, with a write of that life.
    let told = hear(&mut server, 1, 4, page(0, &[write(2, 3), write(1, 7)]));
    assert!(
        told.iter().any(|told| told.starts_with("commit k7")),
        "{told:?}"
    );
    let sent = step(&mut server, 40, Input::Timer(TimerKey(0)));
    let all = [told, sent].concat();
    assert!(
        all.iter().any(|told| told.starts_with("to dc1: page 1 of")),
        "{all:?}"
    );
    assert!(
        !all.iter().any(|told| told.starts_with("to dc2: page")),
        "{all:?}"
    );
}

/// A page of this image of three.
fn page_of_three(number: u32, page: u32) -> Page {
    Page {
        number,
        answers: 0,
        page,
        of: 3,
        body: Vec::new(),
    }
}

#[test]
fn a_late_page_of_an_older_image_or_life_does_not_end_what_is_coming_in() {
    let mut transfers = Transfers::new(BTreeMap::from([(1, std::time::Duration::from_secs(1))]));
    let mut receive = |life, number, page| transfers.receive(1, life, &page_of_three(number, page));
    assert!(receive(7, 2, 0).0);
    assert!(receive(7, 2, 1).0);
    assert!(!receive(7, 1, 0).0, "of an older image");
    assert!(
        receive(6, 9, 0).0,
        "of a life that has ended, or that nobody has heard of"
    );
    let (is_taken, image) = receive(7, 2, 2);
    assert!(is_taken && image.is_some_and(|image| image.pages.len() == 3));
    assert!(!receive(7, 3, 1).0, "its first page has not come");
}

#[test]
fn an_image_of_several_pages_is_merged_as_a_whole() {
    let own = Origin {
        replica: 1,
        life: 0,
    };
    let mut replica = Replica::new(own, Settings::default().mode);
    for timestamp in 1..=20 {
        let mut write = write(1, timestamp);
        write.value = "v".repeat(4_000);
        replica.arrive(Time::ZERO, write, None);
    }
    let pages = Image::pages(&replica);
    let of = u32::try_from(pages.len()).unwrap();
    assert!(of > 1, "{of} page");
    let mut server = CausalServer::new(Settings::default(), 0);
    for (page, body) in (0..).zip(pages) {
        let page = Page {
            number: 1,
            answers: 0,
            page,
            of,
            body,
        };
        let is_last = page.page + 1 == of;
        let told = hear(&mut server, 1, 0, PeerBody::Page(page));
        let commits = told.iter().filter(|told| told.starts_with("commit "));
        assert_eq!(commits.count(), if is_last { 20 } else { 0 });
    }
}
