//! The `alcyon` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    alcyon_cli::main()
}
