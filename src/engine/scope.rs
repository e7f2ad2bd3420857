//! How much of the workspace has to be enumerated for the streams that are read.

use chrono::{DateTime, Utc};

use super::stream_run::StreamRun;
use crate::streams::{ObjectKind, PageScope, Source};

/// What the enumeration has to find.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Scope {
    /// Whether pages and data sources are wanted at all.
    pub(super) is_wanted: bool,
    /// Whether the rows of data sources are wanted.
    pub(super) rows: bool,
    /// Whether everything is listed: some stream has no cursor yet.
    pub(super) is_full: bool,
    /// Pages edited before this time are of no use.
    pub(super) since: DateTime<Utc>,
}

impl Scope {
    /// The scope of these streams; nothing is wanted before `start`.
    pub(super) fn of(streams: &[StreamRun], start: DateTime<Utc>) -> Self {
        let mut scope =
            Self { is_wanted: false, rows: false, is_full: false, since: DateTime::<Utc>::MAX_UTC };
        for stream in streams {
            let (rows, since) = match stream.stream.source() {
                Source::Listing(_) => continue,
                Source::Enumeration(kind) => (kind == ObjectKind::Page, stream.state().since_any()),
                Source::Pages(reader) => match reader.scope() {
                    PageScope::Edited => (true, stream.state().since_any()),
                    PageScope::Synced => (true, start),
                },
            };
            scope.is_wanted = true;
            scope.rows |= rows;
            scope.is_full |= !stream.state().has_cursor();
            scope.since = scope.since.min(since);
        }
        scope
    }
}
