//! Panics go to the log, where secrets are taken out, and not to stderr.

use std::{cell::Cell, panic, sync::Once};

use tracing::error;

use crate::error::panic_text;

thread_local! {
    pub(super) static ARE_PANICS_TOLD: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, a panic of this thread is logged and nothing of it goes to stderr: its text may hold a secret.
///
/// The log is where secrets are taken out ([`crate::protocol::Emitter::hide`]). Other threads of the process panic as ever.
pub(super) struct PanicsAreTold;

impl PanicsAreTold {
    pub(super) fn new() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let usual = panic::take_hook();
            panic::set_hook(Box::new(move |panic| {
                if !ARE_PANICS_TOLD.get() {
                    return usual(panic);
                }
                let place = panic.location().map(ToString::to_string).unwrap_or_default();
                error!("A panic at {place}: {}.", panic_text(panic.payload()));
            }));
        });
        ARE_PANICS_TOLD.set(true);
        Self
    }
}

impl Drop for PanicsAreTold {
    fn drop(&mut self) {
        ARE_PANICS_TOLD.set(false);
    }
}
