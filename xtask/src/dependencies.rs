//! What may be depended upon: licences, sources, banned packages, and packages in more than one version.
//!
//! The rules are the constants here. Advisories are not checked: they need a database from outside; `cargo audit` does it.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail};

use crate::steps::output;
use crate::workspace::Workspace;

/// Licences (SPDX) whose terms we keep by handing on the texts; a package needs one of its alternatives to be here.
const LICENCES: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "blessing",
];

/// Licences that hold for a single package.
const LICENCE_EXCEPTIONS: [(&str, &str, &str); 4] = [
    ("hpke-rs", "MPL-2.0", "weak copyleft by file; we change none of its files"),
    ("hpke-rs-crypto", "MPL-2.0", "the same"),
    ("hpke-rs-rust-crypto", "MPL-2.0", "the same"),
    ("sqlcipher-src", "WTFPL", "libtomcrypt's, which asks for nothing"),
];

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Packages that must not get in, and why.
const BANNED: [(&str, &str); 7] = [
    ("aws-lc-rs", "ring is our one TLS and signature provider: with two, rustls can't choose"),
    ("aws-lc-sys", "as aws-lc-rs"),
    ("native-tls", "TLS is rustls everywhere"),
    ("openssl", "TLS is rustls; SQLCipher links libcrypto by itself"),
    ("openssl-sys", "as openssl"),
    ("openssl_sqlite_storage", "our own storage provider shares one transaction with the messages"),
    ("reqwest", "hyper does what little we need"),
];

/// Packages that may be there in more than one version, by reason.
const DUPLICATES: [(&str, &[&str]); 5] = [
    (
        "two generations of RustCrypto: OpenMLS stands with one foot in each, and mls-rs, the independent peer of our tests, in the older",
        &[
            "aead",
            "aes",
            "aes-gcm",
            "base16ct",
            "block-buffer",
            "chacha20",
            "chacha20poly1305",
            "cipher",
            "const-oid",
            "cpufeatures",
            "crypto-bigint",
            "crypto-common",
            "ctr",
            "curve25519-dalek",
            "der",
            "digest",
            "ecdsa",
            "ed25519",
            "ed25519-dalek",
            "elliptic-curve",
            "ff",
            "fiat-crypto",
            "getrandom",
            "ghash",
            "group",
            "hkdf",
            "hmac",
            "inout",
            "p256",
            "p384",
            "pem-rfc7468",
            "pkcs8",
            "poly1305",
            "polyval",
            "primeorder",
            "rand",
            "rand_chacha",
            "rand_core",
            "rfc6979",
            "sec1",
            "sha2",
            "signature",
            "spki",
            "universal-hash",
            "x25519-dalek",
        ],
    ),
    (
        "macros and build scripts, none of which gets into a program",
        &["darling", "darling_core", "darling_macro", "itertools", "shlex", "syn"],
    ),
    (
        "fjall, metrics, prost and ratatui each keep their own pace with these small ones",
        &["base64", "foldhash", "hashbrown", "spin", "unicode-width"],
    ),
    ("other systems than ours", &["r-efi", "windows-link", "windows-sys"]),
    ("png, which inflates by the older one, and flate2 below it by the newer", &["miniz_oxide"]),
];

/// Checks everything and lists all that is wrong.
pub fn check(workspace: &Workspace) -> Result<()> {
    let lock = fs::read_to_string(workspace.root.join("Cargo.lock"))?;
    let mut wrong = locked_packages(&lock);
    let arguments =
        ["tree", "--locked", "--workspace", "--target", "all", "--edges", "normal,build,dev", "--prefix", "none", "--format", "{p}|{l}"];
    wrong.extend(licences(&output(&mut workspace.cargo(arguments))?)?);
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("dependencies break rules (see xtask/src/dependencies.rs):\n  {}", wrong.join("\n  "))
}

