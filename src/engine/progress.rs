//! What a person sees: a bar on a terminal, else a line now and then; at the end a report.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt::{self, Write as _},
    io::{self, IsTerminal},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Duration, Instant};
use tracing::info;

use super::run::Run;
use crate::{
    client::Hold,
    protocol::{AirbyteMessage, Estimate, OutputClosed},
    streams::{ObjectKind, Source},
};

/// Over how long the pace is measured.
const PACE_WINDOW: Duration = Duration::from_mins(1);

/// Before this, the time left would be a guess.
const FIRST_FORECAST: Duration = Duration::from_secs(5);

/// Shows how far a run is.
pub(super) struct Progress<'a> {
    run: &'a Run,
    bar: Option<ProgressBar>,
    last_line: Cell<Instant>,
    pace: RefCell<Pace>,
    /// When the first page of the walk was taken.
    walk_began: Cell<Option<Instant>>,
    last_estimates: RefCell<Vec<(String, u64)>>,
}

impl<'a> Progress<'a> {
    /// Draws on stderr when that is a terminal, unless messages go to a terminal too: they would tear the bar, and
    /// the bar them.
    pub(super) fn new(run: &'a Run) -> Self {
        let is_visible = io::stderr().is_terminal() && !io::stdout().is_terminal();
        let bar = is_visible.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style("{spinner} {wide_msg}"));
            bar
        });
        Self {
            run,
            bar,
            last_line: Cell::new(Instant::now()),
            pace: RefCell::default(),
            walk_began: Cell::new(None),
            last_estimates: RefCell::default(),
        }
    }

    /// Shows the present state; called several times a second.
    pub(super) async fn tick(&self, hold: Option<Hold>) -> Result<(), OutputClosed> {
        let sent = self.run.client.counts().values().map(|counts| counts.sent).sum();
        self.pace.borrow_mut().add(Instant::now(), sent);
        if self.run.walk.borrow().progress().1 > 0 && self.walk_began.get().is_none() {
            self.walk_began.set(Some(Instant::now()));
        }
        if let Some(bar) = &self.bar {
            self.draw(bar, hold);
        }
        if self.last_line.get().elapsed() < self.run.policy.progress {
            return Ok(());
        }
        self.last_line.set(Instant::now());
        if self.bar.is_none() {
            info!("{}", self.status(hold));
        }
        self.estimate().await
    }

    fn draw(&self, bar: &ProgressBar, hold: Option<Hold>) {
        let status = self.status(hold);
        if status.total > 0 && bar.length().is_none() {
            bar.set_style(style("{spinner} [{bar:12}] {wide_msg}"));
        }
        if status.total > 0 {
            bar.set_length(status.total as u64);
            bar.set_position(status.done as u64);
        }
        bar.set_message(format!("{status:#}"));
        bar.tick();
    }

    fn status(&self, hold: Option<Hold>) -> Status {
        let (done, total) = self.run.walk.borrow().progress();
        Status {
            found: self.run.inventory.borrow().page_count(),
            done,
            total,
            records: self.run.emitter.record_count(),
            requests_a_minute: self.pace.borrow().a_minute(),
            held: hold.map(|hold| hold.remaining()),
            left: self.walk_began.get().and_then(|began| time_left(began.elapsed(), done, total)),
        }
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
        let held = self.client.rate_limiter().held_in_sum().as_secs_f64();
        append(
            &mut text,
            format_args!(
                " requests: {sum} in all, {retried} retried, {limited} answered by the rate limit, which held {held:.1} s."
            ),
        );
        info!("{text}");
    }
}

