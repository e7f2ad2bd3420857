//! The gate: everyone waits, for exactly as long as Notion asks, and says so.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use fake_notion::{FakeNotion, Fault, LoggedRequest, RateLimit, Route, Workspace};
use serde_json::{Value, json};
use source_notion::{
    client::{ClientSettings, NotionClient, RetryPolicy, Timeouts},
    config::OAuthClient,
    protocol::Writer,
};

use super::secrets::read_users;
use crate::support::{Connector, SyncOutput, serve_bytes, stream_names};

/// Pages with a comment each.
fn workspace(pages: i64) -> Workspace {
    let mut workspace = Workspace::with_seed(14);
    for number in 0..pages {
        let time = Utc::now() - TimeDelta::days(10) + TimeDelta::minutes(number);
        let page = workspace.add_top_page_at("Page", time);
        workspace.add_comment(page, "comment");
    }
    workspace
}

fn limited(retry_after: Option<&str>) -> Fault {
    Fault::RateLimited {
        retry_after: retry_after.map(str::to_owned),
        reason: Some("public_api_request_rate_limit".to_owned()),
    }
}

/// The requests after the first one of a route with this status, and when that one came.
fn after(notion: &FakeNotion, status: u16) -> (Instant, Vec<LoggedRequest>) {
    let requests = notion.requests();
    let first = requests.iter().position(|logged| logged.status == status).unwrap();
    (requests[first].at, requests[first + 1..].to_vec())
}

/// Fails unless nobody sent between the refusal and the end of the wait. Requests under way at the refusal may come
/// in its first 300 ms.
#[track_caller]
fn assert_quiet(notion: &FakeNotion, status: u16, wait: Duration) {
    let (refused, later) = after(notion, status);
    let waits: Vec<Duration> = later.iter().map(|logged| logged.at - refused).collect();
    assert!(waits.iter().any(|passed| *passed >= wait), "{waits:?}");
    let early = waits.iter().filter(|passed| **passed > Duration::from_millis(300) && **passed < wait);
    assert_eq!(early.count(), 0, "{waits:?}");
}

fn quota_resets(output: &SyncOutput) -> Vec<DateTime<Utc>> {
    let resets = output.messages.iter().filter_map(|message| {
        let reasons = message.pointer("/trace/stream_status/reasons")?.as_array()?;
        assert_eq!(reasons.len(), 1);
        assert_eq!(reasons[0]["type"], "RATE_LIMITED");
        reasons[0]["rate_limited"]["quota_reset"].as_i64()
    });
    resets.map(|ms| DateTime::from_timestamp_millis(ms).unwrap()).collect()
}

#[test]
fn everyone_waits_as_long_as_notion_asks() {
    let seconds = Duration::from_secs(1);
    let overload = Fault::Status {
        status: 529,
        code: "service_overload".to_owned(),
        message: "overload".to_owned(),
        headers: vec![("Retry-After".to_owned(), "1".to_owned())],
        additional_data: None,
    };
    for (status, fault) in [(429, limited(Some("1"))), (529, overload)] {
        let notion = FakeNotion::start_blocking(workspace(30));
        notion.fail(Route::Comments(None), fault);
        let output = Connector::new(&notion).read();
        output.assert_complete();
        assert_eq!(output.ids("comments").len(), 30);
        assert_quiet(&notion, status, seconds);
    }
}

#[test]
fn a_date_to_wait_for_is_honoured() {
    let notion = FakeNotion::start_blocking(workspace(30));
    let until = Utc::now() + TimeDelta::seconds(3);
    let date = until.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    notion.fail(Route::Comments(None), limited(Some(&date)));
    let output = Connector::new(&notion).read();
    output.assert_complete();
    let (_refused, later) = after(&notion, 429);
    let full_second = until - TimeDelta::milliseconds(until.timestamp_subsec_millis().into());
    let last = later.last().unwrap().time;
    assert!(last >= full_second - TimeDelta::milliseconds(50), "{last} before {full_second}");
}

