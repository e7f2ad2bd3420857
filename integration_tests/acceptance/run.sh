#!/usr/bin/env bash
# Runs the connector in real clients, against a fake Notion: airbyte-cdk's standard tests and PyAirbyte into
# DuckDB, with the executable, and with the image `source-notion:dev` where a Docker engine answers; runs the queries
# of docs/sql.md on what was read; and hands the states that it writes to the cursors of airbyte-cdk. Sets everything up by itself; needs Rust, and Python 3.11 or 3.12.
#
#   CONNECTOR_EXECUTABLE  an executable to test instead of the one that this builds
#   CONNECTOR_IMAGE       an image to test instead of source-notion:dev
#   SOURCE_NOTION_CACHE   the folder that keeps the Python packages (default: target)
set -euo pipefail
cd "$(dirname "$0")/../.."
here=integration_tests/acceptance
target=${CARGO_TARGET_DIR:-target}
image=${CONNECTOR_IMAGE:-source-notion:dev}
work=$(pwd)/target/acceptance

heading() { printf '\n---- %s (%ds)\n' "$1" "$SECONDS"; }


heading "Python packages"
python=$(ci/python_environment.sh acceptance-venv "$here/requirements.txt")/python
# PyAirbyte's libraries remind of newer versions of Python; that is no news of the connector.
export PYTHONWARNINGS=ignore::FutureWarning
export PYTHONDONTWRITEBYTECODE=1


heading "connector"
if [ -z "${CONNECTOR_EXECUTABLE:-}" ]; then
    cargo build --quiet --locked --bin source-notion
    CONNECTOR_EXECUTABLE=$target/debug/source-notion
fi
CONNECTOR_EXECUTABLE=$(realpath "$CONNECTOR_EXECUTABLE")
export CONNECTOR_EXECUTABLE
. ci/fake_notion.sh
trap stop_fake_notion EXIT


# The standard tests take configs from the connector's folder; this copy of it has configs for the fake.
root=$work/source-notion
rm -rf "$work"
mkdir -p "$root/secrets" "$root/integration_tests"
cp metadata.yaml acceptance-test-config.yml "$root/"
cp integration_tests/*.json "$root/integration_tests/"
export CONNECTOR_ROOT=$root

# Starts a fake Notion that nobody has edited yet, and writes configs for it: its address changes each time.
fresh_fake_notion() {
    stop_fake_notion
    start_fake_notion
    "$python" - "$root" "$FAKE_URL" "$FAKE_TOKEN" <<'PYTHON'
import json, pathlib, sys

root, url, token = pathlib.Path(sys.argv[1]), *sys.argv[2:]
samples = root / "integration_tests"
for sample, key, config in [
    ("sample_config.json", "token", "secrets/config.json"),
    ("sample_config_oauth.json", "access_token", "secrets/config_oauth.json"),
    ("invalid_config.json", None, "integration_tests/invalid_config.json"),
]:
    content = json.loads((samples / sample).read_text())
    content["api_url"] = url
    if key:
        content["credentials"][key] = token
    (root / config).write_text(json.dumps(content))
PYTHON
}


heading "standard tests of the executable"
fresh_fake_notion
"$python" -m pytest -q -m "not image_tests" "$here/test_binary.py"

heading "executable into DuckDB by PyAirbyte"
fresh_fake_notion
"$python" "$here/duckdb_round_trip.py" --executable "$CONNECTOR_EXECUTABLE" \
    --url "$FAKE_URL" --token "$FAKE_TOKEN" --folder "$work/duckdb-executable"

heading "queries of docs/sql.md"
fresh_fake_notion
"$python" "$here/sql_queries.py" --executable "$CONNECTOR_EXECUTABLE" \
    --url "$FAKE_URL" --token "$FAKE_TOKEN" --folder "$work/duckdb-queries"

heading "states of the executable in Airbyte's cursors"
fresh_fake_notion
"$python" "$here/states_for_airbyte.py" --executable "$CONNECTOR_EXECUTABLE" \
    --url "$FAKE_URL" --token "$FAKE_TOKEN" --folder "$work/states"


if ! docker info >/dev/null 2>&1; then
    echo "IMAGE SUITES SKIPPED: no Docker engine answers on this machine" >&2
    exit 0
fi
[ -n "${CONNECTOR_IMAGE:-}" ] || integration_tests/image/build.sh "$image"

heading "standard tests of the image"
fresh_fake_notion
# Not run: the comparison with the published version's spec, which asks a registry on the internet.
PATH="$(pwd)/$here/bin:$PATH" "$python" -m pytest -q "$here/test_image.py" --connector-image "$image" \
    --read-from-streams=all -k "not backward_compatibility"

heading "image into DuckDB by PyAirbyte"
fresh_fake_notion
"$python" "$here/duckdb_round_trip.py" --image "$image" \
    --url "$FAKE_URL" --token "$FAKE_TOKEN" --folder "$work/duckdb-image"

heading "acceptance suites passed"
