//! One read from its first status to its last: enumeration, walk, states, report.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    panic::AssertUnwindSafe,
    rc::Rc,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::time::{Duration, Instant, MissedTickBehavior, interval};
use tracing::{info, warn};

use super::{
    ReadError, Resume, StateError, StreamState, Unlisted,
    inventory::Inventory,
    progress::Progress,
    queue::TaskQueue,
    run::{CheckpointPolicy, Run, Task},
    scope::Scope,
    stream_run::StreamRun,
    to_minute,
    walk::Walk,
};
use crate::{
    client::{ApiError, ListRequest, NotionClient},
    error::describe_read_error,
    protocol::{
        AirbyteMessage, ConfiguredCatalog, Emitter, InputState, OutputClosed, RecordBatch, StatusReason,
        StreamDescriptor, StreamStatus, SyncMode,
    },
    streams::{PageReader, STREAMS, Source},
};

/// What to read, and how.
#[derive(Debug)]
pub struct ReadRequest<'a> {
    /// The client to read with.
    pub client: NotionClient,
    /// The way to stdout.
    pub emitter: Emitter,
    /// The streams to read.
    pub catalog: &'a ConfiguredCatalog,
    /// Where earlier runs got to.
    pub state: &'a InputState,
    /// Objects edited before this time are left out.
    pub start_date: DateTime<Utc>,
    /// How far the next sync's cursor stays behind.
    pub lookback: TimeDelta,
    /// Whether cut values are completed.
    pub complete_properties: bool,
    /// How many tasks run at a time.
    pub worker_count: usize,
    /// How often states are sent.
    pub policy: CheckpointPolicy,
    /// When the read begins.
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
    pub failed: Vec<(String, crate::error::Failure)>,
    /// Whether it was ended from outside.
    pub stop: Option<Stop>,
}

/// Reads the streams of a catalog; `interrupted` ends it early, with truthful states.
///
/// Fails only when a stored state cannot be used; nothing was read then.
pub async fn read(
    request: ReadRequest<'_>,
    interrupted: impl Future<Output = ()>,
) -> Result<ReadOutcome, StateError> {
    let mut outcome = ReadOutcome::default();
    let mut streams = Vec::new();
    let mut unknown = Vec::new();
    for configured in &request.catalog.streams {
        let Some(stream) = STREAMS.iter().find(|stream| stream.spec().name == configured.name) else {
            unknown.push(configured.name.clone());
            continue;
        };
        let spec = stream.spec();
        if configured.sync_mode == SyncMode::Incremental && spec.cursor_field.is_none() {
            info!("The stream \"{}\" has no cursor, so it is read in full.", spec.name);
        }
        // A state that arrives is used in a full refresh too: then it is the retry of one that failed.
        let stored = request.state.stream(spec.name);
        let field = spec.cursor_field.unwrap_or("last_edited_time");
        let stored = stored.filter(|_| spec.cursor_field.is_some());
        let state = StreamState::parse(spec.name, spec.state_form, field, request.start_date, stored)?;
        if state.is_after(request.now) {
            warn!(
                "The cursor of the stream \"{}\" lies in the future: nothing is new, and it stays as it is.",
                spec.name
            );
        }
        streams.push(StreamRun::new(*stream, &request.client, state));
    }
    if request.catalog.streams.is_empty() {
        warn!("The catalog selects no stream, so there is nothing to read.");
    }
    let run = new_run(request, streams);
    let ended = run.read_all(&unknown, interrupted).await;
    match ended {
        Ok(stop) => outcome.stop = stop,
        Err(OutputClosed) => outcome.stop = Some(Stop::OutputClosed),
    }
    for name in unknown {
        let failure = describe_read_error(&ReadError::UnknownStream(name.clone()), "");
        outcome.failed.push((name, failure));
    }
    for stream in &run.streams {
        outcome.failed.extend(stream.failure().map(|failure| (stream.name.to_string(), failure)));
    }
    Ok(outcome)
}

