# shellcheck shell=bash
# Starts the fake Notion for a script: `. ci/fake_notion.sh; start_fake_notion; … ; stop_fake_notion`.
# Sets FAKE_URL and FAKE_TOKEN. Sourced from the project's root.

FAKE_PID=
export FAKE_URL="" FAKE_TOKEN=""

start_fake_notion() {
    local output
    cargo build --quiet --locked --package fake-notion --example serve
    output=$(mktemp)
    "${CARGO_TARGET_DIR:-target}/debug/examples/serve" 127.0.0.1:0 >"$output" &
    FAKE_PID=$!
    for _ in $(seq 100); do
        if read -r FAKE_URL FAKE_TOKEN <"$output"; then
            rm -f "$output"
            return
        fi
        kill -0 "$FAKE_PID" 2>/dev/null || break
        sleep 0.1
    done
    rm -f "$output"
    echo "the fake Notion did not start" >&2
    return 1
}

stop_fake_notion() {
    if [ -n "$FAKE_PID" ]; then
        kill "$FAKE_PID" 2>/dev/null || true
        wait "$FAKE_PID" 2>/dev/null || true
        FAKE_PID=
    fi
}
