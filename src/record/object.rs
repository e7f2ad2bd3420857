//! JSON objects as text, opened one level deep.

use std::{borrow::Cow, fmt, ops::Range};

use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{AnyKind, AnyKindVisitor, decode_text};

/// A JSON object whose keys and values are the very text that came; changed fields keep their place, new ones
/// stand at the end.
#[derive(Clone, Debug)]
pub struct RawObject<'a> {
    text: Cow<'a, str>,
    /// Its fields in the text.
    places: Cow<'a, [FieldPlace]>,
    changes: Vec<Change<'a>>,
}

/// What is different from the text, or new.
#[derive(Clone, Debug)]
struct Change<'a> {
    /// The field's place among those in the text; none for a new one.
    at: Option<usize>,
    /// A new name; none where it stays.
    name: Option<&'static str>,
    /// A new value; none where it stays.
    value: Option<Cow<'a, str>>,
}

/// Where a field's key (with its quotes) and value stand in a text.
#[derive(Clone, Debug)]
struct FieldPlace {
    key: Range<usize>,
    value: Range<usize>,
}

impl FieldPlace {
    /// The place in the process's memory; [`Self::relative_to`] makes it one in a text.
    fn of(key: &str, value: &str) -> Self {
        let place = |part: &str| {
            let start = part.as_ptr() as usize;
            start..start + part.len()
        };
        Self { key: place(key), value: place(value) }
    }

    fn relative_to(&self, text: &str) -> Self {
        let base = text.as_ptr() as usize;
        let place = |range: &Range<usize>| range.start - base..range.end - base;
        Self { key: place(&self.key), value: place(&self.value) }
    }
}

/// Where objects' keys and values stand in a text: opened objects, without a hold on the text.
#[derive(Debug, Default)]
pub(crate) struct ObjectPlaces {
    /// The fields of all objects, one object after the other.
    fields: Vec<FieldPlace>,
    /// Which of the fields an element has; none for one that is no object.
    elements: Vec<Option<Range<usize>>>,
}

impl ObjectPlaces {
    /// The objects, in the text that they were opened in; none for an element that is no object.
    pub(crate) fn open<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Option<RawObject<'a>>> {
        self.elements.iter().map(move |element| {
            let places = self.fields.get(element.clone()?)?;
            Some(RawObject { text: Cow::Borrowed(text), places: Cow::Borrowed(places), changes: Vec::new() })
        })
    }

    /// How many elements there are.
    pub(crate) fn len(&self) -> usize {
        self.elements.len()
    }
}

/// An array of any JSON values in a text, its objects opened.
#[derive(Debug, Default)]
pub(crate) struct OpenedArray(ObjectPlaces);

impl OpenedArray {
    /// The places in `text`, which is the one that was read.
    pub(crate) fn in_text(mut self, text: &str) -> ObjectPlaces {
        for place in &mut self.0.fields {
            *place = place.relative_to(text);
        }
        self.0
    }
}

impl<'de> Deserialize<'de> for OpenedArray {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = OpenedArray;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a sequence")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<Self::Value, S::Error> {
                // A short result page fits.
                let mut places = ObjectPlaces { fields: Vec::with_capacity(128), elements: Vec::new() };
                loop {
                    let start = places.fields.len();
                    match items.next_element_seed(AnyKind(FieldsInto(&mut places.fields)))? {
                        None => return Ok(OpenedArray(places)),
                        Some(is_object) => {
                            let end = places.fields.len();
                            places.elements.push(is_object.map(|()| start..end));
                        }
                    }
                }
            }
        }
        deserializer.deserialize_seq(Elements)
    }
}

/// Appends the places of an object's fields.
struct FieldsInto<'f>(&'f mut Vec<FieldPlace>);

impl<'de> AnyKindVisitor<'de> for FieldsInto<'_> {
    type Value = ();

    fn object<M: MapAccess<'de>>(self, mut map: M) -> Result<Option<()>, M::Error> {
        // Keys are taken raw too: one with an unpaired surrogate is no `str`.
        while let Some((key, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
            self.0.push(FieldPlace::of(key.get(), value.get()));
        }
        Ok(Some(()))
    }
}

