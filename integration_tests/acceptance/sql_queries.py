"""Makes the views of docs/sql-views.md and runs every query of docs/sql.md in DuckDB, and checks what each answers.

Usage: sql_queries.py --executable PATH --url URL --token TOKEN --folder FOLDER

PyAirbyte reads the fake Notion at URL twice. In between the workspace is edited, and a page and a block of it go into
the trash, so that the tables hold what is no longer current.
"""

import argparse
import json
import os
import re
import sys
import urllib.request
from pathlib import Path

os.environ["AIRBYTE_OFFLINE_MODE"] = "1"
os.environ["DO_NOT_TRACK"] = "1"

parser = argparse.ArgumentParser()
parser.add_argument("--executable", type=Path, required=True)
parser.add_argument("--url", required=True)
parser.add_argument("--token", required=True)
parser.add_argument("--folder", type=Path, required=True)
options = parser.parse_args()
options.folder.mkdir(parents=True, exist_ok=True)
os.environ["AIRBYTE_PROJECT_DIR"] = str(options.folder)
os.environ["AIRBYTE_LOGGING_ROOT"] = str(options.folder / "logs")

import airbyte  # noqa: E402
from airbyte.caches import DuckDBCache  # noqa: E402

DOCS = Path(__file__).parents[2] / "docs"
database = options.folder / "workspace.duckdb"
database.unlink(missing_ok=True)
cache = DuckDBCache(db_path=database, schema_name="notion")


