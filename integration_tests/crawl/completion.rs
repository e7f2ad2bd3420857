//! Values that Notion cuts at 25 entries.

use std::time::{Duration, Instant};

use fake_notion::{CursorLifetime, FakeNotion, Fault, Route, Workspace, rich_text};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Connector, SyncOutput, days_ago, relation};

/// A workspace with two pages whose values can be set.
fn workspace() -> (Workspace, Uuid, Uuid) {
    let mut workspace = Workspace::with_seed(9);
    let page = workspace.add_top_page_at("Long", days_ago(20));
    let other = workspace.add_top_page_at("Short", days_ago(10));
    (workspace, page, other)
}

fn people(workspace: &mut Workspace, count: usize) -> Value {
    let people: Vec<Value> = (0..count)
        .map(|number| {
            let id = workspace.add_person(&format!("Person {number}"), None);
            json!({"object": "user", "id": id.to_string()})
        })
        .collect();
    json!({"type": "people", "people": people})
}

fn mentions(kind: &str, count: usize) -> Value {
    let text = |n: usize| rich_text::mention_page(Uuid::from_u128(n as u128), &format!("Page {n}"));
    let mut value = json!({"type": kind});
    value[kind] = (0..count).map(text).collect();
    value
}

/// The value of a property of a record.
#[track_caller]
fn value<'a>(output: &'a SyncOutput, page: Uuid, name: &str) -> &'a Value {
    let properties = output.record("pages", page)["properties"].as_array().unwrap();
    &properties.iter().find(|property| property["name"] == name).unwrap()["value"]
}

fn property_requests(notion: &FakeNotion, page: Uuid) -> usize {
    notion.request_count(Route::PageProperty(Some(page)))
}

#[test]
fn long_values_are_completed_and_short_ones_cost_no_request() {
    let (mut workspace, page, other) = workspace();
    let people_30 = people(&mut workspace, 30);
    let people_24 = people(&mut workspace, 24);
    for (name, long, short) in [
        ("Relation", relation(130), relation(25)),
        ("People", people_30, people_24),
        ("Text", mentions("rich_text", 27), mentions("rich_text", 24)),
    ] {
        workspace.set_property_unstamped(page, name, long);
        workspace.set_property_unstamped(other, name, short);
    }
    let notion = FakeNotion::start_blocking(workspace);
    let output = Connector::new(&notion).streams(&["pages"]).read();
    output.assert_complete();
    let relation = value(&output, page, "Relation");
    let ids: Vec<&Value> =
        relation["relation"].as_array().unwrap().iter().map(|entry| &entry["id"]).collect();
    let expected: Vec<Value> = (0..130).map(|n| json!(Uuid::from_u128(n).to_string())).collect();
    assert_eq!(ids, expected.iter().collect::<Vec<_>>());
    assert_eq!(relation["has_more"], false);
    assert_eq!(value(&output, page, "People")["people"].as_array().unwrap().len(), 30);
    assert_eq!(value(&output, page, "Text")["rich_text"].as_array().unwrap().len(), 27);
    assert_eq!(property_requests(&notion, page), 2 + 1 + 1);
    assert_eq!(property_requests(&notion, other), 0);
    assert_eq!(value(&output, other, "Relation")["relation"].as_array().unwrap().len(), 25);
}

#[test]
fn a_title_of_many_mentions_is_completed() {
    let (mut workspace, page, _other) = workspace();
    workspace.set_property_unstamped(page, "title", mentions("title", 40));
    let notion = FakeNotion::start_blocking(workspace);
    let output = Connector::new(&notion).streams(&["pages"]).read();
    output.assert_complete();
    assert_eq!(value(&output, page, "title")["title"].as_array().unwrap().len(), 40);
    assert!(output.record("pages", page)["title"].as_str().unwrap().contains("Page 39"));
}

#[test]
fn completion_can_be_turned_off() {
    let (mut workspace, page, _other) = workspace();
    workspace.set_property_unstamped(page, "Relation", relation(30));
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion).with_config("complete_properties", json!(false));
    let output = connector.streams(&["pages"]).read();
    output.assert_complete();
    assert_eq!(value(&output, page, "Relation")["relation"].as_array().unwrap().len(), 25);
    assert_eq!(value(&output, page, "Relation")["has_more"], true);
    assert_eq!(property_requests(&notion, page), 0);
}

#[test]
fn what_stays_incomplete_is_named_with_a_count() {
    let (mut workspace, page, other) = workspace();
    for page in [page, other] {
        workspace.set_property_unstamped(page, "Relation", relation(30));
        workspace.set_property_unstamped(
            page,
            "Rollup",
            json!({"type": "rollup", "rollup": {"type": "number", "number": 25, "function": "count"}}),
        );
        workspace.set_property_unstamped(
            page,
            "Formula",
            json!({"type": "formula", "formula": {"type": "number", "number": 25}}),
        );
    }
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_always(Route::PageProperty(Some(other)), Fault::status(404));
    let output = Connector::new(&notion).streams(&["pages"]).read();
    output.assert_complete();
    let report = output.report();
    for named in [
        "property \"Formula\" may be incomplete in 2 pages",
        "property \"Rollup\" may be incomplete in 2 pages",
        "property \"Relation\" may be incomplete in 1 pages",
    ] {
        assert!(report.contains(named), "{report}");
    }
    assert_eq!(value(&output, page, "Relation")["relation"].as_array().unwrap().len(), 30);
    assert_eq!(value(&output, other, "Relation")["has_more"], true);
}

