//! The block tree of every synced page (<https://developers.notion.com/reference/get-block-children>).

use std::borrow::Cow;

use serde::{
    Deserialize,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess},
};
use serde_json::value::RawValue;

use super::{Capability, Context, Cursor, Schema, Source, SourceStream, StateFormat, StreamSpec};
use crate::record::{AnyKind, AnyKindVisitor, PlainText, RawObject, TextJson, raw_text, with_member};

/// The stream of blocks.
#[derive(Debug)]
pub(super) struct Blocks(StreamSpec);

impl Blocks {
    pub(super) fn new() -> Self {
        Self(StreamSpec {
            name: "blocks".into(),
            schema: Schema::new(
                include_str!("../../schemas/blocks.json"),
                include_str!("../../schemas/fields/blocks.json"),
            ),
            primary_key: "id".into(),
            cursor: Some(Cursor { field: "last_edited_time".into(), format: StateFormat::GlobalCursor }),
            capability: Capability::ReadContent,
        })
    }
}

impl SourceStream for Blocks {
    fn spec(&self) -> &StreamSpec {
        &self.0
    }

    fn source(&self) -> Source {
        Source::Blocks
    }

    /// Adds `plain_text`, `depth`, and the block's place among its siblings as `parent.sequence_number`.
    fn transform(&self, block: &mut RawObject<'_>, context: &Context<'_>) {
        if let Some(place) = context.place {
            let number = place.sequence_number.to_string();
            let parent = block.get("parent").map(|parent| with_member(parent, "sequence_number", &number));
            if let Some(parent) = parent {
                block.set("parent", parent);
            }
            block.set("depth", place.depth.to_string());
        }
        let kind = block.text("type").unwrap_or_default();
        let text = block.get(&kind).and_then(payload_text);
        block.set_or_null("plain_text", text);
    }
}

/// The JSON of a block's text: its rich text, a row's cells with tabs between them, an equation, a title or a caption.
fn payload_text(payload: &str) -> Option<String> {
    AnyKind(PayloadText).deserialize(&mut serde_json::Deserializer::from_str(payload)).ok()?
}

/// Reads a block's payload as its text.
struct PayloadText;

/// The parts of a payload that hold text.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum PayloadField {
    RichText,
    Cells,
    Expression,
    Title,
    Caption,
    #[serde(other)]
    Other,
}

impl<'de> AnyKindVisitor<'de> for PayloadText {
    type Value = String;

    fn object<M: MapAccess<'de>>(self, mut map: M) -> Result<Option<String>, M::Error> {
        let (mut rich_text, mut cells, mut expression, mut title, mut caption) =
            (None, None, None, None, None);
        while let Some(field) = map.next_key()? {
            match field {
                PayloadField::RichText => rich_text = map.next_value_seed(AnyKind(PlainText))?,
                PayloadField::Cells => cells = map.next_value_seed(AnyKind(CellsText))?,
                PayloadField::Expression => {
                    let raw: &RawValue = map.next_value()?;
                    expression = raw_text(raw.get()).map(Cow::into_owned);
                }
                PayloadField::Title => title = map.next_value_seed(AnyKind(PlainText))?,
                PayloadField::Caption => caption = map.next_value_seed(AnyKind(PlainText))?,
                PayloadField::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let first = rich_text.map(TextJson::into_json).or(cells).or(expression);
        Ok(first.or_else(|| title.or(caption).map(TextJson::into_json)))
    }
}

/// Reads the cells of a table's row as their texts with tabs between them.
struct CellsText;

impl<'de> AnyKindVisitor<'de> for CellsText {
    type Value = String;

    fn array<S: SeqAccess<'de>>(self, mut items: S) -> Result<Option<String>, S::Error> {
        let (mut text, mut is_first) = (TextJson::default(), true);
        while let Some(cell) = items.next_element_seed(AnyKind(PlainText))? {
            if !is_first {
                text.push(r#""\t""#);
            }
            is_first = false;
            text.append(cell.unwrap_or_default());
        }
        Ok(Some(text.into_json()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(block: &str) -> Option<String> {
        let mut block = RawObject::parse(block).unwrap();
        Blocks::new().transform(&mut block, &Context::default());
        block.text("plain_text").map(Cow::into_owned)
    }

    #[test]
    fn each_kind_of_text_is_found() {
        let cases = [
            (
                r#"{"type":"paragraph","paragraph":{"rich_text":[{"plain_text":"a"},{"plain_text":"b"}]}}"#,
                Some("ab"),
            ),
            (r#"{"type":"paragraph","paragraph":{"rich_text":[]}}"#, Some("")),
            (
                r#"{"type":"code","code":{"caption":[{"plain_text":"c"}],"rich_text":[{"plain_text":"x"}]}}"#,
                Some("x"),
            ),
            (r#"{"type":"image","image":{"caption":[{"plain_text":"c"}]}}"#, Some("c")),
            (
                r#"{"type":"table_row","table_row":{"cells":[[{"plain_text":"a"}],[],[{"plain_text":"b"}]]}}"#,
                Some("a\t\tb"),
            ),
            (r#"{"type":"equation","equation":{"expression":"e=mc^2"}}"#, Some("e=mc^2")),
            (r#"{"type":"transcription","transcription":{"title":[{"plain_text":"T"}]}}"#, Some("T")),
            (r#"{"type":"divider","divider":{}}"#, None),
            (r#"{"type":null,"new":{"rich_text":[]}}"#, None),
            (r#"{"type":"new","new":{"rich_text":"x"}}"#, None),
        ];
        for (block, expected) in cases {
            assert_eq!(text_of(block).as_deref(), expected, "{block}");
        }
    }
}