impl<'a> RawObject<'a> {
    /// Opens a JSON text; none if it is not an object.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut places = Vec::with_capacity(16);
        let mut json = serde_json::Deserializer::from_str(text);
        AnyKind(FieldsInto(&mut places)).deserialize(&mut json).ok()??;
        json.end().ok()?;
        for place in &mut places {
            *place = place.relative_to(text);
        }
        Some(Self { text: Cow::Borrowed(text), places: Cow::Owned(places), changes: Vec::new() })
    }

    fn part(&self, place: &Range<usize>) -> &str {
        self.text.get(place.clone()).expect("the places were taken in this very text")
    }

    fn change_at(&self, index: usize) -> Option<&Change<'a>> {
        self.changes.iter().find(|change| change.at == Some(index))
    }

    /// The place of a field in the text, if it is there under this name.
    fn find(&self, name: &str) -> Option<usize> {
        // A key stands in quotes. The length tells most of them apart.
        let is_key = |place: &FieldPlace| {
            place.key.len() == name.len() + 2
                && self.text.as_bytes().get(place.key.start + 1..place.key.end - 1) == Some(name.as_bytes())
        };
        self.places.iter().position(is_key)
    }

    /// The text of a field's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        if let Some(new) = self.changes.iter().find(|change| change.name == Some(name)) {
            let in_text = || self.part(&self.places.get(new.at?)?.value).into();
            return new.value.as_deref().or_else(in_text);
        }
        let index = self.find(name)?;
        match self.change_at(index) {
            Some(Change { name: Some(_other), .. }) => None,
            Some(Change { value: Some(value), .. }) => Some(value),
            _unchanged => self.places.get(index).map(|place| self.part(&place.value)),
        }
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

    /// Sets a field to a JSON text; `name` is a plain word.
    pub fn set(&mut self, name: &'static str, json: impl Into<Cow<'a, str>>) {
        let value = Some(json.into());
        if let Some(new) = self.changes.iter_mut().find(|change| change.name == Some(name)) {
            new.value = value;
        } else if let Some(index) = self.find(name) {
            self.change_of(index).value = value;
        } else {
            self.changes.push(Change { at: None, name: Some(name), value });
        }
    }

    /// The change of a field in the text, which may be none yet.
    fn change_of(&mut self, index: usize) -> &mut Change<'a> {
        let known = self.changes.iter().position(|change| change.at == Some(index));
        let known = known.unwrap_or_else(|| {
            self.changes.push(Change { at: Some(index), name: None, value: None });
            self.changes.len() - 1
        });
        self.changes.get_mut(known).expect("it was found or added")
    }

    /// Sets a field to a JSON text, or to null.
    pub fn set_or_null(&mut self, name: &'static str, json: Option<String>) {
        self.set(name, json.map_or(Cow::Borrowed("null"), Cow::Owned));
    }

    /// Renames a field, if it is there; both names are plain words.
    pub fn rename(&mut self, from: &str, to: &'static str) {
        if let Some(index) = self.find(from) {
            self.change_of(index).name = Some(to);
        }
    }

    /// Replaces the value of the field with this raw key, if `change` gives a new one.
    pub(crate) fn replace(&mut self, raw_key: &str, change: impl FnOnce(&str) -> Option<String>) {
        let index = self.places.iter().position(|place| self.part(&place.key) == raw_key);
        let old = index.and_then(|index| self.places.get(index)).map(|place| self.part(&place.value));
        if let Some((index, new)) = index.zip(old.and_then(change)) {
            self.change_of(index).value = Some(Cow::Owned(new));
        }
    }

    /// The object without these fields, each given as a raw key with its quotes.
    pub(crate) fn without(self, raw_keys: &[&str]) -> Self {
        if !self.fields().any(|(key, _value)| raw_keys.contains(&key)) {
            return self;
        }
        let whole = self.to_json();
        let whole = RawObject::parse(&whole).expect("an object is written as one");
        let kept = whole.fields().filter(|(key, _value)| !raw_keys.contains(key));
        let kept: Vec<String> = kept.map(|(key, value)| [key, ":", value].concat()).collect();
        let text = ["{", &kept.join(","), "}"].concat();
        RawObject::parse(&text).expect("it is made of the fields of an object").into_owned()
    }

    /// Keys (with their quotes) and values as they came, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.places.iter().map(|place| (self.part(&place.key), self.part(&place.value)))
    }

    /// Appends the object's JSON text; what was not changed stands there as it came.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        let (first, last) = (self.places.first(), self.places.last());
        let mut copied = first.map_or(0, |place| place.key.start);
        for (index, place) in self.places.iter().enumerate() {
            let Some(change) = self.change_at(index) else { continue };
            if let Some(name) = change.name {
                out.extend_from_slice(self.part(&(copied..place.key.start)).as_bytes());
                write_key(out, name);
                copied = place.key.end;
            }
            if let Some(value) = &change.value {
                out.extend_from_slice(self.part(&(copied..place.value.start)).as_bytes());
                out.extend_from_slice(value.as_bytes());
                copied = place.value.end;
            }
        }
        out.extend_from_slice(self.part(&(copied..last.map_or(copied, |place| place.value.end))).as_bytes());
        let mut is_first = last.is_none();
        for Change { name, value, .. } in self.changes.iter().filter(|change| change.at.is_none()) {
            if !is_first {
                out.push(b',');
            }
            is_first = false;
            write_key(out, name.unwrap_or_default());
            out.push(b':');
            out.extend_from_slice(value.as_deref().unwrap_or("null").as_bytes());
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
        let first = self.places.first().map_or(0, |place| place.key.start);
        let last = self.places.last().map_or(first, |place| place.value.end);
        let moved = |range: &Range<usize>| range.start - first..range.end - first;
        let places =
            self.places.iter().map(|place| FieldPlace { key: moved(&place.key), value: moved(&place.value) });
        RawObject {
            places: Cow::Owned(places.collect()),
            text: Cow::Owned(self.part(&(first..last)).to_owned()),
            changes: self
                .changes
                .into_iter()
                .map(|Change { at, name, value }| Change {
                    at,
                    name,
                    value: value.map(|value| Cow::Owned(value.into_owned())),
                })
                .collect(),
        }
    }
}

