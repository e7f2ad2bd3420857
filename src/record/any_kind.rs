//! Reading JSON where anything may stand: what is not of the expected kind is passed over, and nothing fails for it.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// What to do with an object or an array where JSON of any kind may stand.
pub(crate) trait AnyKindVisitor<'de>: Sized {
    /// What comes of it.
    type Value;

    /// Reads an object; it is passed over unless told otherwise.
    fn object<M: MapAccess<'de>>(self, mut map: M) -> Result<Option<Self::Value>, M::Error> {
        while map.next_entry::<&'de RawValue, IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    /// Reads an array; it is passed over unless told otherwise.
    fn array<S: SeqAccess<'de>>(self, mut items: S) -> Result<Option<Self::Value>, S::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// JSON of any kind: none for what is not of the kind that the visitor reads.
pub(crate) struct AnyKind<V>(pub(crate) V);

impl<'de, V: AnyKindVisitor<'de>> DeserializeSeed<'de> for AnyKind<V> {
    type Value = Option<V::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, V: AnyKindVisitor<'de>> Visitor<'de> for AnyKind<V> {
    type Value = Option<V::Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Self::Value, M::Error> {
        self.0.object(map)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, items: S) -> Result<Self::Value, S::Error> {
        self.0.array(items)
    }

    fn visit_bool<E>(self, _value: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _value: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _value: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _value: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _value: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}
