//! The client: sends a request until it is answered or has failed for good.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use reqwest::Url;
use secrecy::SecretString;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tracing::{debug, warn};

use super::{
    ApiError, ListRequest, Listing, OAuthClient, RateLimiter, RefreshedTokens, Request, RequestError,
    RetryPolicy, Timeouts,
    clock::NotionClock,
    rate_limiter::Permit,
    retry::{Attempts, RetryDecision},
    token::{AccessToken, TokenStore},
    transport::{Credentials, Failure, Transport},
};

/// What a client needs to know.
#[derive(Debug)]
pub struct ClientSettings {
    /// The API's base URL.
    pub base: Url,
    /// The bearer token.
    pub access_token: SecretString,
    /// What refreshes the token, where the credentials can.
    pub oauth: Option<OAuthClient>,
    /// How many requests may be in flight.
    pub max_in_flight: usize,
    /// How patiently failures are retried.
    pub retry: RetryPolicy,
    /// How long an attempt may take.
    pub timeouts: Timeouts,
}

/// What was sent on behalf of one stream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RequestCounts {
    /// Attempts that were sent.
    pub sent: u64,
    /// Attempts that failed and were sent again, rate-limited ones left out.
    pub retried: u64,
    /// Attempts that the rate limit answered.
    pub rate_limited: u64,
}

/// An object as Notion gave it. Its `Debug` shows no content.
#[derive(Clone)]
pub struct Answer {
    /// The object's JSON text.
    pub body: String,
    /// A lower bound of the time by Notion's clock at which the object was asked for.
    pub asked_at: DateTime<Utc>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { body: _record, asked_at } = self;
        formatter.debug_struct("Answer").field("asked_at", asked_at).finish_non_exhaustive()
    }
}

/// How often one request is sent again with a newer token. Someone else's refresh may come first, so once is too
/// little; a token that is refused although it is new stays refused.
const MAX_REFRESHES: u32 = 2;

/// A refusal that is doubtful is not asked for again while everyone is held for longer than this: if it is no hiccup,
/// the run is over, and nobody waits for that.
const LONGEST_DOUBT: Duration = Duration::from_secs(3);

struct Shared {
    transport: Transport,
    rate_limiter: RateLimiter,
    retry: RetryPolicy,
    tokens: TokenStore,
    clock: NotionClock,
    counts: Mutex<BTreeMap<Arc<str>, RequestCounts>>,
    is_stopped: watch::Sender<bool>,
}

/// A cheap handle that sends on behalf of one stream.
#[derive(Clone)]
pub struct NotionClient {
    shared: Arc<Shared>,
    stream: Arc<str>,
}

