//! The client: sends a request through the gate until it is answered or has failed for good.

use std::{
    collections::BTreeMap,
    fmt, mem, panic,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, SystemTime},
};

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::{
    sync::RwLock,
    time::{Instant, sleep, timeout},
};
use tracing::{debug, warn};

use super::{
    ApiError, Gate, ListRequest, Listing, Method, Request, RequestError, RetryDecision, RetryPolicy,
    Timeouts,
    transport::{Answer, Credentials, Failure, Transport},
};
use crate::config::OAuthClient;

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

/// A token pair that replaces the config's.
#[derive(Clone, Debug)]
pub struct RefreshedTokens {
    /// The new bearer token.
    pub access_token: SecretString,
    /// The new refresh token, if Notion gave one.
    pub refresh_token: Option<SecretString>,
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

/// How often one request is sent again with a newer token. Someone else's refresh may come first, so once is too
/// little; a token that is refused although it is new stays refused.
const MAX_REFRESHES: u32 = 2;

type OnRefresh = Box<dyn Fn(&RefreshedTokens) + Send + Sync>;

struct Shared {
    transport: Transport,
    gate: Gate,
    retry: RetryPolicy,
    token: RwLock<Token>,
    oauth: Option<OAuthClient>,
    on_refresh: OnRefresh,
    /// Locked while a new token pair is under way.
    exchange: Arc<tokio::sync::Mutex<()>>,
    counts: Mutex<BTreeMap<&'static str, RequestCounts>>,
    clock_lead: OnceLock<Duration>,
}

struct Token {
    access: SecretString,
    refresh: Option<SecretString>,
    /// How often it was replaced; tells whether someone else has done so meanwhile.
    generation: u64,
    /// Whether the last refresh failed: Notion is not asked twice.
    refused: bool,
}

/// A cheap handle that sends on behalf of one stream.
#[derive(Clone)]
pub struct NotionClient {
    shared: Arc<Shared>,
    stream: &'static str,
}

impl fmt::Debug for NotionClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NotionClient").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl NotionClient {
    /// Makes a client; `on_refresh` is called at once with each new token pair, before it is used.
    pub fn new(
        settings: ClientSettings,
        on_refresh: impl Fn(&RefreshedTokens) + Send + Sync + 'static,
    ) -> Result<Self, ApiError> {
        let refresh = settings.oauth.as_ref().and_then(|oauth| oauth.refresh_token.clone());
        let shared = Shared {
            transport: Transport::new(settings.base, &settings.timeouts)?,
            gate: Gate::new(settings.max_in_flight),
            retry: settings.retry,
            token: RwLock::new(Token {
                access: settings.access_token,
                refused: refresh.is_none(),
                refresh,
                generation: 0,
            }),
            oauth: settings.oauth,
            on_refresh: Box::new(on_refresh),
            exchange: Arc::default(),
            counts: Mutex::default(),
            clock_lead: OnceLock::new(),
        };
        Ok(Self { shared: Arc::new(shared), stream: "all" })
    }

    /// The same client, counting and logging for this stream.
    #[must_use]
    pub fn on_behalf_of(&self, stream: &'static str) -> Self {
        Self { shared: Arc::clone(&self.shared), stream }
    }

    /// The gate, to watch its holds.
    pub fn gate(&self) -> &Gate {
        &self.shared.gate
    }

    /// How far this machine's clock is ahead of Notion's, by the first answer; zero before it, or when it is behind.
    ///
    /// It is too large by the time that answer took and by up to a second.
    pub fn clock_lead(&self) -> Duration {
        self.shared.clock_lead.get().copied().unwrap_or_default()
    }

    /// What was sent so far, by stream.
    pub fn counts(&self) -> BTreeMap<&'static str, RequestCounts> {
        self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts a listing.
    pub fn list(&self, request: ListRequest) -> Listing {
        Listing::new(self.clone(), request)
    }

    /// Gets one object as its JSON text.
    pub async fn get(&self, target: impl Into<String>) -> Result<String, RequestError> {
        let request = Request::get(target);
        self.send(|_failure| request.clone(), |body| check_object(&body).map(|()| body)).await
    }

