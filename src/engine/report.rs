//! The report: the last line that a run logs.

use std::fmt::{self, Write as _};

use tokio::time::Duration;
use tracing::info;

use super::{crawl::Crawl, progress::duration, stream_reader::StreamReader, tally::Tally};

/// Logs what was read and what was not.
pub(super) fn log(crawl: &Crawl, elapsed: Duration) {
    let counts = crawl.client.counts();
    let mut text = format!("Read in {}:", duration(elapsed.as_secs()));
    for stream in &crawl.streams {
        let sent = counts.get(&stream.name).map_or(0, |counts| counts.sent);
        append_stream(&mut text, stream, sent);
    }
    let before = crawl.pages_before_start;
    append(&mut text, format_args!(" pages before the start date: {before};"));
    for (property, pages) in &crawl.incomplete {
        append(&mut text, format_args!(" property {property:?} may be incomplete in {pages} pages;"));
    }
    let sum: u64 = counts.values().map(|counts| counts.sent).sum();
    let retried: u64 = counts.values().map(|counts| counts.retried).sum();
    let limited: u64 = counts.values().map(|counts| counts.rate_limited).sum();
    let held = crawl.client.rate_limiter().held_in_sum().as_secs_f64();
    append(
        &mut text,
        format_args!(
            " requests: {sum} in all, {retried} retried, {limited} answered by the rate limit, which held {held:.1} s."
        ),
    );
    info!("{text}");
    crawl.output.emitter.person().say(&table(crawl, elapsed));
}

/// The same for a person: a table.
fn table(crawl: &Crawl, elapsed: Duration) -> String {
    let counts = crawl.client.counts();
    let held = crawl.client.rate_limiter().held_in_sum();
    let mut text = format!("\nRead in {}", duration(elapsed.as_secs()));
    if held.as_secs() > 0 {
        append(
            &mut text,
            format_args!(", of which {} waiting for Notion's rate limit", duration(held.as_secs())),
        );
    }
    append(
        &mut text,
        format_args!(
            ".\n\n{:<14} {:>9} {:>9} {:>9} {:>7}\n",
            "stream", "records", "deletions", "requests", "status"
        ),
    );
    for stream in &crawl.streams {
        let Tally { records, deletions, .. } = &stream.tally;
        let sent = counts.get(&stream.name).map_or(0, |counts| counts.sent);
        let status = if stream.failure().is_some() { "failed" } else { "ok" };
        let (name, records) = (&stream.name, records - deletions);
        append(&mut text, format_args!("{name:<14} {records:>9} {deletions:>9} {sent:>9} {status:>7}\n"));
        for (reason, count) in stream.tally.skipped() {
            append(&mut text, format_args!("  skipped {count}: {reason}\n"));
        }
        if stream.tally.failed > 0 {
            append(
                &mut text,
                format_args!("  {} failures, to be tried again by the next sync\n", stream.tally.failed),
            );
        }
    }
    text
}

fn append_stream(text: &mut String, stream: &StreamReader, sent: u64) {
    let tally = &stream.tally;
    let records = tally.records - tally.deletions;
    append(text, format_args!(" {}: {records} records, {sent} requests", stream.name));
    if tally.deletions > 0 {
        append(text, format_args!(", {} deletions", tally.deletions));
    }
    if tally.unchanged > 0 {
        append(text, format_args!(", {} unchanged since they were delivered", tally.unchanged));
    }
    if tally.before_start > 0 {
        append(text, format_args!(", {} edited before the start date", tally.before_start));
    }
    for (reason, count) in tally.skipped() {
        append(text, format_args!(", skipped {count} × {reason}"));
    }
    if tally.failed > 0 {
        append(text, format_args!(", {} failures, to be tried again by the next sync", tally.failed));
    }
    let looked_at = stream.drift().looked_at();
    for (path, count) in stream.drift().unknown() {
        append(text, format_args!(", unknown field {path} in {count} of {looked_at} records looked at"));
    }
    text.push(';');
}

fn append(text: &mut String, arguments: fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("writing to a string cannot fail");
}
