//! What holds for each stream, whichever it is; for spec and discover; and for the project's files.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use fake_notion::{FakeNotion, sample::sample_workspace};
use schema_source::undeclared_paths;
use serde_json::{Value, json};
use source_notion::{
    config::Config,
    protocol::{ConfiguredCatalog, InputState, SyncMode},
    streams::STREAMS,
};

use crate::support::{Connector, SyncOutput};

fn names() -> Vec<&'static str> {
    STREAMS.iter().map(|stream| &*stream.spec().name).collect()
}

fn schema_of(name: &str) -> Value {
    let stream = STREAMS.iter().find(|stream| stream.spec().name == name).unwrap();
    serde_json::from_str(stream.spec().schema.text()).unwrap()
}

fn sample() -> (FakeNotion, Connector) {
    let notion = FakeNotion::start_blocking(sample_workspace());
    let connector = Connector::new(&notion).streams(&names());
    (notion, connector)
}

fn read_sample() -> SyncOutput {
    let (_notion, connector) = sample();
    let output = connector.read();
    output.assert_complete();
    output
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

/// The cursor in a state of either form.
fn cursor(state: &Value) -> DateTime<Utc> {
    let single = state.get("last_edited_time");
    time(single.unwrap_or(&state["state"]["last_edited_time"]))
}

#[test]
fn names_are_unique() {
    let unique: BTreeSet<&str> = names().into_iter().collect();
    assert_eq!(unique.len(), STREAMS.len());
}

#[test]
fn each_schema_is_draft_07_and_declares_key_and_cursor() {
    for stream in STREAMS.iter() {
        let (spec, schema) = (stream.spec(), schema_of(&stream.spec().name));
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#", "{}", spec.name);
        assert!(jsonschema::draft7::meta::is_valid(&schema), "{}", spec.name);
        assert!(jsonschema::draft7::new(&schema).is_ok(), "{}", spec.name);
        assert_eq!(schema["additionalProperties"], true, "{}", spec.name);
        assert!(schema["properties"][&*spec.primary_key].is_object(), "{}", spec.name);
        if let Some(field) = spec.cursor_field() {
            assert_eq!(schema["properties"][field]["format"], "date-time", "{}", spec.name);
        }
    }
}

#[test]
fn each_record_is_what_its_schema_declares() {
    let output = read_sample();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for stream in STREAMS.iter() {
        let spec = stream.spec();
        let schema = schema_of(&spec.name);
        let validator = jsonschema::draft7::options().should_validate_formats(true).build(&schema).unwrap();
        for record in output.records(&spec.name) {
            let errors: Vec<String> = validator.iter_errors(record).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{}: {errors:#?} in {record:#}", spec.name);
            let undeclared = undeclared_paths(&schema, record);
            assert!(undeclared.is_empty(), "{}: {undeclared:#?}", spec.name);
            assert!(record[&*spec.primary_key].is_string(), "{}: {record:#}", spec.name);
            if let Some(field) = spec.cursor_field() {
                time(&record[field]);
            }
            *counts.entry(&*spec.name).or_default() += 1;
        }
    }
    assert_eq!(counts.len(), STREAMS.len(), "every stream has records: {counts:?}");
}

#[test]
fn each_stream_starts_runs_and_completes_and_its_states_count_its_records() {
    let output = read_sample();
    for name in names() {
        assert_eq!(output.statuses(name), ["STARTED", "RUNNING", "COMPLETE"]);
        let states: Vec<_> = output.states().into_iter().filter(|state| state.stream == name).collect();
        assert!(!states.is_empty(), "{name}");
        let records: Vec<usize> =
            output.all_records().filter(|(_, stream, _)| *stream == name).map(|(line, ..)| line).collect();
        let mut after = 0;
        for state in &states {
            let covered = records.iter().filter(|line| (after..state.line).contains(*line)).count();
            assert!((state.record_count - f64::from(u32::try_from(covered).unwrap())).abs() < 0.5, "{name}");
            after = state.line;
        }
        let last = after;
        assert!(records.iter().all(|line| *line < last), "{name}: a record after the last state");
        let complete = status_line(&output, name, "COMPLETE");
        let running = status_line(&output, name, "RUNNING");
        assert!(status_line(&output, name, "STARTED") < running && running < records[0], "{name}");
        assert!(last < complete, "{name}: a state after COMPLETE");
    }
}

/// The line of a stream's status.
fn status_line(output: &SyncOutput, stream: &str, status: &str) -> usize {
    let is_it = |message: &Value| {
        let of = &message["trace"]["stream_status"];
        of["status"] == status && of["stream_descriptor"]["name"] == stream
    };
    output.messages.iter().position(is_it).unwrap()
}

#[test]
fn a_second_sync_repeats_at_most_the_minute_of_the_first() {
    // Notion tells its time to the second, so the connector may take its clock to be almost a second late.
    let began = (Utc::now() - TimeDelta::seconds(1)).duration_trunc(TimeDelta::minutes(1)).unwrap();
    let (_notion, connector) = sample();
    let first = connector.read();
    first.assert_complete();
    let second = connector.state(first.state_file(&json!([]))).read();
    second.assert_complete();
    for stream in STREAMS.iter() {
        let spec = stream.spec();
        let Some(field) = spec.cursor_field() else {
            assert_eq!(second.ids(&spec.name), first.ids(&spec.name));
            continue;
        };
        let repeated = second.records(&spec.name);
        // What belongs to a page comes with all of it, and says when that page was edited.
        let edited = |record: &Value| match record.get("page_last_edited_time") {
            Some(of_page) => time(&record[field]).max(time(of_page)),
            None => time(&record[field]),
        };
        assert!(repeated.iter().all(|record| edited(record) >= began), "{}", spec.name);
        assert!(repeated.len() < first.records(&spec.name).len(), "{}", spec.name);
        assert!(
            cursor(&second.last_state(&spec.name)) >= cursor(&first.last_state(&spec.name)),
            "{}",
            spec.name
        );
    }
}

#[test]
fn discover_is_the_same_every_time_and_asks_nobody() {
    let (notion, connector) = sample();
    let one = connector.run("discover");
    let other = connector.run("discover");
    assert_eq!(one.exit_code, Some(0));
    assert_eq!(one.stdout, other.stdout);
    assert_eq!(one.stdout, connector.run_program("discover").stdout);
    let old_form = connector.config(json!({"access_token": "ntn_x"})).run("discover");
    assert_eq!(one.stdout, old_form.stdout);
    assert_eq!(notion.requests().len(), 0);
}

#[test]
fn discover_shows_what_the_streams_declare() {
    let (_notion, connector) = sample();
    let output = connector.run("discover");
    let streams = output.only("CATALOG", "catalog")["streams"].as_array().unwrap().clone();
    let mut shown = String::new();
    for stream in &streams {
        let name = stream["name"].as_str().unwrap();
        assert_eq!(stream["json_schema"], schema_of(name), "{name}");
        let mut short = stream.clone();
        let properties = stream["json_schema"]["properties"].as_object().unwrap();
        let types: Vec<String> =
            properties.iter().map(|(field, schema)| format!("{field}: {}", schema["type"])).collect();
        short["json_schema"] = json!(types);
        shown += &serde_json::to_string_pretty(&short).unwrap();
        shown.push('\n');
    }
    assert_eq!(streams.len(), STREAMS.len());
    insta::assert_snapshot!("discover", shown);
}

#[test]
fn spec_shows_the_config() {
    let (_notion, connector) = sample();
    let output = connector.run("spec");
    assert_eq!(output.exit_code, Some(0));
    assert_eq!(output.stdout, connector.run_program("spec").stdout);
    let spec = output.only("SPEC", "spec");
    let schema = &spec["connectionSpecification"];
    assert!(jsonschema::draft7::meta::is_valid(schema));
    insta::assert_snapshot!("spec", serde_json::to_string_pretty(spec).unwrap());
}

#[test]
fn sample_configs_fit_the_spec_and_are_read() {
    let (_notion, connector) = sample();
    let spec = connector.run("spec");
    let schema = &spec.only("SPEC", "spec")["connectionSpecification"];
    let validator = jsonschema::draft7::new(schema).unwrap();
    let files = [
        ("sample_config.json", include_str!("../sample_config.json"), false),
        ("sample_config_oauth.json", include_str!("../sample_config_oauth.json"), true),
        // Its token is well formed and refused.
        ("invalid_config.json", include_str!("../invalid_config.json"), false),
    ];
    for (name, text, is_oauth) in files {
        let value: Value = serde_json::from_str(text).unwrap();
        assert!(validator.is_valid(&value), "{name}");
        let config = Config::parse(text, Utc::now(), true).unwrap();
        assert_eq!(config.credentials.oauth.is_some(), is_oauth, "{name}");
    }
}

#[test]
fn the_invalid_config_is_refused_by_check() {
    let (notion, connector) = sample();
    let mut config: Value = serde_json::from_str(include_str!("../invalid_config.json")).unwrap();
    config["api_url"] = json!(notion.url());
    assert_eq!(connector.config(config).run("check").connection_status().0, "FAILED");
}

#[test]
fn sample_catalogs_agree_with_discover() {
    let (_notion, connector) = sample();
    let discover = connector.run("discover");
    let streams = &discover.only("CATALOG", "catalog")["streams"];
    let of_discover = |name: &str| {
        streams.as_array().unwrap().iter().find(|stream| stream["name"] == name).unwrap().clone()
    };
    let files = [
        (include_str!("../configured_catalog.json"), None),
        (include_str!("../incremental_catalog.json"), Some(SyncMode::Incremental)),
    ];
    for (text, mode) in files {
        let catalog = ConfiguredCatalog::parse(text).unwrap();
        let selected: BTreeSet<&str> = catalog.streams.iter().map(|stream| stream.name.as_str()).collect();
        let expected =
            STREAMS.iter().map(|stream| stream.spec()).filter(|spec| mode.is_none() || spec.cursor.is_some());
        assert_eq!(selected, expected.map(|spec| &*spec.name).collect::<BTreeSet<_>>());
        assert!(mode.is_none_or(|mode| catalog.streams.iter().all(|stream| stream.sync_mode == mode)));
        let raw: Value = serde_json::from_str(text).unwrap();
        for configured in raw["streams"].as_array().unwrap() {
            let declared = of_discover(configured["stream"]["name"].as_str().unwrap());
            for field in [
                "supported_sync_modes",
                "source_defined_primary_key",
                "source_defined_cursor",
                "default_cursor_field",
            ] {
                assert_eq!(configured["stream"].get(field), declared.get(field), "{declared}");
            }
            assert_eq!(configured["primary_key"], declared["source_defined_primary_key"]);
            let modes = declared["supported_sync_modes"].as_array().unwrap();
            assert!(modes.contains(&configured["sync_mode"]));
        }
        connector.clone().catalog(raw).read().assert_complete();
    }
}

#[test]
fn sample_states_are_read() {
    let (_notion, connector) = sample();
    let files =
        [(include_str!("../sample_state.json"), false), (include_str!("../abnormal_state.json"), true)];
    for (text, is_future) in files {
        let state = InputState::parse(text).unwrap();
        for stream in STREAMS.iter() {
            let spec = stream.spec();
            if spec.cursor.is_none() {
                continue;
            }
            let stored = Value::Object(state.stream(&spec.name).unwrap().clone());
            assert_eq!(cursor(&stored) > Utc::now(), is_future, "{}", spec.name);
        }
        let state: Value = serde_json::from_str(text).unwrap();
        let output = connector.clone().state(state).read();
        output.assert_complete();
        assert_eq!(output.records("pages").is_empty(), is_future);
    }
}

/// The value behind the first line that begins with this, quotes taken off.
fn value_in<'a>(text: &'a str, key: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(key));
    line.unwrap_or_else(|| panic!("no {key}")).trim().trim_matches('"')
}