fn new_run(request: ReadRequest<'_>, streams: Vec<StreamRun>) -> Run {
    let mut unlisted = Unlisted::default();
    for stream in &streams {
        unlisted.pages.extend(&stream.state.unlisted().pages);
        unlisted.data_sources.extend(&stream.state.unlisted().data_sources);
    }
    Run {
        scope: Scope::of(&streams, to_minute(request.start_date)),
        emitter: request.emitter,
        client: request.client,
        streams,
        queue: TaskQueue::new(),
        inventory: RefCell::new(Inventory::new(&unlisted.pages)),
        walk: RefCell::new(Walk::default()),
        unlisted: RefCell::new(unlisted),
        originals: RefCell::default(),
        complete_properties: request.complete_properties,
        worker_count: request.worker_count,
        lookback: request.lookback,
        began_here: request.now,
        started: Instant::now(),
        policy: request.policy,
        last_checkpoint: Cell::new(Instant::now()),
        records_since_checkpoint: Cell::new(0),
        done_at_checkpoint: Cell::new(0),
        is_checkpointing: Cell::new(false),
        completing: Cell::new(0),
        failures_in_a_row: Cell::new(0),
        incomplete: RefCell::default(),
        pages_before_start: Cell::new(0),
        output_closed: Cell::new(false),
    }
}

impl Run {
    async fn read_all(
        &self,
        unknown: &[String],
        interrupted: impl Future<Output = ()>,
    ) -> Result<Option<Stop>, OutputClosed> {
        for stream in &self.streams {
            self.status(stream, StreamStatus::Started).await?;
        }
        for name in unknown {
            self.refuse(name).await?;
        }
        let stop = {
            let progress = Progress::new(self);
            tokio::select! {
                () = self.work() => None,
                () = self.keep_informed(&progress) => None,
                () = interrupted => {
                    self.abort(&ReadError::Interrupted);
                    Some(Stop::Interrupted)
                }
                () = self.emitter.closed() => {
                    self.abort(&ReadError::Output(OutputClosed));
                    Some(Stop::OutputClosed)
                }
            }
        };
        if self.output_closed.get() {
            return Err(OutputClosed);
        }
        for stream in &self.streams {
            self.finish(stream).await?;
        }
        self.report();
        Ok(stop)
    }

    /// A stream that the catalog names and the connector does not have.
    async fn refuse(&self, name: &str) -> Result<(), OutputClosed> {
        let failure = describe_read_error(&ReadError::UnknownStream(name.to_owned()), "");
        self.emitter.message(&AirbyteMessage::Error(failure.to_trace(Some(name)))).await?;
        let descriptor = StreamDescriptor::new(name);
        self.emitter.message(&AirbyteMessage::StreamStatus(descriptor, StreamStatus::Incomplete, None)).await
    }

    /// All the reading: first what is listed, then what only ids lead to, then every page.
    async fn work(&self) {
        for (index, stream) in self.streams.iter().enumerate() {
            if matches!(stream.stream.source(), Source::Listing(_)) {
                self.queue.push(Task::List { stream: index });
            }
        }
        self.begin_enumeration();
        self.drive(Vec::new).await;
        if !self.scope.is_wanted {
            return;
        }
        while self.ask_for_unlisted() {
            self.drive(Vec::new).await;
        }
        // Where trees are walked, objects of these streams may still be found.
        let finds_objects =
            self.streams.iter().filter_map(StreamRun::page_reader).any(PageReader::finds_objects);
        self.finish_early(|source| match source {
            Source::Listing(_) => true,
            Source::Enumeration(_) => !finds_objects,
            Source::Pages(_) => false,
        })
        .await;
        let (pages, seconds) = (self.inventory.borrow().page_count(), self.started.elapsed().as_secs_f64());
        info!("The workspace is enumerated: {pages} pages after {seconds:.1} s.");
        self.begin_walk();
        self.drive(|| self.next_page()).await;
    }

