//! The reader: it owns all state of a run, and goes through its phases in straight lines.
//!
//! ```text
//! list      search, rows of every table                  ─> found ─> inventory, and each stream for which it is due
//! look up   ids that ledgers know and no listing shows   ─> found, or gone (a deletion)
//! read      trees, comments, ... of every page that is due, latest edits first
//! finish    states, statuses, report
//! ```
//!
//! [`Reader::drain`] is the only place that waits, and [`Reader::apply`] the only one where an answer changes anything.

use std::collections::HashMap;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use futures_util::future::LocalBoxFuture;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{info, warn};

use super::{
    checkpoint::{CheckpointPolicy, Checkpointer, Position},
    content::Content,
    crawl::{Crawl, Guard, Held, Options},
    heartbeat::Heartbeat,
    job::{Job, Step, Subject},
    ledger::Kind,
    lookups::Lookups,
    output::Output,
    probe::Probes,
    progress::Progress,
    queue::Queue,
    read_clock::ReadClock,
    report,
    scheduler::Scheduler,
    state::StreamState,
    stream_reader::StreamReader,
};
use crate::{
    client::NotionClient,
    error::{Error, Failure, ReadError, StateError},
    protocol::{
        AirbyteMessage, ConfiguredCatalog, Emitter, InputState, OutputClosed, StreamStatus, SyncMode,
    },
    streams::{STREAMS, Source, stream_named},
    workspace::{Inventory, Minute, ObjectKind},
};

/// The cursor that a complete sync leaves for Airbyte's connector stays this far behind the beginning of its listing.
const CURSOR_MARGIN: TimeDelta = TimeDelta::minutes(10);

/// How often archived rows are asked for where nothing else asks for them.
const ARCHIVED_ROWS_EVERY: TimeDelta = TimeDelta::hours(24);

/// An entry of a ledger takes about this much of a state.
const ENTRY_BYTES: u64 = 20;

/// What a read needs.
#[derive(Debug)]
pub struct ReadRequest<'a> {
    /// The client.
    pub client: NotionClient,
    /// Where messages go.
    pub emitter: Emitter,
    /// The streams to read.
    pub catalog: &'a ConfiguredCatalog,
    /// Where earlier syncs got to.
    pub state: &'a InputState,
    /// Objects edited before this time are left out.
    pub start_date: DateTime<Utc>,
    /// Whether values that Notion cuts are completed.
    pub complete_properties: bool,
    /// How long the comments of a page may rest when it was not edited and had none.
    pub comments_every: TimeDelta,
    /// Whether deletions are looked for and reported.
    pub report_deletions: bool,
    /// How many requests are under way at most.
    pub worker_count: usize,
    /// How often states and progress are sent.
    pub policy: CheckpointPolicy,
    /// The present time, by this machine's clock.
    pub now: DateTime<Utc>,
}

/// Why a read ended before its time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stop {
    /// A signal asked for it.
    Interrupted,
    /// Nobody reads the output.
    OutputClosed,
}

/// How a read ended.
#[derive(Debug, Default)]
pub struct ReadOutcome {
    /// The streams that are not complete, and why, in the catalog's order.
    pub failed: Vec<(String, Failure)>,
    /// Whether it was ended from outside.
    pub stop: Option<Stop>,
}

/// Why the phases of a run end early.
#[derive(Debug)]
pub(super) enum Ended {
    /// From outside.
    Stopped(Stop),
    /// Every further request would fail alike; the streams have been told.
    GivenUp,
}

impl From<OutputClosed> for Ended {
    fn from(_closed: OutputClosed) -> Self {
        Self::Stopped(Stop::OutputClosed)
    }
}

/// Reads the streams of a catalog; `interrupted` ends it early, with truthful states.
///
/// Fails only when a stored state cannot be used; nothing was read then.
pub async fn read(
    request: ReadRequest<'_>,
    interrupted: impl Future<Output = ()>,
) -> Result<ReadOutcome, StateError> {
    let mut outcome = ReadOutcome::default();
    let (streams, unknown) = configured_streams(&request)?;
    if request.catalog.streams.is_empty() {
        warn!("The catalog selects no stream, so there is nothing to read.");
    }
    let mut reader = Reader::new(&request, streams, Box::pin(interrupted));
    outcome.stop = reader.run(&unknown).await;
    for name in unknown {
        let failure = unknown_stream(&name);
        outcome.failed.push((name, failure));
    }
    for stream in &reader.crawl.streams {
        outcome.failed.extend(stream.failure().map(|failure| (stream.name.to_string(), failure.clone())));
    }
    Ok(outcome)
}

