"""Reads the same workspace with Airbyte's connector and with this one, and prints what each took and brought.

Usage: compare.py --ours PATH --airbyte PYTHON --serve PATH --folder FOLDER [PAGES ...]

Each connector gets a fake Notion of its own with the same workspace: the sample, which has everything once, and
generated ones of so many PAGES. After a full sync of all streams the workspace is edited, and an incremental sync goes
on from the states that the first one wrote. CPU and memory are the process's own, as the system counts them.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--ours", type=Path, required=True)
parser.add_argument("--airbyte", type=Path, required=True, help="the Python that has Airbyte's connector")
parser.add_argument("--serve", type=Path, required=True, help="the fake Notion")
parser.add_argument("--folder", type=Path, required=True)
parser.add_argument("pages", type=int, nargs="*", default=[1000])
options = parser.parse_args()
options.folder.mkdir(parents=True, exist_ok=True)

HERE = Path(__file__).parent
NO_RECORDS = ["child_page", "child_database", "ai_block"]
# What Airbyte's connector of before calls the data sources.
OLD_NAMES = {"databases": "data_sources"}
CONNECTORS = {
    "Airbyte's": [str(options.airbyte), str(HERE / "airbyte_connector.py")],
    "this one": [str(options.ours)],
}


class Notion:
    """A fake Notion in a process of its own."""

    def __init__(self, pages: int | None) -> None:
        command = [str(options.serve), "127.0.0.1:0", *(["--pages", str(pages)] if pages else [])]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url, self.token = self.process.stdout.readline().split()

    def control(self, method: str, verb: str) -> dict:
        """One of its endpoints for scripts."""
        body = b"{}" if method == "POST" else None
        call = urllib.request.Request(f"{self.url}/__control/{verb}", body, method=method)
        with urllib.request.urlopen(call, timeout=600) as answer:
            return json.load(answer)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


class Sync:
    """What one sync took and brought."""

    def __init__(self, name: str, notion: Notion, states: list[dict]) -> None:
        before = len(notion.control("GET", "requests")["requests"])
        config = {"credentials": {"auth_type": "token", "token": notion.token}}
        if name == "this one":
            config["api_url"] = notion.url
        names = ["users", "data_sources", "pages", "blocks", "comments"]
        if name != "this one":
            names = [{new: old for old, new in OLD_NAMES.items()}.get(stream, stream) for stream in names]
        files = {"config": config, "catalog": {"streams": [stream_of(stream) for stream in names]}}
        if states:
            files["state"] = states
        command = [*CONNECTORS[name], "read"]
        for option, content in files.items():
            path = options.folder / f"{option}.json"
            path.write_text(json.dumps(content))
            command += [f"--{option}", str(path)]
        output = options.folder / "output.jsonl"
        start = time.monotonic()
        with output.open("w") as stdout, (options.folder / "errors.txt").open("w") as stderr:
            environment = {**os.environ, "NOTION_URL": notion.url, "PYTHONWARNINGS": "ignore"}
            process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=environment)
            self.kibibytes = 0
            while not (done := os.wait4(process.pid, os.WNOHANG))[0]:
                self.kibibytes = max(self.kibibytes, high_water_mark(process.pid))
                time.sleep(0.002)
            _, status, usage = done
        self.seconds = time.monotonic() - start
        self.cpu = usage.ru_utime + usage.ru_stime
        self.exit_code = os.waitstatus_to_exitcode(status)
        self.requests = len(notion.control("GET", "requests")["requests"]) - before
        self.ids: dict[str, set] = {}
        self.records: Counter = Counter()
        last_states = {}
        for line in output.open():
            message = json.loads(line)
            if message["type"] == "RECORD":
                stream = OLD_NAMES.get(message["record"]["stream"], message["record"]["stream"])
                record = message["record"]["data"]
                # Markers and deletions are news, but no objects.
                if record.get("object") != "page" or stream == "pages":
                    self.records[stream] += 1
                    self.ids.setdefault(stream, set()).add(record["id"])
            elif message["type"] == "STATE":
                state = message["state"]
                last_states[state["stream"]["stream_descriptor"]["name"]] = state
        self.states = list(last_states.values())


def high_water_mark(process: int) -> int:
    """The peak of its resident memory so far in KiB; `ru_maxrss` also counts what it had before its own program."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return int(lines.get("VmHWM", "0").split()[0])


def stream_of(name: str) -> dict:
    """A stream of the configured catalog."""
    mode = "full_refresh" if name == "users" else "incremental"
    stream = {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]}
    configured = {"stream": stream, "sync_mode": mode, "destination_sync_mode": "append"}
    return configured | {"cursor_field": ["last_edited_time"], "primary_key": [["id"]]}


def expected_counts(notion: Notion) -> dict[str, int]:
    """How many objects of each stream the workspace has."""
    counts = notion.control("GET", "counts")
    blocks = counts["reachable_blocks"]
    return {
        "users": counts["users"],
        "data_sources": counts["data_sources"],
        "pages": counts["pages"],
        "blocks": sum(number for kind, number in blocks.items() if kind not in NO_RECORDS),
        "comments": counts["page_comments"],
    }


def row(workspace: str, kind: str, name: str, sync: Sync, lost: str) -> None:
    exit_code = "" if sync.exit_code == 0 else f" (exit code {sync.exit_code})"
    print(
        f"| {workspace} | {kind} | {name}{exit_code} | {sync.requests:,} | {sync.seconds:.2f} | {sync.cpu:.2f} "
        f"| {sync.kibibytes / 1024:.0f} | {sync.records.total():,} | {lost} |",
        flush=True,
    )


print("| workspace | sync | connector | requests | wall s | CPU s | peak RSS MiB | records | lost |")
print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |")
for pages in [None, *options.pages]:
    workspace = f"{pages:,} pages" if pages else "sample"
    for name in CONNECTORS:
        notion = Notion(pages)
        try:
            expected = expected_counts(notion)
            first = Sync(name, notion, [])
            missing = {stream: number - len(first.ids.get(stream, ())) for stream, number in expected.items()}
            lost = ", ".join(f"{number:,} {stream}" for stream, number in missing.items() if number > 0)
            row(workspace, "full", name, first, lost or "nothing")

            edited = notion.control("POST", "edit")
            second = Sync(name, notion, first.states)
            streams = {"block": "blocks", "row": "pages", "page": "pages", "comment": "comments"}
            lost = ", ".join(
                f"the {what}"
                for what, stream in streams.items()
                if what in edited and edited[what]["id"] not in second.ids.get(stream, ())
            )
            row(workspace, "incremental", name, second, lost or "nothing")
        finally:
            notion.stop()
        if name == "this one" and (first.exit_code or second.exit_code):
            sys.exit((options.folder / "errors.txt").read_text()[-2000:])
