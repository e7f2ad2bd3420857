#!/usr/bin/env bash
# Checks that everything that names the version names the same one; with a tag as argument, that one.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
failed=0
expect() { # WHERE VERSION
    if [ "$2" = "$version" ]; then
        echo "ok    $1: $2"
    else
        echo "FAIL  $1: ${2:-nothing}, but Cargo.toml has $version" >&2
        failed=1
    fi
}

expect metadata.yaml "$(sed -n 's/^  dockerImageTag: *//p' metadata.yaml)"
expect Dockerfile "$(sed -n 's/^ARG VERSION=//p' Dockerfile)"
expect CHANGELOG.md "$(sed -n 's/^## \[\([0-9][^]]*\)\].*/\1/p' CHANGELOG.md | head -n 1)"
if [ $# -gt 0 ]; then
    expect "the tag" "${1#v}"
    if grep -q "^## \[$version\] - unreleased" CHANGELOG.md; then
        echo "FAIL  CHANGELOG.md: $version has no date" >&2
        failed=1
    fi
fi
exit "$failed"
