//! End-to-end tests: the connector against a fake Notion over real HTTP.
#![cfg(test)]

mod read;
mod support;
