//! A page with every type of block.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{rich_text, workspace::Workspace};

const EXPIRY: &str = "2026-01-01T00:00:00.000Z";

/// Appends every type of block, nested ones included.
pub(super) fn add_all(workspace: &mut Workspace, page: Uuid) {
    add_texts(workspace, page);
    add_nested(workspace, page);
    add_media(workspace, page);
    add_layout(workspace, page);
    add_synced(workspace, page);
    add_special(workspace, page);
}

fn add_texts(workspace: &mut Workspace, page: Uuid) {
    let mentions = every_mention(workspace, page);
    let payload = json!({"rich_text": mentions, "icon": null, "color": "default"});
    workspace.append_block(page, "paragraph", payload);
    workspace.append_text(page, "paragraph", "");
    for level in ["heading_1", "heading_2", "heading_3", "heading_4"] {
        workspace.append_text(page, level, "A heading");
    }
    let payload =
        json!({"rich_text": rich_text::plain("A toggle heading"), "is_toggleable": true, "color": "blue"});
    let heading = workspace.append_block(page, "heading_2", payload);
    workspace.append_text(heading, "paragraph", "Inside the heading");
    workspace.append_text(page, "to_do", "Something to do");
    workspace.append_text(page, "quote", "A quote");
    let payload = json!({
        "rich_text": rich_text::plain("A callout"),
        "icon": {"type": "emoji", "emoji": "💡"},
        "color": "gray_background",
    });
    workspace.append_block(page, "callout", payload);
    let payload = json!({
        "caption": rich_text::plain("Said in Rust"),
        "rich_text": rich_text::plain("fn main() {}"),
        "language": "rust",
    });
    workspace.append_block(page, "code", payload);
    workspace.append_block(page, "equation", json!({"expression": "e = mc^2"}));
    workspace.append_block(page, "divider", json!({}));
    workspace.append_block(page, "breadcrumb", json!({}));
    workspace.append_block(page, "table_of_contents", json!({"color": "gray"}));
    let template = json!({"rich_text": rich_text::plain("Add a task")});
    workspace.append_block(page, "template", template);
}

fn add_nested(workspace: &mut Workspace, page: Uuid) {
    let mut parent = page;
    for level in 1..=4 {
        parent = workspace.append_text(parent, "bulleted_list_item", &format!("Level {level}"));
    }
    let payload = json!({
        "rich_text": rich_text::plain("Numbered"),
        "color": "default",
        "list_start_index": 3,
        "list_format": "letters",
    });
    let item = workspace.append_block(page, "numbered_list_item", payload);
    workspace.append_text(item, "numbered_list_item", "Below it");
    let toggle = workspace.append_text(page, "toggle", "A toggle");
    workspace.append_text(toggle, "paragraph", "Inside the toggle");
}

fn add_media(workspace: &mut Workspace, page: Uuid) {
    for kind in ["image", "video", "pdf", "audio"] {
        let url = format!("https://example.com/{kind}");
        workspace.append_block(
            page,
            kind,
            json!({"caption": [], "type": "external", "external": {"url": url}}),
        );
    }
    let file =
        json!({"url": "https://files.example.com/image.png?X-Amz-Expires=3600", "expiry_time": EXPIRY});
    let caption = rich_text::plain("Kept by Notion");
    workspace.append_block(page, "image", json!({"caption": caption, "type": "file", "file": file.clone()}));
    let payload = json!({"caption": [], "type": "file", "file": file, "name": "report.txt"});
    workspace.append_block(page, "file", payload);
    for kind in ["bookmark", "embed"] {
        workspace.append_block(page, kind, json!({"caption": [], "url": "https://example.com"}));
    }
    workspace.append_block(page, "link_preview", json!({"url": "https://example.com/preview"}));
}

