#!/usr/bin/env bash
# Checks the workflows, which run elsewhere, and the shell scripts: zizmor for what others could misuse, jactionlint
# (actionlint's checks) for mistakes, shellcheck for the scripts of both.
set -euo pipefail
cd "$(dirname "$0")/.."

programs=$(ci/python_environment.sh tools ci/requirements.txt)
# Finds shellcheck there.
export PATH="$programs:$PATH"

zizmor --offline --pedantic --no-progress .github
jactionlint .github/workflows/*.yml
git ls-files | xargs grep -lE '^#!/usr/bin/env bash|^# shellcheck shell=bash' -- | xargs shellcheck --external-sources
ci/versions.sh
ci/release_notes.sh "v$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)" >/dev/null
