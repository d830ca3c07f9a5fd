//! Arguments and exit status.

use std::process::ExitCode;

/// Faster than the system's allocator where many small values pass between threads, and gives memory back after work.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sidecar::cli::main()
}
