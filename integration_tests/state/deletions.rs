//! Deletions: what is gone is told once, only what is gone, and what comes back comes whole.

use chrono::{DateTime, TimeDelta, Utc};
use fake_notion::{FakeNotion, Route, Workspace};
use serde_json::{Value, json};

use crate::support::{
    Connector, SyncOutput, contains, days_ago, incremental_streams, old_pages, read, stream_names,
};

const DELETED_AT: &str = "_ab_cdc_deleted_at";

/// Reads all streams once; returns the state.
fn synced(connector: &Connector) -> Value {
    let mut state = json!([]);
    read(connector, &stream_names(), &mut state).assert_complete();
    state
}

/// The records of a stream that say that something is gone.
fn deletions<'a>(output: &'a SyncOutput, stream: &str) -> Vec<&'a Value> {
    let records = output.records(stream).into_iter();
    records.filter(|record| record.get(DELETED_AT).is_some_and(Value::is_string)).collect()
}

/// The records of all streams but those that are read whole each time.
fn news(output: &SyncOutput) -> usize {
    incremental_streams().into_iter().map(|stream| output.records(stream).len()).sum()
}

#[test]
fn a_page_in_the_trash_is_told_with_what_notion_still_shows() {
    let (workspace, pages) = old_pages(3);
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let mut state = json!([]);
    let first = read(&connector, &stream_names(), &mut state);
    assert!(
        first
            .records("pages")
            .iter()
            .all(|page| page[DELETED_AT].is_null() && page.get(DELETED_AT).is_some())
    );
    notion.edit(|workspace| workspace.trash(pages[1]));

    // WHEN
    let second = read(&connector, &stream_names(), &mut state);

    // THEN one record says so, and blocks and comments say nothing
    second.assert_complete();
    assert_eq!(news(&second), 1);
    let [deletion] = deletions(&second, "pages")[..] else { panic!("{:?}", second.records("pages")) };
    assert_eq!(deletion["id"], pages[1].to_string());
    assert_eq!((&deletion["in_trash"], &deletion["title"]), (&json!(true), &json!("Page")));
    let at: DateTime<Utc> = deletion[DELETED_AT].as_str().unwrap().parse().unwrap();
    assert!((Utc::now() - at).abs() < TimeDelta::minutes(1), "{at}");
    let sent = first.record("pages", pages[1])["last_edited_time"].as_str().unwrap();
    assert!(deletion["last_edited_time"].as_str().unwrap() >= sent);
    assert!(second.report().contains("1 deletion"), "{}", second.report());

    // AND it is told once
    assert_eq!(news(&read(&connector, &stream_names(), &mut state)), 0);
}

#[test]
fn a_page_that_notion_does_not_find_any_more_is_told_by_its_id() {
    for purge in [false, true] {
        let (workspace, pages) = old_pages(3);
        let notion = FakeNotion::start_blocking(workspace);
        let connector = Connector::new(&notion);
        let mut state = synced(&connector);
        notion.edit(|workspace| if purge { workspace.purge(pages[1]) } else { workspace.unshare(pages[1]) });
        notion.clear_requests();
        let second = read(&connector, &stream_names(), &mut state);
        second.assert_complete();
        let [deletion] = deletions(&second, "pages")[..] else { panic!("{:?}", second.records("pages")) };
        assert_eq!(deletion["id"], pages[1].to_string());
        assert_eq!(news(&second), 1);
        assert_eq!(notion.request_count(Route::Page(None)), 1);
        let third = read(&connector, &stream_names(), &mut state);
        assert_eq!(news(&third), 0);
        assert_eq!(notion.request_count(Route::Page(None)), 1);
    }
}

#[test]
fn what_is_shared_or_restored_again_comes_whole() {
    for unshare in [false, true] {
        let (workspace, pages) = old_pages(3);
        let notion = FakeNotion::start_blocking(workspace);
        let connector = Connector::new(&notion);
        let mut state = synced(&connector);
        notion
            .edit(|workspace| if unshare { workspace.unshare(pages[1]) } else { workspace.trash(pages[1]) });
        read(&connector, &stream_names(), &mut state).assert_complete();

        // WHEN it is back, with its old time
        notion
            .edit(|workspace| if unshare { workspace.share(pages[1]) } else { workspace.restore(pages[1]) });
        let third = read(&connector, &stream_names(), &mut state);

        // THEN all of it comes
        third.assert_complete();
        for stream in ["pages", "blocks", "comments"] {
            assert_eq!(third.records(stream).len(), 1, "{stream}");
        }
        assert!(third.record("pages", pages[1])[DELETED_AT].is_null());
    }
}

