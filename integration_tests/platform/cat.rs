//! The checklist of Airbyte's connector acceptance tests (CAT 3.8.0), box by box.
//!
//! CAT itself needs a Python environment and drives images only; `make acceptance` runs its successor, which
//! looks at less. So the whole list is here, each test named after its box.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use chrono::Utc;
use fake_notion::{FakeNotion, sample::sample_workspace};
use proptest::{prelude::*, string::string_regex};
use serde_json::{Value, json};
use source_notion::config::Config;

use crate::support::{Connector, SyncOutput, incremental_streams, stream_names};

/// Keywords that platforms cannot show.
const FORBIDDEN: [&str; 11] = [
    "$ref",
    "allOf",
    "anyOf",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "if",
    "not",
    "patternProperties",
    "prefixItems",
    "then",
];

/// Names of properties that must be marked as secrets.
const SECRET_NAMES: [&str; 17] = [
    "access_token",
    "api_token",
    "app_id",
    "appid",
    "certificate",
    "client_secret",
    "client_token",
    "credentials",
    "jwt",
    "key",
    "password",
    "refresh_token",
    "secret",
    "service_account",
    "service_account_info",
    "tenant_id",
    "token",
];

/// A node of a JSON Schema and where it is: property names, and numbers of variants.
struct Node<'a> {
    path: Vec<String>,
    schema: &'a Value,
}

impl<'a> Node<'a> {
    fn name(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.schema.as_object().into_iter().flatten().map(|(key, _value)| key.as_str())
    }

    /// Its types but null.
    fn types(&self) -> Vec<&'a str> {
        let types = match &self.schema["type"] {
            Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect::<Vec<_>>(),
        };
        types.into_iter().filter(|name| *name != "null").collect()
    }

    fn properties(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.schema["properties"].as_object().into_iter().flatten()
    }

    fn variants(&self) -> &'a [Value] {
        self.schema["oneOf"].as_array().map_or(&[], Vec::as_slice)
    }

    fn children(&self) -> Vec<Self> {
        let below = |name: String, schema| {
            let mut path = self.path.clone();
            path.push(name);
            Self { path, schema }
        };
        let properties = self.properties().map(|(name, schema)| below(name.clone(), schema));
        let variants = self.variants().iter().enumerate();
        let variants = variants.map(|(number, schema)| below(format!("oneOf[{number}]"), schema));
        let items = self.schema.get("items").map(|schema| below("items".to_owned(), schema));
        properties.chain(variants).chain(items).collect()
    }
}

/// Every node of a schema, from the root down.
fn nodes(schema: &Value) -> Vec<Node<'_>> {
    let mut all = vec![Node { path: Vec::new(), schema }];
    let mut next = 0;
    while let Some(node) = all.get(next) {
        let children = node.children();
        all.extend(children);
        next += 1;
    }
    all
}

