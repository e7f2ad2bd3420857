//! End-to-end tests: the connector against a fake Notion over real HTTP.
#![cfg(test)]

mod bad_input;
mod cat;
mod catch_up;
mod chaos;
mod check;
mod clock;
mod command_line;
mod completion;
mod conformance;
mod drift;
mod enumeration;
mod failures;
mod faults;
mod fuzz;
mod invariants;
mod migration;
mod missed;
mod network;
mod process;
mod progress;
mod rate_limit;
mod read;
mod recordings;
mod refused_objects;
mod requests;
mod result_pages;
mod resume;
mod security;
mod support;
mod unlisted;
