//! What happens to one read: drawn at random, and the same for the same seed.

use std::time::Duration;

use chrono::TimeDelta;
use fake_notion::Fault;

/// Numbers that look random and are the same for the same seed (splitmix64).
#[derive(Clone, Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.number() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    pub(super) fn happens(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    pub(super) fn minutes(&mut self, bound: usize) -> TimeDelta {
        TimeDelta::minutes(i64::try_from(self.below(bound)).unwrap())
    }
}

/// What happens to the process.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// It ends by itself.
    Peace,
    /// It gets a signal before an answer.
    SignalAtRequest(&'static str, usize),
    /// It gets a signal when it has printed so many bytes.
    SignalAtByte(&'static str, usize),
    /// Nobody reads on after so many bytes.
    ClosedAtByte(usize),
    /// The output is read slowly, so many bytes at a time.
    Slow(usize),
}

const STREAMS: [&str; 5] = ["users", "data_sources", "pages", "blocks", "comments"];

/// A selection of streams, often of all.
pub(super) fn some_streams(random: &mut Random) -> Vec<&'static str> {
    if random.happens(60) {
        return STREAMS.to_vec();
    }
    if random.happens(40) {
        return vec![random.pick(&STREAMS)];
    }
    let some: Vec<&str> = STREAMS.into_iter().filter(|_stream| random.happens(50)).collect();
    if some.is_empty() { vec!["blocks"] } else { some }
}

/// One disturbed read.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The streams that are selected.
    pub(super) streams: Vec<&'static str>,
    pub(super) fate: Fate,
    /// The chance that a request fails, in percent.
    pub(super) fault_percent: usize,
    /// Everything fails from this request on.
    pub(super) outage_at: Option<usize>,
    /// The chance of an edit before an answer, in percent.
    pub(super) edit_percent: usize,
    /// Whether the output after some state, and not the last one, is lost.
    pub(super) is_cut: bool,
    /// A stream whose data is cleared before.
    pub(super) reset: Option<&'static str>,
}

impl Plan {
    /// A plan in which, now and then, other streams are selected.
    pub(super) fn new(random: &mut Random, streams: &[&'static str]) -> Self {
        let name = random.pick(&["KILL", "TERM"]);
        let fate = match random.below(10) {
            0..=1 => Fate::Peace,
            2..=5 => Fate::SignalAtRequest(name, 1 + random.below(80)),
            6 => Fate::SignalAtByte(name, random.below(40_000)),
            7..=8 => Fate::ClosedAtByte(random.below(40_000)),
            _ => Fate::Slow(500 + random.below(5_000)),
        };
        Self {
            streams: if random.happens(25) { some_streams(random) } else { streams.to_vec() },
            fate,
            fault_percent: random.pick(&[0, 0, 5, 20, 35, 50]),
            outage_at: random.happens(10).then(|| random.below(60)),
            edit_percent: random.pick(&[0, 10, 30]),
            is_cut: random.happens(20),
            reset: random.happens(10).then(|| random.pick(&STREAMS)),
        }
    }
}

/// Whatever a later attempt can get past.
pub(super) fn faults() -> Vec<Fault> {
    let held = |retry_after: Option<&str>| Fault::RateLimited {
        retry_after: retry_after.map(str::to_owned),
        reason: Some("public_api_request_rate_limit".to_owned()),
    };
    let mut faults: Vec<Fault> = [408, 409, 500, 502, 503, 504].map(Fault::status).into();
    faults.extend([502, 503].map(Fault::html));
    faults.extend([held(Some("0")), held(Some("0.01")), held(None)]);
    faults.extend([Fault::Disconnect, Fault::ResetBeforeBody, Fault::CutBody, Fault::TruncatedJson]);
    faults.extend([Fault::corrupt_gzip(), Fault::json("<html>"), Fault::json("")]);
    faults.push(Fault::SlowBody { chunk_delay: Duration::from_millis(1) });
    faults.push(Fault::Slow(Duration::from_millis(5)));
    faults.extend([Fault::InvalidCursor, Fault::RepeatedCursor, Fault::HasMoreWithoutCursor]);
    faults.extend([Fault::EmptyPage, Fault::DuplicateResults]);
    faults
}
