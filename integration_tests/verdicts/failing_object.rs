//! What a failure may not cost: other records, later syncs, requests in vain.

use chrono::{TimeDelta, Utc};
use fake_notion::{FakeNotion, Fault, Route, Workspace};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Connector, contains, days_ago, hidden_below, read, relation};

fn impatient(notion: &FakeNotion) -> Connector {
    Connector::new(notion).with_settings(|settings| settings.retry.max_retries = 0)
}

/// How often a route is asked by a read of pages that stops because it always fails.
fn asked_in_vain(workspace: Workspace, route: Route) -> usize {
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_always(route, Fault::status(500));
    let output = impatient(&notion).streams(&["pages"]).with_config("num_workers", json!(1)).read();
    assert_eq!(output.exit_code, Some(1));
    notion.request_count(route)
}

#[test]
fn a_stream_that_stopped_completes_no_more_values() {
    let mut workspace = Workspace::new();
    for _page in 0..150 {
        let page = workspace.add_top_page_at("Long", days_ago(20));
        workspace.set_property_unstamped(page, "Relation", relation(30));
    }
    // Request after request fails, so all is given up.
    let asked = asked_in_vain(workspace, Route::PageProperty(None));
    assert!(asked <= 20, "{asked} requests");
}

#[test]
fn streams_that_stopped_have_no_more_rows_listed() {
    let mut workspace = Workspace::new();
    for _table in 0..300 {
        workspace.add_top_database("Table", days_ago(20));
    }
    let asked = asked_in_vain(workspace, Route::QueryDataSource(None));
    assert!(asked <= 20, "{asked} requests");
}

#[test]
fn a_page_to_be_completed_is_not_forgotten_by_a_sync_that_stops_before_it() {
    // GIVEN a page whose values could not be completed
    let mut workspace = Workspace::new();
    workspace.settings.max_page_size = 10;
    let page = workspace.add_top_page_at("Long", days_ago(20));
    workspace.set_property_unstamped(page, "Relation", relation(30));
    workspace.add_top_page_at("Newest", days_ago(10));
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_always(Route::PageProperty(None), Fault::status(500));
    let connector = impatient(&notion);
    let streams = ["pages", "blocks"];
    let mut state = json!([]);
    let first = read(&connector, &streams, &mut state);
    assert_eq!(first.exit_code, Some(1));

    // WHEN the next sync stops because too many others fail too
    notion.edit(|workspace| {
        for _page in 0..400 {
            let page = workspace.add_top_page_at("New", Utc::now());
            workspace.set_property_unstamped(page, "Relation", relation(30));
        }
    });
    assert_eq!(read(&connector, &streams, &mut state).exit_code, Some(1));
    notion.clear_faults();

    // THEN the one after it completes it
    let third = read(&Connector::new(&notion), &streams, &mut state);
    third.assert_complete();
    let properties = third.record("pages", page)["properties"].as_array().unwrap();
    let relation = properties.iter().find(|property| property["name"] == "Relation").unwrap();
    assert_eq!(relation["value"]["relation"].as_array().unwrap().len(), 30);
}

#[test]
fn a_page_that_failed_once_is_not_asked_for_by_every_later_sync() {
    // GIVEN an old page that failed once and was read then
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page_at("Fails once", days_ago(20));
    workspace.append_text(page, "paragraph", "text");
    workspace.touch(page, days_ago(20));
    for _page in 0..150 {
        workspace.add_top_page_at("Filler", days_ago(15));
    }
    workspace.add_top_page_at("Newest", days_ago(10));
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_always(Route::BlockChildren(Some(page)), Fault::status(500));
    let connector = impatient(&notion);
    let streams = ["pages", "blocks"];
    let mut state = json!([]);
    assert_eq!(read(&connector, &streams, &mut state).exit_code, Some(1));
    notion.clear_faults();
    read(&connector, &streams, &mut state).assert_complete();

    // WHEN nothing happens THEN it is not asked for
    notion.clear_requests();
    read(&connector, &streams, &mut state).assert_complete();
    assert_eq!(notion.request_count(Route::Page(Some(page))), 0, "{state}");
}

