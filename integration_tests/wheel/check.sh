#!/usr/bin/env bash
# Installs the wheel as somebody does who has Python and no Rust: in a fresh environment, from an empty folder. Then
# PyAirbyte must find the program on the PATH and read a fake Notion into DuckDB with it.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD

fail() { echo "FAIL  $1" >&2; exit 1; }

wheels=(target/wheels/source_notion-*.whl)
[ "${#wheels[@]}" = 1 ] && [ -f "${wheels[0]}" ] || fail "target/wheels has not exactly one wheel: make wheel"
wheel=$root/${wheels[0]}
python=$(ci/python_environment.sh acceptance-venv integration_tests/acceptance/requirements.txt)/python

. ci/fake_notion.sh
empty=$(mktemp -d)
trap 'stop_fake_notion; rm -rf "$empty"' EXIT
start_fake_notion
cd "$empty"

"$python" -m venv fresh
fresh/bin/pip install --quiet --disable-pip-version-check --no-index "$wheel"
export PATH="$empty/fresh/bin:$PATH"
[ "$(command -v source-notion)" = "$empty/fresh/bin/source-notion" ] || fail "source-notion is not on the PATH"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1)
[ "$(source-notion --version)" = "source-notion $version" ] || fail "$(source-notion --version) is not $version"
echo "ok    source-notion $version from $(basename "$wheel"), $(stat -c %s "$wheel") bytes"
fresh/bin/pip show --files source-notion | grep -q 'LICENSE' || fail "the wheel has no licence"
echo "ok    the licence is in it"

PYTHONWARNINGS=ignore::FutureWarning PYTHONDONTWRITEBYTECODE=1 \
    "$python" "$root/integration_tests/acceptance/duckdb_round_trip.py" --on-path \
    --url "$FAKE_URL" --token "$FAKE_TOKEN" --folder "$empty/duckdb"
echo "the wheel works"
