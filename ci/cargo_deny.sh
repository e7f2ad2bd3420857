#!/usr/bin/env bash
# Checks licences, bans and sources of all dependencies with a pinned cargo-deny, which is built once into
# SOURCE_NOTION_CACHE (default: target). `advisories` as argument checks the advisory database as well,
# which cargo-deny fetches by itself. Where it cannot be built the checks are skipped, but under CI they fail.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
tools=${SOURCE_NOTION_CACHE:-target}/tools
deny=$tools/bin/cargo-deny

if [ "$("$deny" --version 2>/dev/null)" != "cargo-deny $version" ]; then
    echo "building cargo-deny $version (two to three minutes, once)"
    # Unoptimised: it builds in half the time and runs for two seconds.
    if ! cargo install cargo-deny --version "$version" --locked --debug --quiet --root "$tools" \
        --target-dir "$tools/build"; then
        if [ -n "${CI:-}" ]; then
            echo "DEPENDENCY CHECKS FAILED: cargo-deny $version could not be built" >&2
            exit 1
        fi
        echo "DEPENDENCY CHECKS SKIPPED: cargo-deny $version could not be built on this machine" >&2
        exit 0
    fi
    rm -rf "$tools/build"
fi
"$deny" check licenses bans sources "$@"
