//! Enumeration: complete by union, whatever search hides and listings do.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use chrono::{TimeDelta, Utc};
use fake_notion::{FakeNotion, Fault, LinkedDatabase, LoggedRequest, Route, Workspace};
use serde_json::json;
use uuid::Uuid;

use crate::support::{
    Connector, SyncOutput, assert_ids, assert_reads_everything, at, hidden_rows, pages_a_minute_apart,
    queries, searches, state_after,
};

#[track_caller]
fn assert_data_sources(output: &SyncOutput, workspace: &Workspace) {
    let sources: Vec<Uuid> = workspace.visible_data_sources().into_iter().map(|(id, _)| id).collect();
    assert_ids(output, "data_sources", &sources);
}

#[test]
fn what_search_hides_is_found_in_trees_and_rows() {
    let mut workspace = Workspace::with_seed(1);
    let home = workspace.add_top_page_at("Home", at(20, 0));
    let toggle = workspace.append_text(home, "toggle", "toggle");
    let child = workspace.add_page_at(toggle, "Child", at(20, 1));
    let grandchild = workspace.add_page_at(child, "Grandchild", at(20, 2));
    workspace.append_text(grandchild, "paragraph", "text");
    workspace.add_comment(grandchild, "comment");
    let (_, listed) = workspace.add_database(home, "Listed", at(20, 3));
    let row = workspace.add_row(listed, "Row", at(20, 4));
    workspace.append_text(row, "paragraph", "text");
    let (_, hidden) = workspace.add_database(grandchild, "Hidden", at(20, 5));
    let hidden_row = workspace.add_row(hidden, "Row", at(20, 6));
    workspace.append_text(hidden_row, "paragraph", "text");
    let (siblings, _) = workspace.add_database(home, "Two sources", at(20, 7));
    let sibling = workspace.add_data_source(siblings, "Sibling", at(20, 8));
    let sibling_row = workspace.add_row(sibling, "Row", at(20, 9));
    for id in [child, grandchild, row, hidden, hidden_row, sibling, sibling_row] {
        workspace.hide_from_search(id);
    }
    let notion = FakeNotion::start_blocking(workspace);
    let output = Connector::new(&notion).read();
    output.assert_complete();
    notion.edit(|workspace| {
        assert_reads_everything(&output, workspace);
        assert_data_sources(&output, workspace);
    });
    for stream in ["pages", "blocks", "comments", "data_sources"] {
        assert!(output.id_counts(stream).values().all(|count| *count == 1), "{stream}");
    }
}

#[test]
fn a_data_source_known_only_from_a_rows_parent_is_read() {
    let (mut workspace, source, mut rows) = hidden_rows(3);
    workspace.hide_from_search(source);
    rows.push(workspace.add_row(source, "Shown", at(30, 9)));
    let notion = FakeNotion::start_blocking(workspace);
    let output = Connector::new(&notion).streams(&["data_sources", "pages"]).read();
    output.assert_complete();
    assert_ids(&output, "pages", &rows);
    assert_ids(&output, "data_sources", &[source]);
}

#[test]
fn a_data_source_first_seen_by_an_incremental_sync_is_read_from_the_start() {
    // GIVEN a data source of which nothing is shown
    let (mut workspace, source, rows) = hidden_rows(3);
    workspace.hide_from_search(source);
    for row in &rows {
        workspace.append_text(*row, "paragraph", "old text");
        workspace.touch(*row, at(30, 0));
    }
    let shown = workspace.add_top_page_at("Shown", at(2, 0));
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let first = connector.read();
    first.assert_complete();
    assert_ids(&first, "pages", &[shown]);

    // WHEN search shows one row of it
    let new_row = notion.edit(|workspace| workspace.add_row(source, "New", Utc::now()));
    let second = connector.state(first.state_file(&json!([]))).read();

    // THEN it comes with all its rows and their blocks
    second.assert_complete();
    for row in rows.iter().chain([&new_row]) {
        assert!(second.ids("pages").contains(&row.to_string()));
    }
    assert_ids(&second, "data_sources", &[source]);
    assert_eq!(second.content_ids("blocks").len(), rows.len());
}

