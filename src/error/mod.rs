//! The one place where a failure becomes a failure type and a sentence for the user.

mod advice;
mod read;

pub use advice::{describe_check_error, describe_list_error, describe_read_error};
pub use read::{ReadError, StateError};

use crate::{
    client::ApiError,
    config::ConfigError,
    protocol::{CatalogError, ErrorTrace, FailureType, StateFileError, StreamDescriptor},
};

/// A failure as the user sees it, and its technical cause.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// Whose fault it is.
    pub failure_type: FailureType,
    /// One sentence with an action.
    pub message: String,
    /// The cause, for us.
    pub internal: Option<String>,
}

impl Failure {
    /// The trace of this failure, of one stream or of the whole run.
    pub fn to_trace(&self, stream: Option<&str>) -> ErrorTrace {
        ErrorTrace {
            message: self.message.clone(),
            internal_message: self.internal.clone(),
            failure_type: self.failure_type,
            stream_descriptor: stream.map(StreamDescriptor::new),
        }
    }

    fn new(failure_type: FailureType, message: impl Into<String>) -> Self {
        Self { failure_type, message: message.into(), internal: None }
    }
}

/// Everything that ends a command before or beside its streams.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("the {kind} file {path} cannot be read: {source}")]
    File {
        /// Config, catalog or state.
        kind: &'static str,
        /// As it was given.
        path: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// The config cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The catalog cannot be used.
    #[error("the catalog file {path} cannot be used: {source}")]
    Catalog {
        /// As it was given.
        path: String,
        /// What is wrong.
        source: CatalogError,
    },
    /// The state file cannot be used.
    #[error("the state file {path} cannot be used: {source}")]
    StateFile {
        /// As it was given.
        path: String,
        /// What is wrong.
        source: StateFileError,
    },
    /// A stream's state cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(ApiError),
    /// A check took too long.
    #[error("Notion did not answer the check within {seconds} s{}", if *is_held { ", because its rate limit is reached" } else { "" })]
    SlowCheck {
        /// The limit.
        seconds: u64,
        /// Whether the rate limit was why.
        is_held: bool,
    },
    /// Streams failed.
    #[error("these streams did not sync completely: {0}")]
    Streams(String),
    /// A panic.
    #[error("an unexpected error inside the connector: {0}")]
    Panic(String),
}

impl Error {
    /// Whose fault it is.
    pub fn failure_type(&self) -> FailureType {
        match self {
            Self::File { .. }
            | Self::Config(_)
            | Self::Catalog { .. }
            | Self::StateFile { .. }
            | Self::State(_) => FailureType::Config,
            Self::SlowCheck { .. } => FailureType::Transient,
            Self::Client(_) | Self::Streams(_) | Self::Panic(_) => FailureType::System,
        }
    }

    /// The failure as the user sees it.
    pub fn to_failure(&self) -> Failure {
        let advice = match self {
            Self::File { source, .. } if source.kind() == std::io::ErrorKind::InvalidData => {
                "Save it as UTF-8."
            }
            Self::File { .. } => "Check the path and its permissions.",
            Self::Catalog { .. } => "Let the platform write it again from discover.",
            Self::StateFile { .. } | Self::State(_) => "Correct it, or clear it to read everything again.",
            Self::Client(_) => "Check the system's TLS configuration.",
            Self::SlowCheck { .. } => "Try again in a few minutes.",
            Self::Panic(_) => "This is a bug: please report it with the log.",
            Self::Config(_) | Self::Streams(_) => "",
        };
        let message = format!("{}. {advice}", sentence(&self.to_string()));
        Failure::new(self.failure_type(), message.trim_end())
    }
}

/// What a panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// An error's words as the beginning of a sentence.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}
