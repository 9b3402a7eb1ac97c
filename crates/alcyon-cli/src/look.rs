//! How this terminal wants to be spoken to: language, characters, colours.

use crate::text::Language;

/// What the environment says about the person and the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) language: Language,
    /// The terminal shows more than ASCII.
    pub(crate) unicode: bool,
    /// Colours are wanted.
    pub(crate) colours: bool,
}

impl Look {
    pub(crate) fn of_environment() -> Self {
        Self::of(|name| std::env::var(name).ok())
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first =
            |names: [&str; 3]| names.into_iter().find_map(|name| variable(name).filter(|value| !value.is_empty())).unwrap_or_default();
        let language = first(["LC_ALL", "LC_MESSAGES", "LANG"]);
        let characters = first(["LC_ALL", "LC_CTYPE", "LANG"]).to_ascii_lowercase();
        let terminal = variable("TERM").unwrap_or_default();
        Self {
            language: if language.starts_with("fr") { Language::French } else { Language::English },
            // Windows terminals speak UTF-8 without saying so; the Linux console does, but has few glyphs.
            unicode: cfg!(windows) || ((characters.contains("utf-8") || characters.contains("utf8")) && terminal != "linux"),
            colours: variable("NO_COLOR").is_none_or(|value| value.is_empty()) && terminal != "dumb",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Look {
        Look::of(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_locale_chooses_language_and_characters() {
        assert_eq!(of(&[("LANG", "fr_FR.UTF-8")]), Look { language: Language::French, unicode: true, colours: true });
        assert_eq!(
            of(&[("LANG", "fr_FR.UTF-8"), ("LC_ALL", "C")]),
            Look { language: Language::English, unicode: cfg!(windows), colours: true }
        );
        assert_eq!(of(&[("LC_CTYPE", "en_GB.utf8"), ("LC_MESSAGES", "fr_BE")]).language, Language::French);
        assert_eq!(of(&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "")]), Look { language: Language::English, unicode: true, colours: true });
    }

    #[test]
    fn poor_terminals_get_less() {
        assert!(!of(&[("LANG", "en_US.UTF-8"), ("NO_COLOR", "1")]).colours);
        assert!(!of(&[("TERM", "dumb")]).colours);
        #[cfg(not(windows))]
        assert!(!of(&[("LANG", "en_US.UTF-8"), ("TERM", "linux")]).unicode);
    }
}