#[test]
fn a_wikis_data_sources_are_read_with_their_rows() {
    let mut workspace = Workspace::with_seed(2);
    let home = workspace.add_top_page_at("Home", at(20, 0));
    let (_, wiki) = workspace.add_wiki(home, "Wiki", at(20, 1));
    workspace.add_row(wiki, "Page of the wiki", at(20, 2));
    let (_, inner) = workspace.add_database(wiki, "Inner", at(20, 3));
    let row = workspace.add_row(inner, "Row", at(20, 4));
    for id in [inner, row] {
        workspace.hide_from_search(id);
    }
    let notion = FakeNotion::start_blocking(workspace);
    let output = Connector::new(&notion).streams(&["data_sources", "pages"]).read();
    output.assert_complete();
    notion.edit(|workspace| {
        let pages: Vec<Uuid> = workspace.visible_pages().into_iter().map(|(id, _)| id).collect();
        assert_ids(&output, "pages", &pages);
        assert_data_sources(&output, workspace);
    });
}

#[test]
fn linked_databases_are_counted_and_end_nothing() {
    let mut workspace = Workspace::with_seed(3);
    let home = workspace.add_top_page_at("Home", at(20, 0));
    for kind in [LinkedDatabase::NotFound, LinkedDatabase::NoAccess, LinkedDatabase::Empty] {
        workspace.add_linked_database(home, "Linked", kind);
    }
    let last = workspace.append_text(home, "paragraph", "after them");
    let notion = FakeNotion::start_blocking(workspace);
    let output = Connector::new(&notion).read();
    output.assert_complete();
    assert_ids(&output, "blocks", &[last]);
    let report = output.report();
    assert!(report.contains("skipped 2 × database that is a linked view, or not shared"), "{report}");
    assert!(report.contains("skipped 1 × database without data sources of its own"), "{report}");
}

#[test]
fn the_rows_of_a_data_source_in_the_trash_are_not_asked_for() {
    let mut workspace = Workspace::with_seed(4);
    let (database, source) = workspace.add_top_database("Old", at(20, 0));
    workspace.add_row(source, "Row", at(20, 1));
    workspace.trash(database);
    let notion = FakeNotion::start_blocking(workspace);
    let output = Connector::new(&notion).read();
    output.assert_complete();
    assert_eq!(notion.request_count(Route::QueryDataSource(None)), 0);
    assert!(output.ids("data_sources").is_empty());
    assert!(output.report().contains("skipped 1 × data source in the trash"), "{}", output.report());
}

#[test]
fn archived_rows_are_found() {
    let (mut workspace, source, rows) = hidden_rows(4);
    workspace.archive(rows[1]);
    workspace.archive(rows[3]);
    let notion = FakeNotion::start_blocking(workspace);
    let output = Connector::new(&notion).streams(&["pages"]).read();
    output.assert_complete();
    assert_ids(&output, "pages", &rows);
    assert_eq!((queries(&notion, source, false).len(), queries(&notion, source, true).len()), (1, 1));
}

#[test]
fn a_listing_whose_position_expires_starts_again_and_loses_nothing() {
    let (mut workspace, expected) = pages_a_minute_apart(23);
    workspace.settings.max_page_size = 5;
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_times(Route::Search, Fault::InvalidCursor, 3);
    let output = Connector::new(&notion).streams(&["pages"]).read();
    output.assert_complete();
    assert_eq!(notion.waiting_faults(), 0);
    assert_ids(&output, "pages", &expected);
}

