//! Bad input: one clear message (what, where, what to do), the right failure type, nothing lost, no secret shown.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use chrono::{DateTime, Utc};
use fake_notion::{FakeNotion, Fault, Route, Workspace, sample::sample_workspace};
use serde_json::{Value, json};

use crate::support::{Connector, Process, SyncOutput, stream_names};

const TOKEN: &str = "ntn_hidden_token_1";
const SECRETS: [&str; 4] = ["ntn_hidden", "hidden_client_secret", "nrt_hidden", "ntn_fake_0123456789abcdef"];

/// Bad inputs by name, and what was said about each.
#[derive(Default)]
struct Findings(String);

impl Findings {
    fn add(&mut self, name: &str, said: &str) {
        writeln!(self.0, "{name}\n    {said}").unwrap();
    }
}

/// Runs a command in this process, and as the program with `--debug` and with the most talkative `LOG_LEVEL`;
/// returns the first. No run shows a secret or writes to stderr, and all say the same.
#[track_caller]
fn run_every_way(connector: &Connector, arguments: &[String]) -> SyncOutput {
    let output = connector.run_args(arguments);
    let debug: Vec<String> = arguments.iter().cloned().chain(["--debug".to_owned()]).collect();
    let others = [
        Process::spawn(&debug, &[("RUST_LOG", "trace")]).wait(),
        Process::spawn(arguments, &[("LOG_LEVEL", "trace")]).wait(),
    ];
    for other in [&output].into_iter().chain(&others) {
        other.assert_hides(&SECRETS);
        assert_eq!(other.stderr, "");
        assert_eq!(other.exit_code, output.exit_code);
        let messages = |output: &SyncOutput| -> Vec<Value> {
            output.errors().iter().map(|error| error["message"].clone()).collect()
        };
        assert_eq!(messages(other), messages(&output));
    }
    output
}

/// The message of a command that ended before anything was read.
#[track_caller]
fn refusal(connector: &Connector, arguments: &[String]) -> String {
    let output = run_every_way(connector, arguments);
    let (message, failure_type) = output.only_error();
    assert_eq!(failure_type, "config_error");
    assert_eq!(output.exit_code, Some(1));
    let kinds: Vec<&str> = output.messages.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["LOG", "TRACE"], "neither a record nor a state may come");
    assert_eq!(output.logs(), [("FATAL".to_owned(), message.clone())]);
    without_folder(connector, &message)
}

fn without_folder(connector: &Connector, message: &str) -> String {
    message.replace(connector.folder(), "[folder]")
}

/// A connector that never comes to send anything.
fn unconnected() -> (FakeNotion, Connector) {
    let notion = FakeNotion::start_blocking(Workspace::new());
    let connector = Connector::new(&notion);
    (notion, connector)
}

fn arguments(text: &str) -> Vec<String> {
    text.split(' ').map(ToOwned::to_owned).collect()
}

/// The sample workspace with a connector, and what it reads when nothing is wrong.
fn sample() -> (FakeNotion, Connector, SyncOutput) {
    let notion = FakeNotion::start_blocking(sample_workspace());
    let connector = Connector::new(&notion);
    let whole = connector.read();
    whole.assert_complete();
    notion.clear_requests();
    (notion, connector, whole)
}

/// Fails unless the run read these streams wholly and says so.
#[track_caller]
fn assert_others_complete(output: &SyncOutput, whole: &SyncOutput, streams: &[&str]) {
    for stream in streams {
        assert_eq!(output.id_counts(stream), whole.id_counts(stream), "{stream}");
        let [state, expected] = [output, whole].map(|output| output.last_state(stream));
        for part in ["complete", "count"] {
            assert_eq!(state["ledger"][part], expected["ledger"][part], "{stream}");
        }
        assert_eq!(output.statuses(stream), ["STARTED", "RUNNING", "COMPLETE"], "{stream}");
    }
}

/// Every error of a run: the stream, or none for the run as a whole.
fn errors_of(output: &SyncOutput) -> String {
    let mut text = String::new();
    for error in output.errors() {
        let stream = error["stream_descriptor"]["name"].as_str().unwrap_or("-");
        let part = |field: &str| error[field].as_str().unwrap();
        writeln!(text, "{stream}: {}: {}", part("failure_type"), part("message")).unwrap();
    }
    text
}

fn token_and(field: &str, value: &Value) -> Value {
    json!({"credentials": {"auth_type": "token", "token": TOKEN}, field: value})
}