impl fmt::Debug for NotionClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NotionClient").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl NotionClient {
    /// Makes a client; `on_refresh` is called at once with each new token pair, before it is used.
    ///
    /// Fails where the environment names a proxy or certificates that cannot be used.
    pub fn new(
        settings: ClientSettings,
        on_refresh: impl Fn(&RefreshedTokens) + Send + Sync + 'static,
    ) -> Result<Self, ApiError> {
        let shared = Shared {
            transport: Transport::new(settings.base, &settings.timeouts)?,
            rate_limiter: RateLimiter::new(settings.max_in_flight),
            retry: settings.retry,
            tokens: TokenStore::new(settings.access_token, settings.oauth, on_refresh),
            clock: NotionClock::default(),
            counts: Mutex::default(),
            is_stopped: watch::Sender::new(false),
        };
        Ok(Self { shared: Arc::new(shared), stream: Arc::from("all") })
    }

    /// The same client, counting and logging for this stream.
    #[must_use]
    pub fn on_behalf_of(&self, stream: &Arc<str>) -> Self {
        Self { shared: Arc::clone(&self.shared), stream: Arc::clone(stream) }
    }

    /// The rate limiter, to watch its holds.
    pub fn rate_limiter(&self) -> &RateLimiter {
        &self.shared.rate_limiter
    }

    /// The latest time that Notion's answers have told, to the second. It never goes back.
    pub fn notion_time(&self) -> Option<DateTime<Utc>> {
        self.shared.clock.latest()
    }

    /// How far this machine's clock is ahead of Notion's, by the first answer; zero before it, or when it is behind.
    ///
    /// It is too large by the time that answer took and by up to a second.
    pub fn clock_lead(&self) -> Duration {
        self.shared.clock.lead().and_then(|lead| lead.to_std().ok()).unwrap_or_default()
    }

    /// What was sent so far, by stream.
    pub fn counts(&self) -> BTreeMap<Arc<str>, RequestCounts> {
        self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts a listing.
    pub fn list(&self, request: ListRequest) -> Listing {
        Listing::new(self.clone(), request)
    }

    /// Gets one object.
    pub async fn get(&self, target: impl Into<String>) -> Result<Answer, RequestError> {
        let request = Request::get(target);
        let (body, asked_at) =
            self.send(|_failure| request.clone(), |body| check_object(&body).map(|()| body)).await?;
        Ok(Answer { body, asked_at })
    }

    /// Gives everything up: from now on each request, under way or waiting, ends with [`ApiError::Stopped`] at once.
    ///
    /// Only a token pair that is under way still arrives; see [`Self::finish_exchange`].
    pub fn stop(&self) {
        self.shared.is_stopped.send_replace(true);
    }

    /// Waits until a token pair that is under way is told, but no longer than this; for the end of a run.
    pub async fn finish_exchange(&self, limit: Duration) {
        self.shared.tokens.finish_exchange(limit).await;
    }

    /// Sends a request until `accept` takes its answer or it has failed for good; returns what was taken, and a lower
    /// bound of the time by Notion's clock at which the answered attempt was sent.
    ///
    /// `build` makes each attempt, knowing why the one before failed.
    pub(super) async fn send<T>(
        &self,
        mut build: impl FnMut(Option<&ApiError>) -> Request,
        accept: impl Fn(String) -> Result<T, ApiError>,
    ) -> Result<(T, DateTime<Utc>), RequestError> {
        let mut request = build(None);
        let mut attempts = Attempts::new(self.shared.retry);
        let mut is_stopped = self.shared.is_stopped.subscribe();
        let outcome = tokio::select! {
            biased;
            () = async { drop(is_stopped.wait_for(|is_stopped| *is_stopped).await) } => {
                Err(Failure::from(ApiError::Stopped))
            }
            outcome = self.send_until_final(&mut request, &mut attempts, &mut build, &accept) => outcome,
        };
        outcome.map_err(|Failure { error, request_id }| RequestError {
            method: request.method,
            host: self.shared.transport.host().into(),
            path: request.path().into(),
            attempts: attempts.failed + 1,
            elapsed: attempts.started.elapsed(),
            request_id: request_id.map(String::into_boxed_str),
            source: error,
        })
    }

    async fn send_until_final<T>(
        &self,
        request: &mut Request,
        attempts: &mut Attempts,
        build: &mut impl FnMut(Option<&ApiError>) -> Request,
        accept: &impl Fn(String) -> Result<T, ApiError>,
    ) -> Result<(T, DateTime<Utc>), Failure> {
        let tokens = &self.shared.tokens;
        let mut refreshes = 0;
        loop {
            let (permit, token) = self.acquire().await;
            let failure = match self.attempt(request, &token, accept).await {
                Ok(accepted) => {
                    permit.answered();
                    tokens.note_answer(&token);
                    return Ok(accepted);
                }
                Err(failure) => failure,
            };
            let mut permit = Some(permit);
            if matches!(failure.error, ApiError::Unauthorized { .. }) && refreshes < MAX_REFRESHES {
                // Whoever renews the token needs a permit too.
                permit.take().into_iter().for_each(Permit::answered);
                if tokens.renew(self, &token).await? {
                    refreshes += 1;
                    continue;
                }
            }
            let is_held = || self.rate_limiter().remaining_hold() > LONGEST_DOUBT;
            let is_doubtful = tokens.has_worked(&token) && !is_held();
            if self.pause(attempts, permit, &failure, request.path(), is_doubtful).await.is_err() {
                return Err(failure);
            }
            // A hold may have begun during the pause.
            if matches!(failure.error, ApiError::Unauthorized { .. } | ApiError::EdgeBlocked { .. })
                && is_held()
            {
                return Err(failure);
            }
            *request = build(Some(&failure.error));
        }
    }

    /// Waits for a permit and a token that nobody is renewing.
    async fn acquire(&self) -> (Permit<'_>, AccessToken) {
        loop {
            let permit = self.rate_limiter().acquire().await;
            if let Some(token) = self.shared.tokens.try_get() {
                return (permit, token);
            }
            // Who renews the token needs a permit too: nobody may wait for that with one.
            drop(permit);
            self.shared.tokens.wait_for_renewal().await;
        }
    }

    /// Sends a request once.
    async fn attempt<T>(
        &self,
        request: &Request,
        token: &AccessToken,
        accept: impl Fn(String) -> Result<T, ApiError>,
    ) -> Result<(T, DateTime<Utc>), Failure> {
        self.count(|counts| counts.sent += 1);
        debug!(stream = &*self.stream, method = %request.method, target = request.target, "A request is sent.");
        let clock = &self.shared.clock;
        let (known, own, started) = (clock.latest(), Utc::now(), Instant::now());
        let mut answer = self.shared.transport.send(request, Credentials::Bearer(&token.secret)).await?;
        let elapsed = started.elapsed();
        let accepted = accept(std::mem::take(&mut answer.body)).map_err(|error| answer.fail(error))?;
        let date = answer.date();
        if let Some(date) = date {
            clock.observe(date);
        }
        let asked_at = known.or_else(|| Some(date? - elapsed)).unwrap_or(own);
        Ok((accepted, asked_at))
    }

    /// Waits before the next attempt; fails where there is none.
    pub(super) async fn pause(
        &self,
        attempts: &mut Attempts,
        permit: Option<Permit<'_>>,
        failure: &Failure,
        path: &str,
        is_doubtful: bool,
    ) -> Result<(), ()> {
        let request_id = failure.request_id.as_deref().unwrap_or("none");
        let error = &failure.error;
        let decision = attempts.decide(error, is_doubtful);
        if let RetryDecision::Hold(delay) = decision {
            self.count(|counts| counts.rate_limited += 1);
            match permit {
                Some(permit) => permit.refused(delay),
                None => self.rate_limiter().hold_for(delay),
            }
            debug!(
                stream = &*self.stream,
                path,
                delay_ms = delay.as_millis(),
                request_id,
                "Notion's rate limit is reached, everyone waits."
            );
            return Ok(());
        }
        permit.into_iter().for_each(Permit::answered);
        let RetryDecision::After(delay) = decision else { return Err(()) };
        self.count(|counts| counts.retried += 1);
        warn!(
            stream = &*self.stream,
            path,
            attempt = attempts.failed,
            delay_ms = delay.as_millis(),
            request_id,
            "A request failed and is sent again: {error}."
        );
        sleep(delay).await;
        Ok(())
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut RequestCounts)) {
        let mut counts = self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner);
        change(counts.entry(Arc::clone(&self.stream)).or_default());
    }

    pub(super) fn retry_policy(&self) -> RetryPolicy {
        self.shared.retry
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.shared.transport
    }

    pub(super) fn tokens(&self) -> &TokenStore {
        &self.shared.tokens
    }
}

/// Fails on a body that is not a JSON object, or is cut off.
fn check_object(body: &str) -> Result<(), ApiError> {
    serde_json::from_str::<serde::de::IgnoredAny>(body).map_err(|error| not_json(&error))?;
    if body.trim_start().starts_with('{') {
        return Ok(());
    }
    Err(ApiError::UnknownShape { detail: "it is not an object".to_owned() })
}

/// Tells a body that is no JSON from JSON of another shape.
pub(super) fn not_json(error: &serde_json::Error) -> ApiError {
    match error.classify() {
        serde_json::error::Category::Data => {
            // The parser's words begin with the value that it met, and that is nobody's business.
            let words = error.to_string();
            let expected =
                words.rsplit_once(", expected ").map(|(_met, expected)| format!("expected {expected}"));
            ApiError::UnknownShape { detail: expected.unwrap_or(words) }
        }
        _broken => ApiError::NotJson { detail: error.to_string() },
    }
}

#[cfg(test)]
mod tests;
