//! A file that holds the last state of each stream, for whoever runs the connector without a platform.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use super::InputState;

/// A state file that is kept up to date: at any moment it is whole, the old one or the new one.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    states: BTreeMap<String, Map<String, Value>>,
}

impl StateFile {
    /// Takes over what the file held, and shows that it can be written; it stays as it is until a state comes.
    pub fn open(path: &Path, held: &InputState) -> io::Result<Self> {
        if path.file_name().is_none() || path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let states = held.streams().map(|(name, state)| (name.to_owned(), state.clone())).collect();
        let file = Self { path: path.to_owned(), states };
        File::create(file.beside())?;
        fs::remove_file(file.beside())?;
        Ok(file)
    }

    /// The file's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes a stream's new state; [`StateFile::save`] writes it.
    pub(super) fn set(&mut self, stream: &str, state: Map<String, Value>) {
        self.states.insert(stream.to_owned(), state);
    }

    /// Writes all states into a file beside, and puts it in the place of the old one.
    pub(super) fn save(&self) -> io::Result<()> {
        let file = File::create(self.beside())?;
        let mut output = BufWriter::new(&file);
        let mut separator = "[";
        for (name, state) in &self.states {
            output.write_all(separator.as_bytes())?;
            let message = json!({"type": "STREAM",
                "stream": {"stream_descriptor": {"name": name}, "stream_state": state}});
            serde_json::to_writer(&mut output, &message)?;
            separator = ",\n";
        }
        output.write_all(b"]\n")?;
        output.flush()?;
        drop(output);
        file.sync_all()?;
        fs::rename(self.beside(), &self.path)
    }

    /// In the same folder, so that renaming it is one step.
    fn beside(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        self.path.with_file_name(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn states_of_streams_that_are_not_read_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let held =
            r#"[{"type":"STREAM","stream":{"stream_descriptor":{"name":"blocks"},"stream_state":{"b":1}}}]"#;
        let mut file = StateFile::open(&path, &InputState::parse(held).unwrap()).unwrap();
        assert!(!path.exists());
        file.set("pages", state(&json!({"a": 1})));
        file.save().unwrap();
        file.set("pages", state(&json!({"a": 2})));
        file.save().unwrap();
        let kept = InputState::parse(&fs::read_to_string(&path).unwrap()).unwrap();
        let kept: BTreeMap<_, _> = kept.streams().collect();
        assert_eq!(
            kept,
            BTreeMap::from([("blocks", &state(&json!({"b": 1}))), ("pages", &state(&json!({"a": 2})))])
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else may be left behind");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told_before_anything_is_read() {
        assert!(StateFile::open(Path::new("/proc/state.json"), &InputState::default()).is_err());
        assert!(StateFile::open(Path::new("/"), &InputState::default()).is_err());
    }
}
