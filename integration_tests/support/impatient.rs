//! Little patience: for tests, and for the program that they break.

use std::time::Duration;

use source_notion::{
    CheckPatience, Settings,
    client::{RetryPolicy, Timeouts},
    engine::CheckpointPolicy,
};

/// Settings that retry at once and checkpoint often.
pub(crate) fn impatient() -> Settings {
    Settings {
        retry: RetryPolicy {
            first_delay: Duration::from_millis(1),
            max_delay: Duration::from_millis(5),
            max_retries: 4,
        },
        timeouts: Timeouts {
            connect: Duration::from_secs(2),
            read: Duration::from_millis(500),
            attempt: Duration::from_secs(5),
        },
        policy: CheckpointPolicy {
            records: 5,
            spacing: Duration::ZERO,
            share: 0,
            ..CheckpointPolicy::default()
        },
        check: CheckPatience::default(),
        hears_signals: true,
        tells_person: true,
        now: None,
    }
}