/// Sources, bans and duplicates, from the lock file.
fn locked_packages(lock: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut versions = BTreeMap::<&str, usize>::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |name: &str| package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \"")?.strip_suffix('"'));
        let name = field("name").unwrap_or_default();
        *versions.entry(name).or_default() += 1;
        // Packages of the workspace have no source.
        if let Some(source) = field("source").filter(|source| *source != REGISTRY) {
            wrong.push(format!("{name} comes from {source}, not from crates.io"));
        }
        if let Some((_, reason)) = BANNED.iter().find(|(banned, _)| *banned == name) {
            wrong.push(format!("{name} is banned: {reason}"));
        }
    }
    let allowed: Vec<&str> = DUPLICATES.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    for (name, count) in &versions {
        if *count > 1 && !allowed.contains(name) {
            wrong.push(format!("{name} is there in {count} versions, for no written reason"));
        }
    }
    for name in allowed {
        if versions.get(name).is_none_or(|count| *count < 2) {
            wrong.push(format!("{name} may be there in more than one version, but is not: strike it off the list"));
        }
    }
    wrong
}

/// Licences, from lines of `name version...|licence expression`.
fn licences(tree: &str) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let mut lines: Vec<&str> = tree.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    lines.dedup();
    for line in lines {
        let (package, expression) = line.rsplit_once('|').with_context(|| format!("cargo tree printed: {line}"))?;
        let name = package.split(' ').next().unwrap_or_default();
        if !Expression::new(expression).allows(name) {
            wrong.push(format!("{package} has the licence `{expression}`"));
        }
    }
    Ok(wrong)
}

/// A licence expression of SPDX: names, AND, OR, WITH and parentheses; `/` is an older way to write OR.
struct Expression {
    words: Vec<String>,
}

impl Expression {
    fn new(text: &str) -> Self {
        let text = text.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
        Self { words: text.split_whitespace().rev().map(str::to_owned).collect() }
    }

    fn allows(mut self, package: &str) -> bool {
        self.alternatives(package) && self.words.is_empty()
    }

    fn alternatives(&mut self, package: &str) -> bool {
        let mut allowed = self.all_of(package);
        while self.words.pop_if(|word| word == "OR").is_some() {
            allowed |= self.all_of(package);
        }
        allowed
    }

    fn all_of(&mut self, package: &str) -> bool {
        let mut allowed = self.single(package);
        while self.words.pop_if(|word| word == "AND").is_some() {
            allowed &= self.single(package);
        }
        allowed
    }

    fn single(&mut self, package: &str) -> bool {
        let Some(mut name) = self.words.pop() else { return false };
        if name == "(" {
            let allowed = self.alternatives(package);
            return self.words.pop_if(|word| word == ")").is_some() && allowed;
        }
        if self.words.pop_if(|word| word == "WITH").is_some() {
            name = format!("{name} WITH {}", self.words.pop().unwrap_or_default());
        }
        LICENCES.contains(&name.as_str()) || LICENCE_EXCEPTIONS.iter().any(|(who, licence, _)| *who == package && *licence == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licence_expressions() {
        let allowed = |text: &str| Expression::new(text).allows("some-package");
        for text in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR GPL-3.0) AND ISC",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
            "GPL-3.0 AND ISC OR MIT",
        ] {
            assert!(allowed(text), "{text}");
        }
        for text in
            ["", "GPL-3.0", "MIT AND GPL-3.0", "MIT AND (GPL-3.0 OR LGPL-3.0)", "MIT)", "(MIT", "MIT WITH Strange-exception", "MPL-2.0"]
        {
            assert!(!allowed(text), "{text}");
        }
        assert!(Expression::new("MPL-2.0").allows("hpke-rs"));
    }

    #[test]
    fn a_lock_file_that_breaks_every_rule() {
        let package = |name: &str, source: &str| format!("[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\n{source}\n");
        let good = format!("source = \"{REGISTRY}\"");
        let lock = [
            package("fine", &good),
            package("ours", ""),
            package("elsewhere", "source = \"git+https://example.com/x\""),
            package("native-tls", &good),
            package("twice", &good),
            package("twice", &good),
        ]
        .concat();
        let wrong = locked_packages(&lock);
        for start in ["elsewhere comes from git+https://example.com/x", "native-tls is banned", "twice is there in 2 versions"] {
            assert!(wrong.iter().any(|line| line.starts_with(start)), "{start}: {wrong:?}");
        }
        assert!(!wrong.iter().any(|line| line.starts_with("fine") || line.starts_with("ours")), "{wrong:?}");
    }
}