    /// Runs tasks, a bounded number at a time, until there are none.
    async fn drive(&self, refill: impl Fn() -> Vec<Task>) {
        let worker = async || {
            while let Some(task) = self.queue.next(&refill).await {
                let root = task.root().cloned();
                self.perform(task).await;
                if let Some(root) = root {
                    self.finish_part(&root);
                }
                self.queue.finish();
                self.checkpoint_if_due().await;
            }
        };
        // Only the worker that something happened to is looked at.
        let mut workers: FuturesUnordered<_> = (0..self.worker_count).map(|_worker| worker()).collect();
        while workers.next().await.is_some() {}
    }

    /// Runs one task. A panic in it is a failure like others: what the others have done is kept.
    async fn perform(&self, task: Task) {
        let about = About::of(&task);
        let result = AssertUnwindSafe(self.run_task(task)).catch_unwind().await;
        let error = match result {
            Ok(Ok(())) => {
                self.failures_in_a_row.set(0);
                return;
            }
            Ok(Err(error)) => error,
            Err(panic) => ReadError::Panic(panic_text(&*panic)),
        };
        if about.is_one_object() && matches!(error.api_error(), Some(ApiError::Forbidden { .. })) {
            // The refusal may be about everything: then nothing may be taken for gone.
            if let Err(lost) = self.assert_content_is_readable(&self.client).await {
                let reached = self.walk.borrow().reached(self.until());
                let concerned =
                    self.streams.iter().filter(|stream| stream.stream.spec().cursor_field.is_some());
                concerned.for_each(|stream| stream.stop(&lost, reached));
                return;
            }
        }
        self.settle(&about, &error);
    }

    /// Fails when the integration may read no content at all: then a refusal was not about one object.
    pub(super) async fn assert_content_is_readable(&self, client: &NotionClient) -> Result<(), ReadError> {
        let anything = ListRequest::post("/v1/search", serde_json::Map::new());
        client.list(anything).next().await?;
        Ok(())
    }

    async fn run_task(&self, task: Task) -> Result<(), ReadError> {
        match task {
            Task::List { stream } => self.list(stream).await,
            Task::Search(kind) => self.search(kind).await,
            Task::Query { data_source, archived, under } => {
                self.query(data_source, archived, under.as_ref()).await
            }
            Task::FetchPage { id, under } => self.fetch_page(id, under.as_ref()).await,
            Task::FetchDataSource { id, under } => self.fetch_data_source(id, under.as_ref()).await,
            Task::FetchDatabase { id, under } => self.fetch_database(id, &under).await,
            Task::Complete(completing) => {
                self.completing.set(self.completing.get() - 1);
                self.complete(*completing).await
            }
            Task::Visit { stream, root, node } => self.visit(stream, &root, node).await,
        }
    }

    /// Reads a stream that is one listing.
    async fn list(&self, index: usize) -> Result<(), ReadError> {
        let Some(stream) = self.streams.get(index) else { return Ok(()) };
        let Source::Listing(request) = stream.stream.source() else { return Ok(()) };
        let mut listing = stream.client.list(request);
        while let Some(page) = listing.next().await? {
            let mut batch = RecordBatch::new(&stream.name);
            for result in page.results() {
                let Some(object) = result else {
                    stream.skip("result that is not an object");
                    continue;
                };
                if object.id("id").is_none_or(|id| listing.is_new(id)) {
                    super::enumerate::add_record(&mut batch, stream, object);
                }
            }
            self.emit(stream, batch).await?;
        }
        Ok(())
    }

