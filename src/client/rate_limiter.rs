//! The rate limiter that every request passes: bounds what is in flight, and holds everyone after a refusal.
//!
//! Notion's budgets differ by plan and may be spent in bursts, so there is no fixed pace
//! (<https://developers.notion.com/reference/request-limits>). There is no stampede either: after a hold one request
//! goes first; each answer lets one more be in flight, up to half of what was in flight at the refusal, and from
//! there one more a round. A budget that refills little by little, which shows in refusals soon after short holds, is
//! asked at the rate at which it answered.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until},
};

/// Longer than any sync; a `Retry-After` beyond it would overflow the clock.
const LONGEST_HOLD: Duration = Duration::from_hours(24 * 365);

/// Notion refuses at once: a request that has no answer after this long was not refused, and is no reason to wait.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

/// A budget that refills little by little asks for no longer waits than this; those of windows do.
const LONGEST_REFILL: Duration = Duration::from_secs(2);

/// A longer time without a request says nothing about the rate at which such a budget refills.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The shortest and the longest distance between two requests to such a budget. What would be shorter is none.
const PACES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));

/// By this factor the distance shrinks with each answer, to find out whether more is allowed by now.
const SPEED_UP: f64 = 0.99;

/// Until when nobody may send.
#[derive(Clone, Copy, Debug)]
pub struct Hold {
    ends_at_instant: Instant,
    /// The same by this machine's wall clock, to be shown.
    pub ends_at: DateTime<Utc>,
}

impl Hold {
    /// The time that is left.
    pub fn remaining(&self) -> Duration {
        self.ends_at_instant.saturating_duration_since(Instant::now())
    }
}

/// Bounds requests in flight, and holds all of them while the rate limit lasts.
#[derive(Debug)]
pub struct RateLimiter {
    /// Who is next. Locked by the one request that waits for its permit; the others queue in their order.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    /// Told when something changes that the next request may wait for.
    changed: Notify,
    hold: watch::Sender<Option<Hold>>,
}

/// The right to have one request in flight.
#[derive(Debug)]
pub struct Permit<'a> {
    limiter: &'a RateLimiter,
    epoch: u64,
}

/// An epoch begins with each hold.
#[derive(Debug)]
struct State {
    max_in_flight: usize,
    in_flight: usize,
    epoch: u64,
    /// How many of this epoch's requests are in flight.
    in_flight_of_epoch: usize,
    /// How many of them may be.
    allowed: usize,
    /// Up to here each answer allows one more; from here on it takes a round of answers.
    threshold: usize,
    answered_of_round: usize,
    /// The last request was sent then.
    last_sent: Option<Instant>,
    /// The distance between two requests.
    pace: Duration,
    /// Since when `answered` counts: the last refusal that began an epoch, or the end of a pause.
    counted_since: Instant,
    answered: u32,
    held_in_sum: Duration,
}

/// What the next request has to wait for.
enum Wait {
    Until(Instant),
    ForOthers,
}

impl RateLimiter {
    /// Lets at most this many requests be in flight.
    pub fn new(max_in_flight: usize) -> Self {
        let max_in_flight = max_in_flight.max(1);
        let state = State {
            max_in_flight,
            in_flight: 0,
            epoch: 0,
            in_flight_of_epoch: 0,
            allowed: 1,
            threshold: max_in_flight.div_ceil(2),
            answered_of_round: 0,
            last_sent: None,
            pace: Duration::ZERO,
            counted_since: Instant::now(),
            answered: 0,
            held_in_sum: Duration::ZERO,
        };
        Self {
            turn: tokio::sync::Mutex::default(),
            state: Mutex::new(state),
            changed: Notify::new(),
            hold: watch::Sender::new(None),
        }
    }

