//! Workspaces of any size, and random edits; both determined by a seed.

mod edits;
mod extras;
mod rare_edits;

use chrono::{DateTime, TimeDelta, Utc};
pub use edits::{EditDone, random_any_edit, random_edit, random_extra_edit};
pub use extras::Extras;
use serde_json::json;
use uuid::Uuid;

use crate::{ids::Sequence, rich_text, workspace::Workspace};

const WORDS: [&str; 12] = [
    "plan", "report", "note", "draft", "review", "budget", "meeting", "release", "design", "issue",
    "summary", "list",
];
const LEAVES: [&str; 5] = ["paragraph", "heading_2", "to_do", "quote", "code"];
const BRANCHES: [&str; 3] = ["bulleted_list_item", "toggle", "numbered_list_item"];

/// The size and shape of a generated workspace.
#[derive(Clone, Copy, Debug)]
pub struct GenerateOptions {
    /// Decides everything that the other options leave open.
    pub seed: u64,
    /// All pages, rows included.
    pub pages: usize,
    /// The mean number of blocks in a page, at all levels; single pages have up to twice as many.
    pub blocks_per_page: usize,
    /// How deep blocks are nested at most; 1 is flat.
    pub depth: usize,
    /// Which part of the pages are rows, from 0 to 1.
    pub row_share: f64,
    /// How many data sources share the rows, each in a database of its own.
    pub data_sources: usize,
    /// The mean number of comments on a page.
    pub comments_per_page: f64,
    /// How many listed persons there are.
    pub users: usize,
    /// How long ago the oldest edit was, in days before `now`.
    pub oldest_days: u32,
    /// The end of the time that edits are spread over; `None` is the present.
    pub now: Option<DateTime<Utc>>,
    /// Whether ids have the form of Notion's newer ones.
    pub new_ids: bool,
    /// What only some workspaces have.
    pub extras: Extras,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            pages: 100,
            blocks_per_page: 10,
            depth: 3,
            row_share: 0.5,
            data_sources: 3,
            comments_per_page: 0.3,
            users: 5,
            oldest_days: 365,
            now: None,
            new_ids: true,
            extras: Extras::default(),
        }
    }
}

/// Builds a workspace in which search lists everything.
pub fn generated_workspace(options: GenerateOptions) -> Workspace {
    let mut workspace = if options.new_ids {
        Workspace::with_new_ids(options.seed)
    } else {
        Workspace::with_seed(options.seed)
    };
    let mut random = Sequence::new(options.seed ^ 0x5eed);
    // Numbers of their own, so that everything else stays as it is.
    let mut random_of_extras = Sequence::new(options.seed ^ 0x00e8_74a5);
    let now = options.now.unwrap_or_else(|| workspace.now());
    for number in 1..=options.users {
        workspace.add_person(&format!("Person {number}"), Some(&format!("person{number}@example.com")));
    }
    let minutes = usize::try_from(options.oldest_days).unwrap_or(365) * 1440;
    let some_time = |random: &mut Sequence| {
        let ago = 60 + random.below(minutes.saturating_sub(60));
        now - TimeDelta::minutes(i64::try_from(ago).unwrap_or(60))
    };
    let mut pages = vec![workspace.add_top_page_at("Home", some_time(&mut random))];
    let mut data_sources = Vec::new();
    for number in 1..=options.data_sources {
        let time = some_time(&mut random);
        data_sources.push(workspace.add_database(pages[0], &format!("Database {number}"), time).1);
    }
    extras::add_data_sources(&mut workspace, &mut random_of_extras, options.extras, &mut data_sources);
    while pages.len() < options.pages.max(1) {
        let (title, time) = (words(&mut random), some_time(&mut random));
        let page = if !data_sources.is_empty() && random.happens(options.row_share) {
            workspace.add_row(random.pick(&data_sources), &title, time)
        } else if random.happens(0.1) {
            workspace.add_top_page_at(&title, time)
        } else {
            workspace.add_page_at(random.pick(&pages), &title, time)
        };
        pages.push(page);
    }
    for &page in &pages {
        let time = some_time(&mut random);
        workspace.set_default_time(Some(time));
        add_blocks(&mut workspace, &mut random, page, options);
        while random.happens(options.comments_per_page / (1.0 + options.comments_per_page)) {
            let text = words(&mut random);
            workspace.add_comment(page, &text);
        }
        workspace.touch(page, time);
    }
    workspace.set_default_time(None);
    extras::add_to_pages(&mut workspace, &mut random_of_extras, options.extras, &pages);
    workspace
}

fn add_blocks(workspace: &mut Workspace, random: &mut Sequence, page: Uuid, options: GenerateOptions) {
    let count = random.below(2 * options.blocks_per_page + 1);
    // The open branches, the page first.
    let mut open = vec![page];
    for _ in 0..count {
        open.truncate(1 + random.below(open.len()));
        let parent = *open.last().expect("the page stays open");
        let text = words(random);
        if open.len() < options.depth && random.happens(0.2) {
            open.push(workspace.append_text(parent, random.pick(&BRANCHES), &text));
            continue;
        }
        match random.pick(&LEAVES) {
            "code" => {
                let payload =
                    json!({"caption": [], "rich_text": rich_text::plain(&text), "language": "plain text"});
                workspace.append_block(parent, "code", payload);
            }
            kind => {
                workspace.append_text(parent, kind, &text);
            }
        }
    }
}

fn words(random: &mut Sequence) -> String {
    (0..2 + random.below(5)).map(|_| random.pick(&WORDS)).collect::<Vec<_>>().join(" ")
}
