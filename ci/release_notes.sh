#!/usr/bin/env bash
# Prints what CHANGELOG.md says about a version: `ci/release_notes.sh v0.1.0`.
set -euo pipefail
cd "$(dirname "$0")/.."

notes=$(awk -v heading="## [${1#v}]" '
    index($0, heading) == 1 { inside = 1; next }
    /^## / || /^\[/ { inside = 0 }
    inside
' CHANGELOG.md)
[ -n "$notes" ] || { echo "CHANGELOG.md says nothing about $1" >&2; exit 1; }
echo "$notes"
