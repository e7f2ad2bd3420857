//! The config: untrusted JSON in, a valid [`Config`] out; after it nothing checks again.
//!
//! No message quotes a value of the config, except those that cannot be secret.

use std::{fmt, net::IpAddr};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use reqwest::Url;
use secrecy::SecretString;
use serde_json::{Map, Value, json};

pub use crate::client::OAuthClient;

const DEFAULT_API_URL: &str = "https://api.notion.com";
const DEFAULT_WORKERS: u64 = 8;
const MAX_WORKERS: u64 = 25;
const DEFAULT_LOOKBACK_MINUTES: u64 = 10;
/// A week: beyond it a full refresh is the better tool.
const MAX_LOOKBACK_MINUTES: u64 = 7 * 24 * 60;
/// Airbyte's connector reads the last two years unless told otherwise.
const DEFAULT_START_DAYS_AGO: i64 = 730;

/// What to read and how; valid by construction. Its `Debug` shows no secret.
pub struct Config {
    /// Who reads.
    pub credentials: Credentials,
    /// Objects edited before this time are left out.
    pub start_date: DateTime<Utc>,
    /// How many requests may be in flight.
    pub num_workers: usize,
    /// How far the next sync's cursor stays behind, for the search index's lag.
    pub lookback: TimeDelta,
    /// Whether values that Notion cuts at 25 entries are completed.
    pub complete_properties: bool,
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
            lookback,
            complete_properties,
            api_url,
            raw: _secret,
        } = self;
        formatter
            .debug_struct("Config")
            .field("credentials", credentials)
            .field("start_date", start_date)
            .field("num_workers", num_workers)
            .field("lookback", lookback)
            .field("complete_properties", complete_properties)
            .field("api_url", &api_url.as_str())
            .finish_non_exhaustive()
    }
}

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

/// Why a config cannot be used: what is wrong, where, what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The text is not JSON. The parser's words are left out but for the place: they could quote a secret.
    #[error("the config is not JSON (line {line}, column {column}); check the file")]
    NotJson {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// The JSON is something else than an object.
    #[error("the config is not a JSON object; it must look like {{\"credentials\": {{…}}}}")]
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
    #[error("\"{0}\" has spaces, line breaks or other characters that no Notion token has; copy it again")]
    MalformedToken(&'static str),
    /// The start date lies ahead.
    #[error("\"start_date\" lies in the future, so nothing would be read; choose a date in the past")]
    FutureStartDate,
    /// The API's URL is not one that may get the token.
    #[error("\"api_url\" is not allowed: {0}")]
    ApiUrl(&'static str),
}

impl Config {
    /// Parses and checks a config file's text.
    ///
    /// On a platform's cloud (`is_cloud`) the API's URL may name no private address.
    pub fn parse(text: &str, now: DateTime<Utc>, is_cloud: bool) -> Result<Self, ConfigError> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| ConfigError::NotJson { line: error.line(), column: error.column() })?;
        let Value::Object(raw) = value else { return Err(ConfigError::NotAnObject) };
        let whole =
            |field, default, bounds: std::ops::RangeInclusive<u64>, expected| match present(&raw, field) {
                None => Ok(default),
                Some(value) => value
                    .as_u64()
                    .filter(|number| bounds.contains(number))
                    .ok_or(ConfigError::Invalid { field, expected }),
            };
        let num_workers =
            whole("num_workers", DEFAULT_WORKERS, 1..=MAX_WORKERS, "a whole number from 1 to 25")?;
        let lookback = whole(
            "lookback_minutes",
            DEFAULT_LOOKBACK_MINUTES,
            0..=MAX_LOOKBACK_MINUTES,
            "a whole number of minutes from 0 to 10080",
        )?;
        let complete_properties = match present(&raw, "complete_properties") {
            None => true,
            Some(Value::Bool(complete)) => *complete,
            Some(_) => {
                return Err(ConfigError::Invalid { field: "complete_properties", expected: "true or false" });
            }
        };
        Ok(Self {
            credentials: credentials(&raw)?,
            start_date: start_date(&raw, now)?,
            num_workers: usize::try_from(num_workers).expect("it is at most 25"),
            lookback: TimeDelta::minutes(i64::try_from(lookback).expect("it is at most a week")),
            complete_properties,
            api_url: api_url(&raw, is_cloud)?,
            raw,
        })
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

/// A field's value; null counts as absent.
fn present<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

fn text<'a>(
    object: &'a Map<String, Value>,
    name: &str,
    field: &'static str,
) -> Result<Option<&'a str>, ConfigError> {
    match present(object, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
        Some(_) => Err(ConfigError::Invalid { field, expected: "a text" }),
    }
}

