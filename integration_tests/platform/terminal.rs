//! What a person at a terminal sees of failures, warnings and checks, whatever became of the output.

use std::{
    fs::File,
    process::{Command, Stdio},
    time::Duration,
};

use fake_notion::{FakeNotion, Fault, Route, When, Workspace, sample::sample_workspace};
use serde_json::{Value, json};

use crate::support::{Connector, at_terminal, days_ago, program, state_after, stream_names};

fn sample() -> (FakeNotion, Connector) {
    let notion = FakeNotion::start_blocking(sample_workspace());
    let connector = Connector::new(&notion);
    (notion, connector)
}

/// Runs a verb with its output thrown away; returns the exit code and what the terminal showed.
fn run(connector: &Connector, verb: &str) -> (Option<i32>, String) {
    let nowhere = File::options().write(true).open("/dev/null").unwrap();
    at_terminal(connector.command(&program(), verb), nowhere.into())
}

/// The lines in plain words: a bar is drawn on others, and each is drawn over by the next.
fn lines(shown: &str) -> Vec<&str> {
    let lines = shown.lines().filter_map(|line| line.rsplit(['\r', '\u{1b}']).next());
    let lines = lines.map(|line| line.strip_prefix("[2K").unwrap_or(line));
    lines.filter(|line| line.starts_with("Error: ") || line.starts_with("Warning: ")).collect()
}

#[test]
fn a_refused_token_is_told_once_although_five_streams_fail() {
    let (notion, connector) = sample();
    notion.expire_token();
    let (code, shown) = run(&connector, "read");
    assert_eq!(code, Some(1));
    let told: Vec<_> = lines(&shown).into_iter().filter(|line| line.contains("401")).collect();
    let expected = "Error: Notion refused the access token (401). It is wrong, expired or revoked: copy it again from \
        the integration's Secrets tab, or authorise again.";
    assert_eq!(told.iter().filter(|line| **line == expected).count(), 1, "{shown}");
    let last = "Error: These streams did not sync completely: users, data_sources, pages, blocks, comments.";
    assert_eq!(lines(&shown).last(), Some(&last), "{shown}");
}

#[test]
fn a_missing_file_is_told_although_the_output_goes_elsewhere() {
    let (_notion, connector) = sample();
    for verb in ["check", "discover", "read"] {
        let mut command = Command::new(program());
        command.args([verb, "--config", "/missing.json"]);
        if verb == "read" {
            command.args(["--catalog", "/missing_too.json"]);
        }
        let (code, shown) = at_terminal(command, Stdio::null());
        assert_eq!(code, Some(i32::from(verb != "check")), "{verb}");
        assert_eq!(
            shown,
            "Error: The config file /missing.json cannot be read: No such file or directory (os error 2). Check the \
             path and its permissions.\n",
            "{verb}"
        );
    }
    drop(connector);
}

#[test]
fn a_full_disk_is_told_by_every_verb() {
    let (_notion, connector) = sample();
    for verb in ["spec", "check", "discover", "read"] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let (code, shown) = at_terminal(connector.command(&program(), verb), full.into());
        assert_eq!(code, Some(1), "{verb}");
        let expected = "Error: The output cannot be written: No space left on device (os error 28).";
        assert_eq!(lines(&shown), [expected], "{verb}: {shown}");
    }
}

#[test]
fn an_output_whose_reader_is_gone_is_told_by_every_verb() {
    let (_notion, connector) = sample();
    for verb in ["spec", "check", "discover", "read"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (code, shown) = at_terminal(connector.command(&program(), verb), writer.into());
        assert_eq!(code, Some(1), "{verb}");
        assert_eq!(
            lines(&shown),
            ["Error: The output cannot be written: Broken pipe (os error 32)."],
            "{verb}"
        );
    }
}