/// The failure of a stream that the catalog names and the connector does not have.
fn unknown_stream(name: &str) -> Failure {
    let known: Vec<&str> = STREAMS.iter().map(|stream| &*stream.spec().name).collect();
    let failure = Error::unknown_stream(name, &known).to_failure();
    let message = failure.message + " Refresh the connection's schema and deselect the stream.";
    Failure { message, ..failure }
}

/// The configured streams, and the names of those that do not exist.
fn configured_streams(request: &ReadRequest<'_>) -> Result<(Vec<StreamReader>, Vec<String>), StateError> {
    let (mut streams, mut unknown) = (Vec::new(), Vec::new());
    for configured in &request.catalog.streams {
        let Some(stream) = stream_named(&configured.name) else {
            unknown.push(configured.name.clone());
            continue;
        };
        let spec = stream.spec();
        if configured.sync_mode == SyncMode::Incremental && spec.cursor.is_none() {
            info!("The stream \"{}\" has no cursor, so it is read in full.", spec.name);
        }
        let state = StreamState::read(spec, configured, request.state.stream(&spec.name))?;
        if state.is_ahead(request.now) {
            warn!(
                "The cursor in the state of the stream \"{}\" lies in the future, so what was edited before it counts as \
                 delivered.",
                spec.name
            );
        }
        streams.push(StreamReader::new(stream, &request.client, state));
    }
    Ok((streams, unknown))
}

/// Owns all state of a run.
pub(super) struct Reader<'r> {
    pub(super) crawl: Crawl,
    pub(super) content: Content,
    pub(super) probes: Probes,
    pub(super) scheduler: Scheduler,
    pub(super) failures_in_a_row: usize,
    /// Objects that failed.
    pub(super) failures: u64,
    /// Answers about what belongs to pages that were refused, and those that were not, by stream.
    pub(super) refusals: HashMap<usize, (usize, usize)>,
    checkpoints: Checkpointer,
    heartbeat: Heartbeat,
    progress: Progress,
    ticks: Interval,
    /// Whether what waits is to be handed over although it is little.
    wants_flush: bool,
    interrupted: LocalBoxFuture<'r, ()>,
    is_first_sync: bool,
}

