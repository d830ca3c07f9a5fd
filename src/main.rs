//! Arguments and exit status.

use std::process::ExitCode;

/// It gives memory back after work, which the system's keeps. Its settings are in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    sidecar::cli::main()
}
