use std::path::Path;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{ConfigError, Kind, Origin, SETTINGS, Values, value::not_allowed};

/// Reads every setting of a file into `values`.
pub(super) fn read(path: &Path, values: &mut Values) -> Result<(), ConfigError> {
    let unreadable = |error: std::io::Error| ConfigError::Unreadable { path: path.to_owned(), reason: error.to_string() };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    parse(path, &text, values)
}

pub(super) fn parse(path: &Path, text: &str, values: &mut Values) -> Result<(), ConfigError> {
    let document = DeTable::parse(text).map_err(|error| ConfigError::NotToml {
        path: path.to_owned(),
        line: error.span().map_or(1, |span| line(text, span.start)),
        reason: error.message().to_owned(),
    })?;
    table(&Source { path, text }, "", document.get_ref(), values)
}

struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

fn table(source: &Source<'_>, prefix: &str, content: &DeTable<'_>, values: &mut Values) -> Result<(), ConfigError> {
    for (name, value) in content {
        let key = format!("{prefix}{}", name.get_ref());
        let section = format!("{key}.");
        match value.get_ref() {
            DeValue::Table(inner) if SETTINGS.iter().any(|setting| setting.key.starts_with(&section)) => {
                table(source, &section, inner, values)?;
            }
            _ => scalar(source, key, name.span().start, value, values)?,
        }
    }
    Ok(())
}

fn scalar(
    source: &Source<'_>,
    key: String,
    key_start: usize,
    value: &Spanned<DeValue<'_>>,
    values: &mut Values,
) -> Result<(), ConfigError> {
    let path = source.path.to_owned();
    let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
        let allowed = SETTINGS.iter().map(|setting| setting.key).collect::<Vec<_>>().join(", ");
        return Err(ConfigError::UnknownKey { path, line: line(source.text, key_start), key, allowed });
    };
    let origin = Origin::File { path, line: line(source.text, value.span().start) };
    let text = match (setting.kind, value.get_ref()) {
        (Kind::Text | Kind::Secret, DeValue::String(text)) => text.to_string(),
        (Kind::Number, DeValue::Integer(number)) if number.radix() == 10 => number.as_str().to_owned(),
        (Kind::Switch, DeValue::Boolean(on)) => on.to_string(),
        (_, other) => {
            let written = source.text.get(value.span()).filter(|_| setting.kind != Kind::Secret).unwrap_or(other.type_str());
            return Err(ConfigError::NotAllowed { origin, key: setting.key, value: written.to_owned(), allowed: setting.allowed });
        }
    };
    if setting.kind == Kind::Text && text.is_empty() {
        return Err(not_allowed(setting, &text, origin));
    }
    values.set(setting, text, origin);
    Ok(())
}

fn line(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
