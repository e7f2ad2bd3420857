//! A plain complete reader, compared with what the workspace says it should have read.

use std::{
    collections::{BTreeMap, HashSet},
    mem::discriminant,
};

use chrono::{DateTime, Utc};
use fake_notion::{
    BlockInfo, ExpectedObject, Home, SyncedCopies, Workspace,
    generate::{
        EditDone, Extras, GenerateOptions, generated_workspace, random_any_edit, random_edit,
        random_extra_edit,
    },
    ideal_requests,
    sample::sample_workspace,
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    client::Client,
    reader::{Received, read_all},
};

/// Compares with what a reader can come to.
fn assert_complete(client: &Client, received: &Received) {
    let time =
        |object: &Value| -> DateTime<Utc> { object["last_edited_time"].as_str().unwrap().parse().unwrap() };
    client.fake.edit(|workspace| {
        let start = DateTime::<Utc>::MIN_UTC;
        let expected = workspace.expected(start);
        let unfindable = workspace.unfindable(start, true);
        let is_found = |id: &Uuid| !unfindable.contains(id);

        let objects = |objects: &BTreeMap<Uuid, ExpectedObject>| -> BTreeMap<Uuid, DateTime<Utc>> {
            let found = objects.iter().filter(|(id, _)| is_found(id));
            found.map(|(id, object)| (*id, object.last_edited_time)).collect()
        };
        let times = |objects: &BTreeMap<Uuid, Value>| -> BTreeMap<Uuid, DateTime<Utc>> {
            objects.iter().map(|(id, object)| (*id, time(object))).collect()
        };
        assert_eq!(times(&received.pages), objects(&expected.pages));
        assert_eq!(times(&received.data_sources), objects(&expected.data_sources));

        for (id, block) in &expected.blocks {
            let homes: Vec<Home> =
                block.homes.iter().copied().filter(|home| is_found(&home.page_id)).collect();
            let read = received.blocks.get(id).filter(|_| !homes.is_empty());
            let Some(read) = read else {
                assert!(homes.is_empty(), "{id} was not read: {block:?}");
                continue;
            };
            assert!(homes.contains(&read.home), "{id} is at {:?}: {block:?}", read.home);
            assert_eq!(
                (read.sequence_number, time(&read.object), read.object["type"].as_str()),
                (block.sequence_number, block.last_edited_time, Some(block.kind.as_str()))
            );
        }
        assert!(received.blocks.keys().all(|id| expected.blocks.contains_key(id)));

        let comments = expected.comments.iter().filter(|(_, comment)| is_found(&comment.page_id));
        assert_eq!(received.comments, comments.map(|(id, comment)| (*id, comment.page_id)).collect());
    });
}

#[test]
fn sample_is_read_completely_with_the_ideal_number_of_requests() {
    let client = Client::new(sample_workspace());
    let received = read_all(&client);
    assert_complete(&client, &received);
    let ideal = client.fake.edit(|workspace| ideal_requests(workspace));
    // One page is hidden from search.
    assert_eq!((ideal.lookups, client.fake.requests().len()), (1, ideal.total()));
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
fn workspace_stays_consistent_under_edits_of_any_kind() {
    for seed in 0..6 {
        let options =
            GenerateOptions { seed, pages: 25, extras: Extras::some(), ..GenerateOptions::default() };
        let mut workspace = generated_workspace(options);
        workspace.settings.synced_copies = match seed % 3 {
            0 => SyncedCopies::NotFound,
            1 => SyncedCopies::Empty,
            _ => SyncedCopies::Content,
        };
        let client = Client::new(workspace);
        for round in 0..4 {
            let done: Vec<EditDone> = client.fake.edit(|workspace| {
                (0..25).map(|number| random_any_edit(workspace, seed * 1000 + round * 100 + number)).collect()
            });
            client.fake.clear_requests();
            let received = read_all(&client);
            assert_complete(&client, &received);
            let ideal = client.fake.edit(|workspace| ideal_requests(workspace));
            assert_eq!(client.fake.requests().len(), ideal.total(), "{seed} {round}: {ideal:?} {done:?}");
        }
    }
}

#[test]
fn every_kind_of_edit_is_drawn() {
    let options = GenerateOptions { pages: 60, extras: Extras::some(), ..GenerateOptions::default() };
    let mut workspace = generated_workspace(options);
    let mut kinds = BTreeMap::new();
    for seed in 0..600 {
        let done = format!("{:?}", random_any_edit(&mut workspace, seed));
        *kinds.entry(done.split(' ').next().unwrap().to_owned()).or_insert(0) += 1;
    }
    assert_eq!(kinds.len(), 30, "there are 30 variants of EditDone: {kinds:?}");
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