    /// Waits until nobody is held and one more request may be in flight. First come, first served.
    pub async fn acquire(&self) -> Permit<'_> {
        let _turn = self.turn.lock().await;
        loop {
            let wait = match self.try_acquire() {
                Ok(permit) => return permit,
                Err(wait) => wait,
            };
            let changed = self.changed.notified();
            match wait {
                Wait::Until(time) => tokio::select! {
                    () = sleep_until(time) => {}
                    () = changed => {}
                },
                Wait::ForOthers => changed.await,
            }
        }
    }

    /// Holds everyone for this long from now, or as long as before where that is longer.
    pub fn hold_for(&self, delay: Duration) {
        let delay = delay.min(LONGEST_HOLD);
        let now = Instant::now();
        let ends_at_instant = now + delay;
        let ends_at = Utc::now() + TimeDelta::from_std(delay).expect("a year fits");
        self.hold.send_if_modified(|hold| {
            let held_until = hold.map_or(now, |hold| hold.ends_at_instant.max(now));
            let is_longer = ends_at_instant > held_until;
            if is_longer {
                *hold = Some(Hold { ends_at_instant, ends_at });
                let mut state = self.state();
                state.held_in_sum += ends_at_instant - held_until;
                state.begin_epoch();
            }
            is_longer
        });
    }

    /// Tells each new or prolonged hold.
    pub fn subscribe(&self) -> watch::Receiver<Option<Hold>> {
        self.hold.subscribe()
    }

    /// How much longer everyone is held; zero while nobody is.
    pub fn remaining_hold(&self) -> Duration {
        self.hold.borrow().map_or(Duration::ZERO, |hold| hold.remaining())
    }

    /// How long the rate limit has held everyone, in sum.
    pub fn held_in_sum(&self) -> Duration {
        self.state().held_in_sum
    }

    fn try_acquire(&self) -> Result<Permit<'_>, Wait> {
        let held_until = self.hold.borrow().map(|hold| hold.ends_at_instant);
        let mut state = self.state();
        state.try_take(held_until, Instant::now())?;
        Ok(Permit { limiter: self, epoch: state.epoch })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// Takes note that Notion did not refuse the request, whatever else it answered.
    pub fn answered(self) {
        self.limiter.state().note_answer(self.epoch);
    }

    /// Takes note that Notion refused the request, and holds everyone for this long.
    pub fn refused(self, delay: Duration) {
        self.limiter.state().note_refusal(self.epoch, delay, Instant::now());
        self.limiter.hold_for(delay);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.limiter.state();
        state.in_flight -= 1;
        if self.epoch == state.epoch {
            state.in_flight_of_epoch -= 1;
        }
        drop(state);
        self.limiter.changed.notify_one();
    }
}

impl State {
    fn try_take(&mut self, held_until: Option<Instant>, now: Instant) -> Result<(), Wait> {
        let paced_until = self.last_sent.map(|sent| sent + self.pace);
        if let Some(until) = held_until.max(paced_until).filter(|until| *until > now) {
            return Err(Wait::Until(until));
        }
        if self.in_flight >= self.max_in_flight {
            return Err(Wait::ForOthers);
        }
        if self.in_flight_of_epoch >= self.allowed {
            match self.last_sent.map(|sent| sent + REFUSAL_TIME).filter(|until| *until > now) {
                Some(until) => return Err(Wait::Until(until)),
                None => self.allowed = self.in_flight_of_epoch + 1,
            }
        }
        if self.last_sent.is_some_and(|sent| now - sent > LONGEST_PAUSE) {
            (self.counted_since, self.answered) = (now, 0);
        }
        self.in_flight += 1;
        self.in_flight_of_epoch += 1;
        self.last_sent = Some(now);
        Ok(())
    }

    fn note_answer(&mut self, epoch: u64) {
        // What was sent before a hold says nothing about the time after it.
        if epoch != self.epoch {
            return;
        }
        self.answered += 1;
        self.pace = self.pace.mul_f64(SPEED_UP);
        if self.pace < PACES.0 {
            self.pace = Duration::ZERO;
        }
        self.answered_of_round += 1;
        if self.allowed < self.threshold || self.answered_of_round >= self.allowed {
            self.allowed = (self.allowed + 1).min(self.max_in_flight);
            self.answered_of_round = 0;
        }
    }

