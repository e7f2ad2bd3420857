//! Who reads: the forms of credentials, and what is plainly no token.

pub use crate::client::OAuthClient;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::{
    ConfigError,
    fields::{present, text},
};

/// Who reads the workspace.
#[derive(Debug)]
pub struct Credentials {
    /// The bearer token.
    pub access_token: SecretString,
    /// What can refresh it, with OAuth.
    pub oauth: Option<OAuthClient>,
}

impl Credentials {
    /// Everything in them that nobody may see.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        let Self { access_token, oauth } = self;
        let oauth = oauth.iter().flat_map(|oauth| {
            let OAuthClient { client_id: _public, client_secret, refresh_token } = oauth;
            [client_secret].into_iter().chain(refresh_token)
        });
        [access_token].into_iter().chain(oauth)
    }
}

pub(super) fn credentials(config: &Map<String, Value>) -> Result<Credentials, ConfigError> {
    let Some(value) = present(config, "credentials") else {
        // The form of the connector's first versions.
        let given = text(config, "access_token", "access_token")?.ok_or(ConfigError::NoCredentials)?;
        return Ok(Credentials { access_token: token(given, "access_token")?, oauth: None });
    };
    let Value::Object(object) = value else {
        return Err(ConfigError::Invalid { field: "credentials", expected: "an object with \"auth_type\"" });
    };
    let required =
        |name, field| text(object, name, field)?.ok_or(ConfigError::Missing(field)).map(str::to_owned);
    match text(object, "auth_type", "credentials.auth_type")? {
        Some("token") => {
            const FIELD: &str = "credentials.token";
            Ok(Credentials { access_token: token(&required("token", FIELD)?, FIELD)?, oauth: None })
        }
        Some("OAuth2.0") => {
            const FIELD: &str = "credentials.access_token";
            let access_token = token(&required("access_token", FIELD)?, FIELD)?;
            let client_secret = required("client_secret", "credentials.client_secret")?;
            let refresh_token = text(object, "refresh_token", "credentials.refresh_token")?;
            let oauth = OAuthClient {
                client_id: required("client_id", "credentials.client_id")?,
                client_secret: SecretString::from(client_secret),
                refresh_token: refresh_token.map(SecretString::from),
            };
            Ok(Credentials { access_token, oauth: Some(oauth) })
        }
        None => Err(ConfigError::Missing("credentials.auth_type")),
        Some(_) => Err(ConfigError::UnknownAuthType),
    }
}

/// Accepts what can be a token; the rest is told before a request is sent with it.
pub(super) fn token(given: &str, field: &'static str) -> Result<SecretString, ConfigError> {
    let is_quote = |character| "\"'`“”‘’".contains(character);
    let problem = if given.starts_with(is_quote) || given.ends_with(is_quote) {
        "has quotes around the token; take them out"
    } else if given.starts_with(['$', '%', '{', '<']) {
        "is a placeholder that nothing was put in for; give the token itself"
    } else if given.contains("://") || given.contains("notion.so/") || given.contains("notion.site/") {
        "is the address of a page, not a token; copy the token from the integration's Secrets tab"
    } else if given.chars().all(|character| character.is_ascii_graphic()) {
        return Ok(SecretString::from(given));
    } else {
        "has spaces, line breaks or other characters that no Notion token has; copy it again"
    };
    Err(ConfigError::NotAToken { field, problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plainly_no_token_is_told_by_its_kind() {
        let cases = [
            ("\"ntn_1\"", "quotes"),
            ("“ntn_1”", "quotes"),
            ("$NOTION_TOKEN", "placeholder"),
            ("${NOTION_TOKEN}", "placeholder"),
            ("%NOTION_TOKEN%", "placeholder"),
            ("<your token>", "placeholder"),
            ("https://www.notion.so/Plan-1", "address of a page"),
            ("www.notion.so/Plan-1", "address of a page"),
            ("Bearer ntn_1", "has spaces"),
        ];
        for (given, expected) in cases {
            let message = token(given, "credentials.token").unwrap_err().to_string();
            assert!(message.contains(expected) && message.starts_with("\"credentials.token\""), "{message}");
            assert!(!message.contains("ntn_") && !message.contains("Plan"), "{message}");
        }
        assert!(["ntn_1", "secret_a%$b"].iter().all(|given| token(given, "token").is_ok()));
    }
}
