//! Hostile bytes through the real entry points: no panic, nothing on stdout that is no message, a sane exit code.
//!
//! [`SyncOutput`] fails on every line that is no message, and a panic would end the test or show as a failure that
//! names a bug. `PROPTEST_CASES` sets how many inputs each test tries.

use std::{sync::LazyLock, time::Duration};

use fake_notion::{FakeNotion, Fault, sample::sample_workspace};
use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence},
};
use serde_json::{Value, json};

use crate::support::{Connector, ROUTES, SyncOutput};

/// Few inputs each time; different ones every time.
fn config(cases: u32) -> Config {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    Config {
        cases: asked.unwrap_or(cases),
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        max_shrink_iters: 200,
        ..Config::default()
    }
}

static NOTION: LazyLock<FakeNotion> = LazyLock::new(|| FakeNotion::start_blocking(sample_workspace()));

/// A change of a JSON text.
#[derive(Clone, Debug)]
enum Mutation {
    /// One of all values becomes another.
    Replace(prop::sample::Index, Value),
    /// One field or element is taken away.
    Remove(prop::sample::Index),
    /// The text ends early.
    Cut(prop::sample::Index),
    /// A byte becomes another.
    Byte(prop::sample::Index, u8),
    /// Something stands before or after it.
    Around(String, String),
    /// Something else altogether.
    Garbage(Vec<u8>),
}

fn strange_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!("")),
        Just(json!([])),
        Just(json!({})),
        Just(json!(-1)),
        Just(json!(1.0e300)),
        Just(json!(u64::MAX)),
        Just(json!([null])),
        Just(json!({"type": "x"})),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|\\+99:99|)".prop_map(Value::from),
        Just(json!("+262142-12-31T23:59:59Z")),
        Just(json!("-262143-01-01T00:00:00Z")),
        Just(json!("ffffffff-ffff-ffff-ffff-ffffffffffff")),
    ]
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        6 => (any::<prop::sample::Index>(), strange_value()).prop_map(|(at, value)| Mutation::Replace(at, value)),
        2 => any::<prop::sample::Index>().prop_map(Mutation::Remove),
        1 => any::<prop::sample::Index>().prop_map(Mutation::Cut),
        2 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Byte(at, byte)),
        1 => ("\\PC{0,4}", "\\PC{0,4}").prop_map(|(before, after)| Mutation::Around(before, after)),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Mutation::Garbage),
    ]
}

/// How many values a JSON value is made of, itself included.
fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(fields) => 1 + fields.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

/// Changes the value at a place in document order; `None` takes it away.
fn change(value: &mut Value, at: usize, new: Option<&Value>) {
    if at == 0 {
        *value = new.cloned().unwrap_or_default();
        return;
    }
    let mut left = at - 1;
    let children: Vec<(Option<String>, usize)> = match &*value {
        Value::Array(items) => (0..items.len()).map(|index| (None, index)).collect(),
        Value::Object(fields) => {
            fields.keys().enumerate().map(|(index, key)| (Some(key.clone()), index)).collect()
        }
        _ => return,
    };
    for (key, index) in children {
        let child = match &key {
            Some(key) => &mut value[key.as_str()],
            None => &mut value[index],
        };
        let child_size = size(child);
        if left == 0 && new.is_none() {
            match (value, key) {
                (Value::Object(fields), Some(key)) => drop(fields.shift_remove(&key)),
                (Value::Array(items), _) => drop(items.remove(index)),
                _ => {}
            }
            return;
        }
        if left < child_size {
            return change(child, left, new);
        }
        left -= child_size;
    }
}

/// The text with all its mutations.
fn mutated(valid: &Value, mutations: &[Mutation]) -> Vec<u8> {
    let mut value = valid.clone();
    for mutation in mutations {
        match mutation {
            Mutation::Replace(at, new) => change(&mut value, at.index(size(valid)), Some(new)),
            Mutation::Remove(at) => change(&mut value, at.index(size(valid)), None),
            _ => {}
        }
    }
    let mut bytes = value.to_string().into_bytes();
    for mutation in mutations {
        match mutation {
            Mutation::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
            Mutation::Byte(at, byte) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Mutation::Around(before, after) => {
                bytes = [before.as_bytes(), &bytes, after.as_bytes()].concat();
            }
            Mutation::Garbage(garbage) => bytes.clone_from(garbage),
            _ => {}
        }
    }
    bytes
}

/// Whether a run ended as the protocol wants it, and not by a panic.
fn check(output: &SyncOutput) {
    let code = output.exit_code.unwrap();
    let errors = output.errors();
    assert!(matches!(code, 0 | 1), "{code}");
    assert_eq!(code == 1, !errors.is_empty(), "{errors:?}");
    for error in errors {
        let message = error["message"].as_str().unwrap();
        assert!(!message.contains("unexpected error inside the connector"), "{error}");
    }
}

/// Runs a command with a file of these bytes in the place of one of its own.
fn run_with(connector: &Connector, verb: &str, option: &str, bytes: &[u8]) -> SyncOutput {
    let arguments = connector.arguments(verb);
    let place = arguments.iter().position(|argument| argument == option).unwrap() + 1;
    std::fs::write(&arguments[place], bytes).unwrap();
    connector.run_args(&arguments)
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    prop::collection::vec(mutation(), 1..4)
}