fn bad_configs() -> Vec<(&'static str, String)> {
    let oauth = |field: &str, value: Value| {
        let mut credentials = json!({"auth_type": "OAuth2.0", "client_id": "id", "access_token": TOKEN,
            "client_secret": "hidden_client_secret", "refresh_token": "nrt_hidden_refresh_token"});
        credentials[field] = value;
        json!({ "credentials": credentials }).to_string()
    };
    let credentials = |value: Value| json!({ "credentials": value }).to_string();
    let with = |field: &str, value: Value| token_and(field, &value).to_string();
    vec![
        ("empty file", String::new()),
        ("not JSON", format!("{{\"credentials\": {{\"auth_type\": \"token\",\n\"token\": \"{TOKEN}\"}}")),
        ("not JSON, but the token itself", TOKEN.to_owned()),
        ("nested too deep", format!("{}\"{TOKEN}\"{}", "[".repeat(500), "]".repeat(500))),
        ("a list", json!([TOKEN]).to_string()),
        ("a text", json!(TOKEN).to_string()),
        ("no credentials", json!({"token": TOKEN}).to_string()),
        ("credentials null", credentials(Value::Null)),
        ("credentials a text", credentials(json!(TOKEN))),
        ("no auth_type", credentials(json!({"token": TOKEN}))),
        ("unknown auth_type", credentials(json!({"auth_type": "ntn_hidden", "token": TOKEN}))),
        ("auth_type a number", credentials(json!({"auth_type": 1, "token": TOKEN}))),
        ("token missing", credentials(json!({"auth_type": "token"}))),
        ("token empty", credentials(json!({"auth_type": "token", "token": ""}))),
        ("token blank", credentials(json!({"auth_type": "token", "token": " \n"}))),
        ("token a number", credentials(json!({"auth_type": "token", "token": 1}))),
        ("token with a space", credentials(json!({"auth_type": "token", "token": format!("{TOKEN} x")}))),
        (
            "token with a line break",
            credentials(json!({"auth_type": "token", "token": format!("x\n{TOKEN}")})),
        ),
        ("token with an umlaut", credentials(json!({"auth_type": "token", "token": format!("{TOKEN}ä")}))),
        ("old form, token empty", json!({"access_token": ""}).to_string()),
        ("old form, token with a space", json!({"access_token": format!("{TOKEN} x")}).to_string()),
        ("access_token missing", oauth("access_token", Value::Null)),
        ("access_token with a space", oauth("access_token", json!(format!("{TOKEN} x")))),
        ("client_id missing", oauth("client_id", Value::Null)),
        ("client_secret empty", oauth("client_secret", json!(""))),
        ("refresh_token a list", oauth("refresh_token", json!(["nrt_hidden"]))),
        ("start_date not a date", with("start_date", json!("yesterday"))),
        ("start_date impossible", with("start_date", json!("2024-02-30T00:00:00.000Z"))),
        ("start_date a number", with("start_date", json!(1_700_000_000))),
        ("start_date in the future", with("start_date", json!("2999-01-01T00:00:00.000Z"))),
        ("num_workers 0", with("num_workers", json!(0))),
        ("num_workers 26", with("num_workers", json!(26))),
        ("num_workers negative", with("num_workers", json!(-1))),
        ("num_workers a fraction", with("num_workers", json!(1.5))),
        ("num_workers a text", with("num_workers", json!("8"))),
        ("comments_every_hours too long", with("comments_every_hours", json!(8_761))),
        ("report_deletions a number", with("report_deletions", json!(1))),
        ("complete_properties a text", with("complete_properties", json!("yes"))),
        ("api_url not a URL", with("api_url", json!("api.notion.com"))),
        ("api_url plain http", with("api_url", json!("http://api.notion.com"))),
        ("api_url another scheme", with("api_url", json!("file:///etc/passwd"))),
        ("api_url with a password", with("api_url", json!(format!("https://x:{TOKEN}@api.notion.com")))),
        ("api_url with a path", with("api_url", json!("https://api.notion.com/v1"))),
        ("api_url with a query", with("api_url", json!(format!("https://api.notion.com?token={TOKEN}")))),
        ("api_url a number", with("api_url", json!(1))),
    ]
}

