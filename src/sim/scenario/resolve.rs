//! From the keys of a variant to the variant.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use toml::de::{DeTable, ValueDeserializer};

use super::checks::{checks, liveness};
use super::clients::clients;
use super::error::{ScenarioError, Source};
use super::expect::expectations;
use super::field::{At, Word};
use super::file::{Expect, Keys, ReplyCacheWord, SemanticsWord, StateWord};
use super::hosts::Hosts;
use super::load::{read, toml_error};
use super::network::conditions;
use super::{Backend, Check, Expectations, Think, Variant, Wire};
use crate::rpc::reply_cache::Limits;
use crate::rpc::retransmit::Policy;
use crate::rpc::{CacheKind, Semantics, StateKind};
use crate::services::{Application, SettingError};

/// How long a run may take unless told otherwise, in virtual seconds.
const MAX_VIRTUAL_S: u32 = 600;

/// Makes variants of one service.
#[derive(Debug)]
pub(super) struct Resolver<'a> {
    pub(super) source: Source<'a>,
    pub(super) application: Arc<dyn Application>,
    /// Where the file names the service.
    pub(super) service_at: usize,
}

impl Resolver<'_> {
    /// Reads the keys that are not settings of the service, and returns the settings too. `more` are
    /// keys that are known besides these.
    pub(super) fn keys<'t>(
        &self,
        table: DeTable<'t>,
        more: &[&str],
    ) -> Result<(Keys, DeTable<'t>), ScenarioError> {
        let names: Vec<&str> = self
            .application
            .settings()
            .iter()
            .map(|setting| setting.name)
            .collect();
        let mut settings = DeTable::new();
        let mut keys = DeTable::new();
        for (key, value) in table {
            let is_setting = names.contains(&key.get_ref().as_ref());
            let part = if is_setting { &mut settings } else { &mut keys };
            part.insert(key, value);
        }
        let keys = read(&self.source, keys, &[&names, more].concat())?;
        Ok((keys, settings))
    }

    /// The variant of this name, with these keys.
    pub(super) fn variant(
        &self,
        name: String,
        table: DeTable<'_>,
        expect: Option<&Expect>,
    ) -> Result<Variant, ScenarioError> {
        let source = &self.source;
        let (keys, settings) = self.keys(table, &[])?;
        let application = self.configured(settings)?;
        let asked = checks(source, &*application, &keys, expect)?;
        let checks: Vec<Check> = asked.iter().map(|&(check, _)| check).collect();
        let servers = application.servers();
        let clients = clients(source, &*application, &servers, &keys)?;
        let hosts = Hosts::new(*source, &servers, &clients);
        let conditions = conditions(source, &hosts, &keys)?;
        let expect = match expect {
            Some(expect) => expectations(source, &*application, &hosts, &checks, expect)?,
            None => Expectations::default(),
        };
        let wire = self.wire(&*application, keys.wire.as_ref())?;
        let state = self.state(&*application, keys.state.as_ref())?;
        let reply_cache = self.reply_cache(wire, state, keys.reply_cache.as_ref())?;
        let policy = policy(&*application, &keys);
        let mut liveness_asked = asked.iter().filter(|(check, _)| *check == Check::Liveness);
        let liveness = liveness_asked.next().map(|&(_, at)| {
            let table = keys.liveness.as_ref().map(|table| &table.value);
            liveness(source, &*application, policy, (at, table))
        });
        Ok(Variant {
            name,
            reply_cache,
            reply_cache_limits: limits(&keys),
            state,
            wire,
            semantics: keys
                .semantics
                .map_or(Semantics::AtMostOnce, |word| word.0.into()),
            policy,
            backends: backends(source, keys.backends.as_ref())?,
            max_virtual: Duration::from_secs(u64::from(
                keys.max_virtual_s
                    .map_or(MAX_VIRTUAL_S, |seconds| seconds.0),
            )),
            checks,
            conditions,
            expect,
            liveness: liveness.transpose()?,
            servers,
            clients,
            application,
        })
    }

    fn configured(&self, settings: DeTable<'_>) -> Result<Arc<dyn Application>, ScenarioError> {
        let places: Vec<(String, usize)> = settings
            .iter()
            .map(|(key, value)| (key.get_ref().to_string(), value.span().start))
            .collect();
        let mut table = toml::Table::new();
        for (key, value) in settings {
            let value = toml::Value::deserialize(ValueDeserializer::from(value))
                .map_err(|error| toml_error(&self.source, &error, &[]))?;
            table.insert(key.into_inner().into_owned(), value);
        }
        if table.is_empty() {
            return Ok(self.application.clone());
        }
        self.application
            .configure(&table)
            .map_err(|SettingError { name, message }| {
                let place = places.iter().find(|(key, _)| *key == name);
                let at = place.map_or(self.service_at, |&(_, at)| at);
                self.source.error(at, message)
            })
    }

    fn wire(
        &self,
        application: &dyn Application,
        wire: Option<&At<Word<Wire>>>,
    ) -> Result<Wire, ScenarioError> {
        let Some(wire) = wire else {
            return Ok(Wire::default());
        };
        if wire.value.0 == Wire::V1 && application.format_v1().is_none() {
            let message = format!("{} has no format v1; expected `v2`", application.name());
            return Err(self.source.error(wire.span.start, message));
        }
        Ok(wire.value.0)
    }

    fn state(
        &self,
        application: &dyn Application,
        word: Option<&At<Word<StateWord>>>,
    ) -> Result<StateKind, ScenarioError> {
        let Some(word) = word else {
            return Ok(StateKind::default());
        };
        let state = StateKind::from(word.value.0);
        if state == StateKind::Disk && !application.stores_state() {
            let name = application.name();
            let message = format!("{name} does not store its state; expected `memory`");
            return Err(self.source.error(word.span.start, message));
        }
        Ok(state)
    }

    /// What the reply cache survives, with this format of datagrams and this state.
    fn reply_cache(
        &self,
        wire: Wire,
        state: StateKind,
        word: Option<&At<Word<ReplyCacheWord>>>,
    ) -> Result<CacheKind, ScenarioError> {
        let Some(word) = word else {
            return Ok(CacheKind::default());
        };
        let cache = CacheKind::from(word.value.0);
        let message = if cache.has_sessions() && wire == Wire::V1 {
            "format v1 has no sessions; expected `memory`, or `v2` as `wire`"
        } else if cache == CacheKind::Durable && state == StateKind::Memory {
            "the state is in memory; expected `memory` or `epoch`, or `disk` as `state`"
        } else {
            return Ok(cache);
        };
        Err(self.source.error(word.span.start, message))
    }
}