    /// Decides what a failed task means for the streams.
    fn settle(&self, about: &About, error: &ReadError) {
        if error.ends_everything() {
            return self.abort(error);
        }
        let reached = || self.walk.borrow().reached(self.until());
        match about {
            About::Stream(index) => {
                if let Some(stream) = self.streams.get(*index) {
                    stream.stop(error, reached());
                }
            }
            About::Search(kind) => self.settle_search(*kind, error),
            About::Query { data_source, archived } => self.fail_query(*data_source, *archived, error),
            About::Page { id, .. } if error.is_about_one_object() => {
                self.unlisted.borrow_mut().pages.remove(id);
                self.skip_object(crate::streams::ObjectKind::Page, "page not found or not shared");
                self.page_streams().for_each(|stream| stream.page_succeeded(*id));
            }
            About::Page { id, root: None } => {
                let inventory = self.inventory.borrow();
                self.page_streams().for_each(|stream| stream.fail_page(*id, error, reached(), &inventory));
            }
            About::DataSource { id, .. } if error.is_about_one_object() => {
                self.unlisted.borrow_mut().data_sources.remove(id);
                let reason = "data source not found or not shared";
                self.skip_object(crate::streams::ObjectKind::DataSource, reason);
                self.streams.iter().for_each(|stream| stream.data_source_succeeded(*id));
            }
            About::DataSource { id, root: None } => {
                self.fail_query(*id, false, error);
                let own = self.stream_of(crate::streams::ObjectKind::DataSource);
                if let Some(stream) = own.and_then(|index| self.streams.get(index)) {
                    stream.fail_data_source(*id, error, &self.inventory.borrow());
                }
            }
            About::Database { .. } if error.is_about_one_object() => {
                let reason = "database that is a linked view, or not shared";
                self.skip_object(crate::streams::ObjectKind::DataSource, reason);
            }
            About::Page { root, .. } | About::DataSource { root, .. } | About::Database { root } => {
                self.settle_below(root.as_ref(), error);
            }
            About::Completion(index) => {
                if let Some(stream) = self.streams.get(*index) {
                    stream.fail(error);
                }
            }
            About::Visit { stream: index, root } => {
                let denied = matches!(error.api_error(), Some(ApiError::Forbidden { .. }));
                if let Some(stream) = self.streams.get(*index).filter(|_| denied) {
                    return stream.stop(error, reached());
                }
                self.fail_root(*index, root, error);
                // Those that failed before come first and may fail for ever; they say nothing about the others.
                let top = root.top().page.id;
                if !self.streams.iter().any(|stream| stream.state.retry().pages.contains_key(&top)) {
                    self.give_up_if_hopeless(error);
                }
            }
        }
    }

    /// Without search nothing is known; where it is cut, the rest is still worth reading.
    fn settle_search(&self, kind: crate::streams::ObjectKind, error: &ReadError) {
        let is_partial = matches!(error, ReadError::SearchGap { .. });
        for stream in &self.streams {
            let concerned = match stream.stream.source() {
                Source::Listing(_) => false,
                Source::Enumeration(of) => of == kind || of == crate::streams::ObjectKind::Page,
                Source::Pages(_) => true,
            };
            if concerned && is_partial {
                stream.fail_listing(error);
            } else if concerned {
                stream.stop(error, None);
            }
        }
    }

    /// Something below a page failed: the page is tried again by the streams that find such things.
    fn settle_below(&self, root: Option<&Rc<super::walk::Root>>, error: &ReadError) {
        let Some(root) = root else { return };
        for (index, stream) in self.streams.iter().enumerate() {
            if stream.page_reader().is_some_and(PageReader::finds_objects) {
                self.fail_root(index, root, error);
            }
        }
    }

    /// When every worker fails twice in a row, Notion is down, and trying page after page would take hours.
    fn give_up_if_hopeless(&self, error: &ReadError) {
        let failures = self.failures_in_a_row.get() + 1;
        self.failures_in_a_row.set(failures);
        if failures >= self.worker_count * 2 {
            warn!("{failures} pages failed in a row, so the sync stops here.");
            self.abort(error);
        }
    }

    /// Sends the streams' states when it is time and the walk got further.
    async fn checkpoint_if_due(&self) {
        let (done, pages) = self.walk.borrow().progress();
        let newly_done = done.saturating_sub(self.done_at_checkpoint.get());
        let is_due = self.last_checkpoint.get().elapsed() >= self.policy.interval
            || self.records_since_checkpoint.get() >= self.policy.records
            || (newly_done > 0 && newly_done * self.policy.walk_parts >= pages);
        if !is_due || self.is_checkpointing.replace(true) {
            return;
        }
        let before = self.records_since_checkpoint.get();
        if self.send_states(false).await.is_ok() {
            self.last_checkpoint.set(Instant::now());
            self.done_at_checkpoint.set(done);
            self.records_since_checkpoint.set(self.records_since_checkpoint.get() - before);
        }
        self.is_checkpointing.set(false);
    }

