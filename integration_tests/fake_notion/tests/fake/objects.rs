//! Shapes, sharing, edit times and raw objects.

use chrono::{DateTime, TimeDelta, Utc};
use fake_notion::{LinkedDatabase, Placement, SyncedCopies, Workspace, rich_text};
use serde_json::{Value, json};

use crate::client::{Client, id, ids};

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_750_000_020, 0).unwrap()
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn objects_have_the_keys_of_the_api() {
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page("Page");
    let block = workspace.append_text(page, "paragraph", "Text");
    let (database, data_source) = workspace.add_database(page, "Tasks", start());
    let client = Client::new(workspace);

    let page = client.get(&format!("/v1/pages/{page}")).json();
    let common = ["object", "id", "created_time", "last_edited_time", "created_by", "last_edited_by"];
    assert_eq!(
        keys(&page)[6..],
        [
            "cover",
            "icon",
            "parent",
            "in_trash",
            "is_archived",
            "is_locked",
            "properties",
            "url",
            "public_url",
            "archived",
            "request_id"
        ]
    );
    assert_eq!(keys(&page)[..6], common);
    let block = client.get(&format!("/v1/blocks/{block}")).json();
    assert_eq!(
        keys(&block)[6..],
        ["last_edited_by", "has_children", "in_trash", "type", "paragraph", "archived", "request_id"]
    );
    let data_source = client.get(&format!("/v1/data_sources/{data_source}")).json();
    assert!(data_source["last_edited_time"].as_str().unwrap().ends_with(":00.000Z"));
    let database = client.get(&format!("/v1/databases/{database}")).json();
    assert!(database["last_edited_time"].as_str().unwrap().ends_with("+00:00"));
    assert_eq!(database["data_sources"], json!([{"id": data_source["id"], "name": "Tasks"}]));
}

#[test]
fn edits_move_the_times_that_the_api_moves() {
    let mut workspace = Workspace::new();
    workspace.set_default_time(Some(start()));
    let page = workspace.add_top_page("Page");
    let block = workspace.append_text(page, "toggle", "Text");
    let inner = workspace.append_text(block, "paragraph", "Inner");
    let (_, data_source) = workspace.add_database(page, "Tasks", start());
    let row = workspace.add_row(data_source, "Row", start());
    let later = start() + TimeDelta::seconds(630);
    workspace.set_default_time(None);
    workspace.set_now(Some(later));
    let floor = start() + TimeDelta::minutes(10);
    let is_moved = |workspace: &Workspace, id| workspace.last_edited_time(id) == Some(floor);

    workspace.add_comment(page, "Comment");
    assert!(!is_moved(&workspace, page));
    workspace.set_property(row, "Done", json!({"type": "checkbox", "checkbox": true}));
    assert!(is_moved(&workspace, row) && !is_moved(&workspace, data_source) && !is_moved(&workspace, page));
    workspace.edit_block_text(inner, "Edited");
    assert!(is_moved(&workspace, inner) && !is_moved(&workspace, block) && is_moved(&workspace, page));
    workspace.touch(page, start());
    workspace.add_page(block, "Child");
    assert!(is_moved(&workspace, page));
}

#[test]
fn what_is_not_shared_leaves_no_trace() {
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page("Page");
    let child = workspace.add_page(page, "Child");
    let block = workspace.append_text(child, "paragraph", "Text");
    workspace.unshare(child);
    let client = Client::new(workspace);

    assert!(client.drain(&format!("/v1/blocks/{page}/children"), None, 100).is_empty());
    assert_eq!(ids(&client.search("page", 100)), [page]);
    for path in
        [format!("/v1/pages/{child}"), format!("/v1/blocks/{child}/children"), format!("/v1/blocks/{block}")]
    {
        assert_eq!(client.get(&path).json()["code"], "object_not_found");
    }
    client.fake.edit(|workspace| workspace.share(child));
    assert_eq!(ids(&client.drain(&format!("/v1/blocks/{page}/children"), None, 100)), [child]);
}

#[test]
fn trashed_subtree_is_readable_by_id_and_listed_nowhere() {
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page("Page");
    let toggle = workspace.append_text(page, "toggle", "Text");
    workspace.append_text(toggle, "paragraph", "Inner");
    workspace.trash(toggle);
    let client = Client::new(workspace);

    assert!(client.drain(&format!("/v1/blocks/{page}/children"), None, 100).is_empty());
    assert_eq!(client.get(&format!("/v1/blocks/{toggle}")).json()["in_trash"], true);
    assert_eq!(client.get(&format!("/v1/blocks/{toggle}/children")).status, 400);
}

