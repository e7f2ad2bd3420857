//! The config: untrusted JSON in, a valid [`Config`] out; after it nothing checks again.
//!
//! No message quotes a value of the config, except those that cannot be secret.

mod api_url;
mod credentials;
mod fields;
mod form;
mod keys;

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Url;
use serde_json::{Map, Value, json};

pub use credentials::{Credentials, OAuthClient};

/// What to read and how; valid by construction. Its `Debug` shows no secret.
pub struct Config {
    /// Who reads.
    pub credentials: Credentials,
    /// Objects edited before this time are left out.
    pub start_date: DateTime<Utc>,
    /// How many requests may be in flight.
    pub num_workers: usize,
    /// Whether values that Notion cuts at 25 entries are completed.
    pub complete_properties: bool,
    /// For how long the comments of a page that was not edited need not be asked for again.
    pub comments_every: TimeDelta,
    /// Whether objects that are gone are told as deletions.
    pub report_deletions: bool,
    /// The API's base URL.
    pub api_url: Url,
    /// The config as it came, with its secrets.
    raw: Map<String, Value>,
}

impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            credentials,
            start_date,
            num_workers,
            complete_properties,
            comments_every,
            report_deletions,
            api_url,
            raw: _secret,
        } = self;
        formatter
            .debug_struct("Config")
            .field("credentials", credentials)
            .field("start_date", start_date)
            .field("num_workers", num_workers)
            .field("complete_properties", complete_properties)
            .field("comments_every", comments_every)
            .field("report_deletions", report_deletions)
            .field("api_url", &api_url.as_str())
            .finish_non_exhaustive()
    }
}

