//! Numbers of faults: those that the seed may choose, those with a sign, and rates of clocks.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::field::{Whole, inline_schema};
use crate::net::faults::Chosen;

/// A whole number between two bounds, or `{ uniform = [1, 40] }` between them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drawn<const MIN: u32, const MAX: u32>(pub(super) Chosen);

/// What stands for a number that the seed chooses.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct UniformTable<const MIN: u32, const MAX: u32> {
    uniform: [Whole<MIN, MAX>; 2],
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Drawn<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number<const MIN: u32, const MAX: u32>;

        impl<'de, const MIN: u32, const MAX: u32> Visitor<'de> for Number<MIN, MAX> {
            type Value = Chosen;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(
                    f,
                    "a whole number from {MIN} to {MAX}, or {{ uniform = [LOWEST, HIGHEST] }}"
                )
            }

            fn visit_i64<E: Error>(self, n: i64) -> Result<Chosen, E> {
                Whole::<MIN, MAX>::within(n).map(|n| Chosen::Fixed(u64::from(n)))
            }

            fn visit_u64<E: Error>(self, n: u64) -> Result<Chosen, E> {
                Whole::<MIN, MAX>::within(n).map(|n| Chosen::Fixed(u64::from(n)))
            }

            fn visit_i128<E: Error>(self, n: i128) -> Result<Chosen, E> {
                Whole::<MIN, MAX>::within(n).map(|n| Chosen::Fixed(u64::from(n)))
            }

            fn visit_u128<E: Error>(self, n: u128) -> Result<Chosen, E> {
                Whole::<MIN, MAX>::within(n).map(|n| Chosen::Fixed(u64::from(n)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Chosen, A::Error> {
                let table = UniformTable::<MIN, MAX>::deserialize(MapAccessDeserializer::new(map))?;
                let [Whole(min), Whole(max)] = table.uniform;
                if min > max {
                    return Err(Error::custom(format_args!(
                        "{min} is above {max}; expected the lowest first, then the highest"
                    )));
                }
                Ok(Chosen::Uniform { min, max })
            }
        }

        deserializer.deserialize_any(Number::<MIN, MAX>).map(Self)
    }
}

/// A whole number that is at most so far from zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signed<const MAX: u32>(pub(super) i64);

impl<'de, const MAX: u32> Deserialize<'de> for Signed<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number<const MAX: u32>;

        impl<const MAX: u32> Number<MAX> {
            fn within<E: Error>(n: impl TryInto<i64> + fmt::Display + Copy) -> Result<i64, E> {
                let number = n.try_into().ok();
                number
                    .filter(|n| n.unsigned_abs() <= u64::from(MAX))
                    .ok_or_else(|| {
                        E::custom(format_args!(
                            "{n} is out of range; expected a whole number from -{MAX} to {MAX}"
                        ))
                    })
            }
        }

        impl<const MAX: u32> Visitor<'_> for Number<MAX> {
            type Value = i64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from -{MAX} to {MAX}")
            }

            fn visit_i64<E: Error>(self, n: i64) -> Result<i64, E> {
                Self::within(n)
            }

            fn visit_u64<E: Error>(self, n: u64) -> Result<i64, E> {
                Self::within(n)
            }

            fn visit_i128<E: Error>(self, n: i128) -> Result<i64, E> {
                Self::within(n)
            }

            fn visit_u128<E: Error>(self, n: u128) -> Result<i64, E> {
                Self::within(n)
            }
        }

        deserializer.deserialize_any(Number::<MAX>).map(Self)
    }
}

/// How fast a clock goes, in millionths.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate(pub(super) u32);

impl Rate {
    /// The rate of a clock that is right.
    pub(super) const RIGHT: Self = Self(1_000_000);

    /// The millionths of a rate from 0.5 to 2.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // exact: whole, 500,000 to 2,000,000
    fn millionths<E: Error>(rate: f64) -> Result<u32, E> {
        if !(0.5..=2.0).contains(&rate) {
            return Err(E::custom(format_args!(
                "{rate} is out of range; expected a number from 0.5 to 2"
            )));
        }
        let millionths = (rate * 1_000_000.0).round() as u32;
        // A division is rounded as the digits of a file are: to the nearest float. So the two are the
        // same if the file has no more than six decimals, and only then.
        if (f64::from(millionths) / 1_000_000.0).to_bits() != rate.to_bits() {
            return Err(E::custom(format_args!(
                "{rate} is too exact; expected a number of at most six decimals"
            )));
        }
        Ok(millionths)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = u32;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number from 0.5 to 2")
            }

            fn visit_f64<E: Error>(self, rate: f64) -> Result<u32, E> {
                Rate::millionths(rate)
            }

            #[allow(clippy::cast_precision_loss)] // only 1 and 2 are accepted, and they are exact
            fn visit_i64<E: Error>(self, n: i64) -> Result<u32, E> {
                Rate::millionths(n as f64)
            }
        }

        deserializer.deserialize_any(Number).map(Self)
    }
}

inline_schema!([const MIN: u32, const MAX: u32] Drawn<MIN, MAX>, format!("Drawn_{MIN}_{MAX}"), |generator| json_schema!({
    "oneOf": [
        generator.subschema_for::<Whole<MIN, MAX>>(),
        {
            "type": "object",
            "properties": {
                "uniform": {
                    "description": "The seed chooses a whole number from the first to the second, each equally likely.",
                    "type": "array",
                    "items": generator.subschema_for::<Whole<MIN, MAX>>(),
                    "minItems": 2,
                    "maxItems": 2,
                },
            },
            "required": ["uniform"],
            "additionalProperties": false,
        },
    ],
}));
inline_schema!([const MAX: u32] Signed<MAX>, format!("Signed_{MAX}"), |_generator| json_schema!({
    "type": "integer",
    "minimum": -i64::from(MAX),
    "maximum": MAX,
}));
inline_schema!([] Rate, "Rate", |_generator| json_schema!({
    "type": "number",
    "minimum": 0.5,
    "maximum": 2,
}));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rate_of_six_decimals_is_kept_to_the_millionth() {
        for millionths in 500_000..=2_000_000_u32 {
            let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
            let rate: f64 = text.parse().unwrap();
            let kept = Rate::millionths::<serde::de::value::Error>(rate);
            assert_eq!(kept.as_ref(), Ok(&millionths), "{text}");
        }
    }

    #[test]
    fn a_rate_of_more_decimals_is_refused() {
        for text in ["1.0000001", "1.0000005", "0.50000049", "1.999999999"] {
            let rate: f64 = text.parse().unwrap();
            let kept = Rate::millionths::<serde::de::value::Error>(rate);
            assert!(kept.is_err(), "{text}: {kept:?}");
        }
    }
}
