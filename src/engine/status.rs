//! Everything that goes by the clock: life signs, the wait for the rate limit, progress.

use chrono::{TimeDelta, Utc};
use tokio::time::{Duration, MissedTickBehavior, interval};
use tracing::info;

use super::{progress::Progress, run::Run};
use crate::{
    client::Hold,
    protocol::{AirbyteMessage, OutputClosed, StatusReason, StreamDescriptor, StreamStatus},
};

/// A hold that is prolonged by less is not told again: several refusals at a time ask for nearly the same.
const SAME_END: TimeDelta = TimeDelta::seconds(1);

/// Whether a hold, or that there is none, is worth telling after what was told last.
fn is_news(told: Option<Hold>, hold: Option<Hold>) -> bool {
    match (told, hold) {
        (Some(told), Some(hold)) => hold.ends_at - told.ends_at > SAME_END,
        (told, hold) => told.is_some() != hold.is_some(),
    }
}

impl Run {
    /// Life signs, the wait for the rate limit, progress: everything that goes by the clock.
    pub(super) async fn keep_informed(&self, progress: &Progress<'_>) {
        let mut announced = self.client.rate_limiter().subscribe();
        let tick = Duration::from_millis(200).min(self.policy.interval).min(self.policy.progress);
        let mut ticks = interval(tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told: Option<Hold> = None;
        loop {
            ticks.tick().await;
            let hold = announced.borrow_and_update().filter(|hold| !hold.remaining().is_zero());
            if is_news(told, hold) {
                if let Some(hold) = hold {
                    info!("Notion's rate limit holds the sync for {:.0} s.", hold.remaining().as_secs_f64());
                }
                let reason = hold.map(|hold| StatusReason::RateLimited {
                    quota_reset_ms: hold.ends_at.timestamp_millis(),
                });
                if self.tell_running(reason).await.is_err() {
                    return;
                }
                told = hold;
            }
            if self.emitter.flush().await.is_err() {
                return;
            }
            self.checkpoint_if_due().await;
            let silence_ms = Utc::now().timestamp_millis() - self.last_sign_of_life_ms();
            if u128::try_from(silence_ms).unwrap_or_default() >= self.policy.life_sign.as_millis()
                && self.send_states(true).await.is_err()
            {
                return;
            }
            if progress.tick(hold).await.is_err() {
                return;
            }
        }
    }

    fn last_sign_of_life_ms(&self) -> i64 {
        let since_start = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.emitter.last_life_sign_ms().max(Utc::now().timestamp_millis() - since_start)
    }

    async fn tell_running(&self, reason: Option<StatusReason>) -> Result<(), OutputClosed> {
        for stream in self.streams.iter().filter(|stream| !stream.is_stopped() && !stream.is_finished()) {
            let descriptor = StreamDescriptor::new(&*stream.name);
            let message = AirbyteMessage::StreamStatus(descriptor, StreamStatus::Running, reason);
            self.emitter.queue(&message);
        }
        self.emitter.flush().await
    }
}

#[cfg(test)]
mod tests {
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
        // As the refusals of several workers do.
        assert!(!is_news(first, held_for(5.2)) && !is_news(first, held_for(5.4)));
        assert!(is_news(first, held_for(3_600.0)));
    }
}
