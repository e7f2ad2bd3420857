//! Answers that go wrong.

use std::{
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fake_notion::{FakeNotion, Fault, Route, When, Workspace};
use serde_json::json;
use uuid::Uuid;

use crate::client::{Client, ids};

fn client_with_blocks(count: usize) -> (Client, String, Vec<Uuid>) {
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page("Page");
    let blocks =
        (0..count).map(|number| workspace.append_text(page, "paragraph", &number.to_string())).collect();
    (Client::new(workspace), format!("/v1/blocks/{page}/children"), blocks)
}

#[test]
fn queued_faults_are_consumed_in_order_by_their_route() {
    let (client, path, _) = client_with_blocks(1);
    client.fake.fail(Route::BlockChildren(None), Fault::status(500));
    client.fake.fail_times(Route::Search, Fault::rate_limited(7), 2);
    client.fake.fail(Route::BlockChildren(Some(Uuid::nil())), Fault::status(502));

    assert_eq!(client.get(&path).status, 500);
    assert_eq!(client.get(&path).status, 200);
    let held = client.post("/v1/search", &json!({}));
    assert_eq!((held.status, held.header("retry-after")), (429, Some("7")));
    assert_eq!(client.fake.waiting_faults(), 2);
    client.fake.clear_faults();
    assert_eq!(client.post("/v1/search", &json!({})).status, 200);
    client.fake.fail_always(Route::Any, Fault::html(403));
    assert!(client.get(&path).header("content-type").unwrap().starts_with("text/html"));
    assert_eq!(client.get("/v1/users").status, 403);
}

#[test]
fn cut_bodies_are_shorter_than_they_claim() {
    let (client, path, _) = client_with_blocks(50);
    let whole = client.get(&path).body.len();
    client.fake.fail(Route::Any, Fault::CutBody);
    client.fake.fail(Route::Any, Fault::TruncatedJson);
    client.fake.fail(Route::Any, Fault::ResetBeforeBody);

    let cut = client.send("GET", &path, "", "").unwrap();
    assert_eq!(cut.header("content-length"), Some(whole.to_string().as_str()));
    assert!(cut.body.len() <= whole / 2 && !cut.body.is_empty());
    let truncated = client.get(&path);
    assert_eq!(truncated.header("content-length"), Some(truncated.body.len().to_string().as_str()));
    assert!(serde_json::from_slice::<serde_json::Value>(&truncated.body).is_err());
    let reset = client.send("GET", &path, "", "");
    assert!(reset.is_ok_and(|reply| reply.body.is_empty()));
    client.fake.fail(Route::Any, Fault::Disconnect);
    assert!(client.send("GET", &path, "", "").is_err());
    assert_eq!(client.fake.requests().last().unwrap().status, 0);
    assert_eq!(client.get(&path).status, 200);
}

#[test]
fn slow_answers_arrive_whole() {
    let (client, path, blocks) = client_with_blocks(5);
    client.fake.fail(Route::Any, Fault::Slow(Duration::from_millis(50)));
    client.fake.fail(Route::Any, Fault::SlowBody { chunk_delay: Duration::from_millis(5) });
    for _ in 0..2 {
        let reply = client.get(&path);
        assert_eq!(ids(reply.json()["results"].as_array().unwrap()), blocks);
    }
    let log = client.fake.requests();
    assert!(log[1].at - log[0].at >= Duration::from_millis(50));
}

#[test]
fn silence_ends_with_the_server() {
    let (client, path, _) = client_with_blocks(1);
    client.fake.fail(Route::Any, Fault::Silence);
    let address = client.fake.url().trim_start_matches("http://").to_owned();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(
        &mut stream,
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes(),
    )
    .unwrap();
    while client.fake.requests().is_empty() {
        std::thread::yield_now();
    }

    drop(client);
    let mut rest = Vec::new();
    // A reset is an end, too.
    stream.read_to_end(&mut rest).unwrap_or_default();
    assert!(rest.is_empty());
}

#[test]
fn faults_of_lists_wait_for_the_request_that_they_fit() {
    let (client, path, blocks) = client_with_blocks(5);
    client.fake.fail(Route::BlockChildren(None), Fault::InvalidCursor);
    let first = client.list(&path, None, None, 2);
    assert_eq!(first.status, 200);
    let first = first.json();
    let cursor = first["next_cursor"].as_str();
    assert_eq!(client.list(&path, None, cursor, 2).status, 400);

    client.fake.fail(Route::BlockChildren(None), Fault::RepeatedCursor);
    assert_eq!(client.list(&path, None, cursor, 2).json()["next_cursor"].as_str(), cursor);
    client.fake.fail(Route::BlockChildren(None), Fault::RepeatedCursor);
    let circle = client.list(&path, None, None, 2).json()["next_cursor"].clone();
    assert_eq!(client.list(&path, None, circle.as_str(), 2).json()["next_cursor"], circle);

    client.fake.fail(Route::BlockChildren(None), Fault::HasMoreWithoutCursor);
    let page = client.list(&path, None, None, 2).json();
    assert_eq!((&page["has_more"], &page["next_cursor"]), (&json!(true), &json!(null)));

    client.fake.fail_times(Route::BlockChildren(None), Fault::EmptyPage, 2);
    assert_eq!(ids(&client.drain(&path, None, 2)), blocks);
    client.fake.fail(Route::BlockChildren(None), Fault::Standstill);
    assert_eq!(ids(&client.drain(&path, None, 5)), [blocks.clone(), blocks].concat());
}

#[test]
fn duplicated_results_lose_nothing() {
    let (client, path, blocks) = client_with_blocks(4);
    client.fake.fail_always(Route::Any, Fault::DuplicateResults);
    let found = ids(&client.drain(&path, None, 2));
    assert_eq!(
        found,
        [blocks[0], blocks[1], blocks[0], blocks[1], blocks[0], blocks[1], blocks[2], blocks[3]]
    );
}

#[test]
fn random_faults_repeat_with_their_seed() {
    let statuses = || {
        let (client, path, _) = client_with_blocks(1);
        client.fake.fail_randomly(7, 0.5, vec![Fault::status(500), Fault::status(503)]);
        (0..20).map(|_| client.get(&path).status).collect::<Vec<_>>()
    };
    let first = statuses();
    assert_eq!(first, statuses());
    assert!([200, 500, 503].iter().all(|status| first.contains(status)));
}

#[test]
fn hook_edits_before_the_answer() {
    let (client, path, _) = client_with_blocks(1);
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    client.fake.on_request(move |request, workspace| {
        if counted.fetch_add(1, Ordering::Relaxed) == 1 {
            let page = request.object_id().unwrap();
            workspace.append_text(page, "paragraph", "In mid-sync");
        }
    });
    let lengths = [(); 2].map(|()| client.get(&path).json()["results"].as_array().unwrap().len());
    assert_eq!(lengths, [1, 2]);
}

#[tokio::test]
async fn server_answers_within_a_blocked_runtime() {
    let fake = FakeNotion::start(Workspace::new()).await;
    let token = fake.token().to_owned();
    let started = tokio::time::Instant::now();
    let client = Client { fake, token };
    assert_eq!(client.get("/v1/users/me").status, 200);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn one_listing_is_refused_in_its_middle_and_no_other() {
    let mut workspace = Workspace::new();
    let pages = ["One", "Other"].map(|title| workspace.add_top_page(title));
    for page in pages {
        for number in 0..3 {
            workspace.append_text(page, "paragraph", &number.to_string());
        }
    }
    let client = Client::new(workspace);
    let [one, other] = pages.map(|page| format!("/v1/blocks/{page}/children"));
    let route = Route::BlockChildren(Some(pages[0]));
    client.fake.fail_when(route, When::in_mid_listing().after(1).times(1), Fault::status(404));

    let read = |path: &str| {
        let mut statuses = Vec::new();
        let mut cursor = None;
        for _ in 0..3 {
            let reply = client.list(path, None, cursor.as_deref(), 1);
            statuses.push(reply.status);
            cursor = reply.json()["next_cursor"].as_str().map(str::to_owned).or(cursor);
        }
        statuses
    };
    assert_eq!(read(&other), [200, 200, 200]);
    assert_eq!(read(&one), [200, 200, 404]);
    assert_eq!(read(&one), [200, 200, 200]);

    client.fake.fail_when(Route::Search, When::nth(2), Fault::status(403));
    let searches = [(); 3].map(|()| client.post("/v1/search", &json!({})).status);
    assert_eq!(searches, [200, 403, 200]);

    client.fake.fail(Route::Search, Fault::error_in_200(400, "validation_error", "No."));
    let odd = client.post("/v1/search", &json!({}));
    assert_eq!((odd.status, &odd.json()["code"]), (200, &json!("validation_error")));
}
