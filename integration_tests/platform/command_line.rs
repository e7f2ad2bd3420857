//! The command line of the real program: verbs, options, exit codes, logging, and what it leaves alone.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use fake_notion::{FakeNotion, Workspace, sample::sample_workspace};
use serde_json::{Value, json};

use crate::support::{Connector, Process, SyncOutput};

fn run(arguments: &[&str]) -> SyncOutput {
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    Process::spawn(&arguments, &[("NOTION_TOKEN", "")]).wait()
}

fn sample() -> (FakeNotion, Connector) {
    let notion = FakeNotion::start_blocking(sample_workspace());
    let connector = Connector::new(&notion);
    (notion, connector)
}

/// A workspace that is read in no time.
fn small() -> (FakeNotion, Connector) {
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page("Plan");
    workspace.append_text(page, "paragraph", "Text");
    let notion = FakeNotion::start_blocking(workspace);
    let connector = Connector::new(&notion);
    (notion, connector)
}

/// The types of the messages, those of logs left out.
fn kinds(output: &SyncOutput) -> Vec<&str> {
    let kinds = output.messages.iter().map(|message| message["type"].as_str().unwrap());
    kinds.filter(|kind| *kind != "LOG").collect()
}

#[test]
fn each_verb_prints_its_message_and_nothing_on_stderr() {
    let (_notion, connector) = sample();
    for (verb, kind) in [("spec", "SPEC"), ("check", "CONNECTION_STATUS"), ("discover", "CATALOG")] {
        let output = connector.run_program(verb);
        assert_eq!((output.exit_code, output.stderr.as_str()), (Some(0), ""), "{verb}");
        assert_eq!(kinds(&output), [kind]);
    }
    let output = connector.run_program("read");
    output.assert_complete();
    assert_eq!(output.stderr, "");
}

#[test]
fn every_line_is_one_json_object_that_ends_with_a_newline() {
    let (_notion, connector) = sample();
    let output = connector.run_program("read");
    assert!(output.stdout.ends_with("}\n"));
    let lines: Vec<&str> = output.stdout.split_terminator('\n').collect();
    assert_eq!(lines.len(), output.messages.len());
    for line in lines {
        assert!(serde_json::from_str::<Value>(line).unwrap().is_object(), "{line}");
        assert!(line.starts_with('{') && !line.contains('\r'), "{line}");
    }
}

#[test]
fn a_failed_check_ends_with_0_and_a_failed_read_with_1() {
    let (notion, connector) = sample();
    notion.expire_token();
    let check = connector.run_program("check");
    assert_eq!((check.exit_code, kinds(&check)), (Some(0), vec!["CONNECTION_STATUS"]));
    let read = connector.run_program("read");
    assert_eq!((read.exit_code, read.stderr.as_str()), (Some(1), ""));
    let discover = connector.run_program("discover");
    assert_eq!(discover.exit_code, Some(0), "discover asks nobody");
}

#[test]
fn a_wrong_command_line_is_explained_on_stderr_and_ends_with_2() {
    let cases: &[&[&str]] = &[
        &[],
        &["write"],
        &["SPEC"],
        &["check"],
        &["discover"],
        &["read"],
        &["read", "--catalog", "catalog.json"],
        &["read", "--config", "a", "--catalog", "b", "--streams", "pages"],
        &["read", "--config", "a", "--state", "b", "--state-file", "c"],
        &["check", "--config="],
        &["state"],
        &["check", "--config"],
        &["check", "config.json"],
        &["spec", "--unknown"],
        &["check", "--config", "a", "--config", "b"],
        &["discover", "--config", "a", "--state", "b"],
        &["--config", "a", "check"],
    ];
    for arguments in cases {
        let output = run(arguments);
        assert_eq!(output.exit_code, Some(2), "{arguments:?}");
        assert_eq!(output.stdout, "", "{arguments:?}");
        let is_usage = output.stderr.contains("Usage:") || output.stderr.contains("try '--help'");
        assert!(is_usage, "{arguments:?}: {}", output.stderr);
    }
}

