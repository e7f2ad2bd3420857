//! The access token: who may use it, and how it is renewed.

use std::{
    fmt, panic,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::{
    sync::{Mutex, RwLock},
    time::timeout,
};
use tracing::warn;

use super::{
    ApiError, Method, NotionClient, Request,
    retry::Attempts,
    transport::{Credentials, Failure, Transport},
};

/// The OAuth client of a public connection.
#[derive(Clone, Debug)]
pub struct OAuthClient {
    /// The client id.
    pub client_id: String,
    /// The client secret.
    pub client_secret: SecretString,
    /// The refresh token, if the connection has one.
    pub refresh_token: Option<SecretString>,
}

/// A token pair that replaces the config's.
#[derive(Clone, Debug)]
pub struct RefreshedTokens {
    /// The new bearer token.
    pub access_token: SecretString,
    /// The new refresh token, if Notion gave one.
    pub refresh_token: Option<SecretString>,
}

type OnRefresh = Box<dyn Fn(&RefreshedTokens) + Send + Sync>;

/// The token pair of a run.
pub(super) struct TokenStore {
    token: RwLock<Token>,
    oauth: Option<OAuthClient>,
    on_refresh: OnRefresh,
    /// Locked while a new token pair is under way.
    exchange: Arc<Mutex<()>>,
    /// One more than the generation of the last token that an answer was given to; 0 before the first answer.
    worked: AtomicU64,
}

/// A token as it is used, and how often it was replaced before.
#[derive(Clone)]
pub(super) struct AccessToken {
    pub(super) secret: SecretString,
    pub(super) generation: u64,
}

struct Token {
    access: AccessToken,
    renewal: Renewal,
}

enum Renewal {
    /// With this refresh token.
    Possible(SecretString),
    /// There is no refresh token, or Notion has refused it, or it may be used up.
    Impossible,
    /// It failed for another reason, often enough.
    Failed(Arc<ApiError>),
}

impl fmt::Debug for TokenStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenStore(…)")
    }
}

impl TokenStore {
    pub(super) fn new(
        access_token: SecretString,
        oauth: Option<OAuthClient>,
        on_refresh: impl Fn(&RefreshedTokens) + Send + Sync + 'static,
    ) -> Self {
        let refresh = oauth.as_ref().and_then(|oauth| oauth.refresh_token.clone());
        let access = AccessToken { secret: access_token, generation: 0 };
        Self {
            token: RwLock::new(Token {
                access,
                renewal: refresh.map_or(Renewal::Impossible, Renewal::Possible),
            }),
            oauth,
            on_refresh: Box::new(on_refresh),
            exchange: Arc::default(),
            worked: AtomicU64::new(0),
        }
    }

    /// The token, unless it is being renewed.
    pub(super) fn try_get(&self) -> Option<AccessToken> {
        self.token.try_read().ok().map(|token| token.access.clone())
    }

    /// Waits while the token is being renewed.
    pub(super) async fn wait_for_renewal(&self) {
        drop(self.token.read().await);
    }

    /// Takes note that Notion has given an answer to this token.
    pub(super) fn note_answer(&self, token: &AccessToken) {
        self.worked.fetch_max(token.generation + 1, Ordering::Relaxed);
    }

    /// Whether Notion has given an answer to this token.
    pub(super) fn has_worked(&self, token: &AccessToken) -> bool {
        self.worked.load(Ordering::Relaxed) == token.generation + 1
    }

    /// Waits until a token pair that is under way is told, but no longer than this.
    pub(super) async fn finish_exchange(&self, limit: Duration) {
        // Whether it came in time makes no difference any more.
        drop(timeout(limit, self.exchange.lock()).await);
    }

