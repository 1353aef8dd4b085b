//! What can be kept or sent on by means of serde: ids, endpoints, saved contacts, how it goes with what is kept,
//! counters and outcomes.
//!
//! Ids and endpoints are texts where people read (JSON) and bytes elsewhere. Of counters, those that are missing are 0
//! and those that nobody knows are ignored, so that an older version's are read and a newer one's too.

use core::fmt;
use core::marker::PhantomData;
use core::str::FromStr;

use ::serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use ::serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

use crate::dht::contact::SavedContact;
use crate::dht::keep::{KeepSchedule, KeepState, NextAction};
use crate::dht::outcome::{LinkOutcome, Outcome, Reason, Refusals, Stored};
use crate::dht::stats::{DropReason, Dropped, Stats};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

// ---- ids and endpoints ----

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(self.as_bytes())
        }
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_bytes(deserializer, "40 hex digits or 20 bytes", |bytes| Id::try_from(bytes).ok())
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.to_bytes())
        }
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |bytes: &[u8]| bytes.try_into().ok().map(Endpoint::from_bytes);
        text_or_bytes(deserializer, "an address with a port, or 18 bytes", read)
    }
}

/// Reads a text as `FromStr` does, and bytes as `read` does.
fn text_or_bytes<'de, D, T>(
    deserializer: D,
    expected: &'static str,
    read: fn(&[u8]) -> Option<T>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    let visitor = TextOrBytes { expected, read };
    if deserializer.is_human_readable() {
        deserializer.deserialize_str(visitor)
    } else {
        deserializer.deserialize_bytes(visitor)
    }
}

struct TextOrBytes<T> {
    expected: &'static str,
    read: fn(&[u8]) -> Option<T>,
}

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for TextOrBytes<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<T, E> {
        (self.read)(bytes).ok_or_else(|| E::invalid_length(bytes.len(), &self))
    }
}

// ---- reasons and counters by name ----

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let reason = Known(|name| Reason::ALL.into_iter().find(|reason| reason.name() == name));
        reason.deserialize(deserializer)?.ok_or_else(|| de::Error::custom("nothing ends an operation for this reason"))
    }
}

/// By their names.
const NEXT_ACTIONS: [(NextAction, &str); 3] =
    [(NextAction::Look, "look"), (NextAction::Want, "want"), (NextAction::Busy, "busy")];

impl Serialize for NextAction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = NEXT_ACTIONS.into_iter().find(|(next, _)| next == self);
        serializer.serialize_str(named.map(|(_, name)| name).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for NextAction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let next = Known(|name| NEXT_ACTIONS.into_iter().find_map(|(next, of)| (of == name).then_some(next)));
        next.deserialize(deserializer)?.ok_or_else(|| de::Error::custom("nothing that is kept waits for this"))
    }
}

impl Serialize for Dropped {
    /// A map of the counters that are not 0.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counters = || self.iter().filter(|(_, count)| *count > 0);
        let mut map = serializer.serialize_map(Some(counters().count()))?;
        for (name, count) in counters() {
            map.serialize_entry(name, &count)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Dropped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Contents::<Dropped>(PhantomData))
    }
}

impl<'de> Visitor<'de> for Contents<Dropped> {
    type Value = Dropped;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("counters by the names of their reasons")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Dropped, A::Error> {
        let mut dropped = Dropped::default();
        while let Some(reason) = map.next_key_seed(Known(|name| DropReason::all().find(|r| r.name() == name)))? {
            let count = map.next_value()?;
            if let Some(reason) = reason {
                dropped.add(reason, count);
            }
        }
        Ok(dropped)
    }
}

/// Reads what a name stands for; `None` where nobody knows it.
struct Known<T>(fn(&str) -> Option<T>);

impl<'de, T> DeserializeSeed<'de> for Known<T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T> Visitor<'_> for Known<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Option<T>, E> {
        Ok(self.0(name))
    }
}

// ---- structs ----

/// Both directions for a struct that consists of these fields. `$missing` says what a field is that is not there.
macro_rules! fields {
    ($type:ident, $missing:ident, $($field:ident)+) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut fields = serializer.serialize_struct(stringify!($type), [$(stringify!($field)),+].len())?;
                $(fields.serialize_field(stringify!($field), &self.$field)?;)+
                fields.end()
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let names = &[$(stringify!($field)),+];
                deserializer.deserialize_struct(stringify!($type), names, Contents::<$type>(PhantomData))
            }
        }

        impl<'de> Visitor<'de> for Contents<$type> {
            type Value = $type;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!("the fields of ", stringify!($type)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<$type, A::Error> {
                $(let $field = seq.next_element()?;)+
                Ok($type { $($field: $field.map_or_else(|| $missing(stringify!($field)), Ok)?),+ })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$type, A::Error> {
                let known = |name: &str| [$(stringify!($field)),+].into_iter().find(|field| *field == name);
                $(let mut $field = None;)+
                while let Some(name) = map.next_key_seed(Known(known))? {
                    $(if name == Some(stringify!($field)) {
                        $field = Some(map.next_value()?);
                        continue;
                    })+
                    map.next_value::<IgnoredAny>()?;
                }
                Ok($type { $($field: $field.map_or_else(|| $missing(stringify!($field)), Ok)?),+ })
            }
        }
    };
}

