#!/usr/bin/env bash
# Prints the table of `make compare`: Airbyte's connector, as PyPI has it, and this one on the same workspaces.
# Arguments are sizes of generated workspaces, in pages (default: 1000). Needs Rust, and Python 3.11.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}

airbyte=$(ci/python_environment.sh compare-venv integration_tests/compare/requirements.txt)/python
cargo build --quiet --locked --release --bin source-notion
cargo build --quiet --locked --release --package fake-notion --example serve
python3 integration_tests/compare/compare.py --ours "$target/release/source-notion" --airbyte "$airbyte" \
    --serve "$target/release/examples/serve" --folder "$target/compare" "$@"