/// Calls `assert` for each node, with what the failure shall name.
fn each_node(schema: &Value, assert: impl Fn(&Node<'_>, &str)) {
    for node in nodes(schema) {
        assert(&node, &format!("{}: {}", node.path.join("."), node.schema));
    }
}

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn json_file(path: &str) -> Value {
    serde_json::from_str(&file(path)).unwrap()
}

fn connector() -> (FakeNotion, Connector) {
    let notion = FakeNotion::start_blocking(sample_workspace());
    let connector = Connector::new(&notion);
    (notion, connector)
}

/// A sample config of this folder, for the fake.
fn sample_config(notion: &FakeNotion, path: &str, token: &str) -> Value {
    let mut config = json_file(path);
    config["api_url"] = json!(notion.url());
    config["credentials"][token] = json!(notion.token());
    config
}

mod spec {
    use super::*;

    /// The answer of the program.
    fn spec() -> Value {
        let (_notion, connector) = connector();
        let output = connector.run_program("spec");
        assert_eq!(output.exit_code, Some(0));
        output.only("SPEC", "spec").clone()
    }

    fn schema() -> Value {
        spec()["connectionSpecification"].clone()
    }

    #[test]
    fn one_valid_schema_that_the_config_files_meet() {
        let schema = schema();
        assert!(jsonschema::draft7::meta::is_valid(&schema), "{schema}");
        let validator = jsonschema::draft7::new(&schema).unwrap();
        for path in ["integration_tests/sample_config.json", "integration_tests/sample_config_oauth.json"] {
            assert!(validator.is_valid(&json_file(path)), "{path}");
        }
    }

    #[test]
    fn no_second_spec_lies_in_the_folder() {
        for name in ["spec.json", "spec.yaml", "integration_tests/spec.json"] {
            assert!(!Path::new(env!("CARGO_MANIFEST_DIR")).join(name).exists(), "{name}");
        }
    }

    #[test]
    fn enum_values_are_distinct() {
        each_node(&schema(), |node, about| {
            let values: Vec<&Value> = node.schema["enum"].as_array().into_iter().flatten().collect();
            let distinct: BTreeSet<String> = values.iter().map(ToString::to_string).collect();
            assert_eq!(distinct.len(), values.len(), "{about}");
        });
    }

    #[test]
    fn one_of_variants_are_told_apart_by_one_constant() {
        let schema = schema();
        assert!(nodes(&schema).iter().any(|node| !node.variants().is_empty()), "there is a choice");
        each_node(&schema, |node, about| {
            if node.variants().is_empty() {
                return;
            }
            assert_eq!(node.schema["type"], "object", "{about}");
            let constants: Vec<BTreeMap<&str, &Value>> = node
                .variants()
                .iter()
                .map(|variant| {
                    assert_eq!(variant["type"], "object", "{about}");
                    let properties = variant["properties"].as_object().unwrap();
                    let constants = properties.iter().filter_map(|(name, property)| {
                        let constant = property.get("const")?;
                        assert!(property.get("default").is_none_or(|default| default == constant), "{about}");
                        assert!(property.get("enum").is_none_or(|of| of == &json!([constant])), "{about}");
                        Some((name.as_str(), constant))
                    });
                    constants.collect()
                })
                .collect();
            let names: BTreeSet<Vec<&str>> =
                constants.iter().map(|constants| constants.keys().copied().collect()).collect();
            assert_eq!(names, BTreeSet::from([vec!["auth_type"]]), "{about}");
            let values: BTreeSet<String> =
                constants.iter().map(|constants| constants["auth_type"].to_string()).collect();
            assert_eq!(values.len(), node.variants().len(), "{about}");
        });
    }

    #[test]
    fn secrets_and_nothing_else_are_marked_as_secrets() {
        each_node(&schema(), |node, about| {
            let is_scalar = node.types().iter().any(|name| ["string", "integer", "number"].contains(name));
            let is_secret =
                is_scalar && SECRET_NAMES.contains(&node.name()) && node.schema.get("const").is_none();
            // An id is no secret by the rule; here it is treated as one, as Airbyte's connector does.
            let is_marked = node.schema["airbyte_secret"] == true;
            assert_eq!(is_marked, is_secret || node.name() == "client_id", "{about}");
        });
    }

    #[test]
    fn each_property_has_one_type() {
        each_node(&schema(), |node, about| {
            assert_eq!(node.types().len(), 1, "{about}");
            let is_empty_object = node.types() == ["object"]
                && node.properties().next().is_none()
                && node.variants().is_empty();
            assert!(!is_empty_object, "{about}");
            if node.types() == ["array"] {
                let items = &node.schema["items"];
                assert!(items["type"].is_string() || items["enum"].is_array(), "{about}");
            }
        });
    }

    #[test]
    fn no_forbidden_keyword() {
        each_node(&schema(), |node, about| {
            for key in node.keys() {
                assert!(!FORBIDDEN.contains(&key), "{key} in {about}");
            }
        });
    }

    #[test]
    fn dates_have_a_format_and_a_pattern_that_agree() {
        let schema = schema();
        let of_time =
            |node: &&Node<'_>| node.name().ends_with("_date") || node.schema["format"] == "date-time";
        let all = nodes(&schema);
        let times: Vec<_> = all.iter().filter(of_time).collect();
        assert_eq!(times.iter().map(|node| node.name()).collect::<Vec<_>>(), ["start_date"]);
        for node in times {
            assert_eq!(node.schema["format"], "date-time");
            let validator = jsonschema::draft7::new(node.schema).unwrap();
            for example in node.schema["examples"].as_array().unwrap() {
                assert!(validator.is_valid(example), "{example}");
                assert!(chrono::DateTime::parse_from_rfc3339(example.as_str().unwrap()).is_ok());
            }
            assert!(!validator.is_valid(&json!("2024-01-31")));
        }
    }

    #[test]
    fn order_group_and_display_type_are_where_they_may_be() {
        each_node(&schema(), |node, about| {
            let orders: Vec<i64> =
                node.properties().filter_map(|(_name, property)| property["order"].as_i64()).collect();
            assert_eq!(orders.iter().collect::<BTreeSet<_>>().len(), orders.len(), "{about}");
            assert!(node.path.len() <= 1 || node.schema.get("group").is_none(), "{about}");
            if let Some(display_type) = node.schema.get("display_type") {
                assert!(!node.variants().is_empty(), "{about}");
                assert!([json!("dropdown"), json!("radio")].contains(display_type), "{about}");
            }
        });
    }

    #[test]
    fn more_properties_are_always_allowed() {
        each_node(&schema(), |node, about| {
            assert!(node.schema.get("additionalProperties").is_none_or(|more| more == true), "{about}");
        });
    }

    #[test]
    fn each_property_explains_itself_and_no_code_shows_through() {
        let schema = schema();
        assert_eq!(schema["description"], "Which Notion workspace to read, and how.");
        each_node(&schema, |node, about| {
            if node.path.is_empty() || node.name().starts_with("oneOf") || node.schema.get("const").is_some()
            {
                return;
            }
            for field in ["title", "description"] {
                assert!(node.schema[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {about}");
            }
        });
    }

    /// All values below `key` in any object of a JSON value.
    fn values_of<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get(key));
                object.values().for_each(|value| values_of(value, key, found));
            }
            Value::Array(values) => values.iter().for_each(|value| values_of(value, key, found)),
            _scalar => {}
        }
    }

    #[test]
    fn paths_of_advanced_auth_exist_and_oauth_comes_first() {
        let spec = spec();
        let schema = &spec["connectionSpecification"];
        let auth = &spec["advanced_auth"];
        let first = &schema["properties"]["credentials"]["oneOf"][0]["properties"];
        let mut paths = Vec::new();
        values_of(auth, "path_in_connector_config", &mut paths);
        assert_eq!(paths.len(), 3);
        paths.push(&auth["predicate_key"]);
        for path in paths {
            let path: Vec<&str> =
                path.as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect();
            let [root, field] = path[..] else { panic!("{path:?}") };
            assert_eq!(root, "credentials");
            assert!(first.get(field).is_some(), "{path:?}");
        }
        assert_eq!(first["auth_type"]["const"], auth["predicate_value"]);
        let declarative = &auth["oauth_config_specification"]["oauth_connector_input_specification"];
        for url in ["consent_url", "access_token_url"] {
            assert!(
                declarative[url].as_str().unwrap().starts_with("https://api.notion.com/v1/oauth/"),
                "{url}"
            );
        }
    }

    /// Configs that Airbyte's connector 4.0.1 accepts.
    fn old_config() -> impl Strategy<Value = Value> {
        let date = string_regex(
            "20[01][0-9]-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\\.[0-9]{3}Z",
        );
        let text = || string_regex("[!-~]{1,60}").unwrap();
        let token = || string_regex("(ntn_|secret_)?[0-9A-Za-z_]{1,60}").unwrap();
        let credentials = prop_oneof![
            token().prop_map(|token| json!({"auth_type": "token", "token": token})),
            (text(), text(), token()).prop_map(|(id, secret, token)| json!({"auth_type": "OAuth2.0",
                "client_id": id, "client_secret": secret, "access_token": token})),
        ];
        (credentials, proptest::option::of(date.unwrap())).prop_map(|(credentials, start_date)| {
            let mut config = json!({ "credentials": credentials });
            if let Some(start_date) = start_date {
                config["start_date"] = json!(start_date);
            }
            config
        })
    }

    #[test]
    fn backward_compatible_with_the_fields_of_airbytes_connector() {
        let schema = schema();
        assert!(schema.get("required").is_none_or(|required| required == &json!([])), "nothing was required");
        let properties = &schema["properties"];
        assert_eq!(properties["start_date"]["type"], "string");
        assert_eq!(
            properties["start_date"]["pattern"],
            r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"
        );
        let variants = properties["credentials"]["oneOf"].as_array().unwrap();
        let required: Vec<&Value> = variants.iter().map(|variant| &variant["required"]).collect();
        assert_eq!(required[0], &json!(["auth_type", "client_id", "client_secret", "access_token"]));
        assert_eq!(required[1], &json!(["auth_type", "token"]));
        let titles: Vec<&Value> = variants.iter().map(|variant| &variant["title"]).collect();
        assert_eq!(titles, ["OAuth2.0", "Access Token"]);
    }

    #[test]
    fn old_configs_validate_and_are_accepted() {
        let validator = jsonschema::draft7::new(&schema()).unwrap();
        proptest!(ProptestConfig::with_cases(100), |(config in old_config())| {
            prop_assert!(validator.is_valid(&config), "{config}");
            prop_assert!(Config::parse(&config.to_string(), Utc::now(), false).is_ok(), "{config}");
        });
    }

    #[test]
    fn the_image_has_the_entry_point_and_the_labels_that_metadata_names() {
        let (dockerfile, metadata) = (file("Dockerfile"), file("metadata.yaml"));
        let after = |text: &str, start: &str| {
            let line = text.lines().find_map(|line| line.trim_start().strip_prefix(start).map(str::to_owned));
            line.unwrap_or_else(|| panic!("no line begins with {start}"))
        };
        let entry_point: Vec<String> = serde_json::from_str(&after(&dockerfile, "ENTRYPOINT ")).unwrap();
        let variable = after(&dockerfile, "ENV AIRBYTE_ENTRYPOINT=");
        assert_eq!(variable.trim_matches('"'), entry_point.join(" "));
        let label = after(&dockerfile, "LABEL io.airbyte.name=");
        let repository = label.trim_end_matches('\\').trim().trim_matches('"');
        assert_eq!(repository, after(&metadata, "dockerRepository: "));
        let version = after(&metadata, "dockerImageTag: ");
        assert_eq!(after(&dockerfile, "ARG VERSION="), version);
        assert_eq!(version, env!("CARGO_PKG_VERSION"));
    }
}

