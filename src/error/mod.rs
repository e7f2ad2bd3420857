//! The one place where a failure becomes a failure type and a sentence for the user.

mod advice;
mod read;

use advice::{READ_CONTENT, describe_api_error};
pub use advice::{describe_check_error, describe_list_error, describe_read_error};
pub use read::{ReadError, StateError};

use crate::{
    client::ApiError,
    config::ConfigError,
    nearest::nearest,
    protocol::{CatalogError, ErrorTrace, FailureType, OutputClosed, StateFileError, StreamDescriptor},
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
    /// The config is not even a JSON object.
    #[error("{place} cannot be used: {source}")]
    ConfigForm {
        /// Where it was read from.
        place: String,
        /// What is wrong.
        source: ConfigError,
    },
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
    /// The file that states are to be kept in cannot be written.
    #[error("the state file {path} cannot be written: {source}")]
    KeptFile {
        /// As it was given.
        path: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// A stream that was asked for does not exist; the sentences say which ones do.
    #[error("{0}")]
    UnknownStream(String),
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
    #[error("these streams did not sync completely: {names}")]
    Streams {
        /// Their names.
        names: String,
        /// Whose fault the first of their failures is.
        failure_type: FailureType,
    },
    /// Nobody reads the output.
    #[error(transparent)]
    Output(#[from] OutputClosed),
    /// A panic.
    #[error("an unexpected error inside the connector: {0}")]
    Panic(String),
}

impl Error {
    /// A stream that does not exist, beside those that do.
    pub fn unknown_stream(name: &str, known: &[&str]) -> Self {
        let meant = if name == "databases" { Some("data_sources") } else { nearest(name, known) };
        let meant = meant.map_or_else(String::new, |meant| format!(" Did you mean \"{meant}\"?"));
        Self::UnknownStream(format!(
            "This connector has no stream \"{name}\".{meant} Its streams are {}.",
            known.join(", ")
        ))
    }

    /// Whose fault it is.
    pub fn failure_type(&self) -> FailureType {
        match self {
            Self::File { .. }
            | Self::Config(_)
            | Self::ConfigForm { .. }
            | Self::Catalog { .. }
            | Self::StateFile { .. }
            | Self::KeptFile { .. }
            | Self::UnknownStream(_)
            | Self::State(_)
            | Self::Client(ApiError::Environment { .. }) => FailureType::Config,
            Self::SlowCheck { .. } => FailureType::Transient,
            Self::Streams { failure_type, .. } => *failure_type,
            Self::Client(_) | Self::Output(_) | Self::Panic(_) => FailureType::System,
        }
    }

    /// The failure as the user sees it.
    pub fn to_failure(&self) -> Failure {
        if let Self::Client(error @ ApiError::Environment { .. }) = self {
            return describe_api_error(error, READ_CONTENT);
        }
        let advice = match self {
            Self::File { source, .. } if source.kind() == std::io::ErrorKind::InvalidData => {
                "Save it as UTF-8."
            }
            Self::File { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                "Make it readable for the user that the connector runs as; in its image that is the one with the \
                 number 1000."
            }
            Self::File { .. } | Self::KeptFile { .. } => "Check the path and its permissions.",
            Self::Catalog { .. } => {
                "Let the platform write it again from discover, or give what discover printed."
            }
            Self::StateFile { .. } | Self::State(_) => "Correct it, or clear it to read everything again.",
            Self::Client(_) => "Check the system's TLS configuration.",
            Self::SlowCheck { .. } => "Try again in a few minutes.",
            Self::Panic(_) => "This is a bug: please report it with the log.",
            Self::UnknownStream(_)
            | Self::Config(_)
            | Self::ConfigForm { .. }
            | Self::Streams { .. }
            | Self::Output(_) => "",
        };
        let what = sentence(&self.to_string());
        let message = format!("{}. {advice}", what.trim_end_matches('.'));
        Failure::new(self.failure_type(), message.trim_end())
    }
}

/// What a panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// An error's words as the beginning of a sentence.
pub fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_only_somebody_else_may_read_is_told_with_who_reads() {
        let source = std::io::ErrorKind::PermissionDenied.into();
        let failure = Error::File { kind: "config", path: "c.json".to_owned(), source }.to_failure();
        assert_eq!(
            failure.message,
            "The config file c.json cannot be read: permission denied. Make it readable for the user that the connector \
             runs as; in its image that is the one with the number 1000."
        );
    }

    #[test]
    fn an_unknown_stream_is_told_with_the_one_that_may_be_meant() {
        let known = ["users", "data_sources", "pages"];
        let message = |name: &str| Error::unknown_stream(name, &known).to_failure().message;
        assert!(message("databases").contains("Did you mean \"data_sources\"?"));
        assert!(message("Page").contains("Did you mean \"pages\"?"));
        assert!(!message("emojis").contains("Did you mean"));
        assert!(message("emojis").ends_with("Its streams are users, data_sources, pages."));
    }
}
