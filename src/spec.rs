//! The answer of `spec`: the config's form as a JSON Schema, and how platforms get OAuth credentials.
//!
//! A test of [`crate::config`] holds both together: every field here is read there.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Value, json};

use crate::protocol::ConnectorSpecification;

/// The config's form, from which the spec's schema is made.
#[derive(JsonSchema)]
#[schemars(title = "Notion Source Spec", description = "Which Notion workspace to read, and how.")]
#[expect(dead_code, reason = "only its schema is used: parsing by hand keeps secrets out of messages")]
struct ConfigForm {
    /// Authenticate with OAuth2.0 or with the access token of an internal integration.
    #[schemars(title = "Authentication method", with = "CredentialsForm", extend("order" = 0))]
    #[serde(default)]
    credentials: Option<CredentialsForm>,
    /// Only what was edited at or after this time is read, in UTC: `YYYY-MM-DDTHH:mm:ss.SSSZ`. Left empty, it is
    /// two years before the sync.
    #[schemars(title = "Start date", with = "String", extend("order" = 1, "format" = "date-time",
        "examples" = ["2020-11-16T00:00:00.000Z"],
        "pattern" = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$",
        "pattern_descriptor" = "YYYY-MM-DDTHH:MM:SS.000Z"))]
    #[serde(default)]
    start_date: Option<String>,
    /// How many requests may be in flight at a time.
    #[schemars(title = "Number of concurrent workers", with = "u64",
        extend("order" = 2, "default" = 8, "minimum" = 1, "maximum" = 25))]
    #[serde(default)]
    num_workers: u64,
    /// Complete the property values that Notion cuts at 25 entries (relations, people, mentions), at the cost of
    /// at least one request each.
    #[schemars(title = "Complete long property values", with = "bool", extend("order" = 3, "default" = true))]
    #[serde(default)]
    complete_properties: bool,
    /// How many hours the comments of a page may rest before they are asked for again. Pages that were edited, or had
    /// comments last time, are asked in every sync. 0 asks every page in every sync, at one request each.
    #[schemars(title = "Hours between looks for comments", with = "u64",
        extend("order" = 4, "default" = 0, "minimum" = 0, "maximum" = 8760))]
    #[serde(default)]
    comments_every_hours: u64,
    /// Tell what is gone from the workspace: a record with `_ab_cdc_deleted_at` for each page and data source that was
    /// deleted or is no longer shared.
    #[schemars(title = "Report deletions", with = "bool", extend("order" = 5, "default" = true))]
    #[serde(default)]
    report_deletions: bool,
    /// The base URL of the API. For tests.
    #[schemars(title = "API URL", with = "String",
        extend("order" = 6, "airbyte_hidden" = true, "default" = "https://api.notion.com"))]
    #[serde(default)]
    api_url: String,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
#[serde(tag = "auth_type")]
#[schemars(extend("type" = "object"))]
enum CredentialsForm {
    #[serde(rename = "OAuth2.0")]
    #[schemars(title = "OAuth2.0")]
    OAuth {
        /// The client id of your public Notion integration.
        #[schemars(title = "Client ID", extend("order" = 1, "airbyte_secret" = true))]
        client_id: String,
        /// The client secret of your public Notion integration.
        #[schemars(title = "Client secret", extend("order" = 2, "airbyte_secret" = true))]
        client_secret: String,
        /// The access token that the authorisation gave.
        #[schemars(title = "Access token", extend("order" = 3, "airbyte_secret" = true))]
        access_token: String,
        /// The refresh token that the authorisation gave, if it did. With it an expired access token is renewed.
        #[schemars(title = "Refresh token", with = "String", extend("order" = 4, "airbyte_secret" = true))]
        #[serde(default)]
        refresh_token: Option<String>,
    },
    #[serde(rename = "token")]
    #[schemars(title = "Access Token")]
    Token {
        /// The secret of your internal Notion integration, from its Secrets tab.
        #[schemars(title = "Access token", extend("order" = 1, "airbyte_secret" = true))]
        token: String,
    },
}

/// Returns the answer of `spec`.
pub fn specification() -> ConnectorSpecification {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<ConfigForm>().to_value();
    tidy(&mut schema);
    ConnectorSpecification {
        documentation_url: "https://github.com/calabi/source-notion/blob/main/docs/notion.md".to_owned(),
        connection_specification: schema,
        advanced_auth: advanced_auth(),
        protocol_version: "0.18.0".to_owned(),
    }
}

/// Takes out what platforms do not know (the widths of integers, null as a default) and Rust's line breaks.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.get("format").and_then(Value::as_str) == Some("uint64") {
                object.remove("format");
            }
            if object.get("default").is_some_and(Value::is_null) {
                object.remove("default");
            }
            if let Some(Value::String(description)) = object.get_mut("description") {
                *description = description.replace('\n', " ");
            }
            object.values_mut().for_each(tidy);
        }
        Value::Array(values) => values.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// How platforms get OAuth credentials: the legacy form that names where values go, and the declarative form
/// with Notion's URLs (<https://developers.notion.com/guides/get-started/authorization>).
fn advanced_auth() -> Value {
    let path = |field: &str| json!({"type": "string", "path_in_connector_config": ["credentials", field]});
    json!({
        "auth_flow_type": "oauth2.0",
        "predicate_key": ["credentials", "auth_type"],
        "predicate_value": "OAuth2.0",
        "oauth_config_specification": {
            "complete_oauth_output_specification": {
                "type": "object", "properties": {"access_token": path("access_token")}},
            "complete_oauth_server_input_specification": {
                "type": "object",
                "properties": {"client_id": {"type": "string"}, "client_secret": {"type": "string"}}},
            "complete_oauth_server_output_specification": {
                "type": "object",
                "properties": {"client_id": path("client_id"), "client_secret": path("client_secret")}},
            "oauth_connector_input_specification": {
                "consent_url": "https://api.notion.com/v1/oauth/authorize?{{ client_id_param }}&response_type=code\
                    &owner=user&{{ redirect_uri_param }}&{{ state_param }}",
                "access_token_url": "https://api.notion.com/v1/oauth/token",
                "access_token_headers": {
                    "Content-Type": "application/json",
                    "Authorization":
                        "Basic {{ {{ client_id_value }}:{{ client_secret_value }} | base64Encoder }}"},
                "access_token_params": {
                    "grant_type": "authorization_code",
                    "code": "{{ auth_code_value }}",
                    "redirect_uri": "{{ redirect_uri_value }}"},
                "extract_output": ["access_token"]},
        },
    })
}
