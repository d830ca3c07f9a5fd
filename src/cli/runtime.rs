//! The async runtime of a command.

use super::exit::Exit;

/// Runs `command` on a new runtime.
pub(super) fn block_on(command: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => {
            eprintln!("start the async runtime: {error}");
            Exit::Failed
        }
    }
}
