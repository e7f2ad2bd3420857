//! From text to a JSON object, with words that help whoever wrote it by hand.

use serde_json::{Map, Value, error::Category};

use super::ConfigError;

/// Parses the text; what Windows' editors put before it is no part of it.
pub(super) fn parse(text: &str) -> Result<Map<String, Value>, ConfigError> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        return Err(ConfigError::Empty);
    }
    let value = serde_json::from_str(text).map_err(|error| {
        let reason = match error.classify() {
            // The parser's words about these have no word of the text in them.
            Category::Syntax | Category::Eof => error.to_string(),
            Category::Data | Category::Io => {
                format!("line {}, column {}", error.line(), error.column())
            }
        };
        ConfigError::NotJson(reason + guess(text))
    })?;
    let Value::Object(object) = value else { return Err(ConfigError::NotAnObject) };
    Ok(object)
}

/// What a text may be that is no JSON.
fn guess(text: &str) -> &'static str {
    let text = text.trim();
    let mut lines = text.lines().map(str::trim);
    let is_yaml_line = |line: &str| {
        let key = line.split_once(':').map(|(key, _value)| key.trim_start_matches("- "));
        key.is_some_and(|key| {
            !key.is_empty() && key.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
        })
    };
    if text.contains('\0') {
        "; it seems to be UTF-16: save it as UTF-8"
    } else if lines
        .clone()
        .any(|line| line.starts_with("//") || line.starts_with('#') && text.starts_with('{'))
    {
        "; JSON has no comments: take them out"
    } else if text.starts_with('{') {
        if text.contains('\'') && !text.contains('"') { "; JSON wants double quotes" } else { "" }
    } else if lines
        .find(|line| !line.is_empty() && !line.starts_with('#') && *line != "---")
        .is_some_and(is_yaml_line)
    {
        "; it looks like YAML: write it as JSON, such as {\"credentials\": {\"auth_type\": \"token\", \"token\": \"…\"}}"
    } else if text.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric()) {
        "; if it is the token alone, give it in NOTION_TOKEN, or write {\"credentials\": {\"auth_type\": \"token\", \"token\": \"…\"}}"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_json_is_told_with_the_reason_and_without_a_word_of_it() {
        let cases = [
            (
                "{\"credentials\": {\"token\": \"ntn_s\",\n}}",
                "it is not JSON: trailing comma at line 2 column 1",
            ),
            (
                "{\"credentials\": {\"token\": \"ntn_s\n\"}}",
                "control character (\\u0000-\\u001F) found while parsing a string at line 2 column 0",
            ),
            ("{'token': 'ntn_s'}", "key must be a string at line 1 column 2; JSON wants double quotes"),
            ("{\"token\": \"ntn_s\"} ntn_s", "trailing characters at line 1 column 20"),
            ("{\n// my token\n\"token\": \"ntn_s\"}", "JSON has no comments"),
            ("# notion\ncredentials:\n  token: ntn_s", "it looks like YAML"),
            ("---\nstart_date: ntn_s", "it looks like YAML"),
            ("ntn_s", "if it is the token alone"),
            ("{\0\"\0", "save it as UTF-8"),
            ("[\"ntn_s\"]", "it is not a JSON object"),
            (" \n", "it is empty"),
            ("\u{feff}", "it is empty"),
        ];
        for (text, expected) in cases {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(expected) && !message.contains("ntn_s"), "{text}: {message}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_accepted() {
        assert!(parse("\u{feff}{\"a\": 1}").is_ok());
    }
}
