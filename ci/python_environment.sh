#!/usr/bin/env bash
# Prints the folder of programs of a Python environment that holds pinned packages, and nothing else. It is kept in
# SOURCE_NOTION_CACHE (default: target), and made where it is missing or the list has changed.
#
#   ci/python_environment.sh NAME REQUIREMENTS
set -euo pipefail
cd "$(dirname "$0")/.."
environment=${SOURCE_NOTION_CACHE:-target}/$1
requirements=$2

wanted=$(sha256sum "$requirements")
if [ "$(cat "$environment/installed" 2>/dev/null)" != "$wanted" ]; then
    python=
    for candidate in python3.11 python3.12 python3; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null; then
            python=$candidate
            break
        fi
    done
    [ -n "$python" ] || { echo "$requirements needs Python 3.11 or 3.12" >&2; exit 1; }
    rm -rf "$environment"
    mkdir -p "$(dirname "$environment")"
    # Debian keeps what makes virtual environments in a package of its own.
    if ! "$python" -m venv "$environment" >/dev/null; then
        echo "installing python3-venv" >&2
        apt-get update -qq >&2 && apt-get install -y -qq python3-venv >&2
        rm -rf "$environment"
        "$python" -m venv "$environment"
    fi
    "$environment/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" >&2
    echo "$wanted" >"$environment/installed"
fi
echo "$(cd "$environment" && pwd)/bin"
