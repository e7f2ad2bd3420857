//! Keys that no part of the config is read from.

use serde_json::{Map, Value};

use crate::nearest::nearest;

const KEYS: [&str; 8] = [
    "access_token",
    "api_url",
    "comments_every_hours",
    "complete_properties",
    "credentials",
    "num_workers",
    "report_deletions",
    "start_date",
];

const CREDENTIALS: [&str; 6] =
    ["access_token", "auth_type", "client_id", "client_secret", "refresh_token", "token"];

/// A sentence about each key that is not known, so that a slip of the pen is no silent default.
pub(super) fn about_unknown_keys(config: &Map<String, Value>) -> Vec<String> {
    let about = |key: &String, prefix: &str, known: &[&str]| {
        // Platforms put keys of their own beside the user's: `_limit`, `_page_size`, `__injected_declarative_manifest`.
        if known.contains(&key.as_str()) || key.starts_with('_') {
            return None;
        }
        let advice = nearest(key, known).map_or_else(
            || "It is ignored.".to_owned(),
            |near| format!("It is ignored; did you mean \"{prefix}{near}\"?"),
        );
        Some(match shown(key) {
            Some(key) => format!("The config has an unknown key \"{prefix}{key}\". {advice}"),
            None => format!("The config has an unknown key. {advice}"),
        })
    };
    let top = config.keys().filter_map(|key| about(key, "", &KEYS));
    let credentials = config.get("credentials").and_then(Value::as_object);
    let inner = credentials.into_iter().flat_map(Map::keys);
    top.chain(inner.filter_map(|key| about(key, "credentials.", &CREDENTIALS))).collect()
}

/// The key, unless it could be a secret that was put in the wrong place.
fn shown(key: &str) -> Option<&str> {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    (key.len() <= 40 && key.bytes().all(is_name)).then_some(key)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn about(config: &Value) -> Vec<String> {
        about_unknown_keys(config.as_object().unwrap())
    }

    #[test]
    fn an_unknown_key_is_named_with_the_nearest_known_one() {
        let config = json!({"start_dat": 1, "lookback_minutes": 10, "foo": 1,
            "credentials": {"auth_type": "token", "tokn": "x"}});
        assert_eq!(
            about(&config),
            [
                "The config has an unknown key \"start_dat\". It is ignored; did you mean \"start_date\"?",
                "The config has an unknown key \"lookback_minutes\". It is ignored.",
                "The config has an unknown key \"foo\". It is ignored.",
                "The config has an unknown key \"credentials.tokn\". It is ignored; did you mean \"credentials.token\"?",
            ]
        );
    }

    #[test]
    fn a_key_that_may_be_a_secret_is_not_quoted() {
        assert_eq!(about(&json!({"ntn_42": 1})), ["The config has an unknown key. It is ignored."]);
    }

    #[test]
    fn keys_of_platforms_are_nothing_to_talk_about() {
        let config = json!({"_limit": 1, "_page_size": 1, "__injected_declarative_manifest": {}});
        assert_eq!(about(&config), Vec::<String>::new());
    }
}