/// Three pages with a comment each.
fn three_commented() -> (FakeNotion, [Uuid; 3]) {
    let mut workspace = Workspace::new();
    let pages = [30, 20, 10].map(|days| {
        let page = workspace.add_top_page_at("Page", days_ago(days));
        workspace.add_comment(page, "comment");
        page
    });
    (FakeNotion::start_blocking(workspace), pages)
}

#[test]
fn two_pages_whose_comments_are_denied_do_not_stop_the_stream() {
    let (notion, pages) = three_commented();
    notion.fail_always(Route::Comments(Some(pages[0])), Fault::status(403));
    notion.fail_always(Route::Comments(Some(pages[2])), Fault::status(403));
    let output = Connector::new(&notion).streams(&["comments"]).read();
    output.assert_complete();
    assert_eq!(output.ids("comments").len(), 1);
}

#[test]
fn a_passing_failure_of_the_check_on_another_page_does_not_stop_comments() {
    // GIVEN a denied page, and a failure of whatever is asked next, which is another page to see whether all are denied
    let (notion, pages) = three_commented();
    notion.fail_always(Route::Comments(Some(pages[2])), Fault::status(403));
    for other in &pages[..2] {
        notion.fail_times(Route::Comments(Some(*other)), Fault::status(500), 1);
    }
    let connector = impatient(&notion).with_config("num_workers", json!(1)).streams(&["comments"]);
    let first = connector.read();
    assert!(
        first.errors().iter().all(|error| error["failure_type"] == "transient_error"),
        "{:?}",
        first.errors()
    );

    // WHEN nothing fails any more THEN the others come, and the denied one when it is shown
    let second = connector.clone().state(first.state_file(&json!([]))).read();
    second.assert_complete();
    assert_eq!(first.ids("comments").union(&second.ids("comments")).count(), 2);
    notion.clear_faults();
    let third = connector.state(second.state_file(&first.state_file(&json!([])))).read();
    third.assert_complete();
    let read = first
        .ids("comments")
        .union(&second.ids("comments"))
        .cloned()
        .collect::<std::collections::BTreeSet<_>>();
    assert_eq!(read.union(&third.ids("comments")).count(), 3);
}

#[test]
fn comments_of_a_hidden_page_that_failed_are_read_by_the_next_sync() {
    // GIVEN a hidden page below another
    let mut old = None;
    let (workspace, [_page, hidden]) = hidden_below(|workspace, [_page, hidden]| {
        old = Some(workspace.add_comment(hidden, "old comment"));
    });
    let comment = old.unwrap();
    let notion = FakeNotion::start_blocking(workspace);
    let streams = ["pages", "blocks", "comments"];
    let mut state = json!([]);

    // WHEN its comments fail once
    notion.fail_always(Route::Comments(Some(hidden)), Fault::status(500));
    assert_eq!(read(&impatient(&notion), &streams, &mut state).exit_code, Some(1));
    notion.clear_faults();

    // THEN they come with the next sync
    let second = read(&impatient(&notion), &streams, &mut state);
    second.assert_complete();
    assert!(contains(&second, "comments", comment), "{state}");
}