fn policy(application: &dyn Application, keys: &Keys) -> Policy {
    let usual = application.policy();
    Policy {
        timeout: keys
            .timeout_ms
            .map_or(usual.timeout, |ms| Duration::from_millis(u64::from(ms.0))),
        attempts: keys
            .attempts
            .map_or(usual.attempts, |n| u16::try_from(n.0).unwrap_or(u16::MAX)),
        ..usual
    }
}

fn limits(keys: &Keys) -> Limits {
    let usual = Limits::default();
    let age = keys.reply_cache_age_ms.as_ref();
    Limits {
        age: age.map_or(usual.age, |ms| Duration::from_millis(u64::from(ms.0))),
        ..usual
    }
}

fn backends(
    source: &Source,
    list: Option<&At<Vec<At<Word<Backend>>>>>,
) -> Result<Vec<Backend>, ScenarioError> {
    if let Some(list) = list.filter(|list| list.value.is_empty()) {
        let message = "no backend; expected at least one of `event` and `turmoil`";
        return Err(source.error(list.span.start, message));
    }
    let list = list.map(|list| list.value.as_slice());
    once_each(source, list, &Backend::ALL, Backend::name)
}

/// A list in which each word may stand once; all of them if it is absent.
pub(super) fn once_each<T: Copy + PartialEq>(
    source: &Source,
    list: Option<&[At<Word<T>>]>,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<Vec<T>, ScenarioError> {
    let Some(list) = list else {
        return Ok(all.to_vec());
    };
    let mut words = Vec::new();
    for word in list {
        if words.contains(&word.value.0) {
            let message = format!("`{}` is there twice; expected it once", name(word.value.0));
            return Err(source.error(word.span.start, message));
        }
        words.push(word.value.0);
    }
    Ok(words)
}

impl From<SemanticsWord> for Semantics {
    fn from(word: SemanticsWord) -> Self {
        match word {
            SemanticsWord::Maybe => Self::Maybe,
            SemanticsWord::AtLeastOnce => Self::AtLeastOnce,
            SemanticsWord::AtMostOnce => Self::AtMostOnce,
        }
    }
}

impl From<ReplyCacheWord> for CacheKind {
    fn from(word: ReplyCacheWord) -> Self {
        match word {
            ReplyCacheWord::Memory => Self::Memory,
            ReplyCacheWord::Epoch => Self::Epoch,
            ReplyCacheWord::Durable => Self::Durable,
        }
    }
}

impl From<StateWord> for StateKind {
    fn from(word: StateWord) -> Self {
        match word {
            StateWord::Memory => Self::Memory,
            StateWord::Disk => Self::Disk,
        }
    }
}

impl Think {
    pub(super) const fn uniform(min: u32, max: u32) -> Self {
        Self::Uniform { min, max }
    }

    pub(super) const fn exponential(mean: u32, max: u32) -> Self {
        Self::Exponential { mean, max }
    }
}
