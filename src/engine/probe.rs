//! Whether a capability is missing: asked before it is said.
//!
//! A 403 may be about one object or about all. So it waits until something that was readable before, or another object of
//! its kind, has answered.

use std::collections::HashMap;

use tokio::time::{Duration, Instant};
use uuid::Uuid;

use super::{
    job::{Job, Step, Subject},
    verdict::Access,
};
use crate::{error::ReadError, streams::Capability};

/// How long an answer holds: many objects may be refused at once, and a capability can be withdrawn at any time.
const VALID: Duration = Duration::from_secs(10);

/// How many other objects are tried before a refusal is taken to be about all of them.
const MOST_TRIED: usize = 10;

/// A refusal that waits for the answer.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) subject: Subject,
    pub(super) step: Option<Step>,
    pub(super) error: ReadError,
}

#[derive(Debug, Default)]
struct Probe {
    answered: Option<(Access, Instant)>,
    is_asked: bool,
    tried: Vec<Uuid>,
    /// The last objects that were readable, the latest at the end.
    readable: Vec<Uuid>,
    waiting: Vec<Refused>,
}

/// What is known of each capability.
#[derive(Debug, Default)]
pub(super) struct Probes(HashMap<Capability, Probe>);

impl Probes {
    /// What is known of a capability.
    pub(super) fn access(&self, capability: Capability) -> Access {
        let answered = self.0.get(&capability).and_then(|probe| probe.answered);
        let valid = answered.filter(|(_access, at)| at.elapsed() < VALID);
        valid.map_or(Access::Unknown, |(access, _at)| access)
    }

    /// Notes that an object was readable.
    pub(super) fn note_readable(&mut self, capability: Capability, id: Uuid) {
        let readable = &mut self.0.entry(capability).or_default().readable;
        if readable.len() == MOST_TRIED {
            readable.remove(0);
        }
        readable.push(id);
    }

    /// Keeps a refusal until the capability is known; returns whether it is still to be asked for.
    pub(super) fn wait(&mut self, capability: Capability, refused: Refused) -> bool {
        let probe = self.0.entry(capability).or_default();
        probe.waiting.push(refused);
        if !probe.is_asked {
            probe.tried.clear();
        }
        !std::mem::replace(&mut probe.is_asked, true)
    }

    /// The object to try next: one that was readable in this run, or one of `others`; none when enough were tried.
    pub(super) fn next_to_try(
        &mut self,
        capability: Capability,
        others: impl Iterator<Item = Uuid>,
    ) -> Option<Uuid> {
        let probe = self.0.entry(capability).or_default();
        if probe.tried.len() == MOST_TRIED {
            return None;
        }
        let refused: Vec<Uuid> = probe.waiting.iter().filter_map(|waiting| waiting.subject.page()).collect();
        let mut candidates = probe.readable.iter().rev().copied().chain(others);
        let next = candidates.find(|id| !probe.tried.contains(id) && !refused.contains(id))?;
        probe.tried.push(next);
        Some(next)
    }

    /// Notes what is known of a capability now; returns the refusals that waited for it.
    pub(super) fn answer(&mut self, capability: Capability, access: Access) -> Vec<Refused> {
        let probe = self.0.entry(capability).or_default();
        (probe.answered, probe.is_asked) = (Some((access, Instant::now())), false);
        std::mem::take(&mut probe.waiting)
    }
}

impl Subject {
    /// The page that it is about, where it is about one.
    pub(super) fn page(&self) -> Option<Uuid> {
        match self {
            Self::Page { id } | Self::Completion { id } => Some(*id),
            Self::Children { page, .. } | Self::PageListing { page, .. } | Self::PageObject { page, .. } => {
                Some(*page)
            }
            Self::Listing { .. }
            | Self::Search { .. }
            | Self::Trash
            | Self::Rows { .. }
            | Self::DataSource { .. }
            | Self::Database { .. }
            | Self::Original { .. }
            | Self::Probe { .. } => None,
        }
    }
}

impl Job {
    /// A job that asks whether anything of a capability can be read.
    pub(super) fn probe(capability: Capability, step: Step) -> Self {
        Self { subject: Subject::Probe { capability }, step }
    }
}
