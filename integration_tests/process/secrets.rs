//! What keeps tokens where they belong.

use std::{collections::BTreeSet, future::pending, thread, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use fake_notion::{FakeNotion, Fault, Route, Workspace, sample::sample_workspace};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use source_notion::{
    client::{ClientSettings, Method, NotionClient, RefreshedTokens, Request, RetryPolicy, Timeouts},
    config::{Config, OAuthClient},
    engine::{CheckpointPolicy, ReadRequest, read},
    protocol::{ConfiguredCatalog, Emitter, InputState, LogLayer, Writer},
};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{Connector, Process, SyncOutput, stream_names};

const CLIENT_SECRET: &str = "fake_client_secret";

/// A connector with the OAuth2.0 credentials of the fake as they are now, with or without a refresh token.
fn oauth(notion: &FakeNotion, refresh_token: Option<&str>) -> Connector {
    let mut credentials = json!({"auth_type": "OAuth2.0", "client_id": "fake_client_id",
        "client_secret": CLIENT_SECRET, "access_token": notion.current_token()});
    if let Some(refresh_token) = refresh_token {
        credentials["refresh_token"] = json!(refresh_token);
    }
    Connector::new(notion).with_config("credentials", credentials)
}

/// The messages of streams that failed, each once.
fn error_messages(output: &SyncOutput) -> BTreeSet<(String, String)> {
    let errors = output.errors();
    let of_streams =
        errors.iter().filter(|error| error.get("stream_descriptor").is_some_and(Value::is_object));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    of_streams.map(|error| (text(&error["failure_type"]), text(&error["message"]))).collect()
}

/// The messages, and the numbers of their lines, that are of this type.
fn lines_of(output: &SyncOutput, kind: &str) -> Vec<usize> {
    let messages = output.messages.iter().enumerate();
    messages.filter(|(_line, message)| message["type"] == kind).map(|(line, _message)| line).collect()
}

#[test]
fn a_redirect_is_not_followed_and_its_target_gets_no_request() {
    for status in [301, 302, 303, 307, 308] {
        // GIVEN
        let (notion, other) =
            (FakeNotion::start_blocking(sample_workspace()), FakeNotion::start_blocking(sample_workspace()));
        let redirect = Fault::Raw {
            status,
            content_type: "text/html".to_owned(),
            body: Vec::new(),
            headers: vec![("location".to_owned(), format!("{}/v1/users/me", other.url()))],
        };
        notion.fail_always(Route::Any, redirect);
        // WHEN
        let (check, read) = (Connector::new(&notion).run("check"), Connector::new(&notion).read());
        // THEN
        assert_eq!(other.requests().len(), 0);
        let expected = format!(
            "Got status {status}, which Notion's API never sends. A proxy seems to be in the way: check the network."
        );
        assert_eq!(check.connection_status(), ("FAILED".to_owned(), expected.clone()));
        assert_eq!(read.exit_code, Some(1));
        assert_eq!(error_messages(&read), BTreeSet::from([("config_error".to_owned(), expected)]));
    }
}

#[test]
fn no_public_type_shows_a_secret() {
    let config = json!({"credentials": {"auth_type": "OAuth2.0", "client_id": "id",
        "client_secret": "hidden_1", "access_token": "hidden_2", "refresh_token": "hidden_3"}});
    let config = Config::parse(&config.to_string(), Utc::now(), false).unwrap();
    let settings = || ClientSettings {
        base: config.api_url.clone(),
        access_token: config.credentials.access_token.clone(),
        oauth: config.credentials.oauth.clone(),
        max_in_flight: 1,
        retry: RetryPolicy::default(),
        timeouts: Timeouts::default(),
    };
    let tokens = RefreshedTokens {
        access_token: SecretString::from("hidden_4"),
        refresh_token: Some(SecretString::from("hidden_5")),
    };
    let client = NotionClient::new(settings(), |_tokens| ()).unwrap();
    let listing = client.list(source_notion::client::ListRequest::get("/v1/users"));
    let renewal = Request {
        method: Method::Post,
        target: "/v1/oauth/token".to_owned(),
        body: Some(r#"{"grant_type":"refresh_token","refresh_token":"hidden_6"}"#.to_owned()),
    };
    let shown = format!(
        "{config:?} {config:#?} {:?} {:?} {:?} {client:?} {listing:?} {tokens:?} {renewal:?} {renewal:#?} {:?}",
        config.credentials,
        config.credentials.oauth,
        settings(),
        config.token_replacement()
    );
    assert!(!shown.contains("hidden"), "{shown}");
}

#[test]
fn on_a_platforms_cloud_the_token_goes_to_public_https_only() {
    let notion = FakeNotion::start_blocking(sample_workspace());
    let cases = [
        (notion.url(), r#""api_url" is not allowed: only https is allowed here; leave it out."#),
        (
            "https://127.0.0.1".to_owned(),
            r#""api_url" is not allowed: it names a private address; leave it out."#,
        ),
        (
            "https://10.1.2.3".to_owned(),
            r#""api_url" is not allowed: it names a private address; leave it out."#,
        ),
        (
            "https://169.254.169.254".to_owned(),
            r#""api_url" is not allowed: it names a private address; leave it out."#,
        ),
        (
            "https://[::1]".to_owned(),
            r#""api_url" is not allowed: it names a private address; leave it out."#,
        ),
        (
            "https://localhost:8080".to_owned(),
            r#""api_url" is not allowed: it names a private address; leave it out."#,
        ),
    ];
    for mode in ["cloud", "CLOUD"] {
        for (url, expected) in &cases {
            let connector = Connector::new(&notion).with_config("api_url", json!(url));
            let run = |verb| Process::spawn(&connector.arguments(verb), &[("DEPLOYMENT_MODE", mode)]).wait();
            assert_eq!(run("check").connection_status(), ("FAILED".to_owned(), (*expected).to_owned()));
            let read = run("read");
            assert_eq!(read.only_error(), ((*expected).to_owned(), "config_error".to_owned()));
            assert_eq!(read.exit_code, Some(1));
        }
    }
    assert_eq!(notion.requests().len(), 0);
    let connector = Connector::new(&notion);
    let elsewhere = Process::spawn(&connector.arguments("check"), &[("DEPLOYMENT_MODE", "OSS")]).wait();
    assert_eq!(elsewhere.connection_status().0, "SUCCEEDED");
}

#[test]
fn an_expired_token_is_refreshed_once_and_the_new_pair_is_told_before_the_sync_goes_on() {
    // GIVEN
    let notion = FakeNotion::start_blocking(sample_workspace());
    let before = notion.refresh_token();
    let connector = oauth(&notion, Some(&before));
    notion.expire_token();
    // WHEN
    let output = connector.read();
    // THEN
    output.assert_complete();
    assert_eq!(notion.request_count(Route::OAuthToken), 1);
    let controls = lines_of(&output, "CONTROL");
    assert_eq!(controls.len(), 1);
    assert!(controls[0] < lines_of(&output, "RECORD")[0]);
    let config = &output.messages[controls[0]]["control"]["connectorConfig"]["config"];
    assert_eq!(config["credentials"]["access_token"], notion.current_token());
    assert_eq!(config["credentials"]["refresh_token"], notion.refresh_token());
    assert_ne!(notion.refresh_token(), before);
    assert_eq!(config["credentials"]["client_secret"], CLIENT_SECRET);
    assert_eq!(config["api_url"], notion.url());
    let whole = oauth(&notion, None).read();
    for stream in stream_names() {
        assert_eq!(output.ids(stream), whole.ids(stream), "{stream}");
    }
    // The new config works, and only CONTROL shows it.
    let next = connector.config(config.clone()).read();
    next.assert_complete();
    assert_eq!(notion.request_count(Route::OAuthToken), 1);
    let told: Vec<&str> =
        output.stdout.lines().filter(|line| line.contains(&notion.refresh_token())).collect();
    assert_eq!(told.len(), 1);
}

#[test]
fn a_token_that_expires_in_mid_sync_loses_nothing() {
    // GIVEN
    let notion = FakeNotion::start_blocking(sample_workspace());
    let whole = oauth(&notion, None).read();
    let connector = oauth(&notion, Some(&notion.refresh_token()));
    notion.fail_times(Route::BlockChildren(None), Fault::status(401), 1);
    // WHEN
    let output = connector.read();
    // THEN
    output.assert_complete();
    assert_eq!(notion.request_count(Route::OAuthToken), 1);
    assert_eq!(lines_of(&output, "CONTROL").len(), 1);
    for stream in stream_names() {
        assert_eq!(output.ids(stream), whole.ids(stream), "{stream}");
    }
}

#[test]
fn only_control_shows_tokens_at_any_log_level() {
    for (debug, level) in [(false, "trace"), (true, "TRACE")] {
        // GIVEN
        let notion = FakeNotion::start_blocking(sample_workspace());
        let (old_access, old_refresh) = (notion.current_token(), notion.refresh_token());
        let connector = oauth(&notion, Some(&old_refresh));
        notion.expire_token();
        // WHEN
        let mut arguments = connector.arguments("read");
        arguments.extend(debug.then(|| "--debug".to_owned()));
        let output = Process::spawn(&arguments, &[("LOG_LEVEL", level), ("RUST_LOG", "trace")]).wait();
        // THEN
        output.assert_complete();
        assert_eq!(lines_of(&output, "CONTROL").len(), 1);
        assert!(output.logs().iter().any(|(level, _text)| level == "DEBUG"));
        let basic = "ZmFrZV9jbGllbnRfaWQ6ZmFrZV9jbGllbnRfc2VjcmV0";
        let (access, refresh) = (notion.current_token(), notion.refresh_token());
        let others = output.stdout.lines().filter(|line| !line.starts_with(r#"{"type":"CONTROL""#));
        let rest =
            SyncOutput { stdout: others.collect(), stderr: output.stderr.clone(), ..SyncOutput::default() };
        rest.assert_hides(&[&old_access, &old_refresh, &access, &refresh, CLIENT_SECRET, basic]);
    }
}

/// An answer whose headers quote a token, as a gateway in front of Notion could send it.
fn quoting(status: u16, token: &str) -> Fault {
    let headers = ["x-notion-request-id", "cf-ray"].map(|name| (name.to_owned(), format!("for {token}")));
    Fault::Raw { status, content_type: "text/html".to_owned(), body: Vec::new(), headers: headers.into() }
}

#[test]
fn what_quotes_a_token_is_told_without_it() {
    // GIVEN
    let notion = FakeNotion::start_blocking(sample_workspace());
    let token = notion.token();
    let connector = Connector::new(&notion);
    notion.fail(Route::Users, quoting(502, token));
    let retried = connector.clone().streams(&["users"]).read();
    notion.fail_always(Route::Search, quoting(403, token));
    notion.fail_always(Route::UsersMe, quoting(403, token));
    // WHEN
    let (read, check) = (connector.read(), connector.run("check"));
    // THEN
    read.assert_hides(&[token]);
    check.assert_hides(&[token]);
    retried.assert_hides(&[token]);
    assert!(retried.logs().iter().any(|(_level, text)| text.contains("request_id=\"for […]\"")));
    let error = read.error_of("pages");
    assert!(error["message"].as_str().unwrap().contains("cf-ray for […]"), "{error}");
    assert!(error["internal_message"].as_str().unwrap().contains("request id: for […]"), "{error}");
    let (status, message) = check.connection_status();
    assert!(status == "FAILED" && message.contains("cf-ray for […]"), "{message}");
}

#[test]
fn what_quotes_a_renewed_token_is_told_without_it() {
    // GIVEN a gateway that quotes the token that it gets, once that is a new one
    let notion = FakeNotion::start_blocking(sample_workspace());
    let connector = oauth(&notion, Some(&notion.refresh_token()));
    notion.expire_token();
    let first = connector.clone().streams(&["users"]).read();
    let [access, refresh] = [notion.current_token(), notion.refresh_token()];
    // The fake makes the same tokens in the same order.
    let notion = FakeNotion::start_blocking(sample_workspace());
    let connector = oauth(&notion, Some(&notion.refresh_token()));
    notion.expire_token();
    notion.fail_after(Route::Users, 1, quoting(403, &format!("{access} {refresh}")));
    // WHEN
    let output = connector.streams(&["users"]).read();
    // THEN
    first.assert_complete();
    assert_eq!([notion.current_token(), notion.refresh_token()], [access.clone(), refresh.clone()]);
    assert!(output.error_of("users")["message"].as_str().unwrap().contains("cf-ray for […] […]"));
    for token in [access, refresh] {
        assert_eq!(output.stdout.matches(&token).count(), 1, "{token}");
    }
    assert_eq!(lines_of(&output, "CONTROL").len(), 1);
}

/// Reads the users with a client that is already there, until the end or until it is interrupted.
pub(crate) async fn read_users(
    client: NotionClient,
    emitter: Emitter,
    writer: Writer,
    interrupted: impl Future<Output = ()>,
) -> SyncOutput {
    let writing = thread::spawn(move || {
        let mut output = Vec::new();
        writer.run(&mut output).unwrap();
        String::from_utf8(output).unwrap()
    });
    let catalog = r#"{"streams":[{"stream":{"name":"users"},"sync_mode":"full_refresh"}]}"#;
    let (catalog, state) = (ConfiguredCatalog::parse(catalog).unwrap(), InputState::default());
    let request = ReadRequest {
        client,
        emitter,
        catalog: &catalog,
        state: &state,
        start_date: DateTime::UNIX_EPOCH,
        comments_every: TimeDelta::zero(),
        report_deletions: true,
        complete_properties: true,
        worker_count: 1,
        policy: CheckpointPolicy::default(),
        now: Utc::now(),
    };
    let subscriber = tracing_subscriber::registry().with(LogLayer::new(request.emitter.clone()));
    let logging = tracing::subscriber::set_default(subscriber);
    read(request, interrupted).await.unwrap();
    drop(logging);
    SyncOutput::parse(writing.join().unwrap(), String::new(), None)
}

#[tokio::test]
async fn a_panic_in_a_task_that_quotes_a_token_is_told_without_it() {
    // GIVEN a client that panics when it is given a new token
    let notion = FakeNotion::start_blocking(sample_workspace());
    let (emitter, writer) = Writer::new();
    let oauth = OAuthClient {
        client_id: "fake_client_id".to_owned(),
        client_secret: CLIENT_SECRET.into(),
        refresh_token: Some(notion.refresh_token().into()),
    };
    let settings = ClientSettings {
        base: notion.url().parse().unwrap(),
        access_token: notion.current_token().into(),
        oauth: Some(oauth),
        max_in_flight: 1,
        retry: RetryPolicy::default(),
        timeouts: Timeouts::default(),
    };
    notion.expire_token();
    let told = emitter.clone();
    let on_refresh = move |tokens: &RefreshedTokens| {
        told.hide(&tokens.access_token);
        panic!("not {}", tokens.access_token.expose_secret());
    };
    let client = NotionClient::new(settings, on_refresh).unwrap();
    // WHEN
    let output = read_users(client, emitter, writer, pending()).await;
    // THEN
    output.assert_hides(&[&notion.current_token()]);
    assert_eq!(output.error_of("users")["internal_message"], "not […]");
    assert_eq!(output.error_of("users")["failure_type"], "system_error");
    assert_eq!(output.statuses("users").last().unwrap(), "INCOMPLETE");
}

#[test]
fn an_outage_of_the_token_endpoint_does_not_fail_a_refresh() {
    let notion = FakeNotion::start_blocking(sample_workspace());
    let connector = oauth(&notion, Some(&notion.refresh_token()));
    notion.expire_token();
    notion.fail_times(Route::OAuthToken, Fault::status(503), 2);
    notion.fail(Route::OAuthToken, Fault::rate_limited(0));
    let output = connector.read();
    output.assert_complete();
    assert_eq!(lines_of(&output, "CONTROL").len(), 1);
}

#[test]
fn a_token_that_is_revoked_in_mid_sync_fails_truthfully_and_the_next_sync_loses_nothing() {
    // GIVEN
    let notion = FakeNotion::start_blocking(sample_workspace());
    let connector = Connector::new(&notion);
    let whole = connector.read();
    whole.assert_complete();
    let requests = notion.request_count(Route::BlockChildren(None));
    for good in [0, 1, requests / 4, requests / 2, requests - 1] {
        notion.fail_times(Route::BlockChildren(None), Fault::Slow(Duration::ZERO), good);
        notion.fail_always(Route::BlockChildren(None), Fault::status(401));
        // WHEN
        let output = connector.read();
        notion.clear_faults();
        let next = connector.clone().state(output.state_file(&json!([]))).read();
        // THEN
        assert_eq!(output.exit_code, Some(1), "after {good} requests");
        assert_eq!(output.error_of("blocks")["failure_type"], "config_error");
        assert_eq!(output.statuses("blocks").last().unwrap(), "INCOMPLETE");
        next.assert_complete();
        for stream in stream_names() {
            let [read, rest] = [&output, &next].map(|output| output.content_ids(stream));
            let union: BTreeSet<String> = read.union(&rest).cloned().collect();
            assert_eq!(union, whole.ids(stream), "{stream} after {good} requests");
        }
    }
}

#[test]
fn a_token_that_is_revoked_while_a_page_is_tried_again_leaves_it_due() {
    // GIVEN a page whose blocks could not be read, so that the next sync tries it again.
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page("Plan");
    let block = workspace.append_text(page, "paragraph", "Text");
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    let route = Route::BlockChildren(Some(page));
    notion.fail_always(route, Fault::status(500));
    let failed = connector.read().state_file(&json!([]));
    notion.clear_faults();
    // WHEN the token is revoked at that moment.
    notion.fail_always(route, Fault::status(401));
    let revoked = connector.clone().state(failed.clone()).read();
    notion.clear_faults();
    // THEN
    assert_eq!(revoked.exit_code, Some(1));
    let next = connector.state(revoked.state_file(&failed)).read();
    next.assert_complete();
    assert_eq!(next.ids("blocks"), BTreeSet::from([block.to_string()]));
}

#[test]
fn a_check_refreshes_an_expired_token_too() {
    let notion = FakeNotion::start_blocking(sample_workspace());
    let connector = oauth(&notion, Some(&notion.refresh_token()));
    notion.expire_token();
    let output = connector.run("check");
    assert_eq!(output.connection_status().0, "SUCCEEDED");
    assert_eq!(lines_of(&output, "CONTROL").len(), 1);
}

#[test]
fn an_expired_token_without_a_refresh_token_is_a_config_error() {
    let notion = FakeNotion::start_blocking(sample_workspace());
    let connector = oauth(&notion, None);
    notion.expire_token();
    let output = connector.read();
    assert_eq!(output.exit_code, Some(1));
    let expected = "Notion refused the access token (401). It is wrong, expired or revoked: copy it again from the \
                    integration's Secrets tab, or authorise again.";
    let expected = BTreeSet::from([("config_error".to_owned(), expected.to_owned())]);
    assert_eq!(error_messages(&output), expected);
    assert_eq!(notion.request_count(Route::OAuthToken), 0);
    assert!(lines_of(&output, "CONTROL").is_empty());
}

#[test]
fn a_refused_refresh_is_a_config_error_and_is_asked_for_once() {
    let notion = FakeNotion::start_blocking(sample_workspace());
    let connector = oauth(&notion, Some("nrt_revoked_refresh_token"));
    notion.expire_token();
    for verb in ["read", "check"] {
        notion.clear_requests();
        let output = connector.run(verb);
        output.assert_hides(&["nrt_revoked_refresh_token", CLIENT_SECRET]);
        assert_eq!(notion.request_count(Route::OAuthToken), 1, "{verb}");
        assert!(lines_of(&output, "CONTROL").is_empty());
        if verb == "read" {
            assert_eq!(output.exit_code, Some(1));
            assert!(
                error_messages(&output).iter().all(|(failure_type, _message)| failure_type == "config_error")
            );
        } else {
            assert_eq!(output.connection_status().0, "FAILED");
        }
    }
}

#[test]
fn a_token_that_is_refused_again_after_its_refresh_does_not_refresh_for_ever() {
    let notion = FakeNotion::start_blocking(sample_workspace());
    let connector = oauth(&notion, Some(&notion.refresh_token()));
    notion.fail_always(Route::UsersMe, Fault::status(401));
    notion.fail_always(Route::Users, Fault::status(401));
    notion.fail_always(Route::Search, Fault::status(401));
    let output = connector.read();
    assert_eq!(output.exit_code, Some(1));
    let refreshes = notion.request_count(Route::OAuthToken);
    assert!(refreshes <= 3, "asked {refreshes} times");
}