fields!(SavedContact, required, id endpoint);
fields!(Refusals, zero, protocol too_large bad_signature salt_too_long cas_mismatch seq_too_old other);
fields!(
    Outcome, zero,
    reason queried answered late timed_out errored invalid results copies dropped_results hops stored crowded
    density_alarm unconfirmed refused held_seq elapsed links
);
fields!(Stored, zero, all counted secure networks);
fields!(KeepSchedule, required, least refill check_every);
fields!(KeepState, zero, copies seq newest every futile renewals refused next due_in);
fields!(LinkOutcome, zero, queried answered stored);
fields!(
    Stats, zero,
    rx rx_bytes tx tx_bytes queries refused trimmed rpc_sent rpc_ok rpc_late rpc_errors rpc_broken rpc_timeouts
    verifications operations flows_by_itself flows_for_users flows_held keep_looks keep_puts keep_stores dropped
);

/// Reads what stands in a struct or a map.
struct Contents<T>(PhantomData<T>);

fn required<T, E: de::Error>(field: &'static str) -> Result<T, E> {
    Err(E::missing_field(field))
}

fn zero<T: Default, E>(_field: &'static str) -> Result<T, E> {
    Ok(T::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use std::fmt::Debug;
    use std::string::String;

    const ID: Id = Id(*b"abcdefghij0123456789");
    const ID_TEXT: &str = "6162636465666768696a30313233343536373839";

    /// The JSON of a value, which is read back from it and from bytes in which names are left out.
    fn json<T: Serialize + de::DeserializeOwned + PartialEq + Debug>(value: &T) -> String {
        let text = serde_json::to_string(value).unwrap();
        assert_eq!(serde_json::from_str::<T>(&text).unwrap(), *value, "{text}");
        let bytes = postcard::to_allocvec(value).unwrap();
        assert_eq!(postcard::from_bytes::<T>(&bytes).unwrap(), *value, "{bytes:?}");
        text
    }

    #[test]
    fn ids_and_endpoints_are_texts_for_readers_and_bytes_for_programs() {
        assert_eq!(json(&ID), std::format!("\"{ID_TEXT}\""));
        assert_eq!(postcard::to_allocvec(&ID).unwrap()[1..], ID.0);
        let v4 = Endpoint::v4([1, 2, 3, 4], 5);
        assert_eq!(json(&v4), "\"1.2.3.4:5\"");
        assert_eq!(postcard::to_allocvec(&v4).unwrap()[1..], v4.to_bytes());
        assert_eq!(json(&Endpoint::UNSPECIFIED), "\"[::]:0\"");
        for bad in ["\"61\"", "7", "null", "[1,2]"] {
            assert!(
                serde_json::from_str::<Id>(bad).is_err() && serde_json::from_str::<Endpoint>(bad).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_saved_contact_needs_both_of_its_fields() {
        let saved = SavedContact { id: ID, endpoint: Endpoint::v4([1, 2, 3, 4], 5) };
        assert_eq!(json(&saved), std::format!(r#"{{"id":"{ID_TEXT}","endpoint":"1.2.3.4:5"}}"#));
        let error = serde_json::from_str::<SavedContact>(r#"{"endpoint":"1.2.3.4:5"}"#).unwrap_err();
        assert!(std::format!("{error}").starts_with("missing field `id`"), "{error}");
    }

    #[test]
    fn how_it_goes_with_what_is_kept_is_read_as_it_was_written() {
        let schedule = KeepSchedule::default();
        assert!(json(&schedule).starts_with(r#"{"least":8,"refill":12,"check_every":"#));
        assert!(serde_json::from_str::<KeepSchedule>("{}").is_err());
        for (next, name) in NEXT_ACTIONS {
            let due_in = Duration::from_millis(1500);
            let state = KeepState { copies: Some(12), seq: Some(-1), next, due_in, ..KeepState::default() };
            assert!(json(&state).contains(&std::format!(r#""next":"{name}""#)));
        }
        assert_eq!(serde_json::from_str::<KeepState>("{}").unwrap(), KeepState::default());
        assert!(serde_json::from_str::<KeepState>(r#"{"next":"new"}"#).is_err());
    }

    #[test]
    fn counters_that_are_missing_are_zero_and_unknown_ones_are_ignored() {
        let mut stats = Stats { rx: 7, operations: 1, ..Stats::default() };
        stats.dropped.add(DropReason::Limited, 3);
        let text = json(&stats);
        assert!(text.contains(r#""operations":1,"#) && text.ends_with(r#""dropped":{"limited":3}}"#), "{text}");
        let text = r#"{"new":[1,{"a":2}],"rx":7,"operations":1,"dropped":{"limited":3,"new":1}}"#;
        assert_eq!(serde_json::from_str::<Stats>(text).unwrap(), stats);
    }

    #[test]
    fn every_outcome_is_read_as_it_was_written() {
        for reason in Reason::ALL {
            let refused = Refusals { cas_mismatch: 2, ..Refusals::default() };
            let elapsed = Duration::from_millis(1500);
            let outcome = Outcome { reason, queried: 9, refused, elapsed, ..Outcome::default() };
            assert!(json(&outcome).starts_with(&std::format!(r#"{{"reason":"{reason}","queried":9,"#)));
        }
        assert!(serde_json::from_str::<Outcome>(r#"{"reason":"new"}"#).is_err());
    }
}
