//! What no listing shows: who knows of it, from when it is read, and when it is forgotten.

use chrono::Utc;
use fake_notion::{FakeNotion, Fault, Route, Workspace};
use serde_json::{Value, json};

use crate::support::{Connector, contains, days_ago, hidden_below, read, relation};

#[test]
fn an_unfinished_state_does_not_claim_what_only_another_stream_knew() {
    // GIVEN a hidden page with an old comment and a hidden table with an old row, found by a sync of blocks alone, and
    // comments and pages that have cursors of their own
    let mut workspace = Workspace::new();
    workspace.set_now(Some(days_ago(30)));
    let page = workspace.add_top_page("Page");
    let hidden = workspace.add_page(page, "Hidden");
    let comment = workspace.add_comment(hidden, "old comment");
    let (_database, source) = workspace.add_database(page, "Table", days_ago(30));
    let row = workspace.add_row(source, "Row", days_ago(30));
    for id in [hidden, source, row] {
        workspace.hide_from_search(id);
    }
    workspace.set_now(None);
    workspace.add_top_page_at("New", days_ago(1));
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let mut state = json!([]);
    read(&connector, &["comments", "pages"], &mut state).assert_complete();
    read(&connector, &["blocks"], &mut state).assert_complete();

    // WHEN a sync of all of them ends before it has read anything
    notion.fail_always(Route::Search, Fault::status(500));
    let failed = read(&connector, &["pages", "blocks", "comments"], &mut state);
    assert_eq!(failed.exit_code, Some(1));
    notion.clear_faults();
    let next = read(&connector, &["pages", "blocks", "comments"], &mut state);

    // THEN what those streams have never seen comes with it, or with the next one
    next.assert_complete();
    for (stream, id) in [("comments", comment), ("pages", hidden), ("pages", row)] {
        assert!(contains(&failed, stream, id) || contains(&next, stream, id), "{stream}");
    }
}

#[test]
fn what_a_tree_shows_is_remembered_although_the_comments_of_its_page_failed() {
    // GIVEN a sync that reads the tree of a page, which alone leads to two objects, and not its comments
    let (mut workspace, [page, hidden]) = hidden_below(|_workspace, _pages| {});
    let (_database, source) = workspace.add_database(page, "Table", days_ago(30));
    workspace.hide_from_search(source);
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let streams = ["data_sources", "pages", "blocks", "comments"];
    notion.fail_always(Route::Comments(Some(page)), Fault::status(500));
    let mut state = json!([]);
    let first = read(&connector, &streams, &mut state);
    assert_eq!(first.exit_code, Some(1));
    assert_eq!(first.statuses("blocks").last().unwrap(), "COMPLETE");

    // WHEN both change, and comments fail again
    let row = notion.edit(|workspace| {
        workspace.edit_page_title(hidden, "renamed");
        let row = workspace.add_row(source, "Row", Utc::now());
        workspace.hide_from_search(row);
        row
    });
    let second = read(&connector, &streams, &mut state);

    // THEN the changes come
    assert!(contains(&second, "pages", hidden));
    assert!(contains(&second, "pages", row));
}

#[test]
fn what_is_below_a_page_that_failed_waits_for_a_sync_that_reads_trees() {
    for streams in [&["pages"][..], &["pages", "comments"]] {
        // GIVEN a page whose tree failed, and which alone leads to an old one
        let (workspace, [page, hidden]) = hidden_below(|_workspace, _pages| {});
        let notion = FakeNotion::start_blocking(workspace);
        let connector = Connector::new(&notion);
        notion.fail_always(Route::BlockChildren(Some(page)), Fault::status(500));
        let mut state = json!([]);
        assert_eq!(read(&connector, &["pages", "blocks"], &mut state).exit_code, Some(1));
        notion.clear_faults();

        // WHEN it is edited, and a sync without trees reads it
        notion.edit(|workspace| workspace.edit_page_title(page, "renamed"));
        let second = read(&connector, streams, &mut state);
        second.assert_complete();
        assert!(contains(&second, "pages", page), "{streams:?}");

        // THEN one with trees reads what is below
        let third = read(&connector, &["pages", "blocks"], &mut state);
        third.assert_complete();
        assert!(contains(&third, "pages", hidden), "{streams:?}");
    }
}