mod connection {
    use super::*;

    #[test]
    fn succeed_is_one_status_succeeded() {
        let (notion, connector) = connector();
        for (path, token) in [
            ("integration_tests/sample_config.json", "token"),
            ("integration_tests/sample_config_oauth.json", "access_token"),
        ] {
            let output = connector.clone().config(sample_config(&notion, path, token)).run_program("check");
            assert_eq!((output.connection_status().0.as_str(), output.exit_code), ("SUCCEEDED", Some(0)));
        }
    }

    #[test]
    fn failed_is_one_status_failed() {
        let (notion, connector) = connector();
        let mut config = json_file("integration_tests/invalid_config.json");
        config["api_url"] = json!(notion.url());
        let output = connector.config(config).run_program("check");
        assert_eq!((output.connection_status().0.as_str(), output.exit_code), ("FAILED", Some(0)));
    }
}

mod discovery {
    use super::*;

    fn streams() -> Vec<Value> {
        let (notion, connector) = connector();
        let output = connector.run_program("discover");
        assert_eq!((output.exit_code, notion.requests().len()), (Some(0), 0));
        output.only("CATALOG", "catalog")["streams"].as_array().unwrap().clone()
    }

    /// The schema at the end of a path of property names.
    fn at<'a>(stream: &'a Value, path: &Value) -> &'a Value {
        let path = path.as_array().unwrap().iter().map(|part| part.as_str().unwrap());
        path.fold(&stream["json_schema"], |schema, name| &schema["properties"][name])
    }

    #[test]
    fn one_catalog_with_unique_names() {
        let streams = streams();
        let names: Vec<&Value> = streams.iter().map(|stream| &stream["name"]).collect();
        assert_eq!(names, stream_names());
    }

    #[test]
    fn schemas_are_valid_and_have_no_forbidden_keyword() {
        for stream in streams() {
            let schema = &stream["json_schema"];
            assert!(jsonschema::draft7::meta::is_valid(schema), "{}", stream["name"]);
            assert_eq!(schema["type"], "object");
            each_node(schema, |node, about| {
                for key in ["$ref", "allOf", "not"] {
                    assert!(node.schema.get(key).is_none(), "{about}");
                }
                assert!(node.schema.get("additionalProperties").is_none_or(|more| more == true), "{about}");
            });
        }
    }

    #[test]
    fn cursor_and_primary_key_exist_and_the_key_is_scalar() {
        for stream in streams() {
            let keys = stream["source_defined_primary_key"].as_array().unwrap();
            assert!(!keys.is_empty(), "{}", stream["name"]);
            for key in keys {
                let types = &at(&stream, key)["type"];
                assert_eq!(types, &json!(["null", "string"]), "{}", stream["name"]);
            }
            let is_incremental = incremental_streams().contains(&stream["name"].as_str().unwrap());
            assert_eq!(stream.get("default_cursor_field").is_some(), is_incremental);
            if is_incremental {
                assert_eq!(at(&stream, &stream["default_cursor_field"])["format"], "date-time");
                assert_eq!(stream["source_defined_cursor"], true);
            }
        }
    }

    #[test]
    fn sync_modes_are_given() {
        for stream in streams() {
            let is_incremental = incremental_streams().contains(&stream["name"].as_str().unwrap());
            let modes =
                if is_incremental { json!(["full_refresh", "incremental"]) } else { json!(["full_refresh"]) };
            assert_eq!(stream["supported_sync_modes"], modes);
            assert_eq!(stream["is_resumable"], is_incremental);
        }
    }

    #[test]
    fn types_are_supported_ones() {
        for stream in streams() {
            each_node(&stream["json_schema"], |node, about| {
                let types = node.types();
                assert!(!types.is_empty() || !node.variants().is_empty(), "{about}");
                for name in &types {
                    assert!(
                        ["array", "boolean", "integer", "number", "object", "string"].contains(name),
                        "{about}"
                    );
                }
                assert!(!types.contains(&"array") || node.schema.get("items").is_some(), "{about}");
                if let Some(format) = node.schema.get("format") {
                    assert_eq!(types, ["string"], "{about}");
                    assert!([json!("date"), json!("date-time")].contains(format), "{about}");
                }
                if let Some(kind) = node.schema.get("airbyte_type") {
                    assert_eq!(
                        (kind, &node.schema["format"]),
                        (&json!("timestamp_with_timezone"), &json!("date-time")),
                        "{about}"
                    );
                }
            });
        }
    }

    #[test]
    fn backward_compatible_with_the_streams_of_airbytes_connector() {
        for stream in streams() {
            assert_eq!(stream["source_defined_primary_key"], json!([["id"]]));
            if incremental_streams().contains(&stream["name"].as_str().unwrap()) {
                assert_eq!(stream["default_cursor_field"], json!(["last_edited_time"]));
            }
        }
    }
}

