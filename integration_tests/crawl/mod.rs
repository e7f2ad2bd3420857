//! What a workspace holds comes out, however it is found.

mod completion;
mod cost;
mod lookups;
mod odd_objects;
mod recordings;
mod result_pages;
mod sample;
mod search;
mod trees;
