//! What platforms and people hand in and see.

mod bad_input;
mod by_hand;
mod cat;
mod check;
mod command_line;
mod conformance;
mod drift;
mod progress;
mod terminal;
