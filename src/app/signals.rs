//! SIGINT and SIGTERM, from the first moment of a run to its last, also as process 1, which no signal ends by itself.
//!
//! At first a signal ends the process at once: there is nothing to save. A verb that has something to save says so
//! ([`Signals::defer`]); then the first signal is a request and the second one ends the process.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// Hears the signals until it is dropped.
#[derive(Debug)]
pub(super) struct Signals {
    ends_at_once: Arc<AtomicBool>,
    /// The exit code that was asked for, or 0.
    asked: Arc<AtomicUsize>,
    #[cfg(unix)]
    actions: Vec<signal_hook::SigId>,
}

impl Signals {
    /// Hears them if `is_listening`; else they do what they did before.
    pub(super) fn new(is_listening: bool) -> Self {
        let mut signals = Self {
            ends_at_once: Arc::new(AtomicBool::new(true)),
            asked: Arc::default(),
            #[cfg(unix)]
            actions: Vec::new(),
        };
        if is_listening {
            signals.listen();
        }
        signals
    }

    /// From now on the first signal is a request to end; somebody must await [`Signals::requested`].
    pub(super) fn defer(&self) {
        self.ends_at_once.store(false, Ordering::SeqCst);
    }

    /// The exit code of a process that was asked to end: 128 and the signal's number.
    pub(super) fn asked(&self) -> Option<u8> {
        u8::try_from(self.asked.load(Ordering::SeqCst)).ok().filter(|code| *code != 0)
    }
}

#[cfg(unix)]
mod unix {
    use signal_hook::{
        consts::{SIGINT, SIGTERM},
        flag::{register, register_conditional_shutdown, register_usize},
        low_level::unregister,
    };
    use tokio::signal::unix::{SignalKind, signal};

    use super::{Arc, Signals};

    impl Signals {
        /// Actions run in the order in which they are registered: what one sets, the next signal sees.
        pub(super) fn listen(&mut self) {
            for signal in [SIGINT, SIGTERM] {
                let code = 128 + signal;
                let actions = [
                    register_conditional_shutdown(signal, code, Arc::clone(&self.ends_at_once)),
                    register(signal, Arc::clone(&self.ends_at_once)),
                    register_usize(signal, Arc::clone(&self.asked), usize::try_from(code).unwrap_or(1)),
                ];
                // One that cannot be heard does what it does to any process.
                self.actions.extend(actions.into_iter().flatten());
            }
        }

        /// Returns when the process is asked to end; at once if it was.
        pub(in super::super) async fn requested(&self) {
            if self.actions.is_empty() {
                return std::future::pending().await;
            }
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return std::future::pending().await;
            };
            while self.asked().is_none() {
                tokio::select! {
                    _heard = interrupt.recv() => {}
                    _heard = terminate.recv() => {}
                }
            }
        }
    }

    impl Drop for Signals {
        fn drop(&mut self) {
            self.actions.drain(..).for_each(|action| {
                unregister(action);
            });
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn listen(&mut self) {}

    /// Never returns: here a signal ends the process.
    pub(super) async fn requested(&self) {
        std::future::pending().await
    }
}