#[test]
fn a_bad_config_is_told_alike_by_every_verb() {
    let (notion, connector) = unconnected();
    let catalog = connector.file("catalog.json", "{\"streams\": []}");
    let mut findings = Findings::default();
    for (name, text) in bad_configs() {
        let config = connector.file("config.json", &text);
        let message = refusal(&connector, &arguments(&format!("read --config {config} --catalog {catalog}")));
        let discover = connector.run_args(&arguments(&format!("discover --config {config}")));
        discover.assert_hides(&SECRETS);
        assert_eq!(discover.exit_code, Some(1));
        let (said, failure_type) = discover.only_error();
        assert_eq!(
            (without_folder(&connector, &said), failure_type.as_str()),
            (message.clone(), "config_error")
        );
        let check = run_every_way(&connector, &arguments(&format!("check --config {config}")));
        assert_eq!(check.exit_code, Some(0));
        let (status, said) = check.connection_status();
        assert_eq!((status.as_str(), without_folder(&connector, &said)), ("FAILED", message.clone()));
        assert_eq!(check.messages.len(), 1);
        findings.add(name, &message);
    }
    insta::assert_snapshot!("bad_config", findings.0);
    assert_eq!(notion.requests().len(), 0);
}

#[test]
fn an_unknown_key_of_the_config_is_a_warning_with_the_nearest_known_one() {
    let (_notion, connector) = unconnected();
    let connector =
        connector.with_config("start_dat", json!("2020-01-01T00:00:00.000Z")).with_config("_limit", json!(5));
    for verb in ["check", "discover", "read"] {
        let output = connector.run(verb);
        assert_eq!(output.exit_code, Some(0), "{verb}");
        let is_about_config = |text: &str| text.starts_with("The config ");
        let warnings =
            output.logs().into_iter().filter(|(level, text)| level == "WARN" && is_about_config(text));
        let expected =
            r#"The config has an unknown key "start_dat". It is ignored; did you mean "start_date"?"#;
        assert_eq!(warnings.collect::<Vec<_>>(), [("WARN".to_owned(), expected.to_owned())], "{verb}");
    }
}

#[test]
fn a_config_may_begin_with_a_byte_order_mark() {
    let (_notion, connector) = unconnected();
    let arguments = connector.arguments("discover");
    let text = std::fs::read_to_string(&arguments[2]).unwrap();
    connector.file("config.json", &format!("\u{feff}{text}"));
    assert_eq!(connector.run_args(&arguments).exit_code, Some(0));
}

#[test]
fn a_bad_catalog_is_told_before_anything_is_read() {
    let stream = |name: &str, mode: &str| {
        json!({"stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
            "sync_mode": mode, "destination_sync_mode": "append"})
    };
    let streams = |streams: &[Value]| json!({ "streams": streams }).to_string();
    let cases = [
        ("empty file", String::new()),
        ("not JSON", "{\"streams\": [".to_owned()),
        ("a list", "[]".to_owned()),
        ("no streams", "{}".to_owned()),
        ("streams null", "{\"streams\": null}".to_owned()),
        ("streams a text", "{\"streams\": \"pages\"}".to_owned()),
        ("a stream as a text", streams(&[json!("pages")])),
        ("a stream without its name", streams(&[json!({"stream": {}, "sync_mode": "full_refresh"})])),
        ("a stream without its sync mode", streams(&[json!({"stream": {"name": "pages"}})])),
        ("an invalid sync mode", streams(&[stream("users", "full_refresh"), stream("pages", "INVALID")])),
        ("a stream twice", streams(&[stream("pages", "incremental"), stream("pages", "full_refresh")])),
    ];
    let (notion, connector) = unconnected();
    let mut findings = Findings::default();
    for (name, text) in cases {
        let mut arguments = connector.arguments("read");
        arguments[4] = connector.file("catalog.json", &text);
        findings.add(name, &refusal(&connector, &arguments));
    }
    insta::assert_snapshot!("bad_catalog", findings.0);
    assert_eq!(notion.requests().len(), 0);
}