#[test]
fn a_state_without_the_version_goes_out_before_the_deletion() {
    // GIVEN a sync that tells a deletion, and that is killed right before
    let (workspace, pages) = old_pages(3);
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let mut state = synced(&connector);
    notion.edit(|workspace| workspace.unshare(pages[1]));
    let streams = ["pages", "blocks", "comments"];
    let before = state.clone();
    let second = read(&connector, &streams, &mut state);
    let (line, ..) = second.all_records().find(|(_, _, record)| record[DELETED_AT].is_string()).unwrap();

    // WHEN the page is shared again, unchanged, and the next sync goes on from any state around the deletion
    notion.edit(|workspace| workspace.share(pages[1]));
    let told: Vec<usize> = second.states().iter().map(|state| state.line).collect();
    assert!(
        told.iter().any(|state| *state < line) && told.iter().any(|state| *state > line),
        "{told:?}, {line}"
    );
    let last_before = told.iter().filter(|state| **state < line).max().unwrap();
    for cut in [*last_before, *told.last().unwrap()] {
        let mut killed = second.clone();
        killed.messages.truncate(cut + 1);
        let mut state = killed.state_file(&before);
        let third = read(&connector, &streams, &mut state);

        // THEN the page comes again, although the platform may have its deletion
        third.assert_complete();
        assert!(contains(&third, "pages", pages[1]), "{cut}");
        assert_eq!((third.records("blocks").len(), third.records("comments").len()), (1, 1), "{cut}");
    }
}

#[test]
fn a_data_source_that_is_gone_is_told_and_so_are_its_rows() {
    for purge in [false, true] {
        let mut workspace = Workspace::new();
        workspace.set_now(Some(days_ago(30)));
        let (database, source) = workspace.add_top_database("Table", days_ago(30));
        let rows = [0, 1].map(|_row| workspace.add_row(source, "Row", days_ago(30)));
        workspace.add_top_page("Page");
        workspace.set_now(None);
        let notion = FakeNotion::start_blocking(workspace);
        let connector = Connector::new(&notion);
        let mut state = synced(&connector);
        notion.edit(|workspace| if purge { workspace.purge(database) } else { workspace.trash(database) });
        let second = read(&connector, &stream_names(), &mut state);
        second.assert_complete();
        let ids = |stream| {
            let mut ids: Vec<String> = deletions(&second, stream)
                .iter()
                .map(|gone| gone["id"].as_str().unwrap().to_owned())
                .collect();
            ids.sort();
            ids
        };
        assert_eq!(ids("data_sources"), [source.to_string()]);
        let mut expected = rows.map(|row| row.to_string());
        expected.sort();
        assert_eq!(ids("pages"), expected);
        assert_eq!(news(&read(&connector, &stream_names(), &mut state)), 0);
    }
}

#[test]
fn a_page_that_becomes_a_database_is_gone_and_its_rows_come() {
    // GIVEN a page whose id, asked for, turns out to be that of a database
    let (mut workspace, pages) = old_pages(2);
    let (_database, source) = workspace.add_database(pages[0], "Table", days_ago(20));
    let row = workspace.add_row(source, "Row", days_ago(20));
    for id in [source, row] {
        workspace.hide_from_search(id);
    }
    workspace.touch(pages[0], days_ago(30));
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let streams = ["data_sources", "pages"];
    let mut state = json!([]);
    read(&connector, &streams, &mut state).assert_complete();
    let turned = pages[1];
    notion.edit(|workspace| workspace.unshare(turned));
    let message =
        format!("Provided ID {turned} is a database, not a page. Use the retrieve database API instead.");
    notion.fail(Route::Page(Some(turned)), fake_notion::Fault::error(400, "validation_error", &message));
    let body =
        json!({"object": "database", "id": turned.to_string(), "data_sources": [{"id": source.to_string()}]});
    notion.fail(Route::Database(Some(turned)), fake_notion::Fault::json(body.to_string()));
    let second = read(&connector, &streams, &mut state);
    second.assert_complete();
    assert_eq!(
        deletions(&second, "pages").iter().map(|gone| &gone["id"]).collect::<Vec<_>>(),
        [&turned.to_string()]
    );
    assert!(contains(&second, "data_sources", source));
    assert!(contains(&second, "pages", row));
}

