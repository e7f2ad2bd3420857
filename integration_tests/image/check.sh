#!/usr/bin/env bash
# Checks the image, `source-notion:dev` unless another name is given: what it consists of, and that each
# verb answers as a platform expects, against a fake Notion on this machine's loopback. Containers run as
# on the platform: uid 1000, no capabilities, no new privileges, inputs mounted read-only.
set -euo pipefail
cd "$(dirname "$0")/../.."

image=${1:-source-notion:dev}
size_limit=25000000

if ! docker info >/dev/null 2>&1; then
    echo "IMAGE CHECKS SKIPPED: no Docker engine answers on this machine" >&2
    exit 0
fi
docker image inspect "$image" >/dev/null 2>&1 || integration_tests/image/build.sh "$image"

. ci/fake_notion.sh
scratch=$(mktemp -d)
trap 'stop_fake_notion; rm -rf "$scratch"' EXIT
start_fake_notion

passed=0
ok() { passed=$((passed + 1)); echo "ok    $1"; }
fail() { echo "FAIL  $1" >&2; exit 1; }
equal() { # WHAT EXPECTED ACTUAL
    [ "$2" = "$3" ] || fail "$1: expected \"$2\", got \"$3\""
    ok "$1"
}
inspect() { docker image inspect --format "$1" "$image"; }
container() { # DOCKER-OPTIONS… IMAGE ARGUMENTS…
    docker run --rm --network host --user 1000:1000 --cap-drop ALL --security-opt no-new-privileges "$@"
}
inside() { # SHELL-COMMAND
    container --entrypoint sh "$image" -c "$1"
}


# What the image consists of.

version=$(sed -n 's/^  dockerImageTag: *//p' metadata.yaml)
repository=$(sed -n 's/^  dockerRepository: *//p' metadata.yaml)
equal "label io.airbyte.version is metadata.yaml's" "$version" "$(inspect '{{index .Config.Labels "io.airbyte.version"}}')"
equal "label io.airbyte.name is metadata.yaml's" "$repository" "$(inspect '{{index .Config.Labels "io.airbyte.name"}}')"
equal "label org.opencontainers.image.version is the same" "$version" "$(inspect '{{index .Config.Labels "org.opencontainers.image.version"}}')"
equal "Cargo.toml has the same version" "$version" "$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)"
equal "AIRBYTE_ENTRYPOINT is the entry point" "$(inspect '{{join .Config.Entrypoint " "}}')" \
    "$(inspect '{{range .Config.Env}}{{println .}}{{end}}' | sed -n 's/^AIRBYTE_ENTRYPOINT=//p')"
equal "the image's own user" "1000:1000" "$(inspect '{{.Config.User}}')"
equal "working directory" "/airbyte/integration_code" "$(inspect '{{.Config.WorkingDir}}')"
# shellcheck disable=SC2016 # the shell in the container expands it
equal "user and group" "1000 1000 airbyte airbyte" "$(inside 'echo $(id -u) $(id -g) $(id -un) $(id -gn)')"
equal "time zone" "UTC" "$(inside 'date +%Z')"
equal "modes of the code's folders" "755 755" "$(inside 'stat -c %a /airbyte /airbyte/integration_code | xargs echo')"
equal "/tmp is writable" "yes" "$(inside 'echo yes >/tmp/probe && cat /tmp/probe')"
for program in sh sleep mv kill echo cat id; do
    inside "command -v $program" >/dev/null || fail "$program is missing"
done
ok "sh and the programs a platform's start script needs"
certificates=$(inside 'grep -c "BEGIN CERTIFICATE" /etc/ssl/certs/ca-certificates.crt')
[ "$certificates" -ge 100 ] || fail "only $certificates CA certificates"
ok "$certificates CA certificates"
leftovers=$(docker run --rm --user 0 --entrypoint sh "$image" -c "find / -xdev \
    \( -type d \( -name apt -o -name dpkg -o -name cargo -o -name .cargo -o -name rustup -o -name .rustup \) \) \
    -o \( -type f \( -name '*.deb' -o -name '*.crate' -o -name '*.rlib' -o -name '*.rs' \) \)")
equal "no package manager and no build leftovers" "" "$leftovers"
probe=$(docker create "$image")
unpacked=$(docker export "$probe" | wc -c)
docker rm "$probe" >/dev/null
layers=$(inspect '{{.Size}}')
for size in "$unpacked" "$layers"; do
    [ "$size" -le "$size_limit" ] || fail "$size bytes unpacked are more than $size_limit"
done
ok "unpacked $unpacked bytes, layers $layers bytes, of $size_limit"


# How it answers. Inputs are read-only files that only their owner, root, could change.

