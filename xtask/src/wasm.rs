//! The client for the browser.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::steps::{Steps, output};
use crate::workspace::Workspace;
use crate::{page, system};

const TARGET: &str = "wasm32-unknown-unknown";

/// Crates that have to build for the browser.
const CRATES: [&str; 7] = ["alcyon-wire", "alcyon-identity", "alcyon-files", "alcyon-mls", "alcyon-store", "alcyon-client", "alcyon-web"];

/// How to build.
#[derive(clap::Args)]
pub struct Options {
    /// Build as small as it gets: what people load
    #[arg(long)]
    release: bool,
    /// Then build the server, in the release form and with the web app in it
    #[arg(long, requires = "release")]
    server: bool,
}

/// What our WebAssembly uses beyond the first version; all browsers of today have it.
const WASM_FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// What SQLite has beyond what `sqlite-wasm-rs` asks for or leaves out: functions and tables that no statement of ours uses, and checks of
/// calls that rusqlite can't get wrong. Nobody has to load them.
const WITHOUT: [&str; 19] = [
    "-USQLITE_ENABLE_API_ARMOR",
    "-USQLITE_ENABLE_BYTECODE_VTAB",
    "-USQLITE_ENABLE_COLUMN_METADATA",
    "-USQLITE_ENABLE_DBPAGE_VTAB",
    "-USQLITE_ENABLE_DBSTAT_VTAB",
    "-USQLITE_ENABLE_MATH_FUNCTIONS",
    "-USQLITE_ENABLE_OFFSET_SQL_FUNC",
    "-USQLITE_ENABLE_PREUPDATE_HOOK",
    "-USQLITE_ENABLE_RTREE",
    "-USQLITE_ENABLE_SESSION",
    "-USQLITE_ENABLE_STMTVTAB",
    "-USQLITE_ENABLE_UNKNOWN_SQL_FUNCTION",
    "-USQLITE_ENABLE_UNLOCK_NOTIFY",
    "-DSQLITE_OMIT_AUTHORIZATION",
    "-DSQLITE_OMIT_COMPLETE",
    "-DSQLITE_OMIT_GET_TABLE",
    "-DSQLITE_OMIT_JSON",
    "-DSQLITE_OMIT_PROGRESS_CALLBACK",
    "-DSQLITE_OMIT_TCL_VARIABLE",
];

pub fn run(workspace: &Workspace, steps: &mut Steps, options: &Options) -> Result<()> {
    steps.call("system packages", || system::install(&system::WEB))?;
    let bindgen = workspace.cargo(["run", "--quiet", "--package", "xtask-wasm", "--"]);
    let wasm = build(workspace, steps, options.release, bindgen)?;
    let app = page::build(workspace, steps, &wasm)?;
    if options.server {
        steps.call("system packages of the server", || system::install(&system::NATIVE))?;
        let mut server = workspace.cargo(["build", "--release", "--package", "alcyon-server"]);
        steps.run("server", server.env("ALCYON_WEB_APP", &app))?;
        println!("{}", workspace.built(true, "alcyon-server").display());
    }
    println!("{}", app.display());
    Ok(())
}

/// Builds the crates, and by `bindgen` (the program `xtask-wasm`) what a page loads; tells the folder with the latter.
pub fn build(workspace: &Workspace, steps: &mut Steps, release: bool, mut bindgen: Command) -> Result<PathBuf> {
    let toolchain = steps.call("WebAssembly toolchain", || {
        let printed = output(&mut Command::new(workspace.root.join("scripts/wasm-toolchain")))?;
        Ok(printed.trim().to_owned())
    })?;
    let mut cargo = workspace.cargo([&toolchain, "build", "--target", TARGET]);
    for name in CRATES {
        cargo.args(["--package", name]);
    }
    if release {
        cargo.args(["--profile", "web"]);
    }
    // The Debian toolchain's compiler is another one than the native one: its build scripts are kept apart, too.
    cargo.env("CC_wasm32_unknown_unknown", system::newest("clang").context("clang is installed")?);
    cargo.env("AR_wasm32_unknown_unknown", system::newest("llvm-ar").context("llvm-ar is installed")?);
    cargo.env("SQLITE_WASM_RS_FLAGS", WITHOUT.join(" "));
    let folders = folders(workspace, &toolchain)?;
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags("--remap-path-prefix=", &folders, "\x1f"));
    cargo.env("CFLAGS_wasm32_unknown_unknown", flags("-ffile-prefix-map=", &folders, " "));
    steps.run("WebAssembly build", &mut cargo)?;

    let profile = if release { "web" } else { "debug" };
    let module = workspace.target.join(TARGET).join(profile).join("alcyon_web.wasm");
    let folder = workspace.target.join("web-core");
    steps.run("WebAssembly bindings", bindgen.arg(module).arg(&folder))?;
    page::packages(workspace, steps)?;
    if release {
        // That of the packages: Debian's (108) makes files that browsers refuse.
        let module = folder.join("alcyon_web_bg.wasm");
        let mut smaller = page::tool(workspace, "wasm-opt");
        steps.run("WebAssembly made smaller", smaller.args(WASM_FEATURES).arg("-Oz").arg(&module).arg("-o").arg(&module))?;
    }
    Ok(folder)
}

/// The folders of this machine that the compilers name in what they build (in panics, above all), and what they are to be called
/// there, so that everybody's build of the same source is the same. Where several contain a file, the last one counts.
fn folders(workspace: &Workspace, toolchain: &str) -> Result<Vec<(PathBuf, String)>> {
    let home = env::home_dir().context("there is a home folder")?;
    let cargo = env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let mut folders = vec![(cargo.clone(), "/cargo".to_owned())];
    // Below it a folder for each registry, named after its address: that of a mirror is another one than that of crates.io.
    for registry in fs::read_dir(cargo.join("registry/src")).into_iter().flatten() {
        folders.push((registry?.path(), "/crates".to_owned()));
    }
    folders.push((workspace.root.clone(), "/alcyon".to_owned()));
    folders.push((workspace.target.clone(), "/target".to_owned()));
    let sysroot = output(Command::new("rustc").args([toolchain, "--print", "sysroot"]))?;
    let version = output(Command::new("rustc").args([toolchain, "-vV"]))?;
    let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: ")).context("rustc names its commit")?;
    folders.push((PathBuf::from(sysroot.trim()).join("lib/rustlib/src/rust"), format!("/rustc/{commit}")));
    Ok(folders)
}

fn flags(option: &str, folders: &[(PathBuf, String)], between: &str) -> OsString {
    let mut flags = OsString::new();
    for (folder, name) in folders {
        if !flags.is_empty() {
            flags.push(between);
        }
        flags.push(option);
        flags.push(folder);
        flags.push("=");
        flags.push(name);
    }
    flags
}
