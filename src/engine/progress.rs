//! What a person sees: a bar on a terminal, else a line now and then; at the end a report.

use std::{
    cell::{Cell, RefCell},
    fmt::Write as _,
    io::{self, IsTerminal},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;
use tracing::info;

use super::run::Run;
use crate::{
    client::Hold,
    protocol::{AirbyteMessage, Estimate, OutputClosed},
    streams::{ObjectKind, Source},
};

/// Shows how far a run is.
pub(super) struct Progress<'a> {
    run: &'a Run,
    bar: Option<ProgressBar>,
    last_line: Cell<Instant>,
    /// Requests at the time of the last line.
    last_requests: Cell<(Instant, u64)>,
    last_estimates: RefCell<Vec<(String, u64)>>,
}

impl<'a> Progress<'a> {
    /// Draws on stderr when that is a terminal.
    pub(super) fn new(run: &'a Run) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style("{spinner} {msg}"));
            bar
        });
        let now = Instant::now();
        Self {
            run,
            bar,
            last_line: Cell::new(now),
            last_requests: Cell::new((now, 0)),
            last_estimates: RefCell::default(),
        }
    }

    /// Shows the present state; called several times a second.
    pub(super) async fn tick(&self, hold: Option<Hold>) -> Result<(), OutputClosed> {
        if let Some(bar) = &self.bar {
            self.draw(bar, hold);
        }
        if self.last_line.get().elapsed() < self.run.policy.progress {
            return Ok(());
        }
        self.last_line.set(Instant::now());
        if self.bar.is_none() {
            info!("{}", self.line(hold));
        }
        self.estimate().await
    }

    fn draw(&self, bar: &ProgressBar, hold: Option<Hold>) {
        let (done, total) = self.run.walk.borrow().progress();
        if total > 0 && bar.length().is_none() {
            bar.set_style(style("{spinner} [{bar:24}] {pos}/{len} pages, {msg}"));
        }
        if total > 0 {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        }
        bar.set_message(self.line(hold));
        bar.tick();
    }

    /// Pages, records, requests a minute, the wait, the time left.
    fn line(&self, hold: Option<Hold>) -> String {
        let run = self.run;
        let (done, total) = run.walk.borrow().progress();
        let pages = run.inventory.borrow().page_count();
        let records = run.emitter.record_count();
        let mut line = format!("{pages} pages found");
        let write = &mut line;
        if total > 0 && self.bar.is_none() {
            append(write, format_args!(", {done} of {total} pages read"));
        }
        append(write, format_args!(", {records} records, {} requests a minute", self.requests_a_minute()));
        if let Some(hold) = hold {
            append(write, format_args!(", held by the rate limit for {} s", hold.remaining().as_secs()));
        }
        if let Some(seconds) = self.seconds_left(done, total) {
            append(write, format_args!(", about {} left", duration(seconds)));
        }
        line
    }

    fn requests_a_minute(&self) -> u64 {
        let sent: u64 = self.run.client.counts().values().map(|counts| counts.sent).sum();
        let (since, before) = self.last_requests.get();
        let seconds = since.elapsed().as_secs();
        if seconds >= 60 {
            self.last_requests.set((Instant::now(), sent));
        }
        (sent - before) * 60 / seconds.max(1)
    }

    fn seconds_left(&self, done: usize, total: usize) -> Option<u64> {
        let elapsed = self.run.started.elapsed().as_secs();
        let (done, total) = (u64::try_from(done).ok()?, u64::try_from(total).ok()?);
        (done > 0 && elapsed > 5).then(|| elapsed * (total - done) / done)
    }

    /// Says how many records to expect, once the pages are known.
    async fn estimate(&self) -> Result<(), OutputClosed> {
        let (done, total) = self.run.walk.borrow().progress();
        if done == 0 {
            return Ok(());
        }
        for stream in &self.run.streams {
            let scaled = |count: u64| match stream.stream.source() {
                Source::Pages(_) => count * total as u64 / done as u64,
                Source::Enumeration(ObjectKind::Page | ObjectKind::DataSource) | Source::Listing(_) => count,
            };
            let rows = scaled(stream.record_count());
            let name = stream.name.to_string();
            if self.last_estimates.borrow().contains(&(name.clone(), rows)) {
                continue;
            }
            let estimate = Estimate {
                stream: name.clone(),
                row_estimate: rows,
                byte_estimate: scaled(stream.byte_count()),
            };
            {
                let mut last = self.last_estimates.borrow_mut();
                last.retain(|(of, _rows)| *of != name);
                last.push((name, rows));
            }
            self.run.emitter.message(&AirbyteMessage::Estimate(estimate)).await?;
        }
        Ok(())
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Run {
    /// Logs what was read and what was not.
    pub(super) fn report(&self) {
        let counts = self.client.counts();
        let mut text = format!("Read in {}:", duration(self.started.elapsed().as_secs()));
        let sum: u64 = counts.values().map(|counts| counts.sent).sum();
        for stream in &self.streams {
            let sent = counts.get(&*stream.name).map_or(0, |counts| counts.sent);
            append(
                &mut text,
                format_args!(" {}: {} records, {sent} requests", stream.name, stream.record_count()),
            );
            if stream.excluded() > 0 {
                append(
                    &mut text,
                    format_args!(", {} not edited since the cursor or start date", stream.excluded()),
                );
            }
            for (reason, count) in stream.skipped() {
                append(&mut text, format_args!(", skipped {count} × {reason}"));
            }
            let (unknown, looked_at) = stream.unknown_fields();
            for (path, count) in unknown {
                append(
                    &mut text,
                    format_args!(", unknown field {path} in {count} of {looked_at} records looked at"),
                );
            }
            let retry = stream.retry();
            let waiting = retry.pages.len() + retry.data_sources.len();
            if waiting > 0 {
                append(&mut text, format_args!(", {waiting} objects to be tried again by the next sync"));
            }
            text.push(';');
        }
        append(&mut text, format_args!(" pages before the start date: {};", self.pages_before_start.get()));
        for (property, pages) in &*self.incomplete.borrow() {
            append(&mut text, format_args!(" property {property:?} may be incomplete in {pages} pages;"));
        }
        let retried: u64 = counts.values().map(|counts| counts.retried).sum();
        let limited: u64 = counts.values().map(|counts| counts.rate_limited).sum();
        let held = self.client.gate().held_in_sum().as_secs_f64();
        append(
            &mut text,
            format_args!(
                " requests: {sum} in all, {retried} retried, {limited} answered by the rate limit, which held {held:.1} s."
            ),
        );
        info!("{text}");
    }
}

fn append(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("writing to a string cannot fail");
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is a constant")
}

fn duration(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}