#[test]
fn a_failing_original_with_many_copies_is_asked_once_and_stops_nothing() {
    // GIVEN an original that keeps failing, in a page that no listing shows, and many copies
    let mut workspace = Workspace::new();
    let own = workspace.add_top_page_at("Own", days_ago(60));
    let original = workspace.append_block(own, "synced_block", json!({"synced_from": null}));
    workspace.append_text(original, "paragraph", "synced");
    workspace.touch(own, days_ago(60));
    workspace.hide_from_search(own);
    let source = json!({"synced_from": {"type": "block_id", "block_id": original.to_string()}});
    let texts: Vec<Uuid> = (0..150)
        .map(|_copy| {
            let page = workspace.add_top_page_at("Copy", days_ago(30));
            workspace.append_block(page, "synced_block", source.clone());
            let text = workspace.append_text(page, "paragraph", "own text");
            workspace.touch(page, days_ago(30));
            text
        })
        .collect();
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_always(Route::BlockChildren(Some(original)), Fault::status(500));

    // WHEN
    let output = impatient(&notion).streams(&["blocks"]).read();

    // THEN one page fails, and all others are read
    assert_eq!(output.exit_code, Some(1));
    assert_eq!(notion.request_count(Route::BlockChildren(Some(original))), 1);
    assert!(texts.iter().all(|text| contains(&output, "blocks", *text)));
    // AND once it answers, that one alone is read
    notion.clear_faults();
    notion.clear_requests();
    let second = impatient(&notion).streams(&["blocks"]).state(output.state_file(&json!([]))).read();
    second.assert_complete();
    assert_eq!(notion.request_count(Route::BlockChildren(Some(own))), 1);
    assert_eq!(notion.request_count(Route::BlockChildren(None)), 2);
}

#[test]
fn a_data_source_that_only_a_wiki_shows_is_not_lost_when_pages_stop() {
    // GIVEN a wiki with a data source that search does not show, and more tables than may fail
    let mut workspace = Workspace::new();
    let home = workspace.add_top_page_at("Home", days_ago(40));
    let (_, wiki) = workspace.add_wiki(home, "Wiki", days_ago(40));
    let (_, inner) = workspace.add_database(wiki, "Inner", days_ago(40));
    workspace.hide_from_search(inner);
    workspace.touch(inner, days_ago(40));
    workspace.touch(wiki, days_ago(1));
    let tables: Vec<Uuid> =
        (0..150).map(|_table| workspace.add_top_database("Table", days_ago(20)).1).collect();
    let notion = FakeNotion::start_blocking(workspace);
    for table in tables {
        notion.fail_always(Route::QueryDataSource(Some(table)), Fault::status(500));
    }

    // WHEN pages stop
    let streams = ["data_sources", "pages"];
    let mut state = json!([]);
    let first = read(&impatient(&notion), &streams, &mut state);
    notion.clear_faults();
    let second = read(&impatient(&notion), &streams, &mut state);

    // THEN it comes nevertheless
    second.assert_complete();
    assert!(contains(&first, "data_sources", inner) || contains(&second, "data_sources", inner));
}

#[test]
fn comments_of_a_hidden_page_are_not_read_twice_when_the_page_above_it_failed_too() {
    let mut block = None;
    let (workspace, [_page, hidden]) = hidden_below(|workspace, [page, hidden]| {
        let toggle = workspace.append_text(page, "toggle", "toggle");
        workspace.append_text(toggle, "paragraph", "inside");
        workspace.add_comment(hidden, "old comment");
        block = Some(toggle);
    });
    let notion = FakeNotion::start_blocking(workspace);
    let streams = ["pages", "blocks", "comments"];
    let mut state = json!([]);
    notion.fail_always(Route::Comments(Some(hidden)), Fault::status(500));
    notion.fail_always(Route::BlockChildren(block), Fault::status(500));
    read(&impatient(&notion), &streams, &mut state);
    notion.clear_faults();
    notion.clear_requests();
    read(&impatient(&notion), &streams, &mut state).assert_complete();
    assert_eq!(notion.request_count(Route::Comments(Some(hidden))), 1);
}

#[test]
fn pages_that_fail_for_another_stream_do_not_stop_this_one() {
    // GIVEN many pages whose blocks fail, and one whose comments do
    let mut workspace = Workspace::new();
    let pages: Vec<Uuid> = (0..130)
        .map(|number| {
            let time = days_ago(30) + TimeDelta::minutes(number);
            let page = workspace.add_top_page_at("Page", time);
            workspace.add_comment(page, "comment");
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
    assert_eq!(output.ids("comments").len(), 129);
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
