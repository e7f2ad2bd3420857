//! Request budgets.

use std::time::Duration;

use tokio::time::Instant;

use crate::settings::RateLimit;

/// How much of the budget is spent.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    limit: Option<RateLimit>,
    /// When the window opened, or when the bucket was last filled.
    since: Option<Instant>,
    /// Requests in the window, or tokens left in the bucket.
    amount: f64,
}

impl Budget {
    /// Spends one request; `Err` holds the whole seconds to wait when nothing is left.
    pub(crate) fn spend(&mut self, limit: RateLimit, now: Instant) -> Result<(), u64> {
        if self.limit != Some(limit) {
            *self = Self { limit: Some(limit), since: None, amount: 0.0 };
        }
        match limit {
            RateLimit::Unlimited => Ok(()),
            RateLimit::Average { per_second, burst } => self.spend_token(per_second, burst, now),
            RateLimit::Window { requests, window } => self.spend_in_window(requests, window, now),
        }
    }

    fn spend_token(&mut self, per_second: f64, burst: f64, now: Instant) -> Result<(), u64> {
        self.amount = match self.since {
            None => burst,
            Some(since) => (self.amount + (now - since).as_secs_f64() * per_second).min(burst),
        };
        self.since = Some(now);
        if self.amount >= 1.0 {
            self.amount -= 1.0;
            return Ok(());
        }
        Err(whole_seconds(Duration::from_secs_f64((1.0 - self.amount) / per_second)))
    }

    fn spend_in_window(&mut self, requests: u32, window: Duration, now: Instant) -> Result<(), u64> {
        let opened = match self.since {
            Some(since) if now < since + window => since,
            _ => {
                self.amount = 0.0;
                now
            }
        };
        self.since = Some(opened);
        if self.amount < f64::from(requests) {
            self.amount += 1.0;
            return Ok(());
        }
        Err(whole_seconds(opened + window - now))
    }
}

fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_is_spent_freely_and_reopens_after_its_length() {
        let limit = RateLimit::Window { requests: 3, window: Duration::from_mins(1) };
        let (mut budget, start) = (Budget::default(), Instant::now());
        for _ in 0..3 {
            assert_eq!(budget.spend(limit, start), Ok(()));
        }
        assert_eq!(budget.spend(limit, start + Duration::from_millis(500)), Err(60));
        assert_eq!(budget.spend(limit, start + Duration::from_secs(59)), Err(1));
        assert_eq!(budget.spend(limit, start + Duration::from_mins(1)), Ok(()));
    }

    #[test]
    fn bucket_refills_at_its_average_rate() {
        let limit = RateLimit::Average { per_second: 2.0, burst: 2.0 };
        let (mut budget, start) = (Budget::default(), Instant::now());
        assert_eq!(budget.spend(limit, start), Ok(()));
        assert_eq!(budget.spend(limit, start), Ok(()));
        assert_eq!(budget.spend(limit, start), Err(1));
        assert_eq!(budget.spend(limit, start + Duration::from_millis(500)), Ok(()));
    }
}
