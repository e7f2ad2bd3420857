//! Pages, rows of data sources among them (<https://developers.notion.com/reference/page>).

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Capability, Context, Cursor, Schema, Source, SourceStream, StateFormat, StreamSpec};
use crate::{
    record::{RawObject, named_values, plain_text},
    workspace::ObjectKind,
};

/// The stream of pages.
#[derive(Debug)]
pub(super) struct Pages(StreamSpec);

impl Pages {
    pub(super) fn new() -> Self {
        Self(StreamSpec {
            name: "pages".into(),
            schema: Schema::new(
                include_str!("../../schemas/pages.json"),
                include_str!("../../schemas/fields/pages.json"),
            ),
            primary_key: "id".into(),
            cursor: Some(Cursor { field: "last_edited_time".into(), format: StateFormat::Flat }),
            capability: Capability::ReadContent,
        })
    }
}

impl SourceStream for Pages {
    fn spec(&self) -> &StreamSpec {
        &self.0
    }

    fn source(&self) -> Source {
        Source::Objects(ObjectKind::Page)
    }

    /// Adds `title`, and `properties` becomes an array, also where there are none.
    fn transform(&self, page: &mut RawObject<'_>, _context: &Context<'_>) {
        let (mut title, mut values) = (None, None);
        if let Some(properties) = page.object("properties") {
            title = properties.fields().find_map(|(_name, value)| title_of(value));
            values = Some(named_values(&properties));
        }
        if let Some(values) = values.or_else(|| page.get("properties").is_none().then(|| "[]".to_owned())) {
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
        Pages::new().transform(&mut page, &Context::default());
        assert_eq!(
            page.to_json(),
            r#"{"id":"p","properties":[{"name":"A","value":{"type":"number","number":1}},{"name":"N","value":{"type":"title","title":[{"plain_text":"T"}]}}],"title":"T"}"#
        );
    }

    #[test]
    fn a_partial_page_passes() {
        let mut page = RawObject::parse(r#"{"object":"page","id":"p"}"#).unwrap();
        Pages::new().transform(&mut page, &Context::default());
        assert_eq!(page.to_json(), r#"{"object":"page","id":"p","properties":[],"title":null}"#);
    }
}
