#!/usr/bin/env bash
# Builds the image, `source-notion:dev` unless another name is given, on base images made locally.
set -euo pipefail
cd "$(dirname "$0")/../.."

image=${1:-source-notion:dev}
bases=$(integration_tests/image/base_images.sh)
arguments=()
for base in $bases; do arguments+=(--build-arg "$base"); done

# On the host's network, because cargo must reach crates.io exactly as it does outside of a container.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! docker build --network host "${arguments[@]}" --tag "$image" . >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
echo "built $image"

# Only the newest build stage is of use to the next build.
docker images --quiet --filter dangling=true --filter label=source-notion.stage=build | tail -n +2 |
    xargs --no-run-if-empty docker rmi >/dev/null 2>&1 || true
