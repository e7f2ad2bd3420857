//! Turns tracing events into LOG messages.

use std::fmt::{Debug, Write as _};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

use super::{Emitter, LogLevel};

/// A tracing layer that sends each event to the output as a LOG message: the text, then the fields, which a person is
/// spared.
#[derive(Debug)]
pub struct LogLayer {
    emitter: Emitter,
}

impl LogLayer {
    /// Sends the events to this emitter.
    pub fn new(emitter: Emitter) -> Self {
        Self { emitter }
    }
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => LogLevel::Error,
            Level::WARN => LogLevel::Warn,
            Level::INFO => LogLevel::Info,
            Level::DEBUG => LogLevel::Debug,
            Level::TRACE => LogLevel::Trace,
        };
        let mut text = LogText::default();
        event.record(&mut text);
        self.emitter.log_event(level, text.message, &text.fields);
    }
}

#[derive(Default)]
struct LogText {
    message: String,
    fields: String,
}

impl Visit for LogText {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let written = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
        written.expect("writing to a string cannot fail");
    }
}
