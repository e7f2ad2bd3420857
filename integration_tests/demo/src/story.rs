//! What happens, in order.

use std::{
    env,
    error::Error,
    fs,
    io::{self, Write},
    path::PathBuf,
    process,
    time::Duration,
};

use fake_notion::{FakeNotion, Workspace, sample::sample_workspace};
use serde_json::{Value, json};

use crate::{connector, person};

/// Long enough for a person to see the bar.
const LATENCY: Duration = Duration::from_millis(30);

const STREAMS: [&str; 5] = ["users", "data_sources", "pages", "blocks", "comments"];

/// For whom the story is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Tables and colours, at a terminal.
    Person,
    /// The connector's messages on stdout, the story on stderr.
    Program,
}

/// Starts a fake Notion and runs one command of the connector after the other.
pub(crate) fn tell(audience: Audience) -> Result<(), Box<dyn Error>> {
    let demo = Demo::start(audience)?;
    let (config, state) = (demo.path("config.json"), demo.path("state.json"));
    let read = ["read", "--config", &config, "--state-file", &state];

    demo.say("A fake Notion with a sample workspace answers here; nothing leaves this machine.")?;
    if audience == Audience::Program {
        demo.command("What does it need to know?", &["spec"])?;
    }
    demo.command("Does the token work, and what can it see?", &["check", "--config", &config])?;
    let messages = demo.command("Which streams are there?", &["discover", "--config", &config])?;
    demo.show(|| person::streams(&messages))?;

    if audience == Audience::Person {
        demo.notion.edit(|workspace| workspace.settings.latency = LATENCY);
    }
    let first = demo.command("Everything, for the first time.", &read)?;
    demo.show(|| format!("\n{}", person::some_pages(&first)))?;
    demo.count(&first)?;

    demo.notion.edit(edit)?;
    let story = "Meanwhile a page was renamed, one deleted, and an old one shared. Once more:";
    let second = demo.command(story, &read)?;
    demo.show(|| format!("\n{}", person::what_came(&first, &second)))?;
    demo.count(&second)
}

/// The sample workspace without some of its odd databases: what is skipped must fit one screen with all else.
fn workspace() -> Workspace {
    let mut workspace = sample_workspace();
    let mut blocks = workspace.visible_blocks();
    let titles = ["Linked, not found", "Linked, no access", "Untitled"];
    blocks.retain(|block| block.kind == "child_database" && titles.contains(&workspace.title(block.id)));
    for block in blocks {
        let edited = workspace.last_edited_time(block.page_id);
        workspace.purge(block.id);
        if let Some(edited) = edited {
            workspace.touch(block.page_id, edited);
        }
    }
    workspace
}

/// What people do between the two reads.
fn edit(workspace: &mut Workspace) -> Result<(), &'static str> {
    let named = |title: &str| {
        let pages = workspace.visible_pages();
        pages.into_iter().map(|(id, _time)| id).find(|id| workspace.title(*id) == title)
    };
    let (edited, deleted) = (named("Empty page"), named("Second top page"));
    let edited = edited.ok_or("there is nothing to edit")?;
    workspace.edit_title(edited, "Written while you were watching");
    workspace.append_text(edited, "paragraph", "Hello from the demo.");
    workspace.add_comment(edited, "And a comment.");
    workspace.trash(deleted.ok_or("there is nothing to delete")?);
    let private = workspace.unshared_objects();
    workspace.share(*private.first().ok_or("there is nothing to share")?);
    Ok(())
}

/// A fake Notion, and a folder for the files of its reader.
struct Demo {
    notion: FakeNotion,
    folder: PathBuf,
    audience: Audience,
}

impl Demo {
    fn start(audience: Audience) -> io::Result<Self> {
        let notion = FakeNotion::start_blocking(workspace());
        let folder = env::temp_dir().join(format!("source-notion-demo-{}", process::id()));
        fs::create_dir_all(&folder)?;
        let demo = Self { notion, folder, audience };
        let credentials = json!({"auth_type": "token", "token": demo.notion.token()});
        let config = json!({"credentials": credentials, "api_url": demo.notion.url()});
        fs::write(demo.path("config.json"), config.to_string())?;
        Ok(demo)
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    /// Runs a command of the connector and returns its messages.
    fn command(&self, story: &str, arguments: &[&str]) -> Result<Vec<Value>, Box<dyn Error>> {
        let folder = format!("{}/", self.folder.display());
        let line = format!("{} {}", connector::NAME, arguments.join(" ").replace(&folder, ""));
        match self.audience {
            Audience::Person => {
                let target = if line.contains(" read ") { " > read.jsonl" } else { "" };
                self.say(&person::heading(story, &format!("{line}{target}")))?;
            }
            Audience::Program => self.say(&format!("\n── {story}\n   {line}"))?,
        }
        connector::run(arguments, self.audience == Audience::Program)
    }

    /// Shows something to a person; to others the messages say it.
    fn show(&self, text: impl FnOnce() -> String) -> io::Result<()> {
        if self.audience == Audience::Person { self.say(&text()) } else { Ok(()) }
    }

    /// Tells how many records of each stream came, where a person has no report of it.
    fn count(&self, messages: &[Value]) -> Result<(), Box<dyn Error>> {
        if self.audience == Audience::Program {
            for name in STREAMS {
                self.say(&format!("   {name}: {} records", person::records(messages, name).count()))?;
            }
        }
        Ok(())
    }

    fn say(&self, text: &str) -> io::Result<()> {
        match self.audience {
            Audience::Person => writeln!(io::stdout(), "{text}"),
            Audience::Program => writeln!(io::stderr(), "{text}"),
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It lies in the folder for temporary files: the system removes it some day.
        fs::remove_dir_all(&self.folder).unwrap_or_default();
    }
}