#[test]
fn a_page_that_search_shows_at_last_is_not_lost_by_a_run_that_is_killed_before_it_is_read() {
    // GIVEN a hidden page that blocks have found, comments never knew, and search shows now
    let mut old = None;
    let (workspace, [_page, hidden]) = hidden_below(|workspace, [_page, hidden]| {
        old = Some(workspace.add_comment(hidden, "old comment"));
    });
    let comment = old.unwrap();
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion)
        .with_config("num_workers", json!(1))
        .with_settings(|settings| settings.policy.records = 1);
    let mut state = json!([]);
    read(&connector, &["comments"], &mut state).assert_complete();
    read(&connector, &["blocks"], &mut state).assert_complete();
    notion.edit(|workspace| workspace.show_in_search(hidden));

    // WHEN a sync of both ends after any of its states
    let streams = ["blocks", "comments"];
    let whole = connector.clone().streams(&streams).state(state.clone()).read();
    let lines: Vec<usize> = whole.states().iter().map(|state| state.line).collect();
    assert!(lines.len() >= 3, "{lines:?}");
    for line in lines {
        let mut killed = whole.clone();
        killed.messages.truncate(line + 1);
        let mut state = killed.state_file(&state);

        // THEN the next one reads it if this one did not, and after that it is not asked for
        let next = read(&connector, &streams, &mut state);
        next.assert_complete();
        assert!(contains(&killed, "comments", comment) || contains(&next, "comments", comment));
        notion.clear_requests();
        read(&connector, &streams, &mut state).assert_complete();
        assert_eq!(notion.request_count(Route::Page(None)), 0);
    }
}

#[test]
fn a_data_source_that_only_a_wiki_shows_is_asked_for_by_every_sync() {
    // GIVEN a wiki with a data source that search does not show
    let mut workspace = Workspace::new();
    let home = workspace.add_top_page_at("Home", days_ago(20));
    let (_, wiki) = workspace.add_wiki(home, "Wiki", days_ago(20));
    let (_, inner) = workspace.add_database(wiki, "Inner", days_ago(20));
    let old = workspace.add_row(inner, "Old", days_ago(20));
    for id in [inner, old] {
        workspace.hide_from_search(id);
    }
    workspace.add_top_page_at("New", days_ago(1));
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let mut state = json!([]);
    let first = read(&connector, &["pages"], &mut state);
    first.assert_complete();
    assert!(contains(&first, "pages", old));

    // WHEN it gets a row
    let row = notion.edit(|workspace| {
        let row = workspace.add_row(inner, "New", Utc::now());
        workspace.hide_from_search(row);
        row
    });
    let second = read(&connector, &["pages"], &mut state);

    // THEN that comes, and the old one does not come again
    second.assert_complete();
    assert!(contains(&second, "pages", row));
    assert!(!contains(&second, "pages", old));
}

#[test]
fn a_data_source_in_a_wiki_that_search_shows_is_not_read_from_the_start_again() {
    let mut workspace = Workspace::new();
    let home = workspace.add_top_page_at("Home", days_ago(20));
    let (_, wiki) = workspace.add_wiki(home, "Wiki", days_ago(20));
    let (_, inner) = workspace.add_database(wiki, "Inner", days_ago(20));
    workspace.add_row(inner, "Old", days_ago(20));
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let mut state = json!([]);
    read(&connector, &["pages", "comments"], &mut state).assert_complete();
    let second = read(&connector, &["pages", "comments"], &mut state);
    second.assert_complete();
    assert_eq!(second.all_records().count(), 0);
}

#[test]
fn a_cursor_from_elsewhere_counts_for_rows_that_only_a_wiki_leads_to() {
    // GIVEN a cursor from elsewhere, and a wiki with a data source that search does not show
    let mut workspace = Workspace::new();
    let home = workspace.add_top_page_at("Home", days_ago(20));
    let (_, wiki) = workspace.add_wiki(home, "Wiki", days_ago(20));
    let (_, inner) = workspace.add_database(wiki, "Inner", days_ago(1));
    let [old, new] = [20, 2].map(|days| workspace.add_row(inner, "Row", days_ago(days)));
    for id in [inner, old, new] {
        workspace.hide_from_search(id);
    }
    workspace.touch(inner, days_ago(1));
    let notion = FakeNotion::start_blocking(workspace);
    let cursor = json!({"last_edited_time": days_ago(5).to_rfc3339()});
    let mut state = json!([{"type": "STREAM", "stream": {"stream_descriptor": {"name": "pages"}, "stream_state": cursor}}]);

    // WHEN it is read THEN what was edited before the cursor counts as delivered, and the rest comes
    let connector = Connector::new(&notion);
    let output = read(&connector, &["pages"], &mut state);
    output.assert_complete();
    assert_eq!((contains(&output, "pages", old), contains(&output, "pages", new)), (false, true));

    // AND the old row comes when it is edited
    notion.edit(|workspace| workspace.edit_page_title(old, "Edited"));
    let second = read(&connector, &["pages"], &mut state);
    second.assert_complete();
    assert_eq!(second.record("pages", old)["title"], "Edited");
}

