//! Reading without a platform: a token in the environment, streams by name, a state that is kept.

use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use fake_notion::{FakeNotion, Fault, Route, sample::sample_workspace};
use serde_json::{Value, json};

use crate::support::{
    Connector, Process, SyncOutput, impatient_program, incremental_streams, program, stream_names,
};

fn sample() -> (FakeNotion, Connector) {
    let notion = FakeNotion::start_blocking(sample_workspace());
    let connector = Connector::new(&notion);
    (notion, connector)
}

/// Reads with these options beside the config.
fn read(connector: &Connector, options: &[&str]) -> SyncOutput {
    let config = connector.arguments("discover").pop().unwrap();
    let arguments =
        ["read", "--config", &config].into_iter().chain(options.iter().copied()).map(ToOwned::to_owned);
    connector.run_args(&arguments.collect::<Vec<_>>())
}

/// Everything but users, which are read in full each time.
fn count(output: &SyncOutput) -> usize {
    incremental_streams().into_iter().map(|stream| output.records(stream).len()).sum()
}

/// The warnings about the state; a machine that is busy gives others.
fn warnings(output: &SyncOutput) -> Vec<String> {
    let logs = output.logs().into_iter().filter(|(level, _text)| level == "WARN");
    logs.map(|(_level, text)| text).filter(|text| text.starts_with("The state file ")).collect()
}

#[test]
fn without_a_catalog_all_streams_are_read() {
    let (_notion, connector) = sample();
    let (whole, output) = (connector.read(), read(&connector, &[]));
    output.assert_complete();
    for stream in stream_names() {
        assert_eq!(output.id_counts(stream), whole.id_counts(stream), "{stream}");
    }
}

#[test]
fn streams_are_chosen_by_name() {
    let (_notion, connector) = sample();
    let output = read(&connector, &["--streams", "pages,users"]);
    output.assert_complete();
    let has_records = |stream: &&str| !output.records(stream).is_empty();
    assert_eq!(stream_names().into_iter().filter(has_records).collect::<Vec<_>>(), ["users", "pages"]);
}

