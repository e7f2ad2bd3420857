#!/usr/bin/env bash
# Looks for misspelled words in everything that people read: documentation, comments, messages. Tests misspell some
# words on purpose.
set -euo pipefail
cd "$(dirname "$0")/.."

programs=$(ci/python_environment.sh tools ci/requirements.txt)
git ls-files -- '*.md' '*.rs' '*.py' '*.sh' '*.toml' '*.yml' '*.yaml' Makefile Dockerfile .ci/run |
    xargs "$programs/codespell" --ignore-words-list=dicover,otion