    /// Sends the state of each stream whose walk got further, or of all.
    async fn send_states(&self, all: bool) -> Result<(), OutputClosed> {
        for stream in &self.streams {
            let walk = self.walk.borrow().reached(self.until());
            let reached = stream.reached(walk);
            let is_further =
                stream.page_reader().is_some() && stream.sent_at() != reached && !stream.is_stopped();
            let is_wanted = is_further || (all && stream.stream.spec().cursor_field.is_some());
            if is_wanted && !stream.is_finished() {
                let state = self.state_in_progress(stream, reached);
                stream.set_sent_at(reached);
                self.emitter.state(&stream.name, state).await?;
            }
        }
        Ok(())
    }

    /// Life signs, the wait for the rate limit, progress: everything that goes by the clock.
    async fn keep_informed(&self, progress: &Progress<'_>) {
        let mut announced = self.client.gate().subscribe();
        let tick = Duration::from_millis(200).min(self.policy.interval).min(self.policy.progress);
        let mut ticks = interval(tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut was_held = false;
        loop {
            ticks.tick().await;
            let hold = *announced.borrow_and_update();
            let is_held = hold.is_some_and(|hold| !hold.remaining().is_zero());
            if let Some(hold) = hold.filter(|_| is_held && !was_held) {
                info!("Notion's rate limit holds the sync for {:.0} s.", hold.remaining().as_secs_f64());
            }
            if is_held != was_held {
                let reason = hold.filter(|_| is_held).map(|hold| StatusReason::RateLimited {
                    quota_reset_ms: hold.reset_at.timestamp_millis(),
                });
                if self.tell_running(reason).await.is_err() {
                    return;
                }
                was_held = is_held;
            }
            if self.emitter.flush().await.is_err() {
                return;
            }
            self.checkpoint_if_due().await;
            let silence_ms = Utc::now().timestamp_millis() - self.last_sign_of_life_ms();
            if u128::try_from(silence_ms).unwrap_or_default() >= self.policy.life_sign.as_millis()
                && self.send_states(true).await.is_err()
            {
                return;
            }
            if progress.tick(hold.filter(|_| is_held)).await.is_err() {
                return;
            }
        }
    }

    fn last_sign_of_life_ms(&self) -> i64 {
        let since_start = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.emitter.last_life_sign_ms().max(Utc::now().timestamp_millis() - since_start)
    }

    async fn tell_running(&self, reason: Option<StatusReason>) -> Result<(), OutputClosed> {
        for stream in self.streams.iter().filter(|stream| !stream.is_stopped() && !stream.is_finished()) {
            let descriptor = StreamDescriptor::new(&*stream.name);
            let message = AirbyteMessage::StreamStatus(descriptor, StreamStatus::Running, reason);
            self.emitter.message(&message).await?;
        }
        Ok(())
    }

    /// Completes the streams that nothing can be added to any more.
    async fn finish_early(&self, is_done: impl Fn(&Source) -> bool) {
        for stream in self.streams.iter().filter(|stream| is_done(&stream.stream.source())) {
            if self.finish(stream).await.is_err() {
                // Whoever watches the output ends the run.
                return;
            }
        }
    }

    /// The last state and status of a stream, unless they were sent before.
    async fn finish(&self, stream: &StreamRun) -> Result<(), OutputClosed> {
        if stream.is_finished() {
            return Ok(());
        }
        let spec = stream.stream.spec();
        let failure = stream.failure();
        if let Some(failure) = &failure {
            self.emitter.message(&AirbyteMessage::Error(failure.to_trace(Some(&stream.name)))).await?;
        }
        let state = match (spec.cursor_field, &failure) {
            (None, _) => {
                let mut marker = serde_json::Map::new();
                marker.insert("__ab_no_cursor_state_message".to_owned(), true.into());
                marker
            }
            // What only the trees lead to was not found, though all listings were read: the old cursor stays.
            (Some(_), None) if self.misses_trees(stream) => {
                self.state_in_progress(stream, stream.state.resume())
            }
            (Some(field), None) => self.finished_state(stream, field),
            (Some(field), Some(_)) => self.failed_state(stream, field),
        };
        self.emitter.state(&stream.name, state).await?;
        let status = if failure.is_some() { StreamStatus::Incomplete } else { StreamStatus::Complete };
        self.status(stream, status).await?;
        stream.set_finished();
        Ok(())
    }

    /// Whether the objects of a stream can be found below pages, and these were not all read.
    fn misses_trees(&self, stream: &StreamRun) -> bool {
        matches!(stream.stream.source(), Source::Enumeration(_))
            && self
                .streams
                .iter()
                .any(|other| other.is_stopped() && other.page_reader().is_some_and(PageReader::finds_objects))
    }

    /// The state of a failed stream: the new cursor where only what is on the retry list is missing, else the old.
    fn failed_state(&self, stream: &StreamRun, field: &str) -> serde_json::Map<String, serde_json::Value> {
        if stream.misses_only_retried() && !self.misses_trees(stream) {
            return self.finished_state(stream, field);
        }
        self.state_in_progress(stream, stream.reached(self.walk.borrow().reached(self.until())))
    }

    fn finished_state(&self, stream: &StreamRun, field: &str) -> serde_json::Map<String, serde_json::Value> {
        let retry = stream.retry_when_finished(&self.inventory.borrow());
        stream.state.finished(field, self.cursor_reached(stream), &retry, &self.unlisted.borrow())
    }

    fn state_in_progress(
        &self,
        stream: &StreamRun,
        reached: Option<Resume>,
    ) -> serde_json::Map<String, serde_json::Value> {
        let unlisted = stream.unlisted_so_far(&self.unlisted.borrow(), &self.inventory.borrow());
        stream.state.in_progress(reached, &stream.retry(), &unlisted)
    }

    /// The cursor of a stream that was read completely: the latest edit that was seen, capped by the time at which
    /// the enumeration began, less the lookback. Whatever is edited while a sync runs is read again by the next.
    fn cursor_reached(&self, stream: &StreamRun) -> DateTime<Utc> {
        let inventory = self.inventory.borrow();
        let newest = match stream.stream.source() {
            Source::Enumeration(crate::streams::ObjectKind::DataSource) => inventory.newest_data_source(),
            Source::Pages(_) => inventory.newest_page().max(stream.newest_record()),
            Source::Enumeration(_) | Source::Listing(_) => inventory.newest_page(),
        };
        let newest = newest.unwrap_or(stream.state.start()).min(self.began());
        let cursor = newest - self.lookback;
        stream.latest_cursor().map_or(cursor, |latest| cursor.min(latest)).max(stream.state.start())
    }
}

/// What a task is about, to tell what its failure means.
#[derive(Debug)]
enum About {
    Stream(usize),
    Search(crate::streams::ObjectKind),
    Query { data_source: uuid::Uuid, archived: bool },
    Page { id: uuid::Uuid, root: Option<Rc<super::walk::Root>> },
    DataSource { id: uuid::Uuid, root: Option<Rc<super::walk::Root>> },
    Database { root: Option<Rc<super::walk::Root>> },
    Completion(usize),
    Visit { stream: usize, root: Rc<super::walk::Root> },
}

impl About {
    /// Whether it is about one object of the enumeration.
    fn is_one_object(&self) -> bool {
        match self {
            Self::Query { .. } | Self::Page { .. } | Self::DataSource { .. } | Self::Database { .. } => true,
            Self::Stream(_) | Self::Search(_) | Self::Completion(_) | Self::Visit { .. } => false,
        }
    }

