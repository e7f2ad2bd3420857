//! What goes, comes back, moves or changes without a trace, and what is answered about it.

use chrono::{DateTime, TimeDelta, Utc};
use fake_notion::{Home, SyncedCopies, Workspace};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{Client, ids};

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_750_000_020, 0).unwrap()
}

/// A workspace that was built at the start, an hour ago by its own clock.
fn workspace() -> Workspace {
    let mut workspace = Workspace::with_new_ids(3);
    workspace.set_default_time(Some(start()));
    workspace.set_now(Some(start() + TimeDelta::hours(1)));
    workspace
}

fn children(client: &Client, id: Uuid) -> Vec<Uuid> {
    ids(&client.drain(&format!("/v1/blocks/{id}/children"), None, 100))
}

fn comments(client: &Client, id: Uuid) -> Vec<Value> {
    client.drain(&format!("/v1/comments?block_id={id}"), None, 100)
}

#[test]
fn each_fate_of_a_page_has_its_own_answer() {
    let mut workspace = workspace();
    let [trashed, unshared, purged] =
        ["Trashed", "Unshared", "Purged"].map(|title| workspace.add_top_page(title));
    let inner = workspace.add_page(trashed, "Below");
    let block = workspace.append_text(trashed, "toggle", "Text");
    workspace.append_text(block, "paragraph", "Inner");
    let (database, data_source) = workspace.add_top_database("Tasks", start());
    workspace.trash(trashed);
    workspace.unshare(unshared);
    workspace.purge(purged);
    let client = Client::new(workspace);
    let status = |path: String| client.get(&path).status;

    let page = client.get(&format!("/v1/pages/{trashed}"));
    assert_eq!((page.status, &page.json()["in_trash"]), (200, &json!(true)));
    assert_eq!(client.get(&format!("/v1/pages/{inner}")).json()["in_trash"], true);
    assert_eq!(status(format!("/v1/blocks/{trashed}/children")), 404);
    assert_eq!(client.get(&format!("/v1/blocks/{block}")).json()["in_trash"], true);
    assert_eq!(status(format!("/v1/blocks/{block}/children")), 400);
    for gone in [unshared, purged] {
        for path in ["pages", "blocks", "data_sources"] {
            let answer = client.get(&format!("/v1/{path}/{gone}"));
            assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("object_not_found")));
        }
    }
    let refused = client.get(&format!("/v1/pages/{database}"));
    assert_eq!(refused.status, 400);
    assert!(refused.json()["message"].as_str().unwrap().contains("is a database, not a page."));
    assert_eq!(status(format!("/v1/pages/{data_source}")), 404);
    let trash = json!({"filter": {"property": "object", "value": "page", "in_trash": true}});
    let mut found = ids(&client.drain("/v1/search", Some(&trash), 100));
    found.sort_unstable();
    let mut both = [trashed, inner];
    both.sort_unstable();
    assert_eq!(found, both);
}

#[test]
fn blocks_are_inserted_and_moved_and_keep_their_times() {
    let mut workspace = workspace();
    let [one, other] = ["One", "Other"].map(|title| workspace.add_top_page(title));
    let first = workspace.append_text(one, "toggle", "First");
    let inner = workspace.append_text(first, "paragraph", "Inner");
    workspace.set_default_time(None);
    let top = workspace.insert_text(one, 0, "paragraph", "Top");
    assert_eq!(workspace.expected(start()).blocks[&first].sequence_number, 1);

    workspace.touch(one, start());
    workspace.move_block(first, other, 0);
    let expected = workspace.expected(DateTime::<Utc>::MIN_UTC);
    let minute = workspace.last_edited_time(other).unwrap();
    assert_eq!(workspace.last_edited_time(one), Some(minute));
    assert!(expected.blocks[&first].last_edited_time < minute);
    assert_eq!(expected.blocks[&inner].homes, [Home { page_id: other, depth: 2 }]);
    assert!(workspace.would_loop(first, inner) && !workspace.would_loop(first, one));
    let client = Client::new(workspace);
    assert_eq!((children(&client, one), children(&client, other)), (vec![top], vec![first]));
    assert_eq!(client.get(&format!("/v1/blocks/{first}")).json()["parent"]["page_id"], other.to_string());
}

