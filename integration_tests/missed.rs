//! What cannot be read now is missed for as short as can be, and said; what can be read is not held up by it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use fake_notion::{CursorLifetime, FakeNotion, Fault, LoggedRequest, Route, Workspace};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Connector, SyncOutput};

fn days_ago(days: i64) -> DateTime<Utc> {
    Utc::now() - TimeDelta::days(days)
}

fn contains(output: &SyncOutput, stream: &str, id: Uuid) -> bool {
    output.ids(stream).contains(&id.to_string())
}

pub(crate) fn relation(count: u128) -> Value {
    let entries: Vec<Value> = (0..count).map(|n| json!({"id": Uuid::from_u128(n).to_string()})).collect();
    json!({"type": "relation", "relation": entries})
}

#[test]
fn rows_that_notion_refuses_to_list_make_the_streams_incomplete_until_they_come() {
    // GIVEN rows that search does not show, and a query that is refused
    let mut workspace = Workspace::new();
    let (_, source) = workspace.add_top_database("Table", days_ago(30));
    let row = workspace.add_row(source, "Row", days_ago(30));
    workspace.hide_from_search(row);
    workspace.add_top_page_at("Page", days_ago(1));
    let notion = FakeNotion::start_blocking(workspace);
    let refused = Fault::error(400, "validation_error", "This data source cannot be queried.");
    notion.fail_always(Route::QueryDataSource(Some(source)), refused);
    let connector = Connector::new(&notion).streams(&["pages", "blocks"]);

    // WHEN
    let first = connector.read();
    let state = first.state_file(&json!([]));
    notion.clear_faults();
    let second = connector.state(state).read();

    // THEN
    assert_eq!(first.exit_code, Some(1));
    for stream in ["pages", "blocks"] {
        assert_eq!(first.statuses(stream).last().unwrap(), "INCOMPLETE");
        assert_eq!(first.last_state(stream)["retry"]["data_sources"][0]["id"], source.to_string());
    }
    second.assert_complete();
    assert!(contains(&second, "pages", row));
}

#[test]
fn many_pages_with_cut_values_do_not_hold_up_the_listing_whose_position_expires() {
    // GIVEN more pages with cut values than are kept, and positions that live for a few requests
    let mut workspace = Workspace::new();
    let (_, source) = workspace.add_top_database("Table", days_ago(30));
    let rows: Vec<Uuid> = (0..260)
        .map(|_row| {
            let row = workspace.add_row(source, "Row", days_ago(20));
            workspace.hide_from_search(row);
            workspace.set_property_unstamped(row, "Relation", relation(30));
            row
        })
        .collect();
    workspace.settings.max_page_size = 20;
    workspace.settings.cursor_lifetime = CursorLifetime::Requests(15);
    let notion = FakeNotion::start_blocking(workspace);

    // WHEN
    let output = Connector::new(&notion).streams(&["pages"]).with_config("num_workers", json!(2)).read();

    // THEN no listing had to start again, and all are there, complete
    output.assert_complete();
    assert_eq!(notion.request_count(Route::QueryDataSource(Some(source))), 260 / 20 + 1);
    for row in &rows {
        let properties = output.record("pages", row)["properties"].as_array().unwrap();
        let relation = properties.iter().find(|property| property["name"] == "Relation").unwrap();
        assert_eq!(relation["value"]["relation"].as_array().unwrap().len(), 30);
        assert_eq!(relation["value"]["has_more"], false);
    }
}

#[test]
fn pages_remembered_for_another_stream_do_not_stop_this_one() {
    // GIVEN as many pages as a retry list may hold whose blocks fail, and one whose comments do
    let mut workspace = Workspace::new();
    let pages: Vec<Uuid> = (0..130)
        .map(|number| {
            let time = days_ago(30) + TimeDelta::minutes(number);
            let page = workspace.add_top_page_at("Page", time);
            workspace.touch(page, time);
            page
        })
        .collect();
    let notion = FakeNotion::start_blocking(workspace);
    for (number, page) in pages.iter().enumerate() {
        // Now and then one that can be read, or the sync would end because nothing can.
        if number % 12 != 0 {
            notion.fail_always(Route::BlockChildren(Some(*page)), Fault::status(500));
        }
    }
    notion.fail_always(Route::Comments(Some(pages[129])), Fault::status(500));
    let connector = Connector::new(&notion).with_config("num_workers", json!(1));

    // WHEN
    let output = connector.streams(&["blocks", "comments"]).read();

    // THEN comments were read to their end
    assert_eq!(output.exit_code, Some(1));
    let retried = |stream: &str| output.last_state(stream)["retry"]["pages"].as_array().map_or(0, Vec::len);
    assert!(retried("blocks") >= 99, "{}", retried("blocks"));
    assert!(output.last_state("comments")["state"]["last_edited_time"].is_string());
    assert!(output.error_of("comments")["message"].as_str().unwrap().contains("not available"));
}

