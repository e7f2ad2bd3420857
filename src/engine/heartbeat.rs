//! What goes by the clock while nothing else is said: the wait for the rate limit, and signs of life.

use chrono::{TimeDelta, Utc};
use tokio::{sync::watch, time::Instant};
use tracing::info;

use super::{checkpoint::CheckpointPolicy, crawl::Crawl};
use crate::{
    client::{Hold, NotionClient},
    protocol::{StatusReason, StreamStatus},
};

/// A hold that is prolonged by less is not told again: several refusals at a time ask for nearly the same.
const SAME_END: TimeDelta = TimeDelta::seconds(1);

/// Tells of holds, and notices silence.
#[derive(Debug)]
pub(super) struct Heartbeat {
    policy: CheckpointPolicy,
    holds: watch::Receiver<Option<Hold>>,
    told: Option<Hold>,
    started: Instant,
}

impl Heartbeat {
    pub(super) fn new(policy: CheckpointPolicy, client: &NotionClient) -> Self {
        Self { policy, holds: client.rate_limiter().subscribe(), told: None, started: Instant::now() }
    }

    /// Tells of a hold that began, ended or grew; returns whether it was silent for so long that states are to be sent.
    pub(super) fn tick(&mut self, crawl: &mut Crawl) -> bool {
        let hold = self.holds.borrow_and_update().filter(|hold| !hold.remaining().is_zero());
        if is_news(self.told, hold) {
            if let Some(hold) = hold {
                info!("Notion's rate limit holds the sync for {:.0} s.", hold.remaining().as_secs_f64());
            }
            let reason = hold
                .map(|hold| StatusReason::RateLimited { quota_reset_ms: hold.ends_at.timestamp_millis() });
            for stream in crawl.streams.iter().filter(|stream| stream.is_read()) {
                crawl.output.status_of(&stream.name, StreamStatus::Running, reason);
            }
            self.told = hold;
        }
        let since_start = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let now = Utc::now().timestamp_millis();
        let last = crawl.output.emitter.last_life_sign_ms().max(now - since_start);
        u128::try_from(now - last).unwrap_or_default() >= self.policy.heartbeat.as_millis()
    }
}

/// Whether a hold, or that there is none, is worth telling after what was told last.
fn is_news(told: Option<Hold>, hold: Option<Hold>) -> bool {
    match (told, hold) {
        (Some(told), Some(hold)) => hold.ends_at - told.ends_at > SAME_END,
        (told, hold) => told.is_some() != hold.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Duration;

    use super::*;
    use crate::client::RateLimiter;

    #[tokio::test(start_paused = true)]
    async fn a_hold_is_news_when_it_begins_ends_or_grows_by_more_than_a_second() {
        let limiter = RateLimiter::new(1);
        let held_for = |seconds| {
            limiter.hold_for(Duration::from_secs_f64(seconds));
            *limiter.subscribe().borrow()
        };
        let first = held_for(5.0);
        assert!(is_news(None, first) && is_news(first, None) && !is_news(first, first));
        // As the refusals of several jobs do.
        assert!(!is_news(first, held_for(5.2)) && !is_news(first, held_for(5.4)));
        assert!(is_news(first, held_for(3_600.0)));
    }
}
