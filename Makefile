# The steps of CI, under the same names. `make help` lists them.

.DEFAULT_GOAL := check
.PHONY: help check ci fmt lint test doc deny spelling workflows docs wheel wheel-check image acceptance compare benchmark

TOOLS = $$(ci/python_environment.sh tools ci/requirements.txt)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' Makefile

check: fmt lint test doc deny ## what a change needs before it is committed: the five below

fmt: ## formatting, as rustfmt.toml says; `cargo fmt --all` repairs
	cargo fmt --all -- --check

lint: ## clippy, with every warning an error
	cargo clippy --workspace --all-targets --locked -- -D warnings

test: ## all tests in Rust
	cargo test --locked
	cargo test --locked --workspace --exclude source-notion

doc: ## the documentation of the code
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

deny: ## licences, bans and sources of the dependencies
	ci/cargo_deny.sh

spelling: ## codespell over everything that people read
	ci/spelling.sh

workflows: ## the workflows and shell scripts, with zizmor, an actionlint and shellcheck
	ci/workflows.sh

docs: ## every relative link and every command of README.md and docs/
	ci/docs.sh

wheel: ## builds the wheel in target/wheels
	rm -rf target/wheels
	"$(TOOLS)/maturin" build --release --out target/wheels

wheel-check: ## installs the wheel in a fresh environment and reads with it; needs `make wheel`
	integration_tests/wheel/check.sh

image: ## builds the image source-notion:dev on bases made here, and checks it; needs Docker and root
	integration_tests/image/build.sh
	integration_tests/image/check.sh

acceptance: ## airbyte-cdk's standard tests, PyAirbyte into DuckDB, docs/sql.md; needs Python 3.11 or 3.12
	integration_tests/acceptance/run.sh

ci: ## everything above
	.ci/run

compare: ## Airbyte's connector and this one on the same workspace: requests, time, memory, records
	integration_tests/compare/run.sh

benchmark: ## the figures of docs/performance.md, about three minutes
	cargo run --release --example benchmark
