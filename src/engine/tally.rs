//! What a stream's part of the report counts.

use std::collections::BTreeMap;

use tracing::warn;

/// How many reasons are told apart; more would be a flood of block types.
const MAX_REASONS: usize = 100;

/// How many objects are named in the log for one reason; the others are counted.
pub(super) const MAX_NAMED: u64 = 20;

/// The counts of one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Records that were sent, deletions left out.
    pub(super) records: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Records that say that an object is gone.
    pub(super) deletions: u64,
    /// Objects that were edited before the start date.
    pub(super) before_start: u64,
    /// Objects that were there and had been delivered.
    pub(super) unchanged: u64,
    /// Objects that failed, and are due in the next run.
    pub(super) failed: u64,
    skipped: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts something that is left out.
    pub(super) fn skip(&mut self, reason: &str) {
        self.count(reason);
    }

    /// Counts something that is left out, and names it in the log.
    pub(super) fn skip_named(&mut self, stream: &str, reason: &str, name: &str) {
        let count = self.count(reason);
        if count <= MAX_NAMED {
            warn!(stream, "Skipped: {reason} ({name}).");
        }
        if count == MAX_NAMED {
            warn!(stream, "Further ones are only counted.");
        }
    }

    /// What was left out, by reason.
    pub(super) fn skipped(&self) -> &BTreeMap<String, u64> {
        &self.skipped
    }

    fn count(&mut self, reason: &str) -> u64 {
        let is_known = self.skipped.contains_key(reason) || self.skipped.len() < MAX_REASONS;
        let reason = if is_known { reason } else { "other reasons" };
        let count = self.skipped.entry(reason.to_owned()).or_default();
        *count += 1;
        *count
    }
}
