//! Records as text: opened one level deep, changed where the contract says so, everything else untouched.

mod any_kind;
mod object;
mod text;

pub(crate) use any_kind::{AnyKind, AnyKindVisitor};
pub use object::RawObject;
pub(crate) use object::{ObjectPlaces, OpenedArray, named_values, with_member};
pub(crate) use text::{PlainText, TextJson, decode_text, plain_text, quoted, raw_text};
