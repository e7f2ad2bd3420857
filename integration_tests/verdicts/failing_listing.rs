//! Answers that go wrong, one kind at a time: either nothing is lost, or the stream says what is missing.

use std::{sync::Mutex, time::Duration};

use chrono::{TimeDelta, Utc};
use fake_notion::{CursorLifetime, FakeNotion, Fault, Route, Workspace, sample::sample_workspace};
use serde_json::{Value, json};
use source_notion::record::RawObject;

use crate::support::{
    Connector, ROUTES, SyncOutput, assert_reads_everything, cut_after_state, days_ago, incremental_streams,
    stream_names,
};

/// A sample workspace whose lists have several pages.
fn sample() -> FakeNotion {
    let mut workspace = sample_workspace();
    workspace.settings.max_page_size = 3;
    FakeNotion::start_blocking(workspace)
}

/// The routes that a complete read of the sample uses.
fn used_routes() -> Vec<Route> {
    let notion = sample();
    Connector::new(&notion).read().assert_complete();
    ROUTES.into_iter().filter(|route| notion.request_count(*route) > 0).collect()
}

/// Status and failure type of each stream that is not complete; fails unless all others are.
fn failures(output: &SyncOutput) -> Vec<(String, String)> {
    let streams = output.messages.iter().filter_map(|message| {
        let status = message.pointer("/trace/stream_status")?;
        (status["status"] == "STARTED").then(|| status["stream_descriptor"]["name"].as_str().unwrap())
    });
    let failed = streams.filter_map(|stream| match output.statuses(stream).last().unwrap().as_str() {
        "COMPLETE" => None,
        "INCOMPLETE" => {
            Some((stream.to_owned(), output.error_of(stream)["failure_type"].as_str().unwrap().to_owned()))
        }
        other => panic!("{stream} ends as {other}"),
    });
    let failed: Vec<_> = failed.collect();
    assert_eq!(output.exit_code, Some(i32::from(!failed.is_empty())));
    failed
}

fn failed_alike(streams: &[&str], failure_type: &str) -> Vec<(String, String)> {
    streams.iter().map(|stream| ((*stream).to_owned(), failure_type.to_owned())).collect()
}

fn held(retry_after: Option<&str>) -> Fault {
    Fault::RateLimited {
        retry_after: retry_after.map(str::to_owned),
        reason: Some("public_api_request_rate_limit".to_owned()),
    }
}

fn answer(status: u16, content_type: &str, body: &str) -> Fault {
    Fault::Raw {
        status,
        content_type: content_type.to_owned(),
        body: body.as_bytes().to_vec(),
        headers: Vec::new(),
    }
}

/// Everything that a later attempt gets past.
fn passing_faults() -> Vec<Fault> {
    let mut faults: Vec<Fault> = [408, 409, 500, 502, 503, 504, 520, 599].map(Fault::status).into();
    faults.extend([500, 502, 503, 504, 520].map(Fault::html));
    faults.push(Fault::error(503, "database_connection_unavailable", "Notion is unavailable"));
    faults.extend(
        ["0", "0.01", " 0 ", "Sun, 06 Nov 1994 08:49:37 GMT", "soon", "-5", ""].map(|text| held(Some(text))),
    );
    faults.extend([held(None), Fault::html(429), Fault::html(529), Fault::status(529)]);
    faults.push(answer(
        429,
        "application/json",
        r#"{"code":"rate_limited","additional_data":{"retry_after":0}}"#,
    ));
    faults.extend([Fault::Disconnect, Fault::ResetBeforeBody, Fault::CutBody, Fault::TruncatedJson]);
    faults.extend([Fault::corrupt_gzip(), answer(200, "text/html", "<html>Welcome</html>")]);
    faults.extend([answer(200, "application/json", ""), answer(200, "application/json", "\u{feff}{}")]);
    faults.push(Fault::Raw {
        status: 200,
        content_type: "application/json".to_owned(),
        body: vec![b'{', 0xff, 0xfe, b'}'],
        headers: Vec::new(),
    });
    faults.extend([Fault::Slow(Duration::from_millis(50)), Fault::Silence]);
    faults.push(Fault::SlowBody { chunk_delay: Duration::from_millis(10) });
    faults
}

#[test]
fn a_fault_that_passes_loses_nothing() {
    let routes = used_routes();
    assert!(routes.len() >= 7, "{routes:?}");
    // As many at once as a request survives.
    for faults in passing_faults().chunks(4) {
        let notion = sample();
        for route in &routes {
            for fault in faults {
                notion.fail(*route, fault.clone());
            }
        }
        let output = Connector::new(&notion).read();
        assert_eq!(notion.waiting_faults(), 0, "{faults:?}");
        assert_eq!(failures(&output), [], "{faults:?}: {:?}", output.errors());
        notion.edit(|workspace| assert_reads_everything(&output, workspace));
        for stream in stream_names() {
            assert!(output.id_counts(stream).values().all(|count| *count == 1), "{faults:?} repeat {stream}");
        }
    }
}

