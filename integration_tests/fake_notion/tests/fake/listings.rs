//! Order, cursors, caps, and lists that change while they are read.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use fake_notion::{CursorLifetime, CursorMeaning, Workspace};
use serde_json::json;
use uuid::Uuid;

use crate::client::{Client, id, ids};

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_750_000_020, 0).unwrap()
}

/// A workspace with `count` top pages, each a minute older than the one before, and the clock an hour later.
fn top_pages(count: i64) -> (Workspace, Vec<Uuid>) {
    let mut workspace = Workspace::new();
    workspace.set_now(Some(start() + TimeDelta::hours(1)));
    let pages = (0..count).map(|number| {
        workspace.add_top_page_at(&format!("Page {number}"), start() - TimeDelta::minutes(number))
    });
    let pages = pages.collect();
    (workspace, pages)
}

#[test]
fn search_lists_newest_first_unless_told_otherwise() {
    let (workspace, pages) = top_pages(5);
    let client = Client::new(workspace);

    assert_eq!(ids(&client.search("page", 2)), pages);
    let ascending = json!({"sort": {"timestamp": "last_edited_time", "direction": "ascending"}});
    let mut found = ids(&client.drain("/v1/search", Some(&ascending), 2));
    found.reverse();
    assert_eq!(found, pages);
}

#[test]
fn page_edited_in_mid_search_jumps_to_the_front_and_shifts_nothing() {
    let (workspace, pages) = top_pages(6);
    let client = Client::new(workspace);
    let first = client.list("/v1/search", Some(&json!({})), None, 2).json();

    client.fake.edit(|workspace| workspace.edit_page_title(pages[5], "Edited"));

    let cursor = first["next_cursor"].as_str();
    let rest = client.list("/v1/search", Some(&json!({})), cursor, 100).json();
    assert_eq!(ids(rest["results"].as_array().unwrap()), pages[2..5]);
}

#[test]
fn query_pages_by_key_while_rows_come_and_go() {
    let mut workspace = Workspace::new();
    let (_, data_source) = workspace.add_top_database("Tasks", start());
    let rows: Vec<Uuid> = (0..6)
        .map(|number| {
            workspace.add_row(data_source, &format!("Row {number}"), start() + TimeDelta::minutes(number))
        })
        .collect();
    let client = Client::new(workspace);
    let path = format!("/v1/data_sources/{data_source}/query");
    let body = json!({"sorts": [{"timestamp": "created_time", "direction": "ascending"}]});
    let first = client.list(&path, Some(&body), None, 2).json();
    let cursor = first["next_cursor"].as_str().unwrap();
    assert!(cursor.starts_with("s:") && cursor.ends_with(&rows[1].to_string()), "{cursor}");

    client.fake.edit(|workspace| {
        workspace.trash(rows[0]);
        workspace.trash(rows[1]);
        workspace.trash(rows[3]);
    });

    let rest = client.list(&path, Some(&body), Some(cursor), 100).json();
    assert_eq!(ids(rest["results"].as_array().unwrap()), [rows[2], rows[4], rows[5]]);
}

