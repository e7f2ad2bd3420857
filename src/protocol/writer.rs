//! The writing end of the channel: the only place that writes the output.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    mem,
    path::PathBuf,
    sync::{Arc, PoisonError, atomic::Ordering},
};

use chrono::Utc;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::{
    batch::Records,
    emitter::{Output, Parcel, Shared},
};

/// What could not be written, so that the run ends.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The output.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
    /// The file that states are kept in.
    #[error("the state file {} cannot be written: {source}", path.display())]
    StateFile {
        /// As it was given.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

/// The receiving end; it runs on a thread of its own.
#[derive(Debug)]
pub struct Writer {
    pub(super) receiver: mpsc::Receiver<Parcel>,
    pub(super) shared: Arc<Shared>,
}

impl Writer {
    /// Writes until every handle is gone, flushing after a parcel with a STATE, when nothing waits, and at the end.
    ///
    /// An error of the output ends it at once; the senders then get [`super::OutputClosed`].
    pub fn run(mut self, mut output: impl Write) -> Result<(), WriteError> {
        let mut since_state: BTreeMap<Arc<str>, u64> = BTreeMap::new();
        while let Some(parcel) = self.receiver.blocking_recv() {
            self.write_logs(&mut output)?;
            let (mut written, mut states) = (Vec::new(), Vec::new());
            for next in parcel {
                match next {
                    Output::Records(Records { stream, lines, count }) => {
                        output.write_all(&lines)?;
                        written.push(lines);
                        self.shared.records.fetch_add(count, Ordering::Relaxed);
                        *since_state.entry(stream).or_default() += count;
                        self.life_sign();
                    }
                    Output::State { stream, state } => {
                        let count = since_state.insert(Arc::clone(&stream), 0).unwrap_or_default();
                        output.write_all(&state_line(&stream, &state, count))?;
                        states.push((stream, state));
                        self.life_sign();
                    }
                    Output::Line(line) => output.write_all(&line)?,
                }
            }
            self.shared.keep(written);
            if !states.is_empty() || self.receiver.is_empty() {
                output.flush()?;
            }
            // Only now: what a state covers has left this process.
            self.keep_states(states)?;
        }
        self.write_logs(&mut output)?;
        output.flush()?;
        Ok(())
    }

    fn keep_states(&self, states: Vec<(Arc<str>, Map<String, Value>)>) -> Result<(), WriteError> {
        let mut file = self.shared.state_file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = file.as_mut().filter(|_file| !states.is_empty()) else { return Ok(()) };
        for (stream, state) in states {
            file.set(&stream, state);
        }
        file.save().map_err(|source| WriteError::StateFile { path: file.path().to_owned(), source })
    }

    fn write_logs(&self, output: &mut impl Write) -> io::Result<()> {
        let logs = mem::take(&mut *self.shared.logs.lock().unwrap_or_else(PoisonError::into_inner));
        logs.iter().try_for_each(|line| output.write_all(line))
    }

    fn life_sign(&self) {
        self.shared.last_life_sign_ms.store(Utc::now().timestamp_millis(), Ordering::Relaxed);
    }
}

fn state_line(stream: &str, state: &Map<String, Value>, record_count: u64) -> Vec<u8> {
    #[expect(clippy::cast_precision_loss, reason = "the protocol wants a decimal number")]
    let record_count = record_count as f64;
    let message = json!({"type": "STATE", "state": {
        "type": "STREAM",
        "stream": {"stream_descriptor": {"name": stream}, "stream_state": state},
        "sourceStats": {"recordCount": record_count},
    }});
    let mut line = message.to_string().into_bytes();
    line.push(b'\n');
    line
}
