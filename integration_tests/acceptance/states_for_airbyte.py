"""Hands every kind of state that the connector writes to the cursors of Airbyte's, and checks where they go on.

Usage: states_for_airbyte.py --executable PATH --url URL --token TOKEN --folder FOLDER

The connector reads the fake Notion at URL several times, with failures, so that it writes finished and unfinished
states with each of its own keys. airbyte-cdk builds the streams as Airbyte's source-notion declares them, with each
of these states in turn, and must take the time from which it reads from the cursor in the state; from the start date
where there is none.
"""

import argparse
import json
import subprocess
import sys
import urllib.request
from pathlib import Path

from airbyte_cdk.models import AirbyteStateMessageSerializer
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource

parser = argparse.ArgumentParser()
parser.add_argument("--executable", type=Path, required=True)
parser.add_argument("--url", required=True)
parser.add_argument("--token", required=True)
parser.add_argument("--folder", type=Path, required=True)
options = parser.parse_args()
options.folder.mkdir(parents=True, exist_ok=True)

START_DATE = "2024-01-01T00:00:00.000000Z"
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
CURSOR_FIELD = "last_edited_time"
# The name of the partition field of each stream that reads pages.
PARTITION_FIELDS = {"blocks": "block_id", "comments": "id"}
STREAMS = ["data_sources", "pages", *PARTITION_FIELDS]


def manifest() -> dict:
    """The streams as Airbyte's source-notion declares them, as far as it matters for their cursors."""

    def stream(name: str, path: str, **retriever: object) -> dict:
        requester = {
            "type": "HttpRequester",
            "url_base": options.url,
            "path": path,
            "http_method": "POST" if path == "/v1/search" else "GET",
            "authenticator": {"type": "BearerAuthenticator", "api_token": options.token},
            "request_headers": {"Notion-Version": "2025-09-03"},
        }
        if path == "/v1/search":
            value = name.removesuffix("s")
            requester["request_body_json"] = {"filter": {"property": "object", "value": value}}
        selector = {
            "type": "RecordSelector",
            "extractor": {"type": "DpathExtractor", "field_path": ["results"]},
        }
        return {
            "type": "DeclarativeStream",
            "name": name,
            "primary_key": "id",
            "schema_loader": {"type": "InlineSchemaLoader", "schema": {"type": "object"}},
            "retriever": {
                "type": "SimpleRetriever",
                "requester": requester,
                "record_selector": selector,
                **retriever,
            },
            "incremental_sync": {
                "type": "DatetimeBasedCursor",
                "cursor_field": CURSOR_FIELD,
                "datetime_format": TIME_FORMAT,
                "start_datetime": {
                    "type": "MinMaxDatetime",
                    "datetime": START_DATE,
                    "datetime_format": TIME_FORMAT,
                },
                "global_substream_cursor": name == "blocks",
            },
        }

    pages = stream("pages", "/v1/search")

    def of_pages(name: str, path: str) -> dict:
        parent = {
            "type": "ParentStreamConfig",
            "stream": pages,
            "parent_key": "id",
            "partition_field": PARTITION_FIELDS[name],
        }
        router = {"type": "SubstreamPartitionRouter", "parent_stream_configs": [parent]}
        return stream(name, path, partition_router=router)

    return {
        "version": "7.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["pages"]},
        "streams": [
            stream("data_sources", "/v1/search"),
            pages,
            of_pages("blocks", "/v1/blocks/{{ stream_partition.block_id }}/children"),
            of_pages("comments", "/v1/comments"),
        ],
    }


def name_of(state: dict) -> str:
    """The stream that a state is of."""
    return state["stream"]["stream_descriptor"]["name"]


def starts(state: dict) -> dict:
    """From when airbyte-cdk reads a stream with this state: by page where the stream reads pages."""
    name = name_of(state)
    source = ConcurrentDeclarativeSource(
        config={}, state=[AirbyteStateMessageSerializer.load(state)], source_config=manifest()
    )
    stream = next(stream for stream in source.streams({}) if stream.name == name)
    slices = [partition.to_slice() for partition in stream.generate_partitions()]
    if not slices:
        sys.exit(f"FAIL  {name}: nothing is read from {state}")
    field = PARTITION_FIELDS.get(name)
    return {part.partition.get(field) if field else None: part.cursor_slice["start_time"] for part in slices}


