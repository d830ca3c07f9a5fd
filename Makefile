# For a Debian machine with a Rust toolchain, as root or with sudo:
#
#   make demo      run the service on a temporary Postgres (SECONDS=30 ends it by itself)
#   make dist      the release binary without its debug information, which is beside it, in target/dist
#   make test      install what is missing, lint, run every test
#   make torture   650 real faults, over 500 of them deaths of a process, and 20,000 simulated
#                  histories; half an hour. Writes the figures of docs/guarantees.md
#   make bench     throughput, latency and memory: the report in benches/report.md, and single benchmarks.
#                  BEFORE=path/to/an/earlier/sidecar measures it in the same run
#   make bench-check   instruction counts of the pipeline against the limits in benches/instructions
#   make fuzz      each fuzz target for FUZZ_SECONDS
#   make screenshots   the pictures in the README (docs/images)

SECONDS ?=

.PHONY: demo dist test tools lint bench bench-check fuzz torture screenshots

demo:
	scripts/tools.sh demo
	cargo build --release --quiet
	./target/release/sidecar demo $(if $(SECONDS),--seconds $(SECONDS))

# gdb and perf find the debug information by the link in the binary.
DIST := target/dist
dist:
	cargo build --release --locked
	mkdir -p $(DIST)
	objcopy --only-keep-debug --compress-debug-sections target/release/sidecar $(DIST)/sidecar.debug
	objcopy --strip-all --add-gnu-debuglink=$(DIST)/sidecar.debug target/release/sidecar $(DIST)/sidecar
	ls -lh $(DIST)

test: tools lint
	cargo test
	$(COUNT_INSTRUCTIONS)

# Fails where a part of the pipeline takes more instructions than benches/instructions allows. The profile is that
# of the tests, so that nothing is compiled twice.
COUNT_INSTRUCTIONS = GUNGRAUN_RUNNER=$(CURDIR)/.local/bin/gungraun-runner cargo bench --profile dev --bench instructions
bench-check: tools
	$(COUNT_INSTRUCTIONS)

tools:
	scripts/tools.sh test

lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

BEFORE ?=
bench: tools
	SIDECAR_BENCH_BEFORE=$(BEFORE) cargo bench --bench report
	cargo bench --bench drain
	cargo bench --bench fairness
	cargo bench --bench pages
	cargo bench --bench resync

screenshots: tools
	scripts/screenshots.sh

# The fault matrix and the simulation of `make test`, with more faults and histories.
TORTURE_FAULTS ?= 660
TORTURE_SEEDS ?= 20000
torture: tools
	SIDECAR_TORTURE=$(TORTURE_FAULTS) SIDECAR_DAMAGE=100 SIDECAR_FIGURES=target/figures-faults.md \
		cargo test --test integration faults:: -- --nocapture
	SIDECAR_SIM_SEEDS=$(TORTURE_SEEDS) SIDECAR_FIGURES=target/figures-simulation.md \
		cargo test --release --test simulation -- --nocapture
	python3 scripts/figures.py target/figures-faults.md target/figures-simulation.md

# One minute for each target. The `settings` target starts from sidecar.toml. cargo-fuzz is installed from
# crates.io if it is missing.
FUZZ_SECONDS ?= 60
fuzz:
	command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked
	cd fuzz && for target in decode frame conninfo classify settings egress headers retry_after url_template; do \
		seed=; test $$target != settings || seed=-seed_inputs=../sidecar.toml; \
		RUSTC_BOOTSTRAP=1 cargo fuzz run $$target -- $$seed -max_total_time=$(FUZZ_SECONDS) || exit 1; done
