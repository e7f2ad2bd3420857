//! When states are sent on the way. Pure: the time is handed in.

use tokio::time::{Duration, Instant};

/// How often states and signs of life are sent.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointPolicy {
    /// The longest time between two states while there is progress and the states are small.
    pub interval: Duration,
    /// After so many records a state is sent, when there is progress.
    pub records: u64,
    /// A state is sent each time that this part of the content was read: 40 is every fortieth; 0 turns this off.
    pub parts: usize,
    /// The shortest time between two states.
    pub spacing: Duration,
    /// States on the way are at most one of so many bytes of the run; 0 turns this off.
    pub share: u64,
    /// The longest time between two states of a stream while there is progress, whatever their size.
    pub longest: Duration,
    /// After so long without a record or state, the states are sent again.
    pub heartbeat: Duration,
    /// How often progress is logged.
    pub progress: Duration,
}

/// States below this size are small.
const SMALL_BYTES: u64 = 64 * 1024;

impl Default for CheckpointPolicy {
    fn default() -> Self {
        Self {
            interval: Duration::from_mins(1),
            records: 10_000,
            parts: 40,
            // Without a network a small workspace is read in some fifty milliseconds.
            spacing: Duration::from_millis(5),
            share: 10,
            longest: Duration::from_mins(5),
            heartbeat: Duration::from_mins(5),
            progress: Duration::from_secs(30),
        }
    }
}

/// How far a run was at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    pub(super) now: Instant,
    /// Records that were queued.
    pub(super) records: u64,
    /// Readings of pages that are done, of all.
    pub(super) done: usize,
    pub(super) total: usize,
    /// Bytes that were queued, states left out.
    pub(super) record_bytes: u64,
    /// Bytes of states that were queued.
    pub(super) state_bytes: u64,
}

/// Decides when states are due.
#[derive(Debug)]
pub(super) struct Checkpointer {
    policy: CheckpointPolicy,
    last: Position,
}

impl Checkpointer {
    pub(super) fn new(policy: CheckpointPolicy, start: Position) -> Self {
        Self { policy, last: start }
    }

    /// Whether states of this size in sum are due, given that there is progress.
    pub(super) fn is_due(&self, at: &Position, size: u64) -> bool {
        let CheckpointPolicy { interval, records, parts, spacing, share, longest, .. } = self.policy;
        let elapsed = at.now.saturating_duration_since(self.last.now);
        let newly_done = at.done.saturating_sub(self.last.done);
        let is_part = newly_done > 0 && newly_done.saturating_mul(parts) >= at.total;
        let is_wanted = elapsed >= interval
            || at.records.saturating_sub(self.last.records) >= records
            || (is_part && elapsed >= spacing);
        let is_affordable = share == 0 || (at.state_bytes + size).saturating_mul(share) <= at.record_bytes;
        let is_small = size <= SMALL_BYTES && elapsed >= interval;
        is_wanted && (is_affordable || is_small || elapsed >= longest)
    }

    /// Notes that states were sent.
    pub(super) fn sent(&mut self, at: Position) {
        self.last = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, seconds: u64, records: u64, done: usize) -> Position {
        let now = start + Duration::from_secs(seconds);
        Position { now, records, done, total: 400, record_bytes: records * 1_000, state_bytes: 0 }
    }

    #[tokio::test(start_paused = true)]
    async fn states_are_due_by_time_by_records_and_by_parts_of_the_content() {
        let start = Instant::now();
        let checkpointer = Checkpointer::new(CheckpointPolicy::default(), at(start, 0, 0, 0));
        let is_due = |seconds, records, done| checkpointer.is_due(&at(start, seconds, records, done), 1_000);
        assert!(!is_due(59, 9_999, 9));
        assert!(is_due(1, 10_000, 0));
        assert!(is_due(1, 100, 10));
        assert!(!is_due(0, 100, 10), "not sooner than the spacing");
        assert!(is_due(60, 0, 0), "a small state is due after a minute, whatever was sent");
    }

    #[tokio::test(start_paused = true)]
    async fn large_states_are_a_tenth_of_the_bytes_or_one_every_five_minutes() {
        let start = Instant::now();
        let checkpointer = Checkpointer::new(CheckpointPolicy::default(), at(start, 0, 0, 0));
        let is_due = |seconds, records, size| checkpointer.is_due(&at(start, seconds, records, 0), size);
        assert!(is_due(60, 10_000, 1_000_000));
        assert!(!is_due(60, 10_000, 1_000_001));
        assert!(!is_due(299, 0, 1_000_000));
        assert!(is_due(300, 0, 1_000_000));
    }

    #[test]
    fn the_defaults_are_as_promised() {
        let policy = CheckpointPolicy::default();
        assert_eq!((policy.interval, policy.records), (Duration::from_mins(1), 10_000));
        assert_eq!((policy.heartbeat, policy.progress), (Duration::from_mins(5), Duration::from_secs(30)));
        assert_eq!((policy.share, policy.longest), (10, Duration::from_mins(5)));
    }
}