#[test]
fn a_search_whose_positions_always_expire_fails_and_ends() {
    let mut workspace = pages_a_minute_apart(23).0;
    workspace.settings.max_page_size = 5;
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_always(Route::Search, Fault::InvalidCursor);
    let output = Connector::new(&notion).streams(&["pages"]).read();
    assert_eq!(output.exit_code, Some(1));
    assert_eq!(output.statuses("pages").last().unwrap(), "INCOMPLETE");
    assert!(notion.request_count(Route::Search) < 30, "{}", notion.request_count(Route::Search));
}

#[test]
fn a_query_whose_positions_always_expire_goes_on_in_windows_of_creation_times() {
    let (mut workspace, source, rows) = hidden_rows(23);
    workspace.settings.max_page_size = 5;
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_always(Route::QueryDataSource(None), Fault::InvalidCursor);
    let output = Connector::new(&notion).streams(&["pages"]).read();
    output.assert_complete();
    assert_ids(&output, "pages", &rows);
    assert!(queries(&notion, source, false).len() < 20);

    // WHEN all rows are of one minute, no window leads any farther: it fails, and ends
    let mut workspace = Workspace::new();
    let (_database, source) = workspace.add_top_database("Table", at(40, 0));
    for _row in 0..23 {
        let row = workspace.add_row(source, "Row", at(30, 0));
        workspace.hide_from_search(row);
    }
    workspace.settings.max_page_size = 5;
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_always(Route::QueryDataSource(None), Fault::InvalidCursor);
    let output = Connector::new(&notion).streams(&["pages"]).read();
    assert_eq!(output.exit_code, Some(1));
    assert!(notion.request_count(Route::QueryDataSource(None)) < 30);
}

#[test]
fn odd_answers_end_no_listing() {
    let faults =
        [Fault::EmptyPage, Fault::HasMoreWithoutCursor, Fault::RepeatedCursor, Fault::DuplicateResults];
    for fault in faults {
        let mut workspace = Workspace::with_seed(5);
        let home = workspace.add_top_page_at("Home", at(20, 0));
        let (_, source) = workspace.add_database(home, "Table", at(20, 0));
        for number in 0..12 {
            let row = workspace.add_row(source, "Row", at(20, number));
            workspace.hide_from_search(row);
            workspace.add_page_at(home, "Page", at(20, number));
            workspace.append_text(home, "paragraph", "text");
            workspace.add_comment(home, "comment");
            workspace.add_person("Person", None);
        }
        workspace.settings.max_page_size = 5;
        let notion = FakeNotion::start_blocking(workspace);
        let routes = [
            Route::Search,
            Route::QueryDataSource(Some(source)),
            Route::BlockChildren(Some(home)),
            Route::Comments(Some(home)),
            Route::Users,
        ];
        for route in routes {
            notion.fail(route, fault.clone());
        }
        let output = Connector::new(&notion).read();
        output.assert_complete();
        assert_eq!(notion.waiting_faults(), 0);
        notion.edit(|workspace| {
            assert_reads_everything(&output, workspace);
            assert_eq!(output.ids("users").len(), workspace.listed_users().len());
        });
        for stream in ["pages", "blocks", "comments", "users", "data_sources"] {
            assert!(output.id_counts(stream).values().all(|count| *count == 1), "{fault:?}: {stream}");
        }
    }
}

#[test]
fn a_query_that_notion_cuts_goes_on_in_windows_of_creation_times() {
    let (mut workspace, source, rows) = hidden_rows(25);
    workspace.settings.query_result_cap = 10;
    workspace.settings.max_page_size = 4;
    let notion = FakeNotion::start_blocking(workspace);
    let output = Connector::new(&notion).streams(&["pages"]).read();
    output.assert_complete();
    assert_ids(&output, "pages", &rows);
    let windows: BTreeSet<String> = queries(&notion, source, false)
        .iter()
        .filter_map(|body| {
            let filter = body.pointer("/filter/created_time/on_or_after")?;
            filter.as_str().map(str::to_owned)
        })
        .collect();
    assert!(windows.len() >= 2, "{windows:?}");
}

