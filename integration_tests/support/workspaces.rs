//! Workspaces that several tests need, and what is asked of outputs again and again.

use std::{collections::BTreeSet, sync::mpsc};

use chrono::{DateTime, TimeDelta, Utc};
use fake_notion::{FakeNotion, LoggedRequest, Route, Workspace};
use serde_json::{Value, json};
use source_notion::streams::STREAMS;
use uuid::Uuid;

use super::{Connector, SyncOutput};

/// The names of all streams, in discover's order.
pub(crate) fn stream_names() -> Vec<&'static str> {
    STREAMS.iter().map(|stream| &*stream.spec().name).collect()
}

/// The names of the streams with a cursor, and so with a ledger.
pub(crate) fn incremental_streams() -> Vec<&'static str> {
    let with_cursor = STREAMS.iter().filter(|stream| stream.spec().cursor.is_some());
    with_cursor.map(|stream| &*stream.spec().name).collect()
}

/// A time some days ago.
pub(crate) fn days_ago(days: i64) -> DateTime<Utc> {
    Utc::now() - TimeDelta::days(days)
}

/// A time some days ago, and some minutes after that.
pub(crate) fn at(days: i64, minutes: i64) -> DateTime<Utc> {
    days_ago(days) + TimeDelta::minutes(minutes)
}

/// Whether a stream has a record with this id.
pub(crate) fn contains(output: &SyncOutput, stream: &str, id: Uuid) -> bool {
    output.ids(stream).contains(&id.to_string())
}

/// A relation to this many pages.
pub(crate) fn relation(count: u128) -> Value {
    let entries: Vec<Value> = (0..count).map(|n| json!({"id": Uuid::from_u128(n).to_string()})).collect();
    json!({"type": "relation", "relation": entries})
}

/// Reads these streams from a platform's state, and takes in what it keeps of it.
pub(crate) fn read(connector: &Connector, streams: &[&str], state: &mut Value) -> SyncOutput {
    let output = connector.clone().streams(streams).state(state.clone()).read();
    *state = output.state_file(state);
    output
}

/// What a platform holds after a first sync.
pub(crate) fn state_after(output: &SyncOutput) -> Value {
    output.state_file(&json!([]))
}

/// What a platform has of a run that was killed right after its `count`-th state of a stream.
pub(crate) fn cut_after_state(output: &SyncOutput, stream: &str, count: usize) -> SyncOutput {
    let states = output.states();
    let state = states.iter().filter(|state| state.stream == stream).nth(count - 1).unwrap();
    let lines: Vec<&str> = output.stdout.lines().take(state.line + 1).collect();
    SyncOutput::parse(lines.join("\n") + "\n", String::new(), None)
}

/// All runs as one output.
pub(crate) fn together(runs: &[&SyncOutput]) -> SyncOutput {
    SyncOutput::parse(runs.iter().map(|run| run.stdout.as_str()).collect(), String::new(), None)
}

/// An old page, and an old one below it that search does not show; `add` adds what else is old. A new one stands beside
/// them.
pub(crate) fn hidden_below(add: impl FnOnce(&mut Workspace, [Uuid; 2])) -> (Workspace, [Uuid; 2]) {
    let mut workspace = Workspace::new();
    workspace.set_now(Some(days_ago(30)));
    let page = workspace.add_top_page("Page");
    let hidden = workspace.add_page(page, "Hidden");
    add(&mut workspace, [page, hidden]);
    workspace.set_now(None);
    workspace.hide_from_search(hidden);
    workspace.add_top_page_at("New", days_ago(1));
    (workspace, [page, hidden])
}

/// Blocks that are no records.
pub(crate) const LEFT_OUT: [&str; 3] = ["child_page", "child_database", "ai_block"];

