//! What a person sees while a run goes on: a bar on a terminal, else a line now and then.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::Arc,
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Duration, Instant};
use tracing::info;

use super::{checkpoint::CheckpointPolicy, crawl::Crawl};
use crate::protocol::{AirbyteMessage, Estimate, Person};

/// Over how long the pace is measured.
const PACE_WINDOW: Duration = Duration::from_mins(1);

/// The parts of the whole bar.
const PARTS: u64 = 1_000;

/// Before this, the time left would be a guess.
const FIRST_FORECAST: Duration = Duration::from_secs(5);

/// Shows how far a run is.
#[derive(Debug)]
pub(super) struct Progress {
    policy: CheckpointPolicy,
    bar: Option<ProgressBar>,
    started: Instant,
    last_line: Instant,
    pace: Pace,
    /// When the first content was read, and how many requests had been sent by then.
    content_began: Option<(Instant, u64)>,
    /// How far the bar has come.
    shown: u64,
    last_estimates: HashMap<Arc<str>, u64>,
}

impl Progress {
    /// Draws a bar if somebody is there to look at it.
    pub(super) fn new(policy: CheckpointPolicy, person: &Person) -> Self {
        let bar = person.bar();
        if let Some(bar) = &bar {
            bar.set_style(style("{spinner} {elapsed} {wide_msg}"));
        }
        let now = Instant::now();
        Self {
            policy,
            bar,
            started: now,
            last_line: now,
            pace: Pace::default(),
            content_began: None,
            shown: 0,
            last_estimates: HashMap::new(),
        }
    }

    /// How long the run has taken.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Shows the present state; called several times a second.
    pub(super) fn tick(&mut self, crawl: &Crawl, (done, total): (usize, usize)) {
        let sent = crawl.client.counts().values().map(|counts| counts.sent).sum();
        self.pace.add(Instant::now(), sent);
        if total > 0 {
            self.content_began.get_or_insert_with(|| (Instant::now(), sent));
        }
        let left = self.content_began.and_then(|(began, sent_before)| {
            let needed = requests_left(sent - sent_before, done, total)?;
            (began.elapsed() >= FIRST_FORECAST).then(|| self.pace.time_for(needed)).flatten()
        });
        let status = Status {
            found: crawl.inventory.page_count(),
            done,
            total,
            records: crawl.output.records,
            requests_a_minute: self.pace.a_minute(),
            held: Some(crawl.client.rate_limiter().remaining_hold()).filter(|held| !held.is_zero()),
            left,
        };
        self.draw(&status);
        if self.last_line.elapsed() < self.policy.progress {
            return;
        }
        self.last_line = Instant::now();
        if self.bar.is_none() {
            info!("{status}");
        }
        if done > 0 {
            self.estimate(crawl, done, total);
        }
    }

    fn draw(&mut self, status: &Status) {
        let Some(bar) = &self.bar else { return };
        if status.total > 0 {
            if bar.length().is_none() {
                bar.set_style(style("{spinner} [{bar:12}] {percent:>3}% {elapsed} {wide_msg}"));
                bar.set_length(PARTS);
            }
            // Pages that are found late make for more to be read, and yet the bar never runs back.
            let part = status.done as u64 * PARTS / status.total.max(1) as u64;
            self.shown = self.shown.max(part);
            bar.set_position(self.shown);
        }
        bar.set_message(format!("{status:#}"));
        bar.tick();
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Says how many records to expect, once the pages are known.
    fn estimate(&mut self, crawl: &Crawl, done: usize, total: usize) {
        for stream in &crawl.streams {
            let scaled = |count: u64| {
                if stream.source.reads_content() { count * total as u64 / done as u64 } else { count }
            };
            let rows = scaled(stream.tally.records);
            if self.last_estimates.insert(Arc::clone(&stream.name), rows) == Some(rows) {
                continue;
            }
            let estimate = Estimate {
                stream: stream.name.to_string(),
                row_estimate: rows,
                byte_estimate: scaled(stream.tally.bytes),
            };
            crawl.output.emitter.queue(&AirbyteMessage::Estimate(estimate));
        }
    }
}

/// How far a run is; shown as one line, in the alternate form as a short one with what changes most in front.
struct Status {
    /// Pages that were found.
    found: usize,
    /// Pages whose content was read, of all that are due.
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

/// How many requests the pages that are left will take, going by those that are done.
fn requests_left(sent: u64, done: usize, total: usize) -> Option<u64> {
    let (done, left) = (done as u64, total.saturating_sub(done) as u64);
    (done > 0 && left > 0).then(|| sent.saturating_mul(left) / done)
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

    /// How long so many requests take at this pace, holds of the rate limit included.
    fn time_for(&self, requests: u64) -> Option<Duration> {
        let a_minute = self.a_minute();
        (a_minute > 0).then(|| Duration::from_secs(requests.saturating_mul(60) / a_minute))
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

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is a constant")
}

pub(super) fn duration(seconds: u64) -> String {
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
    fn the_time_left_goes_by_the_requests_that_are_left_and_the_pace() {
        assert_eq!(requests_left(90, 30, 120), Some(270));
        assert_eq!(requests_left(90, 0, 120), None);
        assert_eq!(requests_left(90, 120, 120), None);
        let start = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.time_for(270), None);
        // A budget of 180 a minute that is spent at once, and a hold.
        for (second, sent) in [(0, 0), (5, 180), (60, 180)] {
            pace.add(start + Duration::from_secs(second), sent);
        }
        assert_eq!(pace.time_for(270), Some(Duration::from_secs(90)));
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