#[test]
fn rows_move_between_tables_with_the_values_that_both_have() {
    let mut workspace = workspace();
    let [from, to] = ["From", "To"].map(|title| workspace.add_top_database(title, start()).1);
    for (data_source, name) in [(from, "Done"), (to, "Done"), (from, "Old"), (to, "New")] {
        workspace.add_schema_property(data_source, name, json!({"type": "checkbox", "checkbox": {}}));
    }
    let row = workspace.add_row(from, "Row", start());
    workspace.set_property_unstamped(row, "Done", json!({"type": "checkbox", "checkbox": true}));
    let time = workspace.last_edited_time(row);

    workspace.move_row(row, to);

    let values = workspace.property_values(row);
    assert_eq!((&values["Done"]["checkbox"], &values["New"]["checkbox"]), (&json!(true), &json!(false)));
    assert!(values.get("Old").is_none());
    assert_eq!((workspace.title(row), workspace.last_edited_time(row)), ("Row", time));
    assert_eq!((workspace.visible_rows(from).len(), workspace.visible_rows(to).len()), (0, 1));
}

#[test]
fn comments_come_back_and_outlive_their_block() {
    let mut workspace = workspace();
    let page = workspace.add_top_page("Page");
    let block = workspace.append_text(page, "paragraph", "Text");
    let [on_page, on_block] = [page, block].map(|place| workspace.add_comment(place, "Comment"));
    workspace.resolve_comment(on_page);
    let client = Client::new(workspace);
    assert!(comments(&client, page).is_empty());

    client.fake.edit(|workspace| workspace.reopen_comment(on_page));
    assert_eq!(ids(&comments(&client, page)), [on_page]);
    client.fake.edit(|workspace| workspace.trash(block));
    let shown = comments(&client, page);
    let orphan = shown.iter().find(|comment| comment["id"] == on_block.to_string()).unwrap();
    assert_eq!(shown.len(), 2);
    assert_eq!(
        (&orphan["original_content_deleted"], &orphan["parent"]["type"]),
        (&json!(true), &json!("block_id"))
    );
    assert_eq!(comments(&client, block)[0]["rich_text"], json!([]));
    client.fake.edit(|workspace| {
        let expected = workspace.expected(start() - TimeDelta::minutes(1));
        assert_eq!(expected.comments[&on_block].page_id, page);
        assert_eq!(workspace.object(on_block).as_ref(), Some(orphan));
        assert_eq!(workspace.comment_count(page), 2);
    });
}

#[test]
fn copies_show_the_content_of_an_original_that_is_not_shared() {
    let mut workspace = workspace();
    let [page, secret, old] = ["Page", "Secret", "Old"].map(|title| workspace.add_top_page(title));
    let mut shown = Vec::new();
    for home in [secret, old, page] {
        let original = workspace.append_block(home, "synced_block", json!({"synced_from": null}));
        let toggle = workspace.append_text(original, "toggle", "Toggle");
        let inner = workspace.append_text(toggle, "paragraph", "Inner");
        let from = json!({"synced_from": {"type": "block_id", "block_id": original.to_string()}});
        let copy = workspace.append_block(page, "synced_block", from);
        shown.push((original, toggle, inner, copy));
    }
    workspace.unshare(secret);
    workspace.touch(old, start() - TimeDelta::days(1));
    let since = start() - TimeDelta::hours(1);
    let homes = |workspace: &Workspace, block: Uuid| -> Option<Home> {
        workspace.expected(since).blocks.get(&block).map(|block| block.homes[0])
    };
    let [(hidden, toggle, inner, copy), (_, _, of_old, _), (_, _, of_page, _)] = shown[..] else { panic!() };
    // An original that is shared answers itself, although its own page is too old to be read.
    let place = Some(Home { page_id: page, depth: 3 });
    assert_eq!((homes(&workspace, inner), homes(&workspace, of_old)), (None, place));
    workspace.settings.synced_copies = SyncedCopies::Content;
    assert_eq!([inner, of_old, of_page].map(|block| homes(&workspace, block)), [place; 3]);

    let client = Client::new(workspace);
    assert_eq!((children(&client, copy), children(&client, toggle)), (vec![toggle], vec![inner]));
    assert_eq!(client.get(&format!("/v1/blocks/{hidden}/children")).status, 404);
    assert_eq!(client.get(&format!("/v1/blocks/{hidden}")).status, 404);
}