/// All forms of states that are read, ours and Airbyte's.
fn valid_state() -> Value {
    let id = "11111111-1111-4111-8111-111111111111";
    let time = "2026-01-01T00:00:00.000000Z";
    let lists = json!({"pages": [{"id": id, "since": time}], "data_sources": [{"id": id, "since": null}]});
    let unlisted = json!({"pages": [id], "data_sources": [id]});
    let states = [
        ("pages", json!({"last_edited_time": time, "retry": lists, "unlisted": unlisted})),
        (
            "blocks",
            json!({"use_global_cursor": true, "state": {"last_edited_time": time}, "lookback_window": 60,
                "resume": {"last_edited_time": time, "id": id, "until": time}, "retry": lists,
                "unlisted": unlisted}),
        ),
        (
            "comments",
            json!({"states": [{"partition": {"id": id}, "cursor": {"last_edited_time": time}}],
                "use_global_cursor": false, "lookback_window": 0}),
        ),
        ("data_sources", json!({"slices": [{"start": time, "end": time, "most_recent_cursor_value": time}]})),
    ];
    let message = |(name, state): &(&str, Value)| {
        json!({"type": "STREAM", "stream": {"stream_descriptor": {"name": name, "namespace": null},
            "stream_state": state}, "sourceStats": {"recordCount": 1.0}})
    };
    states.iter().map(message).collect()
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn no_config_brings_it_down(mutations in mutations()) {
        let connector = Connector::new(&NOTION).with_config("num_workers", json!(2));
        let valid = json!({
            "credentials": {"auth_type": "OAuth2.0", "client_id": "i", "client_secret": "s",
                "access_token": NOTION.token(), "refresh_token": "r"},
            "start_date": "2020-01-01T00:00:00.000Z", "num_workers": 2,
            "complete_properties": true, "api_url": NOTION.url(),
        });
        // Whatever becomes of the address, nobody else may be asked: discover sends nothing.
        check(&run_with(&connector, "discover", "--config", &mutated(&valid, &mutations)));
    }
}

proptest! {
    #![proptest_config(config(10))]

    #[test]
    fn no_catalog_brings_it_down(mutations in mutations()) {
        let connector = Connector::new(&NOTION);
        let stream = |name: &str| json!({"stream": {"name": name, "json_schema": {}, "namespace": null},
            "sync_mode": "incremental", "cursor_field": ["last_edited_time"], "destination_sync_mode": "append"});
        let valid = json!({"streams": [stream("users"), stream("pages"), stream("data_sources")]});
        check(&run_with(&connector, "read", "--catalog", &mutated(&valid, &mutations)));
    }

    #[test]
    fn no_state_brings_it_down(mutations in mutations()) {
        let connector = Connector::new(&NOTION).state(json!([]));
        check(&run_with(&connector, "read", "--state", &mutated(&valid_state(), &mutations)));
    }
}

/// An answer with everything that the connector looks at.
fn valid_answer() -> Value {
    let id = "11111111-1111-4111-8111-111111111111";
    let text = json!([{"type": "mention", "mention": {"type": "user"}, "plain_text": "t"}]);
    let time = "2026-01-01T00:00:00.000Z";
    let mut object = json!({
        "object": "page", "id": id, "type": "synced_block", "has_children": true, "last_edited_time": time,
        "created_time": time, "in_trash": false, "parent": {"type": "data_source_id", "data_source_id": id},
        "synced_block": {"synced_from": {"type": "block_id", "block_id": id}, "rich_text": text},
        "properties": {"R": {"id": "a%3Ab", "type": "relation", "relation": [{"id": id}], "has_more": true},
            "T": {"id": "title", "title": text}, "F": {"formula": {}}, "P": {"people": []}},
        "rich_text": text, "title": text, "data_sources": [{"id": id, "name": "n"}],
        "bot": {"owner": {"type": "user", "user": {}}}, "relation": {"id": id},
    });
    let page = object.clone();
    object["results"] = json!([page]);
    for (field, value) in [
        ("has_more", json!(true)),
        ("next_cursor", json!("c")),
        ("request_status", json!({"type": "incomplete"})),
    ] {
        object[field] = value;
    }
    object
}

proptest! {
    #![proptest_config(config(20))]

    #[test]
    fn no_answer_brings_it_down(
        route in prop::sample::select(&ROUTES[..]),
        status in prop_oneof![4 => Just(200_u16), 1 => 201_u16..600],
        mutations in prop::collection::vec(mutation(), 0..4),
    ) {
        let notion = FakeNotion::start_blocking(sample_workspace());
        let body = mutated(&valid_answer(), &mutations);
        // A wait that a mutated number asks for is honoured, however long it is.
        prop_assume!(!matches!(status, 429 | 529));
        let fault = Fault::Raw { status, content_type: "application/json".to_owned(), body, headers: Vec::new() };
        notion.fail_times(route, fault, 3);
        let brief = |settings: &mut source_notion::Settings| {
            settings.retry.max_retries = 2;
            settings.timeouts.read = Duration::from_secs(20);
        };
        check(&Connector::new(&notion).with_settings(brief).read());
    }
}
