//! The one source of the stream schemas in `schemas/`.
//!
//! `cargo run -p schema-source` rewrites those files; a test holds them up to date. What several streams
//! share (rich text, users, parents, icons, files, property values) is written once and inlined, because
//! the protocol allows no `$ref`. Every schema is as open as the API is: each field nullable, none
//! required, unknown ones allowed, no closed list of values.
//!
//! - [`schemas`] and [`render`]: the five schemas, and the text of their files.
//! - [`fields`]: the names alone, in `schemas/fields/`, for a program that reads them at each start.
//! - [`undeclared_paths`], [`type_mismatches`]: what of a record its schema does not say.
//! - [`samples`]: records with each kind of block, property, mention, parent, icon and user.

mod blocks;
mod coverage;
mod notation;
mod properties;
mod render;
pub mod samples;
mod shapes;
mod streams;

pub use coverage::{type_mismatches, undeclared_paths};
pub use render::{fields, render, schema_dir};
pub use streams::schemas;
