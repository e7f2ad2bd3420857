//! When to send a request again. Pure: the loop that sleeps is the client's.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

use super::ApiError;

/// How often an answer that is most probably a hiccup is asked for again, where it is one that would stay the same if
/// it were none.
const MAX_SECOND_LOOKS: u32 = 2;

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RetryDecision {
    /// Hold everyone for this long, then send again; it does not count as an attempt.
    Hold(Duration),
    /// Send again after this delay.
    After(Duration),
    /// The failure is final.
    GiveUp,
}

/// How patiently failures are retried. Every request is a read, `POST` searches and queries included, so
/// each may be sent again.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// The delay before the second attempt; it doubles each time, with up to as much jitter on top.
    pub first_delay: Duration,
    /// The longest delay, jitter left out.
    pub max_delay: Duration,
    /// How many times a request is sent again after failures other than the rate limit.
    pub max_retries: usize,
}

impl Default for RetryPolicy {
    /// Nine retries within about three to six minutes.
    fn default() -> Self {
        Self { first_delay: Duration::from_millis(500), max_delay: Duration::from_mins(1), max_retries: 9 }
    }
}

impl RetryPolicy {
    /// The delays of one request, in order.
    fn delays(&self) -> ExponentialBackoff {
        ExponentialBuilder::new()
            .with_min_delay(self.first_delay)
            .with_max_delay(self.max_delay)
            .with_max_times(self.max_retries)
            .with_factor(2.0)
            .with_jitter()
            .build()
    }
}

/// The attempts of one request so far.
#[derive(Debug)]
pub(super) struct Attempts {
    policy: RetryPolicy,
    delays: ExponentialBackoff,
    pub(super) started: Instant,
    /// Those that failed and were followed by another one, rate-limited ones left out.
    pub(super) failed: u32,
    holds_in_a_row: u32,
    second_looks: u32,
}

impl Attempts {
    pub(super) fn new(policy: RetryPolicy) -> Self {
        Self {
            policy,
            delays: policy.delays(),
            started: Instant::now(),
            failed: 0,
            holds_in_a_row: 0,
            second_looks: 0,
        }
    }

    /// Decides about one failure. `is_doubtful` tells whether a refusal of the token, or by the network edge, is one
    /// among many successes.
    pub(super) fn decide(&mut self, error: &ApiError, is_doubtful: bool) -> RetryDecision {
        let decision = match error {
            ApiError::RateLimited { retry_after, .. } => RetryDecision::Hold(self.hold(*retry_after)),
            ApiError::Unavailable { retry_after, .. } => self.after(*retry_after),
            ApiError::Connect { .. }
            | ApiError::Timeout
            | ApiError::CutOff { .. }
            | ApiError::NotJson { .. } => self.after(None),
            ApiError::UnknownShape { .. } => self.second_look(),
            ApiError::Unauthorized { .. } | ApiError::EdgeBlocked { .. } | ApiError::Unexpected { .. }
                if is_doubtful =>
            {
                self.second_look()
            }
            ApiError::Unauthorized { .. }
            | ApiError::EdgeBlocked { .. }
            | ApiError::Unexpected { .. }
            | ApiError::Forbidden { .. }
            | ApiError::Blocked { .. }
            | ApiError::NotFound { .. }
            | ApiError::InvalidCursor
            | ApiError::Rejected { .. }
            | ApiError::OtherObject { .. }
            | ApiError::TooLarge { .. }
            | ApiError::RefreshFailed { .. }
            | ApiError::Environment { .. }
            | ApiError::Stopped => RetryDecision::GiveUp,
        };
        match decision {
            RetryDecision::Hold(_) => self.holds_in_a_row += 1,
            RetryDecision::After(_) => {
                self.failed += 1;
                self.holds_in_a_row = 0;
            }
            RetryDecision::GiveUp => {}
        }
        decision
    }

    /// Notion's delay is honoured in full, never cut. Where it gives none, ours doubles.
    fn hold(&self, retry_after: Option<Duration>) -> Duration {
        let doubled = || {
            let factor = 2_u32.saturating_pow(self.holds_in_a_row.min(16));
            self.policy.first_delay.saturating_mul(factor).min(self.policy.max_delay)
        };
        retry_after.filter(|delay| !delay.is_zero()).unwrap_or_else(doubled)
    }

