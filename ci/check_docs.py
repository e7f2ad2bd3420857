"""Checks what the documentation points at, and runs its commands: `ci/check_docs.py --binary PATH --python PATH`.

Every relative link and anchor of every Markdown file must lead somewhere, and every `make` target and cargo example that
is named must exist. The blocks of commands of README.md and docs/ are run in order, in a scratch folder with links to
the project. A few programs are replaced there, so that no network is needed: `source-notion` is the given binary, which
asks a fake Notion unless its config names another address; `cargo` builds in the project and without optimisation, and
leaves tests to their own step;
`python3` is the given one, whose environment stands in for `target/venv`; `docker` does nothing, because the image has
checks of its own.
"""

import argparse
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--binary", type=Path, required=True)
parser.add_argument("--python", type=Path, required=True)
parser.add_argument("--url", required=True, help="of a fake Notion")
parser.add_argument("--token", required=True)
options = parser.parse_args()

ROOT = Path(__file__).resolve().parents[1]
# In the order in which they are run: the second reads what the first made.
RUN = ["README.md", "docs/sql.md", "docs/by-hand.md"]
# What is not run, by how its block begins, and why.
SKIPPED = {
    "curl -u": "asks Notion",
    "cargo run --release --example benchmark": "takes minutes",
}

failures: list[str] = []
tracked = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
pages = {ROOT / name: (ROOT / name).read_text() for name in tracked.stdout.split()}


def without_code(text: str) -> str:
    """The text without blocks and pieces of code."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL))


def anchors(text: str) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def check_links() -> None:
    """Relative links and their anchors."""
    count = 0
    for page, text in pages.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", without_code(text)):
            if re.match(r"[a-z]+:", target):
                continue
            count += 1
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            if not file.exists():
                failures.append(f"{page.relative_to(ROOT)}: {target} leads nowhere")
            elif anchor and anchor not in anchors(file.read_text()):
                failures.append(f"{page.relative_to(ROOT)}: {target} has no such heading")
    print(f"ok    {count} relative links of {len(pages)} pages looked at")


def check_names() -> None:
    """Targets of make, and examples of cargo."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    examples = {path.stem for path in ROOT.glob("integration_tests/**/examples/*")}
    for page, text in pages.items():
        code = re.findall(r"`([^`\n]+)`", text) + re.findall(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
        for line in "\n".join(code).splitlines():
            if match := re.match(r"make ([a-z-]+)$", line.strip()):
                if match[1] not in targets:
                    failures.append(f"{page.relative_to(ROOT)}: there is no {match[0]}")
            if match := re.search(r"--example ([a-z_]+)", line):
                if match[1] not in examples:
                    failures.append(f"{page.relative_to(ROOT)}: there is no example {match[1]}")


SHIMS = {
    "cargo": """#!/usr/bin/env bash
[ "$1" != test ] || exit 0
arguments=()
for argument in "$@"; do [ "$argument" = --release ] || arguments+=("$argument"); done
cd {root} && PATH={path} exec cargo "${{arguments[0]}}" --quiet --locked "${{arguments[@]:1}}"
""",
    "docker": """#!/usr/bin/env bash
""",
    "python3": """#!/usr/bin/env bash
if [ "$1 $2" = "-m venv" ]; then exec ln -sfn {environment} "$3"; fi
exec {python} "$@"
""",
    "source-notion": """#!{python}
import json, os, sys
arguments = sys.argv[1:]
if arguments[:1] != ["spec"] and "state" not in arguments[:1]:
    if "--config" in arguments:
        at = arguments.index("--config")
        with open(arguments[at + 1]) as file:
            config = json.load(file)
        del arguments[at : at + 2]
    else:
        config = {{"credentials": {{"auth_type": "token", "token": os.environ["NOTION_TOKEN"]}}}}
    if "api_url" not in config:
        config["api_url"] = {url!r}
        config["credentials"]["token"] = {token!r}
    path = os.path.join({scratch!r}, f"config-{{os.getpid()}}.json")
    with open(path, "w") as file:
        json.dump(config, file)
    arguments[1:1] = ["--config", path]
os.execv({binary!r}, ["source-notion", *arguments])
""",
}


def run_commands(scratch: Path) -> None:
    """Runs the blocks of each page in one shell, so that what one exports is there for the next."""
    work = scratch / "work"
    (work / "target").mkdir(parents=True)
    for entry in ROOT.iterdir():
        if entry.name not in ["target", "secrets", ".git"]:
            (work / entry.name).symlink_to(entry)
    shims = scratch / "bin"
    shims.mkdir()
    for name, text in SHIMS.items():
        values = {
            "root": shlex.quote(str(ROOT)),
            "path": shlex.quote(os.environ["PATH"]),
            "environment": options.python.parents[1],
            "python": options.python,
            "binary": str(options.binary.resolve()),
            "url": options.url,
            "token": options.token,
            "scratch": str(scratch),
        }
        (shims / name).write_text(text.format(**values))
        (shims / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{shims}:{os.environ['PATH']}", "PYTHONWARNINGS": "ignore::FutureWarning"}
    environment.pop("NOTION_TOKEN", None)

    for name in [*RUN, *(str(page.relative_to(ROOT)) for page in pages)]:
        if not (name == "README.md" or name.startswith("docs/")) or name in done:
            continue
        done.append(name)
        script = ["set -euo pipefail"]
        for block in re.findall(r"^ *```sh\n(.*?)^ *```", pages[ROOT / name], re.MULTILINE | re.DOTALL):
            first = block.strip().splitlines()[0]
            reason = next((why for begin, why in SKIPPED.items() if first.startswith(begin)), None)
            if reason:
                print(f"      {name}: not run, {reason}: {first}")
                continue
            script.append(f"echo {shlex.quote('+ ' + first)}\n{block}")
            # What was started in the background needs a moment; cargo may build it first.
            if "&\n" in block:
                script.append("for _ in $(seq 600); do (: </dev/tcp/127.0.0.1/8090) 2>/dev/null && break; sleep 0.5; done")
            script.append(f"echo {shlex.quote(f'ok    {name}: {first}')} >&3")
        if len(script) == 1:
            continue
        log = scratch / "log"
        with log.open("w") as output:
            process = subprocess.Popen(
                ["bash", "-c", "exec 3>&1 >>\"$0\" 2>&1; " + "\n".join(script), str(log)],
                cwd=work, env=environment, stdin=subprocess.DEVNULL, stderr=output, start_new_session=True,
            )  # fmt: skip
            code = process.wait(timeout=1200)
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        if code:
            failures.append(f"{name}: its commands end with {code}:\n{log.read_text()[-3000:]}")


done: list[str] = []
check_links()
check_names()
with tempfile.TemporaryDirectory() as folder:
    run_commands(Path(folder))
if subprocess.run([sys.executable, str(ROOT / "ci" / "costs.py"), "--check"]).returncode:
    failures.append("docs/costs.md or its chart is out of date")
for page, text in pages.items():
    limit = 99 if page.name == "README.md" and page.parent == ROOT else 249
    if (page.parent.name == "docs" or page.parent == ROOT) and len(text.splitlines()) > limit:
        failures.append(f"{page.relative_to(ROOT)} has more than {limit} lines")
for failure in failures:
    print(f"FAIL  {failure}", file=sys.stderr)
sys.exit(bool(failures))