#[test]
fn deletions_need_not_be_reported() {
    let (workspace, pages) = old_pages(3);
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion).with_config("report_deletions", json!(false));
    let mut state = synced(&connector);
    notion.edit(|workspace| workspace.unshare(pages[0]));
    notion.edit(|workspace| workspace.trash(pages[1]));
    notion.clear_requests();
    let second = read(&connector, &stream_names(), &mut state);
    second.assert_complete();
    assert_eq!((news(&second), notion.request_count(Route::Page(None))), (0, 0));

    // WHEN one is shared again THEN it was never gone
    notion.edit(|workspace| workspace.share(pages[0]));
    assert_eq!(news(&read(&connector, &stream_names(), &mut state)), 0);
}

#[test]
fn where_most_pages_are_not_found_nothing_is_deleted_until_the_data_is_cleared() {
    // GIVEN a connection that loses most of what it was shared with
    let (workspace, pages) = old_pages(25);
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let mut state = synced(&connector);
    let lost = &pages[..15];
    notion.edit(|workspace| lost.iter().for_each(|page| workspace.unshare(*page)));
    let assert_held = |state: &mut Value| {
        let output = read(&connector, &stream_names(), state);
        assert_eq!(output.exit_code, Some(1));
        for stream in incremental_streams() {
            assert_eq!(output.statuses(stream).last().unwrap(), "INCOMPLETE", "{stream}");
            assert!(deletions(&output, stream).is_empty(), "{stream}");
        }
        let error = output.error_of("pages");
        assert_eq!(error["failure_type"], "config_error");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("15 of the 25") && message.contains("clear the stream's data"), "{message}");
        output
    };
    assert_eq!(news(&assert_held(&mut state)), 0);

    // WHEN many pages are added THEN they do not wear it off
    notion.edit(|workspace| {
        for _page in 0..60 {
            workspace.add_top_page_at("New", days_ago(1));
        }
    });
    let held = read(&connector, &stream_names(), &mut state);
    assert_eq!(held.exit_code, Some(1));
    assert!(deletions(&held, "pages").is_empty());

    // WHEN the data is cleared THEN what is there is read, and nothing else is known
    let mut cleared = json!([]);
    let fresh = read(&connector, &stream_names(), &mut cleared);
    fresh.assert_complete();
    assert_eq!((fresh.ids("pages").len(), deletions(&fresh, "pages").len()), (70, 0));

    // WHEN instead the pages are shared again THEN nothing of them was lost
    notion.edit(|workspace| lost.iter().for_each(|page| workspace.share(*page)));
    let final_read = read(&connector, &stream_names(), &mut state);
    final_read.assert_complete();
    assert!(deletions(&final_read, "pages").is_empty());
    assert!(lost.iter().all(|page| !contains(&final_read, "pages", *page)), "they were delivered before");
}

#[test]
fn half_of_the_pages_may_go_and_so_may_few_or_whatever_lies_in_the_trash() {
    for (count, lost, trash) in [(24, 12, false), (10, 10, false), (30, 29, true)] {
        let (workspace, pages) = old_pages(count);
        let notion = FakeNotion::start_blocking(workspace);
        let connector = Connector::new(&notion);
        let mut state = synced(&connector);
        notion.edit(|workspace| {
            pages[..lost]
                .iter()
                .for_each(|page| if trash { workspace.trash(*page) } else { workspace.unshare(*page) });
        });
        let second = read(&connector, &stream_names(), &mut state);
        second.assert_complete();
        assert_eq!(deletions(&second, "pages").len(), lost, "{lost} of {count}");
    }
}

#[test]
fn many_pages_in_the_trash_are_explained_a_hundred_at_a_time() {
    let (workspace, pages) = old_pages(200);
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion).streams(&["pages"]);
    let mut state = json!([]);
    read(&connector, &["pages"], &mut state).assert_complete();
    notion.edit(|workspace| pages[..150].iter().for_each(|page| workspace.trash(*page)));
    notion.clear_requests();
    let second = read(&connector, &["pages"], &mut state);
    second.assert_complete();
    assert_eq!(deletions(&second, "pages").len(), 150);
    assert_eq!(notion.request_count(Route::Page(None)), 0);
    assert!(notion.request_count(Route::Search) <= 6, "{}", notion.request_count(Route::Search));
}