inputs=$scratch/inputs
mkdir "$inputs"
chmod 755 "$scratch" "$inputs"
config() { # TOKEN
    printf '{"credentials":{"auth_type":"token","token":"%s"},"start_date":"2024-01-01T00:00:00.000Z","api_url":"%s","num_workers":8}\n' \
        "$1" "$FAKE_URL"
}
config "$FAKE_TOKEN" >"$inputs/config.json"
config ntn_refused_0000000001 >"$inputs/refused.json"
echo '{"credentials":{"auth_type":"token"}}' >"$inputs/incomplete.json"
cp integration_tests/{configured_catalog,incremental_catalog,abnormal_state}.json "$inputs/"
chmod 444 "$inputs"/*

# Runs one verb. Standard output must be messages only, standard error empty, the token in neither.
answer() { # NAME EXIT-CODE ARGUMENTS…
    local name=$1 expected=$2 actual=0
    shift 2
    container --volume "$inputs:/secrets:ro" "$image" "$@" \
        >"$scratch/$name.out" 2>"$scratch/$name.err" </dev/null || actual=$?
    if [ "$actual" != "$expected" ]; then
        tail -n 5 "$scratch/$name.out" "$scratch/$name.err" | cut -c 1-2000 >&2
        fail "$name: exit code $actual instead of $expected"
    fi
    [ ! -s "$scratch/$name.err" ] || fail "$name: standard error is not empty: $(head -c 500 "$scratch/$name.err")"
    ! grep -q "$FAKE_TOKEN" "$scratch/$name.out" || fail "$name: the token is in the output"
}

# Evaluates a Python expression over the messages of a run; every line must be one.
messages() { # NAME WHAT EXPRESSION
    python3 - "$scratch/$1.out" "$3" <<'PYTHON' || fail "$1: $2"
import collections, json, sys

messages = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
assert all(isinstance(message, dict) for message in messages)
kinds = collections.Counter(message["type"] for message in messages)
records = collections.Counter(m["record"]["stream"] for m in messages if m["type"] == "RECORD")
states = {m["state"]["stream"]["stream_descriptor"]["name"]: m for m in messages if m["type"] == "STATE"}
errors = [m["trace"]["error"] for m in messages if m["type"] == "TRACE" and m["trace"]["type"] == "ERROR"]
statuses = [m["connectionStatus"]["status"] for m in messages if m["type"] == "CONNECTION_STATUS"]
ends = {
    m["trace"]["stream_status"]["stream_descriptor"]["name"]: m["trace"]["stream_status"]["status"]
    for m in messages
    if m["type"] == "TRACE" and m["trace"]["type"] == "STREAM_STATUS"
}
streams = {"users", "data_sources", "pages", "blocks", "comments"}
if not eval(sys.argv[2]):
    sys.exit(f"messages {dict(kinds)}, records {dict(records)}, statuses {statuses}, ends {ends}, errors {errors}")
PYTHON
    ok "$1: $2"
}

answer spec 0 spec
messages spec "one SPEC" 'kinds["SPEC"] == 1'

answer check 0 check --config /secrets/config.json
messages check "SUCCEEDED" 'statuses == ["SUCCEEDED"]'

answer check_refused 0 check --config /secrets/refused.json
messages check_refused "FAILED" 'statuses == ["FAILED"]'

answer check_incomplete 0 check --config /secrets/incomplete.json
messages check_incomplete "FAILED" 'statuses == ["FAILED"]'

answer discover 0 discover --config /secrets/config.json
messages discover "a catalog of the five streams" \
    '[{s["name"] for s in m["catalog"]["streams"]} for m in messages if m["type"] == "CATALOG"] == [streams]'

answer read_incomplete 1 read --config /secrets/incomplete.json --catalog /secrets/configured_catalog.json
messages read_incomplete "an error of the configuration" \
    '[e.get("failure_type") for e in errors] == ["config_error"] and not records'

answer read 0 read --config /secrets/config.json --catalog /secrets/configured_catalog.json
messages read "records and a state of each stream, all complete" \
    'set(records) == streams == set(states) == set(ends) and set(ends.values()) == {"COMPLETE"} and not errors'

answer read_future 0 read --config /secrets/config.json --catalog /secrets/incremental_catalog.json \
    --state /secrets/abnormal_state.json
messages read_future "a state from the future yields no record, and states" \
    'not records and set(states) == streams - {"users"} and not errors'

# What a sync wrote is where the next one starts.
python3 - "$scratch/read.out" >"$inputs/state.json" <<'PYTHON'
import json, sys

states = {}
for message in map(json.loads, open(sys.argv[1], encoding="utf-8")):
    if message["type"] == "STATE":
        states[message["state"]["stream"]["stream_descriptor"]["name"]] = message["state"]
print(json.dumps(list(states.values())))
PYTHON
chmod 444 "$inputs/state.json"
answer read_again 0 read --config /secrets/config.json --catalog /secrets/incremental_catalog.json \
    --state /secrets/state.json
messages read_again "states of each incremental stream, all complete" \
    'set(states) == streams - {"users"} and set(ends.values()) == {"COMPLETE"} and not errors'


# How a platform starts it: by the variable, in a shell, in another folder, in the background.

platform=$scratch/platform
mkdir "$platform"
cp "$inputs/config.json" "$platform/connectionConfiguration.json"
chown -R 1000:1000 "$platform"
# shellcheck disable=SC2016 # the shell in the container expands it
container --entrypoint sh --workdir /config --volume "$platform:/config" "$image" -c '
    ($AIRBYTE_ENTRYPOINT check --config /config/connectionConfiguration.json >output.tmp; echo $? >exitCode.tmp) &
    CHILD=$!
    (while true; do sleep 1; done) &
    WATCHER=$!
    wait $CHILD
    mv output.tmp jobOutput.json
    mv exitCode.tmp exitCode.txt
    kill $WATCHER
'
equal "started as a platform does: exit code" "0" "$(cat "$platform/exitCode.txt")"
cp "$platform/jobOutput.json" "$scratch/platform.out"
messages platform "SUCCEEDED" 'statuses == ["SUCCEEDED"]'

echo "$passed image checks passed"