#[test]
fn without_a_time_to_wait_the_wait_doubles() {
    let notion = FakeNotion::start_blocking(workspace(1));
    notion.fail_times(Route::Users, limited(None), 6);
    let connector = Connector::new(&notion).streams(&["users"]).with_settings(|settings| {
        settings.retry.first_delay = Duration::from_millis(20);
        settings.retry.max_delay = Duration::from_secs(1);
    });
    connector.read().assert_complete();
    let times: Vec<Instant> = notion.requests().into_iter().map(|logged| logged.at).collect();
    let waits: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(waits.len(), 6);
    for (number, wait) in (0..).zip(&waits) {
        assert!(*wait >= Duration::from_millis(20 << number), "{waits:?}");
    }
}

#[test]
fn patience_is_without_bound() {
    for retry_after in [Some("0"), Some("0.001"), None] {
        let notion = FakeNotion::start_blocking(workspace(3));
        notion.fail_times(Route::Any, limited(retry_after), 150);
        let output = Connector::new(&notion).read();
        output.assert_complete();
        assert_eq!(output.ids("pages").len(), 3);
        assert_eq!(notion.waiting_faults(), 0);
        let refused = notion.requests().into_iter().filter(|logged| logged.held).count();
        assert_eq!(refused, 150);
    }
}

/// How many requests were refused in each window that was spent.
///
/// A spent window answers nothing more: where more requests than can be under way at a time were answered between
/// two refusals, another window had begun.
fn refusals_by_window(requests: &[LoggedRequest], workers: usize) -> Vec<usize> {
    let mut refusals = Vec::new();
    let mut answered_since = usize::MAX;
    for request in requests {
        if !request.held {
            answered_since = answered_since.saturating_add(1);
            continue;
        }
        if answered_since > workers {
            refusals.push(0);
        }
        *refusals.last_mut().unwrap() += 1;
        answered_since = 0;
    }
    refusals
}

#[test]
fn a_spent_window_costs_each_worker_one_refusal_at_most() {
    let mut workspace = workspace(40);
    let window = Duration::from_secs(1);
    workspace.settings.rate_limit = RateLimit::Window { requests: 30, window };
    let notion = FakeNotion::start_blocking(workspace);
    let output = Connector::new(&notion).with_config("num_workers", json!(4)).read();
    output.assert_complete();
    assert_eq!(output.ids("comments").len(), 40);
    let requests = notion.requests();
    let refused = refusals_by_window(&requests, 4);
    assert!(refused.iter().all(|refusals| *refusals <= 4), "{refused:?}");
    let answered = requests.iter().filter(|logged| !logged.held).count();
    let windows = answered.div_ceil(30);
    assert!(windows >= 3 && (1..=windows).contains(&refused.len()), "{refused:?} in {windows} windows");
    // Each window is opened by its first request, and none is missed for long.
    let elapsed = requests.last().unwrap().at - requests[0].at;
    assert!(elapsed >= window * u32::try_from(windows - 1).unwrap(), "{elapsed:?}");
}

#[test]
fn a_hold_is_told_once_with_its_end_and_then_the_streams_run_again() {
    let notion = FakeNotion::start_blocking(workspace(5));
    // Both streams wait for search.
    notion.fail(Route::Search, limited(Some("1")));
    let before = Utc::now();
    let output = Connector::new(&notion).streams(&["pages", "comments"]).read();
    output.assert_complete();
    for stream in ["pages", "comments"] {
        let statuses = output.statuses(stream);
        let limited: Vec<usize> =
            (0..statuses.len()).filter(|index| statuses[*index] == "RATE_LIMITED").collect();
        assert_eq!(limited.len(), 1, "{statuses:?}");
        // A stream that ends right after the hold needs no RUNNING in between.
        assert!(["RUNNING", "COMPLETE"].contains(&&*statuses[limited[0] + 1]), "{statuses:?}");
        assert_eq!(statuses.last().unwrap(), "COMPLETE");
    }
    for reset in quota_resets(&output) {
        assert!(reset >= before + TimeDelta::seconds(1) && reset <= Utc::now() + TimeDelta::seconds(1));
    }
    assert!(output.logs().iter().any(|(_level, text)| text.contains("rate limit holds the sync")));
}

