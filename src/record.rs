//! Records as text: opened one level deep, changed where the contract says so, everything else untouched.

use std::{borrow::Cow, ops::Range};

use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use uuid::Uuid;

/// A JSON object whose keys and values are the very text that came; changed fields keep their place, new ones
/// stand at the end.
#[derive(Clone, Debug)]
pub struct RawObject<'a> {
    /// Key with its quotes, and value.
    fields: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// Where an object's keys and values stand in a text: an opened object, without a hold on the text.
#[derive(Debug)]
pub(crate) struct FieldPlaces(Vec<(Range<usize>, Range<usize>)>);

impl FieldPlaces {
    /// Takes the places of an unchanged object in the text that it was opened in.
    pub(crate) fn of(object: &RawObject<'_>, text: &str) -> Self {
        let start = text.as_ptr() as usize;
        let place = |part: &str| {
            let offset = part.as_ptr() as usize - start;
            offset..offset + part.len()
        };
        Self(object.fields().map(|(key, value)| (place(key), place(value))).collect())
    }

    /// The object again, in the same text.
    pub(crate) fn open<'a>(&self, text: &'a str) -> RawObject<'a> {
        let part = |place: &Range<usize>| {
            Cow::Borrowed(text.get(place.clone()).expect("the places were taken from this very text"))
        };
        RawObject { fields: self.0.iter().map(|(key, value)| (part(key), part(value))).collect() }
    }

    /// About how long the object's text is.
    pub(crate) fn byte_count(&self) -> usize {
        self.0
            .last()
            .zip(self.0.first())
            .map_or(2, |((_key, last), (first, _value))| last.end - first.start + 2)
    }
}

/// Any JSON value, opened if it is an object.
pub(crate) struct Opened<'a>(pub(crate) Option<RawObject<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Opened<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Opened<'de>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("any JSON")
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Self::Value, M::Error> {
                Fields.visit_map(map).map(|fields| Opened(Some(RawObject { fields })))
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<Self::Value, S::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Opened(None))
            }

            fn visit_bool<E>(self, _value: bool) -> Result<Self::Value, E> {
                Ok(Opened(None))
            }

            fn visit_i64<E>(self, _value: i64) -> Result<Self::Value, E> {
                Ok(Opened(None))
            }

            fn visit_u64<E>(self, _value: u64) -> Result<Self::Value, E> {
                Ok(Opened(None))
            }

            fn visit_f64<E>(self, _value: f64) -> Result<Self::Value, E> {
                Ok(Opened(None))
            }

            fn visit_str<E>(self, _value: &str) -> Result<Self::Value, E> {
                Ok(Opened(None))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Opened(None))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl<'a> RawObject<'a> {
    /// Opens a JSON text; none if it is not an object.
    pub fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The text of a field's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _value)| is_key(key, name)).map(|(_key, value)| value.as_ref())
    }

    /// A field's value if it is a text.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        decode_text(self.get(name)?)
    }

    /// A field's value if it is a valid id.
    pub fn id(&self, name: &str) -> Option<Uuid> {
        Uuid::try_parse(&self.text(name)?).ok()
    }

    /// A field's value if it is a time.
    pub fn time(&self, name: &str) -> Option<DateTime<Utc>> {
        let text = self.text(name)?;
        DateTime::parse_from_rfc3339(&text).ok().map(|time| time.to_utc())
    }

    /// Whether a field is `true`.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// Opens a field's value; none if it is not an object.
    pub fn object(&self, name: &str) -> Option<RawObject<'_>> {
        RawObject::parse(self.get(name)?)
    }

    /// Sets a field to a JSON text.
    pub fn set(&mut self, name: &'static str, json: impl Into<Cow<'a, str>>) {
        let json = json.into();
        match self.fields.iter_mut().find(|(key, _value)| is_key(key, name)) {
            Some((_key, value)) => *value = json,
            None => self.fields.push((Cow::Owned(quoted(name)), json)),
        }
    }

    /// Sets a field to a text, or null.
    pub fn set_text(&mut self, name: &'static str, text: Option<&str>) {
        self.set(name, text.map_or_else(|| "null".to_owned(), quoted));
    }

    /// Renames a field, if it is there.
    pub fn rename(&mut self, from: &str, to: &str) {
        if let Some((key, _value)) = self.fields.iter_mut().find(|(key, _value)| is_key(key, from)) {
            *key = Cow::Owned(quoted(to));
        }
    }

    /// Replaces the value of the field with this raw key, if `change` gives a new one.
    pub(crate) fn replace(&mut self, raw_key: &str, change: impl FnOnce(&str) -> Option<String>) {
        if let Some((_key, value)) = self.fields.iter_mut().find(|(key, _value)| key == raw_key)
            && let Some(changed) = change(value)
        {
            *value = Cow::Owned(changed);
        }
    }

    /// Keys (with their quotes) and values, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(key, value)| (key.as_ref(), value.as_ref()))
    }

    /// Appends the object's JSON text.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.reserve(self.fields.iter().map(|(key, value)| key.len() + value.len() + 2).sum::<usize>() + 2);
        out.push(b'{');
        for (index, (key, value)) in self.fields.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(key.as_bytes());
            out.push(b':');
            out.extend_from_slice(value.as_bytes());
        }
        out.push(b'}');
    }

    /// The object's JSON text.
    pub fn to_json(&self) -> String {
        let mut out = Vec::new();
        self.write(&mut out);
        String::from_utf8(out).expect("it is made of texts")
    }

    /// The same, independent of the text it was opened from.
    pub fn into_owned(self) -> RawObject<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        RawObject { fields: self.fields.into_iter().map(|(key, value)| (own(key), own(value))).collect() }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields).map(|fields| Self { fields })
    }
}