#[test]
fn what_nothing_shows_cannot_be_found() {
    let mut workspace = workspace();
    let page = workspace.add_top_page("Page");
    let below = workspace.add_page(page, "Below");
    let (_, data_source) = workspace.add_database(below, "Tasks", start());
    let row = workspace.add_row(data_source, "Row", start());
    for hidden in [below, data_source, row] {
        workspace.hide_from_search(hidden);
    }
    let since = start() - TimeDelta::hours(1);
    assert!(workspace.unfindable(since, true).is_empty());
    assert_eq!(workspace.unfindable(since, false).len(), 3);
    workspace.touch(page, start() - TimeDelta::days(1));
    assert_eq!(workspace.unfindable(since, true).len(), 3);
    workspace.show_in_search(row);
    assert_eq!(workspace.unfindable(since, false), [below].into());
}

#[test]
fn clock_runs_ahead_and_the_date_says_so() {
    let mut workspace = Workspace::new();
    workspace.set_clock_offset(TimeDelta::days(-3));
    let client = Client::new(workspace);
    let date = || DateTime::parse_from_rfc2822(client.get("/v1/users/me").header("date").unwrap()).unwrap();
    let is_near = |time: DateTime<Utc>| (date().with_timezone(&Utc) - time).abs() < TimeDelta::seconds(5);

    assert!(is_near(Utc::now() - TimeDelta::days(3)));
    client.fake.edit(|workspace| workspace.advance(TimeDelta::days(1)));
    assert!(is_near(Utc::now() - TimeDelta::days(2)));
    client.fake.edit(|workspace| workspace.set_now(Some(start())));
    assert!(is_near(start()));
}

#[test]
fn same_object_has_several_forms_if_wanted() {
    let mut workspace = workspace();
    workspace.settings.varies_forms = true;
    let ada = workspace.add_person("Ada", Some("ada@example.com"));
    let (_, data_source) = workspace.add_top_database("Tasks", start());
    let row = workspace.add_row(data_source, "Row", start());
    let user = json!({"type": "people", "people": [{"object": "user", "id": ada.to_string()}]});
    workspace.set_property_unstamped(row, "Who", user);
    workspace.set_icon(
        row,
        json!({"type": "file", "file": {"url": "https://f.example.com/i?x", "expiry_time": "x"}}),
    );
    let client = Client::new(workspace);

    let own = client.get(&format!("/v1/pages/{row}")).json();
    let listed = client.search("page", 100).remove(0);
    let queried =
        client.drain(&format!("/v1/data_sources/{data_source}/query"), Some(&json!({})), 100).remove(0);
    let forms = [own, listed, queried];
    let has = |name: &str| forms.each_ref().map(|form| form.get(name).is_some());
    assert_eq!(has("archived"), [true, false, true]);
    assert_eq!((has("request_id"), has("developer_survey")), ([true, false, true], [false, true, false]));
    let person = |form: &Value| form["properties"]["Who"]["people"][0].get("person").is_some();
    assert_eq!(forms.each_ref().map(person), [true, false, true]);
    let icons = forms.each_ref().map(|form| form["icon"]["file"]["url"].as_str().unwrap());
    assert!(icons[0] != icons[1] && icons[1] != icons[2]);
    assert!(forms[2]["url"].as_str().unwrap().starts_with("https://www.notion.so/"));
    assert_eq!(forms[1].as_object().unwrap().keys().next_back().unwrap(), "object");
    assert!(forms.iter().all(|form| form["id"] == row.to_string()));
}
