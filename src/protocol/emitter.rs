//! The one way to stdout: a bounded channel to a writer on its own thread.
//!
//! A slow reader of stdout fills the channel, and that slows the reading of Notion: memory stays bounded.
//! Messages are handed over in parcels, for each one wakes the other thread: by [`Emitter::flush`], and when enough
//! records wait. Log lines take a side way that never waits; the writer prints them before the next message.
//!
//! Every text for a person passes here, so here is where secrets are taken out of them ([`Emitter::hide`]).

use std::{
    collections::VecDeque,
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use chrono::Utc;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::{
    AirbyteMessage, LogLevel, Person, RecordBatch, StateFile, Writer, batch::Records, redact::without_secrets,
};

/// How many parcels may wait for the writer.
const CHANNEL_CAPACITY: usize = 4;

/// How large a parcel of records grows before it is handed over.
const PARCEL_BYTES: usize = 128 * 1024;

/// How many buffers of records are kept to be filled again, and how large one may be for that. Usual ones are far
/// smaller; memory that one thread asks for and another gives back costs both of them waiting.
const MAX_SPARE_BUFFERS: usize = 64;
const MAX_SPARE_BYTES: usize = PARCEL_BYTES;

/// A shorter one protects nothing, and taking it out would garble the texts.
const SHORTEST_SECRET: usize = 8;

/// Stdout was closed by its reader; nothing more can be said.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("stdout was closed")]
pub struct OutputClosed;

#[derive(Debug)]
pub(super) enum Output {
    Records(Records),
    State { stream: Arc<str>, state: Map<String, Value> },
    Line(Vec<u8>),
}

/// What is sent at once, in order; an empty one only wakes the writer.
pub(super) type Parcel = Vec<Output>;

/// What was not handed over yet.
#[derive(Debug, Default)]
struct Waiting {
    parcel: Parcel,
    bytes: usize,
}

/// What the handles and the writer share.
#[derive(Default)]
pub(super) struct Shared {
    waiting: Mutex<Waiting>,
    /// Empty buffers.
    spare: Mutex<Vec<Vec<u8>>>,
    pub(super) logs: Mutex<VecDeque<Vec<u8>>>,
    secrets: Mutex<Vec<SecretString>>,
    pub(super) last_life_sign_ms: AtomicI64,
    pub(super) records: AtomicU64,
    pub(super) state_file: Mutex<Option<StateFile>>,
    person: Person,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What waits may be records, or a CONTROL with tokens.
        formatter.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// Keeps buffers to be filled again.
    pub(super) fn keep(&self, buffers: impl IntoIterator<Item = Vec<u8>>) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        for mut buffer in buffers {
            if buffer.capacity() <= MAX_SPARE_BYTES && spare.len() < MAX_SPARE_BUFFERS {
                buffer.clear();
                spare.push(buffer);
            }
        }
    }
}

/// A handle that sends messages to the writer, in order.
#[derive(Clone, Debug)]
pub struct Emitter {
    sender: mpsc::Sender<Parcel>,
    shared: Arc<Shared>,
}

impl Emitter {
    /// Whoever sits at the terminal, if anyone does.
    pub fn person(&self) -> &Person {
        &self.shared.person
    }

    /// Keeps the state of each stream in this file from now on, once it was written to the output.
    pub fn keep_states_in(&self, file: StateFile) {
        *self.shared.state_file.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
    }

    /// Takes this secret out of every text that is told from now on; records, states and CONTROL stay as they are.
    pub fn hide(&self, secret: &SecretString) {
        if secret.expose_secret().len() >= SHORTEST_SECRET {
            self.secrets().push(secret.clone());
        }
    }

    /// Starts an empty batch, stamped with the present time, with room for records of this size in sum.
    pub fn batch(&self, stream: &Arc<str>, bytes: usize) -> RecordBatch {
        let spare = self.shared.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut lines = spare.unwrap_or_default();
        lines.reserve(bytes);
        RecordBatch::new(stream, Utc::now().timestamp_millis(), lines)
    }

    /// Queues records, if there are any, for the next parcel.
    pub fn queue_records(&self, batch: RecordBatch) {
        if batch.is_empty() {
            return self.shared.keep([batch.records.lines]);
        }
        let mut waiting = self.waiting();
        waiting.bytes += batch.byte_count();
        waiting.parcel.push(Output::Records(batch.records));
    }

