//! Arguments and exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    sidecar::cli::main()
}
