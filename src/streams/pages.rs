//! Pages, rows of data sources among them (<https://developers.notion.com/reference/page>).

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    ObjectKind, RawObject, Schema, Source, SourceStream, StreamSpec,
    record::{named_values, plain_text},
};
use crate::engine::StateForm;

/// The stream of pages.
pub(super) struct Pages;

static SPEC: StreamSpec = StreamSpec {
    name: "pages",
    schema: Schema::new(
        include_str!("../../schemas/pages.json"),
        include_str!("../../schemas/fields/pages.json"),
    ),
    primary_key: "id",
    cursor_field: Some("last_edited_time"),
    state_form: StateForm::Single,
    capability: "Read content",
};

impl SourceStream for Pages {
    fn spec(&self) -> &'static StreamSpec {
        &SPEC
    }

    fn source(&self) -> Source {
        Source::Enumeration(ObjectKind::Page)
    }

    /// Adds `title`, and `properties` becomes an array.
    fn transform(&self, page: &mut RawObject<'_>) {
        let (mut title, mut values) = (None, None);
        if let Some(properties) = page.object("properties") {
            title = properties.fields().find_map(|(_name, value)| title_of(value));
            values = Some(named_values(&properties));
        }
        if let Some(values) = values {
            page.set("properties", values);
        }
        page.set_or_null("title", title);
    }
}

#[derive(Deserialize)]
struct TitleValue<'a> {
    #[serde(borrow, default)]
    title: Option<&'a RawValue>,
}

/// The JSON of the plain text of a property, if it is the title: the only type with the key `title`.
fn title_of(value: &str) -> Option<String> {
    // Few values are it, and only those are looked at any closer.
    if !value.contains("\"title\"") {
        return None;
    }
    let value: TitleValue<'_> = serde_json::from_str(value).ok()?;
    plain_text(value.title?.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_gets_its_title_and_its_properties_as_an_array() {
        let mut page = RawObject::parse(
            r#"{"id":"p","properties":{"A":{"type":"number","number":1},"N":{"type":"title","title":[{"plain_text":"T"}]}}}"#,
        )
        .unwrap();
        Pages.transform(&mut page);
        assert_eq!(
            page.to_json(),
            r#"{"id":"p","properties":[{"name":"A","value":{"type":"number","number":1}},{"name":"N","value":{"type":"title","title":[{"plain_text":"T"}]}}],"title":"T"}"#
        );
    }

    #[test]
    fn a_partial_page_passes() {
        let mut page = RawObject::parse(r#"{"object":"page","id":"p"}"#).unwrap();
        Pages.transform(&mut page);
        assert_eq!(page.to_json(), r#"{"object":"page","id":"p","title":null}"#);
    }
}
