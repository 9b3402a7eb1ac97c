//! A server to try things out with.

use std::process::Command;

use anyhow::Result;

use crate::steps::succeed;
use crate::system;
use crate::workspace::Workspace;

const ADDRESS: &str = "127.0.0.1:8080";

/// How to serve.
#[derive(clap::Args)]
pub struct Options {
    /// Build with optimisation: slow to build, fast to run
    #[arg(long)]
    release: bool,
}

pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    system::install(&system::NATIVE)?;
    let mut build = workspace.cargo(["build", "--package", "alcyon-server", "--package", "alcyon-cli", "--bins"]);
    if options.release {
        build.arg("--release");
    }
    succeed(&mut build)?;

    let alcyon = workspace.built(options.release, "alcyon");
    let alcyon = alcyon.strip_prefix(&workspace.root).unwrap_or(&alcyon).display();
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
    become_it(server.args(["--data", "data", "--listen", ADDRESS]).current_dir(&workspace.root))
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
