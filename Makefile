# Two commands do everything on a fresh Debian machine with Rust, as root or with sudo:
#
#   make demo    see it work on a temporary Postgres (SECONDS=30 ends it by itself)
#   make test    install what is missing, check the shape of the code, run every test
#   make torture 650 real faults, over 500 of them deaths of a process, and 20,000 simulated
#                histories, half an hour; writes the figures of
#                docs/guarantees.md

SECONDS ?=

.PHONY: demo test tools lint bench fuzz torture

demo:
	scripts/tools.sh demo
	cargo build --release --quiet
	./target/release/sidecar demo $(if $(SECONDS),--seconds $(SECONDS))

test: tools lint
	cargo test

tools:
	scripts/tools.sh test

lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

bench: tools
	cargo bench --bench drain
	cargo bench --bench resync

# What is tested with a few faults and histories by `make test`, at length.
TORTURE_FAULTS ?= 660
TORTURE_SEEDS ?= 20000
torture: tools
	SIDECAR_TORTURE=$(TORTURE_FAULTS) SIDECAR_DAMAGE=100 SIDECAR_FIGURES=target/figures-faults.md \
		cargo test --test integration faults:: -- --nocapture
	SIDECAR_SIM_SEEDS=$(TORTURE_SEEDS) SIDECAR_FIGURES=target/figures-simulation.md \
		cargo test --release --test simulation -- --nocapture
	python3 scripts/figures.py target/figures-faults.md target/figures-simulation.md

# A minute a target; the manual is what settings begin from. cargo-fuzz is installed from crates.io
# where it is missing.
FUZZ_SECONDS ?= 60
fuzz:
	command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked
	cd fuzz && for target in decode frame conninfo classify settings; do \
		seed=; test $$target != settings || seed=-seed_inputs=../sidecar.toml; \
		RUSTC_BOOTSTRAP=1 cargo fuzz run $$target -- $$seed -max_total_time=$(FUZZ_SECONDS) || exit 1; done