#[test]
fn more_rows_of_one_minute_than_a_query_lists_are_reported_and_the_rest_is_read() {
    let (mut workspace, source, earlier) = hidden_rows(3);
    let crowded: Vec<Uuid> = (0..12).map(|_| workspace.add_row(source, "Crowd", at(10, 0))).collect();
    let later: Vec<Uuid> = (1..8).map(|number| workspace.add_row(source, "Later", at(9, number))).collect();
    for row in crowded.iter().chain(&later) {
        workspace.hide_from_search(*row);
    }
    workspace.settings.query_result_cap = 5;
    let notion = FakeNotion::start_blocking(workspace);
    let output = Connector::new(&notion).streams(&["pages"]).read();
    assert_eq!(output.exit_code, Some(1));
    assert_eq!(output.statuses("pages"), ["STARTED", "RUNNING", "INCOMPLETE"]);
    let ids = output.ids("pages");
    for row in earlier.iter().chain(&later) {
        assert!(ids.contains(&row.to_string()));
    }
    assert!(notion.request_count(Route::QueryDataSource(None)) < 15);
    let error = output.error_of("pages").to_string();
    assert!(error.contains("rows created"), "{error}");
}

#[test]
fn a_search_that_notion_cuts_is_read_from_its_other_end() {
    let (mut workspace, expected) = pages_a_minute_apart(17);
    workspace.settings.search_result_cap = 10;
    workspace.settings.max_page_size = 4;
    let notion = FakeNotion::start_blocking(workspace);
    let output = Connector::new(&notion).streams(&["pages"]).read();
    output.assert_complete();
    assert_ids(&output, "pages", &expected);
    let directions: BTreeSet<String> = searches(&notion, "page")
        .iter()
        .map(|logged| logged.body.as_ref().unwrap()["sort"]["direction"].to_string())
        .collect();
    assert_eq!(directions.len(), 2, "{directions:?}");
}

#[test]
fn a_gap_between_both_ends_of_search_is_reported_and_the_rest_is_read() {
    // All of different minutes, and all of the same one.
    for minute in [1, 0] {
        let mut workspace = Workspace::with_seed(6);
        let time = at(30, 0);
        for number in 0..25 {
            workspace.add_top_page_at("Page", time + TimeDelta::minutes(number * minute));
        }
        workspace.settings.search_result_cap = 10;
        let notion = FakeNotion::start_blocking(workspace);
        let output = Connector::new(&notion).read();
        assert_eq!(output.exit_code, Some(1), "{minute}");
        for stream in ["pages", "blocks", "comments"] {
            assert_eq!(output.statuses(stream).last().unwrap(), "INCOMPLETE");
            assert!(output.last_state(stream).get("last_edited_time").is_none());
            assert_eq!(output.last_state(stream)["ledger"]["complete"], false);
        }
        assert_eq!(output.ids("pages").len(), 20);
    }
}

#[test]
fn a_later_sync_lists_everything_again_but_archived_rows_and_sends_what_was_edited() {
    let (mut workspace, pages) = pages_a_minute_apart(40);
    let (_, source) = workspace.add_top_database("Table", at(40, 0));
    for number in 0..20 {
        workspace.add_row(source, "Row", at(35, number));
    }
    workspace.settings.max_page_size = 5;
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion).streams(&["pages"]);
    let first = connector.read();
    first.assert_complete();
    assert_eq!(queries(&notion, source, true).len(), 1);
    notion.edit(|workspace| workspace.edit_page_title(pages[3], "Edited"));
    notion.clear_requests();
    let second = connector.state(state_after(&first)).read();
    second.assert_complete();
    assert_ids(&second, "pages", &[pages[3]]);
    // All pages and rows, and the head of search once more.
    assert_eq!(searches(&notion, "page").len(), 60 / 5 + 1);
    let bodies = queries(&notion, source, false);
    assert_eq!(bodies.len(), 20 / 5);
    assert!(bodies.iter().all(|body| body.get("filter").is_none()), "{bodies:?}");
    assert_eq!(queries(&notion, source, true).len(), 0);
}

