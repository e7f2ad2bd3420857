//! Rewrites the files in `schemas/` from their source.

use std::{fs, io};

fn main() -> io::Result<()> {
    for (stream, schema) in schema_source::schemas() {
        let path = schema_source::schema_dir().join(format!("{stream}.json"));
        fs::write(path, schema_source::render(&schema))?;
    }
    Ok(())
}
