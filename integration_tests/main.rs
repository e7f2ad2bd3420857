//! End-to-end tests: the connector against a fake Notion over real HTTP.
#![cfg(test)]

mod chaos;
mod crawl;
mod invariants;
mod platform;
mod process;
mod properties;
mod state;
mod support;
mod verdicts;
