//! The calls of one part of a history, and what can come next of them.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::check::linearizable::{Sequential, Timed};

/// Calls with a known end that may be under way at once in one part: the bits of a mask.
const UNDER_WAY_MAX: usize = u128::BITS as usize;

/// Calls that evidence names beside the one that fits nowhere.
const NAMED_MAX: usize = 8;

/// What has taken effect, and what came of it.
#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Reached<State> {
    /// All calls before this one, in the order of ends, have taken effect.
    pub(crate) place: usize,
    /// Of those beyond, the slots of the ones that have.
    pub(crate) beyond: u128,
    pub(crate) state: State,
    /// Of each class of unknown calls, how many have: those that began first.
    pub(crate) spent: Rc<[u32]>,
}

/// What comes of trying a call.
pub(crate) enum Next<State> {
    /// It can come next, and this is what it gives; and whether it is an unknown one that explains
    /// nothing by itself.
    Fits(Reached<State>, bool),
    /// It cannot.
    DoesNot,
    /// There is no such call: all have been tried.
    NoMore,
}

/// Unknown calls that do the same.
pub(crate) struct Class<'a, C> {
    call: &'a C,
    /// In their order.
    begins: Vec<u64>,
}

/// The calls of one part.
pub(crate) struct Part<'a, S: Sequential> {
    spec: &'a S,
    /// Those whose end is known, in the order of ends.
    pub(crate) calls: Vec<&'a Timed<S::Call>>,
    /// A bit of each call's own while it is under way.
    slots: Vec<u8>,
    /// The calls under way at the end of each, itself the first, one list behind the other.
    under_way: Vec<usize>,
    /// Where each of the lists begins, and where the last one ends.
    starts: Vec<usize>,
    /// The class whose first call began first comes first.
    pub(crate) unknown: Vec<Class<'a, S::Call>>,
    /// How evidence names the unknown calls, with their begins, in that order.
    unknown_names: Vec<(u64, &'a str)>,
}

impl<'a, S: Sequential> Part<'a, S> {
    pub(crate) fn new(spec: &'a S, part: &'a [Timed<S::Call>]) -> Result<Self, String> {
        let mut calls: Vec<&Timed<S::Call>> = part.iter().collect();
        calls.sort_by_key(|call| (call.ended.unwrap_or(u64::MAX), call.began));
        let unknown = calls.split_off(calls.partition_point(|call| call.ended.is_some()));
        let names = unknown.iter().map(|call| (call.began, call.name.as_str()));
        let mut part = Self {
            spec,
            slots: vec![0; calls.len()],
            calls,
            under_way: Vec::new(),
            starts: vec![0],
            unknown_names: names.collect(),
            unknown: classes(spec, &unknown),
        };
        part.note_under_way()?;
        Ok(part)
    }

    /// Finds out what is under way at each end, and gives each call a bit.
    fn note_under_way(&mut self) -> Result<(), String> {
        let calls = &self.calls;
        let mut begins: Vec<usize> = (0..calls.len()).collect();
        begins.sort_by_key(|&call| calls[call].began);
        let mut begins = begins.into_iter().peekable();
        let mut now: Vec<usize> = Vec::new();
        let mut taken = 0_u128;
        for (place, call) in calls.iter().enumerate() {
            while let Some(begun) = begins.next_if(|&begun| Some(calls[begun].began) < call.ended) {
                let slot = taken.trailing_ones();
                if slot as usize == UNDER_WAY_MAX {
                    return Err(format!(
                        "more than {UNDER_WAY_MAX} calls are under way at once, at {}",
                        calls[begun].name
                    ));
                }
                taken |= 1 << slot;
                self.slots[begun] = u8::try_from(slot).expect("a mask has 128 bits");
                now.push(begun);
            }
            now.retain(|&other| other != place);
            // Those that end soon are the likeliest to come next.
            now.sort_unstable();
            self.under_way.push(place);
            self.under_way.extend(&now);
            self.starts.push(self.under_way.len());
            taken &= !(1 << self.slots[place]);
        }
        Ok(())
    }

    /// The calls under way at an end, itself the first.
    fn under_way(&self, place: usize) -> &[usize] {
        &self.under_way[self.starts[place]..self.starts[place + 1]]
    }

