//! Everything that goes by the clock: life signs, the wait for the rate limit, progress.

use chrono::Utc;
use tokio::time::{Duration, MissedTickBehavior, interval};
use tracing::info;

use super::{progress::Progress, run::Run};
use crate::protocol::{AirbyteMessage, OutputClosed, StatusReason, StreamDescriptor, StreamStatus};

impl Run {
    /// Life signs, the wait for the rate limit, progress: everything that goes by the clock.
    pub(super) async fn keep_informed(&self, progress: &Progress<'_>) {
        let mut announced = self.client.gate().subscribe();
        let tick = Duration::from_millis(200).min(self.policy.interval).min(self.policy.progress);
        let mut ticks = interval(tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut was_held = false;
        loop {
            ticks.tick().await;
            let hold = *announced.borrow_and_update();
            let is_held = hold.is_some_and(|hold| !hold.remaining().is_zero());
            if let Some(hold) = hold.filter(|_| is_held && !was_held) {
                info!("Notion's rate limit holds the sync for {:.0} s.", hold.remaining().as_secs_f64());
            }
            if is_held != was_held {
                let reason = hold.filter(|_| is_held).map(|hold| StatusReason::RateLimited {
                    quota_reset_ms: hold.reset_at.timestamp_millis(),
                });
                if self.tell_running(reason).await.is_err() {
                    return;
                }
                was_held = is_held;
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
            if progress.tick(hold.filter(|_| is_held)).await.is_err() {
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
            self.emitter.message(&message).await?;
        }
        Ok(())
    }
}
