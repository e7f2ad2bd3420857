//! A ledger as text: sorted by id, column by column, packed, in base64.
//!
//! A column is the same byte of every entry. Notion's newer ids share their first bytes within a workspace, and times share
//! theirs within weeks, so most columns shrink to nearly nothing when they are deflated. Those that look random would not
//! shrink, and deflating them would take most of the time, so they stay as they are.

use std::io::Read;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use flate2::{
    Compression,
    read::{DeflateDecoder, DeflateEncoder},
};
use uuid::Uuid;

use super::{DATA_SOURCE, DATABASE, Entry, FRESH, Ledger};
use crate::workspace::Minute;

/// The bytes of an entry: id, flags, time, checksum, time of the last lookup.
const ENTRY_BYTES: usize = 16 + 1 + 4 + 4 + 4;

/// More entries than any workspace has; a bound on what is unpacked.
const MAX_ENTRIES: usize = 20_000_000;

/// Why a stored ledger cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LedgerError {
    /// The text is not base64.
    #[error("it is not base64")]
    NotBase64,
    /// The bytes cannot be unpacked.
    #[error("it cannot be unpacked")]
    NotDeflated,
    /// The unpacked bytes are no entries.
    #[error("its entries are cut off or damaged")]
    Damaged,
}

/// A column with more different bytes than this among its first ones looks random.
const MOST_DIFFERENT: usize = 96;

/// How many bytes of a column are looked at.
const LOOKED_AT: usize = 256;

impl Ledger {
    /// Packs the entries into a text. Ledgers with the same entries give the same text.
    pub fn encode(&self) -> String {
        let mut entries: Vec<(&Uuid, &Entry)> = self.entries.iter().collect();
        entries.sort_unstable_by_key(|(id, _entry)| **id);
        let count = u32::try_from(entries.len()).expect("a ledger has fewer than 2^32 entries");
        let rows: Vec<[u8; ENTRY_BYTES]> = entries.iter().map(|(id, entry)| row_of(**id, entry)).collect();
        let (mut packed_columns, mut regular, mut random) = (0_u32, Vec::new(), Vec::new());
        let mut column = Vec::with_capacity(rows.len());
        for place in 0..ENTRY_BYTES {
            column.clear();
            column.extend(rows.iter().filter_map(|row| row.get(place)));
            if looks_random(&column) {
                random.extend_from_slice(&column);
            } else {
                packed_columns |= 1 << place;
                regular.extend_from_slice(&column);
            }
        }
        let mut packed = Vec::new();
        let mut encoder = DeflateEncoder::new(&*regular, Compression::fast());
        encoder.read_to_end(&mut packed).expect("reading memory cannot fail");
        let packed_length = u32::try_from(packed.len()).expect("it is smaller than its entries");
        let head = [count, packed_columns, packed_length].map(u32::to_be_bytes).concat();
        STANDARD_NO_PAD.encode([head, packed, random].concat())
    }

    /// Reads what [`Self::encode`] wrote.
    pub fn decode(text: &str) -> Result<Self, LedgerError> {
        let bytes = STANDARD_NO_PAD.decode(text).map_err(|_invalid| LedgerError::NotBase64)?;
        let (head, rest) = bytes.split_at_checked(12).ok_or(LedgerError::Damaged)?;
        let (numbers, _none) = head.as_chunks::<4>();
        let [count, packed_columns, packed_length] = *numbers else { return Err(LedgerError::Damaged) };
        let size = |number| usize::try_from(u32::from_be_bytes(number)).unwrap_or(usize::MAX);
        let (count, packed_columns) = (size(count), u32::from_be_bytes(packed_columns));
        let (packed, mut random) = rest.split_at_checked(size(packed_length)).ok_or(LedgerError::Damaged)?;
        // Deflate shrinks to a thousandth at most, so a damaged count asks for no more than that.
        if count > MAX_ENTRIES || count > bytes.len().saturating_mul(1_100) {
            return Err(LedgerError::Damaged);
        }
        let mut unpacker = DeflateDecoder::new(packed);
        let mut rows = vec![[0; ENTRY_BYTES]; count];
        let mut column = vec![0; count];
        for place in 0..ENTRY_BYTES {
            if packed_columns >> place & 1 == 1 {
                unpacker.read_exact(&mut column).map_err(|_short| LedgerError::NotDeflated)?;
            } else {
                random.read_exact(&mut column).map_err(|_short| LedgerError::Damaged)?;
            }
            for (row, byte) in rows.iter_mut().zip(&column) {
                if let Some(at) = row.get_mut(place) {
                    *at = *byte;
                }
            }
        }
        let entries = rows.iter().map(entry_of).collect::<Option<_>>().ok_or(LedgerError::Damaged)?;
        Ok(Self { entries })
    }
}

/// Whether deflating a column would be in vain, by its first bytes.
fn looks_random(column: &[u8]) -> bool {
    let mut is_met = [false; 256];
    let looked_at = column.iter().take(LOOKED_AT);
    for byte in looked_at {
        is_met[usize::from(*byte)] = true;
    }
    is_met.iter().filter(|is_met| **is_met).count() > MOST_DIFFERENT
}

fn row_of(id: Uuid, entry: &Entry) -> [u8; ENTRY_BYTES] {
    let mut row = [0; ENTRY_BYTES];
    let numbers = [Minute::number(entry.edited), entry.checksum, Minute::number(entry.looked_up)];
    let numbers = numbers.iter().flat_map(|number| number.to_be_bytes());
    let bytes = id.into_bytes().into_iter().chain([entry.flags & !FRESH]).chain(numbers);
    row.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
    row
}

fn entry_of(row: &[u8; ENTRY_BYTES]) -> Option<(Uuid, Entry)> {
    let (id, rest) = row.split_first_chunk::<16>()?;
    let ([flags], rest) = rest.split_first_chunk::<1>()?;
    let (numbers, _none) = rest.as_chunks::<4>();
    let [edited, checksum, looked_up] = *numbers else { return None };
    let (edited, looked_up) = (u32::from_be_bytes(edited), u32::from_be_bytes(looked_up));
    let entry = Entry {
        edited: Minute::from_number(edited),
        checksum: u32::from_be_bytes(checksum),
        looked_up: Minute::from_number(looked_up),
        flags: *flags & !FRESH,
    };
    let is_one_kind = entry.flags & (DATA_SOURCE | DATABASE) != DATA_SOURCE | DATABASE;
    is_one_kind.then_some((Uuid::from_bytes(*id), entry))
}
