//! Tables that programs write into the documentation.

use std::path::Path;

use anyhow::Context;

/// Puts a table between two marks of a document of the workspace (`docs/benchmarks.md`); what stands around them stays.
pub fn put(document: &str, begin: &str, end: &str, table: &str) -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(document);
    let old = std::fs::read_to_string(&path)?;
    let new = between(&old, begin, end, table).with_context(|| format!("{document} has no {begin} with {end} behind it"))?;
    Ok(std::fs::write(path, new)?)
}

fn between(old: &str, begin: &str, end: &str, table: &str) -> Option<String> {
    let (before, rest) = old.split_once(begin)?;
    let (_, after) = rest.split_once(end)?;
    Some(format!("{before}{begin}\n{table}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_a_table_stays() {
        let old = "one\n<!-- a -->\nold\n<!-- b -->\ntwo\n";
        let new = between(old, "<!-- a -->", "<!-- b -->", "| new |\n").unwrap();
        assert_eq!(new, "one\n<!-- a -->\n| new |\n<!-- b -->\ntwo\n");
        assert_eq!(between(&new, "<!-- a -->", "<!-- b -->", "| new |\n"), Some(new));
    }

    #[test]
    fn a_document_without_marks_is_left_alone() {
        assert_eq!(between("<!-- b --> <!-- a -->", "<!-- a -->", "<!-- b -->", ""), None);
    }
}