#[test]
fn an_output_that_is_closed_is_told_by_every_verb() {
    let (_notion, connector) = sample();
    for verb in ["spec", "check", "discover", "read"] {
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec "$0" "$@" >&-"#]).arg(program()).args(connector.arguments(verb));
        let (code, shown) = at_terminal(command, Stdio::null());
        assert_eq!(code, Some(1), "{verb}");
        assert_eq!(lines(&shown), ["Error: The output cannot be written: it is closed."], "{verb}: {shown}");
    }
    let mut help = Command::new("sh");
    help.args(["-c", r#"exec "$0" --help >&-"#]).arg(program());
    assert_eq!(help.status().unwrap().code(), Some(1));
}

#[test]
fn an_output_that_is_thrown_away_is_no_failure() {
    let (_notion, connector) = sample();
    for verb in ["spec", "check", "discover", "read"] {
        assert_eq!(run(&connector, verb).0, Some(0), "{verb}");
    }
}

#[test]
fn warnings_are_told_in_plain_words() {
    let (_notion, connector) = sample();
    let connector = connector.with_config("start_dat", json!("2020-01-01"));
    let mut command = connector.command(&program(), "discover");
    command.env("LOG_LEVEL", "garbage");
    let (code, shown) = at_terminal(command, Stdio::null());
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(shown, @r#"
    Warning: LOG_LEVEL is "garbage", which is no level; info is used. The levels are trace, debug, info, warn, error and fatal.
    Warning: The config has an unknown key "start_dat". It is ignored; did you mean "start_date"?
    "#);
    let mut command = connector.command(&program(), "discover");
    command.env("LOG_LEVEL", "error");
    assert_eq!(at_terminal(command, Stdio::null()).1, "", "the level counts here too");
}

#[test]
fn warnings_stand_above_the_bar_and_do_not_tear_it() {
    // GIVEN a request that fails while the bar is drawn
    let (notion, connector) = sample();
    notion.edit(|workspace| workspace.settings.latency = Duration::from_millis(20));
    notion.fail_times(Route::BlockChildren(None), Fault::Slow(Duration::ZERO), 5);
    notion.fail(Route::BlockChildren(None), Fault::status(500));
    // WHEN
    let (code, shown) = run(&connector, "read");
    // THEN
    assert_eq!(code, Some(0));
    let (before, _after) = shown.split_once("Warning: A request failed and is sent again: ").unwrap();
    assert!(before.contains(" pages found") && before.ends_with("\r\u{1b}[2K"), "{shown:?}");
    let is_whole = |line: &str| {
        line.starts_with("Warning: A request failed") && line.ends_with("(500 internal_server_error).")
    };
    assert!(lines(&shown).into_iter().any(is_whole), "{shown:?}");
}

#[test]
fn without_a_terminal_nothing_is_told_on_stderr() {
    let (notion, connector) = sample();
    notion.expire_token();
    let connector = connector.with_config("start_dat", json!("2020-01-01"));
    for verb in ["check", "discover", "read"] {
        let output = connector.run_program(verb);
        assert_eq!(output.stderr, "", "{verb}");
        assert!(output.logs().iter().any(|(level, _text)| level == "WARN"), "{verb}");
    }
}

#[test]
fn a_check_is_readable() {
    let notion = FakeNotion::start_blocking(Workspace::new());
    notion.edit(|workspace| workspace.add_top_page("Plan"));
    let connector = Connector::new(&notion);
    insta::assert_snapshot!(run(&connector, "check").1, @r#"Connected as the integration "Fake integration" in the workspace "Fake workspace". It can see 1 page and 0 data sources."#);
    notion.fail_always(Route::Any, Fault::html(403));
    insta::assert_snapshot!(run(&connector, "check").1, @"Error: The network edge in front of Notion blocks these requests (403, cf-ray 8f0e1d2c3b4a5968-FRA). Check the network's outgoing address, or ask Notion's support with that id.");
}

#[test]
fn messages_go_to_stdout_on_a_terminal_too() {
    let (_notion, connector) = sample();
    let terminal = crate::support::Terminal::new();
    let mut command = connector.command(&program(), "check");
    command.stdout(terminal.side()).stderr(terminal.side());
    let child = command.spawn().unwrap();
    drop(command);
    let (code, shown) = terminal.watch(child);
    assert_eq!(code, Some(0));
    assert!(shown.contains(r#"{"type":"CONNECTION_STATUS""#), "{shown}");
}

/// The rows of the report's table, as its cells.
fn report(shown: &str) -> Vec<Vec<&str>> {
    let (_before, table) = shown.rsplit_once("\nstream ").unwrap_or_else(|| panic!("no table in {shown:?}"));
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.first().is_some_and(|name| stream_names().contains(name))).collect()
}

#[test]
fn the_report_is_a_table_at_the_end_although_the_output_goes_elsewhere() {
    // GIVEN a workspace that was read, and from which a page went
    let (notion, connector) = sample();
    let first = connector.read();
    let (code, shown) = run(&connector, "read");
    assert_eq!(code, Some(0));
    let rows = report(&shown);
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), stream_names(), "{shown}");
    for row in &rows {
        assert_eq!(row[1], first.records(row[0]).len().to_string(), "{shown}");
        assert_eq!((row[2], row[4]), ("0", "ok"), "{shown}");
    }
    let requests: usize = rows.iter().map(|row| row[3].parse::<usize>().unwrap()).sum();
    // Both reads sent the same.
    assert_eq!(requests * 2, notion.requests().len(), "{shown}");
    for reason in ["  skipped 1: ai_block, which the API cannot read\n", "\nRead in "] {
        assert!(shown.contains(reason), "{reason:?} is not in {shown}");
    }
    notion.edit(|workspace| {
        let pages = workspace.visible_pages();
        let page = pages.into_iter().find(|(page, _time)| workspace.title(*page) == "Empty page");
        workspace.trash(page.unwrap().0);
    });
    // WHEN
    let (code, shown) = run(&connector.state(state_after(&first)), "read");
    // THEN
    assert_eq!(code, Some(0));
    let pages = report(&shown).into_iter().find(|row| row[0] == "pages").unwrap();
    assert_eq!((pages[2], pages[4]), ("1", "ok"), "{shown}");
}

#[test]
fn the_report_comes_also_when_everything_failed() {
    let (notion, connector) = sample();
    notion.expire_token();
    let (code, shown) = run(&connector, "read");
    assert_eq!(code, Some(1));
    let rows = report(&shown);
    assert_eq!(rows.len(), stream_names().len(), "{shown}");
    assert!(rows.iter().all(|row| row[1] == "0" && row[4] == "failed"), "{shown}");
}

#[test]
fn the_bar_fits_the_terminal_and_never_runs_backwards() {
    // GIVEN a page that is found only while others are read, and a rate limit that holds once on the way
    let (notion, connector) = sample();
    notion.edit(|workspace| workspace.settings.latency = Duration::from_millis(20));
    let once = When::always().after(5).times(1);
    notion.fail_when(Route::BlockChildren(None), once, Fault::rate_limited(1));
    // WHEN
    let (code, shown) = run(&connector, "read");
    // THEN
    assert_eq!(code, Some(0));
    let drawn: Vec<&str> = shown
        .split(['\r', '\n'])
        .map(|part| part.strip_prefix("\u{1b}[2K").unwrap_or(part))
        .filter(|part| part.contains(" pages, ") || part.contains(" pages found, "))
        .collect();
    assert!(drawn.iter().all(|line| line.chars().count() <= 80 && !line.contains('\u{1b}')), "{drawn:#?}");
    assert!(drawn.iter().any(|line| line.contains(", rate limit holds ")), "{drawn:#?}");
    let percents: Vec<u32> =
        drawn.iter().filter_map(|line| line.split_once("% ")?.0.rsplit(' ').next()?.parse().ok()).collect();
    assert!(percents.is_sorted() && percents.first() < percents.last(), "{percents:?}");
    assert!(percents.iter().all(|percent| *percent <= 100), "{percents:?}");
}

#[test]
fn pages_before_the_default_start_date_are_told_by_a_first_sync_only() {
    let notion = FakeNotion::start_blocking(Workspace::new());
    notion.edit(|workspace| {
        workspace.add_top_page("Plan");
        workspace.add_top_page_at("Old plan", days_ago(1_000));
        workspace.add_top_page_at("Older plan", days_ago(2_000));
    });
    let connector = Connector::new(&notion).with_config("start_date", Value::Null);
    let is_told = |shown: &str| lines(shown).iter().filter(|line| line.contains("start date")).count();
    let (code, shown) = run(&connector, "read");
    assert_eq!((code, is_told(&shown)), (Some(0), 1), "{shown}");
    let told = lines(&shown).into_iter().find(|line| line.contains("start date")).unwrap();
    assert!(told.starts_with("Warning: 2 pages were last edited before the start date ("), "{told}");
    let advice = r#" To include them, set an earlier "start_date" in the config."#;
    assert!(told.ends_with(advice), "{told}");
    let later = connector.clone().state(state_after(&connector.read()));
    let (code, shown) = run(&later, "read");
    assert_eq!((code, is_told(&shown)), (Some(0), 0), "{shown}");
}