#[test]
fn what_comes_and_goes_shifts_a_listing_whose_positions_are_counts() {
    let (mut workspace, pages) = top_pages(6);
    workspace.settings.cursor_meaning = CursorMeaning::ResultCount;
    let (_, data_source) = workspace.add_top_database("Tasks", start());
    let rows: Vec<Uuid> = (0..6)
        .map(|number| workspace.add_row(data_source, "Row", start() + TimeDelta::minutes(number)))
        .collect();
    let client = Client::new(workspace);
    let path = format!("/v1/data_sources/{data_source}/query");
    let ascending = json!({"sorts": [{"timestamp": "created_time", "direction": "ascending"}]});
    let search = json!({"filter": {"property": "object", "value": "page"}});
    let rest = |path: &str, body, change: &dyn Fn(&mut Workspace)| {
        let first = client.list(path, Some(body), None, 2).json();
        client.fake.edit(change);
        let rest = client.list(path, Some(body), first["next_cursor"].as_str(), 100).json();
        ids(rest["results"].as_array().unwrap())
    };

    // One that is gone shifts another out of sight, one that jumps to the front shows another twice.
    let rows_left = rest(&path, &ascending, &|workspace| workspace.trash(rows[0]));
    assert_eq!(rows_left, rows[3..]);
    client.fake.edit(|workspace| workspace.trash(data_source));
    let pages_left = rest("/v1/search", &search, &|workspace| workspace.unshare(pages[1]));
    assert_eq!(pages_left, pages[3..]);
    let pages_left = rest("/v1/search", &search, &|workspace| workspace.edit_page_title(pages[5], "Edited"));
    assert_eq!(pages_left, pages[2..5]);
}

#[test]
fn query_filters_by_edit_time_and_archive() {
    let mut workspace = Workspace::new();
    let (_, data_source) = workspace.add_top_database("Tasks", start());
    let rows: Vec<Uuid> = (0..4)
        .map(|number| workspace.add_row(data_source, "Row", start() + TimeDelta::minutes(number)))
        .collect();
    workspace.archive(rows[3]);
    workspace.touch(rows[3], start());
    let client = Client::new(workspace);
    let path = format!("/v1/data_sources/{data_source}/query");
    let query = |filter| ids(&client.drain(&path, Some(&json!({"filter": filter})), 100));
    let edited = |operator: &str, minutes| {
        let time = (start() + TimeDelta::minutes(minutes)).to_rfc3339();
        json!({"timestamp": "last_edited_time", "last_edited_time": {operator: time}})
    };

    assert_eq!(query(edited("on_or_after", 1)), [rows[2], rows[1]]);
    assert_eq!(query(json!({"and": [edited("after", 0), edited("before", 2)]})), [rows[1]]);
    assert_eq!(query(json!({"or": [edited("on_or_before", 0), edited("after", 1)]})), [rows[2], rows[0]]);
    assert_eq!(ids(&client.drain(&path, Some(&json!({"is_archived": true})), 100)), [rows[3]]);
    assert_eq!(client.post(&path, &json!({"filter": {"property": "Gone", "checkbox": {}}})).status, 400);
}

#[test]
fn capped_query_says_incomplete_on_every_page() {
    let mut workspace = Workspace::new();
    workspace.settings.query_result_cap = 5;
    let (_, data_source) = workspace.add_top_database("Tasks", start());
    for number in 0..8 {
        workspace.add_row(data_source, "Row", start() + TimeDelta::minutes(number));
    }
    let client = Client::new(workspace);
    let path = format!("/v1/data_sources/{data_source}/query");

    let first = client.list(&path, Some(&json!({})), None, 3).json();
    let second = client.list(&path, Some(&json!({})), first["next_cursor"].as_str(), 3).json();

    assert_eq!(second["results"].as_array().unwrap().len(), 2);
    assert_eq!(second["has_more"], false);
    for page in [first, second] {
        assert_eq!(page["request_status"]["type"], "incomplete");
    }
}

#[test]
fn children_cursor_names_the_next_block() {
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page("Page");
    let blocks: Vec<Uuid> =
        (0..5).map(|number| workspace.append_text(page, "paragraph", &number.to_string())).collect();
    let client = Client::new(workspace);
    let path = format!("/v1/blocks/{page}/children");

    let first = client.list(&path, None, None, 2).json();
    assert_eq!(first["next_cursor"], blocks[2].to_string());
    assert_eq!(ids(&client.drain(&path, None, 2)), blocks);
    assert_eq!(client.list(&path, None, Some("abc"), 2).status, 400);
    let foreign = client.list(&path, None, Some(&page.to_string()), 2);
    assert!(
        foreign.json()["message"].as_str().unwrap().starts_with("The start_cursor provided is invalid: ")
    );
}