#[test]
fn one_answer_of_another_shape_is_asked_for_again() {
    // As some gateways give them, with status 200.
    let shapes = [
        r#"{"object":"error","status":503,"code":"service_unavailable","message":"m"}"#,
        r#"{"object":"list","results":null,"has_more":false,"next_cursor":null}"#,
    ];
    for shape in shapes {
        for route in [Route::Users, Route::Search, Route::BlockChildren(None), Route::Comments(None)] {
            let notion = sample();
            notion.fail(route, Fault::json(shape));
            let output = Connector::new(&notion).read();
            assert_eq!(notion.waiting_faults(), 0);
            assert_eq!(failures(&output), [], "{route:?}: {:?}", output.errors());
            notion.edit(|workspace| assert_reads_everything(&output, workspace));
        }
    }
}

#[test]
fn a_list_that_stumbles_loses_nothing() {
    let lists = [Fault::InvalidCursor, Fault::RepeatedCursor, Fault::HasMoreWithoutCursor];
    let lists = lists.into_iter().chain([Fault::EmptyPage, Fault::Standstill, Fault::DuplicateResults]);
    let routes: Vec<Route> = used_routes()
        .into_iter()
        .filter(|route| !matches!(route, Route::Page(_) | Route::Database(_) | Route::DataSource(_)))
        .collect();
    for fault in lists {
        let notion = sample();
        for route in &routes {
            notion.fail_times(*route, fault.clone(), 2);
        }
        let output = Connector::new(&notion).read();
        assert_eq!(failures(&output), [], "{fault:?}: {:?}", output.errors());
        notion.edit(|workspace| assert_reads_everything(&output, workspace));
        for stream in stream_names() {
            assert!(output.id_counts(stream).values().all(|count| *count == 1), "{fault:?} repeats {stream}");
        }
    }
}

/// Lets the positions of a route expire at the page of a listing that `last_page` says, given how often it was begun.
fn expire_positions(notion: &FakeNotion, route: Route, last_page: fn(usize) -> usize) {
    let counts = Mutex::new((0, 0));
    notion.on_request(move |request, workspace| {
        if !route.covers(request.route) {
            return;
        }
        let (begun, page) = &mut *counts.lock().unwrap();
        if request.start_cursor().is_none() {
            (*begun, *page) = (*begun + 1, 0);
        }
        *page += 1;
        let further_requests = if *page > last_page(*begun) { 0 } else { 1_000 };
        workspace.settings.cursor_lifetime = CursorLifetime::Requests(further_requests);
    });
}