def promised_start(state: dict, page: str | None) -> str:
    """From when records of a page must be read, by the meaning of the forms."""
    for entry in state.get("states", []) if not state.get("use_global_cursor") else []:
        if page in entry["partition"].values():
            return entry["cursor"][CURSOR_FIELD]
    return state.get("state", state).get(CURSOR_FIELD, START_DATE)


def control(path: str, **body: object) -> dict:
    """Tells the fake Notion what to do next."""
    url = f"{options.url}/__control/{path}"
    request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def read(states: list[dict], exit_code: int) -> list[dict]:
    """Runs the connector from these states; returns all states that it writes."""
    config = {
        "credentials": {"auth_type": "token", "token": options.token},
        "start_date": START_DATE,
        "api_url": options.url,
        "num_workers": 1,
    }
    catalog = [
        {
            "stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["incremental"]},
            "sync_mode": "incremental",
            "destination_sync_mode": "append",
        }
        for name in STREAMS
    ]
    command = [str(options.executable), "read"]
    for name, content in {"config": config, "catalog": {"streams": catalog}, "state": states}.items():
        path = options.folder / f"{name}.json"
        path.write_text(json.dumps(content))
        command += [f"--{name}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != exit_code:
        report = done.stdout[-2000:] + done.stderr[-2000:]
        sys.exit(f"FAIL  exit code {done.returncode}, not {exit_code}: {report}")
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    return [message["state"] for message in messages if message["type"] == "STATE"]


def last(states: list[dict]) -> list[dict]:
    """What a platform stores: the last state of each stream."""
    return list({name_of(state): state for state in states}.values())


def written_states() -> list[dict]:
    """States of every kind, from syncs that fail in different ways."""
    # 302 is an answer that is not tried again; 401, which is asked three times, ends the
    # whole sync, here in the middle of the walk.
    control("fail", route="search", status=302)
    written = read([], exit_code=1)
    control("fail", route="block_children", status=401, times=3)
    written += read([], exit_code=1)
    first = read([], exit_code=0)
    control("edit")
    for route in ["block_children", "query_data_source"]:
        control("fail", route=route, status=302, times=3)
    written += first + read(last(first), exit_code=1)
    # A state of Airbyte's connector, with a cursor for one of the pages.
    stored = last(first)
    comments = next(state for state in stored if name_of(state) == "comments")
    partition = {"id": next(iter(starts(comments))), "parent_slice": {}}
    cursor = {CURSOR_FIELD: "2025-06-01T00:00:00.000000Z"}
    comments["stream"]["stream_state"] = {
        "use_global_cursor": False,
        "states": [{"partition": partition, "cursor": cursor}],
        "lookback_window": 0,
    }
    return written + read(stored, exit_code=0)


# Of each kind, the first and the last state that was written.
kinds: dict[tuple[str, tuple], list[dict]] = {}
for state in written_states():
    keys = set(state["stream"]["stream_state"]) - {"use_global_cursor", "lookback_window", "parent_state"}
    kinds.setdefault((name_of(state), tuple(sorted(keys))), []).append(state)
for (name, keys), states in sorted(kinds.items()):
    for state in {id(state): state for state in [states[0], states[-1]]}.values():
        value = state["stream"]["stream_state"]
        for page, start in starts(state).items():
            promised = promised_start(value, page)
            if start != promised:
                sys.exit(f"FAIL  {name}: {page} is read from {start}, not {promised}: {value}")
    print(f"ok    {name}: {', '.join(keys) or 'neither a cursor nor a key of ours'} ({len(states)} written)")

for name, wanted in [
    ("data_sources", {"last_edited_time", "ledger"}),
    ("pages", {"ledger"}),
    ("pages", {"last_edited_time", "ledger"}),
    ("blocks", {"ledger"}),
    ("blocks", {"state", "ledger"}),
    ("comments", {"ledger"}),
    ("comments", {"state", "ledger"}),
]:
    if not any(name == of and wanted <= set(keys) for of, keys in kinds):
        sys.exit(f"FAIL  no state of {name} with {sorted(wanted)} was written")
