//! A plain complete reader, compared with what the workspace says it should have read.

use std::{
    collections::{BTreeMap, HashSet},
    mem::discriminant,
};

use fake_notion::{
    BlockInfo, Workspace,
    generate::{Extras, GenerateOptions, generated_workspace, random_edit, random_extra_edit},
    ideal_requests,
    sample::sample_workspace,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{Client, id};

/// What a reader has received.
#[derive(Default)]
struct Received {
    pages: BTreeMap<Uuid, Value>,
    blocks: BTreeMap<Uuid, Value>,
    comments: HashSet<Uuid>,
}

fn read_all(client: &Client) -> Received {
    let mut received = Received::default();
    client.drain("/v1/users", None, 100);
    let mut pages = client.search("page", 100);
    for data_source in client.search("data_source", 100) {
        if data_source["in_trash"] == false {
            let path = format!("/v1/data_sources/{}/query", id(&data_source));
            pages.extend(client.drain(&path, Some(&json!({})), 100));
            pages.extend(client.drain(&path, Some(&json!({"is_archived": true})), 100));
        }
    }
    while let Some(page) = pages.pop() {
        let page_id = id(&page);
        if page["object"] == "data_source" || received.pages.insert(page_id, page.clone()).is_some() {
            continue;
        }
        read_properties(client, &page);
        let comments = client.drain(&format!("/v1/comments?block_id={page_id}"), None, 100);
        received.comments.extend(comments.iter().map(id));
        read_children(client, page_id, 1, &mut received, &mut pages);
    }
    received
}

fn read_properties(client: &Client, page: &Value) {
    for (_, value) in page["properties"].as_object().unwrap() {
        let kind = value["type"].as_str().unwrap();
        let count = value[kind].as_array().map_or(0, |items| {
            items.iter().filter(|item| kind == "people" || item["type"] == "mention").count()
        });
        if value["has_more"] == true || count >= 25 {
            let path = format!("/v1/pages/{}/properties/{}", id(page), value["id"].as_str().unwrap());
            client.drain(&path, None, 100);
        }
    }
}

fn read_children(
    client: &Client,
    parent: Uuid,
    depth: usize,
    received: &mut Received,
    pages: &mut Vec<Value>,
) {
    for block in client.drain(&format!("/v1/blocks/{parent}/children"), None, 100) {
        let block_id = id(&block);
        let kind = block["type"].as_str().unwrap();
        let copy = block["synced_block"]["synced_from"].is_object();
        if kind == "child_page" && !received.pages.contains_key(&block_id) {
            let known = pages.iter().any(|page| id(page) == block_id);
            if !known {
                pages.push(client.get(&format!("/v1/pages/{block_id}")).json());
            }
        }
        if kind == "child_database" {
            client.get(&format!("/v1/databases/{block_id}"));
        }
        let closed = matches!(kind, "child_page" | "child_database" | "ai_block" | "unsupported") || copy;
        let has_children = block["has_children"] == true;
        received.blocks.insert(block_id, block);
        if has_children && !closed && depth < 30 {
            read_children(client, block_id, depth + 1, received, pages);
        }
    }
}

/// Compares with the pages that a reader can come to: archived ones stay hidden when nothing lists them.
fn assert_complete(client: &Client, received: &Received) {
    let shown = |object: &Value| object["last_edited_time"].as_str().unwrap().parse().unwrap();
    client.fake.edit(|workspace| {
        let pages: BTreeMap<_, _> = workspace.visible_pages().into_iter().collect();
        assert_eq!(
            received.pages.iter().map(|(id, page)| (*id, shown(page))).collect::<BTreeMap<_, _>>(),
            pages
        );
        let blocks: BTreeMap<_, _> = workspace
            .visible_blocks()
            .into_iter()
            .filter(|block| block.reachable)
            .map(|block| (block.id, block.last_edited_time))
            .collect();
        assert_eq!(
            received.blocks.iter().map(|(id, block)| (*id, shown(block))).collect::<BTreeMap<_, _>>(),
            blocks
        );
        let comments: HashSet<_> = workspace
            .visible_comments()
            .into_iter()
            .filter(|comment| !comment.on_block)
            .map(|comment| comment.id)
            .collect();
        assert_eq!(received.comments, comments);
    });
}

#[test]
fn sample_is_read_completely_with_the_ideal_number_of_requests() {
    let client = Client::new(sample_workspace());
    let received = read_all(&client);
    assert_complete(&client, &received);
    let ideal = client.fake.edit(|workspace| ideal_requests(workspace));
    // One page is hidden from search, and cost a retrieval of its own.
    assert_eq!(client.fake.requests().len(), ideal.total() + 1);
}

#[test]
fn generated_workspace_stays_consistent_under_random_edits() {
    for seed in 0..4 {
        let options = GenerateOptions { seed, pages: 40, ..GenerateOptions::default() };
        let client = Client::new(generated_workspace(options));
        for round in 0..3 {
            client.fake.edit(|workspace| {
                for number in 0..15 {
                    random_edit(workspace, seed * 1000 + round * 100 + number);
                }
            });
            client.fake.clear_requests();
            let received = read_all(&client);
            assert_complete(&client, &received);
            let ideal = client.fake.edit(|workspace| ideal_requests(workspace));
            assert_eq!(client.fake.requests().len(), ideal.total());
        }
    }
}

#[test]
fn workspace_with_extras_stays_consistent_under_random_edits() {
    for seed in 0..3 {
        let options =
            GenerateOptions { seed, pages: 30, extras: Extras::some(), ..GenerateOptions::default() };
        let client = Client::new(generated_workspace(options));
        for round in 0..3 {
            client.fake.clear_requests();
            let received = read_all(&client);
            assert_complete(&client, &received);
            let ideal = client.fake.edit(|workspace| ideal_requests(workspace));
            assert_eq!(client.fake.requests().len(), ideal.total());
            client.fake.edit(|workspace| {
                for number in 0..10 {
                    let seed = seed * 1000 + round * 100 + number;
                    random_edit(workspace, seed);
                    random_extra_edit(workspace, seed);
                }
            });
        }
    }
}

#[test]
fn every_extra_is_generated_and_edited() {
    let options = GenerateOptions { pages: 100, extras: Extras::some(), ..GenerateOptions::default() };
    let workspace = generated_workspace(options);
    let blocks = workspace.visible_blocks();
    let data_sources: Vec<Uuid> = workspace.visible_data_sources().into_iter().map(|(id, _)| id).collect();
    let databases: HashSet<Uuid> =
        data_sources.iter().filter_map(|data_source| workspace.database_of(*data_source)).collect();

    let copies = blocks.iter().filter(|block| workspace.is_synced_copy(block.id));
    assert!(copies.map(|copy| copy.page_id).collect::<HashSet<_>>().len() > 1);
    assert!(databases.len() < data_sources.len());
    let is_in = |inner: &Uuid, wiki: &Uuid| inner != wiki && workspace.is_below(*inner, *wiki);
    assert!(data_sources.iter().any(|wiki| data_sources.iter().any(|inner| is_in(inner, wiki))));
    let is_linked = |block: &BlockInfo| block.kind == "child_database" && !databases.contains(&block.id);
    assert!(blocks.iter().any(is_linked));
    assert!(ideal_requests(&workspace).properties > 10);

    let kinds = (0..500).map(|seed| discriminant(&random_extra_edit(&mut workspace.clone(), seed)));
    assert_eq!(kinds.collect::<HashSet<_>>().len(), 7);
}

#[test]
fn workspaces_of_the_benchmark_stay_as_they_are() {
    let options = GenerateOptions {
        seed: 7,
        pages: 300,
        blocks_per_page: 20,
        data_sources: 5,
        ..GenerateOptions::default()
    };
    assert_eq!(ideal_requests(&generated_workspace(options)).total(), 1150);
}

#[test]
fn same_seed_gives_the_same_workspace() {
    let now = Workspace::new().now();
    let build = || {
        generated_workspace(GenerateOptions {
            seed: 9,
            pages: 30,
            now: Some(now),
            extras: Extras::some(),
            ..GenerateOptions::default()
        })
    };
    let (mut one, mut other) = (build(), build());
    assert_eq!(one.visible_blocks(), other.visible_blocks());
    assert_eq!(random_edit(&mut one, 5), random_edit(&mut other, 5));
    assert_eq!(random_extra_edit(&mut one, 5), random_extra_edit(&mut other, 5));
}