#[test]
fn a_data_source_that_a_stream_never_knew_is_read_from_the_start_although_asking_for_it_failed_first() {
    // GIVEN a finished sync that saw nothing of a data source
    let mut workspace = Workspace::new();
    let (_, source) = workspace.add_top_database("Hidden", days_ago(30));
    let old = workspace.add_row(source, "Old", days_ago(30));
    for id in [source, old] {
        workspace.hide_from_search(id);
    }
    workspace.add_top_page_at("Page", days_ago(1));
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let mut state = json!([]);
    read(&connector, &["pages"], &mut state).assert_complete();

    // WHEN a row shows up, the data source cannot be asked for, and the sync after it lists the data source
    notion.edit(|workspace| workspace.add_row(source, "New", Utc::now()));
    notion.fail_always(Route::DataSource(Some(source)), Fault::status(500));
    let second = read(&connector, &["pages"], &mut state);
    assert_eq!(second.exit_code, Some(1));
    notion.clear_faults();
    notion.edit(|workspace| workspace.show_in_search(source));
    let third = read(&connector, &["pages"], &mut state);

    // THEN the old row comes
    third.assert_complete();
    assert!(contains(&third, "pages", old));
}

#[test]
fn a_hidden_page_whose_values_and_whose_tree_both_failed_is_read_whole_and_remembered() {
    // GIVEN a hidden page with a cut value, below another one, and everything about it fails
    let mut workspace = Workspace::new();
    workspace.set_now(Some(days_ago(30)));
    let page = workspace.add_top_page("Page");
    let hidden = workspace.add_page(page, "Hidden");
    let block = workspace.append_text(hidden, "paragraph", "text");
    let comment = workspace.add_comment(hidden, "comment");
    workspace.set_property_unstamped(hidden, "Relation", relation(30));
    workspace.hide_from_search(hidden);
    workspace.set_now(None);
    workspace.add_top_page_at("New", days_ago(1));
    let notion = FakeNotion::start_blocking(workspace);
    for route in
        [Route::PageProperty(Some(hidden)), Route::BlockChildren(Some(hidden)), Route::Comments(Some(hidden))]
    {
        notion.fail_always(route, Fault::status(500));
    }
    let connector = Connector::new(&notion);
    let streams = ["pages", "blocks", "comments"];
    let mut state = json!([]);
    assert_eq!(read(&connector, &streams, &mut state).exit_code, Some(1));

    // WHEN nothing fails any more
    notion.clear_faults();
    let second = read(&connector, &streams, &mut state);

    // THEN it comes whole, although it is older than all cursors, and its next edit is found
    second.assert_complete();
    assert!(contains(&second, "pages", hidden));
    assert!(contains(&second, "blocks", block));
    assert!(contains(&second, "comments", comment));
    notion.edit(|workspace| workspace.edit_block_text(block, "new"));
    let third = read(&connector, &streams, &mut state);
    third.assert_complete();
    assert!(contains(&third, "blocks", block));
}

#[test]
fn what_no_listing_shows_is_forgotten_when_it_is_in_the_trash() {
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page_at("Page", days_ago(20));
    let hidden = workspace.add_page_at(page, "Hidden", days_ago(20));
    workspace.hide_from_search(hidden);
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let mut state = json!([]);
    read(&connector, &["blocks"], &mut state).assert_complete();
    let asked = |state: &mut Value| {
        notion.clear_requests();
        read(&connector, &["blocks"], state).assert_complete();
        notion.request_count(Route::Page(Some(hidden)))
    };
    assert_eq!(asked(&mut state), 1, "no listing shows it, so it is asked for");
    notion.edit(|workspace| workspace.trash(hidden));
    assert_eq!(asked(&mut state), 1);
    assert_eq!(asked(&mut state), 0);
}