/// A catalog of everything that discover offers, as CAT makes it.
fn full_refresh_catalog(connector: &Connector) -> Value {
    let discovered = connector.run("discover");
    let streams = discovered.only("CATALOG", "catalog")["streams"].as_array().unwrap();
    let configured = streams.iter().map(|stream| {
        json!({"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append",
            "cursor_field": null, "primary_key": null, "generation_id": null})
    });
    json!({"streams": configured.collect::<Vec<_>>()})
}

mod basic_read {
    use super::*;

    fn read() -> (Value, SyncOutput) {
        let (_notion, connector) = connector();
        let catalog = full_refresh_catalog(&connector);
        let output = connector.catalog(catalog.clone()).read();
        output.assert_complete();
        (catalog, output)
    }

    #[test]
    fn every_stream_has_records_that_meet_its_schema() {
        let (catalog, output) = read();
        for configured in catalog["streams"].as_array().unwrap() {
            let name = configured["stream"]["name"].as_str().unwrap();
            let schema = &configured["stream"]["json_schema"];
            let validator =
                jsonschema::draft7::options().should_validate_formats(true).build(schema).unwrap();
            let records = output.records(name);
            assert!(!records.is_empty(), "{name}");
            for record in records {
                let errors: Vec<String> = validator
                    .iter_errors(record)
                    .map(|error| format!("{error} at {}", error.instance_path()))
                    .collect();
                assert!(errors.is_empty(), "{name}: {errors:?}");
                let declared = schema["properties"].as_object().unwrap();
                assert!(record.as_object().unwrap().keys().any(|field| declared.contains_key(field)));
            }
        }
    }

