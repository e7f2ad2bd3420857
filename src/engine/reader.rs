//! One read from its first status to its last: enumeration, walk, states, report.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    panic::AssertUnwindSafe,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::time::Instant;
use tracing::{info, warn};

use super::{
    ReadError, StateError, StreamState, Unlisted,
    inventory::Inventory,
    observe::add_record,
    progress::Progress,
    queue::TaskQueue,
    run::{CheckpointPolicy, Run, Task},
    scope::Scope,
    settle::About,
    stream_run::StreamRun,
    to_minute,
    walk::Walk,
};
use crate::{
    client::{ApiError, ListRequest, NotionClient},
    error::{describe_read_error, panic_text},
    protocol::{
        AirbyteMessage, ConfiguredCatalog, Emitter, InputState, OutputClosed, StreamDescriptor, StreamStatus,
        SyncMode,
    },
    streams::{ObjectKind, PageReader, STREAMS, Source},
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
        unlisted.pages.extend(&stream.state().unlisted().pages);
        unlisted.data_sources.extend(&stream.state().unlisted().data_sources);
    }
    Run {
        scope: Scope::of(&streams, to_minute(request.start_date)),
        emitter: request.emitter,
        client: request.client,
        streams,
        queue: TaskQueue::new(),
        inventory: RefCell::new(Inventory::new(&unlisted)),
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
            self.status(stream, StreamStatus::Started);
        }
        for name in unknown {
            self.refuse(name);
        }
        self.emitter.flush().await?;
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
        // One that was finished before may have been stopped while it waited for the output.
        self.emitter.flush().await?;
        self.report();
        Ok(stop)
    }

    /// A stream that the catalog names and the connector does not have.
    fn refuse(&self, name: &str) {
        let failure = describe_read_error(&ReadError::UnknownStream(name.to_owned()), "");
        self.emitter.queue(&AirbyteMessage::Error(failure.to_trace(Some(name))));
        let descriptor = StreamDescriptor::new(name);
        self.emitter.queue(&AirbyteMessage::StreamStatus(descriptor, StreamStatus::Incomplete, None));
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
        self.finish_early(|stream| match stream.stream.source() {
            Source::Listing(_) => true,
            Source::Enumeration(_) => !finds_objects,
            Source::Pages(_) => false,
        })
        .await;
        if self.queue.is_closed() {
            return;
        }
        let (pages, seconds) = (self.inventory.borrow().page_count(), self.started.elapsed().as_secs_f64());
        info!("The workspace is enumerated: {pages} pages after {seconds:.1} s.");
        if self.inventory.borrow().is_empty() {
            warn!(
                "Nothing is shared with the integration, so there is nothing to read: open a page in Notion, ••• menu, \
                 Add connections, and choose the integration."
            );
        }
        self.begin_walk();
        self.drive(|| self.next_page()).await;
        if self.streams.iter().any(StreamRun::must_catch_up) && !self.queue.is_closed() {
            self.finish_early(|stream| !stream.must_catch_up()).await;
            self.begin_second_walk();
            self.drive(|| self.next_page()).await;
        }
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
                let concerned =
                    self.streams.iter().filter(|stream| stream.stream.spec().cursor_field.is_some());
                concerned.for_each(|stream| stream.stop(&lost, self.position()));
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

    /// Whether some stream that a task is for is still being read.
    fn is_still_wanted(&self, task: &Task) -> bool {
        let is_read = |stream: &StreamRun| !stream.is_stopped();
        match task {
            Task::List { stream } | Task::Visit { stream, .. } => {
                self.streams.get(*stream).is_some_and(is_read)
            }
            // It has a place to give back.
            Task::Complete(_) => true,
            // Rows lead to data sources too.
            Task::Search(_)
            | Task::Query { .. }
            | Task::FetchPage { .. }
            | Task::FetchDataSource { .. }
            | Task::FetchDatabase { .. } => {
                self.page_streams().chain(self.stream_run_of(ObjectKind::DataSource)).any(is_read)
            }
        }
    }

    async fn run_task(&self, task: Task) -> Result<(), ReadError> {
        if !self.is_still_wanted(&task) {
            return Ok(());
        }
        match task {
            Task::List { stream } => self.list(stream).await,
            Task::Search(kind) => self.search(kind).await,
            Task::Query { data_source, archived, under } => {
                self.query(data_source, archived, under.as_ref()).await
            }
            Task::FetchPage { id, under } => self.fetch_page(id, under.as_ref()).await,
            Task::FetchDataSource { id, under } => self.fetch_data_source(id, under.as_ref()).await,
            Task::FetchDatabase { id, under } => self.fetch_database(id, &under).await,
            Task::Complete(completing) => self.complete(*completing).await,
            Task::Visit { stream, root, node } => self.visit(stream, &root, node).await,
        }
    }

    /// Reads a stream that is one listing.
    async fn list(&self, index: usize) -> Result<(), ReadError> {
        let Some(stream) = self.streams.get(index) else { return Ok(()) };
        let Source::Listing(request) = stream.stream.source() else { return Ok(()) };
        let mut listing = stream.client.list(request);
        while let Some(page) = listing.next().await? {
            let mut batch = self.emitter.batch(&stream.name, page.record_room());
            for result in page.results() {
                let Some(object) = result else {
                    stream.skip("result that is not an object");
                    continue;
                };
                if object.id("id").is_none_or(|id| listing.is_new(id)) {
                    add_record(&mut batch, stream, object);
                }
            }
            self.emit(stream, batch).await?;
        }
        Ok(())
    }
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
            since: DateTime::<Utc>::MIN_UTC,
            stream: pages,
            id: uuid::Uuid::nil(),
            page: Some((RawObject::parse("{}").unwrap(), Vec::new())),
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