    /// Makes sure that the token is newer than the refused one; returns whether it is.
    ///
    /// Rotation gives a new access token and a new refresh token
    /// (<https://developers.notion.com/guides/get-started/authorization>, step 6). Fails where Notion has not
    /// refused to renew it, but could not be asked.
    pub(super) async fn renew(&self, client: &NotionClient, refused: &AccessToken) -> Result<bool, ApiError> {
        let mut token = self.token.write().await;
        if token.access.generation > refused.generation {
            return Ok(true);
        }
        let (oauth, refresh) = match (&self.oauth, &token.renewal) {
            (Some(oauth), Renewal::Possible(refresh)) => (oauth.clone(), refresh.clone()),
            (_, Renewal::Failed(source)) => {
                return Err(ApiError::RefreshFailed { source: Arc::clone(source) });
            }
            (None, _) | (_, Renewal::Impossible) => return Ok(false),
        };
        match self.ask_until_answered(client, &oauth, &refresh).await {
            Ok(tokens) => {
                token.access.secret = tokens.access_token;
                token.access.generation += 1;
                // The old refresh token may be used up: without a new one Notion is not asked again.
                token.renewal = tokens.refresh_token.map_or(Renewal::Impossible, Renewal::Possible);
                Ok(true)
            }
            Err(error) if error.is_refusal() => {
                warn!("The access token could not be refreshed: {error}.");
                token.renewal = Renewal::Impossible;
                Ok(false)
            }
            Err(error) => {
                let source = Arc::new(error);
                token.renewal = Renewal::Failed(Arc::clone(&source));
                Err(ApiError::RefreshFailed { source })
            }
        }
    }

    /// Asks for a new token pair until there is one or the failure is final.
    ///
    /// A refresh token works once, and it may be used up where the answer was lost. Notion then says so when it is
    /// asked again, and nothing is worse than before.
    async fn ask_until_answered(
        &self,
        client: &NotionClient,
        oauth: &OAuthClient,
        refresh: &SecretString,
    ) -> Result<RefreshedTokens, ApiError> {
        let mut attempts = Attempts::new(client.retry_policy());
        loop {
            let permit = client.rate_limiter().acquire().await;
            let failure = match self.exchange(client, oauth, refresh).await {
                Ok(tokens) => {
                    permit.answered();
                    return Ok(tokens);
                }
                Err(failure) => failure,
            };
            if client.pause(&mut attempts, Some(permit), &failure, TOKEN_TARGET, true).await.is_err() {
                return Err(failure.error);
            }
        }
    }

    /// Exchanges the refresh token for a new pair, and tells that at once.
    ///
    /// It runs on a task of its own: whoever waits for it may be stopped, but the old pair may be used up by then.
    async fn exchange(
        &self,
        client: &NotionClient,
        oauth: &OAuthClient,
        refresh: &SecretString,
    ) -> Result<RefreshedTokens, Failure> {
        let (client, oauth, refresh) = (client.clone(), oauth.clone(), refresh.clone());
        let under_way = Arc::clone(&self.exchange).lock_owned().await;
        let exchange = tokio::spawn(async move {
            let _under_way = under_way;
            client.count(|counts| counts.sent += 1);
            let tokens = ask_for_tokens(client.transport(), &oauth, &refresh).await?;
            (client.tokens().on_refresh)(&tokens);
            Ok(tokens)
        });
        exchange.await.unwrap_or_else(|error| {
            panic::resume_unwind(error.try_into_panic().expect("nobody aborts the task"))
        })
    }
}

const TOKEN_TARGET: &str = "/v1/oauth/token";

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
) -> Result<RefreshedTokens, Failure> {
    let body = json!({"grant_type": "refresh_token", "refresh_token": refresh.expose_secret()});
    let request =
        Request { method: Method::Post, target: TOKEN_TARGET.to_owned(), body: Some(body.to_string()) };
    let credentials = Credentials::Basic {
        username: &oauth.client_id,
        password: &oauth.client_secret,
        refresh_token: refresh,
    };
    let answer = transport.send(&request, credentials).await?;
    let tokens: TokenAnswer = serde_json::from_str(&answer.body)
        .map_err(|_shape| answer.fail(ApiError::UnknownShape { detail: "no access_token".to_owned() }))?;
    Ok(RefreshedTokens {
        access_token: SecretString::from(tokens.access_token),
        refresh_token: tokens.refresh_token.map(SecretString::from),
    })
}