#[test]
fn a_stream_that_is_not_there_is_told_with_those_that_are() {
    let (notion, connector) = sample();
    let message = |name: &str| {
        let output = read(&connector, &["--streams", name]);
        assert_eq!((output.exit_code, output.only_error().1.as_str()), (Some(1), "config_error"));
        output.only_error().0
    };
    let said = [message("databases"), message("page"), message("pages,everything")].join("\n");
    insta::assert_snapshot!(said, @r#"
    This connector has no stream "databases". Did you mean "data_sources"? Its streams are users, data_sources, pages, blocks, comments.
    This connector has no stream "page". Did you mean "pages"? Its streams are users, data_sources, pages, blocks, comments.
    This connector has no stream "everything". Its streams are users, data_sources, pages, blocks, comments.
    "#);
    assert_eq!(notion.requests().len(), 0);
}

#[test]
fn what_discover_prints_is_a_catalog() {
    let (_notion, connector) = sample();
    let whole = connector.read();
    let printed = connector.run("discover");
    let bare = printed.only("CATALOG", "catalog").to_string();
    for text in [printed.stdout.clone(), bare] {
        let output = read(&connector, &["--catalog", &connector.file("catalog.jsonl", &text)]);
        output.assert_complete();
        for stream in stream_names() {
            assert_eq!(output.id_counts(stream), whole.id_counts(stream), "{stream}");
        }
    }
}

#[test]
fn the_output_of_a_read_is_a_state() {
    let (_notion, connector) = sample();
    let first = connector.read();
    let expected = count(&connector.clone().state(first.state_file(&json!([]))).read());
    assert!(expected < count(&first));
    let cut_off = format!("{}{}", first.stdout, r#"{"type":"RECORD","record":{"str"#);
    for text in [&first.stdout, &cut_off] {
        let second = read(&connector, &["--state", &connector.file("messages.jsonl", text)]);
        second.assert_complete();
        assert_eq!(count(&second), expected);
    }
    // A state alone is one, too.
    let pages = first
        .messages
        .iter()
        .rfind(|line| line.pointer("/state/stream/stream_descriptor/name") == Some(&json!("pages")));
    for state in [pages.unwrap(), &pages.unwrap()["state"]] {
        let file = connector.file("state.json", &state.to_string());
        let second = read(&connector, &["--state", &file, "--streams", "pages"]);
        second.assert_complete();
        assert!(second.records("pages").len() < first.records("pages").len());
    }
}

#[test]
fn a_state_file_is_made_by_the_first_read_and_kept_up_to_date() {
    let (_notion, connector) = sample();
    let path = format!("{}/kept.json", connector.folder());
    let first = read(&connector, &["--state-file", &path]);
    first.assert_complete();
    let kept: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    for stream in kept.as_array().unwrap().iter().map(|state| &state["stream"]) {
        let name = stream["stream_descriptor"]["name"].as_str().unwrap();
        assert_eq!(stream["stream_state"], first.last_state(name), "{name}");
    }
    assert_eq!(kept.as_array().unwrap().len(), stream_names().len());
    let expected = count(&connector.clone().state(first.state_file(&json!([]))).read());
    let second = read(&connector, &["--state-file", &path]);
    second.assert_complete();
    assert_eq!(count(&second), expected);
}

#[test]
fn a_killed_read_leaves_its_last_states_in_the_state_file() {
    // GIVEN a read that waits for an answer after some states
    let (notion, connector) = sample();
    let connector = connector.with_config("num_workers", json!(1));
    notion.fail_after(Route::BlockChildren(None), 8, Fault::Slow(std::time::Duration::from_mins(10)));
    let (sender, waiting) = std::sync::mpsc::channel();
    let asked = AtomicUsize::new(0);
    notion.on_request(move |request, _workspace| {
        let is_children = Route::BlockChildren(None).covers(request.route);
        if is_children && asked.fetch_add(1, Ordering::Relaxed) == 8 {
            sender.send(()).unwrap();
        }
    });
    let path = format!("{}/kept.json", connector.folder());
    let mut command = connector.command(&impatient_program(), "read");
    let mut process = Process::start(command.args(["--state-file", &path]));
    waiting.recv_timeout(std::time::Duration::from_mins(1)).unwrap();

    // WHEN
    process.kill();
    let first = process.wait();

    // THEN what stands there was on stdout before, and leads to the rest
    let kept: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert!(!kept.as_array().unwrap().is_empty());
    for stream in kept.as_array().unwrap().iter().map(|state| &state["stream"]) {
        let name = stream["stream_descriptor"]["name"].as_str().unwrap();
        let is_printed =
            first.states().iter().any(|line| line.stream == name && line.state == stream["stream_state"]);
        assert!(is_printed, "{name}");
    }
    notion.clear_hooks();
    notion.clear_faults();
    let second = read(&connector, &["--state-file", &path]);
    second.assert_complete();
    let whole = Connector::new(&notion).read();
    let mut union = first;
    union.messages.extend(second.messages);
    for stream in stream_names() {
        assert_eq!(union.content_ids(stream), whole.ids(stream), "{stream}");
    }
}

#[test]
fn a_state_file_that_cannot_be_kept_is_told() {
    let (notion, connector) = sample();
    // Before anything is read,
    let output = read(&connector, &["--state-file", "/missing/kept.json"]);
    assert_eq!(
        output.only_error().0,
        "The state file /missing/kept.json cannot be written: No such file or directory (os error 2). Check the path \
         and its permissions."
    );
    assert_eq!((output.exit_code, notion.requests().len()), (Some(1), 0));
    // and when it goes away.
    let folder = format!("{}/folder", connector.folder());
    fs::create_dir(&folder).unwrap();
    let removed = folder.clone();
    notion.on_request(move |_request, _workspace| fs::remove_dir_all(&removed).unwrap_or_default());
    let output = read(&connector, &["--state-file", &format!("{folder}/kept.json")]);
    assert_eq!(output.exit_code, Some(1));
}

#[test]
fn states_that_match_nothing_are_a_warning() {
    let (_notion, connector) = sample();
    let state = |name: &str| json!([{"type": "STREAM", "stream": {"stream_descriptor": {"name": name}, "stream_state": {"a": 1}}}]);
    let legacy = json!([{"type": "LEGACY", "data": {"pages": {"last_edited_time": "x"}}}]);
    let path = connector.file("state.json", &state("old_pages").to_string());
    let said = warnings(&read(&connector, &["--state", &path]));
    assert_eq!(
        said,
        [format!(
            "The state file {path} has states of old_pages, which are not read; what is read is read from the start."
        )]
    );
    connector.file("state.json", &legacy.to_string());
    let said = warnings(&read(&connector, &["--state", &path]));
    assert!(said.len() == 1 && said[0].contains("an old form, which names no stream"), "{said:?}");
    // An empty one is the state of a first sync.
    connector.file("state.json", "[]");
    assert_eq!(warnings(&read(&connector, &["--state", &path])), Vec::<String>::new());
}

#[test]
fn the_config_may_come_on_stdin() {
    let (_notion, connector) = sample();
    let config = fs::read_to_string(&connector.arguments("check")[2]).unwrap();
    for (text, expected) in
        [(config.as_str(), "SUCCEEDED"), ("{,", "The config on stdin cannot be used: it is not JSON")]
    {
        let mut command = Command::new(program());
        command.args(["check", "--config", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let printed = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        assert!(printed.contains(expected), "{printed}");
    }
}

#[test]
fn a_token_in_the_environment_is_a_config() {
    let with_token = |token: &str| {
        let mut command = Command::new(program());
        command.arg("discover").env("NOTION_TOKEN", token).stdout(Stdio::piped()).stderr(Stdio::piped());
        Process::start(&mut command).wait()
    };
    let output = with_token("ntn_hidden_1");
    assert_eq!(output.exit_code, Some(0));
    output.only("CATALOG", "catalog");
    for (token, expected) in [
        (
            "$NOTION_TOKEN",
            "\"NOTION_TOKEN\" is a placeholder that nothing was put in for; give the token itself.",
        ),
        ("'ntn_hidden'", "\"NOTION_TOKEN\" has quotes around the token; take them out."),
        (
            "https://www.notion.so/hidden",
            "\"NOTION_TOKEN\" is the address of a page, not a token; copy the token from the integration's Secrets tab.",
        ),
    ] {
        let output = with_token(token);
        assert_eq!((output.exit_code, output.only_error().0.as_str()), (Some(1), expected));
        output.assert_hides(&["hidden"]);
    }
    let output = with_token("");
    assert_eq!(output.exit_code, Some(2));
    insta::assert_snapshot!(output.stderr, @r"
    error: neither --config <FILE> nor the environment variable NOTION_TOKEN is there

    Usage: source-notion discover [OPTIONS]

    For more information, try '--help'.
    ");
}

#[test]
fn a_state_is_printed_readably() {
    let (_notion, connector) = sample();
    let first = connector.read();
    let printed = |text: &str| {
        let path = connector.file("messages.jsonl", text);
        let output = Command::new(program()).args(["state", "--state", &path]).output().unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = printed(&first.stdout);
    for stream in stream_names() {
        assert!(text.lines().any(|line| line == format!("{stream}:")), "{text}");
    }
    assert_eq!(printed("[]"), "There is no state of any stream.\n");
}