#[test]
fn a_page_that_moves_to_the_front_of_search_between_two_result_pages_is_read() {
    let (mut workspace, expected) = pages_a_minute_apart(20);
    workspace.settings.max_page_size = 5;
    let notion = FakeNotion::start_blocking(workspace);
    let (oldest, searched) = (expected[0], AtomicUsize::new(0));
    notion.on_request(move |request, workspace| {
        let is_page = request.body.as_ref().is_some_and(|body| body["filter"]["value"] == "page");
        if is_page && searched.fetch_add(1, Ordering::Relaxed) == 1 {
            workspace.edit_page_title(oldest, "Edited");
        }
    });
    let output = Connector::new(&notion).streams(&["pages"]).read();
    output.assert_complete();
    assert_ids(&output, "pages", &expected);
    assert_eq!(output.record("pages", oldest)["title"], "Edited");
}

/// Runs a first sync with one edit before the answer to the first request that `matches`, then a second one.
fn edit_once(
    workspace: Workspace,
    matches: impl Fn(&LoggedRequest) -> bool + Send + Sync + 'static,
    edit: impl Fn(&mut Workspace) + Send + Sync + 'static,
) -> (FakeNotion, SyncOutput, SyncOutput) {
    let notion = FakeNotion::start_blocking(workspace);
    let is_edited = AtomicBool::new(false);
    notion.on_request(move |request, workspace| {
        if matches(request) && !is_edited.swap(true, Ordering::Relaxed) {
            edit(workspace);
        }
    });
    let connector = Connector::new(&notion);
    let first = connector.read();
    first.assert_complete();
    let second = connector.state(first.state_file(&json!([]))).read();
    second.assert_complete();
    (notion, first, second)
}

#[test]
fn a_row_added_during_a_query_is_read_by_one_of_the_two_syncs() {
    let (mut workspace, source, _rows) = hidden_rows(12);
    workspace.settings.max_page_size = 5;
    let is_second_page = move |request: &LoggedRequest| {
        request.route == Route::QueryDataSource(Some(source)) && request.start_cursor().is_some()
    };
    let add = move |workspace: &mut Workspace| {
        let now = workspace.now();
        let row = workspace.add_row(source, "Added", now);
        workspace.hide_from_search(row);
        workspace.append_text(row, "paragraph", "added");
    };
    let (notion, first, second) = edit_once(workspace, is_second_page, add);
    let both: BTreeSet<String> = first.ids("pages").union(&second.ids("pages")).cloned().collect();
    notion.edit(|workspace| assert_eq!(both.len(), workspace.visible_pages().len()));
    assert_eq!(first.ids("blocks").union(&second.ids("blocks")).count(), 1);
}

#[test]
fn a_page_edited_after_it_was_read_is_read_again_by_the_next_sync() {
    // GIVEN pages of which the latest edit is read first
    let (mut workspace, pages) = pages_a_minute_apart(30);
    let newest = pages[29];
    let block = workspace.append_text(newest, "paragraph", "before");
    workspace.touch(newest, at(29, 0));
    workspace.touch(block, at(29, 0));

    // WHEN that page is edited while the last one is read
    let last = pages[0];
    let edit = move |workspace: &mut Workspace| workspace.edit_block_text(block, "after");
    let is_last = move |request: &LoggedRequest| request.route == Route::BlockChildren(Some(last));
    let (_notion, first, second) = edit_once(workspace, is_last, edit);

    // THEN the next sync reads it alone
    assert_eq!(first.record("blocks", block)["plain_text"], "before");
    assert_eq!(second.record("blocks", block)["plain_text"], "after");
    assert_ids(&second, "pages", &[newest]);
    assert_ids(&second, "blocks", &[block]);
}

