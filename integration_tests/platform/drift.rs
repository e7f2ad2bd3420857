//! What the API adds without a new version flows through unharmed and is reported.

use fake_notion::{FakeNotion, Workspace};
use serde_json::json;

use crate::support::Connector;

#[test]
fn new_fields_and_types_flow_through_and_are_reported() {
    // GIVEN a new field, a new block type and a new property type
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page("Page");
    let paragraph =
        workspace.append_block(page, "paragraph", json!({"rich_text": [], "color": "default", "glow": 7}));
    let hologram =
        workspace.append_block(page, "hologram", json!({"depth_mm": 3, "layers": [{"a": [null]}]}));
    workspace.set_property(page, "Mood", json!({"type": "mood", "mood": {"level": 1.50}}));
    let notion = FakeNotion::start_blocking(workspace);

    // WHEN the workspace is read
    let output = Connector::new(&notion).read();

    // THEN each is there as it came
    output.assert_complete();
    assert_eq!(output.record("blocks", paragraph)["paragraph"]["glow"], json!(7));
    assert_eq!(
        output.record("blocks", hologram)["hologram"],
        json!({"depth_mm": 3, "layers": [{"a": [null]}]})
    );
    let properties = output.record("pages", page)["properties"].as_array().unwrap();
    let mood = properties.iter().find(|property| property["name"] == "Mood").unwrap();
    assert_eq!(mood["value"]["mood"], json!({"level": 1.5}));

    // AND each is named once and counted in the report
    let report = output.report();
    for path in ["paragraph.glow", "hologram", "properties[].value.mood"] {
        let warning = format!("does not know, so destinations may drop it: {path}.");
        let warnings =
            output.logs().iter().filter(|(level, text)| level == "WARN" && text.contains(&warning)).count();
        assert_eq!(warnings, 1, "{path}");
        assert!(report.contains(&format!("unknown field {path} in 1 of ")), "{report}");
    }
}

#[test]
fn the_sample_workspace_has_no_unknown_field() {
    let notion = FakeNotion::start_blocking(fake_notion::sample::sample_workspace());
    let output = Connector::new(&notion).read();
    assert!(!output.report().contains("unknown field"), "{}", output.report());
}