    #[test]
    fn primary_keys_are_present_and_scalar() {
        let (_catalog, output) = read();
        for (_line, stream, record) in output.all_records() {
            assert!(record["id"].as_str().is_some_and(|id| !id.is_empty()), "{stream}: {record}");
        }
    }

    #[test]
    fn every_stream_starts_runs_and_completes() {
        let (_catalog, output) = read();
        for stream in stream_names() {
            let statuses = output.statuses(stream);
            assert!(statuses.len() >= 3, "{stream}: {statuses:?}");
            assert_eq!(statuses[0], "STARTED", "{stream}");
            assert!(statuses.contains(&"RUNNING".to_owned()), "{stream}: {statuses:?}");
            assert_eq!(statuses.last().unwrap(), "COMPLETE", "{stream}");
        }
    }

    #[test]
    fn every_stream_has_a_state_that_counts_its_records() {
        let (_catalog, output) = read();
        // Fails where a state is not of the type STREAM or has no count.
        let states = output.states();
        for stream in stream_names() {
            let counted: f64 =
                states.iter().filter(|state| state.stream == stream).map(|state| state.record_count).sum();
            let records = u32::try_from(output.records(stream).len()).unwrap();
            assert!((counted - f64::from(records)).abs() < 0.5, "{stream}: {counted} of {records}");
            assert!(states.iter().any(|state| state.stream == stream), "{stream}");
        }
    }