#[tokio::test]
async fn a_hold_that_is_prolonged_is_told_again_with_its_new_end() {
    // GIVEN a read that is held before its first request
    let settings = ClientSettings {
        base: "http://127.0.0.1:1".parse().unwrap(),
        access_token: "token".into(),
        oauth: None,
        max_in_flight: 1,
        retry: RetryPolicy::default(),
        timeouts: Timeouts::default(),
    };
    let client = NotionClient::new(settings, |_tokens| {}).unwrap();
    let (emitter, writer) = Writer::new();
    let held = client.clone();
    let before = Utc::now();
    // WHEN the hold grows by much and then by little
    let prolong = async move {
        for delay_s in [6, 3_601, 3_600] {
            held.rate_limiter().hold_for(Duration::from_secs(delay_s));
            tokio::time::sleep(Duration::from_millis(1_010)).await;
        }
    };
    let output = read_users(client, emitter, writer, prolong).await;
    // THEN
    let seconds = |end: DateTime<Utc>| (end - before).num_seconds() / 5 * 5;
    let ends: Vec<i64> = quota_resets(&output).into_iter().map(seconds).collect();
    assert_eq!(ends, [5, 3_600]);
    let logs = output.logs();
    let logged = logs.iter().filter(|(_level, text)| text.contains("rate limit holds the sync"));
    assert_eq!(logged.count(), 2);
}

#[test]
fn a_day_to_wait_is_waited_and_a_signal_still_ends_it() {
    // GIVEN
    let notion = FakeNotion::start_blocking(workspace(5));
    notion.fail_always(Route::Search, limited(Some("86400")));
    let before = Utc::now();
    let connector = Connector::new(&notion).streams(&["pages"]);
    let process = connector.spawn("read");

    // WHEN
    let (_keep, never) = mpsc::channel::<()>();
    for _look in 0..6_000 {
        if process.printed().contains("RATE_LIMITED") {
            break;
        }
        assert_eq!(never.recv_timeout(Duration::from_millis(10)), Err(mpsc::RecvTimeoutError::Timeout));
    }
    process.terminate();
    let output = process.wait();

    // THEN
    assert_eq!(output.exit_code, Some(143));
    let resets = quota_resets(&output);
    assert!(!resets.is_empty());
    assert!(resets.iter().all(|reset| *reset >= before + TimeDelta::days(1)), "{resets:?}");
    // The searches for pages and for data sources were both under way.
    assert!(notion.requests().len() <= 2);
    assert_eq!(output.statuses("pages").last().unwrap(), "INCOMPLETE");
}

#[test]
fn a_blocked_connection_fails_at_once() {
    let notion = FakeNotion::start_blocking(workspace(5));
    let blocked = Fault::RateLimited {
        retry_after: Some("60".to_owned()),
        reason: Some("public_api_request_blocked".to_owned()),
    };
    notion.fail_always(Route::Any, blocked);
    let output = Connector::new(&notion).read();
    assert_eq!(output.exit_code, Some(1));
    for stream in stream_names() {
        assert_eq!(output.error_of(stream)["failure_type"], "config_error");
        assert_eq!(output.statuses(stream).last().unwrap(), "INCOMPLETE");
    }
    // What was under way at the same time.
    assert!(notion.requests().len() <= 3, "{}", notion.requests().len());
}

#[test]
fn an_unchanged_state_is_a_sign_of_life_while_everyone_waits() {
    // GIVEN a state, and a long wait
    let notion = FakeNotion::start_blocking(workspace(5));
    let connector = Connector::new(&notion).streams(&["pages", "comments"]);
    let first = connector.read();
    first.assert_complete();
    let stored: Value = first.state_file(&json!([]));
    notion.fail(Route::Search, limited(Some("2")));

    // WHEN
    let connector = connector.with_settings(|settings| {
        settings.policy.heartbeat = Duration::from_millis(100);
    });
    let output = connector.state(stored).read();

    // THEN
    output.assert_complete();
    for stream in ["pages", "comments"] {
        let states: Vec<_> = output.states().into_iter().filter(|state| state.stream == stream).collect();
        assert!(states.len() >= 4, "{stream}: {states:?}");
        // Whether the sync was complete is said by its last state only.
        let parts = |state: &Value| {
            let cursor = state.get("state").unwrap_or(state)["last_edited_time"].clone();
            (cursor, state["ledger"]["entries"].clone())
        };
        let before = first.last_state(stream);
        for sign in &states[..3] {
            assert_eq!(parts(&sign.state), parts(&before), "{stream}");
        }
    }
}

