//! Data sources: the tables of pages (<https://developers.notion.com/reference/data-source>).

use super::{
    ObjectKind, RawObject, Schema, Source, SourceStream, StreamSpec,
    record::{named_values, plain_text},
};
use crate::engine::StateForm;

/// The stream of data sources.
pub(super) struct DataSources;

static SPEC: StreamSpec = StreamSpec {
    name: "data_sources",
    schema: Schema::new(
        include_str!("../../schemas/data_sources.json"),
        include_str!("../../schemas/fields/data_sources.json"),
    ),
    primary_key: "id",
    cursor_field: Some("last_edited_time"),
    state_form: StateForm::Single,
    capability: "Read content",
};

impl SourceStream for DataSources {
    fn spec(&self) -> &'static StreamSpec {
        &SPEC
    }

    fn source(&self) -> Source {
        Source::Enumeration(ObjectKind::DataSource)
    }

    /// Adds `name`, and `properties` becomes an array.
    fn transform(&self, data_source: &mut RawObject<'_>) {
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
        DataSources.transform(&mut object);
        assert_eq!(
            object.to_json(),
            r#"{"id":"d","title":[{"plain_text":"T"},{"plain_text":"wo"}],"properties":[{"name":"N","value":{"id":"title"}}],"name":"Two"}"#
        );
    }

    #[test]
    fn a_partial_data_source_passes() {
        let mut object = RawObject::parse(r#"{"id":"d","properties":null}"#).unwrap();
        DataSources.transform(&mut object);
        assert_eq!(object.to_json(), r#"{"id":"d","properties":null,"name":null}"#);
    }
}