fn add_layout(workspace: &mut Workspace, page: Uuid) {
    let columns = workspace.append_block(page, "column_list", json!({}));
    for text in ["Left", "Right"] {
        let column = workspace.append_block(columns, "column", json!({"width_ratio": 0.5}));
        workspace.append_text(column, "paragraph", text);
    }
    let payload = json!({"table_width": 2, "has_column_header": true, "has_row_header": false});
    let table = workspace.append_block(page, "table", payload);
    for cells in [["Name", "Value"], ["One", "1"]] {
        let cells: Vec<Value> = cells.iter().map(|cell| rich_text::plain(cell)).collect();
        workspace.append_block(table, "table_row", json!({"cells": cells}));
    }
    let tabs = workspace.append_block(page, "tab", json!({}));
    let payload = json!({
        "rich_text": rich_text::plain("First tab"),
        "icon": {"type": "icon", "icon": {"name": "star", "color": "yellow"}},
        "color": "default",
    });
    let tab = workspace.append_block(tabs, "paragraph", payload);
    workspace.append_text(tab, "paragraph", "Inside the tab");
}

fn add_synced(workspace: &mut Workspace, page: Uuid) {
    let original = workspace.append_block(page, "synced_block", json!({"synced_from": null}));
    workspace.append_text(original, "paragraph", "Written once");
    for _ in 0..2 {
        let payload = json!({"synced_from": {"type": "block_id", "block_id": original.to_string()}});
        workspace.append_block(page, "synced_block", payload);
    }
}

fn add_special(workspace: &mut Workspace, page: Uuid) {
    workspace.append_block(page, "link_to_page", json!({"type": "page_id", "page_id": page.to_string()}));
    let unsupported = workspace.append_block(page, "unsupported", json!({"block_type": "form"}));
    workspace.force_has_children(unsupported, true);
    workspace.append_block(page, "unsupported", json!({"block_type": "button"}));
    let ai_block = workspace.append_block(page, "ai_block", json!({}));
    workspace.force_has_children(ai_block, true);
    let transcription = workspace.append_block(page, "transcription", json!({}));
    let parts = ["Summary", "Notes", "Transcript"].map(|text| {
        let part = workspace.append_text(transcription, "paragraph", text);
        workspace.append_text(part, "paragraph", "Said in the meeting");
        part.to_string()
    });
    let payload = json!({
        "title": rich_text::plain("A meeting"),
        "status": "notes_ready",
        "children": {
            "summary_block_id": parts[0], "notes_block_id": parts[1], "transcript_block_id": parts[2],
        },
        "calendar_event": {"start_time": EXPIRY, "end_time": EXPIRY, "attendees": []},
        "recording": {"start_time": EXPIRY, "end_time": EXPIRY},
    });
    workspace.set_block_payload(transcription, &payload);
}

/// Rich text with every type of segment and mention.
fn every_mention(workspace: &mut Workspace, page: Uuid) -> Value {
    let (bot, database, emoji) = (workspace.own_bot(), workspace.new_id(), workspace.new_id());
    let link = json!({
        "href": "https://example.com",
        "title": "Example",
        "icon_url": "https://example.com/icon.png",
        "description": "An example",
        "link_author": "Example",
        "link_provider": "example.com",
        "thumbnail_url": "https://example.com/thumbnail.png",
        "iframe_url": "https://example.com/frame",
        "height": 300,
        "padding": 10,
        "padding_top": 5,
    });
    let date = json!({"start": "2026-01-01", "end": null, "time_zone": null});
    let day = json!({"type": "template_mention_date", "template_mention_date": "today"});
    let me = json!({"type": "template_mention_user", "template_mention_user": "me"});
    let party =
        json!({"id": emoji.to_string(), "name": "party", "url": "https://files.example.com/party.png"});
    let preview = json!({"url": "https://example.com/preview"});
    json!([
        rich_text::segment("Plain, "),
        rich_text::link("linked", "https://example.com"),
        rich_text::equation("a^2"),
        rich_text::mention_user(bot, "Fake integration"),
        rich_text::mention_page(page, "All blocks"),
        rich_text::mention(
            json!({"type": "database", "database": {"id": database.to_string()}}),
            "A database",
            None
        ),
        rich_text::mention(json!({"type": "date", "date": date}), "2026-01-01", None),
        rich_text::mention(json!({"type": "link_preview", "link_preview": preview}), "preview", None),
        rich_text::mention(json!({"type": "link_mention", "link_mention": link}), "Example", None),
        rich_text::mention(json!({"type": "template_mention", "template_mention": day}), "@Today", None),
        rich_text::mention(json!({"type": "template_mention", "template_mention": me}), "@Me", None),
        rich_text::mention(json!({"type": "custom_emoji", "custom_emoji": party}), ":party:", None),
    ])
}