    #[test]
    fn a_bogus_catalog_is_an_error() {
        let (notion, connector) = connector();
        let stream = json!({"name": "__AIRBYTE__stream_that_does_not_exist", "json_schema": {},
            "supported_sync_modes": ["full_refresh"]});
        let catalog = json!({"streams": [{"stream": stream, "sync_mode": "INVALID",
            "destination_sync_mode": "INVALID"}]});
        let output = connector.catalog(catalog).run_program("read");
        assert_eq!((output.exit_code, notion.requests().len()), (Some(1), 0));
        let (message, failure_type) = output.only_error();
        assert!(message.starts_with("The catalog file ") && failure_type == "config_error", "{message}");
    }
}

mod full_refresh {
    use super::*;

    fn emitted_at(output: &SyncOutput) -> Vec<i64> {
        let records = output.messages.iter().filter_map(|message| message.get("record"));
        records.map(|record| record["emitted_at"].as_i64().unwrap()).collect()
    }

    #[test]
    fn a_second_run_has_every_record_of_the_first_and_later_times() {
        let (_notion, connector) = connector();
        let connector = connector.clone().catalog(full_refresh_catalog(&connector));
        let first = connector.read();
        // The clock of the protocol has milliseconds.
        while Utc::now().timestamp_millis() <= emitted_at(&first).into_iter().max().unwrap() {
            std::hint::spin_loop();
        }
        let second = connector.read();
        assert!(emitted_at(&second).iter().min() > emitted_at(&first).iter().max());
        for stream in stream_names() {
            assert_eq!(first.ids(stream), second.ids(stream), "{stream}");
        }
    }
}

