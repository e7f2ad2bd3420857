//! Completes property values that Notion cuts in page objects.
//!
//! Relations, people, and texts with many mentions come with at most 25 references
//! (<https://developers.notion.com/reference/retrieve-a-page>); the property endpoint gives all of them.

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    client::{ListError, ListRequest, NotionClient},
    record::{RawObject, decode_text},
};

/// Beyond this many references Notion cuts.
const LIMIT: usize = 25;

/// A property value that is, or may be, cut.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TruncatedValue {
    /// The property's name as a JSON text: the key in `properties`.
    key: String,
    /// The property's id, encoded as it goes into a path.
    property_id: String,
    /// The type, which is also the key of the value.
    kind: &'static str,
}

/// A page after its cut values were asked for.
#[derive(Debug)]
pub struct Completion {
    /// The page, with every value that could be completed.
    pub page: RawObject<'static>,
    /// The names of the properties that stay as they came, and why.
    pub incomplete: Vec<(String, Incomplete)>,
}

/// Why a value stays as it came.
#[derive(Debug)]
pub enum Incomplete {
    /// Its entries could not be listed.
    Failed(ListError),
    /// Fewer entries were listed than the page showed.
    Fewer,
}

#[derive(Deserialize)]
struct PropertyValue<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    title: Option<&'a RawValue>,
    #[serde(borrow, default)]
    rich_text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    people: Option<&'a RawValue>,
    #[serde(borrow, default)]
    relation: Option<&'a RawValue>,
    #[serde(borrow, default)]
    has_more: Option<&'a RawValue>,
    #[serde(borrow, default)]
    formula: Option<&'a RawValue>,
    #[serde(borrow, default)]
    rollup: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct TextItem<'a> {
    #[serde(borrow, default)]
    mention: Option<&'a RawValue>,
}

/// Returns the values of a page that are cut or may be.
pub fn truncated_values(page: &RawObject<'_>) -> Vec<TruncatedValue> {
    if !page.get("properties").is_some_and(may_be_cut) {
        return Vec::new();
    }
    let Some(properties) = page.object("properties") else { return Vec::new() };
    properties
        .fields()
        .filter_map(|(key, value)| {
            // Nearly every value is short, and is not looked at any closer.
            if value.len() < LIMIT * 8 && !value.contains("\"has_more\"") {
                return None;
            }
            let value: PropertyValue<'_> = serde_json::from_str(value).ok()?;
            let kind = truncated_kind(&value)?;
            let property_id = decode_text(value.id?.get())?.into_owned();
            Some(TruncatedValue { key: key.to_owned(), property_id, kind })
        })
        .collect()
}

/// Whether any of these properties may be cut, by a glance: each reference is an object, and a cut relation says so.
fn may_be_cut(properties: &str) -> bool {
    memchr::memchr_iter(b'{', properties.as_bytes()).count() > LIMIT
        || (properties.contains("\"has_more\"") && properties.contains("true"))
}

