//! What a state says was delivered, and what the next run makes of it.

mod airbyte_states;
mod clock;
mod comments;
mod deletions;
mod ledger;
mod resume;