#[test]
fn blocks_that_cannot_be_descended_say_so() {
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page("Page");
    let unsupported = workspace.append_block(page, "unsupported", json!({"block_type": "form"}));
    workspace.force_has_children(unsupported, true);
    let original = workspace.append_block(page, "synced_block", json!({"synced_from": null}));
    let inner = workspace.append_text(original, "paragraph", "Once");
    let from = json!({"synced_from": {"type": "block_id", "block_id": original.to_string()}});
    let copy = workspace.append_block(page, "synced_block", from);
    let locked = workspace.append_text(page, "toggle", "Locked");
    workspace.append_text(locked, "paragraph", "Inner");
    workspace.lock_block_children(locked, 400, "validation_error", "Not this one.");
    let linked = workspace.add_linked_database(page, "Untitled", LinkedDatabase::NotFound);
    let client = Client::new(workspace);
    let children = |id| client.get(&format!("/v1/blocks/{id}/children"));

    let listed = children(page).json()["results"].clone();
    let flags: Vec<bool> =
        listed.as_array().unwrap().iter().map(|block| block["has_children"] == true).collect();
    assert_eq!(flags, [true, true, true, true, false]);
    assert_eq!(
        (children(unsupported).status, children(copy).status, children(locked).status),
        (400, 404, 400)
    );
    client.fake.edit(|workspace| workspace.settings.synced_copies = SyncedCopies::Content);
    assert_eq!(ids(children(copy).json()["results"].as_array().unwrap()), [inner]);
    assert_eq!(client.get(&format!("/v1/databases/{linked}")).status, 404);
    assert_eq!(client.get(&format!("/v1/pages/{linked}")).status, 400);
}

#[test]
fn long_values_are_cut_and_can_be_completed() {
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page("Page");
    let references: Vec<Value> = (0..130).map(|_| json!({"id": workspace.new_id().to_string()})).collect();
    workspace.set_property(page, "Links", json!({"id": "a%3Ab", "type": "relation", "relation": references}));
    let mentions: Vec<Value> = (0..30).map(|_| rich_text::mention_user(workspace.own_bot(), "Bot")).collect();
    workspace.set_property(page, "Text", json!({"id": "text", "type": "rich_text", "rich_text": mentions}));
    let client = Client::new(workspace);

    let shown = client.get(&format!("/v1/pages/{page}")).json();
    assert_eq!(shown["properties"]["Links"]["relation"].as_array().unwrap().len(), 25);
    assert_eq!(shown["properties"]["Links"]["has_more"], true);
    assert_eq!(shown["properties"]["Text"]["rich_text"].as_array().unwrap().len(), 25);
    let items = client.drain(&format!("/v1/pages/{page}/properties/a%3Ab"), None, 100);
    assert_eq!(items.len(), 130);
    assert!(items.iter().zip(&references).all(|(item, reference)| &item["relation"] == reference));
    assert_eq!(client.get(&format!("/v1/pages/{page}/properties/a%253Ab")).status, 404);
}

#[test]
fn raw_objects_are_served_as_given() {
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page("Page");
    workspace.append_text(page, "paragraph", "Second");
    let time = "2026-01-02T03:04:00.000Z";
    let raw_page = json!({
        "object": "page", "id": "11111111-2222-4333-8444-555555555555", "strange": [1.50, {"b": 1, "a": 2}],
        "created_time": time, "last_edited_time": time, "parent": {"type": "page_id", "page_id": page.to_string()},
        "properties": {"title": {"id": "title", "type": "title", "title": rich_text::plain("Raw")}},
    });
    let raw_block = json!({
        "object": "block", "id": "21111111-2222-4333-8444-555555555555", "type": "novelty", "novelty": {"x": null},
        "created_time": time, "last_edited_time": time, "has_children": false,
    });
    let raw_comment = json!({
        "object": "comment", "id": "31111111-2222-4333-8444-555555555555", "more": true,
        "parent": {"type": "page_id", "page_id": page.to_string()}, "created_time": time, "last_edited_time": time,
    });
    let raw_id = workspace.put_object(raw_page.clone());
    workspace.put_object_at(raw_block.clone(), Placement { parent: Some(page), position: Some(0) });
    workspace.put_object(raw_comment.clone());
    let client = Client::new(workspace);

    let children = client.drain(&format!("/v1/blocks/{page}/children"), None, 100);
    assert_eq!(children[0], raw_block);
    assert_eq!((id(&children[2]), &children[2]["type"]), (raw_id, &json!("child_page")));
    assert!(client.search("page", 100).contains(&raw_page));
    assert_eq!(client.drain(&format!("/v1/comments?block_id={page}"), None, 100), [raw_comment]);

    client.fake.edit(|workspace| workspace.touch(raw_id, start()));
    let touched = client.get(&format!("/v1/pages/{raw_id}")).json();
    assert_eq!(touched["last_edited_time"], "2025-06-15T15:07:00.000Z");
    assert_eq!(touched["strange"], raw_page["strange"]);
}
