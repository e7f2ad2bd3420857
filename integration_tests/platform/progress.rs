//! What a person sees of a read where no terminal shows a bar: lines, estimates, the report.

use std::time::Duration;

use fake_notion::{FakeNotion, sample::sample_workspace};
use serde_json::Value;

use crate::support::{Connector, SyncOutput, stream_names};

/// Reads slowly enough to be watched, and tells its progress all the time.
fn watched() -> SyncOutput {
    let notion = FakeNotion::start_blocking(sample_workspace());
    notion.edit(|workspace| workspace.settings.latency = Duration::from_millis(5));
    let connector = Connector::new(&notion);
    connector.with_settings(|settings| settings.policy.progress = Duration::from_millis(20)).read()
}

/// The lines that tell how far the run is.
fn lines(output: &SyncOutput) -> Vec<String> {
    let logs =
        output.logs().into_iter().filter(|(level, text)| level == "INFO" && text.contains(" pages found, "));
    logs.map(|(_level, text)| text).collect()
}

/// The number before some words.
fn number(line: &str, words: &str) -> Option<usize> {
    let (before, _after) = line.split_once(words)?;
    before.rsplit([' ', ',']).next()?.parse().ok()
}

#[test]
fn lines_say_what_was_found_read_and_sent() {
    let output = watched();
    output.assert_complete();
    let lines = lines(&output);
    assert!(lines.len() > 2, "{lines:#?}");
    let last = lines.last().unwrap();
    let found: Vec<usize> = lines.iter().filter_map(|line| number(line, " pages found")).collect();
    let pages = output.ids("pages").len();
    // All but what only trees show, which may come after the last line.
    assert!(
        found.is_sorted() && found.last().is_some_and(|found| (pages - 1..=pages).contains(found)),
        "{lines:#?}"
    );
    assert!(number(last, " records").is_some_and(|records| records > 100), "{last}");
    assert!(number(last, " requests a minute").is_some_and(|pace| pace > 0), "{last}");
    let done: Vec<usize> = lines.iter().filter_map(|line| number(line, " of ")).collect();
    assert!(done.is_sorted() && done.first() < done.last(), "{lines:#?}");
}

#[test]
fn a_quiet_sync_prints_no_line() {
    let notion = FakeNotion::start_blocking(sample_workspace());
    let output = Connector::new(&notion).read();
    assert_eq!(lines(&output), Vec::<String>::new());
}

#[test]
fn estimates_come_once_totals_are_known_and_approach_the_truth() {
    let output = watched();
    let estimates: Vec<&Value> =
        output.messages.iter().filter_map(|message| message["trace"].get("estimate")).collect();
    assert!(!estimates.is_empty());
    assert!(estimates.iter().all(|estimate| estimate["type"] == "STREAM"), "the types must not be mixed");
    for stream in stream_names() {
        let last = estimates.iter().rfind(|estimate| estimate["name"] == stream);
        let last = last.unwrap_or_else(|| panic!("no estimate of {stream}"));
        let (rows, records) = (last["row_estimate"].as_u64().unwrap(), output.records(stream).len() as u64);
        assert!(rows <= records * 3 && records <= rows * 3 + 3, "{stream}: {rows} for {records}");
        assert!(rows == 0 || last["byte_estimate"].as_u64().unwrap() > rows, "{last}");
    }
}

#[test]
fn the_last_line_is_a_report() {
    let output = watched();
    let (level, report) = output.logs().pop().unwrap();
    assert!(level == "INFO" && report.starts_with("Read in "), "{report}");
    for stream in stream_names() {
        let part = format!(" {stream}: {} records, ", output.records(stream).len());
        assert!(report.contains(&part), "{part} in {report}");
    }
    assert!(report.contains(" pages before the start date: 0;"), "{report}");
    assert!(
        report.ends_with(" in all, 0 retried, 0 answered by the rate limit, which held 0.0 s."),
        "{report}"
    );
}

#[test]
fn the_program_draws_nothing_where_there_is_no_terminal() {
    let notion = FakeNotion::start_blocking(sample_workspace());
    let output = Connector::new(&notion).run_program("read");
    output.assert_complete();
    assert_eq!(output.stderr, "");
}