#[test]
fn cursor_dies_after_its_lifetime() {
    let (mut workspace, _) = top_pages(5);
    workspace.settings.cursor_lifetime = CursorLifetime::Requests(1);
    let client = Client::new(workspace);
    let search = |cursor: Option<&str>| client.list("/v1/search", Some(&json!({})), cursor, 2);
    let first = search(None).json();
    let cursor = first["next_cursor"].as_str();

    assert_eq!(search(cursor).status, 200);
    let late = search(cursor);
    assert_eq!((late.status, &late.json()["code"]), (400, &json!("validation_error")));
}

#[test]
fn foreign_cursor_is_invalid() {
    let (workspace, _) = top_pages(5);
    let client = Client::new(workspace);
    let first = client.list("/v1/search", Some(&json!({})), None, 2).json();
    let cursor = first["next_cursor"].as_str();
    let other = json!({"filter": {"property": "object", "value": "page"}});
    assert_eq!(client.list("/v1/search", Some(&other), cursor, 2).status, 400);
}

#[test]
fn lagging_search_keeps_old_positions_and_misses_new_pages() {
    let (mut workspace, pages) = top_pages(3);
    workspace.settings.search_lag = Duration::from_mins(5);
    let now = workspace.now();
    workspace.edit_page_title(pages[2], "Edited");
    workspace.add_top_page("New");
    let client = Client::new(workspace);

    let found = client.search("page", 100);
    assert_eq!(ids(&found), pages);
    assert!(found[2]["last_edited_time"].as_str() > found[0]["last_edited_time"].as_str());

    client.fake.edit(|workspace| workspace.set_now(Some(now + TimeDelta::minutes(6))));
    let found = client.search("page", 100);
    assert_eq!(found.len(), 4);
    assert!(found[..2].iter().any(|page| id(page) == pages[2]));
}

#[test]
fn search_lists_trashed_data_sources_but_no_trashed_pages() {
    let (mut workspace, pages) = top_pages(2);
    let (database, data_source) = workspace.add_database(pages[0], "Old", start());
    workspace.add_row(data_source, "Row", start());
    workspace.trash(database);
    workspace.trash(pages[1]);
    let client = Client::new(workspace);

    let found = client.drain("/v1/search", Some(&json!({})), 100);
    assert_eq!(ids(&found).into_iter().collect::<HashSet<_>>(), HashSet::from([pages[0], data_source]));
    assert!(found.iter().any(|object| object["in_trash"] == true));
    let trash = client.drain("/v1/search", Some(&json!({"filter": {"in_trash": true}})), 100);
    assert_eq!(trash.len(), 3);
}

#[test]
fn search_refuses_every_position_beyond_a_limit() {
    let (mut workspace, _) = top_pages(6);
    workspace.settings.search_position_limit = Some(4);
    let client = Client::new(workspace);

    let search = |cursor: Option<&str>| client.list("/v1/search", Some(&json!({})), cursor, 2);
    let second = search(search(None).json()["next_cursor"].as_str());
    assert_eq!(second.status, 200);
    let third = search(second.json()["next_cursor"].as_str());
    assert_eq!((third.status, &third.json()["code"]), (400, &json!("validation_error")));
}

#[test]
fn locked_table_refuses_queries_until_it_is_unlocked() {
    let mut workspace = Workspace::new();
    let (_, data_source) = workspace.add_top_database("Tasks", start());
    workspace.lock_queries(data_source, 400, "validation_error", "Not this one.");
    let client = Client::new(workspace);
    let path = format!("/v1/data_sources/{data_source}/query");

    assert_eq!(client.post(&path, &json!({})).status, 400);
    assert_eq!(client.get(&format!("/v1/data_sources/{data_source}")).status, 200);
    client.fake.edit(|workspace| workspace.unlock(data_source));
    assert_eq!(client.post(&path, &json!({})).status, 200);
}
