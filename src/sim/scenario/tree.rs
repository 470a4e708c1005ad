//! The file as a tree of tables, in which every key and value knows its place: splitting it into
//! parts, merging a variant into the file's keys, and setting what the command line overrides.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ScenarioError, Source};
use super::field::At;

/// Keys of the file as a whole.
pub(super) const HEAD_KEYS: [&str; 5] = ["story", "service", "seed", "variants", "expect"];
/// Tables that are merged, key by key, where a variant has them too.
const MERGED_KEYS: [&str; 4] = ["network", "setup", "clients", "load"];
/// Tables with one key that names a kind: another kind replaces it.
const KIND_KEYS: [&str; 2] = ["delay_ms", "think_ms"];

/// The parts of a file.
#[derive(Debug, Default)]
pub(super) struct Parts<'a> {
    /// The keys of the file as a whole, without the variants.
    pub(super) head: DeTable<'a>,
    /// The other keys.
    pub(super) base: DeTable<'a>,
    /// What each variant overrides; `None` if the file has no variants.
    pub(super) variants: Option<Vec<(At<String>, DeTable<'a>)>>,
}

/// Splits a file into its parts.
pub(super) fn split<'a>(source: &Source, root: DeTable<'a>) -> Result<Parts<'a>, ScenarioError> {
    let mut parts = Parts::default();
    for (key, value) in root {
        match key.get_ref().as_ref() {
            "variants" => parts.variants = Some(variants(source, value)?),
            name if HEAD_KEYS.contains(&name) => {
                parts.head.insert(key, value);
            }
            _ => {
                parts.base.insert(key, value);
            }
        }
    }
    Ok(parts)
}

fn variants<'a>(
    source: &Source,
    value: Spanned<DeValue<'a>>,
) -> Result<Vec<(At<String>, DeTable<'a>)>, ScenarioError> {
    let at = value.span().start;
    let mut variants = Vec::new();
    for (key, value) in table(source, value)? {
        let name = At {
            span: key.span(),
            value: key.into_inner().into_owned(),
        };
        let keys = table(source, value)?;
        if let Some(key) = keys
            .keys()
            .find(|key| HEAD_KEYS.contains(&key.get_ref().as_ref()))
        {
            let message = format!(
                "a variant may not override `{}`; expected it once, for all variants: they are runs \
                 over the same storm",
                key.get_ref()
            );
            return Err(source.error(key.span().start, message));
        }
        variants.push((name, keys));
    }
    if variants.is_empty() {
        let message = "no variant; expected at least one, or no [variants]";
        return Err(source.error(at, message));
    }
    Ok(variants)
}

fn table<'a>(source: &Source, value: Spanned<DeValue<'a>>) -> Result<DeTable<'a>, ScenarioError> {
    let at = value.span().start;
    match value.into_inner() {
        DeValue::Table(table) => Ok(table),
        other => {
            let message = format!("invalid type: {}; expected a table", other.type_str());
            Err(source.error(at, message))
        }
    }
}

/// The keys of a variant: the file's, where it does not override them.
pub(super) fn merged<'a>(base: &DeTable<'a>, variant: DeTable<'a>) -> DeTable<'a> {
    let mut keys = base.clone();
    for (key, value) in variant {
        let merge = MERGED_KEYS.contains(&key.get_ref().as_ref());
        match (
            keys.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut),
            value.get_ref(),
        ) {
            (Some(DeValue::Table(ours)), DeValue::Table(theirs)) if merge => {
                for (key, value) in theirs {
                    ours.insert(key.clone(), value.clone());
                }
            }
            _ => {
                keys.insert(key, value);
            }
        }
    }
    keys
}

/// An override of the command line.
#[derive(Clone, Debug)]
pub(super) struct Override<'a> {
    path: Vec<&'a str>,
    value: Spanned<DeValue<'a>>,
}

impl<'a> Override<'a> {
    /// All overrides, understood as far as that is possible without knowing the keys.
    pub(super) fn all(source: &Source<'a>) -> Result<Vec<Self>, ScenarioError> {
        let overrides = source.overrides.iter().enumerate();
        overrides
            .map(|(index, (key, value))| Self::new(source, index, key, value))
            .collect()
    }

    fn new(
        source: &Source,
        index: usize,
        key: &'a str,
        value: &'a str,
    ) -> Result<Self, ScenarioError> {
        let span = source.override_span(index);
        let path: Vec<&str> = key
            .split('.')
            .map(|key| key.trim().trim_matches('"'))
            .collect();
        if path.iter().any(|key| key.is_empty()) {
            let message =
                "a key is empty; expected keys with dots between them, as in network.loss";
            return Err(source.error(span.start, message));
        }
        if path[0] != "seed" && HEAD_KEYS.contains(&path[0]) {
            let message = format!(
                "`{}` may not be overridden; expected a key of a variant",
                path[0]
            );
            return Err(source.error(span.start, message));
        }
        let value = match DeValue::parse(value) {
            Ok(value) => value.into_inner(),
            Err(_) => DeValue::String(Cow::Borrowed(value)), // a bare word
        };
        Ok(Self {
            path,
            value: moved(value, &span),
        })
    }

    /// Whether it concerns the file as a whole.
    pub(super) fn is_of_head(&self) -> bool {
        HEAD_KEYS.contains(&self.path[0])
    }

    /// Sets its value in a table.
    pub(super) fn apply(
        &self,
        source: &Source,
        table: &mut DeTable<'a>,
    ) -> Result<(), ScenarioError> {
        set(table, &self.path, &self.value)
            .map_err(|message| source.error(self.value.span().start, message))
    }
}

/// Gives a value, and all that is in it, one and the same place.
fn moved<'a>(value: DeValue<'a>, span: &Range<usize>) -> Spanned<DeValue<'a>> {
    let value = match value {
        DeValue::Array(items) => DeValue::Array(
            items
                .into_iter()
                .map(|item| moved(item.into_inner(), span))
                .collect(),
        ),
        DeValue::Table(entries) => DeValue::Table(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let key = Spanned::new(span.clone(), key.into_inner());
                    (key, moved(value.into_inner(), span))
                })
                .collect(),
        ),
        other => other,
    };
    Spanned::new(span.clone(), value)
}

fn set<'a>(
    table: &mut DeTable<'a>,
    path: &[&'a str],
    value: &Spanned<DeValue<'a>>,
) -> Result<(), String> {
    let Some((&first, rest)) = path.split_first() else {
        return Ok(());
    };
    let key = Spanned::new(value.span(), Cow::Borrowed(first));
    let Some(&next) = rest.first() else {
        table.insert(key, value.clone());
        return Ok(());
    };
    let inner = table
        .entry(key)
        .or_insert_with(|| Spanned::new(value.span(), DeValue::Table(DeTable::new())));
    let DeValue::Table(inner) = inner.get_mut() else {
        return Err(format!(
            "`{first}` is no table; expected it as the last of the keys"
        ));
    };
    if KIND_KEYS.contains(&first) {
        let entries = std::mem::take(inner).into_iter();
        *inner = entries.filter(|(key, _)| key.get_ref() == next).collect();
    }
    set(inner, rest, value)
}