#[test]
fn a_page_edited_in_the_minute_of_the_sync_is_read_again() {
    let (mut workspace, pages) = pages_a_minute_apart(3);
    let block = workspace.append_text(pages[1], "paragraph", "one");
    let notion = FakeNotion::start_blocking(workspace);
    notion.edit(|workspace| workspace.edit_block_text(block, "two"));
    let connector = Connector::new(&notion);
    let first = connector.read();
    notion.edit(|workspace| workspace.edit_block_text(block, "three"));
    let second = connector.state(first.state_file(&json!([]))).read();
    assert_eq!(first.record("blocks", block)["plain_text"], "two");
    assert_eq!(second.record("blocks", block)["plain_text"], "three");
}

#[test]
fn a_page_that_goes_away_in_mid_walk_ends_nothing() {
    for unshare in [true, false] {
        let (mut workspace, pages) = pages_a_minute_apart(10);
        for page in &pages {
            let toggle = workspace.append_text(*page, "toggle", "toggle");
            workspace.append_text(toggle, "paragraph", "inside");
        }
        let gone = pages[4];
        let is_gone = move |request: &LoggedRequest| request.route == Route::BlockChildren(Some(gone));
        let edit = move |workspace: &mut Workspace| {
            if unshare { workspace.unshare(gone) } else { workspace.trash(gone) }
        };
        let (notion, first, _second) = edit_once(workspace, is_gone, edit);
        notion.edit(|workspace| {
            for block in workspace.visible_blocks() {
                assert!(first.ids("blocks").contains(&block.id.to_string()));
            }
        });
    }
}

#[test]
fn a_page_that_search_lists_late_is_not_asked_for_for_ever() {
    // GIVEN a page that a tree shows before search does
    let (mut workspace, pages) = pages_a_minute_apart(3);
    workspace.settings.search_lag = std::time::Duration::from_hours(1);
    let late = workspace.add_page(pages[0], "New");
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let first = connector.read();
    first.assert_complete();
    assert!(first.ids("pages").contains(&late.to_string()));

    // WHEN search shows it
    notion.edit(|workspace| {
        workspace.settings.search_lag = std::time::Duration::ZERO;
        workspace.edit_title(late, "Edited");
    });
    notion.clear_requests();
    let second = connector.state(first.state_file(&json!([]))).read();

    // THEN it is a page like others
    second.assert_complete();
    assert_eq!(second.record("pages", late)["title"], "Edited");
    assert_eq!(notion.request_count(Route::Page(None)), 0);
}

/// A read of more pages than search lists from one end, and fewer than from both, of which one was edited before search
/// noticed: it stands at its old place.
fn assert_all_are_found(edited: usize, minutes_ago: i64) {
    let mut workspace = Workspace::new();
    workspace.settings.search_result_cap = 10;
    workspace.settings.max_page_size = 5;
    let pages: Vec<Uuid> = (0..18).map(|number| workspace.add_top_page_at("Page", at(40, number))).collect();
    workspace.settings.search_lag = std::time::Duration::from_mins(15);
    workspace.set_now(Some(Utc::now() - TimeDelta::minutes(minutes_ago)));
    workspace.edit_title(pages[edited], "Edited");
    workspace.set_now(None);
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let output = connector.streams(&["pages"]).read();
    output.assert_complete();
    assert_eq!(output.ids("pages").len(), pages.len());
}

#[test]
fn a_page_edited_just_now_does_not_end_the_search_from_the_other_end() {
    let last_of_a_result_page = 4;
    assert_all_are_found(last_of_a_result_page, 0);
}

#[test]
fn a_page_that_search_shows_late_does_not_end_the_search_from_the_other_end() {
    let middle_of_a_result_page = 2;
    assert_all_are_found(middle_of_a_result_page, 5);
}
