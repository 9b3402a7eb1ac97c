//! What the workspace needs from the operating system, and how it gets there.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::steps::{output, succeed, succeeds};

/// Something that has to be there.
pub struct Need {
    /// What lacks, for people.
    what: &'static str,
    is_there: fn() -> bool,
    /// Debian's and Ubuntu's packages.
    packages: &'static [&'static str],
}

/// For all native programs.
pub static NATIVE: [Need; 2] = [C_COMPILER, LIBCRYPTO];

/// For the client in the browser.
pub static WEB: [Need; 3] = [CLANG, WASM_STD, NODE];

/// For every test.
pub static ALL: [Need; 7] = [C_COMPILER, LIBCRYPTO, CLANG, WASM_STD, NODE, CHROMIUM, PYTHON];

/// For the servers that ours is compared with.
pub static PEERS: [Need; 4] = [EJABBERD, PROSODY, STRACE, UTIL_LINUX];

const C_COMPILER: Need =
    Need { what: "a C and C++ compiler", is_there: || find("c++").is_some() && find("cc").is_some(), packages: &["g++"] };
const LIBCRYPTO: Need = Need {
    what: "OpenSSL's libcrypto with its headers (for SQLCipher) and pkg-config",
    is_there: || succeeds(Command::new("pkg-config").args(["--exists", "libcrypto"])),
    packages: &["libssl-dev", "pkg-config"],
};
const CLANG: Need = Need {
    what: "clang and llvm-ar (to compile SQLite to WebAssembly)",
    is_there: || newest("clang").is_some() && newest("llvm-ar").is_some(),
    packages: &["clang", "llvm"],
};
const WASM_STD: Need = Need {
    what: "Debian's Rust with its sources (for the WebAssembly standard library)",
    is_there: || env::var_os("WASM_STD").is_none_or(|from| from != "debian") || debian_rust_is_new(),
    packages: &["rustc-web", "cargo-web", "rust-web-src"],
};
const NODE: Need = Need {
    what: "Node.js 20 or newer with npm (for the page; where the system's is older: https://nodejs.org)",
    is_there: || {
        let new = "process.exit(process.versions.node.split('.')[0] < 20 ? 1 : 0)";
        find("npm").is_some() && succeeds(Command::new("node").args(["-e", new]))
    },
    packages: &["nodejs", "npm"],
};
const PYTHON: Need = Need {
    what: "Python with its virtual environments (for the tus client and the S3 server of the tests)",
    is_there: || succeeds(Command::new("python3").args(["-c", "import venv, ensurepip"])),
    packages: &["python3-venv"],
};
const EJABBERD: Need = Need {
    what: "ejabberd",
    is_there: || PathBuf::from("/usr/sbin/ejabberdctl").is_file() && find("erl").is_some(),
    packages: &["ejabberd"],
};
const PROSODY: Need = Need { what: "prosody", is_there: || find("prosody").is_some(), packages: &["prosody"] };
const STRACE: Need = Need { what: "strace", is_there: || find("strace").is_some(), packages: &["strace"] };
const UTIL_LINUX: Need = Need {
    what: "taskset, prlimit and setpriv",
    is_there: || ["taskset", "prlimit", "setpriv"].into_iter().all(|program| find(program).is_some()),
    packages: &["util-linux"],
};
const CHROMIUM: Need = Need { what: "Chromium", is_there: || chromium().is_ok(), packages: &["chromium"] };

/// Installs what is lacking, or names it.
pub fn install(needs: &[Need]) -> Result<()> {
    install_by(needs, "apt-get -qq update; apt-get -qq install --yes --no-install-recommends \"$@\"")
}

/// The same for packages that come with services: none of them is started, now or at the next start of the machine.
///
/// Debian's scripts ask a program that they look for in one place whether they may start a service. Where there is none, one
/// that says no stands there meanwhile. What is switched on for the next start afterwards and was not before (ejabberd brings a
/// port mapper too) is switched off.
pub fn install_without_services(needs: &[Need]) -> Result<()> {
    install_by(
        needs,
        "policy=/usr/sbin/policy-rc.d
        enabled() { systemctl --root=/ list-unit-files --state=enabled --no-legend 2>/dev/null | cut -d ' ' -f 1 | tr '\\n' ' '; }
        before=$(enabled)
        if [ ! -e $policy ]; then
            trap 'rm -f $policy' EXIT
            printf '#!/bin/sh\\nexit 101\\n' > $policy
            chmod 755 $policy
        fi
        apt-get -qq update
        apt-get -qq install --yes --no-install-recommends \"$@\"
        for unit in $(enabled); do
            case \" $before \" in *\" $unit \"*) ;; *) systemctl --root=/ --quiet disable $unit ;; esac
        done",
    )
}

/// By a script that root runs with the packages as its arguments; any command of it that fails ends it.
fn install_by(needs: &[Need], script: &str) -> Result<()> {
    let lacking: Vec<&Need> = needs.iter().filter(|need| !(need.is_there)()).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = lacking.iter().flat_map(|need| need.packages.iter().copied()).collect();
    for need in &lacking {
        println!("lacking: {}", need.what);
    }
    if find("apt-get").is_none() {
        bail!("there is no apt-get here; install what is lacking (Debian calls it: {})", packages.join(" "));
    }
    let root = succeeds(Command::new("sh").args(["-c", "test $(id -u) = 0"]));
    if !root && !succeeds(Command::new("sudo").args(["-n", "true"])) {
        bail!("this needs root; run: sudo apt-get install {}", packages.join(" "));
    }
    let mut command = Command::new(if root { "env" } else { "sudo" });
    succeed(command.args(["DEBIAN_FRONTEND=noninteractive", "sh", "-ec", script, "sh"]).args(&packages))?;
    match lacking.iter().find(|need| !(need.is_there)()) {
        Some(need) => bail!("still lacking after `apt-get install {}`: {}", packages.join(" "), need.what),
        None => Ok(()),
    }
}

/// The newest of `clang`, `clang-14`, `clang-22`, ...
pub fn newest(program: &str) -> Option<PathBuf> {
    let versioned = (11..=40).rev().find_map(|version| find(format!("{program}-{version}")));
    versioned.or_else(|| find(program))
}

/// Whether Debian's Rust and its sources are there and compile what the workspace is written in; its older releases do not.
fn debian_rust_is_new() -> bool {
    let sources = PathBuf::from("/usr/lib/rustlib/src/rust/library").exists();
    let printed = output(Command::new("/usr/bin/rustc").arg("-vV")).unwrap_or_default();
    let release = printed.lines().find_map(|line| line.strip_prefix("release: "));
    sources && release.map(numbers) >= Some(numbers(env!("CARGO_PKG_RUST_VERSION")))
}

/// `1.95` and `1.95.0-nightly` as numbers that compare.
fn numbers(version: &str) -> Vec<u32> {
    version.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect()
}

/// The browser for tests: `CHROMIUM`, or one of the usual names.
pub fn chromium() -> Result<OsString> {
    let Some(named) = env::var_os("CHROMIUM") else {
        let usual = ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(find);
        return usual.map(PathBuf::into_os_string).context("no Chromium was found; name it in CHROMIUM");
    };
    // A test would say so only after half an hour, and not as plainly.
    ensure!(find(&named).is_some(), "CHROMIUM is {}, and there is no such program", named.display());
    Ok(named)
}

fn find(program: impl AsRef<Path>) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(&program)).find(|path| path.is_file())
}