/// A client of the fake whose access token has expired and can be renewed.
fn expired_client(notion: &FakeNotion, max_in_flight: usize) -> NotionClient {
    let oauth = OAuthClient {
        client_id: "fake_client_id".to_owned(),
        client_secret: "fake_client_secret".into(),
        refresh_token: Some(notion.refresh_token().into()),
    };
    let settings = ClientSettings {
        base: notion.url().parse().unwrap(),
        access_token: notion.current_token().into(),
        oauth: Some(oauth),
        max_in_flight,
        retry: RetryPolicy::default(),
        timeouts: Timeouts::default(),
    };
    notion.expire_token();
    NotionClient::new(settings, |_tokens| {}).unwrap()
}

#[tokio::test]
async fn the_renewal_of_a_token_waits_at_the_gate_like_everyone() {
    for max_in_flight in [1, 2, 8] {
        // GIVEN a hold that begins as the token is refused
        let notion = FakeNotion::start(workspace(1)).await;
        let client = expired_client(&notion, max_in_flight);
        let held = client.clone();
        let delay = Duration::from_millis(500);
        notion.on_request(move |request, _workspace| {
            if request.number == 1 {
                held.rate_limiter().hold_for(delay);
            }
        });
        // WHEN
        let asked = futures_util::future::join_all((0..8).map(|_task| client.get("/v1/users/me")));
        let answers = asked.await;
        // THEN
        assert!(answers.iter().all(Result::is_ok), "{max_in_flight}: {answers:?}");
        let requests = notion.requests();
        let renewal = requests.iter().find(|logged| logged.route == Route::OAuthToken).unwrap();
        assert!(renewal.at - requests[0].at >= delay, "{max_in_flight}");
        assert_eq!(notion.request_count(Route::OAuthToken), 1);
        notion.clear_hooks();
    }
}

#[tokio::test]
async fn a_rate_limit_of_the_token_endpoint_holds_everyone() {
    let notion = FakeNotion::start(workspace(1)).await;
    let client = expired_client(&notion, 1);
    notion.fail(Route::OAuthToken, limited(Some("1")));
    client.get("/v1/users/me").await.unwrap();
    assert_quiet(&notion, 429, Duration::from_secs(1));
    assert!(client.rate_limiter().held_in_sum() >= Duration::from_millis(900));
}

#[tokio::test]
async fn a_clock_ahead_of_notions_is_noticed() {
    // An answer of 2020: this machine seems to be years ahead.
    let answer = "HTTP/1.1 200 OK\r\nDate: Wed, 01 Jan 2020 00:00:00 GMT\r\nContent-Length: 2\r\n\r\n{}";
    let settings = ClientSettings {
        base: format!("http://{}", serve_bytes(answer)).parse().unwrap(),
        access_token: "token".into(),
        oauth: None,
        max_in_flight: 1,
        retry: RetryPolicy::default(),
        timeouts: Timeouts::default(),
    };
    let client = NotionClient::new(settings, |_tokens| {}).unwrap();
    assert_eq!(client.clock_lead(), Duration::ZERO);
    client.get("/v1/users/me").await.unwrap();
    assert!(client.clock_lead() > Duration::from_hours(24 * 365 * 6), "{:?}", client.clock_lead());
}

#[test]
fn a_stream_without_a_cursor_gives_signs_of_life_too() {
    let mut workspace = Workspace::new();
    workspace.add_person("Person", None);
    let notion = FakeNotion::start_blocking(workspace);
    notion.fail(Route::Users, Fault::rate_limited(2));
    let connector = Connector::new(&notion).streams(&["users"]);
    let output =
        connector.with_settings(|settings| settings.policy.heartbeat = Duration::from_millis(200)).read();
    output.assert_complete();
    let states = output.states();
    assert!(states.len() > 2, "{states:?}");
    assert!(states.iter().all(|state| state.state == json!({"__ab_no_cursor_state_message": true})));
}