fn write_key(out: &mut Vec<u8>, name: &str) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.push(b'"');
}

/// An object's text with one more member, or with another value for it; the text as it is when it is no object.
pub(crate) fn with_member(object: &str, name: &'static str, json: &str) -> String {
    if object.contains(name) {
        // Hardly ever: it is there already, or something is called like it.
        let Some(mut object) = RawObject::parse(object) else { return object.to_owned() };
        object.set(name, json);
        return object.to_json();
    }
    let Some(members) = object.strip_suffix('}') else { return object.to_owned() };
    let comma = if members.trim_end().ends_with('{') { "" } else { "," };
    [members, comma, "\"", name, "\":", json, "}"].concat()
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
        let fields =
            r#""id" : "x","n":1.50 , "big":123456789012345678901234567890,"s":"\ud800\u00e4","\ud801":null"#;
        let text = format!(" {{ {fields} }} ");
        let object = RawObject::parse(&text).unwrap();
        assert_eq!(object.to_json(), format!("{{{fields}}}"));
        assert_eq!(object.into_owned().to_json(), format!("{{{fields}}}"));
    }

    #[test]
    fn a_changed_field_keeps_its_place_and_a_new_one_comes_last() {
        let mut object = RawObject::parse(r#"{"a":1,"b":2}"#).unwrap();
        object.set("a", "[]");
        object.set_or_null("c", Some(r#""x\"y""#.to_owned()));
        object.set_or_null("d", None);
        object.rename("b", "bee");
        assert_eq!(object.to_json(), r#"{"a":[],"bee":2,"c":"x\"y","d":null}"#);
        assert_eq!((object.get("b"), object.get("bee"), object.get("d")), (None, Some("2"), Some("null")));
        object.set("bee", "3");
        object.set("c", "4");
        object.rename("a", "ay");
        let expected = r#"{"ay":[],"bee":3,"c":4,"d":null}"#;
        assert_eq!(object.to_json(), expected);
        assert_eq!(object.into_owned().to_json(), expected);
    }

    #[test]
    fn objects_opened_again_are_the_same() {
        let text = r#"[{"a" : {"b":1}, "\ud800":null},{},[1],"x",1.5,null,true,-1,{"z":[]}]"#;
        let places = serde_json::from_str::<OpenedArray>(text).unwrap().in_text(text);
        let again: Vec<Option<String>> =
            places.open(text).map(|object| object.map(|object| object.to_json())).collect();
        let object = |json: &str| Some(json.to_owned());
        let mut expected = vec![object(r#"{"a" : {"b":1}, "\ud800":null}"#), object("{}")];
        expected.extend(vec![None; 6]);
        expected.push(object(r#"{"z":[]}"#));
        assert_eq!(again, expected);
        assert_eq!(places.len(), expected.len());
    }

    #[test]
    fn a_member_is_added_or_replaced() {
        let cases = [
            (r#"{"a":{"b":1}}"#, r#"{"a":{"b":1},"n":7}"#),
            ("{}", r#"{"n":7}"#),
            ("{ }", r#"{ "n":7}"#),
            (r#"{"n":1,"a":2}"#, r#"{"n":7,"a":2}"#),
            (r#"{"a":"n"}"#, r#"{"a":"n","n":7}"#),
            ("null", "null"),
            ("[1]", "[1]"),
            (r#""n""#, r#""n""#),
        ];
        for (object, expected) in cases {
            assert_eq!(with_member(object, "n", "7"), expected, "{object}");
        }
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