    /// The first refusal of an epoch counts. The others were under way with it.
    fn note_refusal(&mut self, epoch: u64, delay: Duration, now: Instant) {
        if epoch != self.epoch {
            return;
        }
        self.threshold = (self.in_flight_of_epoch / 2).max(1);
        // From this refusal to the next one, which ends the wait and all that was answered after it.
        let (since, answered) = (self.counted_since, self.answered);
        (self.counted_since, self.answered) = (now, 0);
        if delay <= LONGEST_REFILL && answered > 0 {
            let measured = (now - since) / answered;
            self.pace = if measured < PACES.0 { Duration::ZERO } else { measured.min(PACES.1) };
        }
    }

    fn begin_epoch(&mut self) {
        self.epoch += 1;
        self.in_flight_of_epoch = 0;
        self.allowed = 1;
        self.answered_of_round = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join_all;
    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_budget_that_refills_little_by_little_is_used_up_with_few_refusals() {
        for latency_ms in [2, 50, 200] {
            let server = Server::new(average(3.0, 10.0), latency_ms);
            let took = server.serve(112, 8).await.as_secs_f64();
            let refused = f64::from(server.refused.get()) / f64::from(server.sent.get());
            assert!(refused <= 0.13, "{latency_ms} ms: {refused:.3} refused");
            let ideal = (112.0 - 10.0) / 3.0;
            assert!(took <= 1.03 * ideal, "{latency_ms} ms: {took:.1} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_is_used_up_as_fast_as_the_workers_can() {
        let server = Server::new(windows(226, 10), 2);
        let took = server.serve(5 * 226 + 10, 8).await.as_secs_f64();
        // Each window opens when the first request comes after it.
        assert!((50.0..50.0 * 1.01).contains(&took), "{took:.2} s");
        assert!(server.refused.get() <= 5 * 8, "{}", server.refused.get());
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_budget_every_worker_is_busy() {
        let server = Server::new(Budget::Unlimited, 200);
        let took = server.serve(1_000, 8).await.as_secs_f64();
        assert!(1_000.0 / took >= 38.0, "{took:.1} s");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_hold_one_request_goes_first_and_each_answer_lets_more_follow() {
        let limiter = RateLimiter::new(8);
        limiter.hold_for(Duration::from_secs(5));
        let first = limiter.acquire().await;
        let wait = Duration::from_millis(900);
        assert!(timeout(wait, limiter.acquire()).await.is_err());
        first.answered();
        let (second, third) = (limiter.acquire().await, limiter.acquire().await);
        assert!(timeout(wait, limiter.acquire()).await.is_err());
        // Who refuses does so at once: nobody waits for a slow answer.
        let fourth = timeout(Duration::from_millis(200), limiter.acquire()).await.unwrap();
        for permit in [second, third, fourth] {
            permit.answered();
        }
        let all = join_all((0..6).map(|_request| limiter.acquire())).await;
        assert_eq!(all.len(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_under_way_before_a_hold_do_not_count_after_it() {
        let limiter = RateLimiter::new(3);
        limiter.acquire().await.answered();
        let (slow, refused) = (limiter.acquire().await, limiter.acquire().await);
        refused.refused(Duration::from_secs(1));
        limiter.acquire().await.answered();
        // The slow one is still in flight: two may be beside it.
        let _two = (limiter.acquire().await, limiter.acquire().await);
        assert!(timeout(Duration::from_mins(1), limiter.acquire()).await.is_err());
        drop(slow);
        assert!(timeout(Duration::from_mins(1), limiter.acquire()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn everyone_waits_until_the_last_hold_ends() {
        let limiter = RateLimiter::new(8);
        let started = Instant::now();
        limiter.hold_for(Duration::from_secs(5));
        limiter.hold_for(Duration::from_secs(2));
        let prolong = async {
            sleep_until(started + Duration::from_secs(4)).await;
            limiter.hold_for(Duration::from_secs(3));
        };
        let acquire = async {
            limiter.acquire().await.answered();
            started.elapsed()
        };
        let (first, second, ()) = tokio::join!(
            acquire,
            async {
                limiter.acquire().await.answered();
                started.elapsed()
            },
            prolong
        );
        assert!(first >= Duration::from_secs(7) && first < Duration::from_millis(7_010), "{first:?}");
        assert!(second >= Duration::from_secs(7), "{second:?}");
        assert_eq!(limiter.held_in_sum(), Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_bound_are_in_flight() {
        let limiter = RateLimiter::new(1);
        let permit = limiter.acquire().await;
        assert!(timeout(Duration::from_secs(10), limiter.acquire()).await.is_err());
        drop(permit);
        assert!(timeout(Duration::from_secs(10), limiter.acquire()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_huge_delay_does_not_overflow() {
        let limiter = RateLimiter::new(1);
        limiter.hold_for(Duration::MAX);
        assert!(timeout(Duration::from_hours(1_000), limiter.acquire()).await.is_err());
    }

    /// What Notion would allow, and what it was asked for.
    struct Server {
        budget: Budget,
        latency: Duration,
        sent: Cell<u32>,
        refused: Cell<u32>,
    }

    enum Budget {
        Unlimited,
        /// As many a second, and as many at once.
        Average {
            per_second: f64,
            burst: f64,
            tokens: Cell<f64>,
            filled: Cell<Instant>,
        },
        /// As many in a window that the first request opens.
        Window {
            requests: u32,
            window: Duration,
            used: Cell<u32>,
            opened: Cell<Instant>,
        },
    }

    fn average(per_second: f64, burst: f64) -> Budget {
        Budget::Average { per_second, burst, tokens: Cell::new(burst), filled: Cell::new(Instant::now()) }
    }

    fn windows(requests: u32, seconds: u64) -> Budget {
        let window = Duration::from_secs(seconds);
        let long_ago = Instant::now().checked_sub(window).unwrap();
        Budget::Window { requests, window, used: Cell::new(0), opened: Cell::new(long_ago) }
    }

    impl Budget {
        /// The whole seconds to wait where nothing is left.
        fn spend(&self) -> Result<(), Duration> {
            let now = Instant::now();
            let wait = match self {
                Self::Unlimited => return Ok(()),
                Self::Average { per_second, burst, tokens, filled } => {
                    let gained = (now - filled.replace(now)).as_secs_f64() * per_second;
                    tokens.set((tokens.get() + gained).min(*burst));
                    if tokens.get() >= 1.0 {
                        tokens.set(tokens.get() - 1.0);
                        return Ok(());
                    }
                    (1.0 - tokens.get()) / per_second
                }
                Self::Window { requests, window, used, opened } => {
                    if now >= opened.get() + *window {
                        opened.set(now);
                        used.set(0);
                    }
                    if used.get() < *requests {
                        used.set(used.get() + 1);
                        return Ok(());
                    }
                    (opened.get() + *window - now).as_secs_f64()
                }
            };
            Err(Duration::from_secs_f64(wait.ceil().max(1.0)))
        }
    }

    impl Server {
        fn new(budget: Budget, latency_ms: u64) -> Self {
            let latency = Duration::from_millis(latency_ms);
            Self { budget, latency, sent: Cell::new(0), refused: Cell::new(0) }
        }

        /// Asks for so much with so many workers; returns how long that took.
        async fn serve(&self, requests: u32, workers: usize) -> Duration {
            let limiter = RateLimiter::new(workers);
            let (started, left) = (Instant::now(), Cell::new(requests));
            let work = async || {
                while let Some(fewer) = left.get().checked_sub(1) {
                    left.set(fewer);
                    self.ask(&limiter).await;
                }
            };
            join_all((0..workers).map(|_worker| work())).await;
            started.elapsed()
        }

        async fn ask(&self, limiter: &RateLimiter) {
            loop {
                let permit = limiter.acquire().await;
                self.sent.set(self.sent.get() + 1);
                sleep(self.latency / 2).await;
                let spent = self.budget.spend();
                sleep(self.latency / 2).await;
                match spent {
                    Ok(()) => return permit.answered(),
                    Err(delay) => permit.refused(delay),
                }
                self.refused.set(self.refused.get() + 1);
            }
        }
    }
}
