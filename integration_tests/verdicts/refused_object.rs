//! Refusals that are about one object: 404, 403 and 400 cost that object, are told, and nothing else.

use std::collections::BTreeSet;

use chrono::{TimeDelta, Utc};
use fake_notion::{FakeNotion, Fault, Route, Workspace};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Connector, SyncOutput, contains, days_ago, incremental_streams, stream_names};

/// Two pages that search shows, and below the first a page and a database that it does not show.
struct Small {
    notion: FakeNotion,
    page: Uuid,
    toggle: Uuid,
    hidden_page: Uuid,
    hidden_database: Uuid,
    hidden_source: Uuid,
}

impl Small {
    /// The same ids each time.
    fn new() -> Self {
        let mut workspace = Workspace::with_seed(23);
        let time = Utc::now() - TimeDelta::days(9);
        workspace.set_default_time(Some(time));
        let [page, other] = ["Page", "Other"].map(|title| {
            let page = workspace.add_top_page(title);
            workspace.add_comment(page, "comment");
            page
        });
        workspace.append_text(other, "paragraph", "text");
        let toggle = workspace.append_text(page, "toggle", "outside");
        workspace.append_text(toggle, "paragraph", "inside");
        let hidden_page = workspace.add_page(page, "Hidden");
        let (hidden_database, hidden_source) = workspace.add_database(page, "Hidden", time);
        let row = workspace.add_row(hidden_source, "Row", time);
        for id in [hidden_page, hidden_source, row] {
            workspace.hide_from_search(id);
        }
        workspace.set_default_time(None);
        let notion = FakeNotion::start_blocking(workspace);
        Self { notion, page, toggle, hidden_page, hidden_database, hidden_source }
    }

    fn read(&self) -> SyncOutput {
        Connector::new(&self.notion).with_config("num_workers", json!(1)).read()
    }
}

/// What the report says was skipped, with the stream for which it says so.
fn skipped(output: &SyncOutput) -> Vec<(&'static str, String)> {
    let report = output.report();
    let mut skipped = Vec::new();
    for stream in stream_names() {
        let (_before, of_stream) = report.split_once(&format!(" {stream}: ")).unwrap();
        let (of_stream, _others) = of_stream.split_once(';').unwrap();
        // The reasons hold commas themselves.
        let reasons = of_stream.split(", skipped ").skip(1);
        skipped.extend(reasons.map(|reason| (stream, reason.to_owned())));
    }
    skipped
}

/// The last status of each stream.
fn ends(output: &SyncOutput) -> Vec<(&'static str, String)> {
    stream_names().into_iter().map(|stream| (stream, output.statuses(stream).pop().unwrap())).collect()
}

#[track_caller]
fn assert_all_complete(output: &SyncOutput, case: &str) {
    assert!(ends(output).iter().all(|(_stream, status)| status == "COMPLETE"), "{case}: {:?}", ends(output));
}

#[track_caller]
fn assert_nothing_was_retried(output: &SyncOutput, case: &str) {
    assert!(output.report().contains(", 0 retried, "), "{case}");
}

/// One object that is refused with each of these statuses, and what a sync makes of that.
struct Case {
    refused: Route,
    statuses: &'static [u16],
    /// What the report tells, and for which stream.
    told: (&'static str, &'static str),
    /// The records of data sources, pages, blocks and comments that are read nevertheless.
    read: [usize; 4],
}