def control(verb: str, **body: object) -> dict:
    """Edits the workspace of the fake Notion."""
    call = urllib.request.Request(f"{options.url}/__control/{verb}", json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(call, timeout=60) as answer:
        return json.load(answer)


def read() -> None:
    """Reads what is new into the DuckDB file."""
    config = {"credentials": {"auth_type": "token", "token": options.token}, "api_url": options.url}
    source = airbyte.get_source("source-notion", local_executable=options.executable, config=config)
    source.select_all_streams()
    source.read(cache=cache)


def one(sql: str) -> str:
    """The only value of a query."""
    with cache.get_sql_engine().connect() as connection:
        return connection.exec_driver_sql(sql).scalar_one()


read()
gone_page = one("SELECT id FROM notion.pages WHERE title = 'Page in a toggle'")
gone_block = one("SELECT id FROM notion.blocks WHERE plain_text = 'A quote'")
only_block = one("SELECT id FROM notion.blocks WHERE plain_text = 'Only the tree leads here.'")
for trashed in [gone_page, gone_block, only_block]:
    control("trash", id=trashed)
edited = control("edit")
read()


def check(condition: bool, rows: list) -> None:
    """Ends the program when an answer is not as expected."""
    if not condition:
        sys.exit(f"FAIL  {heading}: {rows}")


def view(rows: list) -> None:
    """The queries on it tell whether it is right."""


def text_of_page(rows: list) -> None:
    """Everything is there, in order, and indented as it is nested."""
    check(len(rows) == 1, rows)
    lines = rows[0]["text"].splitlines()
    wanted = [
        "A toggle heading", "  Inside the heading", "Something to do", "A callout", "fn main() {}", "e = mc^2",
        "Add a task", "Level 1", "  Level 2", "    Level 3", "      Level 4", "Numbered", "  Below it",
        "A toggle", "  Inside the toggle", "https://example.com/image", "Kept by Notion", "report.txt",
        "https://example.com", "https://example.com/preview", "    Left", "    Right", "  Name\tValue", "  One\t1",
        "  First tab", "    Inside the tab", "  Written once", "A meeting", "  Summary", "    Said in the meeting",
    ]  # fmt: skip
    rest = iter(lines)
    missing = [line for line in wanted if line not in rest]
    check(not missing, [missing, *lines])
    check("A quote" not in lines and sum("Written once" in line for line in lines) == 1, lines)


def pages_with_word(rows: list) -> None:
    check([row["title"] for row in rows] == ["All blocks"] and rows[0]["url"].startswith("https://"), rows)


def blocks_of_page(rows: list) -> None:
    check([row["type"] for row in rows] == ["toggle"] and rows[0]["text"] == "A page in a block", rows)


def open_tasks(rows: list) -> None:
    check([(row["title"], row["text"]) for row in rows] == [("All blocks", "Something to do")], rows)
    check("#" in rows[0]["link"], rows)


def paths(rows: list) -> None:
    found = {row["path"] for row in rows}
    check({"Home / All blocks", "Home / Empty page"} <= found and "Home / Page in a toggle" not in found, rows)


def comments(rows: list) -> None:
    texts = {row["plain_text"]: row["title"] for row in rows}
    check(texts["A comment on the page."] == "Home" and texts["A question?"] == "All blocks", rows)
    check("Added comment" in texts, rows)


def discussions(rows: list) -> None:
    check((rows[0]["comments"], rows[0]["thread"]) == (2, "A question? | An answer, with a link"), rows)


def rows_as_columns(rows: list) -> None:
    tasks = {row["Name"]: row for row in rows}
    check({"Task 1", "Full task", "Long task", "Archived task"} <= set(tasks), rows)
    full = tasks["Full task"]
    wanted = {
        "Number": "1.5", "Select": "One", "Multi select": "One, Two", "Status": "Two", "Checkbox": "true",
        "Url": "https://example.com", "Unique id": "TASK-5", "Formula": "3", "Rich text": "Some text",
        "Date": "2026-02-25T01:23:00.000+09:00", "Files": "link, notes.txt",
    }  # fmt: skip
    check(all(full[name] == text for name, text in wanted.items()), [full])
    check(len(tasks["Long task"]["Relation"].split(", ")) == 30, rows)


def rows_of_data_sources(rows: list) -> None:
    counts = {row["name"]: row["row_count"] for row in rows}
    # An edit adds a row to one of them.
    check(counts["Projects"] in (40, 41) and counts["Tasks"] >= 7 and counts["Wiki"] >= 1, rows)


def relations(rows: list) -> None:
    named = {row["title"]: row["related"].split(", ") for row in rows}
    check(named["Full task"] == ["Project 1"] and len(named["Long task"]) == 30, rows)


def authors(rows: list) -> None:
    check({"Home", "Added page"} <= {row["title"] for row in rows}, rows)
    check(any(row["created_by"] for row in rows), rows)
    check(rows[0]["last_edited_time"] >= rows[-1]["last_edited_time"], rows)


def deleted(rows: list) -> None:
    check(gone_page in {row["id"] for row in rows} and all(row["_ab_cdc_deleted_at"] for row in rows), rows)


def not_current(rows: list) -> None:
    ids = {row["id"] for row in rows}
    check({gone_block, only_block} <= ids and edited["block"]["id"] not in ids, rows)


def stale(rows: list) -> None:
    check(rows == [], rows)


CHECKS = {
    "Current pages, blocks and comments": view,
    "Blocks in the order of their page": view,
    "Values of properties": view,
    "Text of each page": view,
    "A page's text": text_of_page,
    "Pages that contain a word": pages_with_word,
    "A page's current blocks": blocks_of_page,
    "Open tasks in the text of pages": open_tasks,
    "Pages below pages": paths,
    "Comments with their page and author": comments,
    "Discussions": discussions,
    "Rows as columns": rows_as_columns,
    "Rows in each data source": rows_of_data_sources,
    "Relations by title": relations,
    "Pages with the names of their authors": authors,
    "Deleted pages": deleted,
    "Blocks and comments that are not current": not_current,
    "Pages whose blocks are older than their last edit": stale,
}

text = "".join((DOCS / name).read_text() for name in ["sql-views.md", "sql.md"])
sections = (section.split("\n", 1) for section in re.split(r"^###? ", text, flags=re.MULTILINE)[1:])
queries = [(name, sql) for name, part in sections for sql in re.findall(r"```sql\n(.*?)```", part, re.DOTALL)]
if [name for name, _ in queries] != list(CHECKS):
    sys.exit(f"FAIL  every query needs a heading and a check: {[name for name, _ in queries]}")
with cache.get_sql_engine().connect() as connection:
    for heading, sql in queries:
        answer = connection.exec_driver_sql(sql)
        is_view = "CREATE OR REPLACE VIEW" in sql
        found = [] if is_view else [dict(row) for row in answer.mappings()]
        CHECKS[heading](found)
        print(f"ok    {heading}" + ("" if is_view else f": {len(found)} rows"))
