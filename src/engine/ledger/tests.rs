use proptest::prelude::*;

use super::{codec::LedgerError, *};

fn minute(number: u32) -> Option<Minute> {
    Minute::from_number(number)
}

fn version(number: u32, checksum: u32) -> Version {
    Version { edited: minute(number), checksum }
}

fn delivered(number: u32, checksum: u32) -> Ledger {
    let mut ledger = Ledger::default();
    let delivery = Delivery { version: version(number, checksum), ..Delivery::default() };
    ledger.deliver(Kind::Page, Uuid::nil(), delivery);
    ledger
}

#[test]
fn an_object_is_due_when_its_version_is_another_one_than_the_delivered() {
    let ledger = delivered(10, 7);
    let judge = |number, checksum, trust| ledger.judge(Uuid::nil(), version(number, checksum), trust);
    let table = [
        (9, 7, Trust::Copy, Due::Stale),
        (9, 7, Trust::Certain, Due::Edited),
        (10, 7, Trust::Copy, Due::No),
        (10, 7, Trust::Certain, Due::No),
        (10, 8, Trust::Copy, Due::Silent),
        (10, 8, Trust::Certain, Due::Silent),
        (11, 7, Trust::Copy, Due::Edited),
        // No time: only the checksum can tell.
        (0, 7, Trust::Certain, Due::No),
        (0, 8, Trust::Certain, Due::Silent),
    ];
    for (number, checksum, trust, due) in table {
        assert_eq!(judge(number, checksum, trust), due, "{number} {checksum} {trust:?}");
    }
    assert_eq!(ledger.judge(Uuid::max(), version(1, 1), Trust::Copy), Due::New);
    assert_eq!(delivered(0, 7).judge(Uuid::nil(), version(1, 7), Trust::Copy), Due::Edited);
    assert_eq!(delivered(0, 7).judge(Uuid::nil(), version(0, 7), Trust::Copy), Due::No);
}

#[test]
fn a_minute_that_was_not_over_is_read_once_more() {
    let mut ledger = Ledger::default();
    let delivery = Delivery { version: version(10, 7), is_unsettled: true, has_content: true };
    ledger.deliver(Kind::Page, Uuid::nil(), delivery);
    // Not in the run that read it.
    assert_eq!(ledger.judge(Uuid::nil(), version(10, 7), Trust::Copy), Due::No);
    let mut ledger = Ledger::decode(&ledger.encode()).unwrap();
    assert_eq!(ledger.judge(Uuid::nil(), version(10, 7), Trust::Copy), Due::Unsettled);
    assert_eq!(ledger.judge(Uuid::nil(), version(9, 7), Trust::Copy), Due::Stale);
    ledger.deliver(Kind::Page, Uuid::nil(), Delivery { is_unsettled: false, ..delivery });
    assert_eq!(ledger.judge(Uuid::nil(), version(10, 7), Trust::Copy), Due::No);
}

#[test]
fn a_withdrawn_version_is_due_and_its_time_stays() {
    let mut ledger = delivered(10, 7);
    ledger.withdraw(Uuid::nil());
    assert_eq!(ledger.judge(Uuid::nil(), version(10, 7), Trust::Certain), Due::New);
    assert_eq!((ledger.edited(Uuid::nil()), ledger.delivered(Uuid::nil())), (minute(10), None));
}

#[test]
fn a_known_id_is_due_and_keeps_its_kind() {
    let mut ledger = Ledger::default();
    ledger.know(Kind::DataSource, Uuid::nil());
    ledger.know(Kind::Page, Uuid::nil());
    assert_eq!(ledger.ids(Kind::DataSource).collect::<Vec<_>>(), [Uuid::nil()]);
    assert_eq!(ledger.judge(Uuid::nil(), version(1, 0), Trust::Copy), Due::New);
    assert_eq!(ledger.delivered_count(Kind::DataSource), 0);
}

#[test]
fn a_full_refresh_forgets_all_but_what_no_listing_shows() {
    let mut ledger = delivered(10, 7);
    ledger.deliver(Kind::Page, Uuid::max(), Delivery::default());
    ledger.note_found(Uuid::max(), true, false);
    ledger.withdraw_all();
    assert_eq!(ledger.ids(Kind::Page).collect::<Vec<_>>(), [Uuid::max()]);
    assert_eq!(ledger.delivered(Uuid::max()), None);
}

#[test]
fn times_of_1970_are_no_times() {
    let at = |text: &str| Minute::of(text.parse().unwrap());
    assert_eq!(at("1970-01-01T00:00:00Z"), None);
    assert_eq!(at("1969-07-20T20:17:00Z"), None);
    let minute = at("2026-11-28T10:15:42Z").unwrap();
    assert_eq!(minute.start().to_rfc3339(), "2026-11-28T10:15:00+00:00");
    assert!(!minute.is_over("2026-11-28T10:15:59Z".parse().unwrap()));
    assert!(minute.is_over("2026-11-28T10:16:00Z".parse().unwrap()));
}

#[test]
fn what_is_no_ledger_is_refused() {
    assert_eq!(Ledger::decode("?"), Err(LedgerError::NotBase64));
    assert_eq!(Ledger::decode("AAAA"), Err(LedgerError::Damaged));
    assert_eq!(Ledger::decode("AAAAAQAAAAEAAAAA"), Err(LedgerError::NotDeflated));
    let text = delivered(10, 7).encode();
    let cut = STANDARD_LENGTH_OF_A_CUT.min(text.len());
    assert!(Ledger::decode(text.get(..cut).unwrap()).is_err());
}

/// A multiple of four characters, so that the cut text still is base64.
const STANDARD_LENGTH_OF_A_CUT: usize = 12;

fn entry() -> impl Strategy<Value = Entry> {
    let flags = (0_u8..3, 0_u8..32).prop_map(|(kind, flags)| kind | flags << 2);
    (any::<u32>(), any::<u32>(), any::<u32>(), flags).prop_map(|(edited, checksum, looked_up, flags)| Entry {
        edited: minute(edited),
        checksum,
        looked_up: minute(looked_up),
        flags,
    })
}

proptest! {
    #[test]
    fn a_ledger_is_read_as_it_was_written(entries in prop::collection::hash_map(any::<u128>(), entry(), 0..400)) {
        let entries = entries.into_iter().map(|(id, entry)| (Uuid::from_u128(id), entry)).collect();
        let ledger = Ledger { entries };
        prop_assert_eq!(Ledger::decode(&ledger.encode()), Ok(ledger));
    }

    #[test]
    fn no_text_breaks_the_reading(text in "[A-Za-z0-9+/]{0,300}") {
        drop(Ledger::decode(&text));
    }

    #[test]
    fn what_was_delivered_is_not_due_and_every_other_version_from_the_object_itself_is(
        first in (1_u32..5, 0_u32..3), second in (1_u32..5, 0_u32..3)
    ) {
        let ledger = delivered(first.0, first.1);
        let due = ledger.judge(Uuid::nil(), version(second.0, second.1), Trust::Certain);
        prop_assert_eq!(due.is_due(), first != second && (first.0 != second.0 || first.1 != second.1));
        // A copy of an older time is never sent: it would overwrite the newer record.
        let copy = ledger.judge(Uuid::nil(), version(second.0, second.1), Trust::Copy);
        prop_assert_eq!(copy == Due::Stale, second.0 < first.0);
    }
}
