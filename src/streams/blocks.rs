//! The block tree of every synced page (<https://developers.notion.com/reference/get-block-children>).

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use futures_util::{FutureExt, future::LocalBoxFuture};
use serde::{
    Deserialize,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess},
};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    PageReader, PageScope, RawObject, Schema, Source, SourceStream, StreamSpec,
    record::{AnyKind, AnyKindVisitor, PlainText, TextJson, quoted, raw_text, with_member},
};
use crate::{
    client::{ApiError, ListRequest},
    engine::{Node, ReadError, StateForm, Visit},
};

/// The stream of blocks.
#[derive(Debug)]
pub(super) struct Blocks;

/// How deep a tree is read; 1 is directly in the page.
const MAX_DEPTH: u8 = 30;

static SPEC: StreamSpec = StreamSpec {
    name: "blocks",
    schema: Schema::new(
        include_str!("../../schemas/blocks.json"),
        include_str!("../../schemas/fields/blocks.json"),
    ),
    primary_key: "id",
    cursor_field: Some("last_edited_time"),
    state_form: StateForm::Global,
    capability: "Read content",
};

impl SourceStream for Blocks {
    fn spec(&self) -> &'static StreamSpec {
        &SPEC
    }

    fn source(&self) -> Source {
        Source::Pages(&Self)
    }

    /// Adds `plain_text`.
    fn transform(&self, block: &mut RawObject<'_>) {
        let kind = block.text("type").unwrap_or_default();
        let text = block.get(&kind).and_then(payload_text);
        block.set_or_null("plain_text", text);
    }
}

impl PageReader for Blocks {
    fn scope(&self) -> PageScope {
        PageScope::Edited
    }

    fn finds_objects(&self) -> bool {
        true
    }

    fn read<'a>(&'a self, visit: &'a Visit<'a>, node: Node) -> LocalBoxFuture<'a, Result<(), ReadError>> {
        self.read_children(visit, node).boxed_local()
    }
}

impl Blocks {
    /// Reads the direct children of a block or page.
    async fn read_children(&self, visit: &Visit<'_>, node: Node) -> Result<(), ReadError> {
        let request = ListRequest::get(format!("/v1/blocks/{}/children", node.id));
        let mut listing = visit.list(request);
        let (page_id, depth) = (quoted(&visit.page_id().to_string()), node.depth.to_string());
        let mut sequence_number = 0;
        loop {
            let page = match listing.next().await {
                Ok(Some(page)) => page,
                Ok(None) => return Ok(()),
                Err(error) => match error.api_error() {
                    Some(
                        ApiError::NotFound { .. } | ApiError::Forbidden { .. } | ApiError::Rejected { .. },
                    ) => {
                        if matches!(error.api_error(), Some(ApiError::Forbidden { .. })) {
                            visit.assert_content_is_readable().await?;
                        }
                        skip_subtree(visit, &node, error.api_error());
                        return Ok(());
                    }
                    _lasting => return Err(error.into()),
                },
            };
            let mut batch = visit.batch(&page);
            for mut block in visit.results(&page) {
                let id = block.id("id");
                if id.is_some_and(|id| !listing.is_new(id)) {
                    continue;
                }
                let time = block.time("last_edited_time");
                let kind = block.text("type").unwrap_or_default();
                if is_left_out(visit, &kind, id, time) {
                    continue;
                }
                if let Some(id) = id {
                    descend(visit, &block, &kind, id, node.depth);
                }
                drop(kind);
                let numbered = block
                    .get("parent")
                    .map(|parent| with_member(parent, "sequence_number", &sequence_number.to_string()));
                if let Some(numbered) = numbered {
                    block.set("parent", numbered);
                }
                sequence_number += 1;
                block.set("page_id", page_id.as_str());
                block.set("depth", depth.as_str());
                self.transform(&mut block);
                visit.add(&mut batch, &block, time);
            }
            visit.emit(batch).await?;
        }
    }
}

/// Counts a subtree that cannot be read, unless there is another way to it.
fn skip_subtree(visit: &Visit<'_>, node: &Node, error: Option<&ApiError>) {
    for other in &node.instead {
        visit.push(other.clone());
    }
    if !node.instead.is_empty() {
        return visit.leave_original(node.id);
    }
    if matches!(error, Some(ApiError::Rejected { .. })) {
        visit.skip(&format!("subtree of a {} block that Notion refuses to list", node.kind));
    } else if node.id == visit.page_id() {
        visit.skip("page not found or not shared");
    } else {
        visit.skip("subtree not found or not shared");
    }
}

/// Whether a block is no record: pages and databases are records elsewhere, AI blocks cannot be read.
fn is_left_out(visit: &Visit<'_>, kind: &str, id: Option<Uuid>, time: Option<DateTime<Utc>>) -> bool {
    match kind {
        "child_page" => {
            if let Some(id) = id {
                visit.found_page(id, time);
            }
            true
        }
        "child_database" => {
            if let Some(id) = id {
                visit.found_database(id, time);
            }
            true
        }
        "ai_block" => {
            visit.skip("ai_block, which the API cannot read");
            true
        }
        _ => false,
    }
}

/// Pushes the children of a block, each subtree once.
fn descend(visit: &Visit<'_>, block: &RawObject<'_>, kind: &str, id: Uuid, depth: u8) {
    let has_children = block.is_true("has_children");
    // Asking for the children of an unsupported block is answered with 400.
    if has_children && kind == "unsupported" {
        return visit.skip("content of an unsupported block");
    }
    let node = |id, depth, instead| Node { id, depth, instead, kind: kind.to_string() };
    let parts = meeting_parts(block, kind).into_iter();
    let parts: Vec<Node> = parts.map(|part| node(part, depth + 2, Vec::new())).collect();
    if !has_children && parts.is_empty() {
        return;
    }
    if depth + u8::from(!parts.is_empty()) >= MAX_DEPTH {
        return visit.skip("subtree deeper than 30 levels");
    }
    if !has_children {
        parts.into_iter().filter(|part| visit.enter(part.id)).for_each(|part| visit.push(part));
    } else if kind != "synced_block" {
        if visit.enter(id) {
            visit.push(node(id, depth + 1, parts));
        }
    } else {
        // The children of a copy are those of its original, which is the one that can always be read; once per run.
        let source = block.object("synced_block");
        let original = source.and_then(|source| source.object("synced_from")?.id("block_id")).unwrap_or(id);
        let copy = (original != id).then(|| node(id, depth + 1, Vec::new()));
        if visit.enter_original(original, original == id) {
            visit.push(node(original, depth + 1, copy.into_iter().collect()));
        }
    }
}

/// The blocks that hold a meeting's summary, notes and transcript: its payload names them, whether or not they are
/// listed as its children.
fn meeting_parts(block: &RawObject<'_>, kind: &str) -> Vec<Uuid> {
    if !matches!(kind, "transcription" | "meeting_notes") {
        return Vec::new();
    }
    let payload = block.object(kind);
    let children = payload.as_ref().and_then(|payload| payload.object("children"));
    let names = ["summary_block_id", "notes_block_id", "transcript_block_id"];
    children.map(|children| names.iter().filter_map(|name| children.id(name)).collect()).unwrap_or_default()
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
        Blocks.transform(&mut block);
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
