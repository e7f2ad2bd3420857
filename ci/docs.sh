#!/usr/bin/env bash
# Checks the links of the documentation and runs its commands; see ci/check_docs.py.
set -euo pipefail
cd "$(dirname "$0")/.."

python=$(ci/python_environment.sh acceptance-venv integration_tests/acceptance/requirements.txt)/python
. ci/fake_notion.sh
trap stop_fake_notion EXIT
start_fake_notion
cargo build --quiet --locked --bin source-notion
python3 ci/check_docs.py --binary "${CARGO_TARGET_DIR:-target}/debug/source-notion" --python "$python" \
    --url "$FAKE_URL" --token "$FAKE_TOKEN"
