//! The one gate that every request passes: bounds what is in flight and holds everyone after a 429.

use std::{sync::Mutex, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::{
    sync::{Semaphore, SemaphorePermit, watch},
    time::{Instant, sleep_until},
};

/// Longer than any sync; a `Retry-After` beyond it would overflow the clock.
const LONGEST_HOLD: Duration = Duration::from_hours(24 * 365);

/// Until when nobody may send.
#[derive(Clone, Copy, Debug)]
pub struct Hold {
    until: Instant,
    /// The same by the wall clock, to be shown.
    pub reset_at: DateTime<Utc>,
}

impl Hold {
    /// The time that is left.
    pub fn remaining(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// Bounds requests in flight, and holds all of them while the rate limit lasts.
#[derive(Debug)]
pub struct Gate {
    permits: Semaphore,
    hold: watch::Sender<Option<Hold>>,
    held: Mutex<Duration>,
}

/// The right to have one request in flight.
#[derive(Debug)]
pub struct Pass<'a> {
    _permit: SemaphorePermit<'a>,
}

impl Gate {
    /// Lets this many requests be in flight.
    pub fn new(max_in_flight: usize) -> Self {
        Self {
            permits: Semaphore::new(max_in_flight),
            hold: watch::Sender::new(None),
            held: Mutex::default(),
        }
    }

    /// Waits for a place and until nobody is held.
    ///
    /// A waiter looks again after waking, so a hold that was prolonged meanwhile holds it too.
    pub async fn enter(&self) -> Pass<'_> {
        let permit = self.permits.acquire().await.expect("the semaphore is never closed");
        while let Some(until) = self.held_until() {
            sleep_until(until).await;
        }
        Pass { _permit: permit }
    }

    /// Holds everyone for this long from now, or as long as before where that is longer.
    pub fn hold(&self, delay: Duration) {
        let delay = delay.min(LONGEST_HOLD);
        let now = Instant::now();
        let until = now + delay;
        let reset_at = Utc::now() + TimeDelta::from_std(delay).expect("a year fits");
        self.hold.send_if_modified(|hold| {
            let held_until = hold.map_or(now, |hold| hold.until.max(now));
            let longer = until > held_until;
            if longer {
                *hold = Some(Hold { until, reset_at });
                *self.held.lock().expect("nothing panics while it is locked") += until - held_until;
            }
            longer
        });
    }

    /// Tells each new or prolonged hold.
    pub fn subscribe(&self) -> watch::Receiver<Option<Hold>> {
        self.hold.subscribe()
    }

    /// How long the rate limit has held everyone, in sum.
    pub fn held_in_sum(&self) -> Duration {
        *self.held.lock().expect("nothing panics while it is locked")
    }

    fn held_until(&self) -> Option<Instant> {
        self.hold.borrow().map(|hold| hold.until).filter(|until| *until > Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn everyone_waits_until_the_last_hold_ends() {
        let gate = Gate::new(8);
        let started = Instant::now();
        gate.hold(Duration::from_secs(5));
        gate.hold(Duration::from_secs(2));
        let prolong = async {
            sleep_until(started + Duration::from_secs(4)).await;
            gate.hold(Duration::from_secs(3));
        };
        let enter = async {
            let _pass = gate.enter().await;
            started.elapsed()
        };
        let (first, second, ()) = tokio::join!(
            enter,
            async {
                gate.enter().await;
                started.elapsed()
            },
            prolong
        );
        assert!(first >= Duration::from_secs(7) && first < Duration::from_millis(7_010), "{first:?}");
        assert!(second >= Duration::from_secs(7), "{second:?}");
        assert_eq!(gate.held_in_sum(), Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_bound_are_in_flight() {
        let gate = Gate::new(1);
        let pass = gate.enter().await;
        assert!(tokio::time::timeout(Duration::from_secs(1), gate.enter()).await.is_err());
        drop(pass);
        assert!(tokio::time::timeout(Duration::from_secs(1), gate.enter()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_huge_delay_does_not_overflow() {
        let gate = Gate::new(1);
        gate.hold(Duration::MAX);
        assert!(tokio::time::timeout(Duration::from_hours(1_000), gate.enter()).await.is_err());
    }
}
