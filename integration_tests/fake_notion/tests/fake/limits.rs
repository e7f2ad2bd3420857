//! Budgets, tokens, versions and capabilities.

use std::time::Duration;

use fake_notion::{RateLimit, Route, Workspace};
use serde_json::json;

use crate::client::Client;

#[test]
fn request_beyond_the_window_is_held_and_logged() {
    let mut workspace = Workspace::new();
    workspace.settings.rate_limit = RateLimit::Window { requests: 2, window: Duration::from_mins(1) };
    let client = Client::new(workspace);

    assert_eq!(client.get("/v1/users").status, 200);
    assert_eq!(client.get("/v1/users").status, 200);
    let held = client.get("/v1/users");

    assert_eq!(held.status, 429);
    let seconds = held.header("retry-after").unwrap();
    assert!((55..=60).contains(&seconds.parse::<u32>().unwrap()));
    let additional_data = &held.json()["additional_data"];
    assert_eq!(additional_data["rate_limit_reason"], "public_api_request_rate_limit");
    assert_eq!(additional_data["retry_after"], seconds);
    let log = client.fake.requests();
    assert_eq!(log.iter().map(|logged| logged.held).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(client.fake.request_count(Route::Users), 2);
}

#[test]
fn bad_token_version_and_body_are_refused() {
    let client = Client::new(Workspace::new());
    let bearer = format!("Authorization: Bearer {}\r\n", client.fake.token());

    let refused = |headers: &str, body: &str| {
        let reply = client.send_bare("POST", "/v1/search", headers, body).unwrap();
        (reply.status, reply.json()["code"].as_str().unwrap().to_owned())
    };
    assert_eq!(refused("Authorization: Bearer wrong\r\n", "{}"), (401, "unauthorized".to_owned()));
    assert_eq!(refused(&bearer, "{}"), (400, "missing_version".to_owned()));
    let version = format!("{bearer}Notion-Version: 2025-09-03\r\n");
    assert_eq!(refused(&version, "{"), (400, "invalid_json".to_owned()));
    assert_eq!(client.post("/v1/search", &json!({"page_size": 101})).status, 400);
    assert_eq!(client.get("/v1/nothing").json()["code"], "invalid_request_url");
}

#[test]
fn missing_capability_is_403() {
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page("Page");
    workspace.add_person("Ada", Some("ada@example.com"));
    workspace.settings.capabilities.comments = false;
    workspace.settings.capabilities.user_email = false;
    let client = Client::new(workspace);

    let refused = client.get(&format!("/v1/comments?block_id={page}"));
    assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("restricted_resource")));
    let users = client.drain("/v1/users", None, 100);
    assert!(users.iter().all(|user| user["person"].get("email").is_none()));
    client.fake.edit(|workspace| workspace.settings.capabilities.users = false);
    assert_eq!(client.get("/v1/users").status, 403);
    assert_eq!(client.get("/v1/users/me").status, 200);
}

#[test]
fn refresh_gives_a_new_pair_and_ends_the_old_one() {
    let mut client = Client::new(Workspace::new());
    client.fake.expire_token();
    assert_eq!(client.get("/v1/users/me").status, 401);

    let basic = "Authorization: Basic ZmFrZV9jbGllbnRfaWQ6ZmFrZV9jbGllbnRfc2VjcmV0\r\n";
    let body =
        json!({"grant_type": "refresh_token", "refresh_token": client.fake.refresh_token()}).to_string();
    let pair = client.send_bare("POST", "/v1/oauth/token", basic, &body).unwrap();
    assert_eq!(pair.status, 200);
    client.token = pair.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(client.get("/v1/users/me").status, 200);
    assert_eq!(client.send_bare("POST", "/v1/oauth/token", basic, &body).unwrap().status, 400);
}

#[test]
fn large_searches_can_time_out() {
    let mut workspace = Workspace::new();
    workspace.settings.times_out_above = Some(10);
    let client = Client::new(workspace);
    assert_eq!(client.post("/v1/search", &json!({})).status, 504);
    assert_eq!(client.post("/v1/search", &json!({"page_size": 10})).status, 200);
    assert_eq!(client.get("/v1/users").status, 200);
}

#[test]
fn gzip_is_used_for_clients_that_accept_it() {
    let client = Client::new(Workspace::new());
    let reply = client.send("GET", "/v1/users/me", "Accept-Encoding: gzip\r\n", "").unwrap();
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&reply.body[..]), &mut text).unwrap();
    assert!(text.contains("\"object\":\"user\""));
    client.fake.edit(|workspace| workspace.settings.gzip = false);
    let plain = client.send("GET", "/v1/users/me", "Accept-Encoding: gzip\r\n", "").unwrap();
    assert_eq!(plain.header("content-encoding"), None);
}
