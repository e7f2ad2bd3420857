//! A checksum over an object of the API: the same for two answers about the same thing.
//!
//! Left out is what differs although nothing changed: `request_id`, `developer_survey`, `archived`, the object's own `url`,
//! signed addresses and their expiry, the addresses of mentions, and details of users. The order of keys does not
//! matter, nor does a key whose value is null. The checksum is stored in states, so it must never change.

use serde::{
    Deserializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::record::RawObject;

/// Top-level keys that say nothing about the object.
const OF_THE_ANSWER: [&str; 5] =
    [r#""request_id""#, r#""developer_survey""#, r#""archived""#, r#""url""#, r#""object""#];

/// The checksum of a page or data source, as a listing or its own id shows it.
pub fn checksum(object: &RawObject<'_>) -> u32 {
    let fields = object.fields().filter(|(key, _value)| !OF_THE_ANSWER.contains(key));
    let sum = fields.fold(0_u64, |sum, (key, value)| {
        let place = if key == r#""properties""# { Place::Properties } else { Place::Inside };
        sum.wrapping_add(field_hash(key, value_hash(value, place)))
    });
    let folded = sum ^ (sum >> 32);
    u32::try_from(folded & u64::from(u32::MAX)).expect("it is masked")
}

/// Where a value stands: the keys of `properties` are names that people give.
#[derive(Clone, Copy)]
enum Place {
    Properties,
    Inside,
}

/// Absent and null alike.
const NULL: u64 = 0;

fn value_hash(json: &str, place: Place) -> u64 {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    // Text with unpaired surrogates is no `str`; it counts as it is written.
    Hash(place).deserialize(&mut deserializer).unwrap_or_else(|_surrogate| text_hash(json))
}

fn text_hash(text: &str) -> u64 {
    mix(u64::from(crc32fast::hash(text.as_bytes())), text.len() as u64)
}

fn field_hash(key: &str, value: u64) -> u64 {
    if value == NULL { 0 } else { mix(text_hash(key), value) }
}

/// Two numbers as one; the finalizer of splitmix64.
fn mix(first: u64, second: u64) -> u64 {
    let mut mixed = first.rotate_left(32) ^ second.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

struct Hash(Place);

impl<'de> DeserializeSeed<'de> for Hash {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Hash {
    type Value = u64;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<u64, E> {
        Ok(NULL)
    }

    fn visit_bool<E>(self, value: bool) -> Result<u64, E> {
        Ok(mix(1, u64::from(value)))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<u64, E> {
        #[expect(clippy::cast_precision_loss, reason = "1 and 1.0 are the same number")]
        self.visit_f64(value as f64)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<u64, E> {
        #[expect(clippy::cast_precision_loss, reason = "1 and 1.0 are the same number")]
        self.visit_f64(value as f64)
    }

    fn visit_f64<E>(self, value: f64) -> Result<u64, E> {
        Ok(mix(2, value.to_bits()))
    }

    fn visit_str<E>(self, value: &str) -> Result<u64, E> {
        Ok(mix(3, text_hash(value)))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<u64, S::Error> {
        let mut hash = 4;
        while let Some(item) = items.next_element_seed(Self(Place::Inside))? {
            hash = mix(hash, item);
        }
        Ok(hash)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<u64, M::Error> {
        let mut members = Members::default();
        while let Some(key) = map.next_key::<&'de RawValue>()? {
            let value = map.next_value_seed(Self(Place::Inside))?;
            members.add(key.get(), value, self.0);
        }
        Ok(members.hash())
    }
}

/// The members of an object, summed so that their order does not matter.
#[derive(Default)]
struct Members {
    sum: u64,
    /// What `url` added, should an expiry say that it is signed.
    url: u64,
    /// What `href` added, should a text say the same beside it.
    href: u64,
    is_signed: bool,
    is_text: bool,
    is_user: bool,
    id: u64,
}

impl Members {
    fn add(&mut self, key: &str, value: u64, place: Place) {
        let added = field_hash(key, value);
        self.sum = self.sum.wrapping_add(added);
        if matches!(place, Place::Properties) {
            return;
        }
        match key {
            r#""url""# => self.url = added,
            r#""href""# => self.href = added,
            r#""id""# => self.id = added,
            r#""plain_text""# => self.is_text = true,
            r#""object""# => self.is_user = value == mix(3, text_hash("user")),
            r#""expiry_time""# => {
                self.is_signed = true;
                self.sum = self.sum.wrapping_sub(added);
            }
            _ => {}
        }
    }

    fn hash(&self) -> u64 {
        let mut sum = self.sum;
        if self.is_user && self.id != NULL {
            sum = self.id;
        }
        if self.is_signed {
            sum = sum.wrapping_sub(self.url);
        }
        if self.is_text {
            sum = sum.wrapping_sub(self.href);
        }
        mix(5, sum)
    }
}

/// The fingerprint of a list of comments: their ids and times, whatever their order.
pub(crate) fn entry_hash(id: &str, time: &str) -> u32 {
    let hash = mix(text_hash(id), text_hash(time));
    u32::try_from((hash ^ (hash >> 32)) & u64::from(u32::MAX)).expect("it is masked")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(text: &str) -> u32 {
        checksum(&RawObject::parse(text).unwrap())
    }

    #[test]
    fn two_answers_about_the_same_thing_have_the_same_checksum() {
        let answers = [
            r#"{"object":"page","id":"p","archived":false,"url":"https://www.notion.so/p","properties":{"A":{"id":"a","number":1},
                "F":{"files":[{"name":"f","file":{"url":"https://s3/x?X-Amz-Signature=1","expiry_time":"T1"}}]},
                "B":{"people":[{"object":"user","id":"u","name":"N","person":{"email":"e"}}]},
                "T":{"title":[{"plain_text":"é","href":"https://www.notion.so/x","mention":{"page":{"id":"x"}}}]}},
                "created_by":{"object":"user","id":"u"}}"#,
            r#"{"request_id":"r","id":"p","object":"page","developer_survey":"s","url":"https://app.notion.com/p/p","cover":null,
                "created_by":{"object":"user","id":"u","name":"N"},"properties":{
                "T":{"title":[{"href":null,"plain_text":"\u00e9","mention":{"page":{"id":"x"}}}]},
                "B":{"people":[{"id":"u","object":"user"}]},"A":{"number":1.0,"id":"a"},
                "F":{"files":[{"file":{"expiry_time":"T2","url":"https://s3/x?X-Amz-Signature=2"},"name":"f"}]}}}"#,
        ];
        assert_eq!(sum(answers[0]), sum(answers[1]));
    }

    #[test]
    fn what_people_see_changes_the_checksum() {
        let of = |properties: &str| sum(&format!(r#"{{"id":"p","properties":{properties}}}"#));
        let values = [
            r#"{"A":{"formula":{"number":1}}}"#,
            r#"{"A":{"formula":{"number":2}}}"#,
            r#"{"A":{"formula":{"number":null}}}"#,
            r#"{"A":{"relation":[{"id":"x"},{"id":"y"}]}}"#,
            r#"{"A":{"relation":[{"id":"y"},{"id":"x"}]}}"#,
            r#"{"url":{"url":"https://a"}}"#,
            r#"{"url":{"url":"https://b"}}"#,
            r#"{"archived":{"checkbox":true}}"#,
            r#"{"archived":{"checkbox":false}}"#,
            r#"{"expiry_time":{"number":1},"url":{"url":"https://a"}}"#,
            r#"{"expiry_time":{"number":1},"url":{"url":"https://b"}}"#,
        ];
        let sums: std::collections::HashSet<u32> = values.into_iter().map(of).collect();
        assert_eq!(sums.len(), values.len());
    }

    #[test]
    fn an_unpaired_surrogate_is_no_obstacle() {
        assert_ne!(sum(r#"{"a":"\ud800"}"#), sum(r#"{"a":"\ud801"}"#));
    }

    #[test]
    fn the_checksum_is_the_one_that_stored_states_have() {
        assert_eq!(sum(r#"{"id":"p","icon":{"emoji":"x"},"properties":{"A":{"number":1}}}"#), STORED);
    }

    const STORED: u32 = 1_100_696_541;
}
