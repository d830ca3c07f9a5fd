# Two commands do everything on a fresh Debian machine with Rust, as root or with sudo:
#
#   make demo    see it work on a temporary Postgres (SECONDS=30 ends it by itself)
#   make test    install what is missing, check the shape of the code, run every test

SECONDS ?=

.PHONY: demo test tools lint bench fuzz

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

# A minute a target; the manual is what settings begin from. cargo-fuzz is installed from crates.io
# where it is missing.
FUZZ_SECONDS ?= 60
fuzz:
	command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked
	cd fuzz && for target in decode frame conninfo judge settings; do \
		seed=; test $$target != settings || seed=-seed_inputs=../sidecar.toml; \
		RUSTC_BOOTSTRAP=1 cargo fuzz run $$target -- $$seed -max_total_time=$(FUZZ_SECONDS) || exit 1; done