/// A workspace with listings of forty result pages, and these: their routes and streams.
fn long_listings() -> (FakeNotion, [(Route, &'static str); 4]) {
    let mut workspace = Workspace::new();
    workspace.settings.max_page_size = 2;
    let pages = (0..80).map(|_page| {
        workspace.add_person("Person", None);
        workspace.add_top_page("Page")
    });
    let page = pages.last().unwrap();
    for _result in 0..80 {
        workspace.append_text(page, "paragraph", "text");
        workspace.add_comment(page, "comment");
    }
    let listings = [
        (Route::Users, "users"),
        (Route::Search, "pages"),
        (Route::BlockChildren(Some(page)), "blocks"),
        (Route::Comments(Some(page)), "comments"),
    ];
    (FakeNotion::start_blocking(workspace), listings)
}

/// How often listings were started again.
fn restarts(output: &SyncOutput) -> usize {
    output.logs().iter().filter(|(_level, text)| text.contains("A listing starts again")).count()
}

/// Reads a stream with nobody else's requests in between.
fn read_alone(notion: &FakeNotion, stream: &str) -> SyncOutput {
    Connector::new(notion).with_config("num_workers", json!(1)).streams(&[stream]).read()
}

#[test]
fn a_listing_whose_positions_expire_now_and_then_is_read_to_its_end() {
    for kind in 0..4 {
        // GIVEN positions that expire four pages farther each time
        let (notion, listings) = long_listings();
        let (route, stream) = listings[kind];
        expire_positions(&notion, route, |begun| begun * 4);
        // WHEN
        let output = read_alone(&notion, stream);
        // THEN
        output.assert_complete();
        let counts = output.id_counts(stream);
        assert!(counts.len() >= 80 && counts.values().all(|count| *count == 1), "{stream}: {counts:?}");
        assert!(restarts(&output) >= 8, "{stream}: {}", restarts(&output));
    }
}

#[test]
fn a_listing_that_gets_no_farther_ends_as_a_failure() {
    for kind in 0..4 {
        let (notion, listings) = long_listings();
        let (route, stream) = listings[kind];
        expire_positions(&notion, route, |_begun| 3);
        let output = read_alone(&notion, stream);
        let message = output.error_of(stream)["message"].as_str().unwrap().to_owned();
        // A search is read from its other end, too.
        let (expected, most) = match route {
            Route::Search => ("Notion's search shows at most its result limit from either end", 2 * 3),
            _other => ("A listing of Notion broke off", 3),
        };
        assert!(message.starts_with(expected), "{stream}: {message}");
        assert!(restarts(&output) <= most, "{stream}: {}", restarts(&output));
    }
}

#[test]
fn a_listing_that_grows_as_fast_as_its_positions_expire_ends_as_a_failure() {
    let (notion, _listings) = long_listings();
    expire_positions(&notion, Route::Search, |_begun| 3);
    notion.on_request(|request, workspace| {
        if request.route == Route::Search && request.start_cursor().is_none() {
            workspace.add_top_page("New page");
        }
    });
    let output = read_alone(&notion, "pages");
    let message = output.error_of("pages")["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("Notion's search shows at most its result limit"), "{message}");
}

#[test]
fn positions_are_used_before_they_expire() {
    let mut workspace = sample_workspace();
    workspace.settings.max_page_size = 3;
    // Several times what the other workers send between two requests of one, and a part of all requests.
    workspace.settings.cursor_lifetime = CursorLifetime::Requests(40);
    let notion = FakeNotion::start_blocking(workspace);
    let output = Connector::new(&notion).read();
    output.assert_complete();
    assert_eq!(restarts(&output), 0);
    assert!(notion.requests().len() > 80, "{}", notion.requests().len());
    notion.edit(|workspace| assert_reads_everything(&output, workspace));
}

#[test]
fn a_wrong_content_type_does_not_matter() {
    let notion = sample();
    let user = r#"{"object":"user","id":"0b9a5e0a-5e0a-4e0a-8e0a-0b9a5e0a5e0a","name":"U"}"#;
    let body = format!(r#"{{"results":[{user}],"has_more":false}}"#);
    notion.fail(Route::Users, answer(200, "text/plain", &body));
    let output = Connector::new(&notion).streams(&["users"]).read();
    output.assert_complete();
    assert_eq!(output.records("users"), [&serde_json::from_str::<Value>(user).unwrap()]);
}

/// Reads the sample while every request of a route fails.
fn read_failing(route: Route, fault: Fault) -> SyncOutput {
    let notion = sample();
    notion.fail_always(route, fault);
    Connector::new(&notion).read()
}

#[test]
fn a_listing_that_never_recovers_fails_its_stream_and_no_other() {
    let blocked = Fault::RateLimited {
        retry_after: Some("1".to_owned()),
        reason: Some("public_api_request_blocked".to_owned()),
    };
    let cases = [
        (Fault::status(500), "transient_error", "Notion is not available (status 500)"),
        (Fault::html(502), "transient_error", "Notion is not available (status 502)"),
        (Fault::status(403), "config_error", "lacks the capability \"Read user information\""),
        (Fault::status(404), "config_error", "Notion does not find the object"),
        (Fault::status(400), "system_error", "Notion rejected a request of the connector"),
        (Fault::error(400, "missing_version", "m"), "system_error", "Notion rejected a request"),
        (Fault::html(302), "config_error", "Got status 302"),
        (Fault::status(204), "config_error", "Got status 204"),
        (Fault::corrupt_gzip(), "transient_error", "broke off again and again"),
        (Fault::CutBody, "transient_error", "broke off again and again"),
        (Fault::ResetBeforeBody, "transient_error", "broke off again and again"),
        (Fault::Disconnect, "transient_error", "broke off again and again"),
        (Fault::TruncatedJson, "transient_error", "Something that is not Notion's API"),
        (Fault::json("<html>"), "transient_error", "Something that is not Notion's API"),
        (Fault::json("[]"), "system_error", "an answer that the connector cannot read"),
        (Fault::json(r#"{"object":"list"}"#), "system_error", "an answer that the connector cannot read"),
        (
            Fault::json(r#"{"results":{},"has_more":false}"#),
            "system_error",
            "an answer that the connector cannot read",
        ),
        (
            Fault::json(r#"{"results":[],"has_more":"no"}"#),
            "system_error",
            "an answer that the connector cannot read",
        ),
        (Fault::RepeatedCursor, "transient_error", "A listing of Notion broke off"),
        (Fault::HasMoreWithoutCursor, "transient_error", "A listing of Notion broke off"),
        (Fault::EmptyPage, "transient_error", "A listing of Notion broke off"),
        (Fault::Standstill, "transient_error", "A listing of Notion broke off"),
        (Fault::InvalidCursor, "transient_error", "A listing of Notion broke off"),
    ];
    for (fault, failure_type, message) in cases {
        let output = read_failing(Route::Users, fault.clone());
        assert_eq!(failures(&output), failed_alike(&["users"], failure_type), "{fault:?}");
        let told = output.error_of("users")["message"].as_str().unwrap().to_owned();
        assert!(told.contains(message), "{fault:?}: {told}");
    }
    // Nobody gets past these.
    let everyone = [
        (Fault::status(401), "refused the access token"),
        (Fault::html(401), "refused the access token"),
        (Fault::html(403), "network edge"),
        (blocked, "restricted the API access"),
    ];
    for (fault, message) in everyone {
        let output = read_failing(Route::Users, fault.clone());
        let told = output.error_of("users")["message"].as_str().unwrap().to_owned();
        assert!(told.contains(message), "{fault:?}: {told}");
        assert!(failures(&output).iter().all(|(_stream, kind)| kind == "config_error"), "{fault:?}");
    }
}

#[test]
fn silence_ends_as_a_failure_that_may_pass() {
    let output = read_failing(Route::Users, Fault::Silence);
    assert_eq!(failures(&output), failed_alike(&["users"], "transient_error"));
    assert!(output.error_of("users")["message"].as_str().unwrap().contains("did not answer in time"));
}

/// A body that comes in pieces, each in time, and as a whole too late.
const TRICKLE: Fault = Fault::SlowBody { chunk_delay: Duration::from_millis(150) };

/// A connector whose attempts may take a second, and whose answers may pause for most of it.
fn in_a_second(notion: &FakeNotion) -> Connector {
    Connector::new(notion).streams(&["users"]).with_settings(|settings| {
        settings.timeouts.read = Duration::from_millis(900);
        settings.timeouts.attempt = Duration::from_secs(1);
        settings.retry.max_retries = 1;
    })
}

#[test]
fn a_body_that_trickles_is_asked_for_again() {
    let notion = FakeNotion::start_blocking(sample_workspace());
    notion.fail(Route::Users, TRICKLE);
    let output = in_a_second(&notion).read();
    output.assert_complete();
    let requests = notion.requests();
    assert_eq!(requests.len(), 2);
    let waited = requests[1].at - requests[0].at;
    assert!(waited >= Duration::from_millis(950), "{waited:?}");
    assert!(output.logs().iter().any(|(level, text)| level == "WARN" && text.contains("no answer in time")));
}

#[test]
fn bodies_that_always_trickle_end_as_a_failure_that_may_pass() {
    let notion = FakeNotion::start_blocking(sample_workspace());
    notion.fail_always(Route::Users, TRICKLE);
    let output = in_a_second(&notion).read();
    assert_eq!(failures(&output), failed_alike(&["users"], "transient_error"));
    assert!(output.error_of("users")["message"].as_str().unwrap().contains("did not answer in time"));
    assert_eq!(notion.requests().len(), 2);
}

#[test]
fn without_search_only_users_are_complete() {
    let output = read_failing(Route::Search, Fault::status(503));
    assert_eq!(failures(&output), failed_alike(&incremental_streams(), "transient_error"));
}

#[test]
fn a_missing_capability_fails_only_the_stream_that_needs_it() {
    let output = read_failing(Route::Comments(None), Fault::status(403));
    assert_eq!(failures(&output), failed_alike(&["comments"], "config_error"));
    assert!(output.error_of("comments")["message"].as_str().unwrap().contains("\"Read comments\""));
}

/// A home page with two pages below it, each with a toggle that holds a paragraph, and a comment.
struct Small {
    notion: FakeNotion,
    pages: Vec<uuid::Uuid>,
    toggles: Vec<uuid::Uuid>,
}

impl Small {
    fn new() -> Self {
        let mut workspace = Workspace::new();
        let home = workspace.add_top_page("Home");
        let mut pages = Vec::new();
        let mut toggles = Vec::new();
        for title in ["One", "Two"] {
            let page = workspace.add_page(home, title);
            let toggle = workspace.append_text(page, "toggle", "outside");
            workspace.append_text(toggle, "paragraph", "inside");
            workspace.add_comment(page, "comment");
            pages.push(page);
            toggles.push(toggle);
        }
        Self { notion: FakeNotion::start_blocking(workspace), pages, toggles }
    }
}

#[test]
fn a_page_that_fails_is_read_by_the_next_sync() {
    for fault in [Fault::status(500), Fault::json("null"), Fault::HasMoreWithoutCursor, Fault::corrupt_gzip()]
    {
        let Small { notion, toggles, .. } = Small::new();
        notion.fail_always(Route::BlockChildren(Some(toggles[0])), fault.clone());
        let connector = Connector::new(&notion);
        let first = connector.read();
        let failed = failures(&first);
        assert_eq!(
            failed.iter().map(|(stream, _)| stream.as_str()).collect::<Vec<_>>(),
            // Its tree may lead to pages and data sources.
            ["data_sources", "pages", "blocks"],
            "{fault:?}"
        );

        notion.clear_faults();
        let second = connector.state(first.state_file(&json!([]))).read();
        second.assert_complete();
        let mut union = first.clone();
        union.messages.extend(second.messages);
        notion.edit(|workspace| assert_reads_everything(&union, workspace));
    }
}

#[test]
fn a_data_source_that_fails_is_listed_again_by_the_next_sync_and_then_no_more() {
    let mut workspace = Workspace::new();
    let home = workspace.add_top_page("Home");
    let long_ago = "2021-01-01T00:00:00Z".parse().unwrap();
    let (_, source) = workspace.add_database(home, "Table", long_ago);
    let row = workspace.add_row(source, "Row", long_ago);
    workspace.append_text(row, "paragraph", "text");
    workspace.touch(row, long_ago);
    workspace.hide_from_search(row);
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_always(Route::QueryDataSource(None), Fault::status(500));
    let connector = Connector::new(&notion);
    let first = connector.read();
    let failed: Vec<String> = failures(&first).into_iter().map(|(stream, _)| stream).collect();
    assert_eq!(failed, ["pages", "blocks", "comments"]);

    notion.clear_faults();
    let second = connector.clone().state(first.state_file(&json!([]))).read();
    second.assert_complete();
    let mut union = first.clone();
    union.messages.extend(second.messages.clone());
    notion.edit(|workspace| assert_reads_everything(&union, workspace));
    for stream in ["pages", "blocks", "comments"] {
        assert_eq!(second.last_state(stream).get("retry"), None, "{stream}");
    }
}

#[test]
fn what_is_gone_or_refused_is_skipped_and_counted() {
    let ai = Fault::error(400, "validation_error", "Block type ai_block is not supported via the API.");
    let linked = Fault::error(
        400,
        "validation_error",
        "Database with ID x does not contain any data sources accessible by this API bot.",
    );
    let cases = [
        (Fault::status(404), "subtree not found or not shared"),
        (Fault::status(403), "subtree not found or not shared"),
        (ai, "subtree of a toggle block that Notion refuses to list"),
        (linked, "subtree of a toggle block that Notion refuses to list"),
    ];
    for (fault, reason) in cases {
        let Small { notion, toggles, .. } = Small::new();
        notion.fail_always(Route::BlockChildren(Some(toggles[0])), fault.clone());
        let output = Connector::new(&notion).read();
        assert_eq!(failures(&output), [], "{fault:?}");
        assert_eq!(output.ids("blocks").len(), 3, "{fault:?}");
        assert!(output.report().contains(&format!("skipped 1 × {reason}")), "{fault:?}: {}", output.report());
    }
    let Small { notion, pages, .. } = Small::new();
    notion.fail_always(Route::BlockChildren(Some(pages[0])), Fault::status(404));
    notion.fail_always(Route::Comments(Some(pages[1])), Fault::status(404));
    let output = Connector::new(&notion).read();
    assert_eq!(failures(&output), []);
    assert_eq!((output.ids("blocks").len(), output.ids("comments").len()), (2, 1));
    assert_eq!(output.report().matches("skipped 1 × page not found or not shared").count(), 2);
}

#[test]
fn a_tree_that_leads_back_into_itself_ends() {
    let Small { notion, toggles, .. } = Small::new();
    let block = |id: uuid::Uuid| {
        json!({"object": "block", "id": id.to_string(), "type": "toggle", "has_children": true,
            "last_edited_time": "2026-01-01T00:00:00.000Z", "toggle": {"rich_text": []}})
    };
    let list = json!({"results": [block(toggles[0]), block(toggles[1])], "has_more": false});
    for toggle in &toggles {
        notion.fail_always(Route::BlockChildren(Some(*toggle)), Fault::json(list.to_string()));
    }
    let output = Connector::new(&notion).read();
    assert_eq!(failures(&output), []);
    // Once for each page, and once in each of the toggles below it.
    assert_eq!(notion.request_count(Route::BlockChildren(Some(toggles[0]))), 2);
    assert_eq!(notion.request_count(Route::BlockChildren(Some(toggles[1]))), 2);
}

#[test]
fn forty_levels_end_at_the_thirtieth_and_are_counted() {
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page("Deep");
    let mut parent = page;
    for level in 1..=40 {
        parent = workspace.append_text(parent, "toggle", &level.to_string());
    }
    let notion = FakeNotion::start_blocking(workspace);
    let output = Connector::new(&notion).read();
    assert_eq!(failures(&output), []);
    let depths: Vec<i64> =
        output.records("blocks").iter().map(|block| block["depth"].as_i64().unwrap()).collect();
    assert_eq!(depths, (1..=30).collect::<Vec<_>>());
    assert!(output.report().contains("skipped 1 × subtree deeper than 30 levels"), "{}", output.report());
}

#[test]
fn five_megabytes_of_text_come_out_whole() {
    let text = "ä\u{1F600}\"\\\n".repeat(5 * 1024 * 1024 / 9);
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page("Long");
    let block = workspace.append_text(page, "paragraph", &text);
    let notion = FakeNotion::start_blocking(workspace);
    let patient = |settings: &mut source_notion::Settings| settings.timeouts.read = Duration::from_mins(1);
    let output = Connector::new(&notion).with_settings(patient).read();
    output.assert_complete();
    let record = output.record("blocks", block);
    assert!(record["plain_text"] == text.as_str());
    assert!(record["paragraph"]["rich_text"][0]["plain_text"] == text.as_str());
}

/// Values that are legal JSON, and that nobody expects.
const STRANGE: [&str; 16] = [
    r#""\ud800""#,
    r#""a\udc00b\ud83d""#,
    r#""\u0000\u0001\u001f\u007f\u0085\u2028\u2029\ufeff\uffff""#,
    r#""\b\f\n\r\t\/\"\\""#,
    r#"{"":1,"a.b":{"c\"d":[]},"e\nf":null,"\ud801":"x","__proto__":{}}"#,
    r#"{"same":1,"same":2}"#,
    "null",
    "true",
    "-0",
    "1e300",
    "1.50",
    "123456789012345678901234567890.10",
    "[[[[[[]]]]]]",
    r#"{"type":"a_type_of_tomorrow","a_type_of_tomorrow":{"rich_text":7}}"#,
    r#"[{"plain_text":null},{"plain_text":7},null,"x"]"#,
    r#"{"start_cursor":null,"results":[],"has_more":true}"#,
];

/// The keys under which strange values stand in an object of a stream, besides those that nobody knows.
const KNOWN_KEYS: [&str; 14] = [
    "created_time",
    "created_by",
    "last_edited_by",
    "icon",
    "cover",
    "url",
    "archived",
    "in_trash",
    "avatar_url",
    "person",
    "bot",
    "rich_text",
    "description",
    "database_parent",
];

fn listed_at(stream: &str, page: uuid::Uuid) -> Route {
    match stream {
        "users" => Route::Users,
        "blocks" => Route::BlockChildren(Some(page)),
        "comments" => Route::Comments(Some(page)),
        _ => Route::Search,
    }
}

/// The records of a stream as they were printed.
fn raw_records<'a>(output: &'a SyncOutput, stream: &str) -> Vec<RawObject<'a>> {
    let records = output.stdout.lines().filter_map(|line| {
        let line = RawObject::parse(line)?;
        let record = line.object("record")?;
        (record.text("stream")? == stream).then(|| record.object("data").unwrap().into_owned())
    });
    records.collect()
}

#[test]
fn strange_values_come_out_as_they_came() {
    let kinds = [
        ("users", "user"),
        ("data_sources", "data_source"),
        ("pages", "page"),
        ("blocks", "block"),
        ("comments", "comment"),
    ];
    for (stream, kind) in kinds {
        let mut workspace = Workspace::new();
        let page = workspace.add_top_page("Page");
        let objects: Vec<String> = STRANGE
            .iter()
            .enumerate()
            .map(|(number, value)| {
                let known = KNOWN_KEYS.map(|key| format!("{key:?}:{value}")).join(",");
                let id = workspace.new_id();
                format!(
                    r#"{{"object":"{kind}","id":"{id}","last_edited_time":"2026-01-01T00:00:00.000Z",{known},"key {number} \"x\".\n":{value}}}"#
                )
            })
            .collect();
        let notion = FakeNotion::start_blocking(workspace);
        let list = format!(r#"{{"results":[{}],"has_more":false,"next_cursor":null}}"#, objects.join(","));
        notion.fail(listed_at(stream, page), Fault::json(list));
        let output = Connector::new(&notion).streams(&[stream]).read();
        output.assert_complete();
        let records = raw_records(&output, stream);
        for object in &objects {
            let object = RawObject::parse(object).unwrap();
            // What lies in the trash is gone.
            if matches!(stream, "data_sources" | "pages") && object.is_true("in_trash") {
                continue;
            }
            let record = records.iter().find(|record| record.get("id") == object.get("id"));
            let record = record.unwrap_or_else(|| panic!("{stream} lacks {}", object.to_json()));
            for (key, value) in object.fields() {
                // This one is ours in data sources: the plain text of the title.
                if stream == "data_sources" && key == "\"name\"" {
                    continue;
                }
                let found = record.fields().find(|(name, _)| *name == key).map(|(_, value)| value);
                assert_eq!(found, Some(value), "{stream}: {key}");
            }
        }
    }
}

#[test]
fn nulls_and_wrong_kinds_in_every_known_field_harm_nothing_else() {
    let kinds = [
        ("users", "user", ["id", "object", "type", "bot"]),
        ("data_sources", "data_source", ["id", "properties", "last_edited_time", "title"]),
        ("pages", "page", ["id", "properties", "last_edited_time", "parent"]),
        ("blocks", "block", ["id", "type", "has_children", "parent"]),
        ("comments", "comment", ["id", "last_edited_time", "rich_text", "parent"]),
    ];
    for (stream, kind, fields) in kinds {
        let mut workspace = Workspace::new();
        let page = workspace.add_top_page("Page");
        let mut objects = Vec::new();
        for field in fields {
            for value in
                [json!(null), json!(7), json!(""), json!([]), json!({}), json!([null]), json!({"type": null})]
            {
                let mut object = json!({"object": kind, "id": workspace.new_id().to_string(), "type": "paragraph",
                    "last_edited_time": "2026-01-01T00:00:00.000Z", "mark": objects.len()});
                object[field] = value;
                objects.push(object);
            }
        }
        let notion = FakeNotion::start_blocking(workspace);
        let mut results: Vec<Value> = objects.clone();
        results.extend([json!(null), json!([]), json!("x"), json!(1)]);
        let list = json!({"results": results, "has_more": false});
        notion.fail(listed_at(stream, page), Fault::json(list.to_string()));
        let output = Connector::new(&notion).streams(&[stream]).read();
        output.assert_complete();
        let marks: Vec<&Value> =
            output.records(stream).iter().filter_map(|record| record.get("mark")).collect();
        // What says that it is no data source is looked at as a page, and the other way round.
        let expected: Vec<Value> = objects.iter().map(|object| object["mark"].clone()).collect();
        assert_eq!(marks, expected.iter().collect::<Vec<_>>(), "{stream}");
        assert!(output.report().contains("4 × result that is not an object"), "{}", output.report());
    }
}

#[test]
fn strange_property_names_become_names() {
    let mut workspace = Workspace::new();
    let id = workspace.new_id();
    let notion = FakeNotion::start_blocking(workspace);
    let properties =
        r#"{"":{"id":"a"},"a.\"b\"\nc":null,"\ud800":{"id":"b","title":[{"plain_text":"\ud800"}]}}"#;
    let page =
        format!(r#"{{"object":"page","id":"{id}","last_edited_time":null,"properties":{properties}}}"#);
    notion.fail(Route::Search, Fault::json(format!(r#"{{"results":[{page}],"has_more":false}}"#)));
    let output = Connector::new(&notion).streams(&["pages"]).read();
    output.assert_complete();
    let records = raw_records(&output, "pages");
    let named = r#"[{"name":"","value":{"id":"a"}},{"name":"a.\"b\"\nc","value":null},{"name":"\ud800","value":{"id":"b","title":[{"plain_text":"\ud800"}]}}]"#;
    assert_eq!(records[0].get("properties"), Some(named));
}

#[test]
fn a_database_with_broken_names_leads_to_its_other_data_sources() {
    let mut workspace = Workspace::new();
    let home = workspace.add_top_page("Home");
    let (database, source) = workspace.add_database(home, "Table", workspace.now());
    let row = workspace.add_row(source, "Row", workspace.now());
    workspace.hide_from_search(source);
    workspace.hide_from_search(row);
    let notion = FakeNotion::start_blocking(workspace);
    let names = json!([{"id": null, "name": null}, {}, {"id": 7}, {"id": source.to_string()}]);
    let body = json!({"object": "database", "id": database.to_string(), "data_sources": names});
    notion.fail(Route::Database(None), Fault::json(body.to_string()));
    let output = Connector::new(&notion).read();
    output.assert_complete();
    assert!(output.ids("pages").contains(&row.to_string()));
}

#[test]
fn an_object_that_is_no_object_fails_and_is_not_left_out() {
    let mut workspace = Workspace::new();
    let home = workspace.add_top_page("Home");
    let hidden = workspace.add_page(home, "Hidden");
    workspace.hide_from_search(hidden);
    let notion = FakeNotion::start_blocking(workspace);
    for body in ["null", "[]", "\"x\"", "7"] {
        notion.fail_times(Route::Page(Some(hidden)), Fault::json(body), 3);
        let output = Connector::new(&notion).read();
        assert!(failures(&output).iter().any(|(stream, _)| stream == "blocks"), "{body}");
        assert!(output.errors().iter().all(|error| error["failure_type"] == "system_error"), "{body}");
    }
}

fn at(time: &str) -> chrono::DateTime<Utc> {
    time.parse().unwrap()
}

/// A connector that reads at a time.
fn reading_at(connector: &Connector, time: &str) -> Connector {
    connector.clone().with_settings(|settings| {
        settings.now = Some(at(time));
        settings.policy.records = 1;
    })
}

#[test]
fn a_comment_on_a_page_that_an_unfinished_sync_had_done_is_read_by_the_one_that_finishes_it() {
    // GIVEN a read that was cut off when the first page was done
    let mut workspace = Workspace::new();
    workspace.set_now(Some(at("2026-05-01T10:00:00Z")));
    let [old, new] = ["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"].map(|time| {
        let page = workspace.add_top_page_at("Page", at(time));
        workspace.set_default_time(Some(at(time)));
        workspace.append_text(page, "paragraph", "text");
        workspace.add_comment(page, "comment");
        workspace.set_default_time(None);
        page
    });
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion).with_config("num_workers", json!(1));
    let first = reading_at(&connector, "2026-05-01T10:00:00Z").read();
    // The latest edit is read first.
    let states: Vec<_> = first.states().into_iter().filter(|state| state.stream == "comments").collect();
    let with_a_comment = states.iter().position(|state| state.record_count > 0.0).unwrap();
    let first = cut_after_state(&first, "comments", with_a_comment + 1);
    assert!(first.records("comments").iter().all(|comment| comment["page_id"] == new.to_string()));
    assert_eq!(first.records("comments").len(), 1);

    // WHEN somebody comments on that page, and later edits the other
    let comment = notion.edit(|workspace| {
        workspace.set_now(Some(at("2026-05-01T10:05:00Z")));
        let comment = workspace.add_comment(new, "late");
        workspace.set_now(Some(at("2026-05-01T11:00:00Z")));
        workspace.edit_title(old, "New title");
        comment
    });
    let states = first.state_file(&json!([]));
    let second = reading_at(&connector, "2026-05-01T12:00:00Z").state(states.clone()).read();
    second.assert_complete();

    // THEN the comment came
    assert!(second.ids("comments").contains(&comment.to_string()));
}

#[test]
fn an_old_page_below_a_page_that_failed_is_found_when_that_is_read_again() {
    let mut workspace = Workspace::new();
    let parent = workspace.add_top_page_at("Parent", at("2026-03-01T00:00:00Z"));
    let hidden = workspace.add_page_at(parent, "Hidden", at("2026-01-01T00:00:00Z"));
    workspace.hide_from_search(hidden);
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_always(Route::BlockChildren(Some(parent)), Fault::status(500));
    // Comments would be asked of every page, and so all pages listed.
    let connector = Connector::new(&notion).streams(&["pages", "blocks"]);
    let first = connector.read();
    assert_eq!(first.exit_code, Some(1));
    notion.clear_faults();
    let second = connector.state(first.state_file(&json!([]))).read();
    second.assert_complete();
    assert!(second.ids("pages").contains(&hidden.to_string()));
}

#[test]
fn listings_alone_do_not_move_a_cursor_past_what_only_unread_trees_lead_to() {
    let mut workspace = Workspace::new();
    let parent = workspace.add_top_page_at("Parent", at("2026-03-01T00:00:00Z"));
    let (_, shown) = workspace.add_top_database("Shown", at("2026-02-01T00:00:00Z"));
    let (_, hidden) = workspace.add_database(parent, "Hidden", at("2026-01-01T00:00:00Z"));
    workspace.hide_from_search(hidden);
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    // Search for pages fails, and so nothing is walked; search for data sources comes first and works.
    notion.fail_after(Route::Search, 1, Fault::status(500));
    let connector = connector.with_config("num_workers", json!(1));
    let first = connector.read();
    assert_eq!(first.exit_code, Some(1));
    assert_eq!(first.ids("data_sources"), [shown.to_string()].into());
    notion.clear_faults();
    let second = connector.state(first.state_file(&json!([]))).read();
    second.assert_complete();
    assert!(second.ids("data_sources").contains(&hidden.to_string()));
}

#[test]
fn a_proxys_page_does_not_make_a_page_gone() {
    for status in [400, 404] {
        // GIVEN a page whose children something else than Notion answers for
        let mut workspace = Workspace::new();
        let page = workspace.add_top_page("Page");
        let block = workspace.append_text(page, "paragraph", "text");
        let notion = FakeNotion::start_blocking(workspace);
        notion.fail_always(Route::BlockChildren(Some(page)), Fault::html(status));
        let connector = Connector::new(&notion).streams(&["blocks"]);

        // WHEN it is read
        let first = connector.read();

        // THEN it is not skipped, and comes as soon as Notion answers
        assert_eq!(first.exit_code, Some(1), "{status}");
        assert_eq!(first.error_of("blocks")["failure_type"], "transient_error");
        notion.clear_faults();
        let second = connector.state(first.state_file(&json!([]))).read();
        second.assert_complete();
        assert!(second.ids("blocks").contains(&block.to_string()));
    }
}

#[test]
fn a_listing_that_notion_cuts_is_not_taken_for_whole() {
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page("Page");
    let notion = FakeNotion::start_blocking(workspace);
    let cut = r#"{"results":[],"has_more":false,"next_cursor":null,
        "request_status":{"type":"incomplete","incomplete_reason":"query_result_limit_reached"}}"#;
    notion.fail(Route::Comments(Some(page)), Fault::json(cut.to_owned()));
    let output = Connector::new(&notion).streams(&["comments"]).read();
    assert_eq!(output.exit_code, Some(1));
    let message = output.error_of("comments")["message"].as_str().unwrap();
    assert!(message.starts_with("Notion cut a listing at its limit of results"), "{message}");
}

#[test]
fn an_answer_about_another_object_is_not_taken_for_the_one_asked_for() {
    // GIVEN a page that only the tree shows, and a gateway that answers for it
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page("Page");
    let hidden = workspace.add_page(page, "Hidden");
    workspace.hide_from_search(hidden);
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail_always(Route::Page(Some(hidden)), Fault::json(r#"{"message":"ok"}"#.to_owned()));
    let connector = Connector::new(&notion).streams(&["pages", "blocks"]);

    // WHEN it is read
    let first = connector.read();

    // THEN both streams say that something is missing, and the next sync finds it
    assert_eq!(first.exit_code, Some(1));
    for stream in ["pages", "blocks"] {
        assert_eq!(first.statuses(stream).last().unwrap(), "INCOMPLETE", "{stream}");
    }
    assert_eq!(first.ids("pages"), [page.to_string()].into());
    notion.clear_faults();
    let second = connector.state(first.state_file(&json!([]))).read();
    second.assert_complete();
    assert!(second.ids("pages").contains(&hidden.to_string()));
}

#[test]
fn one_page_full_of_failures_does_not_end_the_sync_for_the_others() {
    let mut workspace = Workspace::new();
    let bad = workspace.add_top_page_at("Bad", Utc::now() - TimeDelta::days(9));
    for _toggle in 0..30 {
        let toggle = workspace.append_text(bad, "toggle", "toggle");
        workspace.append_text(toggle, "paragraph", "inner");
        workspace.lock_block_children(toggle, 500, "internal_server_error", "Unexpected error occurred.");
    }
    let good = workspace.add_top_page_at("Good", Utc::now() - TimeDelta::days(1));
    let block = workspace.append_text(good, "paragraph", "text");
    workspace.touch(bad, Utc::now() - TimeDelta::days(9));
    workspace.touch(good, Utc::now() - TimeDelta::days(1));
    let notion = FakeNotion::start_blocking(workspace);
    let output = Connector::new(&notion).streams(&["blocks"]).read();
    assert_eq!(output.exit_code, Some(1));
    assert!(output.ids("blocks").contains(&block.to_string()));
    // AND the next sync asks for the bad one again, and for no other
    notion.clear_requests();
    let second = Connector::new(&notion).streams(&["blocks"]).state(output.state_file(&json!([]))).read();
    assert_eq!(second.exit_code, Some(1));
    assert_eq!(notion.request_count(Route::BlockChildren(Some(good))), 0);
    assert_eq!(notion.request_count(Route::BlockChildren(Some(bad))), 1);
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