/// Fails unless the records are exactly what a token can see of the workspace.
#[track_caller]
pub(crate) fn assert_reads_everything(output: &SyncOutput, workspace: &Workspace) {
    let pages: BTreeSet<String> = workspace.visible_pages().iter().map(|(id, _)| id.to_string()).collect();
    let blocks: BTreeSet<String> = workspace
        .visible_blocks()
        .iter()
        .filter(|block| block.reachable && !LEFT_OUT.contains(&block.kind.as_str()))
        .map(|block| block.id.to_string())
        .collect();
    let comments: BTreeSet<String> = workspace
        .visible_comments()
        .iter()
        .filter(|comment| !comment.on_block)
        .map(|comment| comment.id.to_string())
        .collect();
    assert_eq!(output.ids("pages"), pages);
    assert_eq!(output.content_ids("blocks"), blocks);
    assert_eq!(output.content_ids("comments"), comments);
}

/// A workspace with this many top pages, one minute apart, the oldest first.
pub(crate) fn pages_a_minute_apart(count: i64) -> (Workspace, Vec<Uuid>) {
    let mut workspace = Workspace::with_seed(7);
    let pages = (0..count).map(|number| workspace.add_top_page_at(&format!("Page {number}"), at(30, number)));
    let pages = pages.collect();
    (workspace, pages)
}

/// A workspace with a database and this many rows in it that search does not show, one minute apart.
pub(crate) fn hidden_rows(count: i64) -> (Workspace, Uuid, Vec<Uuid>) {
    let mut workspace = Workspace::with_seed(8);
    let (_database, source) = workspace.add_top_database("Table", at(40, 0));
    let rows = (0..count).map(|number| {
        let row = workspace.add_row(source, &format!("Row {number}"), at(30, number));
        workspace.hide_from_search(row);
        row
    });
    let rows = rows.collect();
    (workspace, source, rows)
}

/// The searches for a kind of object.
pub(crate) fn searches(notion: &FakeNotion, kind: &str) -> Vec<LoggedRequest> {
    let is_wanted = |logged: &LoggedRequest| {
        logged.route == Route::Search
            && logged.body.as_ref().is_some_and(|body| body["filter"]["value"] == kind)
    };
    notion.requests().into_iter().filter(is_wanted).collect()
}

/// The bodies of the queries of a data source, for archived rows or for the others.
pub(crate) fn queries(notion: &FakeNotion, source: Uuid, archived: bool) -> Vec<Value> {
    let requests = notion.requests().into_iter();
    let bodies = requests
        .filter(|logged| logged.route == Route::QueryDataSource(Some(source)))
        .filter_map(|logged| logged.body);
    bodies.filter(|body| (body["is_archived"] == true) == archived).collect()
}

#[track_caller]
pub(crate) fn assert_ids(output: &SyncOutput, stream: &str, expected: &[Uuid]) {
    let expected: BTreeSet<String> = expected.iter().map(Uuid::to_string).collect();
    assert_eq!(output.ids(stream), expected);
    assert!(output.id_counts(stream).values().all(|count| *count == 1), "{:?}", output.id_counts(stream));
}

/// Everything that a read may ask for.
pub(crate) const ROUTES: [Route; 9] = [
    Route::Users,
    Route::Search,
    Route::QueryDataSource(None),
    Route::BlockChildren(None),
    Route::Comments(None),
    Route::PageProperty(None),
    Route::Page(None),
    Route::Database(None),
    Route::DataSource(None),
];

/// Old pages, each with a block and a comment.
pub(crate) fn old_pages(count: usize) -> (Workspace, Vec<Uuid>) {
    let mut workspace = Workspace::new();
    workspace.set_now(Some(days_ago(30)));
    let pages = (0..count).map(|_page| {
        let page = workspace.add_top_page("Page");
        workspace.append_text(page, "paragraph", "text");
        workspace.add_comment(page, "comment");
        page
    });
    let pages = pages.collect();
    workspace.set_now(None);
    (workspace, pages)
}

/// Tells when the fake has received a request that the route covers.
pub(crate) fn received(notion: &FakeNotion, route: Route) -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    notion.on_request(move |request, _workspace| {
        if route.covers(request.route) {
            // Nobody waits for the second one.
            sender.send(()).unwrap_or_default();
        }
    });
    receiver
}
