"""Reads a workspace into DuckDB with PyAirbyte, twice, with an edit in between, and checks every table.

Usage: duckdb_round_trip.py (--executable PATH | --on-path | --image NAME) --url URL --token TOKEN --folder FOLDER

The first read fills a new file, the second goes on from the state that is stored in it. After each, the
tables must hold what the fake Notion at URL says that its workspace consists of.
"""

import argparse
import json
import os
import sys
import urllib.request
from pathlib import Path

# Without a network: no connector registry, no telemetry. PyAirbyte reads these when it is imported.
os.environ["AIRBYTE_OFFLINE_MODE"] = "1"
os.environ["DO_NOT_TRACK"] = "1"

parser = argparse.ArgumentParser()
connector = parser.add_mutually_exclusive_group(required=True)
connector.add_argument("--executable", type=Path)
connector.add_argument("--on-path", action="store_true", help="the executable that the PATH leads to")
connector.add_argument("--image")
parser.add_argument("--url", required=True)
parser.add_argument("--token", required=True)
parser.add_argument("--folder", type=Path, required=True)
options = parser.parse_args()

# A container gets the folder for temporary files as a volume, and reads it as another user.
temporary = options.folder / "temporary"
temporary.mkdir(mode=0o755, parents=True, exist_ok=True)
os.environ["AIRBYTE_TEMP_DIR"] = str(temporary)
os.environ["AIRBYTE_PROJECT_DIR"] = str(options.folder)
os.environ["AIRBYTE_LOGGING_ROOT"] = str(options.folder / "logs")

import airbyte  # noqa: E402
from airbyte.caches import DuckDBCache  # noqa: E402
from sqlalchemy import text  # noqa: E402

STREAMS = ["users", "data_sources", "pages", "blocks", "comments"]
INCREMENTAL = [stream for stream in STREAMS if stream != "users"]
NO_RECORDS = ["child_page", "child_database", "ai_block"]
API_VERSION = "2025-09-03"

database = options.folder / "workspace.duckdb"
database.unlink(missing_ok=True)


def request(method: str, path: str) -> dict:
    """Asks the fake Notion, whose own endpoints for tests are below `/__control`."""
    headers = {
        "Authorization": f"Bearer {options.token}",
        "Notion-Version": API_VERSION,
        "Content-Type": "application/json",
    }
    body = b"{}" if method == "POST" else None
    call = urllib.request.Request(options.url + path, body, headers, method=method)
    with urllib.request.urlopen(call, timeout=60) as answer:
        return json.load(answer)


def open_source() -> airbyte.Source:
    """Makes the source as a user of PyAirbyte does."""
    if options.image:
        where = {"docker_image": options.image, "use_host_network": True}
    else:
        where = {"local_executable": "source-notion" if options.on_path else options.executable}
    config = {
        "credentials": {"auth_type": "token", "token": options.token},
        "start_date": "2024-01-01T00:00:00.000Z",
        "api_url": options.url,
        "num_workers": 8,
    }
    return airbyte.get_source("source-notion", config=config, **where)


def equal(what: str, expected: object, actual: object) -> None:
    """Ends the program when a check fails."""
    if expected != actual:
        sys.exit(f"FAIL  {what}: expected {expected}, got {actual}")
    print(f"ok    {what}")


class Snapshot:
    """What the DuckDB file holds after a read."""

    def __init__(self, cache: DuckDBCache) -> None:
        with cache.get_sql_engine().connect() as connection:

            def query(sql: str) -> list:
                return list(connection.execute(text(sql)))

            schema = cache.schema_name
            # The markers of pages without blocks or comments are rows of those tables, but neither.
            where = {s: "WHERE object <> 'page'" if s in ["blocks", "comments"] else "" for s in STREAMS}
            self.rows = {s: query(f"SELECT count(*) FROM {schema}.{s} {where[s]}")[0][0] for s in STREAMS}
            self.ids = {
                s: query(f"SELECT count(DISTINCT id) FROM {schema}.{s} {where[s]}")[0][0] for s in STREAMS
            }
            self.pages = {
                row.id: row for row in query(f"SELECT id, title, url, last_edited_time FROM {schema}.pages")
            }
            self.texts = {
                row.id: row.plain_text
                for stream in ["blocks", "comments"]
                for row in query(f"SELECT id, plain_text FROM {schema}.{stream}")
            }
            self.users = {row.id: row for row in query(f"SELECT id, type, name FROM {schema}.users")}
            states = query(f"SELECT stream_name, state_json FROM {schema}._airbyte_state")
            self.states = {row.stream_name: json.loads(row.state_json) for row in states}

    def cursor(self, stream: str) -> str:
        """The time up to which the stored state says that the stream is read."""
        state = self.states[stream]["stream"]["stream_state"]
        return state.get("state", state)["last_edited_time"]


