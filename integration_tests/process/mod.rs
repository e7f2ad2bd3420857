//! The process: its signals, outputs, network, secrets, and the rate limit.

mod network;
mod outputs;
mod rate_limit;
mod secrets;
mod signals;
