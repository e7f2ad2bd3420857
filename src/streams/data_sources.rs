//! Data sources: the tables of pages (<https://developers.notion.com/reference/data-source>).

use super::{Capability, Context, Cursor, Schema, Source, SourceStream, StateFormat, StreamSpec};
use crate::{
    record::{RawObject, named_values, plain_text},
    workspace::ObjectKind,
};

/// The stream of data sources.
#[derive(Debug)]
pub(super) struct DataSources(StreamSpec);

impl DataSources {
    pub(super) fn new() -> Self {
        Self(StreamSpec {
            name: "data_sources".into(),
            schema: Schema::new(
                include_str!("../../schemas/data_sources.json"),
                include_str!("../../schemas/fields/data_sources.json"),
            ),
            primary_key: "id".into(),
            cursor: Some(Cursor { field: "last_edited_time".into(), format: StateFormat::Flat }),
            capability: Capability::ReadContent,
        })
    }
}

impl SourceStream for DataSources {
    fn spec(&self) -> &StreamSpec {
        &self.0
    }

    fn source(&self) -> Source {
        Source::Objects(ObjectKind::DataSource)
    }

    /// Adds `name`, and `properties` becomes an array.
    fn transform(&self, data_source: &mut RawObject<'_>, _context: &Context<'_>) {
        let name = data_source.get("title").and_then(plain_text);
        if let Some(properties) = data_source.object("properties").map(|properties| named_values(&properties))
        {
            data_source.set("properties", properties);
        }
        data_source.set_or_null("name", name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_source_gets_its_name_and_its_properties_as_an_array() {
        let mut object = RawObject::parse(
            r#"{"id":"d","title":[{"plain_text":"T"},{"plain_text":"wo"}],"properties":{"N":{"id":"title"}}}"#,
        )
        .unwrap();
        DataSources::new().transform(&mut object, &Context::default());
        assert_eq!(
            object.to_json(),
            r#"{"id":"d","title":[{"plain_text":"T"},{"plain_text":"wo"}],"properties":[{"name":"N","value":{"id":"title"}}],"name":"Two"}"#
        );
    }

    #[test]
    fn a_partial_data_source_passes() {
        let mut object = RawObject::parse(r#"{"id":"d","properties":null}"#).unwrap();
        DataSources::new().transform(&mut object, &Context::default());
        assert_eq!(object.to_json(), r#"{"id":"d","properties":null,"name":null}"#);
    }
}