def title(page: dict) -> str:
    """A page's title in plain text, as it is in the API's answer."""
    titles = [value["title"] for value in page["properties"].values() if value["type"] == "title"]
    return "".join(part["plain_text"] for part in titles[0]) if titles else ""


def minute(moment: object) -> str:
    """A time as DuckDB or the API give it, cut to the API's granularity."""
    return str(moment).replace(" ", "T")[:16]


def check_tables(when: str, snapshot: Snapshot) -> None:
    """Compares the tables with the workspace."""
    counts = request("GET", "/__control/counts")
    expected = {
        "users": counts["users"],
        # Those in the trash, which search shows as well, were never there.
        "data_sources": counts["data_sources"],
        "pages": counts["pages"],
        # Blocks below what cannot be read are in no stream, and pages are records of a stream of their own.
        "blocks": sum(n for kind, n in counts["reachable_blocks"].items() if kind not in NO_RECORDS),
        # Comments inside of a page's text are in no stream.
        "comments": counts["page_comments"],
    }
    equal(f"{when}: rows of each table {expected}", expected, snapshot.rows)
    equal(f"{when}: no row is there twice", snapshot.ids, snapshot.rows)
    wrong = []
    for page_id, row in snapshot.pages.items():
        page = request("GET", f"/v1/pages/{page_id}")
        there = (title(page), page["url"], minute(page["last_edited_time"]))
        here = (row.title or "", row.url, minute(row.last_edited_time))
        if here != there:
            wrong.append((page_id, here, there))
    equal(f"{when}: title, url and time of each page", [], wrong)
    wrong = []
    for user_id, row in snapshot.users.items():
        user = request("GET", f"/v1/users/{user_id}")
        if (row.type, row.name) != (user.get("type"), user.get("name")):
            wrong.append((user_id, row, user))
    equal(f"{when}: type and name of each user", [], wrong)
    equal(f"{when}: a state of each stream", sorted(STREAMS), sorted(snapshot.states))


cache = DuckDBCache(db_path=database, schema_name="notion")

source = open_source()
source.check()
equal("streams on offer", sorted(STREAMS), sorted(source.get_available_streams()))
source.select_all_streams()
first_read = source.read(cache=cache).processed_records
first = Snapshot(cache)
check_tables("first read", first)

edited = request("POST", "/__control/edit")
print("the workspace is edited:", json.dumps(edited))

source = open_source()
source.select_all_streams()
second_read = source.read(cache=cache).processed_records
second = Snapshot(cache)
check_tables("second read", second)
equal("the second read brought something", True, second_read > 0)
equal(f"it read less ({second_read} records after {first_read})", True, second_read < first_read)
for what, name in [("page", "Added page"), ("row", "Added row")]:
    equal(f"the added {what} is new", False, edited[what]["id"] in first.pages)
    equal(f"the added {what} has its title", name, second.pages[edited[what]["id"]].title)
equal("the added comment has its text", "Added comment", second.texts[edited["comment"]["id"]])
block = edited["block"]["id"]
equal(f"the edited block has its new text ({second.texts[block]})", "Edited at ", second.texts[block][:10])
equal("the edited block had another text", True, first.texts[block] != second.texts[block])
for stream in INCREMENTAL:
    before, after = first.cursor(stream), second.cursor(stream)
    equal(f"the cursor of {stream} does not go back ({before}, {after})", True, after >= before)