fn truncated_kind(value: &PropertyValue<'_>) -> Option<&'static str> {
    if value.relation.is_some() && value.has_more.is_some_and(|more| more.get() == "true") {
        Some("relation")
    } else if value.people.is_some_and(|people| element_count(people.get()) >= LIMIT) {
        Some("people")
    } else if value.rich_text.is_some_and(|text| mention_count(text.get()) >= LIMIT) {
        Some("rich_text")
    } else if value.title.is_some_and(|text| mention_count(text.get()) >= LIMIT) {
        Some("title")
    } else {
        None
    }
}

fn element_count(array: &str) -> usize {
    serde_json::from_str::<Vec<serde::de::IgnoredAny>>(array).map_or(0, |elements| elements.len())
}

fn mention_count(rich_text: &str) -> usize {
    let items: Vec<TextItem<'_>> = serde_json::from_str(rich_text).unwrap_or_default();
    items.iter().filter(|item| item.mention.is_some_and(|mention| mention.get() != "null")).count()
}

/// The names of the properties that Notion computes from relations; where a relation is cut, they may be wrong,
/// and nothing completes them.
pub fn computed_properties(page: &RawObject<'_>) -> Vec<String> {
    let Some(properties) = page.object("properties") else { return Vec::new() };
    let is_computed = |value: &str| {
        serde_json::from_str::<PropertyValue<'_>>(value)
            .is_ok_and(|value| value.formula.is_some() || value.rollup.is_some())
    };
    let names = properties.fields().filter(|(_key, value)| is_computed(value));
    names.filter_map(|(key, _value)| decode_text(key).map(std::borrow::Cow::into_owned)).collect()
}

impl TruncatedValue {
    /// Whether computed values of the same page may be wrong for it.
    pub fn is_relation(&self) -> bool {
        self.kind == "relation"
    }

    /// The property's name.
    pub fn name(&self) -> String {
        decode_text(&self.key).unwrap_or_default().into_owned()
    }
}

/// Asks for all entries of the cut values of a page.
///
/// A completion only adds: where the property endpoint lists fewer entries than the page showed, or entries of another kind,
/// or one object instead of a list, the page's value stays with its `has_more`.
pub async fn complete_page(
    client: &NotionClient,
    page_id: Uuid,
    mut page: RawObject<'static>,
    truncated: &[TruncatedValue],
) -> Completion {
    let mut incomplete = Vec::new();
    let Some(mut properties) = page.object("properties").map(RawObject::into_owned) else {
        return Completion { page, incomplete };
    };
    for value in truncated {
        let entries = match entries(client, page_id, value).await {
            Ok(entries) => entries,
            Err(error) => {
                incomplete.push((value.name(), Incomplete::Failed(error)));
                continue;
            }
        };
        let mut is_completed = false;
        properties.replace(&value.key, |old| {
            let completed = with_entries(old, value.kind, &entries);
            is_completed = completed.is_some();
            completed
        });
        if !is_completed {
            incomplete.push((value.name(), Incomplete::Fewer));
        }
    }
    page.set("properties", properties.to_json());
    Completion { page, incomplete }
}

/// Lists a property's entries (<https://developers.notion.com/reference/retrieve-a-page-property>).
async fn entries(
    client: &NotionClient,
    page_id: Uuid,
    value: &TruncatedValue,
) -> Result<Vec<String>, ListError> {
    let target = format!("/v1/pages/{page_id}/properties/{}", value.property_id);
    let mut listing = client.list(ListRequest::get(target));
    let mut entries = Vec::new();
    while let Some(page) = listing.next().await? {
        // Entries have no ids, and after a restart or a slow answer they come again.
        entries.truncate(listing.results_before_page());
        entries.extend(page.results().flatten().filter_map(|item| item.get(value.kind).map(str::to_owned)));
    }
    Ok(entries)
}

/// The value with these entries; none where they are fewer than it had.
fn with_entries(value: &str, kind: &'static str, entries: &[String]) -> Option<String> {
    let mut value = RawObject::parse(value)?;
    if entries.len() < element_count(value.get(kind)?) {
        return None;
    }
    value.set(kind, format!("[{}]", entries.join(",")));
    if value.get("has_more").is_some() {
        value.set("has_more", "false");
    }
    Some(value.to_json())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::quoted;

    fn page(values: &[(&str, String)]) -> String {
        let values: Vec<String> =
            values.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
        format!(r#"{{"id":"p","properties":{{{}}}}}"#, values.join(","))
    }

    fn people(count: usize) -> String {
        format!(r#"{{"id":"pe","people":[{}]}}"#, vec![r#"{"object":"user","id":"u"}"#; count].join(","))
    }

    fn text(mentions: usize) -> String {
        format!(
            r#"{{"id":"t","rich_text":[{}]}}"#,
            vec![r#"{"type":"mention","mention":{"type":"user"}}"#; mentions].join(",")
        )
    }

    #[test]
    fn only_values_that_may_be_cut_are_asked_for() {
        let text_of_page = page(&[
            ("cut", r#"{"id":"a%3D","relation":[{"id":"x"}],"has_more":true}"#.to_owned()),
            ("whole", r#"{"id":"b","relation":[],"has_more":false}"#.to_owned()),
            ("24", people(24)),
            ("25", people(25)),
            ("24 mentions", text(24)),
            ("25 mentions", text(25)),
        ]);
        let found = truncated_values(&RawObject::parse(&text_of_page).unwrap());
        let names: Vec<(String, &str)> = found.iter().map(|value| (value.name(), value.kind)).collect();
        let expected = [("cut", "relation"), ("25", "people"), ("25 mentions", "rich_text")];
        assert_eq!(names, expected.map(|(name, kind)| (name.to_owned(), kind)));
        assert_eq!(found[0].property_id, "a%3D");
    }

    #[test]
    fn a_cut_value_is_found_where_a_page_has_no_other() {
        let cut =
            |end: &str| r#"{"id":"a","type":"relation","relation":[{"id":"x"}],"has_more""#.to_owned() + end;
        for value in [people(25), text(25), cut(":true}"), cut(" : true }")] {
            let text_of_page = page(&[("only", value)]);
            assert_eq!(
                truncated_values(&RawObject::parse(&text_of_page).unwrap()).len(),
                1,
                "{text_of_page}"
            );
        }
    }

    #[test]
    fn computed_properties_are_named() {
        let text = page(&[
            ("F", r#"{"formula":{}}"#.to_owned()),
            ("R", r#"{"rollup":{}}"#.to_owned()),
            ("x", people(1)),
        ]);
        assert_eq!(computed_properties(&RawObject::parse(&text).unwrap()), ["F", "R"]);
    }

    #[test]
    fn a_completed_relation_says_that_there_is_no_more() {
        let value = r#"{"id":"a","type":"relation","relation":[],"has_more":true}"#;
        let entries = [r#"{"id":"1"}"#.to_owned(), r#"{"id":"2"}"#.to_owned()];
        assert_eq!(
            with_entries(value, "relation", &entries).unwrap(),
            r#"{"id":"a","type":"relation","relation":[{"id":"1"},{"id":"2"}],"has_more":false}"#
        );
    }
}