impl<'r> Reader<'r> {
    fn new(
        request: &ReadRequest<'_>,
        streams: Vec<StreamReader>,
        interrupted: LocalBoxFuture<'r, ()>,
    ) -> Self {
        let policy = request.policy;
        let start = request.start_date;
        let options = Options {
            start: start.duration_trunc(TimeDelta::minutes(1)).unwrap_or(start),
            complete_properties: request.complete_properties,
            comments_every: request.comments_every,
            report_deletions: request.report_deletions,
            worker_count: request.worker_count,
        };
        let mut clock = ReadClock::default();
        for stream in &streams {
            clock.starts_after(stream.state.read_at);
        }
        let is_first_sync = streams.iter().all(|stream| stream.state.is_first());
        let crawl = Crawl {
            options,
            client: request.client.clone(),
            listing_client: request.client.on_behalf_of(&"listing".into()),
            reads_archived: is_archived_due(&streams, request.now),
            streams,
            inventory: Inventory::default(),
            queue: Queue::new(request.worker_count),
            lookups: Lookups::default(),
            output: Output::new(request.emitter.clone()),
            guard: Guard::Open,
            held: Held::default(),
            clock,
            tables: HashMap::new(),
            parents: std::collections::HashSet::new(),
            began: None,
            pages_before_start: 0,
            incomplete: std::collections::BTreeMap::new(),
            completing: 0,
            completions: std::collections::HashSet::new(),
            late_pages: Vec::new(),
            is_content_queued: false,
        };
        let tick = std::time::Duration::from_millis(200).min(policy.interval).min(policy.progress);
        let mut ticks = interval(tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let content = Content::default();
        let position = position(&crawl, &content);
        Self {
            scheduler: Scheduler::new(request.worker_count),
            checkpoints: Checkpointer::new(policy, position),
            heartbeat: Heartbeat::new(policy, &request.client),
            progress: Progress::new(policy, request.emitter.person()),
            crawl,
            content,
            probes: Probes::default(),
            failures_in_a_row: 0,
            failures: 0,
            refusals: HashMap::new(),
            ticks,
            wants_flush: false,
            interrupted,
            is_first_sync,
        }
    }

    /// Reads everything, and tells how it ended.
    async fn run(&mut self, unknown: &[String]) -> Option<Stop> {
        self.begin(unknown);
        let ended = match self.read_all().await {
            Ok(()) | Err(Ended::GivenUp) => None,
            // Nobody takes what could still be said.
            Err(Ended::Stopped(Stop::OutputClosed)) => {
                self.give_up_jobs();
                self.progress.finish();
                report::log(&self.crawl, self.progress.elapsed());
                return Some(Stop::OutputClosed);
            }
            Err(Ended::Stopped(Stop::Interrupted)) => {
                let unfinished = self.crawl.streams.iter_mut().filter(|stream| !stream.is_finished());
                unfinished.for_each(|stream| stream.stop(&ReadError::Interrupted));
                Some(Stop::Interrupted)
            }
        };
        self.give_up_jobs();
        for index in 0..self.crawl.streams.len() {
            self.finish(index);
        }
        self.progress.finish();
        let ended = self.hand_over_the_rest(ended).await;
        report::log(&self.crawl, self.progress.elapsed());
        ended
    }

    /// Hands over what waits. Whoever asks for the end meanwhile is heard, and asked again ends the process: nobody may be
    /// taking the output.
    async fn hand_over_the_rest(&mut self, mut ended: Option<Stop>) -> Option<Stop> {
        let emitter = self.crawl.output.emitter.clone();
        while ended != Some(Stop::OutputClosed) && emitter.has_waiting() {
            tokio::select! {
                () = &mut self.interrupted, if ended.is_none() => ended = Some(Stop::Interrupted),
                flushed = emitter.flush() => {
                    if flushed.is_err() {
                        ended = Some(Stop::OutputClosed);
                    }
                }
            }
        }
        ended
    }

    fn begin(&mut self, unknown: &[String]) {
        for stream in &self.crawl.streams {
            self.crawl.output.status_of(&stream.name, StreamStatus::Started, None);
        }
        for name in unknown {
            let failure = unknown_stream(name);
            self.crawl.output.emitter.queue(&AirbyteMessage::Error(failure.to_trace(Some(name))));
            self.crawl.output.status_of(&name.as_str().into(), StreamStatus::Incomplete, None);
        }
        self.wants_flush = true;
    }

    /// The phases.
    async fn read_all(&mut self) -> Result<(), Ended> {
        self.queue_listings();
        self.drain().await?;
        if !self.crawl.lists_workspace() {
            return Ok(());
        }
        while self.crawl.look_up_sources() || self.crawl.look_up_named_rows() {
            self.drain().await?;
        }
        if self.crawl.guard != Guard::Open {
            self.crawl.look_up_unshown();
            self.drain().await?;
            self.crawl.decide_guard();
        }
        self.end_listing();
        if self.crawl.reads_pages() {
            self.crawl.look_up_unshown();
            self.content.queue_all(&mut self.crawl);
        }
        self.drain().await?;
        self.note_nothing_below();
        Ok(())
    }

    fn queue_listings(&mut self) {
        self.crawl.set_guard();
        for (index, stream) in self.crawl.streams.iter().enumerate() {
            if let Source::Listing(request) = &stream.source {
                let step = Step::Listing(Box::new(stream.client.list(request.clone())));
                self.crawl.queue.push(Job { subject: Subject::Listing { stream: index }, step });
            }
        }
        if self.crawl.lists_workspace() {
            self.crawl.queue_searches();
        }
    }

    /// What follows when the workspace is listed.
    fn end_listing(&mut self) {
        let (pages, seconds) = (self.crawl.inventory.page_count(), self.progress.elapsed().as_secs_f64());
        info!("The workspace is listed: {pages} pages after {seconds:.1} s.");
        if self.crawl.inventory.is_empty() {
            warn!(
                "Nothing is shared with the integration, so there is nothing to read: open a page in Notion, ••• menu, \
                 Add connections, and choose the integration."
            );
        }
        let before = self.crawl.pages_before_start;
        if self.is_first_sync && before > 0 {
            let start = self.crawl.options.start.format("%Y-%m-%d");
            warn!(
                "{before} pages were last edited before the start date ({start}) and are left out. To include them, set \
                 an earlier \"start_date\" in the config."
            );
        }
        let now = self.crawl.client.notion_time().and_then(Minute::of);
        let is_archived_read = self.crawl.reads_archived;
        for stream in self.crawl.streams.iter_mut().filter(|stream| stream.failure().is_none()) {
            if is_archived_read && stream.source.reads_pages() {
                stream.state.archived_rows_read = now;
            }
        }
    }

    /// Waits until nothing is left to be done, and applies every answer on the way.
    async fn drain(&mut self) -> Result<(), Ended> {
        loop {
            self.start_jobs();
            if self.scheduler.is_idle() && self.is_idle() {
                if self.go_on() || !self.crawl.queue.is_empty() {
                    continue;
                }
                return Ok(());
            }
            let emitter = &self.crawl.output.emitter;
            let is_flush_due = self.wants_flush || emitter.is_parcel_full();
            tokio::select! {
                biased;
                () = &mut self.interrupted => return Err(Ended::Stopped(Stop::Interrupted)),
                () = emitter.closed() => return Err(Ended::Stopped(Stop::OutputClosed)),
                flushed = emitter.flush(), if is_flush_due => {
                    flushed?;
                    self.wants_flush = false;
                }
                done = self.scheduler.next() => {
                    self.apply(done)?;
                    self.checkpoint_if_due();
                }
                _instant = self.ticks.tick() => self.tick(),
            }
        }
    }

    /// Whether no job waits, and none is kept back by a slow output.
    fn is_idle(&self) -> bool {
        let crawl = &self.crawl;
        let is_kept_back = crawl.output.is_slow() || (crawl.is_content_queued && !self.content.is_idle());
        crawl.queue.is_empty() && !is_kept_back
    }

    /// What can be done when no request is under way; returns whether anything was.
    fn go_on(&mut self) -> bool {
        if self.crawl.release_held() {
            return true;
        }
        self.content.queue_late(&mut self.crawl);
        if self.content.settle_copies(&mut self.crawl) || !self.content.is_idle() {
            return true;
        }
        if self.crawl.guard == Guard::Open && self.crawl.lookups.has_gone() {
            self.crawl.tell_deletions();
        }
        false
    }

    /// Starts as many jobs as may run.
    fn start_jobs(&mut self) {
        if !self.crawl.held.is_empty() {
            self.crawl.release_held();
        }
        while self.scheduler.has_room() {
            let is_slow = self.crawl.output.is_slow();
            let waits = self.crawl.queue.take(is_slow);
            let job = waits
                .or_else(|| self.next_content_job(is_slow))
                .or_else(|| self.crawl.queue.take_lookup(is_slow));
            let Some(job) = job else { return };
            if self.is_wanted(&job.subject) {
                self.scheduler.start(job);
            } else {
                self.crawl.queue.came_back(&job.subject);
                self.drop_job(&job.subject);
            }
        }
    }

    fn next_content_job(&mut self, is_slow: bool) -> Option<Job> {
        if is_slow || !self.crawl.is_content_queued || self.crawl.queue.is_lookups_turn() {
            return None;
        }
        if !self.crawl.late_pages.is_empty() {
            self.content.queue_late(&mut self.crawl);
        }
        if self.content.is_crowded() {
            self.content.settle_copies(&mut self.crawl);
        }
        while !self.content.is_idle() {
            let mut jobs = self.content.begin_next(&mut self.crawl);
            if let Some(job) = jobs.pop() {
                for job in jobs {
                    self.crawl.queue.push(job);
                }
                return Some(job);
            }
        }
        None
    }

    /// Everything that goes by the clock.
    fn tick(&mut self) {
        self.wants_flush = self.crawl.output.emitter.has_waiting();
        let is_silent = self.heartbeat.tick(&mut self.crawl);
        if is_silent {
            self.send_states(true);
        }
        self.checkpoint_if_due();
        self.progress.tick(&self.crawl, self.content.progress());
    }

    /// Sends the states of the streams that got further, when it is time.
    fn checkpoint_if_due(&mut self) {
        if !self.crawl.streams.iter().any(|stream| stream.has_progress && !stream.is_finished()) {
            return;
        }
        let position = position(&self.crawl, &self.content);
        let with_progress =
            self.crawl.streams.iter().filter(|stream| stream.has_progress && !stream.is_finished());
        let size = with_progress.map(|stream| stream.state.ledger.len() as u64 * ENTRY_BYTES + 300).sum();
        if self.checkpoints.is_due(&position, size) {
            self.send_states(false);
        }
    }

    /// Sends the state of each stream that got further, or of all.
    fn send_states(&mut self, all: bool) {
        let crawl = &mut self.crawl;
        for stream in crawl.streams.iter_mut().filter(|stream| !stream.is_finished()) {
            if all || stream.has_progress {
                let state = stream.state.unfinished();
                crawl.output.state(stream, state);
            }
        }
        self.wants_flush = true;
        self.checkpoints.sent(position(&self.crawl, &self.content));
    }

    /// Drops whatever is still to be done; nobody waits out a hold or a delay.
    fn give_up_jobs(&mut self) {
        self.crawl.client.stop();
        self.crawl.queue.clear();
        self.content.clear();
        self.scheduler.clear();
    }

    /// The last state and status of a stream, unless they were sent before.
    pub(super) fn finish(&mut self, index: usize) {
        let cursor = self.cursor_reached(index);
        let Some(stream) = self.crawl.streams.get_mut(index).filter(|stream| !stream.is_finished()) else {
            return;
        };
        let failure = stream.failure().cloned();
        if let Some(failure) = &failure {
            let trace = failure.to_trace(Some(&stream.name));
            self.crawl.output.emitter.queue(&AirbyteMessage::Error(trace));
        }
        let state = match cursor.filter(|_| failure.is_none()) {
            Some(cursor) => {
                stream.state.end_floor();
                stream.state.finished(cursor)
            }
            None => stream.state.unfinished(),
        };
        self.crawl.output.state(stream, state);
        let status = if failure.is_some() { StreamStatus::Incomplete } else { StreamStatus::Complete };
        self.crawl.output.status(stream, status);
        stream.set_finished();
        self.wants_flush = true;
    }

    /// The cursor that a complete sync leaves for Airbyte's connector.
    fn cursor_reached(&self, index: usize) -> Option<DateTime<Utc>> {
        let stream = self.crawl.streams.get(index)?;
        let began = self.crawl.began.unwrap_or_default();
        let oldest = match stream.source {
            Source::PageListing(_) => stream.state.ledger.oldest().map(Minute::start),
            _ => None,
        };
        let reached = oldest.map_or(began, |oldest| oldest.min(began));
        Some((reached - CURSOR_MARGIN).max(self.crawl.options.start))
    }

    /// Fails a stream for which Notion found nothing below any of the pages that it shows.
    fn note_nothing_below(&mut self) {
        for (index, (refused, answered)) in std::mem::take(&mut self.refusals) {
            if let Some(stream) = self.crawl.streams.get_mut(index).filter(|_| answered == 0 && refused > 1) {
                stream.fail(&ReadError::NothingBelow { count: refused });
            }
        }
    }
}

/// How far a run is.
fn position(crawl: &Crawl, content: &Content) -> Position {
    let (done, total) = content.progress();
    Position {
        now: tokio::time::Instant::now(),
        records: crawl.output.records,
        done,
        total,
        record_bytes: crawl.output.record_bytes,
        state_bytes: crawl.output.state_bytes,
    }
}

/// Whether archived rows are to be asked for: some stream is new, or it is a day since they were.
fn is_archived_due(streams: &[StreamReader], now: DateTime<Utc>) -> bool {
    let due_before = Minute::of(now - ARCHIVED_ROWS_EVERY);
    streams.iter().filter(|stream| stream.source.reads_pages()).any(|stream| {
        let is_empty = stream.state.ledger.delivered_count(Kind::Page) == 0;
        is_empty || stream.state.is_new() || stream.state.archived_rows_read < due_before
    })
}

/// The kinds that a failure of a search concerns.
pub(super) fn searched(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Page => "pages",
        ObjectKind::DataSource => "data sources",
    }
}