    fn of(task: &Task) -> Self {
        let root = task.root().cloned();
        match task {
            Task::List { stream } => Self::Stream(*stream),
            Task::Search(kind) => Self::Search(*kind),
            Task::Query { data_source, archived, .. } => {
                Self::Query { data_source: *data_source, archived: *archived }
            }
            Task::FetchPage { id, .. } => Self::Page { id: *id, root },
            Task::FetchDataSource { id, .. } => Self::DataSource { id: *id, root },
            Task::FetchDatabase { .. } => Self::Database { root },
            Task::Complete(completing) => Self::Completion(completing.stream),
            Task::Visit { stream, root, .. } => Self::Visit { stream: *stream, root: Rc::clone(root) },
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "unknown panic".to_owned())
}

#[cfg(test)]
mod tests {
    use std::{future::pending, thread};

    use fake_notion::{FakeNotion, sample::sample_workspace};
    use serde_json::Value;

    use super::{super::run::Completing, *};
    use crate::{
        client::{ClientSettings, RetryPolicy, Timeouts},
        protocol::Writer,
        streams::RawObject,
    };

    fn client_of(notion: &FakeNotion) -> NotionClient {
        let settings = ClientSettings {
            base: notion.url().parse().unwrap(),
            access_token: notion.token().to_owned().into(),
            oauth: None,
            max_in_flight: 2,
            retry: RetryPolicy::default(),
            timeouts: Timeouts::default(),
        };
        NotionClient::new(settings, |_tokens| ()).unwrap()
    }

