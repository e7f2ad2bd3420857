//! What is logged: this crate's events, from a level on.

use std::env;

use tracing_subscriber::filter::LevelFilter;

/// Lets only this crate's events through: what libraries log may hold headers.
pub(super) struct OwnEvents;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for OwnEvents {
    fn enabled(
        &self,
        metadata: &tracing::Metadata<'_>,
        _context: tracing_subscriber::layer::Context<'_, S>,
    ) -> bool {
        metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
    }
}

/// The level from which on events are logged, and what is wrong with the environment's.
pub(super) fn level(is_debug: bool) -> (LevelFilter, Option<String>) {
    if is_debug {
        return (LevelFilter::DEBUG, None);
    }
    let given = env::var("LOG_LEVEL").unwrap_or_default();
    match given.to_ascii_lowercase().as_str() {
        "" => (LevelFilter::INFO, None),
        "fatal" | "critical" => (LevelFilter::ERROR, None),
        "warning" => (LevelFilter::WARN, None),
        level => level.parse().map_or_else(
            |_unknown| {
                let problem = format!(
                    "LOG_LEVEL is {given:?}, which is no level; info is used. The levels are trace, debug, info, warn, \
                     error and fatal."
                );
                (LevelFilter::INFO, Some(problem))
            },
            |level| (level, None),
        ),
    }
}
