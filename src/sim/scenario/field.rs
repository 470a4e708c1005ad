//! Kinds of values in scenario files: each reads itself, says what it expects, and has a schema.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::StrDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use toml::Spanned;

use crate::net::conditions::Probability;

/// A value with its place in the file.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) span: Range<usize>,
    pub(super) value: T,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        Ok(Self {
            span: spanned.span(),
            value: spanned.into_inner(),
        })
    }
}

/// A table with free keys, in the order of the file.
#[derive(Clone, Debug)]
pub(super) struct Entries<T>(pub(super) Vec<(At<String>, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Table<T> {
            type Value = Vec<(At<String>, T)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_map(Table(PhantomData)).map(Self)
    }
}

/// A whole number between two bounds, both included.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Whole<const MIN: u32, const MAX: u32>(pub(super) u32);

impl<const MIN: u32, const MAX: u32> Whole<MIN, MAX> {
    /// The number, if it lies between the bounds.
    pub(super) fn within<E: Error>(n: impl TryInto<u32> + fmt::Display + Copy) -> Result<u32, E> {
        let number = n.try_into().ok();
        number.filter(|n| (MIN..=MAX).contains(n)).ok_or_else(|| {
            E::custom(format_args!(
                "{n} is out of range; expected a whole number from {MIN} to {MAX}"
            ))
        })
    }
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number<const MIN: u32, const MAX: u32>;

        impl<const MIN: u32, const MAX: u32> Visitor<'_> for Number<MIN, MAX> {
            type Value = u32;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {MIN} to {MAX}")
            }

            fn visit_i64<E: Error>(self, n: i64) -> Result<u32, E> {
                Whole::<MIN, MAX>::within(n)
            }

            fn visit_u64<E: Error>(self, n: u64) -> Result<u32, E> {
                Whole::<MIN, MAX>::within(n)
            }

            fn visit_i128<E: Error>(self, n: i128) -> Result<u32, E> {
                Whole::<MIN, MAX>::within(n)
            }

            fn visit_u128<E: Error>(self, n: u128) -> Result<u32, E> {
                Whole::<MIN, MAX>::within(n)
            }
        }

        deserializer.deserialize_any(Number::<MIN, MAX>).map(Self)
    }
}

/// A probability.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ratio(pub(super) Probability);

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Probability;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number from 0 to 1")
            }

            fn visit_f64<E: Error>(self, p: f64) -> Result<Probability, E> {
                Probability::new(p).ok_or_else(|| {
                    E::custom(format_args!(
                        "{p} is out of range; expected a number from 0 to 1"
                    ))
                })
            }

            #[allow(clippy::cast_precision_loss)] // only 0 and 1 are accepted, and they are exact
            fn visit_i64<E: Error>(self, n: i64) -> Result<Probability, E> {
                self.visit_f64(n as f64)
            }
        }

        deserializer.deserialize_any(Number).map(Self)
    }
}

/// A seed: a number, or a string for what TOML's integers cannot hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeedNumber(pub(super) u64);

impl<'de> Deserialize<'de> for SeedNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = u64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from 0 to {}, as a string ", u64::MAX)?;
                write!(f, "if it is above {}", i64::MAX)
            }

            fn visit_i64<E: Error>(self, n: i64) -> Result<u64, E> {
                self.visit_str(&n.to_string())
            }

            fn visit_u64<E: Error>(self, n: u64) -> Result<u64, E> {
                Ok(n)
            }

            fn visit_i128<E: Error>(self, n: i128) -> Result<u64, E> {
                self.visit_str(&n.to_string())
            }

            fn visit_u128<E: Error>(self, n: u128) -> Result<u64, E> {
                self.visit_str(&n.to_string())
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
                let digits = text.bytes().all(|byte| byte.is_ascii_digit());
                let seed = digits.then(|| text.parse().ok()).flatten();
                seed.ok_or_else(|| {
                    let expected: &dyn serde::de::Expected = &self;
                    E::custom(format_args!("{text} is no seed; expected {expected}"))
                })
            }
        }

        deserializer.deserialize_any(Number).map(Self)
    }
}

/// One of a few words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'_> for Text<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word in quotes")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<T, E> {
                T::deserialize(StrDeserializer::new(word))
            }
        }

        deserializer.deserialize_any(Text(PhantomData)).map(Self)
    }
}

/// Gives a wrapper the schema of what it wraps.
macro_rules! transparent_schema {
    ($wrapper:ident) => {
        impl<T: JsonSchema> JsonSchema for $wrapper<T> {
            fn inline_schema() -> bool {
                T::inline_schema()
            }

            fn schema_name() -> Cow<'static, str> {
                T::schema_name()
            }

            fn schema_id() -> Cow<'static, str> {
                T::schema_id()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                T::json_schema(generator)
            }
        }
    };
}

transparent_schema!(At);
transparent_schema!(Word);

/// Gives a type a schema that stands where it is used, without a name.
macro_rules! inline_schema {
    ([$($generics:tt)*] $type:ty, $name:expr, |$generator:ident| $schema:expr) => {
        impl<$($generics)*> JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

pub(super) use inline_schema;

inline_schema!([T: JsonSchema] Entries<T>, format!("Table_{}", T::schema_name()), |generator| json_schema!({
    "type": "object",
    "additionalProperties": generator.subschema_for::<T>(),
}));
inline_schema!([const MIN: u32, const MAX: u32] Whole<MIN, MAX>, format!("Whole_{MIN}_{MAX}"), |_generator| json_schema!({
    "type": "integer",
    "minimum": MIN,
    "maximum": MAX,
}));
inline_schema!([] Ratio, "Ratio", |_generator| json_schema!({
    "type": "number",
    "minimum": 0,
    "maximum": 1,
}));
inline_schema!([] SeedNumber, "SeedNumber", |_generator| json_schema!({
    "oneOf": [
        { "type": "integer", "minimum": 0 },
        { "type": "string", "pattern": "^[0-9]+$" },
    ],
}));
