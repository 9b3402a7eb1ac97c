//! Puts the web app into the program, if `ALCYON_WEB_APP` names the folder that `cargo xtask web --release` has made.
//! Without it the server builds as quickly as ever, and says at `/` that it has no page.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-env-changed=ALCYON_WEB_APP");
    let mut table = "pub(super) static FILES: &[(&str, &[u8])] = &[\n".to_owned();
    if let Some(folder) = env::var_os("ALCYON_WEB_APP").filter(|folder| !folder.is_empty()).map(PathBuf::from) {
        let folder = fs::canonicalize(&folder).unwrap_or_else(|error| panic!("ALCYON_WEB_APP: {}: {error}", folder.display()));
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut paths = Vec::new();
        list(&folder, &mut paths);
        paths.sort();
        for path in paths {
            let name = path.strip_prefix(&folder).expect("it was found in there").to_str().expect("our own names are text");
            writeln!(table, "    ({name:?}, include_bytes!({path:?})),").expect("a String takes any text");
        }
    }
    table.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where")).join("web_app.rs");
    fs::write(out, table).expect("the folder of this build can be written");
}

fn list(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read").map_while(Result::ok) {
        if entry.path().is_dir() { list(&entry.path(), paths) } else { paths.push(entry.path()) }
    }
}