#[test]
fn mistakes_are_answered_with_what_may_be_meant() {
    let said = |arguments: &[&str]| run(arguments).stderr;
    insta::assert_snapshot!(said(&["dicover", "--config", "config.json"]), @r"
    error: unrecognized subcommand 'dicover'

      tip: a similar subcommand exists: 'discover'
      tip: the commands are spec, check, discover, read, state

    Usage: source-notion [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(said(&["CHECK"]), @r"
    error: unrecognized subcommand 'CHECK'

      tip: a similar subcommand exists: 'check'
      tip: the commands are spec, check, discover, read, state

    Usage: source-notion [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(said(&["version"]), @r"
    error: unrecognized subcommand 'version'

      tip: the commands are spec, check, discover, read, state

    Usage: source-notion [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(said(&["read", "--confg", "config.json"]), @r"
    error: unexpected argument '--confg' found

      tip: a similar argument exists: '--config'

    Usage: source-notion read --config <FILE>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(said(&["read"]), @r"
    error: neither --config <FILE> nor the environment variable NOTION_TOKEN is there

    Usage: source-notion read [OPTIONS]

    For more information, try '--help'.
    ");
}

#[test]
fn help_and_version_are_printed_and_end_with_0() {
    for arguments in [&["--help"][..], &["help"], &["read", "--help"], &["--version"]] {
        // Help is no message of the protocol, so it is not parsed as such.
        let output = Command::new(env!("CARGO_BIN_EXE_source-notion")).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(output.stderr, b"", "{arguments:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let expected = match arguments {
            ["--version"] => concat!("source-notion ", env!("CARGO_PKG_VERSION"), "\n"),
            ["read", ..] => "--state-file <FILE>",
            ["--help"] => "Exit codes:\n  0 ",
            _ => "discover  Print the streams and their schemas",
        };
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
}

#[test]
fn options_may_come_in_any_order() {
    let (_notion, connector) = small();
    let connector = connector.state(json!([]));
    let arguments = connector.arguments("read");
    let expected = connector.run_program("read");
    expected.assert_complete();
    let pairs: Vec<&[String]> = arguments[1..].chunks(2).collect();
    for order in [[2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        for debug_at in [0, 1, 3] {
            let mut options: Vec<Vec<String>> = order.iter().map(|index| pairs[*index].to_vec()).collect();
            options.insert(debug_at, vec!["--debug".to_owned()]);
            let output = Process::spawn(&[&arguments[..1], &options.concat()].concat(), &[]).wait();
            output.assert_complete();
            assert_eq!(output.ids("blocks"), expected.ids("blocks"));
        }
    }
    let debug_first = [&["--debug".to_owned()], &arguments[..]].concat();
    Process::spawn(&debug_first, &[]).wait().assert_complete();
}

#[test]
fn file_names_carry_no_meaning_and_files_may_be_read_only() {
    let (_notion, connector) = small();
    let whole = connector.run_program("read");
    let state = whole.state_file(&json!([]));
    let connector = connector.state(state);
    let arguments = connector.arguments("read");
    let folder = tempfile::TempDir::new().unwrap();
    for suffix in ["", ".txt", ".json", ".yaml", ".tmp.JSON", " with a space"] {
        let mut arguments = arguments.clone();
        for (place, name) in [(2, "config"), (4, "catalog"), (6, "state")] {
            let path = folder.path().join(format!("{name}{suffix}"));
            fs::copy(&arguments[place], &path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
            path.to_str().unwrap().clone_into(&mut arguments[place]);
        }
        let output = Process::spawn(&arguments, &[]).wait();
        output.assert_complete();
        assert!(!output.records("users").is_empty());
        for place in [2, 4, 6] {
            let mode = fs::metadata(&arguments[place]).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o444, "{suffix:?}");
        }
    }
}

#[test]
fn nothing_is_read_from_stdin() {
    let (_notion, connector) = small();
    for verb in ["spec", "check", "discover", "read"] {
        // GIVEN a stdin that stays open and holds something.
        let mut child = Command::new(env!("CARGO_BIN_EXE_source-notion"))
            .args(connector.arguments(verb))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"{\"type\": \"STATE\"}\nnot json\n").unwrap();
        // WHEN
        let output = child.wait_with_output().unwrap();
        drop(stdin);
        // THEN it ends although stdin has not.
        assert_eq!(output.status.code(), Some(0), "{verb}");
    }
}

#[test]
fn the_working_directory_does_not_matter() {
    let (_notion, connector) = small();
    let folder = tempfile::TempDir::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_source-notion"))
        .args(connector.arguments("read"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing may be left behind");
}

/// The levels that are logged in a check with `--debug` or not, and this `LOG_LEVEL`.
fn levels(connector: &Connector, debug: bool, level: Option<&str>) -> Vec<String> {
    let mut arguments = connector.arguments("read");
    if debug {
        arguments.push("--debug".to_owned());
    }
    let environment: Vec<(&str, &str)> = level.map(|level| ("LOG_LEVEL", level)).into_iter().collect();
    let output = Process::spawn(&arguments, &environment).wait();
    output.assert_complete();
    assert_eq!(output.stderr, "");
    let mut levels: Vec<String> = output.logs().into_iter().map(|(level, _text)| level).collect();
    levels.sort();
    levels.dedup();
    levels
}

#[test]
fn the_log_level_is_taken_from_the_option_or_the_environment() {
    let (_notion, connector) = small();
    // A warning: the stream named last has no cursor's state, but one from the future.
    let future = json!([{"type": "STREAM", "stream": {"stream_descriptor": {"name": "pages"},
        "stream_state": {"last_edited_time": "2999-01-01T00:00:00Z"}}}]);
    let connector = connector.state(future);
    let cases: &[(bool, Option<&str>, &[&str])] = &[
        (false, None, &["INFO", "WARN"]),
        (false, Some(""), &["INFO", "WARN"]),
        (false, Some("INFO"), &["INFO", "WARN"]),
        (false, Some("nonsense"), &["INFO", "WARN"]),
        (false, Some("debug"), &["DEBUG", "INFO", "WARN"]),
        (false, Some("TRACE"), &["DEBUG", "INFO", "WARN"]),
        (false, Some("warn"), &["WARN"]),
        (false, Some("WARNING"), &["WARN"]),
        (false, Some("error"), &[]),
        (false, Some("FATAL"), &[]),
        (true, None, &["DEBUG", "INFO", "WARN"]),
        (true, Some("error"), &["DEBUG", "INFO", "WARN"]),
    ];
    for (debug, level, expected) in cases {
        assert_eq!(levels(&connector, *debug, *level), *expected, "{debug} {level:?}");
    }
}
