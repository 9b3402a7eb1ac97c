//! How values are stored: MessagePack with field names (a field that is added later is read as absent from older rows)
//! and byte strings as such. Every value of OpenMLS goes through it and back.

mod reader;
#[cfg(test)]
mod tests;

use rmp_serde::config::BytesMode;
use serde::Serialize;

pub(crate) use reader::{ReadError, read};

/// A value as its row holds it.
pub(crate) fn value(value: &impl Serialize) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    let mut bytes = Vec::new();
    let mut serializer = rmp_serde::Serializer::new(&mut bytes).with_bytes(BytesMode::ForceIterables).with_struct_map();
    value.serialize(&mut serializer)?;
    Ok(bytes)
}

/// A key: without field names, so that renaming a field loses no row.
pub(crate) fn key(key: &impl Serialize) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    let mut bytes = Vec::new();
    key.serialize(&mut rmp_serde::Serializer::new(&mut bytes).with_bytes(BytesMode::ForceIterables))?;
    Ok(bytes)
}
