//! The fake seen from its socket.

#![cfg(test)]

mod client;
mod complete;
mod edits;
mod faults;
mod limits;
mod listings;
mod objects;
mod reader;
mod serve;
