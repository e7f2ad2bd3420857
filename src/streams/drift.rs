//! Finds what the API sends and the schema does not know, so that a change is seen the day it comes.
//!
//! Records are never changed or dropped for it. Only some are looked at: the first ones of a stream, and then one in
//! so many: that bounds the cost.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{
    Deserialize,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess},
};

use super::{Schema, schema::Shape};
use crate::record::{AnyKind, AnyKindVisitor};

/// So many records of a stream are all looked at.
const FIRST: u64 = 50;

/// After them, one in so many.
const ONE_IN: u64 = 100;

/// More unknown paths than this are not told apart.
const MAX_PATHS: usize = 100;

/// A field's name.
#[derive(Deserialize)]
struct Name<'r>(#[serde(borrow)] Cow<'r, str>);

/// Compares the records of one stream with its schema.
#[derive(Debug)]
pub struct SchemaDrift {
    schema: Schema,
    seen: u64,
    looked_at: u64,
    unknown: BTreeMap<String, u64>,
}

impl SchemaDrift {
    /// Compares with this schema.
    pub fn new(schema: &Schema) -> Self {
        Self { schema: schema.clone(), seen: 0, looked_at: 0, unknown: BTreeMap::new() }
    }

    /// Counts a record; says whether it is one to look at.
    pub fn is_due(&mut self) -> bool {
        self.seen += 1;
        self.seen <= FIRST || self.seen.is_multiple_of(ONE_IN)
    }

    /// Looks at the JSON of a record; returns the paths that were never met before.
    pub fn look_at(&mut self, record: &[u8]) -> Vec<String> {
        self.looked_at += 1;
        let mut found = Vec::new();
        let walk = Walk { shape: self.schema.shape(), path: &Path::Root, found: &mut found };
        // What cannot be read this way, such as a key with an unpaired surrogate, is no matter of the schema.
        if AnyKind(walk).deserialize(&mut serde_json::Deserializer::from_slice(record)).is_err() {
            return Vec::new();
        }
        found.sort_unstable();
        found.dedup();
        let mut new = Vec::new();
        for path in found {
            if let Some(count) = self.unknown.get_mut(&path) {
                *count += 1;
            } else if self.unknown.len() < MAX_PATHS {
                self.unknown.insert(path.clone(), 1);
                new.push(path);
            }
        }
        new
    }

    /// The unknown paths, and in how many records each was met.
    pub fn unknown(&self) -> &BTreeMap<String, u64> {
        &self.unknown
    }

    /// How many records were looked at.
    pub fn looked_at(&self) -> u64 {
        self.looked_at
    }
}

/// Where a value stands; a list from the inside out, so that the known ones cost nothing.
enum Path<'p> {
    Root,
    Field(&'p Self, &'p str),
    Items(&'p Self),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => formatter.write_str(name),
            Self::Field(parent, name) => write!(formatter, "{parent}.{name}"),
            Self::Items(parent) => write!(formatter, "{parent}[]"),
        }
    }
}

/// Compares a value with its shape.
struct Walk<'w> {
    shape: &'w Shape,
    path: &'w Path<'w>,
    found: &'w mut Vec<String>,
}

impl<'de> AnyKindVisitor<'de> for Walk<'_> {
    type Value = ();

    fn object<M: MapAccess<'de>>(self, mut map: M) -> Result<Option<()>, M::Error> {
        while let Some(Name(name)) = map.next_key()? {
            let path = Path::Field(self.path, &name);
            match self.shape.properties.get(&*name) {
                Some(shape) if !shape.is_open() => {
                    map.next_value_seed(AnyKind(Walk { shape, path: &path, found: &mut *self.found }))?;
                    continue;
                }
                Some(_open) => {}
                // An object that may hold anything declares no fields.
                None if self.shape.properties.is_empty() => {}
                None => self.found.push(path.to_string()),
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(Some(()))
    }

    fn array<S: SeqAccess<'de>>(self, mut items: S) -> Result<Option<()>, S::Error> {
        let path = Path::Items(self.path);
        match self.shape.items.as_deref().filter(|shape| !shape.is_open()) {
            None => while items.next_element::<IgnoredAny>()?.is_some() {},
            Some(shape) => {
                let (path, found) = (&path, self.found);
                while items.next_element_seed(AnyKind(Walk { shape, path, found: &mut *found }))?.is_some() {}
            }
        }
        Ok(Some(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        Schema::new("{}", r#"{"id":0,"any":0,"to":{"x":0},"list":[{"a":0}]}"#)
    }

    #[test]
    fn unknown_paths_are_found_once_and_counted() {
        let mut drift = SchemaDrift::new(&schema());
        let record = r#"{"id":"1","new":{"deep":1},"any":{"k":1},"to":{"x":null,"y":2},"list":[{"a":"b","c":1},{"c":2}]}"#;
        assert_eq!(drift.look_at(record.as_bytes()), ["list[].c", "new", "to.y"]);
        assert_eq!(drift.look_at(record.as_bytes()), Vec::<String>::new());
        assert!(drift.unknown().values().all(|count| *count == 2));
    }

    #[test]
    fn values_of_other_types_are_no_unknown_paths() {
        let mut drift = SchemaDrift::new(&schema());
        for record in [
            r#"{"to":null,"list":null}"#,
            r#"{"to":[1],"list":{"a":1}}"#,
            r#"{"to":1.5,"list":true}"#,
            "{\"\\ud800\":1}",
        ] {
            assert_eq!(drift.look_at(record.as_bytes()), Vec::<String>::new(), "{record}");
        }
    }

    #[test]
    fn the_first_records_and_some_of_the_others_are_looked_at() {
        let mut drift = SchemaDrift::new(&schema());
        let due = (0..1_200).filter(|_| drift.is_due()).count();
        assert_eq!(due, 50 + 1_100 / 100 + 1);
    }
}