    #[tokio::test]
    async fn a_panic_in_a_task_fails_its_stream_and_keeps_what_the_others_do() {
        let notion = FakeNotion::start_blocking(sample_workspace());
        let (emitter, writer) = Writer::new();
        let writing = thread::spawn(move || {
            let mut output = Vec::new();
            writer.run(&mut output).unwrap();
            String::from_utf8(output).unwrap()
        });
        let (catalog, state) = (ConfiguredCatalog::default(), InputState::default());
        let client = client_of(&notion);
        let streams = STREAMS.iter().map(|stream| {
            let spec = stream.spec();
            let state =
                StreamState::parse(spec.name, spec.state_form, "", DateTime::UNIX_EPOCH, None).unwrap();
            StreamRun::new(*stream, &client, state)
        });
        let streams: Vec<StreamRun> = streams.collect();
        let request = ReadRequest {
            client: client.clone(),
            emitter,
            catalog: &catalog,
            state: &state,
            start_date: DateTime::UNIX_EPOCH,
            lookback: TimeDelta::zero(),
            complete_properties: true,
            worker_count: 2,
            policy: CheckpointPolicy::default(),
            now: Utc::now(),
        };
        let run = new_run(request, streams);
        let pages = STREAMS.iter().position(|stream| stream.spec().name == "pages").unwrap();
        // It is one more than were counted, which breaks an invariant and so panics.
        run.queue.push(Task::Complete(Box::new(Completing {
            stream: pages,
            id: uuid::Uuid::nil(),
            page: RawObject::parse("{}").unwrap(),
            truncated: Vec::new(),
            under: None,
        })));

        assert_eq!(run.read_all(&[], pending()).await.unwrap(), None);
        drop(run);
        let output = writing.join().unwrap();
        let messages: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let errors: Vec<&Value> =
            messages.iter().filter_map(|message| message.pointer("/trace/error")).collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0]["stream_descriptor"]["name"], "pages");
        assert_eq!(errors[0]["failure_type"], "system_error");
        for stream in STREAMS {
            let name = stream.spec().name;
            let of_stream = |message: &&Value| {
                message.pointer("/trace/stream_status/stream_descriptor/name").is_some_and(|of| *of == name)
            };
            let last = messages.iter().rfind(of_stream).unwrap();
            let expected = if name == "pages" { "INCOMPLETE" } else { "COMPLETE" };
            assert_eq!(last["trace"]["stream_status"]["status"], expected, "{name}");
            let records = messages.iter().filter(|message| message["record"]["stream"] == name).count();
            assert!(records > 0, "{name}");
        }
    }
}
