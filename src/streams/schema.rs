//! The schema of a stream's records.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use serde::de::{DeserializeSeed, MapAccess, SeqAccess};

use crate::record::{AnyKind, AnyKindVisitor};

/// The JSON Schema of a stream's records.
#[derive(Clone, Debug)]
pub struct Schema {
    text: Cow<'static, str>,
    fields: Cow<'static, str>,
    /// What it declares, read when the first record is looked at, and once.
    shape: Arc<OnceLock<Shape>>,
}

impl Schema {
    /// The schema with this text, and the names of its fields (`schemas/fields/`): the text is too long to be read at
    /// each start.
    pub fn new(text: impl Into<Cow<'static, str>>, fields: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), fields: fields.into(), shape: Arc::default() }
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn shape(&self) -> &Shape {
        self.shape.get_or_init(|| {
            let shape = AnyKind(ReadShape).deserialize(&mut serde_json::Deserializer::from_str(&self.fields));
            shape.expect("they are JSON, as a test shows").unwrap_or_default()
        })
    }
}

/// The fields that a schema declares, by name; none for values that may hold anything.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) properties: BTreeMap<String, Self>,
    pub(super) items: Option<Box<Self>>,
}

impl Shape {
    /// Whether a value may hold anything.
    pub(super) fn is_open(&self) -> bool {
        self.properties.is_empty() && self.items.is_none()
    }
}

/// Reads a shape: an object of fields, an array with what its items are, or anything else for a value of any kind.
struct ReadShape;

impl<'de> AnyKindVisitor<'de> for ReadShape {
    type Value = Shape;

    fn object<M: MapAccess<'de>>(self, mut map: M) -> Result<Option<Shape>, M::Error> {
        let mut properties = BTreeMap::new();
        while let Some(name) = map.next_key()? {
            properties.insert(name, map.next_value_seed(AnyKind(Self))?.unwrap_or_default());
        }
        Ok(Some(Shape { properties, items: None }))
    }

    fn array<S: SeqAccess<'de>>(self, mut items: S) -> Result<Option<Shape>, S::Error> {
        let mut shape = Shape::default();
        while let Some(item) = items.next_element_seed(AnyKind(Self))? {
            shape.items = item.map(Box::new);
        }
        Ok(Some(shape))
    }
}
