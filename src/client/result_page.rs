//! One answer of a listing.

use std::{borrow::Cow, fmt};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{ApiError, notion::not_json};
use crate::record::{ObjectPlaces, OpenedArray, RawObject};

/// One answer of a listing; the results stay as they came. Its `Debug` shows none of them.
pub struct ResultPage {
    body: String,
    results: ObjectPlaces,
    has_more: bool,
    pub(super) next_cursor: Option<String>,
    /// A lower bound of the time by Notion's clock at which the page was asked for.
    pub asked_at: DateTime<Utc>,
    /// Whether Notion cut the listing at its limit of results (`request_status`).
    pub is_incomplete: bool,
}

impl fmt::Debug for ResultPage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { body: _records, results, has_more, next_cursor: _, asked_at, is_incomplete } = self;
        formatter
            .debug_struct("ResultPage")
            .field("results", &results.len())
            .field("has_more", has_more)
            .field("asked_at", asked_at)
            .field("is_incomplete", is_incomplete)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    results: OpenedArray,
    has_more: bool,
    #[serde(default)]
    next_cursor: Option<Cow<'a, str>>,
    #[serde(default)]
    request_status: Option<RequestStatus>,
}

#[derive(Deserialize)]
struct RequestStatus {
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

impl ResultPage {
    /// Reads an answer; who asked for it sets the time.
    pub(super) fn parse(body: String) -> Result<Self, ApiError> {
        let envelope: Envelope<'_> = serde_json::from_str(&body)
            .map_err(|error| other_object(&body).unwrap_or_else(|| not_json(&error)))?;
        let results = envelope.results.in_text(&body);
        let has_more = envelope.has_more;
        let next_cursor = envelope.next_cursor.map(Cow::into_owned);
        let is_incomplete =
            envelope.request_status.is_some_and(|status| status.kind.as_deref() == Some("incomplete"));
        let asked_at = DateTime::UNIX_EPOCH;
        Ok(Self { body, results, has_more, next_cursor, asked_at, is_incomplete })
    }

    /// The results, opened; none for one that is not an object.
    pub fn results(&self) -> impl Iterator<Item = Option<RawObject<'_>>> {
        self.results.open(&self.body)
    }

    /// How many results there are.
    pub fn len(&self) -> usize {
        self.results.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About how many bytes its records take, each with what is put around it.
    pub fn record_room(&self) -> usize {
        const AROUND: usize = 320;
        self.body.len() + self.results.len() * AROUND
    }

    /// Whether another page follows.
    pub fn has_more(&self) -> bool {
        self.has_more
    }
}

/// What a body is that is one whole object of Notion's and no list.
fn other_object(body: &str) -> Option<ApiError> {
    let object = RawObject::parse(body)?;
    let kind = object.text("object").filter(|kind| kind != "list")?;
    Some(ApiError::OtherObject { kind: kind.into_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn results_leave_as_they_came() {
        let body = r#"{"object":"list","results":[{"a" : "\ud800"},{"b":1.50}],"has_more":false}"#;
        let page = ResultPage::parse(body.to_owned()).unwrap();
        let results: Vec<String> = page.results().map(|result| result.unwrap().to_json()).collect();
        assert_eq!(results, [r#"{"a" : "\ud800"}"#, r#"{"b":1.50}"#]);
        assert!(!page.has_more() && !page.is_incomplete);
        assert_eq!(
            format!("{page:?}"),
            "ResultPage { results: 2, has_more: false, asked_at: 1970-01-01T00:00:00Z, is_incomplete: false, .. }"
        );
    }

    #[test]
    fn an_answer_without_results_or_has_more_is_no_result_page() {
        for body in
            [r#"{"has_more":false}"#, r#"{"results":[]}"#, r#"{"results":null,"has_more":false}"#, "[]"]
        {
            let error = ResultPage::parse(body.to_owned()).unwrap_err();
            assert!(matches!(error, ApiError::UnknownShape { .. }), "{body}: {error:?}");
        }
        for body in [r#"{"results":[],"has_mo"#, "<html>", ""] {
            let error = ResultPage::parse(body.to_owned()).unwrap_err();
            assert!(matches!(error, ApiError::NotJson { .. }), "{body}: {error:?}");
        }
    }

    #[test]
    fn one_object_in_place_of_a_list_is_told_from_a_broken_answer() {
        let error =
            ResultPage::parse(r#"{"object":"property_item","type":"people"}"#.to_owned()).unwrap_err();
        assert!(matches!(&error, ApiError::OtherObject { kind } if kind == "property_item"), "{error:?}");
    }

    #[test]
    fn what_a_shape_error_says_quotes_no_value() {
        let error =
            ResultPage::parse(r#"{"results":"a secret, expected nothing","has_more":false}"#.to_owned());
        let words = error.unwrap_err().to_string();
        assert!(words.contains("expected a sequence") && !words.contains("secret"), "{words}");
    }

    #[test]
    fn recorded_envelopes_are_result_pages() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/recordings/objects/list_envelopes.jsonl");
        let Ok(recorded) = std::fs::read_to_string(path) else { return };
        for line in recorded.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let envelope = &line["object"];
            let page = ResultPage::parse(envelope.to_string()).unwrap();
            assert_eq!(Some(page.has_more()), envelope["has_more"].as_bool(), "{line}");
            assert_eq!(page.next_cursor.as_deref(), envelope["next_cursor"].as_str(), "{line}");
        }
    }
}