    /// What comes of trying one of the calls that could come next. Unknown ones are the last resort.
    ///
    /// `skipped` is the state before the last call, if that was an unknown one. A call that gives the
    /// same from there need not be tried here: the search tries it there, with one more unknown call
    /// left to spend.
    pub(crate) fn after(
        &self,
        reached: &Reached<S::State>,
        skipped: Option<&S::State>,
        next: usize,
    ) -> Next<S::State> {
        let step = |call: &S::Call| {
            let state = self.spec.step(&reached.state, call)?;
            let same = |skipped| self.spec.step(skipped, call).as_ref() == Some(&state);
            (!skipped.is_some_and(same)).then_some(state)
        };
        let known = self.under_way(reached.place);
        if let Some(&call) = known.get(next) {
            let after = self.after_known(reached, call, step);
            return after.map_or(Next::DoesNot, |after| Next::Fits(after, false));
        }
        let class = next - known.len();
        let ended = self.calls[reached.place].ended;
        match self.unknown.get(class) {
            Some(unknown) if Some(unknown.begins[0]) < ended => {
                let Some(after) = self.after_unknown(reached, class, step) else {
                    return Next::DoesNot;
                };
                let explains = (after.place, after.beyond) != (reached.place, reached.beyond);
                Next::Fits(after, !explains)
            }
            _ => Next::NoMore,
        }
    }

    /// What a call that is under way at this place gives, if it fits.
    fn after_known(
        &self,
        reached: &Reached<S::State>,
        call: usize,
        step: impl Fn(&S::Call) -> Option<S::State>,
    ) -> Option<Reached<S::State>> {
        let bit = 1 << self.slots[call];
        if reached.beyond & bit != 0 {
            return None;
        }
        let mut after = Reached {
            state: step(&self.calls[call].call)?,
            spent: reached.spent.clone(),
            ..*reached
        };
        after.beyond |= bit;
        self.settle(&mut after);
        Some(after)
    }

    /// Goes on past all that has taken effect, and past what only reads and fits.
    pub(crate) fn settle(&self, reached: &mut Reached<S::State>) {
        while let Some(&slot) = self.slots.get(reached.place) {
            if reached.beyond & (1 << slot) != 0 {
                reached.beyond &= !(1 << slot);
                reached.place += 1;
                continue;
            }
            let fits = |&&call: &&usize| {
                let is_open = reached.beyond & (1 << self.slots[call]) == 0;
                let call = &self.calls[call].call;
                is_open
                    && self.spec.only_reads(call)
                    && self.spec.step(&reached.state, call).is_some()
            };
            match self.under_way(reached.place).iter().find(fits) {
                Some(&read) => reached.beyond |= 1 << self.slots[read],
                None => return,
            }
        }
    }

    /// What the next call of a class gives, if one is left, if it fits, and if it changes anything:
    /// one that does not may as well never take effect.
    fn after_unknown(
        &self,
        reached: &Reached<S::State>,
        class: usize,
        step: impl Fn(&S::Call) -> Option<S::State>,
    ) -> Option<Reached<S::State>> {
        let Class { call, begins } = &self.unknown[class];
        let spent = reached.spent[class] as usize;
        let began = begins.get(spent).copied()?;
        if Some(began) > self.calls[reached.place].ended {
            return None;
        }
        let state = step(call).filter(|state| *state != reached.state)?;
        let mut spent: Vec<u32> = reached.spent.to_vec();
        spent[class] += 1;
        let mut after = Reached {
            state,
            spent: spent.into(),
            ..*reached
        };
        self.settle(&mut after);
        Some(after)
    }

    /// No order has got past one end: the history up to it is the shortest that has none.
    pub(crate) fn evidence(&self, place: usize) -> String {
        let name = |call: usize| self.calls[call].name.as_str();
        let last = name(place);
        let ended = self.calls[place].ended;
        let begun = self.unknown_names.iter();
        let begun = begun.take_while(|(began, _)| Some(*began) < ended);
        let known = self.under_way(place).iter().skip(1);
        let others = known.map(|&call| name(call));
        let others: Vec<&str> = others.chain(begun.map(|(_, name)| *name)).collect();
        let others = match others.len() {
            0 => "nothing else was under way".to_owned(),
            1..=NAMED_MAX => format!("under way at its end: {}", others.join(", ")),
            count => {
                let named = others[..NAMED_MAX].join(", ");
                let more = count - NAMED_MAX;
                format!("under way at its end: {named}, and {more} more")
            }
        };
        let before = match place.checked_sub(1) {
            None => String::new(),
            Some(before) => format!("; the last to end before it: {}", name(before)),
        };
        format!(
            "{last} fits nowhere: up to its end, no order of the calls explains what clients were told ({others}{before})"
        )
    }
}

/// The classes of unknown calls that come in the order of their begins. Only those of one bucket are
/// compared.
fn classes<'a, S: Sequential>(spec: &S, unknown: &[&'a Timed<S::Call>]) -> Vec<Class<'a, S::Call>> {
    let mut classes: Vec<Class<'a, S::Call>> = Vec::new();
    let mut buckets: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for Timed { call, began, .. } in unknown {
        let bucket = buckets.entry(spec.bucket(call)).or_default();
        let known = |&&class: &&usize| spec.alike(classes[class].call, call);
        match bucket.iter().find(known) {
            Some(&class) => classes[class].begins.push(*began),
            None => {
                bucket.push(classes.len());
                classes.push(Class {
                    call,
                    begins: vec![*began],
                });
            }
        }
    }
    classes
}