/// Why a config cannot be used: what is wrong, where, what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The text is not JSON; the words are those of a parser that quotes nothing, and what may be meant.
    #[error("it is not JSON: {0}")]
    NotJson(String),
    /// There is nothing in it.
    #[error("it is empty; it must look like {{\"credentials\": {{…}}}}")]
    Empty,
    /// The JSON is something else than an object.
    #[error("it is not a JSON object; it must look like {{\"credentials\": {{…}}}}")]
    NotAnObject,
    /// No form of credentials is there.
    #[error(
        "\"credentials\" is missing; give {{\"auth_type\": \"token\", \"token\": \"…\"}} or the OAuth2.0 fields"
    )]
    NoCredentials,
    /// The discriminator has another value.
    #[error("\"credentials.auth_type\" must be \"token\" or \"OAuth2.0\"")]
    UnknownAuthType,
    /// A field is missing or empty.
    #[error("\"{0}\" is missing or empty; fill it in")]
    Missing(&'static str),
    /// A field has another type or lies outside its bounds.
    #[error("\"{field}\" must be {expected}")]
    Invalid {
        /// The field's path.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The token cannot be one.
    #[error("\"{field}\" {problem}")]
    NotAToken {
        /// The field's path.
        field: &'static str,
        /// What it is instead, and what to do.
        problem: &'static str,
    },
    /// The start date lies ahead.
    #[error("\"start_date\" lies in the future, so nothing would be read; choose a date in the past")]
    FutureStartDate,
    /// The API's URL is not one that may get the token.
    #[error("\"api_url\" is not allowed: {0}")]
    ApiUrl(&'static str),
}

impl ConfigError {
    /// Whether it is about the file as a whole, which then should be named.
    pub fn is_about_the_file(&self) -> bool {
        matches!(self, Self::NotJson(_) | Self::Empty | Self::NotAnObject)
    }
}

impl Config {
    /// Parses and checks a config file's text.
    ///
    /// On a platform's cloud (`is_cloud`) the API's URL may name no private address.
    pub fn parse(text: &str, now: DateTime<Utc>, is_cloud: bool) -> Result<Self, ConfigError> {
        let raw = form::parse(text)?;
        let workers = fields::whole(&raw, "num_workers", 8, 1..=25, "a whole number from 1 to 25")?;
        let hours = fields::whole(
            &raw,
            "comments_every_hours",
            0,
            0..=8_760,
            "a whole number of hours from 0 to 8760",
        )?;
        Ok(Self {
            credentials: credentials::credentials(&raw)?,
            start_date: fields::start_date(&raw, now)?,
            num_workers: usize::try_from(workers).expect("it is at most 25"),
            complete_properties: fields::truth(&raw, "complete_properties", true)?,
            comments_every: TimeDelta::hours(hours.into()),
            report_deletions: fields::truth(&raw, "report_deletions", true)?,
            api_url: api_url::api_url(&raw, is_cloud)?,
            raw,
        })
    }

    /// The config of somebody who has a token and no wishes.
    pub fn of_token(token: &str, now: DateTime<Utc>) -> Result<Self, ConfigError> {
        credentials::token(token.trim(), "NOTION_TOKEN")?;
        let config = json!({"credentials": {"auth_type": "token", "token": token}});
        Self::parse(&config.to_string(), now, false)
    }

    /// What somebody should know about it although it can be used.
    pub fn warnings(&self) -> Vec<String> {
        keys::about_unknown_keys(&self.raw)
    }

    /// The config as it came, to be told with new tokens in it.
    pub fn token_replacement(&self) -> TokenReplacement {
        TokenReplacement { config: self.raw.clone() }
    }
}

/// A config whose token pair is to be replaced.
pub struct TokenReplacement {
    config: Map<String, Value>,
}

impl TokenReplacement {
    /// Returns the config as it came, with a new token pair in it.
    pub fn with_tokens(&self, access_token: &str, refresh_token: Option<&str>) -> Map<String, Value> {
        let mut config = self.config.clone();
        if let Some(Value::Object(credentials)) = config.get_mut("credentials") {
            credentials.insert("access_token".to_owned(), json!(access_token));
            if let Some(refresh_token) = refresh_token {
                credentials.insert("refresh_token".to_owned(), json!(refresh_token));
            }
        }
        config
    }
}

impl fmt::Debug for TokenReplacement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenReplacement(…)")
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::spec::specification;

    fn now() -> DateTime<Utc> {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn parse(config: &Value) -> Result<Config, ConfigError> {
        Config::parse(&config.to_string(), now(), false)
    }

    fn with(field: &str, value: Value) -> Value {
        let mut config = json!({"credentials": {"auth_type": "token", "token": "ntn_secret1"}});
        config.as_object_mut().unwrap().insert(field.to_owned(), value);
        config
    }

    fn message(config: &Value) -> String {
        parse(config).unwrap_err().to_string()
    }

    #[test]
    fn every_form_of_credentials_gives_the_token() {
        let forms = [
            json!({"credentials": {"auth_type": "token", "token": " t1 "}}),
            json!({"credentials": {"auth_type": "OAuth2.0", "client_id": "c", "client_secret": "s",
                "access_token": "t1"}}),
            json!({"access_token": "t1"}),
        ];
        for form in forms {
            assert_eq!(parse(&form).unwrap().credentials.access_token.expose_secret(), "t1");
        }
    }

    #[test]
    fn defaults_and_nulls() {
        let mut config = with("num_workers", Value::Null);
        config.as_object_mut().unwrap().insert("start_date".to_owned(), Value::Null);
        let config = parse(&config).unwrap();
        assert_eq!(config.num_workers, 8);
        assert_eq!(config.comments_every, TimeDelta::zero());
        assert!(config.complete_properties && config.report_deletions);
        assert_eq!(config.start_date, now() - TimeDelta::days(730));
        assert_eq!(config.api_url.as_str(), "https://api.notion.com/");
    }

    #[test]
    fn each_bad_config_has_a_message_of_its_own() {
        let cases = [
            (json!([]), "not a JSON object"),
            (json!({}), "\"credentials\" is missing"),
            (json!({"credentials": {}}), "\"credentials.auth_type\" is missing"),
            (json!({"credentials": "ntn_x"}), "\"credentials\" must be an object"),
            (json!({"credentials": {"auth_type": "basic"}}), "must be \"token\" or \"OAuth2.0\""),
            (
                json!({"credentials": {"auth_type": "token", "token": " "}}),
                "\"credentials.token\" is missing",
            ),
            (json!({"credentials": {"auth_type": "token", "token": "a b"}}), "copy it again"),
            (json!({"credentials": {"auth_type": "token", "token": 7}}), "must be a text"),
            (json!({"credentials": {"auth_type": "OAuth2.0", "access_token": "x"}}), "client_secret"),
            (with("start_date", json!("yesterday")), "\"start_date\" must be a UTC time"),
            (with("start_date", json!("2099-01-01T00:00:00.000Z")), "lies in the future"),
            (with("num_workers", json!(0)), "\"num_workers\" must be a whole number from 1 to 25"),
            (with("num_workers", json!(26)), "\"num_workers\" must be a whole number from 1 to 25"),
            (with("num_workers", json!("8")), "\"num_workers\" must be a whole number from 1 to 25"),
            (with("comments_every_hours", json!(8761)), "\"comments_every_hours\" must be"),
            (with("report_deletions", json!(1)), "\"report_deletions\" must be true or false"),
            (with("complete_properties", json!("yes")), "\"complete_properties\" must be true or false"),
            (with("api_url", json!("ftp://x")), "must begin with https"),
            (with("api_url", json!("http://example.com")), "plain http"),
            (with("api_url", json!("https://u:p@example.com")), "user name or password"),
            (with("api_url", json!("https://example.com/v1")), "a scheme and a host only"),
            (with("api_url", json!("x")), "not a URL"),
        ];
        for (config, expected) in cases {
            let message = message(&config);
            assert!(message.contains(expected), "{config}: {message}");
        }
    }

    #[test]
    fn a_token_alone_is_a_config() {
        let config = Config::of_token(" ntn_1\n", now()).unwrap();
        assert_eq!(config.credentials.access_token.expose_secret(), "ntn_1");
        let error = Config::of_token("$NOTION_TOKEN", now()).unwrap_err();
        assert!(error.to_string().starts_with("\"NOTION_TOKEN\" is a placeholder"), "{error}");
    }

    #[test]
    fn every_field_of_the_spec_is_known() {
        let schema = specification().connection_specification;
        for field in schema["properties"].as_object().unwrap().keys() {
            let warnings = keys::about_unknown_keys(with(field, Value::Null).as_object().unwrap());
            assert_eq!(warnings, Vec::<String>::new(), "{field}");
        }
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let config = json!({"credentials": {"auth_type": "OAuth2.0", "client_id": "id",
            "client_secret": "hidden_1", "access_token": "hidden_2", "refresh_token": "hidden_3"}});
        let config = parse(&config).unwrap();
        let shown = format!("{config:?} {:?}", config.token_replacement());
        assert!(!shown.contains("hidden"), "{shown}");
        let secrets: Vec<&str> = config.credentials.secrets().map(ExposeSecret::expose_secret).collect();
        assert_eq!(secrets, ["hidden_2", "hidden_1", "hidden_3"]);
    }

    #[test]
    fn every_field_of_the_spec_is_read() {
        let schema = specification().connection_specification;
        for field in schema["properties"].as_object().unwrap().keys() {
            let message = message(&with(field, json!([1])));
            assert!(message.contains(field.as_str()), "{field}: {message}");
        }
    }

    #[test]
    fn a_new_token_pair_replaces_only_the_old_one() {
        let config = json!({"credentials": {"auth_type": "OAuth2.0", "client_id": "id", "client_secret": "s",
            "access_token": "old", "refresh_token": "old"}, "extra": 1});
        let replaced = parse(&config).unwrap().token_replacement().with_tokens("new_a", Some("new_r"));
        let expected = json!({"credentials": {"auth_type": "OAuth2.0", "client_id": "id", "client_secret": "s",
            "access_token": "new_a", "refresh_token": "new_r"}, "extra": 1});
        assert_eq!(Value::Object(replaced), expected);
    }
}