/// Takes the fields of an object as they stand in the text.
struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Vec<(Cow<'de, str>, Cow<'de, str>)>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut fields = Vec::with_capacity(16);
        // Keys are taken raw too: one with an unpaired surrogate is no `str`.
        while let Some((key, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
            fields.push((Cow::Borrowed(key.get()), Cow::Borrowed(value.get())));
        }
        Ok(fields)
    }
}

fn is_key(key: &str, name: &str) -> bool {
    // Every key stands in quotes. The length tells most of them apart.
    key.len() == name.len() + 2 && key.get(1..=name.len()) == Some(name)
}

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("every text can be written")
}

/// Decodes a JSON string; an unpaired surrogate becomes U+FFFD. None if the JSON is not a string.
pub(crate) fn decode_text(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    let decoded = serde_json::from_str::<String>(json).ok();
    decoded.or_else(|| serde_json::from_str::<LossyText>(json).ok().map(|text| text.0)).map(Cow::Owned)
}

/// `serde_json` gives bytes for what is no valid `str`.
struct LossyText(String);

impl<'de> Deserialize<'de> for LossyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = LossyText;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<LossyText, E> {
                Ok(LossyText(String::from_utf8_lossy(bytes).into_owned()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// One item of a rich text array; whatever else it has is left unread.
#[derive(Deserialize)]
struct RichTextItem<'a> {
    #[serde(borrow, default)]
    plain_text: Option<&'a RawValue>,
}

/// The plain text of a rich text array; none if it is not one.
pub(crate) fn plain_text(rich_text: &str) -> Option<String> {
    let items: Vec<RichTextItem<'_>> = serde_json::from_str(rich_text).ok()?;
    let mut text = String::new();
    for item in &items {
        text.push_str(&item.plain_text.and_then(|raw| decode_text(raw.get())).unwrap_or_default());
    }
    Some(text)
}

/// Turns an object of properties into an array of `{name, value}`, as Airbyte's connector does.
pub(crate) fn named_values(properties: &RawObject<'_>) -> String {
    let mut json = String::from("[");
    for (index, (name, value)) in properties.fields().enumerate() {
        if index > 0 {
            json.push(',');
        }
        json.push_str("{\"name\":");
        json.push_str(name);
        json.push_str(",\"value\":");
        json.push_str(value);
        json.push('}');
    }
    json.push(']');
    json
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_untouched_object_keeps_its_text() {
        let text =
            r#"{"id" : "x","n":1.50,"big":123456789012345678901234567890,"s":"\ud800\u00e4","\ud801":null}"#;
        let expected =
            r#"{"id":"x","n":1.50,"big":123456789012345678901234567890,"s":"\ud800\u00e4","\ud801":null}"#;
        assert_eq!(RawObject::parse(text).unwrap().to_json(), expected);
    }

    #[test]
    fn a_changed_field_keeps_its_place_and_a_new_one_comes_last() {
        let mut object = RawObject::parse(r#"{"a":1,"b":2}"#).unwrap();
        object.set("a", "[]");
        object.set_text("c", Some("x\"y"));
        object.set_text("d", None);
        object.rename("b", "bee");
        assert_eq!(object.to_json(), r#"{"a":[],"bee":2,"c":"x\"y","d":null}"#);
    }

    #[test]
    fn an_object_opened_again_is_the_same() {
        let text = r#"[{"a" : {"b":1}, "\ud800":null},{},[1],"x",1.5,null,true,-1]"#;
        let opened: Vec<Opened<'_>> = serde_json::from_str(text).unwrap();
        let places: Vec<Option<FieldPlaces>> = opened
            .iter()
            .map(|opened| opened.0.as_ref().map(|object| FieldPlaces::of(object, text)))
            .collect();
        let again: Vec<Option<String>> =
            places.iter().map(|places| places.as_ref().map(|places| places.open(text).to_json())).collect();
        let objects = [r#"{"a":{"b":1},"\ud800":null}"#, "{}"].map(|object| Some(object.to_owned()));
        assert_eq!(again, objects.into_iter().chain(vec![None; 6]).collect::<Vec<_>>());
    }

    #[test]
    fn an_unpaired_surrogate_is_readable() {
        assert_eq!(decode_text(r#""a\ud800b""#).unwrap(), "a\u{FFFD}\u{FFFD}\u{FFFD}b");
        assert_eq!(decode_text(r#""\u00e4""#).unwrap(), "ä");
        assert_eq!(decode_text("null"), None);
    }

    #[test]
    fn plain_text_joins_items_and_survives_nulls() {
        let rich_text = r#"[{"plain_text":"a"},{"plain_text":null},{},{"plain_text":"b\n"}]"#;
        assert_eq!(plain_text(rich_text).as_deref(), Some("ab\n"));
        assert_eq!(plain_text("null"), None);
    }

    #[test]
    fn properties_become_an_array() {
        let properties = RawObject::parse(r#"{"A.\"b\"":{"id":"x"},"C":null}"#).unwrap();
        let expected = r#"[{"name":"A.\"b\"","value":{"id":"x"}},{"name":"C","value":null}]"#;
        assert_eq!(named_values(&properties), expected);
    }

    #[test]
    fn other_json_is_no_object() {
        for text in ["null", "1", "[]", "\"x\"", "", "{"] {
            assert!(RawObject::parse(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_shallow_edit_keeps_the_rest(keys in prop::collection::btree_set("\\PC{0,8}", 0..8), name in "[a-z]{3}") {
            let name: &'static str = Box::leak(name.into_boxed_str());
            let object: serde_json::Map<String, Value> =
                keys.iter().map(|key| (key.clone(), Value::from(vec![key.clone()]))).collect();
            let text = Value::Object(object.clone()).to_string();
            let mut edited = RawObject::parse(&text).unwrap();
            edited.set(name, "7");
            let mut expected = object;
            expected.insert(name.to_owned(), Value::from(7));
            let read: Value = serde_json::from_str(&edited.to_json()).unwrap();
            prop_assert_eq!(read, Value::Object(expected));
        }
    }
}