    /// Waits until a token pair that is under way is told, but no longer than this; for the end of a run.
    pub async fn finish_exchange(&self, limit: Duration) {
        // Whether it came in time makes no difference any more.
        drop(timeout(limit, self.shared.exchange.lock()).await);
    }

    /// Sends a request until `accept` takes its answer or it has failed for good.
    ///
    /// `build` makes each attempt, knowing why the one before failed.
    pub(super) async fn send<T>(
        &self,
        mut build: impl FnMut(Option<&ApiError>) -> Request,
        accept: impl Fn(String) -> Result<T, ApiError>,
    ) -> Result<T, RequestError> {
        let started = Instant::now();
        let mut delays = self.shared.retry.delays();
        let mut attempts = 0;
        let mut holds_in_a_row = 0;
        let mut refreshes = 0;
        let mut last_error = None;
        loop {
            let request = build(last_error.as_ref());
            let generation = self.shared.token.read().await.generation;
            let (error, request_id) = match self.attempt(&request).await {
                Ok(mut answer) => match accept(mem::take(&mut answer.body)) {
                    Ok(accepted) => return Ok(accepted),
                    Err(error) => (error, answer.request_id()),
                },
                Err(Failure { error, request_id }) => (error, request_id),
            };
            let is_refused = matches!(error, ApiError::Unauthorized { .. }) && refreshes < MAX_REFRESHES;
            if is_refused && self.refresh(generation).await {
                refreshes += 1;
                continue;
            }
            let decision = self.shared.retry.decide(&error, &mut delays, holds_in_a_row);
            let fields = (request.path(), request_id.as_deref().unwrap_or("none"));
            match decision {
                RetryDecision::Hold(delay) => {
                    holds_in_a_row += 1;
                    self.count(|counts| counts.rate_limited += 1);
                    self.shared.gate.hold(delay);
                    debug!(
                        stream = self.stream,
                        path = fields.0,
                        delay_ms = delay.as_millis(),
                        request_id = fields.1,
                        "Notion's rate limit is reached, everyone waits."
                    );
                }
                RetryDecision::After(delay) => {
                    attempts += 1;
                    holds_in_a_row = 0;
                    self.count(|counts| counts.retried += 1);
                    warn!(
                        stream = self.stream,
                        path = fields.0,
                        attempt = attempts,
                        delay_ms = delay.as_millis(),
                        request_id = fields.1,
                        "A request failed and is sent again: {error}."
                    );
                    sleep(delay).await;
                }
                RetryDecision::GiveUp => {
                    let path = request.path().into();
                    return Err(RequestError {
                        method: request.method,
                        path,
                        attempts: attempts + 1,
                        elapsed: started.elapsed(),
                        request_id: request_id.map(String::into_boxed_str),
                        source: error,
                    });
                }
            }
            last_error = Some(error);
        }
    }

    async fn attempt(&self, request: &Request) -> Result<Answer, Failure> {
        let (_pass, token) = loop {
            let pass = self.shared.gate.enter().await;
            if let Ok(token) = self.shared.token.try_read() {
                break (pass, token.access.clone());
            }
            // Who renews the token needs a place too: nobody may wait for that in one.
            drop(pass);
            drop(self.shared.token.read().await);
        };
        self.count(|counts| counts.sent += 1);
        debug!(stream = self.stream, method = %request.method, target = request.target, "A request is sent.");
        let answer = self.shared.transport.send(request, Credentials::Bearer(&token)).await?;
        if self.shared.clock_lead.get().is_none()
            && let Some(date) = answer.date()
        {
            let lead = || SystemTime::now().duration_since(date).unwrap_or_default();
            self.shared.clock_lead.get_or_init(lead);
        }
        Ok(answer)
    }

