//! Why a stream, or a part of it, could not be read.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    client::{ApiError, ListError, RequestError},
    protocol::OutputClosed,
};

/// Why a stream, or a part of it, could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A listing failed.
    #[error(transparent)]
    List(#[from] ListError),
    /// A request failed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The catalog names a stream that does not exist.
    #[error("there is no stream \"{0}\"")]
    UnknownStream(String),
    /// Search was cut from both ends before they met.
    #[error("search shows neither end of what lies between {oldest} and {newest}")]
    SearchGap {
        /// The latest time that may be missing.
        newest: DateTime<Utc>,
        /// The earliest time that may be missing.
        oldest: DateTime<Utc>,
    },
    /// A query was cut within one minute of creation times.
    #[error("data source {data_source} has more rows created at {minute} than a query lists")]
    CrowdedMinute {
        /// The data source.
        data_source: Uuid,
        /// The minute.
        minute: DateTime<Utc>,
    },
    /// An answer about one object is not about that one.
    #[error("the answer is not about {id}")]
    OtherObject {
        /// The object that was asked for.
        id: Uuid,
    },
    /// The retry list is full.
    #[error("more than {limit} pages failed")]
    TooManyFailures {
        /// The bound.
        limit: usize,
    },
    /// SIGTERM, or a stop of the platform.
    #[error("stopped from outside")]
    Interrupted,
    /// A task panicked.
    #[error("panic: {0}")]
    Panic(String),
    /// Nobody reads the output.
    #[error(transparent)]
    Output(#[from] OutputClosed),
}

impl ReadError {
    /// The failure of the attempt behind it, if it was one.
    pub fn api_error(&self) -> Option<&ApiError> {
        match self {
            Self::List(error) => error.api_error(),
            Self::Request(error) => Some(&error.source),
            Self::UnknownStream(_)
            | Self::SearchGap { .. }
            | Self::CrowdedMinute { .. }
            | Self::OtherObject { .. }
            | Self::TooManyFailures { .. }
            | Self::Interrupted
            | Self::Panic(_)
            | Self::Output(_) => None,
        }
    }

    /// Whether one object is gone, not shared, or refused for good: the rest is not concerned.
    pub fn is_about_one_object(&self) -> bool {
        matches!(
            self.api_error(),
            Some(ApiError::NotFound { .. } | ApiError::Forbidden { .. } | ApiError::Rejected { .. })
        )
    }

    /// Whether every further request would fail alike.
    pub fn ends_everything(&self) -> bool {
        match self {
            Self::Output(_) | Self::Interrupted => true,
            Self::List(_)
            | Self::Request(_)
            | Self::UnknownStream(_)
            | Self::SearchGap { .. }
            | Self::CrowdedMinute { .. }
            | Self::OtherObject { .. }
            | Self::TooManyFailures { .. }
            | Self::Panic(_) => matches!(
                self.api_error(),
                Some(ApiError::Unauthorized { .. } | ApiError::Blocked { .. } | ApiError::EdgeBlocked { .. })
            ),
        }
    }
}

/// A state that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the state of the stream \"{stream}\" cannot be read: {detail}")]
pub struct StateError {
    /// The stream's name.
    pub stream: String,
    /// What is wrong, and where.
    pub detail: String,
}