mod incremental {
    use super::*;

    fn catalog() -> Value {
        json_file("integration_tests/incremental_catalog.json")
    }

    /// The cursor in a state of either form.
    fn cursor(state: &Value) -> String {
        let state = state.get("state").unwrap_or(state);
        state["last_edited_time"].as_str().unwrap_or_else(|| panic!("no cursor in {state}")).to_owned()
    }

    #[test]
    fn a_second_run_from_the_last_states_reads_something_else() {
        // GIVEN
        let (notion, connector) = connector();
        let connector = connector.catalog(catalog());
        let first = connector.read();
        first.assert_complete();
        assert!(first.all_records().count() > 0 && !first.states().is_empty());

        // WHEN
        let added = notion.edit(|workspace| {
            let page = workspace.add_top_page("New");
            workspace.append_text(page, "paragraph", "New");
            page.to_string()
        });
        let state = first.state_file(&json!([]));
        let second = connector.state(state).read();

        // THEN
        second.assert_complete();
        assert!(second.ids("pages").contains(&added) && !first.ids("pages").contains(&added));
        for stream in incremental_streams() {
            assert_ne!(first.ids(stream), second.ids(stream), "{stream}");
            let (before, after) = (cursor(&first.last_state(stream)), cursor(&second.last_state(stream)));
            assert!(after >= before, "{stream}: {before}, {after}");
            for record in second.records(stream) {
                // One that says that a page has no comments has no time.
                let Some(time) = record["last_edited_time"].as_str() else { continue };
                assert!(time.get(..16) >= before.get(..16), "{stream}: {time} is before {before}");
            }
        }
    }

