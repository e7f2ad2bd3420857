//! When to send a request again. Pure: the loop that sleeps is the client's.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::ApiError;

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RetryDecision {
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
    pub(super) fn delays(&self) -> ExponentialBackoff {
        ExponentialBuilder::new()
            .with_min_delay(self.first_delay)
            .with_max_delay(self.max_delay)
            .with_max_times(self.max_retries)
            .with_factor(2.0)
            .with_jitter()
            .build()
    }

    /// Decides about one failure, given the delays that are left and how often in a row the rate limit answered.
    pub fn decide(
        &self,
        error: &ApiError,
        delays: &mut impl Iterator<Item = Duration>,
        holds_in_a_row: u32,
    ) -> RetryDecision {
        match error {
            // Notion's delay is honoured in full, never cut. Where it gives none, ours doubles.
            ApiError::RateLimited { retry_after, .. } => {
                RetryDecision::Hold(retry_after.filter(|delay| !delay.is_zero()).unwrap_or_else(|| {
                    let doubled =
                        self.first_delay.saturating_mul(2_u32.saturating_pow(holds_in_a_row.min(16)));
                    doubled.min(self.max_delay)
                }))
            }
            ApiError::Unavailable { .. }
            | ApiError::Connect { .. }
            | ApiError::Timeout
            | ApiError::CutOff { .. }
            | ApiError::NotJson { .. } => delays.next().map_or(RetryDecision::GiveUp, RetryDecision::After),
            ApiError::Unauthorized { .. }
            | ApiError::Forbidden { .. }
            | ApiError::EdgeBlocked { .. }
            | ApiError::Blocked { .. }
            | ApiError::NotFound { .. }
            | ApiError::InvalidCursor
            | ApiError::Rejected { .. }
            | ApiError::Unexpected { .. }
            | ApiError::UnknownShape { .. }
            | ApiError::TooLarge { .. } => RetryDecision::GiveUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use proptest::prelude::*;

    use super::{super::error::ErrorAnswer, *};

    fn decide(status: u16) -> RetryDecision {
        let body = br#"{"code":"some_code","message":"m"}"#;
        let answer = ErrorAnswer { status, retry_after: None, ray: None, body, secrets: &[] };
        let mut delays = iter::once(Duration::from_secs(1));
        RetryPolicy::default().decide(&ApiError::from_answer(&answer), &mut delays, 0)
    }

    #[test]
    fn these_statuses_are_retried() {
        let retried: Vec<u16> =
            (100..600).filter(|status| matches!(decide(*status), RetryDecision::After(_))).collect();
        let held: Vec<u16> =
            (100..600).filter(|status| matches!(decide(*status), RetryDecision::Hold(_))).collect();
        let expected: Vec<u16> = [408, 409].into_iter().chain(500..529).chain(530..600).collect();
        assert_eq!(retried, expected);
        assert_eq!(held, [429, 529]);
    }

    #[test]
    fn retries_end_but_holds_do_not() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.delays().count(), policy.max_retries);
        let limited = ApiError::RateLimited { status: 429, retry_after: None };
        for held in 0..1_000 {
            let decision = policy.decide(&limited, &mut iter::empty(), held);
            assert!(matches!(decision, RetryDecision::Hold(delay) if delay <= policy.max_delay));
        }
    }

    proptest! {
        #[test]
        fn a_hold_is_never_shorter_than_asked(seconds in 1_u64..10_000_000) {
            let asked = Duration::from_secs(seconds);
            let limited = ApiError::RateLimited { status: 429, retry_after: Some(asked) };
            let decision = RetryPolicy::default().decide(&limited, &mut iter::empty(), 3);
            prop_assert_eq!(decision, RetryDecision::Hold(asked));
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