/// How far a run is; shown as one line, in the alternate form as a short one with what changes most in front.
struct Status {
    /// Pages that the enumeration knows.
    found: usize,
    /// Pages of the walk that are done, of all.
    done: usize,
    total: usize,
    records: u64,
    requests_a_minute: u64,
    /// How long the rate limit still holds everyone.
    held: Option<Duration>,
    left: Option<Duration>,
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, done, total, records, requests_a_minute, held, left } = self;
        let held = held.map(|held| held.as_secs() + 1);
        let left = left.map(|left| duration(left.as_secs()));
        if formatter.alternate() {
            match total {
                0 => write!(formatter, "{found} pages found")?,
                _ => write!(formatter, "{done} of {total} pages")?,
            }
            held.map_or(Ok(()), |held| write!(formatter, ", rate limit holds {held} s"))?;
            left.map_or(Ok(()), |left| write!(formatter, ", {left} left"))?;
            return write!(formatter, ", {records} records, {requests_a_minute} requests/min");
        }
        if *total > 0 {
            write!(formatter, "{done} of {total} pages read, ")?;
        }
        write!(formatter, "{found} pages found, {records} records, {requests_a_minute} requests a minute")?;
        held.map_or(Ok(()), |held| write!(formatter, ", held by the rate limit for {held} s"))?;
        left.map_or(Ok(()), |left| write!(formatter, ", about {left} left"))
    }
}

/// Forecasts from the pages done since the walk began.
fn time_left(elapsed: Duration, done: usize, total: usize) -> Option<Duration> {
    let (done, total) = (u32::try_from(done).ok()?, u32::try_from(total).ok()?);
    (done > 0 && done < total && elapsed >= FIRST_FORECAST).then(|| elapsed / done * (total - done))
}

/// The number of requests over the last minute.
#[derive(Debug, Default)]
struct Pace {
    samples: VecDeque<(Instant, u64)>,
}

impl Pace {
    /// Notes how many were sent so far.
    fn add(&mut self, now: Instant, sent: u64) {
        self.samples.push_back((now, sent));
        while self.samples.get(1).is_some_and(|(time, _sent)| now - *time >= PACE_WINDOW) {
            self.samples.pop_front();
        }
    }

    fn a_minute(&self) -> u64 {
        let (Some((first, before)), Some((last, sent))) = (self.samples.front(), self.samples.back()) else {
            return 0;
        };
        // In the first second there is too little to go by.
        let milliseconds = (*last - *first).as_millis().max(1_000);
        (u128::from(sent - before) * 60_000 / milliseconds).try_into().unwrap_or(u64::MAX)
    }
}

fn append(text: &mut String, arguments: fmt::Arguments<'_>) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_is_known() {
        let start =
            Status { found: 7, done: 0, total: 0, records: 3, requests_a_minute: 60, held: None, left: None };
        assert_eq!(start.to_string(), "7 pages found, 3 records, 60 requests a minute");
        let held = Some(Duration::from_millis(11_200));
        let left = Some(Duration::from_secs(3_725));
        let middle = Status { done: 2, total: 7, held, left, ..start };
        assert_eq!(
            middle.to_string(),
            "2 of 7 pages read, 7 pages found, 3 records, 60 requests a minute, held by the rate limit for 12 s, \
             about 1 h 2 min left"
        );
        assert_eq!(
            format!("{middle:#}"),
            "2 of 7 pages, rate limit holds 12 s, 1 h 2 min left, 3 records, 60 requests/min"
        );
    }

    #[test]
    fn the_time_left_is_told_once_it_can_be_known() {
        let minute = Duration::from_mins(1);
        assert_eq!(time_left(minute, 30, 120), Some(Duration::from_mins(3)));
        assert_eq!(time_left(minute, 0, 120), None);
        assert_eq!(time_left(minute, 120, 120), None);
        assert_eq!(time_left(Duration::from_secs(1), 30, 120), None);
    }

    #[test]
    fn the_pace_is_that_of_the_last_minute() {
        let start = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.a_minute(), 0);
        for second in 0..=300 {
            // Ten a second for two minutes, one a second after that.
            pace.add(
                start + Duration::from_secs(second),
                (second * 10).min(1_200 + second.saturating_sub(120)),
            );
        }
        assert_eq!(pace.a_minute(), 60);
        assert!(pace.samples.len() <= 62, "{}", pace.samples.len());
    }
}
