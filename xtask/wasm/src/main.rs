//! Makes of a WebAssembly module what a page loads: `xtask-wasm MODULE FOLDER`.
//!
//! A program of its own, so that only those who build for the browser build the bindings generator. The lock file ties its
//! version to that of the `wasm-bindgen` crate.

use std::path::PathBuf;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (module, folder) = arguments.next().zip(arguments.next()).context("usage: xtask-wasm MODULE FOLDER")?;
    let mut bindgen = Bindgen::new();
    // The script finds the module beside itself.
    bindgen.input_path(&module).web(true)?.omit_default_module_path(false).typescript(true);
    bindgen.generate(&folder).with_context(|| format!("no bindings for {}", module.display()))
}