    /// The bytes of the records that wait to be handed over.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting().bytes
    }

    /// Whether anything waits to be handed over.
    pub fn has_waiting(&self) -> bool {
        !self.waiting().parcel.is_empty()
    }

    /// Whether so much waits that it should be handed over.
    pub fn is_parcel_full(&self) -> bool {
        self.waiting_bytes() >= PARCEL_BYTES
    }

    /// Hands over what is waiting. Nothing is lost when this is given up half-way: it waits on.
    pub async fn flush(&self) -> Result<(), OutputClosed> {
        if self.waiting().parcel.is_empty() {
            return Ok(());
        }
        let place = self.sender.reserve().await.map_err(|_closed| OutputClosed)?;
        // Locked until it is handed over, so that no later parcel overtakes it.
        let mut waiting = self.waiting();
        if !waiting.parcel.is_empty() {
            place.send(mem::take(&mut *waiting).parcel);
        }
        Ok(())
    }

    /// Sends a stream's state with the next parcel; it covers every record of the stream sent before.
    pub fn queue_state(&self, stream: &Arc<str>, state: Map<String, Value>) {
        self.waiting().parcel.push(Output::State { stream: Arc::clone(stream), state });
    }

    /// Sends any other message with the next parcel.
    pub fn queue(&self, message: &AirbyteMessage) {
        let line = Output::Line(self.line(message));
        self.waiting().parcel.push(line);
    }

    /// Sends any other message now.
    pub async fn message(&self, message: &AirbyteMessage) -> Result<(), OutputClosed> {
        self.queue(message);
        self.flush().await
    }

    /// Prints a text that is no message, as the verbs do that no platform calls.
    pub async fn print(&self, text: String) -> Result<(), OutputClosed> {
        self.waiting().parcel.push(Output::Line(text.into_bytes()));
        self.flush().await
    }

    /// Logs without waiting; the line is printed before the next message.
    pub fn log(&self, level: LogLevel, message: String) {
        self.message_at_once(&AirbyteMessage::Log(level, message));
    }

    /// Sends a message without waiting, before whatever waits; for what must be told whatever happens next.
    pub fn message_at_once(&self, message: &AirbyteMessage) {
        self.line_at_once(self.line(message));
    }

    /// Logs a text with fields to filter by; a person hears the text alone.
    pub(super) fn log_event(&self, level: LogLevel, text: String, fields: &str) {
        let secrets = self.secrets().clone();
        let line = without_secrets(&secrets, &AirbyteMessage::Log(level, format!("{text}{fields}")))
            .to_line(Utc::now().timestamp_millis());
        self.shared.person.hear(&without_secrets(&secrets, &AirbyteMessage::Log(level, text)));
        self.line_at_once(line);
    }

    fn line_at_once(&self, line: Vec<u8>) {
        self.shared.logs.lock().unwrap_or_else(PoisonError::into_inner).push_back(line);
        // A full channel means that the writer is busy and will see the line; a closed one, that nobody will.
        drop(self.sender.try_send(Parcel::new()));
    }

    fn line(&self, message: &AirbyteMessage) -> Vec<u8> {
        let message = without_secrets(&self.secrets(), message);
        self.shared.person.hear(&message);
        message.to_line(Utc::now().timestamp_millis())
    }

    /// When the last RECORD or STATE was written (milliseconds since the epoch; 0 before the first).
    pub fn last_life_sign_ms(&self) -> i64 {
        self.shared.last_life_sign_ms.load(Ordering::Relaxed)
    }

    /// How many records were written so far, of all streams.
    pub fn record_count(&self) -> u64 {
        self.shared.records.load(Ordering::Relaxed)
    }

    /// Returns when nobody reads the output any more.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }

    fn secrets(&self) -> MutexGuard<'_, Vec<SecretString>> {
        self.shared.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Makes a writer and the first handle to it; nobody sits at a terminal.
    pub fn new() -> (Emitter, Self) {
        Self::beside(Person::default())
    }

    /// Makes a writer and the first handle to it; this person hears what is told.
    pub fn beside(person: Person) -> (Emitter, Self) {
        let (sender, receiver) = mpsc::channel(CHANNEL_CAPACITY);
        let shared = Arc::new(Shared { person, ..Shared::default() });
        (Emitter { sender, shared: Arc::clone(&shared) }, Self { receiver, shared })
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use serde_json::json;

    use super::{
        super::{ConnectionStatus, ErrorTrace, FailureType},
        *,
    };

    fn written(send: impl AsyncFnOnce(Emitter)) -> String {
        let (emitter, writer) = Writer::new();
        let thread = thread::spawn(move || {
            let mut output = Vec::new();
            writer.run(&mut output).unwrap();
            String::from_utf8(output).unwrap()
        });
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(send(emitter));
        thread.join().unwrap()
    }

    #[test]
    fn a_state_counts_the_records_since_the_one_before() {
        let stream: Arc<str> = Arc::from("pages");
        let output = written(async |emitter| {
            let mut batch = emitter.batch(&stream, 0);
            batch.push(|out| out.extend_from_slice(b"{\"a\":1}"));
            batch.push(|out| out.extend_from_slice(b"{\"a\":2}"));
            emitter.queue_records(batch);
            emitter.queue_state(&stream, Map::new());
            emitter.flush().await.unwrap();
            emitter.queue_state(&stream, Map::new());
            emitter.flush().await.unwrap();
        });
        let counts: Vec<Value> = output
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter_map(|line| line.pointer("/state/sourceStats/recordCount").cloned())
            .collect();
        assert_eq!(counts, [json!(2.0), json!(0.0)]);
        assert!(output.contains("\"recordCount\":2.0"));
    }

    #[test]
    fn a_log_is_printed_before_the_message_sent_after_it() {
        let output = written(async |emitter| {
            emitter.log(LogLevel::Info, "first".to_owned());
            emitter.message(&AirbyteMessage::Log(LogLevel::Info, "second".to_owned())).await.unwrap();
        });
        assert!(output.find("first").unwrap() < output.find("second").unwrap());
    }

    #[test]
    fn only_control_and_records_show_a_secret() {
        let secret = "ntn_\"hidden\"";
        let told = || format!("told {secret}, and {secret} again");
        let stream: Arc<str> = Arc::from("pages");
        let output = written(async |emitter| {
            emitter.hide(&"told".into());
            emitter.hide(&secret.into());
            let error = ErrorTrace {
                message: told(),
                internal_message: Some(told()),
                failure_type: FailureType::System,
                stream_descriptor: None,
            };
            emitter.message(&AirbyteMessage::Error(error)).await.unwrap();
            for status in [ConnectionStatus::Succeeded(told()), ConnectionStatus::Failed(told())] {
                emitter.message(&AirbyteMessage::ConnectionStatus(status)).await.unwrap();
            }
            emitter.message(&AirbyteMessage::Log(LogLevel::Info, told())).await.unwrap();
            emitter.log(LogLevel::Info, told());
            let config = Map::from_iter([("token".to_owned(), json!(secret))]);
            emitter.message_at_once(&AirbyteMessage::Control(config));
            let mut batch = emitter.batch(&stream, 0);
            batch.push(|out| out.extend_from_slice(json!(secret).to_string().as_bytes()));
            emitter.queue_records(batch);
            emitter.flush().await.unwrap();
        });
        let quoted = json!(secret).to_string();
        let kinds = output.lines().filter(|line| line.contains(&quoted));
        let kinds: Vec<Value> =
            kinds.map(|line| serde_json::from_str::<Value>(line).unwrap()["type"].take()).collect();
        assert_eq!(kinds, ["CONTROL", "RECORD"]);
        assert_eq!(output.matches("told […], and […] again").count(), 6);
        assert_eq!(output.matches("hidden").count(), 2);
    }

    #[test]
    fn records_wait_for_their_parcel_and_a_state_takes_them_along_in_order() {
        let stream: Arc<str> = Arc::from("pages");
        let output = written(async |emitter| {
            for number in 0..3_u8 {
                let mut batch = emitter.batch(&stream, 0);
                batch.push(|out| out.extend_from_slice(&[b'0' + number]));
                emitter.queue_records(batch);
            }
            assert_eq!(emitter.sender.capacity(), CHANNEL_CAPACITY);
            emitter.queue_state(&stream, Map::new());
            emitter.flush().await.unwrap();
        });
        let kinds: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let kinds: Vec<_> = kinds.iter().map(|line| line.pointer("/record/data").cloned()).collect();
        assert_eq!(kinds, [Some(json!(0)), Some(json!(1)), Some(json!(2)), None]);
    }

    #[tokio::test]
    async fn what_could_not_be_handed_over_waits_on() {
        let (emitter, mut writer) = Writer::new();
        let stream: Arc<str> = Arc::from("pages");
        for _parcel in 0..CHANNEL_CAPACITY {
            emitter.queue_state(&stream, Map::new());
            emitter.flush().await.unwrap();
        }
        let mut batch = emitter.batch(&stream, 0);
        batch.push(|out| out.extend_from_slice(b"{}"));
        emitter.queue_records(batch);
        // The channel is full, and whoever waits for it gives up.
        assert!(futures_util::FutureExt::now_or_never(emitter.flush()).is_none());
        while writer.receiver.try_recv().is_ok() {}
        emitter.queue_state(&stream, Map::new());
        emitter.flush().await.unwrap();
        let parcel = writer.receiver.try_recv().unwrap();
        assert!(matches!(parcel.as_slice(), [Output::Records(_), Output::State { .. }]), "{parcel:?}");
    }

    #[tokio::test]
    async fn buffers_are_filled_again_unless_they_are_large() {
        let (emitter, _writer) = Writer::new();
        let stream: Arc<str> = Arc::from("pages");
        for (bytes, is_kept) in [(4096, true), (MAX_SPARE_BYTES + 1, false)] {
            emitter.queue_records(emitter.batch(&stream, bytes));
            let kept = emitter.batch(&stream, 0).records.lines.capacity();
            assert_eq!(kept >= bytes, is_kept, "{bytes}");
        }
    }
}
