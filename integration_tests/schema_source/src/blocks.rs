//! The payloads of all block types, each under the field that its type names.

use serde_json::Value;

use crate::{
    notation::{About, boolean, extended, integer, list, number, object, open_object, text},
    shapes::{file, icon, rich_text},
};

/// Adds the payload of every block type to a block's common fields.
pub(crate) fn with_payloads(block: Value) -> Value {
    [with_texts, with_containers, with_media, with_links, with_others]
        .iter()
        .fold(block, |block, with_group| with_group(block))
}

fn with_texts(block: Value) -> Value {
    let list_start = integer().about("Number of the first item, when it is not 1.");
    let list_format = text().about("numbers, letters or roman.");
    extended(
        block,
        [
            (
                "paragraph",
                extended(with_children(colored_text()), [("icon", icon().about("Icon of a tab."))])
                    .about("Payload of a paragraph, which is also the label of a tab."),
            ),
            ("heading_1", heading().about("Payload of a heading of level 1.")),
            ("heading_2", heading().about("Payload of a heading of level 2.")),
            ("heading_3", heading().about("Payload of a heading of level 3.")),
            ("heading_4", heading().about("Payload of a heading of level 4.")),
            (
                "bulleted_list_item",
                with_children(colored_text()).about("Payload of an item of a bulleted list."),
            ),
            (
                "numbered_list_item",
                extended(
                    with_children(colored_text()),
                    [("list_start_index", list_start), ("list_format", list_format)],
                )
                .about("Payload of an item of a numbered list."),
            ),
            (
                "to_do",
                extended(with_children(colored_text()), [("checked", boolean())])
                    .about("Payload of a to-do item."),
            ),
            ("toggle", with_children(colored_text()).about("Payload of a toggle.")),
            ("quote", with_children(colored_text()).about("Payload of a quote.")),
            ("callout", extended(colored_text(), [("icon", icon())]).about("Payload of a callout.")),
            (
                "code",
                object([("rich_text", rich_text()), ("caption", rich_text()), ("language", text())])
                    .about("Payload of a code block."),
            ),
            (
                "equation",
                object([("expression", text().about("The formula in LaTeX."))])
                    .about("Payload of an equation."),
            ),
            (
                "template",
                object([("rich_text", rich_text())]).about("Payload of a template button of the old kind."),
            ),
        ],
    )
}

fn with_containers(block: Value) -> Value {
    let synced_from = object([("type", text()), ("block_id", text())])
        .about("The original block of a copy; null in the original.");
    extended(
        block,
        [
            (
                "synced_block",
                with_children(object([("synced_from", synced_from)])).about("Payload of a synced block."),
            ),
            ("column_list", open_object().about("Payload of a row of columns, always empty.")),
            (
                "column",
                object([("width_ratio", number().about("Share of the row's width."))])
                    .about("Payload of a column."),
            ),
            ("tab", open_object().about("Payload of a group of tabs, always empty.")),
            (
                "table",
                object([
                    ("table_width", integer().about("Number of columns.")),
                    ("has_column_header", boolean()),
                    ("has_row_header", boolean()),
                ])
                .about("Payload of a simple table."),
            ),
            (
                "table_row",
                object([("cells", list(rich_text()).about("One rich text for each column."))])
                    .about("Payload of a row of a simple table."),
            ),
        ],
    )
}

fn with_media(block: Value) -> Value {
    let captioned = || extended(file(), [("caption", rich_text())]);
    extended(
        block,
        [
            ("image", captioned().about("Payload of an image.")),
            ("video", captioned().about("Payload of a video.")),
            ("pdf", captioned().about("Payload of a PDF document.")),
            ("audio", captioned().about("Payload of a sound recording.")),
            ("file", extended(captioned(), [("name", text())]).about("Payload of a file of any kind.")),
        ],
    )
}

fn with_links(block: Value) -> Value {
    let captioned_link = || object([("url", text()), ("caption", rich_text())]);
    extended(
        block,
        [
            ("bookmark", captioned_link().about("Payload of a bookmark.")),
            ("embed", captioned_link().about("Payload of embedded content.")),
            ("link_preview", object([("url", text())]).about("Payload of the preview of a link.")),
            (
                "link_to_page",
                object([
                    ("type", text().about("Names the field that holds the target.")),
                    ("page_id", text()),
                    ("database_id", text()),
                    ("comment_id", text()),
                ])
                .about("Payload of a link to a page, a database or a comment."),
            ),
            (
                "child_page",
                object([("title", text())])
                    .about("Payload of a page inside a page; such blocks are left out of the stream."),
            ),
            (
                "child_database",
                object([("title", text())])
                    .about("Payload of a database inside a page; such blocks are left out of the stream."),
            ),
        ],
    )
}

fn with_others(block: Value) -> Value {
    extended(
        block,
        [
            ("divider", open_object().about("Payload of a divider, always empty.")),
            ("breadcrumb", open_object().about("Payload of a breadcrumb, always empty.")),
            ("table_of_contents", object([("color", text())]).about("Payload of a table of contents.")),
            (
                "meeting_notes",
                meeting_notes().about("Payload of AI meeting notes, from API version 2026-03-11 on."),
            ),
            (
                "transcription",
                meeting_notes().about("Payload of AI meeting notes, up to API version 2025-09-03."),
            ),
            (
                "unsupported",
                object([("block_type", text().about("The type that the API does not give out."))])
                    .about("Payload of a block that the API does not give out."),
            ),
        ],
    )
}

fn colored_text() -> Value {
    object([("rich_text", rich_text()), ("color", text())])
}

fn heading() -> Value {
    extended(
        colored_text(),
        [("is_toggleable", boolean().about("Whether the heading folds blocks under it."))],
    )
}

/// Airbyte declares children in these payloads; the API gives them out as blocks of their own.
fn with_children(payload: Value) -> Value {
    extended(payload, [("children", list(open_object()))])
}

fn meeting_notes() -> Value {
    object([
        ("title", rich_text()),
        ("status", text().about("How far the transcription and the summary are.")),
        (
            "children",
            object([
                ("summary_block_id", text()),
                ("notes_block_id", text()),
                ("transcript_block_id", text()),
            ])
            .about("The blocks that hold the content."),
        ),
        (
            "calendar_event",
            object([
                ("start_time", text()),
                ("end_time", text()),
                ("attendees", list(text()).about("Identifiers of users.")),
            ]),
        ),
        ("recording", object([("start_time", text()), ("end_time", text())])),
    ])
}