    #[test]
    fn every_slice_leads_to_at_least_the_records_that_followed_it() {
        // GIVEN
        let (_notion, connector) = connector();
        let connector = connector.catalog(catalog());
        let whole = connector.read();
        whole.assert_complete();
        let states = whole.states();
        let slices: Vec<_> = states.iter().filter(|state| state.record_count > 0.0).collect();
        assert!(slices.len() > 4, "{}", slices.len());
        let inner = &slices[1..slices.len() - 1];

        for slice in inner.iter().step_by(inner.len().div_ceil(5)) {
            // WHEN
            let before = SyncOutput { messages: whole.messages[..=slice.line].to_vec(), ..whole.clone() };
            let resumed = connector.clone().state(before.state_file(&json!([]))).read();

            // THEN
            resumed.assert_complete();
            for stream in incremental_streams() {
                // What a stream printed after its last state is not covered by any.
                let covered =
                    before.states().iter().rfind(|state| state.stream == stream).map(|state| state.line);
                let records = whole.all_records().filter(|(line, of, _record)| {
                    *of == stream && covered.is_none_or(|covered| *line > covered)
                });
                for (line, _stream, record) in records {
                    let id = record["id"].as_str().unwrap();
                    assert!(
                        resumed.ids(stream).contains(id),
                        "{stream} {id} of line {line}, slice {slice:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_abnormally_large_state_yields_no_record_and_a_state() {
        let (_notion, connector) = connector();
        let state = json_file("integration_tests/abnormal_state.json");
        let output = connector.catalog(catalog()).state(state).read();
        output.assert_complete();
        assert_eq!(output.all_records().count(), 0);
        for stream in incremental_streams() {
            output.last_state(stream);
        }
    }
}

mod connector_attributes {
    use super::*;

    /// The list below a key of metadata.yaml.
    fn list(metadata: &str, key: &str) -> Vec<String> {
        let lines = metadata.lines().map(str::trim).skip_while(|line| *line != key).skip(1);
        lines.map_while(|line| line.strip_prefix("- ").map(str::to_owned)).collect()
    }

    #[test]
    fn allowed_hosts_and_suggested_streams_are_given() {
        let metadata = file("metadata.yaml");
        assert_eq!(list(&metadata, "hosts:"), ["api.notion.com"]);
        let suggested = list(&metadata, "streams:");
        assert!(!suggested.is_empty());
        assert!(suggested.iter().all(|stream| stream_names().contains(&stream.as_str())), "{suggested:?}");
    }
}

mod connector_documentation {
    use super::*;

    #[test]
    fn headings_are_there_in_the_fixed_order() {
        let page = file("docs/notion.md");
        let headings: Vec<&str> = page.lines().filter(|line| line.starts_with('#')).collect();
        let expected = [
            "# Notion",
            "## Prerequisites",
            "## Setup guide",
            "#### For Calabi Connect Cloud",
            "#### For self-hosted platforms",
            "## Supported sync modes",
            "## Supported streams",
            "## Performance considerations",
            "## Data type map",
            "## Troubleshooting",
            "## Tutorials",
            "## Changelog",
        ];
        let found: Vec<&str> = headings.into_iter().filter(|heading| expected.contains(heading)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn prerequisites_name_what_the_config_asks_for() {
        let page = file("docs/notion.md");
        let section = page.split("\n## ").find(|section| section.starts_with("Prerequisites\n")).unwrap();
        for word in ["token", "client id", "client secret"] {
            assert!(section.contains(word), "{word}");
        }
    }

    #[test]
    fn the_changelog_has_this_version() {
        for path in ["docs/notion.md", "CHANGELOG.md"] {
            assert!(file(path).contains(env!("CARGO_PKG_VERSION")), "{path}");
        }
    }

    /// The sources' texts without what is only notation.
    /// The text of every file below a folder.
    fn files_below(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries
            .flat_map(|path| {
                if path.is_dir() { files_below(&path) } else { vec![fs::read_to_string(&path).unwrap()] }
            })
            .collect()
    }

    fn sources() -> String {
        let sources = files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
        let lines = sources.iter().flat_map(|source| source.lines());
        let text: String = lines
            .map(str::trim_start)
            .map(|line| line.strip_suffix('\\').map_or(format!("{line}\n"), str::to_owned))
            .collect();
        text.replace("\\\"", "\"").replace("{{", "{").replace("}}", "}").to_lowercase()
    }

    #[test]
    fn every_message_in_troubleshooting_is_one_of_the_sources() {
        let page = file("docs/notion.md");
        let sources = sources();
        let tables = page.split("\n### Messages ").skip(1);
        let rows = tables.flat_map(|table| table.lines().take_while(|line| !line.starts_with("## ")));
        let messages: Vec<&str> = rows
            .filter_map(|row| row.strip_prefix("| "))
            .map(|row| row.split(" | ").next().unwrap())
            .filter(|message| !message.starts_with("message") && !message.starts_with("---"))
            .collect();
        assert!(messages.len() > 30, "{}", messages.len());
        for message in messages {
            // Some are composed at a colon, a parenthesis or an "and".
            let parts =
                message.split('…').flat_map(|part| part.split(": ")).flat_map(|part| part.split(" ("));
            let parts = parts.flat_map(|part| part.split(", and "));
            let parts = parts.map(|part| part.trim().trim_start_matches("\" ").trim_end_matches('.'));
            for part in parts.filter(|part| part.len() > 3) {
                assert!(sources.contains(&part.to_lowercase()), "{part:?} of {message:?}");
            }
        }
    }
}
