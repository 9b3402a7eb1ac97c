use std::fmt;

/// The longest a name may be, in bytes of UTF-8: most file systems end at 255, and somebody will want to add ` (2)`.
const LONGEST: usize = 200;
/// What a name is called that has nothing left.
const NAMELESS: &str = "file";
/// The longest ending that is kept when a name is cut.
const LONGEST_ENDING: usize = 20;

/// A file name that can be written on any system, and can't lead anywhere or pass for something else: no folders, no control or
/// invisible characters, none that turn the direction of writing, no leading dots or dashes, no names of devices, 1 to 200 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SafeName(String);

impl SafeName {
    /// Makes one of any text. Of a path the last part is left; a name that is safe stays as it is.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let last = name.rsplit(['/', '\\']).map(clean).find(|part| !part.is_empty()).unwrap_or_else(|| NAMELESS.to_owned());
        let short = cut(last);
        if is_device(&short) { Self(cut(format!("_{short}"))) } else { Self(short) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SafeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn clean(part: &str) -> String {
    let visible = part.chars().filter(|c| !is_hidden(*c)).map(|c| if r#"<>:"|?*"#.contains(c) { '_' } else { c });
    let visible: String = visible.collect();
    let bare = visible.trim_start_matches(|c: char| c == '.' || c == '-' || c.is_whitespace());
    trim_end(bare).to_owned()
}

/// Windows drops dots and spaces at the end by itself, and opens another file than the one that was meant.
fn trim_end(name: &str) -> &str {
    name.trim_end_matches(|c: char| c == '.' || c.is_whitespace())
}

/// Control characters, and those that are not seen themselves but change how the others are: no name from outside keeps any.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0e}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Cuts in the middle, so that the ending stays.
fn cut(name: String) -> String {
    if name.len() <= LONGEST {
        return name;
    }
    let ending = name.rfind('.').map(|dot| &name[dot..]).filter(|ending| ending.len() <= LONGEST_ENDING).unwrap_or_default();
    let stem = &name[..name.len() - ending.len()];
    let stem = trim_end(&stem[..stem.floor_char_boundary(LONGEST - ending.len())]);
    format!("{stem}{ending}")
}

/// Names that Windows takes for devices, whatever their ending.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let is = |device: &str| stem.eq_ignore_ascii_case(device);
    let mut numbered = stem.chars();
    let number = numbered.next_back();
    let is_port = ["COM", "LPT"].into_iter().any(|port| numbered.as_str().eq_ignore_ascii_case(port));
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].into_iter().any(is)
        || is_port && number.is_some_and(|number| matches!(number, '0'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_from_outside_become_safe() {
        let cases = [
            ("report.pdf", "report.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Windows\\system32\\evil.dll", "evil.dll"),
            ("folder/", "folder"),
            ("..", "file"),
            ("", "file"),
            ("...", "file"),
            ("/", "file"),
            (".bashrc", "bashrc"),
            ("-rf", "rf"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
            ("a\0b\nc\x1b[31m.txt", "abc[31m.txt"),
            ("what?*.txt", "what__.txt"),
            ("con", "_con"),
            ("NUL.txt", "_NUL.txt"),
            ("Com1.log", "_Com1.log"),
            ("COM12", "COM12"),
            ("console", "console"),
            ("ends. . ", "ends"),
            ("naïve 日本語.txt", "naïve 日本語.txt"),
        ];
        for (name, safe) in cases {
            assert_eq!(SafeName::of(name).as_str(), safe, "{name:?}");
        }
    }

    #[test]
    fn four_thousand_bytes_keep_their_ending() {
        let long = SafeName::of(&("ß".repeat(2_000) + ".tar.gz"));
        assert_eq!(long.as_str().len(), 199);
        assert!(long.as_str().ends_with("ß.gz"), "{long}");
        assert_eq!(SafeName::of(&"x".repeat(4_000)).as_str(), "x".repeat(200));
        assert_eq!(SafeName::of(&format!("a{}b.txt", " ".repeat(4_000))).as_str(), "a.txt");
    }

    #[test]
    fn a_long_name_of_a_device_is_no_longer_than_others() {
        let SafeName(safe) = SafeName::of(&format!("NUL.{}", "x".repeat(196)));
        assert_eq!(safe.len(), LONGEST);
        assert!(safe.starts_with("_NUL."), "{safe}");
        assert_eq!(SafeName::of(&safe).0, safe);
    }

    proptest! {
        #[test]
        fn always_safe_and_safe_stays(name in prop_oneof![any::<String>(), "[./\\\\ a-zCONULP1\u{202e}-]{0,300}"]) {
            let SafeName(safe) = SafeName::of(&name);
            prop_assert!(!safe.is_empty() && safe.len() <= LONGEST);
            prop_assert!(!safe.contains(['/', '\\', ':']) && !safe.chars().any(is_hidden));
            prop_assert!(!safe.starts_with(['.', '-', ' ']) && !safe.ends_with(['.', ' ']) && !is_device(&safe));
            prop_assert_eq!(SafeName::of(&safe).0, safe);
        }
    }
}
