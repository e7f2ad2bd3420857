//! Notion's clock, as far as the `Date` headers of its answers tell it.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// What is known of Notion's time. It never goes back.
#[derive(Debug, Default)]
pub(super) struct NotionClock {
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    latest: Option<DateTime<Utc>>,
    /// By how much this machine's clock was ahead at the first answer.
    lead: Option<TimeDelta>,
}

impl NotionClock {
    /// Takes note of the `Date` of an answer that has just come.
    pub(super) fn observe(&self, date: DateTime<Utc>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.latest = state.latest.max(Some(date));
        state.lead.get_or_insert_with(|| Utc::now() - date);
    }

    /// The latest `Date` so far: to the second, and never ahead of Notion's clock.
    pub(super) fn latest(&self) -> Option<DateTime<Utc>> {
        self.state().latest
    }

    /// By how much this machine's clock was ahead at the first answer.
    pub(super) fn lead(&self) -> Option<TimeDelta> {
        self.state().lead
    }

    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
