# The steps of CI, under the same names. `make check` is what a change needs before it is committed,
# `make ci` is everything.

.DEFAULT_GOAL := check
.PHONY: check ci fmt lint test doc deny image acceptance

check: fmt lint test doc deny

ci:
	.ci/run

# Formatted as rustfmt.toml says; `cargo fmt --all` repairs.
fmt:
	cargo fmt --all -- --check

lint:
	cargo clippy --workspace --all-targets --locked -- -D warnings

test:
	cargo test --locked
	cargo test --locked --workspace --exclude source-notion

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# Licences, bans and sources of the dependencies.
deny:
	ci/cargo_deny.sh

# Builds the image as source-notion:dev and checks it; needs a Docker engine.
image:
	integration_tests/image/build.sh
	integration_tests/image/check.sh

# The standard test suites of airbyte-cdk and PyAirbyte into DuckDB; needs Python 3.11 or 3.12.
acceptance:
	integration_tests/acceptance/run.sh