fn credentials(config: &Map<String, Value>) -> Result<Credentials, ConfigError> {
    let Some(value) = present(config, "credentials") else {
        // The form of the connector's first versions.
        let token = text(config, "access_token", "access_token")?.ok_or(ConfigError::NoCredentials)?;
        return Ok(Credentials { access_token: secret(token, "access_token")?, oauth: None });
    };
    let Value::Object(object) = value else {
        return Err(ConfigError::Invalid { field: "credentials", expected: "an object with \"auth_type\"" });
    };
    let required =
        |name, field| text(object, name, field)?.ok_or(ConfigError::Missing(field)).map(str::to_owned);
    match text(object, "auth_type", "credentials.auth_type")? {
        Some("token") => {
            const FIELD: &str = "credentials.token";
            Ok(Credentials { access_token: secret(&required("token", FIELD)?, FIELD)?, oauth: None })
        }
        Some("OAuth2.0") => {
            const FIELD: &str = "credentials.access_token";
            let access_token = secret(&required("access_token", FIELD)?, FIELD)?;
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

fn secret(token: &str, field: &'static str) -> Result<SecretString, ConfigError> {
    if token.chars().all(|character| character.is_ascii_graphic()) {
        Ok(SecretString::from(token))
    } else {
        Err(ConfigError::MalformedToken(field))
    }
}

fn start_date(config: &Map<String, Value>, now: DateTime<Utc>) -> Result<DateTime<Utc>, ConfigError> {
    const FIELD: &str = "start_date";
    let Some(text) = text(config, FIELD, FIELD)? else {
        return Ok(now - TimeDelta::days(DEFAULT_START_DAYS_AGO));
    };
    let date = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    let start = DateTime::parse_from_rfc3339(text)
        .map(|start| start.to_utc())
        .ok()
        .or_else(|| date().map(|start| start.and_utc()))
        .ok_or(ConfigError::Invalid {
            field: FIELD,
            expected: "a UTC time such as 2024-01-31T00:00:00.000Z",
        })?;
    if start > now { Err(ConfigError::FutureStartDate) } else { Ok(start) }
}

fn api_url(config: &Map<String, Value>, is_cloud: bool) -> Result<Url, ConfigError> {
    let url = text(config, "api_url", "api_url")?.unwrap_or(DEFAULT_API_URL);
    let url = Url::parse(url).map_err(|_parse| {
        ConfigError::ApiUrl("it is not a URL; leave it out, or give one such as https://api.notion.com")
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ConfigError::ApiUrl("it must not hold a user name or password; take them out"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(ConfigError::ApiUrl(
            "it must be a scheme and a host only, such as https://api.notion.com",
        ));
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let address: Option<IpAddr> = host.parse().ok();
    // A name with a dot at its end is the same one.
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_local_name = name == "localhost" || name.ends_with(".localhost");
    let is_loopback = name == "localhost" || address.is_some_and(|address| address.is_loopback());
    match url.scheme() {
        "https" if is_cloud && (is_local_name || address.is_some_and(is_private)) => {
            Err(ConfigError::ApiUrl("it names a private address; leave it out"))
        }
        "https" => Ok(url),
        "http" if is_cloud => Err(ConfigError::ApiUrl("only https is allowed here; leave it out")),
        "http" if is_loopback => Ok(url),
        "http" => Err(ConfigError::ApiUrl("plain http would send the token in clear; use https")),
        _ => Err(ConfigError::ApiUrl("it must begin with https://")),
    }
}

/// Whether an address is not one of the public internet
/// (<https://www.iana.org/assignments/iana-ipv4-special-registry>, and the same for IPv6).
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let is_special =
                matches!(v4.octets(), [0 | 127 | 224.., ..] | [100, 64..=127, ..] | [198, 18 | 19, ..]);
            is_special || v4.is_private() || v4.is_link_local() || v4.octets().starts_with(&[192, 0, 0])
        }
        IpAddr::V6(v6) => match v6.segments() {
            // Unspecified, loopback, and IPv4 addresses in two notations.
            [0, ..] => v6.to_ipv4().is_none_or(|v4| is_private(v4.into())),
            // IPv4 addresses behind a translator.
            [0x64, 0xff9b, 0, .., seventh, eighth] => {
                let [[a, b], [c, d]] = [seventh, eighth].map(u16::to_be_bytes);
                is_private(IpAddr::from([a, b, c, d]))
            }
            // Behind a translator of one network; unique local; link-local, site-local and multicast.
            [first, second, ..] => {
                (first, second) == (0x64, 0xff9b) || matches!(first, 0xfc00..=0xfdff | 0xfe80..)
            }
        },
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
        assert_eq!(config.lookback, TimeDelta::minutes(10));
        assert!(config.complete_properties);
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
            (with("lookback_minutes", json!(-1)), "\"lookback_minutes\" must be"),
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
    fn broken_json_is_located_and_not_quoted() {
        let error = Config::parse("{\"credentials\": {\"token\": \"ntn_s\n\"}}", now(), false).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("line 2") && !message.contains("ntn"), "{message}");
    }

    #[test]
    fn a_cloud_refuses_private_addresses_and_http() {
        let refused = "http://127.0.0.1:1 http://example.com https://localhost https://LOCALHOST.:8443 \
            https://api.localhost. https://127.1 https://2130706433 https://0x7f.0.0.1. \
            https://0.0.0.0 https://0.1.2.3 https://10.0.0.1 https://100.64.0.1 \
            https://100.127.255.255 https://169.254.169.254 https://172.16.0.1 https://172.31.255.255 \
            https://192.0.0.8 https://192.168.1.1 https://198.18.0.1 https://224.0.0.1 \
            https://240.0.0.1 https://255.255.255.255 https://[::] https://[::1] \
            https://[::ffff:10.0.0.1] https://[::ffff:7f00:1] https://[::127.0.0.1] \
            https://[64:ff9b::a00:1] https://[64:ff9b:1::808:808] https://[fc00::1] https://[fd00::1] https://[fdff::1] \
            https://[fe80::1] https://[febf::1] https://[fec0::1] https://[ff02::1]";
        let is_accepted = |url| Config::parse(&with("api_url", json!(url)).to_string(), now(), true).is_ok();
        for url in refused.split(' ') {
            assert!(!is_accepted(url), "{url}");
        }
        let public = "https://api.notion.com https://localhost.example.com https://notlocalhost https://8.8.8.8 \
            https://100.63.255.255 https://100.128.0.1 https://172.32.0.1 https://192.0.1.1 \
            https://[2606:4700::1] https://[::ffff:8.8.8.8] https://[64:ff9b::808:808]";
        for url in public.split(' ') {
            assert!(is_accepted(url), "{url}");
        }
    }

    #[test]
    fn plain_http_goes_to_loopback_only() {
        let refused =
            ["http://api.localhost", "http://[::ffff:127.0.0.1]", "http://0.0.0.0", "http://10.0.0.1"];
        for url in refused {
            assert!(parse(&with("api_url", json!(url))).is_err(), "{url}");
        }
        let accepted = ["http://127.0.0.1:1", "http://localhost:1", "http://localhost.", "http://[::1]:1"];
        for url in accepted.into_iter().chain(["https://10.0.0.1", "https://localhost"]) {
            assert!(parse(&with("api_url", json!(url))).is_ok(), "{url}");
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