fn bad_states() -> Vec<(&'static str, String)> {
    let stream = |state: Value| {
        json!([{"type": "STREAM", "stream": {"stream_descriptor": {"name": "pages"}, "stream_state": state}}])
            .to_string()
    };
    let time = "2026-01-01T00:00:00.000000Z";
    vec![
        ("not JSON", "[{".to_owned()),
        ("a text", "\"pages\"".to_owned()),
        ("a number", "7".to_owned()),
        ("a list of numbers", "[1]".to_owned()),
        ("a plain object", json!({"pages": {"last_edited_time": time}}).to_string()),
        ("an unknown type", json!([{"type": "PARTITION"}]).to_string()),
        ("STATE without state", json!([{"type": "STATE"}]).to_string()),
        ("STREAM without stream", json!([{"type": "STREAM"}]).to_string()),
        ("STREAM without a name", json!([{"type": "STREAM", "stream": {"stream_state": {}}}]).to_string()),
        ("GLOBAL with shared state", json!({"type": "GLOBAL", "global": {"shared_state": {}}}).to_string()),
        ("stream_state a list", stream(json!([]))),
        ("cursor not a time", stream(json!({"last_edited_time": "yesterday"}))),
        ("cursor a number", stream(json!({"last_edited_time": 1_700_000_000}))),
        ("cursor an object", stream(json!({"last_edited_time": {}}))),
        ("global cursor not a time", stream(json!({"state": {"last_edited_time": "2026-13-01"}}))),
        (
            "cursor of a page not a time",
            stream(json!({"states": [{
            "partition": {"id": "11111111-1111-4111-8111-111111111111"},
            "cursor": {"last_edited_time": "x"}}]})),
        ),
        ("cursor of a slice not a time", stream(json!({"slices": [{"end": "x"}]}))),
    ]
}

#[test]
fn a_bad_state_is_told_before_anything_is_read() {
    let (notion, connector) = unconnected();
    let mut findings = Findings::default();
    for (name, text) in bad_states() {
        let mut arguments = connector.arguments("read");
        arguments.extend(["--state".to_owned(), connector.file("state.json", &text)]);
        findings.add(name, &refusal(&connector, &arguments));
    }
    insta::assert_snapshot!("bad_state", findings.0);
    assert_eq!(notion.requests().len(), 0);
}

#[test]
fn a_bad_cursor_of_a_stream_that_is_not_read_harms_nobody() {
    let (_notion, connector, whole) = sample();
    let bad = json!([
        {"type": "STREAM", "stream": {"stream_descriptor": {"name": "pages"}, "stream_state": {"last_edited_time": 1}}},
        {"type": "STREAM", "stream": {"stream_descriptor": {"name": "gone"}, "stream_state": {"a": 1}}},
    ]);
    let output = connector.streams(&["users", "data_sources"]).state(bad).read();
    output.assert_complete();
    assert_eq!(output.ids("data_sources"), whole.ids("data_sources"));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let (notion, connector) = unconnected();
    let read = connector.arguments("read");
    let folder = connector.folder().to_owned();
    let (missing, latin1) = (format!("{folder}/missing.json"), format!("{folder}/latin1.json"));
    std::fs::write(&latin1, [b'"', 0xe4, b'"']).unwrap();
    let mut findings = Findings::default();
    for (name, place) in [("config", 2), ("catalog", 4)] {
        for (what, path) in [("missing", &missing), ("a folder", &folder), ("not UTF-8", &latin1)] {
            let mut arguments = read.clone();
            arguments[place].clone_from(path);
            findings.add(&format!("{name} {what}"), &refusal(&connector, &arguments));
        }
    }
    for (what, path) in [("missing", &missing), ("a folder", &folder), ("not UTF-8", &latin1)] {
        let arguments = [read.clone(), arguments(&format!("--state {path}"))].concat();
        findings.add(&format!("state {what}"), &refusal(&connector, &arguments));
    }
    insta::assert_snapshot!("bad_file", findings.0);
    let (status, message) =
        connector.run_args(&arguments(&format!("check --config {missing}"))).connection_status();
    assert_eq!(status, "FAILED");
    assert_eq!(
        without_folder(&connector, &message),
        "The config file [folder]/missing.json cannot be read: No such file or directory (os error 2). Check the \
         path and its permissions."
    );
    assert_eq!(notion.requests().len(), 0);
}

#[test]
fn a_file_without_read_permission_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_notion, connector) = unconnected();
    let config = connector.file("config.json", "{}");
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o000)).unwrap();
    let output = connector.run_args(&arguments(&format!("discover --config {config}")));
    let (message, failure_type) = output.only_error();
    assert_eq!((output.exit_code, failure_type.as_str()), (Some(1), "config_error"));
    // The superuser may read everything, and then finds the credentials missing.
    let expected = if std::fs::read(&config).is_ok() {
        r#""credentials" is missing; give {"auth_type": "token", "token": "…"} or the OAuth2.0 fields."#
    } else {
        "The config file [folder]/config.json cannot be read: Permission denied (os error 13). Make it readable for the user that \
         the connector runs as; in its image that is the one with the number 1000."
    };
    assert_eq!(without_folder(&connector, &message), expected);
}

