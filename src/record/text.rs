//! Texts of records: JSON strings, and the plain text of rich text.
//!
//! A *text's JSON* is the JSON string of a text, with its quotes.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{AnyKind, AnyKindVisitor};

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("every text can be written")
}

/// Decodes a JSON string; an unpaired surrogate becomes U+FFFD. None if the JSON is not a string.
pub(crate) fn decode_text(json: &str) -> Option<Cow<'_, str>> {
    let inner = inner(json)?;
    if !has_escapes(inner) {
        return Some(Cow::Borrowed(inner));
    }
    let decoded = serde_json::from_str::<String>(json).ok();
    decoded.or_else(|| serde_json::from_str::<LossyText>(json).ok().map(|text| text.0)).map(Cow::Owned)
}

/// A JSON string as it may stand in a record of ours: without unpaired surrogates. None if the JSON is not a string.
pub(crate) fn raw_text(json: &str) -> Option<Cow<'_, str>> {
    if !has_escapes(inner(json)?) {
        return Some(Cow::Borrowed(json));
    }
    decode_text(json).map(|text| Cow::Owned(quoted(&text)))
}

/// What stands between the quotes of a JSON string.
fn inner(json: &str) -> Option<&str> {
    json.strip_prefix('"')?.strip_suffix('"')
}

fn has_escapes(inner: &str) -> bool {
    memchr::memchr(b'\\', inner.as_bytes()).is_some()
}

/// `serde_json` gives bytes for what is no valid `str`.
struct LossyText(String);

impl<'de> Deserialize<'de> for LossyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = LossyText;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<LossyText, E> {
                Ok(LossyText(String::from_utf8_lossy(bytes).into_owned()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// The JSON of the plain text of a rich text array; none if it is not one.
pub(crate) fn plain_text(rich_text: &str) -> Option<String> {
    let text = AnyKind(PlainText).deserialize(&mut serde_json::Deserializer::from_str(rich_text)).ok()??;
    Some(text.into_json())
}

/// A text's JSON while it is being put together.
#[derive(Debug, Default)]
pub(crate) struct TextJson(String);

impl TextJson {
    /// Appends the text of a JSON string; anything else is no text.
    pub(crate) fn push(&mut self, json: &str) {
        if let Some(inner) = raw_text(json).as_deref().and_then(inner) {
            if self.0.is_empty() {
                // Several pieces, as most texts have, fit as well.
                self.0.reserve(inner.len() + 64);
                self.0.push('"');
            }
            self.0.push_str(inner);
        }
    }

    /// Appends another text.
    pub(crate) fn append(&mut self, other: Self) {
        self.push(&other.into_json());
    }

    /// Finishes it.
    pub(crate) fn into_json(mut self) -> String {
        if self.0.is_empty() {
            self.0.push('"');
        }
        self.0.push('"');
        self.0
    }
}

/// Reads a rich text array as its plain text; none where an item is no object.
pub(crate) struct PlainText;

impl<'de> AnyKindVisitor<'de> for PlainText {
    type Value = TextJson;

    fn array<S: SeqAccess<'de>>(self, mut items: S) -> Result<Option<TextJson>, S::Error> {
        let (mut text, mut is_rich_text) = (TextJson::default(), true);
        while let Some(item) = items.next_element_seed(AnyKind(PlainTextOfItem(&mut text)))? {
            is_rich_text &= item.is_some();
        }
        Ok(is_rich_text.then_some(text))
    }
}

/// Appends the plain text of one item of a rich text array; whatever else it has is left unread.
struct PlainTextOfItem<'t>(&'t mut TextJson);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum ItemField {
    PlainText,
    #[serde(other)]
    Other,
}

impl<'de> AnyKindVisitor<'de> for PlainTextOfItem<'_> {
    type Value = ();

    fn object<M: MapAccess<'de>>(self, mut map: M) -> Result<Option<()>, M::Error> {
        while let Some(field) = map.next_key()? {
            match field {
                ItemField::PlainText => self.0.push(map.next_value::<&'de RawValue>()?.get()),
                ItemField::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Some(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unpaired_surrogate_is_readable() {
        assert_eq!(decode_text(r#""a\ud800b""#).unwrap(), "a\u{FFFD}\u{FFFD}\u{FFFD}b");
        assert_eq!(decode_text(r#""\u00e4""#).unwrap(), "ä");
        assert_eq!(decode_text("null"), None);
        assert_eq!(raw_text(r#""a\ud800""#).unwrap(), "\"a\u{FFFD}\u{FFFD}\u{FFFD}\"");
    }

    #[test]
    fn plain_text_joins_items_and_survives_nulls() {
        let rich_text = r#"[{"plain_text":"a"},{"plain_text":null},{},{"plain_text":"b\n\"ä\u00e4"}]"#;
        assert_eq!(plain_text(rich_text).as_deref(), Some(r#""ab\n\"ää""#));
        for text in ["null", r#""a""#, r#"{"plain_text":"a"}"#, r#"[{"plain_text":"a"},1]"#, "[", ""] {
            assert_eq!(plain_text(text), None, "{text}");
        }
        assert_eq!(plain_text("[]").as_deref(), Some("\"\""));
    }
}