    /// Makes sure that the token is newer than `generation`; returns whether it is.
    ///
    /// Rotation gives a new access token and a new refresh token
    /// (<https://developers.notion.com/guides/get-started/authorization>, step 6).
    async fn refresh(&self, generation: u64) -> bool {
        let mut token = self.shared.token.write().await;
        if token.generation > generation {
            return true;
        }
        let (false, Some(oauth), Some(refresh)) = (token.refused, &self.shared.oauth, token.refresh.clone())
        else {
            return false;
        };
        match self.renew(oauth, &refresh).await {
            Ok(tokens) => {
                token.access = tokens.access_token;
                // The old refresh token may have been used up: without a new one Notion is not asked again.
                token.refused = tokens.refresh_token.is_none();
                token.refresh = tokens.refresh_token.or(Some(refresh));
                token.generation += 1;
                true
            }
            Err(error) => {
                warn!("The access token could not be refreshed: {error}.");
                token.refused = true;
                false
            }
        }
    }

    /// Asks for a new token pair, and again while Notion has most probably not used up the old one.
    async fn renew(&self, oauth: &OAuthClient, refresh: &SecretString) -> Result<RefreshedTokens, ApiError> {
        let mut delays = self.shared.retry.delays();
        let mut holds_in_a_row = 0;
        loop {
            let error = {
                let _pass = self.shared.gate.enter().await;
                match self.exchange(oauth, refresh).await {
                    Ok(tokens) => return Ok(tokens),
                    Err(error) => error,
                }
            };
            // A refresh token works once.
            match &error {
                ApiError::RateLimited { .. } | ApiError::Connect { .. } | ApiError::Unavailable { .. } => {
                    match self.shared.retry.decide(&error, &mut delays, holds_in_a_row) {
                        RetryDecision::Hold(delay) => {
                            holds_in_a_row += 1;
                            self.shared.gate.hold(delay);
                        }
                        RetryDecision::After(delay) => sleep(delay).await,
                        RetryDecision::GiveUp => return Err(error),
                    }
                }
                _other => return Err(error),
            }
        }
    }

    /// Exchanges the refresh token for a new pair, and tells that at once.
    ///
    /// It runs on a task of its own: whoever waits for it may be stopped, but the old pair may be used up by then.
    async fn exchange(
        &self,
        oauth: &OAuthClient,
        refresh: &SecretString,
    ) -> Result<RefreshedTokens, ApiError> {
        let (client, oauth, refresh) = (self.clone(), oauth.clone(), refresh.clone());
        let under_way = Arc::clone(&self.shared.exchange).lock_owned().await;
        let exchange = tokio::spawn(async move {
            let _under_way = under_way;
            client.count(|counts| counts.sent += 1);
            let tokens = ask_for_tokens(&client.shared.transport, &oauth, &refresh).await?;
            (client.shared.on_refresh)(&tokens);
            Ok(tokens)
        });
        exchange.await.unwrap_or_else(|error| {
            panic::resume_unwind(error.try_into_panic().expect("nobody aborts the task"))
        })
    }

    fn count(&self, change: impl FnOnce(&mut RequestCounts)) {
        change(
            self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(self.stream).or_default(),
        );
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    refresh_token: Option<String>,
}

/// Sends a refresh token, once.
async fn ask_for_tokens(
    transport: &Transport,
    oauth: &OAuthClient,
    refresh: &SecretString,
) -> Result<RefreshedTokens, ApiError> {
    let body = json!({"grant_type": "refresh_token", "refresh_token": refresh.expose_secret()});
    let request =
        Request { method: Method::Post, target: "/v1/oauth/token".to_owned(), body: Some(body.to_string()) };
    let credentials = Credentials::Basic {
        username: &oauth.client_id,
        password: &oauth.client_secret,
        refresh_token: refresh,
    };
    let answer = transport.send(&request, credentials).await.map_err(|failure| failure.error)?;
    let answer: TokenAnswer = serde_json::from_str(&answer.body)
        .map_err(|_shape| ApiError::UnknownShape { detail: "no access_token".to_owned() })?;
    Ok(RefreshedTokens {
        access_token: SecretString::from(answer.access_token),
        refresh_token: answer.refresh_token.map(SecretString::from),
    })
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