    fn after(&mut self, at_least: Option<Duration>) -> RetryDecision {
        self.delays.next().map_or(RetryDecision::GiveUp, |delay| {
            RetryDecision::After(delay.max(at_least.unwrap_or_default()))
        })
    }

    fn second_look(&mut self) -> RetryDecision {
        if self.second_looks == MAX_SECOND_LOOKS {
            return RetryDecision::GiveUp;
        }
        self.second_looks += 1;
        self.after(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::answer::ErrorAnswer, *};

    fn failure(status: u16) -> ApiError {
        let body = br#"{"code":"some_code","message":"m"}"#;
        ApiError::from_answer(&ErrorAnswer { status, body, ..ErrorAnswer::default() })
    }

    fn decide(status: u16, is_doubtful: bool) -> RetryDecision {
        Attempts::new(RetryPolicy::default()).decide(&failure(status), is_doubtful)
    }

    #[test]
    fn these_statuses_are_retried() {
        let retried = |is_doubtful| -> Vec<u16> {
            let is_retried = |status: &u16| matches!(decide(*status, is_doubtful), RetryDecision::After(_));
            (100..600).filter(is_retried).collect()
        };
        let held: Vec<u16> =
            (100..600).filter(|status| matches!(decide(*status, false), RetryDecision::Hold(_))).collect();
        let expected: Vec<u16> = [408, 409].into_iter().chain(500..529).chain(530..600).collect();
        assert_eq!(retried(false), expected);
        assert_eq!(held, [429, 529]);
        // What Notion never sends, and a refusal of the token, are hiccups among successes.
        let doubtful: Vec<u16> = (100..400).chain([401]).chain(expected).collect();
        assert_eq!(retried(true), doubtful);
    }

    #[test]
    fn retries_end_but_holds_do_not() {
        let policy = RetryPolicy::default();
        let count = |error: &ApiError, is_doubtful| {
            let mut attempts = Attempts::new(policy);
            (0..1_000).filter(|_| attempts.decide(error, is_doubtful) != RetryDecision::GiveUp).count()
        };
        assert_eq!(count(&failure(500), false), policy.max_retries);
        assert_eq!(count(&failure(401), true), 2);
        assert_eq!(count(&ApiError::UnknownShape { detail: String::new() }, false), 2);
        assert_eq!(count(&failure(429), false), 1_000);
        let mut attempts = Attempts::new(policy);
        for _held in 0..1_000 {
            let decision = attempts.decide(&failure(429), false);
            assert!(matches!(decision, RetryDecision::Hold(delay) if delay <= policy.max_delay));
        }
    }

    proptest! {
        #[test]
        fn a_wait_is_never_shorter_than_asked(seconds in 1_u64..10_000_000) {
            let asked = Some(Duration::from_secs(seconds));
            let mut attempts = Attempts::new(RetryPolicy::default());
            let limited = ApiError::RateLimited { status: 429, retry_after: asked };
            let decision = attempts.decide(&limited, false);
            prop_assert_eq!(decision, RetryDecision::Hold(Duration::from_secs(seconds)));
            let unavailable =
                ApiError::Unavailable { status: 503, code: "service_unavailable".to_owned(), retry_after: asked };
            let decision = attempts.decide(&unavailable, false);
            prop_assert!(
                matches!(decision, RetryDecision::After(delay) if delay >= Duration::from_secs(seconds))
            );
        }

        #[test]
        fn delays_stay_within_bounds(first_ms in 1_u64..5_000, max_retries in 0_usize..20) {
            let policy = RetryPolicy {
                first_delay: Duration::from_millis(first_ms), max_retries, ..RetryPolicy::default()
            };
            let delays: Vec<Duration> = policy.delays().collect();
            prop_assert_eq!(delays.len(), max_retries);
            for delay in delays {
                prop_assert!(delay >= policy.first_delay && delay <= policy.max_delay * 2);
            }
        }
    }
}
