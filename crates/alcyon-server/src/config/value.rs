use std::{collections::BTreeMap, fmt, path::PathBuf};

use super::{ConfigError, Kind, SETTINGS, Setting};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// A flag on the command line.
    Flag {
        /// The flag, without dashes before it.
        flag: &'static str,
    },
    /// The operator, while the server runs.
    Operator,
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::Flag { flag } => write!(f, "--{flag}"),
            Self::Operator => f.write_str("the command"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// What was set, as text, and where. What is set later wins.
#[derive(Debug, Default)]
pub struct Values(BTreeMap<&'static str, (String, Origin)>);

impl Values {
    /// Sets one.
    pub fn set(&mut self, setting: &'static Setting, value: String, origin: Origin) {
        self.0.insert(setting.key, (value, origin));
    }

    pub(super) fn required<T>(&self, key: &'static str, parse: impl Fn(&str) -> Option<T>) -> Result<T, ConfigError> {
        let setting = setting(key);
        match self.optional(key, &parse)? {
            Some(value) => Ok(value),
            None => {
                let default = setting.default.expect("a setting that is required has a default");
                parse(default).ok_or_else(|| not_allowed(setting, default, Origin::Default))
            }
        }
    }

    pub(super) fn optional<T>(&self, key: &'static str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, ConfigError> {
        let setting = setting(key);
        self.0.get(key).map(|(text, origin)| parse(text).ok_or_else(|| not_allowed(setting, text, origin.clone()))).transpose()
    }

    pub(super) fn conflict(&self, key: &'static str, reason: &'static str) -> ConfigError {
        let origin = self.0.get(key).map_or(Origin::Default, |(_, origin)| origin.clone());
        ConfigError::Conflict { origin, key, reason }
    }
}

pub(super) fn not_allowed(setting: &Setting, value: &str, origin: Origin) -> ConfigError {
    let value = if setting.kind == Kind::Secret { "a secret that is not shown".to_owned() } else { format!("{value:?}") };
    ConfigError::NotAllowed { origin, key: setting.key, value, allowed: setting.allowed }
}

fn setting(key: &str) -> &'static Setting {
    SETTINGS.iter().find(|setting| setting.key == key).expect("every key read is in the table")
}