#[test]
fn a_refusal_of_one_object_is_counted_for_its_stream_and_ends_nothing() {
    let Small { page, toggle, hidden_page, hidden_database, hidden_source, .. } = Small::new();
    let case = |refused, statuses, told, read| Case { refused, statuses, told, read };
    let all = &[404, 403, 400];
    let cases = [
        case(
            Route::Page(Some(hidden_page)),
            all,
            ("pages", "1 × page not found or not shared"),
            [1, 3, 3, 2],
        ),
        case(
            Route::DataSource(Some(hidden_source)),
            all,
            ("data_sources", "1 × data source not found or not shared"),
            [0, 3, 3, 2],
        ),
        case(
            Route::Database(Some(hidden_database)),
            all,
            ("data_sources", "1 × database that is a linked view, or not shared"),
            [0, 3, 3, 2],
        ),
        // Archived rows are asked for on their own.
        case(
            Route::QueryDataSource(Some(hidden_source)),
            &[404, 403],
            ("pages", "2 × rows of a data source that is not found or not shared"),
            [1, 3, 3, 2],
        ),
        case(
            Route::Comments(Some(page)),
            &[404],
            ("comments", "1 × page not found or not shared"),
            [1, 4, 3, 1],
        ),
        case(
            Route::Comments(Some(page)),
            &[400],
            ("comments", "1 × page whose comments Notion refuses to list"),
            [1, 4, 3, 1],
        ),
        case(
            Route::Comments(Some(page)),
            &[403],
            ("comments", "1 × page whose comments Notion denies"),
            [1, 4, 3, 1],
        ),
        // What is below the page is found only there.
        case(
            Route::BlockChildren(Some(page)),
            &[404, 403],
            ("blocks", "1 × page not found or not shared"),
            [0, 2, 1, 2],
        ),
        case(
            Route::BlockChildren(Some(page)),
            &[400],
            ("blocks", "1 × page that Notion refuses to list"),
            [0, 2, 1, 2],
        ),
        case(
            Route::BlockChildren(Some(toggle)),
            &[404, 403],
            ("blocks", "1 × subtree not found or not shared"),
            [1, 4, 2, 2],
        ),
        case(
            Route::BlockChildren(Some(toggle)),
            &[400],
            ("blocks", "1 × subtree of a toggle block that Notion refuses to list"),
            [1, 4, 2, 2],
        ),
    ];
    for Case { refused, statuses, told: (stream, told), read } in cases {
        for status in statuses {
            let case = format!("{status} for {refused:?}");
            let small = Small::new();
            small.notion.fail_always(refused, Fault::status(*status));
            let output = small.read();
            assert_eq!(output.exit_code, Some(0), "{case}");
            assert_all_complete(&output, &case);
            assert_eq!(skipped(&output), [(stream, told.to_owned())], "{case}");
            assert_eq!(output.logs().last().unwrap().1, output.report(), "{case}");
            assert_nothing_was_retried(&output, &case);
            let counts =
                ["data_sources", "pages", "blocks", "comments"].map(|stream| output.records(stream).len());
            assert_eq!(counts, read, "{case}");
            // The state is that of a complete sync.
            for stream in incremental_streams() {
                let state = output.last_state(stream);
                let cursor = state.get("state").unwrap_or(&state).get("last_edited_time");
                assert!(cursor.is_some_and(Value::is_string), "{case}: {stream}: {state}");
            }
        }
    }
}

#[test]
fn archived_rows_that_notion_refuses_to_list_cost_only_themselves() {
    let small = Small::new();
    let query = Route::QueryDataSource(Some(small.hidden_source));
    // One worker asks for the archived rows last.
    small.notion.fail_after(query, 1, Fault::status(400));
    let output = small.read();
    let refused = small.notion.requests().into_iter().filter(|request| request.status == 400);
    let refused: Vec<Option<Value>> =
        refused.map(|request| request.body.map(|body| body["is_archived"].clone())).collect();
    assert_eq!(refused, [Some(json!(true))]);
    output.assert_complete();
    assert_all_complete(&output, "archived rows");
    let told = "1 × archived rows of a data source that Notion refuses to list".to_owned();
    assert_eq!(skipped(&output), [("pages", told)]);
    assert_nothing_was_retried(&output, "archived rows");
    assert_eq!(output.ids("pages").len(), 4);
}

#[test]
fn denied_comments_stop_their_stream_at_its_old_cursor_for_the_capability_is_missing() {
    let small = Small::new();
    small.notion.fail_always(Route::Comments(None), Fault::status(403));
    let output = small.read();
    assert_eq!(output.exit_code, Some(1));
    for (stream, status) in ends(&output) {
        let expected = if stream == "comments" { "INCOMPLETE" } else { "COMPLETE" };
        assert_eq!(status, expected, "{stream}");
    }
    let error = output.error_of("comments");
    assert_eq!(error["failure_type"], "config_error");
    assert!(error["message"].as_str().unwrap().contains("\"Read comments\""), "{error}");
    assert_eq!(skipped(&output), []);
    assert_eq!(output.logs().last().unwrap().1, output.report());
    assert_nothing_was_retried(&output, "comments");
    // No cursor: all of them are asked for again.
    let state = output.last_state("comments");
    assert_eq!((state.get("state"), state.get("last_edited_time")), (None, None), "{state}");
    small.notion.clear_faults();
    let next = Connector::new(&small.notion).state(output.state_file(&json!([]))).read();
    next.assert_complete();
    let read: BTreeSet<String> = [&output, &next].iter().flat_map(|output| output.ids("comments")).collect();
    assert_eq!(read.len(), 2);
}

#[test]
fn rows_that_notion_refuses_to_list_are_counted_and_come_once_it_lists_them() {
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
    first.assert_complete();
    assert!(!contains(&first, "pages", row));
    let told = "skipped 1 × rows of a data source that Notion refuses to list";
    assert!(first.report().contains(told), "{}", first.report());
    let is_named = |(level, text): &(String, String)| level == "WARN" && text.contains(&source.to_string());
    assert!(first.logs().iter().any(is_named), "{:?}", first.logs());
    second.assert_complete();
    assert!(contains(&second, "pages", row));
}
