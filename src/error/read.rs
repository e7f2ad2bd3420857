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
    TooManyRowsInMinute {
        /// The data source.
        data_source: Uuid,
        /// The minute.
        minute: DateTime<Utc>,
    },
    /// An answer about one object is not about that one.
    #[error("the answer is not about {id}")]
    WrongObject {
        /// The object that was asked for.
        id: Uuid,
    },
    /// So many of the known pages are not found that the connection was probably removed from a page.
    #[error("{missing} of {known} known pages are not found")]
    MostPagesMissing {
        /// Pages that are not found.
        missing: usize,
        /// Pages of which a version was delivered.
        known: usize,
    },
    /// Page after page failed.
    #[error("{count} requests in a row failed")]
    TooManyFailures {
        /// How many.
        count: usize,
    },
    /// Notion answers 404 for the comments of every page, though it shows the pages.
    #[error("Notion shows {count} pages and finds nothing of what belongs to them")]
    NothingBelow {
        /// How many pages were asked for.
        count: usize,
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
            Self::SearchGap { .. }
            | Self::TooManyRowsInMinute { .. }
            | Self::WrongObject { .. }
            | Self::MostPagesMissing { .. }
            | Self::TooManyFailures { .. }
            | Self::NothingBelow { .. }
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

    /// Whether a later attempt may well succeed: it is about the network or Notion, and not about what was asked for.
    pub fn is_passing(&self) -> bool {
        if let Self::List(error) = self
            && error.is_passing()
        {
            return true;
        }
        matches!(
            self.api_error(),
            Some(
                ApiError::Unavailable { .. }
                    | ApiError::RateLimited { .. }
                    | ApiError::Connect { .. }
                    | ApiError::Timeout
                    | ApiError::CutOff { .. }
                    | ApiError::NotJson { .. }
            )
        )
    }

    /// Whether every further request would fail alike.
    pub fn ends_everything(&self) -> bool {
        match self {
            Self::Output(_) | Self::Interrupted => true,
            Self::List(_)
            | Self::Request(_)
            | Self::SearchGap { .. }
            | Self::TooManyRowsInMinute { .. }
            | Self::WrongObject { .. }
            | Self::MostPagesMissing { .. }
            | Self::TooManyFailures { .. }
            | Self::NothingBelow { .. }
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