#[test]
fn a_completion_that_fails_is_tried_again_by_the_next_sync() {
    // GIVEN a page whose long value cannot be listed now
    let (mut workspace, page, _other) = workspace();
    workspace.set_property_unstamped(page, "Relation", relation(30));
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_always(Route::PageProperty(Some(page)), Fault::status(500));
    let connector = Connector::new(&notion).streams(&["pages", "blocks"]);

    // WHEN
    let first = connector.read();

    // THEN the page is emitted as far as it is known, and remembered
    assert_eq!(first.exit_code, Some(1));
    assert_eq!(first.statuses("pages").last().unwrap(), "INCOMPLETE");
    assert_eq!(first.statuses("blocks").last().unwrap(), "COMPLETE");
    assert_eq!(value(&first, page, "Relation")["has_more"], true);
    assert_eq!(first.ids("pages").len(), 2);

    // WHEN it still fails, THEN it stays due
    let second = connector.clone().state(first.state_file(&json!([]))).read();
    assert_eq!(second.exit_code, Some(1));

    // WHEN it works again, THEN the page comes whole although it was not edited
    notion.clear_faults();
    let third = connector.clone().state(second.state_file(&json!([]))).read();
    third.assert_complete();
    assert_eq!(value(&third, page, "Relation")["relation"].as_array().unwrap().len(), 30);
    let fourth = connector.state(third.state_file(&json!([]))).read();
    fourth.assert_complete();
    assert_eq!(fourth.all_records().count(), 0);
}

#[test]
fn a_page_that_failed_to_be_completed_and_is_no_longer_cut_comes_whole() {
    let (mut workspace, page, _other) = workspace();
    workspace.set_property_unstamped(page, "Relation", relation(30));
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_always(Route::PageProperty(Some(page)), Fault::status(500));
    let connector = Connector::new(&notion).streams(&["pages"]);
    let first = connector.read();
    notion.edit(|workspace| workspace.set_property_unstamped(page, "Relation", relation(2)));
    let second = connector.state(first.state_file(&json!([]))).read();
    second.assert_complete();
    assert_eq!(value(&second, page, "Relation")["relation"].as_array().unwrap().len(), 2);
}

/// How many of these requests were under way at the same time, at most. Each takes this long at least.
fn most_at_once(received: &[Instant], latency: Duration) -> usize {
    let under_way = |now: &Instant| {
        received.iter().filter(|at| **at <= *now && now.duration_since(**at) < latency).count()
    };
    received.iter().map(under_way).max().unwrap_or_default()
}

/// When the requests of a route came.
fn received(notion: &FakeNotion, route: Route) -> Vec<Instant> {
    let requests = notion.requests().into_iter().filter(|request| route.covers(request.route));
    requests.map(|request| request.at).collect()
}

/// A workspace with this many pages whose only property is cut, and whose answers take a while.
fn slow_and_cut(pages: i64, latency: Duration) -> FakeNotion {
    let mut workspace = Workspace::with_seed(10);
    for _page in 0..pages {
        let page = workspace.add_top_page_at("Long", days_ago(20));
        workspace.set_property_unstamped(page, "Relation", relation(30));
    }
    workspace.settings.latency = latency;
    FakeNotion::start_blocking(workspace)
}

#[test]
fn values_of_many_pages_are_completed_at_the_same_time_and_no_more_than_the_workers_allow() {
    const LATENCY: Duration = Duration::from_millis(100);
    for workers in [3, 8] {
        let notion = slow_and_cut(40, LATENCY);
        let connector = Connector::new(&notion).with_config("num_workers", json!(workers));
        let output = connector.streams(&["pages"]).read();
        output.assert_complete();
        assert_eq!(output.ids("pages").len(), 40);
        let properties = received(&notion, Route::PageProperty(None));
        assert_eq!(properties.len(), 40);
        // A slow machine may send them with gaps, but hardly one after the other.
        let at_once = most_at_once(&properties, LATENCY);
        assert!(at_once > workers / 2, "{at_once} of {workers}");
        let at_once = most_at_once(&received(&notion, Route::Any), LATENCY);
        assert!(at_once <= workers, "{at_once} of {workers}");
    }
}

#[test]
fn the_rate_limit_of_a_completion_holds_everyone() {
    // GIVEN many pages to complete, and a limit that answers the first of them
    const LATENCY: Duration = Duration::from_millis(50);
    const WAIT: Duration = Duration::from_secs(2);
    let notion = slow_and_cut(40, LATENCY);
    notion.fail(Route::PageProperty(None), Fault::rate_limited(WAIT.as_secs()));

    // WHEN
    let output = Connector::new(&notion).streams(&["pages"]).read();

    // THEN every value is complete
    output.assert_complete();
    for page in output.records("pages") {
        assert_eq!(page["properties"][1]["value"]["relation"].as_array().unwrap().len(), 30);
    }
    // AND after the refusal came only what had been sent before it was known
    let requests = notion.requests();
    let refused: Vec<Instant> =
        requests.iter().filter(|request| request.held).map(|request| request.at).collect();
    assert_eq!(refused.len(), 1);
    let after = received(&notion, Route::Any).into_iter().filter(|at| *at > refused[0]);
    let (held, later): (Vec<Instant>, Vec<Instant>) = after.partition(|at| *at - refused[0] < WAIT);
    // Each of the other workers had one under way, and may have sent another one while the refusal was.
    assert!(held.len() <= 2 * 7, "{} requests while everyone had to wait", held.len());
    assert!(later.len() >= 20, "{} requests after the wait", later.len());
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
