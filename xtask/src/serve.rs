//! A server to try things out with.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::steps::{Steps, succeed};
use crate::workspace::Workspace;
use crate::{page, system, wasm};

const ADDRESS: &str = "127.0.0.1:8080";

/// How to serve.
#[derive(clap::Args)]
pub struct Options {
    /// Build with optimisation: slow to build, fast to run
    #[arg(long)]
    release: bool,
    /// Leave the web app out: quicker the first time, and without Node.js
    #[arg(long)]
    no_web: bool,
}

pub fn run(workspace: &Workspace, steps: &mut Steps, options: &Options) -> Result<()> {
    system::install(&system::NATIVE)?;
    let app = if options.no_web { None } else { Some(web_app(workspace, steps, options.release)?) };
    let mut build = workspace.cargo(["build", "--package", "alcyon-server", "--package", "alcyon-cli", "--bins"]);
    if options.release {
        build.arg("--release");
    }
    succeed(&mut build)?;

    let alcyon = workspace.built(options.release, "alcyon");
    let alcyon = alcyon.strip_prefix(&workspace.root).unwrap_or(&alcyon).display();
    if app.is_some() {
        println!("\nThe web app: http://{ADDRESS}/");
    }
    println!(
        "\nIn a second terminal, in {root}:\n\
         \x20 {alcyon} --profile ./a register ann --server http://{ADDRESS}\n\
         \x20 {alcyon} --profile ./a chat\n\
         In a third one:\n\
         \x20 {alcyon} --profile ./b register ben --server http://{ADDRESS}\n\
         \x20 {alcyon} --profile ./b start ann@{ADDRESS} 'Hello Ann'\n\
         \x20 {alcyon} --profile ./b chat\n\
         Ann finds a message request, accepts it, and they talk. Ctrl+C here stops the server; ./data keeps what it holds.\n",
        root = workspace.root.display()
    );
    let mut server = Command::new(workspace.built(options.release, "alcyon-server"));
    if let Some(app) = app {
        server.arg("--web-app").arg(app);
    }
    become_it(server.args(["--data", "data", "--listen", ADDRESS]).current_dir(&workspace.root))
}

fn web_app(workspace: &Workspace, steps: &mut Steps, release: bool) -> Result<PathBuf> {
    system::install(&system::WEB)?;
    let bindgen = workspace.cargo(["run", "--quiet", "--package", "xtask-wasm", "--"]);
    let wasm = wasm::build(workspace, steps, release, bindgen)?;
    page::build(workspace, steps, &wasm)
}

/// The server takes this program's place, so that signals reach it alone.
#[cfg(unix)]
fn become_it(server: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    Err(server.exec().into())
}

#[cfg(not(unix))]
fn become_it(server: &mut Command) -> Result<()> {
    succeed(server)
}
