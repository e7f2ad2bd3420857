//! A small but complete workspace: every kind of object, block, property and mention at least once.
//!
//! Ids are the same in every run; times lie at fixed distances before the present.

mod blocks;
mod rows;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use crate::{
    rich_text,
    workspace::{LinkedDatabase, Workspace},
};

/// Builds the sample workspace; everything was last edited between 1 and 40 days ago.
pub fn sample_workspace() -> Workspace {
    let mut workspace = Workspace::with_seed(2025);
    let now = workspace.now();
    workspace.set_default_time(Some(days_before(now, 20)));

    let ada = workspace.add_person("Ada Example", Some("ada@example.com"));
    workspace.add_person("Bo Example", None);
    workspace.add_other_bot("Other integration");
    workspace.add_guest("Guest Example", "guest@example.com");
    workspace.set_bot_owner(ada);

    let home = workspace.add_top_page_at("Home", days_before(now, 40));
    workspace.set_icon(home, json!({"type": "emoji", "emoji": "🏠"}));
    workspace
        .set_cover(home, json!({"type": "external", "external": {"url": "https://example.com/cover.png"}}));
    let blocks = workspace.add_page_at(home, "All blocks", days_before(now, 12));
    blocks::add_all(&mut workspace, blocks);

    let (projects, tasks, people) = add_databases(&mut workspace, home, now);
    rows::add_properties(&mut workspace, tasks, projects);
    rows::add_rows(&mut workspace, tasks, projects, &people, now);

    add_pages(&mut workspace, home, now);
    add_comments(&mut workspace, home, blocks);
    workspace.set_default_time(None);
    workspace
}

fn days_before(now: DateTime<Utc>, days: i64) -> DateTime<Utc> {
    now - TimeDelta::days(days)
}

/// Adds the databases; answers with the data sources for projects and tasks, and thirty people.
fn add_databases(workspace: &mut Workspace, home: Uuid, now: DateTime<Utc>) -> (Uuid, Uuid, Vec<Uuid>) {
    let (_, projects) = workspace.add_database(home, "Projects", days_before(now, 30));
    let (work, tasks) = workspace.add_database(home, "Tasks", days_before(now, 29));
    workspace.set_icon(tasks, json!({"type": "icon", "icon": {"name": "checkmark", "color": "green"}}));
    let milestones = workspace.add_data_source(work, "Milestones", days_before(now, 28));
    workspace.add_row(milestones, "First milestone", days_before(now, 8));

    let (_, wiki) = workspace.add_wiki(home, "Wiki", days_before(now, 27));
    workspace.add_row(wiki, "How we work", days_before(now, 7));
    let (_, glossary) = workspace.add_database(wiki, "Glossary", days_before(now, 26));
    workspace.add_row(glossary, "Cursor", days_before(now, 6));

    let (old, forgotten) = workspace.add_database(home, "Old list", days_before(now, 35));
    workspace.add_row(forgotten, "Forgotten", days_before(now, 34));
    workspace.trash(old);
    workspace.touch(home, days_before(now, 10));
    let secret = workspace.new_id();
    let (_, orphan) = workspace.add_database(secret, "Shared on its own", days_before(now, 25));
    workspace.add_row(orphan, "Only row", days_before(now, 25));

    let people = (1..=30).map(|number| {
        let name = format!("Person {number}");
        workspace.add_person(&name, Some(&format!("person{number}@example.com")))
    });
    (projects, tasks, people.collect())
}

fn add_pages(workspace: &mut Workspace, home: Uuid, now: DateTime<Utc>) {
    workspace.add_top_page_at("Second top page", days_before(now, 3));
    workspace.add_page_at(home, "Empty page", days_before(now, 9));
    let toggle = workspace.append_text(home, "toggle", "A page in a block");
    let inner = workspace.add_page_at(toggle, "Page in a toggle", days_before(now, 5));
    workspace.append_text(inner, "paragraph", "Below a block, still a page.");
    workspace.set_icon(
        inner,
        json!({"type": "file", "file": {
            "url": "https://files.example.com/icon.png?X-Amz-Expires=3600",
            "expiry_time": "2026-01-01T00:00:00.000Z",
        }}),
    );
    let hidden = workspace.add_page_at(home, "Hidden from search", days_before(now, 4));
    workspace.append_text(hidden, "paragraph", "Only the tree leads here.");
    workspace.hide_from_search(hidden);
    let trashed = workspace.add_page_at(home, "Trashed page", days_before(now, 15));
    workspace.trash(trashed);
    let private = workspace.add_page_at(home, "Not shared", days_before(now, 15));
    workspace.unshare(private);
    let emoji = workspace.add_page_at(home, "Custom emoji", days_before(now, 2));
    let emoji_id = workspace.new_id();
    workspace.set_icon(
        emoji,
        json!({"type": "custom_emoji", "custom_emoji": {
            "id": emoji_id.to_string(), "name": "party", "url": "https://files.example.com/party.png",
        }}),
    );
    workspace.set_cover(
        emoji,
        json!({"type": "file", "file": {
            "url": "https://files.example.com/cover.png?X-Amz-Expires=3600",
            "expiry_time": "2026-01-01T00:00:00.000Z",
        }}),
    );
    for (title, kind) in [
        ("Linked, not found", LinkedDatabase::NotFound),
        ("Untitled", LinkedDatabase::Empty),
        ("Linked, no access", LinkedDatabase::NoAccess),
    ] {
        workspace.add_linked_database(home, title, kind);
    }
    workspace.touch(home, days_before(now, 1));
}

fn add_comments(workspace: &mut Workspace, home: Uuid, blocks: Uuid) {
    workspace.add_comment(home, "A comment on the page.");
    let discussion = workspace.new_id();
    workspace.add_reply(blocks, discussion, rich_text::plain("A question?"), None);
    workspace.add_reply(
        blocks,
        discussion,
        json!([rich_text::segment("An answer, with a "), rich_text::link("link", "https://example.com")]),
        Some(json!([{"category": "image", "file": {
            "url": "https://files.example.com/picture.png?X-Amz-Expires=3600",
            "expiry_time": "2026-01-01T00:00:00.000Z",
        }}])),
    );
    let block = workspace.blocks_of(blocks).first().map(|block| block.id).expect("the page has blocks");
    workspace.add_comment(block, "A comment on a block.");
}