#[test]
fn an_unknown_stream_fails_and_the_others_go_on() {
    let (_notion, connector, whole) = sample();
    let names = [stream_names(), vec!["databases"]].concat();
    let output = connector.streams(&names).read();
    assert_eq!(output.exit_code, Some(1));
    assert_others_complete(&output, &whole, &stream_names());
    assert_eq!(output.statuses("databases"), ["INCOMPLETE"]);
    assert!(output.states().iter().all(|state| state.stream != "databases"));
    insta::assert_snapshot!(errors_of(&output), @r#"
    databases: config_error: This connector has no stream "databases". Did you mean "data_sources"? Its streams are users, data_sources, pages, blocks, comments. Refresh the connection's schema and deselect the stream.
    -: config_error: These streams did not sync completely: databases.
    "#);
}

#[test]
fn an_unknown_stream_alone_sends_no_request() {
    let (notion, connector, _whole) = sample();
    let output = connector.streams(&["databases"]).read();
    assert_eq!(output.exit_code, Some(1));
    assert_eq!(notion.requests().len(), 0);
}

#[test]
fn an_empty_catalog_reads_nothing_and_succeeds() {
    let (notion, connector, _whole) = sample();
    let output = connector.catalog(json!({"streams": []})).read();
    output.assert_complete();
    assert!(output.messages.iter().all(|message| message["type"] == "LOG"));
    let warnings: Vec<_> = output.logs().into_iter().filter(|(level, _text)| level == "WARN").collect();
    assert_eq!(
        warnings,
        [("WARN".to_owned(), "The catalog selects no stream, so there is nothing to read.".to_owned())]
    );
    assert_eq!(notion.requests().len(), 0);
}

#[test]
fn a_cursor_in_the_future_gives_no_record_and_does_not_stay_there() {
    let (_notion, connector, _whole) = sample();
    let future: Value = serde_json::from_str(include_str!("../abnormal_state.json")).unwrap();
    let output = connector.state(future.clone()).read();
    output.assert_complete();
    for message in future.as_array().unwrap() {
        let name = message["stream"]["stream_descriptor"]["name"].as_str().unwrap();
        assert_eq!(output.records(name), Vec::<&Value>::new(), "{name}");
        let state = output.last_state(name);
        let cursor = state.get("state").unwrap_or(&state)["last_edited_time"].as_str().unwrap();
        assert!(cursor.parse::<DateTime<Utc>>().unwrap() <= Utc::now(), "{name}: {cursor}");
        let expected = format!(
            "The cursor in the state of the stream \"{name}\" lies in the future, so what was edited before it counts \
             as delivered."
        );
        assert!(output.logs().contains(&("WARN".to_owned(), expected)), "{name}");
    }
    assert!(!output.records("users").is_empty());
}

#[test]
fn a_refused_token_fails_every_stream_and_keeps_the_states() {
    // GIVEN
    let (notion, connector, whole) = sample();
    let before = whole.state_file(&json!([]));
    notion.expire_token();
    // WHEN
    let connector = connector.state(before.clone());
    let output = run_every_way(&connector, &connector.arguments("read"));
    // THEN
    assert_eq!(output.exit_code, Some(1));
    assert!(output.all_records().next().is_none());
    let states = |file: &Value| -> BTreeMap<String, Value> {
        let states = file.as_array().unwrap().iter().map(|message| &message["stream"]);
        states
            .map(|stream| {
                let name = stream["stream_descriptor"]["name"].as_str().unwrap();
                let mut state = stream["stream_state"].clone();
                // This sync was not complete.
                if let Some(ledger) = state.get_mut("ledger").and_then(Value::as_object_mut) {
                    ledger.remove("complete");
                }
                (name.to_owned(), state)
            })
            .collect()
    };
    assert_eq!(states(&output.state_file(&before)), states(&before));
    for stream in stream_names() {
        assert_eq!(output.statuses(stream), ["STARTED", "INCOMPLETE"], "{stream}");
    }
    insta::assert_snapshot!("refused_token", errors_of(&output));
    // THEN the same state goes on where the last good run ended, once the token is right.
    let next = Connector::new(&notion)
        .with_config("credentials", json!({"auth_type": "token", "token": notion.current_token()}));
    next.state(output.state_file(&before)).read().assert_complete();
}

#[test]
fn a_missing_capability_fails_its_stream_only() {
    let (notion, connector, whole) = sample();
    let lacks = |comments, users| {
        notion.edit(|workspace| {
            workspace.settings.capabilities.comments = comments;
            workspace.settings.capabilities.users = users;
        });
        let output = run_every_way(&connector, &connector.arguments("read"));
        assert_eq!(output.exit_code, Some(1));
        output
    };
    let output = lacks(false, true);
    assert_others_complete(&output, &whole, &["users", "data_sources", "pages", "blocks"]);
    assert_eq!(output.statuses("comments"), ["STARTED", "INCOMPLETE"]);
    insta::assert_snapshot!(errors_of(&output), @r#"
    comments: config_error: Notion denied access (403): the integration lacks the capability "Read comments". Grant it in the integration's settings under Capabilities (for OAuth authorise again), or deselect the stream.
    -: config_error: These streams did not sync completely: comments.
    "#);
    let output = lacks(true, false);
    assert_others_complete(&output, &whole, &["data_sources", "pages", "blocks", "comments"]);
    assert_eq!(output.statuses("users"), ["STARTED", "INCOMPLETE"]);
    insta::assert_snapshot!(errors_of(&output), @r#"
    users: config_error: Notion denied access (403): the integration lacks the capability "Read user information". Grant it in the integration's settings under Capabilities (for OAuth authorise again), or deselect the stream.
    -: config_error: These streams did not sync completely: users.
    "#);
    // Nothing is lost: with the capability, the state of the failed run leads to everything.
    notion.edit(|workspace| workspace.settings.capabilities.users = true);
    notion.edit(|workspace| workspace.settings.capabilities.comments = false);
    let failed = connector.read();
    notion.edit(|workspace| workspace.settings.capabilities.comments = true);
    let next = connector.clone().state(failed.state_file(&json!([]))).read();
    next.assert_complete();
    assert_eq!(next.ids("comments"), whole.ids("comments"));
}

#[test]
fn a_capability_that_is_withdrawn_in_mid_sync_loses_nothing() {
    let (notion, connector, whole) = sample();
    connector.read().assert_complete();
    let requests = notion.request_count(Route::Comments(None));
    for good in [0, 1, requests / 2, requests - 1] {
        // GIVEN
        notion.fail_times(Route::Comments(None), Fault::Slow(Duration::ZERO), good);
        notion.fail_always(Route::Comments(None), Fault::status(403));
        // WHEN
        let output = connector.read();
        notion.clear_faults();
        let next = connector.clone().state(output.state_file(&json!([]))).read();
        // THEN
        assert_eq!(output.exit_code, Some(1), "after {good} requests");
        assert_others_complete(&output, &whole, &["users", "data_sources", "pages", "blocks"]);
        assert_eq!(output.error_of("comments")["failure_type"], "config_error");
        assert_eq!(output.statuses("comments").last().unwrap(), "INCOMPLETE");
        next.assert_complete();
        let [read, rest] = [&output, &next].map(|output| output.content_ids("comments"));
        assert_eq!(
            read.union(&rest).cloned().collect::<BTreeSet<_>>(),
            whole.ids("comments"),
            "after {good} requests"
        );
    }
}

#[test]
fn the_capability_for_content_withdrawn_in_mid_sync_is_not_taken_for_pages_that_are_gone() {
    // GIVEN
    let (notion, connector, whole) = sample();
    let block_requests = AtomicU64::new(0);
    notion.on_request(move |request, workspace| {
        let is_block = matches!(request.route, Route::BlockChildren(_));
        if is_block && block_requests.fetch_add(1, Ordering::Relaxed) == 20 {
            workspace.settings.capabilities.read_content = false;
        }
    });
    // WHEN
    let output = connector.streams(&["blocks"]).read();
    notion.clear_hooks();
    notion.edit(|workspace| workspace.settings.capabilities.read_content = true);
    // THEN
    assert_eq!(output.exit_code, Some(1));
    assert_eq!(output.statuses("blocks").last().unwrap(), "INCOMPLETE");
    insta::assert_snapshot!(errors_of(&output), @r#"
    blocks: config_error: Notion denied access (403): the integration lacks the capability "Read content". Grant it in the integration's settings under Capabilities (for OAuth authorise again), or deselect the stream.
    -: config_error: These streams did not sync completely: blocks.
    "#);
    let next = Connector::new(&notion).streams(&["blocks"]).state(output.state_file(&json!([]))).read();
    next.assert_complete();
    let [read, rest] = [&output, &next].map(|output| output.content_ids("blocks"));
    assert_eq!(read.union(&rest).cloned().collect::<BTreeSet<_>>(), whole.ids("blocks"));
}

#[test]
fn without_the_capability_for_content_users_still_complete() {
    let (notion, connector, whole) = sample();
    notion.edit(|workspace| workspace.settings.capabilities.read_content = false);
    let output = run_every_way(&connector, &connector.arguments("read"));
    assert_eq!(output.exit_code, Some(1));
    assert_others_complete(&output, &whole, &["users"]);
    insta::assert_snapshot!("no_content_capability", errors_of(&output));
}

#[test]
fn a_message_of_notion_that_quotes_the_token_does_not_show_it() {
    let (notion, connector, _whole) = sample();
    let quoting = format!("The token {} is not known.", notion.token());
    notion.fail_always(Route::Any, Fault::error(401, "unauthorized", &quoting));
    let output = run_every_way(&connector, &connector.arguments("read"));
    assert_eq!(output.exit_code, Some(1));
    assert!(
        output.error_of("pages")["internal_message"]
            .as_str()
            .unwrap()
            .contains("The token […] is not known.")
    );
    run_every_way(&connector, &connector.arguments("check"));
}

#[test]
fn a_good_run_shows_no_secret_at_any_log_level() {
    let (_notion, connector, whole) = sample();
    for verb in ["check", "discover", "read"] {
        let output = run_every_way(&connector, &connector.arguments(verb));
        assert_eq!(output.exit_code, Some(0), "{verb}");
    }
    whole.assert_hides(&SECRETS);
}

#[test]
fn each_failure_of_notion_has_a_message_and_a_failure_type() {
    let blocked = Fault::RateLimited {
        retry_after: Some("1".to_owned()),
        reason: Some("public_api_request_blocked".to_owned()),
    };
    let teapot = Fault::Raw {
        status: 204,
        content_type: "text/plain".to_owned(),
        body: Vec::new(),
        headers: Vec::new(),
    };
    let cases = [
        ("400", Fault::status(400), false),
        ("401", Fault::status(401), true),
        ("403", Fault::status(403), false),
        ("403 of the network's edge", Fault::html(403), true),
        ("404", Fault::status(404), false),
        ("409", Fault::status(409), false),
        ("429 for good", blocked, true),
        ("500", Fault::status(500), false),
        ("503 as HTML", Fault::html(503), false),
        ("204", teapot, false),
        ("disconnected", Fault::Disconnect, false),
        ("cut off", Fault::CutBody, false),
        ("no answer in time", Fault::Silence, false),
        ("HTML", Fault::html(200), false),
        ("half of the JSON", Fault::TruncatedJson, false),
        ("another JSON", Fault::json("{\"object\": \"list\"}"), false),
        ("a repeated position", Fault::RepeatedCursor, false),
        ("no next position", Fault::HasMoreWithoutCursor, false),
    ];
    let notion = FakeNotion::start_blocking(Workspace::new());
    notion.edit(|workspace| workspace.add_top_database("Tasks", Utc::now()));
    let connector = Connector::new(&notion).streams(&["users", "data_sources"]).with_settings(|settings| {
        settings.timeouts.read = Duration::from_millis(200);
    });
    let mut findings = Findings::default();
    for (name, fault, ends_everything) in cases {
        notion.fail_always(Route::Users, fault);
        let output = connector.read();
        notion.clear_faults();
        assert_eq!(output.exit_code, Some(1), "{name}");
        assert_eq!(output.statuses("users").last().unwrap(), "INCOMPLETE", "{name}");
        let other = output.statuses("data_sources");
        let expected = if ends_everything { "INCOMPLETE" } else { "COMPLETE" };
        assert_eq!(other.last().unwrap(), expected, "{name}");
        let error = output.error_of("users");
        let part = |field: &str| error[field].as_str().unwrap();
        findings.add(name, &format!("{}: {}", part("failure_type"), part("message")));
    }
    insta::assert_snapshot!("failures_of_notion", findings.0);
}
