//! Records on their way to the output, as lines.

use std::sync::Arc;

use serde_json::Value;

/// Records of one stream, serialised, that travel to the writer together.
#[derive(Debug)]
pub struct RecordBatch {
    head: String,
    pub(super) records: Records,
}

#[derive(Debug)]
pub(super) struct Records {
    pub(super) stream: Arc<str>,
    pub(super) lines: Vec<u8>,
    pub(super) count: u64,
}

impl RecordBatch {
    /// An empty batch that fills this buffer.
    pub(super) fn new(stream: &Arc<str>, emitted_at_ms: i64, lines: Vec<u8>) -> Self {
        let name = Value::from(&**stream);
        let head =
            format!(r#"{{"type":"RECORD","record":{{"stream":{name},"emitted_at":{emitted_at_ms},"data":"#);
        Self { head, records: Records { stream: Arc::clone(stream), lines, count: 0 } }
    }

    /// Adds one record by letting `write` append its JSON object.
    ///
    /// CR and LF are dropped: in valid JSON they can only stand between tokens, and would split the line.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let Records { lines, count, .. } = &mut self.records;
        lines.extend_from_slice(self.head.as_bytes());
        let start = lines.len();
        write(lines);
        let record = lines.get(start..).unwrap_or_default();
        if memchr::memchr2(b'\n', b'\r', record).is_some() {
            let mut record = lines.split_off(start);
            record.retain(|byte| !matches!(byte, b'\n' | b'\r'));
            lines.append(&mut record);
        }
        lines.extend_from_slice(b"}}\n");
        *count += 1;
    }

    /// Whether the batch holds no record.
    pub fn is_empty(&self) -> bool {
        self.records.count == 0
    }

    /// The records it holds.
    pub fn record_count(&self) -> u64 {
        self.records.count
    }

    /// The bytes it holds.
    pub fn byte_count(&self) -> usize {
        self.records.lines.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn any_json_makes_one_line(text in "\\PC*[\r\n]\\PC*", pretty in any::<bool>()) {
            let record = json!({ "text": text, "list": [text, {"deep": text}] });
            let raw = if pretty { serde_json::to_string_pretty(&record) } else { serde_json::to_string(&record) };
            let mut batch = RecordBatch::new(&Arc::from("s"), 0, Vec::new());
            batch.push(|out| out.extend_from_slice(raw.unwrap().as_bytes()));
            let line = String::from_utf8(batch.records.lines).unwrap();
            prop_assert_eq!(line.matches('\n').count(), 1);
            let parsed: Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(parsed.pointer("/record/data").unwrap(), &record);
        }
    }
}