#[test]
fn an_original_entered_through_a_copy_on_a_page_that_fails_is_read_with_its_own_page() {
    // GIVEN a page with an original, and an earlier one with a copy through which it is entered and then fails
    let mut workspace = Workspace::new();
    let [copying, own] = [30, 20].map(|days| workspace.add_top_page_at("Page", days_ago(days)));
    let original = workspace.append_block(own, "synced_block", json!({"synced_from": null}));
    let text = workspace.append_text(original, "paragraph", "synced");
    let source = json!({"synced_from": {"type": "block_id", "block_id": original.to_string()}});
    workspace.append_block(copying, "synced_block", source);
    let unreadable = workspace.append_text(copying, "toggle", "unreadable");
    workspace.append_text(unreadable, "paragraph", "below");
    for (page, days) in [(copying, 30), (own, 20)] {
        workspace.touch(page, days_ago(days));
    }
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_always(Route::BlockChildren(Some(unreadable)), Fault::status(500));
    // As often as one request is sent.
    notion.fail_times(Route::BlockChildren(Some(original)), Fault::status(500), 5);
    let connector = Connector::new(&notion).streams(&["blocks"]).with_config("num_workers", json!(1));

    // WHEN the first page is gone by the next sync
    let first = connector.read();
    assert_eq!(first.exit_code, Some(1));
    notion.edit(|workspace| workspace.trash(copying));
    notion.clear_faults();
    let second = connector.state(first.state_file(&json!([]))).read();

    // THEN what stands in the original came all the same
    second.assert_complete();
    assert!(contains(&first, "blocks", text) || contains(&second, "blocks", text));
}

#[test]
fn content_withdrawn_while_values_are_completed_is_not_taken_for_a_value_that_is_gone() {
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page_at("Page", days_ago(20));
    workspace.set_property_unstamped(page, "Relation", relation(30));
    let notion = FakeNotion::start_blocking(workspace);
    notion.on_request(|request, workspace| {
        if Route::PageProperty(None).covers(request.route) {
            workspace.settings.capabilities.read_content = false;
        }
    });
    let connector = Connector::new(&notion).streams(&["pages"]);
    let first = connector.read();
    assert_eq!(first.exit_code, Some(1));
    assert_eq!(first.statuses("pages").last().unwrap(), "INCOMPLETE");
    notion.clear_hooks();
    notion.edit(|workspace| workspace.settings.capabilities.read_content = true);
    let second = connector.state(first.state_file(&json!([]))).read();
    second.assert_complete();
    let properties = second.record("pages", page)["properties"].as_array().unwrap();
    let relation = properties.iter().find(|property| property["name"] == "Relation").unwrap();
    assert_eq!(relation["value"]["relation"].as_array().unwrap().len(), 30);
}

#[test]
fn a_query_that_is_cut_whatever_is_asked_for_ends() {
    let mut workspace = Workspace::new();
    let (_, source) = workspace.add_top_database("Table", days_ago(30));
    let row = workspace.add_row(source, "Row", days_ago(20));
    workspace.hide_from_search(row);
    let notion = FakeNotion::start_blocking(workspace);
    let object = json!({"object": "page", "id": row.to_string(), "created_time": "2026-01-01T00:00:00.000Z",
        "last_edited_time": "2026-01-01T00:00:00.000Z", "properties": {}});
    let answer = json!({"object": "list", "results": [object], "has_more": false, "next_cursor": null,
        "request_status": {"type": "incomplete", "incomplete_reason": "query_result_limit_reached"}});
    notion.fail_always(Route::QueryDataSource(Some(source)), Fault::json(answer.to_string()));
    let output = Connector::new(&notion).streams(&["pages"]).read();
    assert_eq!(output.exit_code, Some(1));
    assert!(
        output.error_of("pages")["message"].as_str().unwrap().contains("more rows created in the minute")
    );
    assert!(notion.request_count(Route::QueryDataSource(Some(source))) <= 2 * 3);
}

#[test]
fn a_checkpoint_that_waits_for_progress_stays_due() {
    // GIVEN a page at the head of the walk that fails in the end, while the other worker reads many pages
    let mut workspace = Workspace::new();
    let pages: Vec<Uuid> = (0..300)
        .map(|number| {
            let time = days_ago(30) + TimeDelta::minutes(number);
            let page = workspace.add_top_page_at("Page", time);
            for _block in 0..5 {
                workspace.append_text(page, "paragraph", "text");
            }
            workspace.touch(page, time);
            page
        })
        .collect();
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_always(Route::BlockChildren(Some(pages[0])), Fault::status(500));
    let connector = Connector::new(&notion).streams(&["blocks"]).with_config("num_workers", json!(2));

    // WHEN
    let output = connector
        .with_settings(|settings| {
            settings.policy.walk_parts = 0;
            settings.policy.records = 60;
            settings.retry.first_delay = Duration::from_millis(5);
            settings.retry.max_delay = Duration::from_millis(20);
        })
        .read();

    // THEN the first state comes with the first progress, not after as many records again
    let asked: Vec<Uuid> = notion.requests().iter().filter_map(LoggedRequest::object_id).collect();
    let given_up = asked.iter().rposition(|id| *id == pages[0]).unwrap();
    let read_before = asked[..given_up].iter().filter(|id| **id != pages[0]).count();
    let in_state = output.states().first().unwrap().record_count;
    // One page may be under way, and one more may be begun before the failure is known.
    let most = u32::try_from(5 * (read_before + 2)).unwrap();
    assert!(in_state <= f64::from(most), "{in_state} records instead of {most}");
}

#[test]
fn a_stream_without_a_cursor_gives_signs_of_life_too() {
    let mut workspace = Workspace::new();
    workspace.add_person("Person", None);
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail(Route::Users, Fault::rate_limited(2));
    let connector = Connector::new(&notion).streams(&["users"]);
    let output =
        connector.with_settings(|settings| settings.policy.life_sign = Duration::from_millis(200)).read();
    output.assert_complete();
    let states = output.states();
    assert!(states.len() > 2, "{states:?}");
    assert!(states.iter().all(|state| state.state == json!({"__ab_no_cursor_state_message": true})));
}
