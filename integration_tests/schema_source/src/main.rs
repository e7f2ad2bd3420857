//! Rewrites the files in `schemas/` and `schemas/fields/` from their source.

use std::{fs, io};

fn main() -> io::Result<()> {
    for (stream, schema) in schema_source::schemas() {
        let (folder, name) = (schema_source::schema_dir(), format!("{stream}.json"));
        fs::write(folder.join(&name), schema_source::render(&schema))?;
        fs::write(folder.join("fields").join(&name), schema_source::render(&schema_source::fields(&schema)))?;
    }
    Ok(())
}