/// The items of the list that stands below these lines.
fn items_in<'a>(text: &'a str, above: &[&str]) -> Vec<&'a str> {
    let mut lines = text.lines();
    for key in above {
        assert!(lines.by_ref().any(|line| line.trim() == *key), "no {key}");
    }
    lines.map_while(|line| line.trim().strip_prefix("- ")).collect()
}

#[test]
fn the_version_is_the_same_everywhere() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(value_in(include_str!("../../metadata.yaml"), "dockerImageTag:"), version);
    assert_eq!(value_in(include_str!("../../Dockerfile"), "ARG VERSION="), version);
}

#[test]
fn the_metadata_says_what_the_connector_is() {
    let metadata = include_str!("../../metadata.yaml");
    assert_eq!(value_in(metadata, "dockerRepository:"), "calabi/source-notion");
    assert_eq!(value_in(metadata, "connectorType:"), "source");
    assert_eq!(value_in(metadata, "connectorSubtype:"), "api");
    assert_eq!(value_in(metadata, "license:"), env!("CARGO_PKG_LICENSE"));
    assert_eq!(items_in(metadata, &["tags:"]), ["language:rust"]);
    assert_eq!(items_in(metadata, &["allowedHosts:", "hosts:"]), ["api.notion.com"]);
    let suggested = items_in(metadata, &["suggestedStreams:", "streams:"]);
    assert!(!suggested.is_empty() && suggested.iter().all(|name| names().contains(name)), "{suggested:?}");
    let (_notion, connector) = sample();
    let spec = connector.run("spec");
    let documentation = &spec.only("SPEC", "spec")["documentationUrl"];
    assert_eq!(documentation, value_in(metadata, "documentationUrl:"));
    let default_url =
        &spec.only("SPEC", "spec")["connectionSpecification"]["properties"]["api_url"]["default"];
    assert_eq!(default_url, "https://api.notion.com");
}

#[test]
fn the_image_starts_the_program_the_same_way_for_everyone() {
    let dockerfile = include_str!("../../Dockerfile");
    let entrypoint = value_in(dockerfile, "ENTRYPOINT ").trim_matches(['[', ']', '"']);
    assert_eq!(value_in(dockerfile, "ENV AIRBYTE_ENTRYPOINT="), entrypoint);
    assert_eq!(value_in(dockerfile, "USER "), "1000:1000");
    assert!(dockerfile.contains(r#"io.airbyte.name="calabi/source-notion""#));
    assert!(dockerfile.contains(r#"io.airbyte.version="${VERSION}""#));
}
