//! Reads MessagePack as [`rmp_serde`] writes it, for types that know what they expect.
//!
//! `rmp_serde::from_slice` looks what is there and offers every type everything that can be there: for the types of OpenMLS
//! that came to a sixth of all code that a browser loads. Here a type is offered what it asks for, and anything else is an
//! error that names both. The rows are the same; a test holds this reader against that of `rmp_serde`.

use rmp::Marker;
use serde::{
    Deserializer,
    de::{DeserializeOwned, DeserializeSeed, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess, Visitor},
};
use thiserror::Error;

/// Lists and maps inside each other: more than any value has, and less than a stack.
const DEPTH: u16 = 128;

/// A row that can't be read. Nothing can be done but to report it: the store is damaged, or of a later version.
#[derive(Debug, Error)]
pub(crate) enum ReadError {
    /// The row ends before the value does.
    #[error("the row ends in the middle of a value")]
    Ended,
    /// There is something behind the value.
    #[error("the row goes on for {0} bytes behind its value")]
    TooLong(usize),
    /// Something else is there.
    #[error("{found} where {expected} should be")]
    Unexpected { expected: &'static str, found: &'static str },
    /// A list or a map has more than its type takes.
    #[error("a list or a map has {0} more than its type takes")]
    Left(usize),
    /// No value is that deep.
    #[error("lists and maps are more than {DEPTH} deep")]
    TooDeep,
    /// A type does not take what it was given.
    #[error("{0}")]
    Value(String),
}

impl serde::de::Error for ReadError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Value(message.to_string())
    }
}

/// Reads one value, which is all there is.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ReadError> {
    let mut reader = Reader { rest: bytes, next: None, depth: 0 };
    let value = T::deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

struct Reader<'de> {
    rest: &'de [u8],
    /// Read already, but not taken.
    next: Option<Item<'de>>,
    depth: u16,
}

/// A value, or how long the list or map is that begins here.
#[derive(Debug, Clone, Copy)]
enum Item<'de> {
    Nil,
    Bool(bool),
    Unsigned(u64),
    /// Below zero.
    Signed(i64),
    Float(f64),
    Text(&'de str),
    Bytes(&'de [u8]),
    List(usize),
    Map(usize),
}

impl Item<'_> {
    fn instead_of(self, expected: &'static str) -> ReadError {
        let found = match self {
            Self::Nil => "nothing",
            Self::Bool(_) => "yes or no",
            Self::Unsigned(_) => "a number",
            Self::Signed(_) => "a number below zero",
            Self::Float(_) => "a fraction",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        };
        ReadError::Unexpected { expected, found }
    }
}

impl<'de> Reader<'de> {
    fn item(&mut self) -> Result<Item<'de>, ReadError> {
        if let Some(next) = self.next.take() {
            return Ok(next);
        }
        let [marker] = self.array()?;
        Ok(match Marker::from_u8(marker) {
            Marker::Null => Item::Nil,
            Marker::True => Item::Bool(true),
            Marker::False => Item::Bool(false),
            Marker::FixPos(number) => Item::Unsigned(number.into()),
            Marker::U8 | Marker::U16 | Marker::U32 | Marker::U64 => Item::Unsigned(self.unsigned(1 << (marker & 3))?),
            Marker::FixNeg(number) => signed(number.into()),
            Marker::I8 => signed(i8::from_be_bytes(self.array()?).into()),
            Marker::I16 => signed(i16::from_be_bytes(self.array()?).into()),
            Marker::I32 => signed(i32::from_be_bytes(self.array()?).into()),
            Marker::I64 => signed(i64::from_be_bytes(self.array()?)),
            Marker::F32 => Item::Float(f32::from_be_bytes(self.array()?).into()),
            Marker::F64 => Item::Float(f64::from_be_bytes(self.array()?)),
            Marker::FixStr(length) => self.text(length.into())?,
            Marker::Str8 => self.long_text(1)?,
            Marker::Str16 => self.long_text(2)?,
            Marker::Str32 => self.long_text(4)?,
            Marker::Bin8 => self.bytes(1)?,
            Marker::Bin16 => self.bytes(2)?,
            Marker::Bin32 => self.bytes(4)?,
            Marker::FixArray(length) => Item::List(length.into()),
            Marker::Array16 => Item::List(self.length(2)?),
            Marker::Array32 => Item::List(self.length(4)?),
            Marker::FixMap(length) => Item::Map(length.into()),
            Marker::Map16 => Item::Map(self.length(2)?),
            Marker::Map32 => Item::Map(self.length(4)?),
            _ => return Err(ReadError::Unexpected { expected: "a value", found: "an extension" }),
        })
    }

    fn take(&mut self, count: usize) -> Result<&'de [u8], ReadError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(ReadError::Ended)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(ReadError::Ended)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// A number of so many bytes, at most eight.
    fn unsigned(&mut self, bytes: usize) -> Result<u64, ReadError> {
        Ok(self.take(bytes)?.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    /// Of a size that no row has, where memory has fewer bytes than the number.
    fn length(&mut self, bytes: usize) -> Result<usize, ReadError> {
        usize::try_from(self.unsigned(bytes)?).map_err(|_| ReadError::Ended)
    }

    fn long_text(&mut self, bytes: usize) -> Result<Item<'de>, ReadError> {
        let length = self.length(bytes)?;
        self.text(length)
    }

    fn text(&mut self, length: usize) -> Result<Item<'de>, ReadError> {
        let text = std::str::from_utf8(self.take(length)?);
        text.map(Item::Text).map_err(|_| ReadError::Unexpected { expected: "text", found: "bytes that are none" })
    }

    fn bytes(&mut self, bytes: usize) -> Result<Item<'de>, ReadError> {
        let length = self.length(bytes)?;
        Ok(Item::Bytes(self.take(length)?))
    }

    fn bool(&mut self) -> Result<bool, ReadError> {
        match self.item()? {
            Item::Bool(value) => Ok(value),
            other => Err(other.instead_of("yes or no")),
        }
    }

    fn whole(&mut self) -> Result<u64, ReadError> {
        match self.item()? {
            Item::Unsigned(number) => Ok(number),
            other => Err(other.instead_of("a number")),
        }
    }

    fn whole_or_below(&mut self) -> Result<i64, ReadError> {
        match self.item()? {
            Item::Signed(number) => Ok(number),
            Item::Unsigned(number) => i64::try_from(number).map_err(|_| ReadError::custom("a number is too large")),
            other => Err(other.instead_of("a number")),
        }
    }

    fn fraction(&mut self) -> Result<f64, ReadError> {
        match self.item()? {
            Item::Float(number) => Ok(number),
            other => Err(other.instead_of("a fraction")),
        }
    }

    fn string(&mut self) -> Result<&'de str, ReadError> {
        match self.item()? {
            Item::Text(text) => Ok(text),
            other => Err(other.instead_of("text")),
        }
    }

    fn byte_string(&mut self) -> Result<&'de [u8], ReadError> {
        match self.item()? {
            Item::Bytes(bytes) => Ok(bytes),
            other => Err(other.instead_of("bytes")),
        }
    }

    fn nil(&mut self) -> Result<(), ReadError> {
        match self.item()? {
            Item::Nil => Ok(()),
            other => Err(other.instead_of("nothing")),
        }
    }

    /// The elements of a list, or bytes one by one.
    fn elements(&mut self) -> Result<Elements<'de>, ReadError> {
        self.descend()?;
        match self.item()? {
            Item::List(left) => Ok(Elements { bytes: &[], left }),
            Item::Bytes(bytes) => Ok(Elements { bytes, left: bytes.len() }),
            other => Err(other.instead_of("a list")),
        }
    }

    fn entries(&mut self) -> Result<usize, ReadError> {
        self.descend()?;
        match self.item()? {
            Item::Map(left) => Ok(left),
            other => Err(other.instead_of("a map")),
        }
    }

    /// True for a variant that is its name alone; else it is a map of one from the name to what it has.
    fn variant(&mut self) -> Result<bool, ReadError> {
        match self.item()? {
            name @ Item::Text(_) => {
                self.next = Some(name);
                Ok(true)
            }
            Item::Map(1) => Ok(false),
            other => Err(other.instead_of("a variant")),
        }
    }

    fn is_none(&mut self) -> Result<bool, ReadError> {
        let item = self.item()?;
        let none = matches!(item, Item::Nil);
        if !none {
            self.next = Some(item);
        }
        Ok(none)
    }

    fn skip(&mut self) -> Result<(), ReadError> {
        let mut left = 1_usize;
        while left > 0 {
            left -= 1;
            let more = match self.item()? {
                Item::List(length) => length,
                Item::Map(length) => length.saturating_mul(2),
                _ => 0,
            };
            left = left.saturating_add(more);
        }
        Ok(())
    }

    fn descend(&mut self) -> Result<(), ReadError> {
        self.depth += 1;
        if self.depth > DEPTH { Err(ReadError::TooDeep) } else { Ok(()) }
    }

    fn ascend(&mut self, left: usize) -> Result<(), ReadError> {
        self.depth -= 1;
        if left > 0 { Err(ReadError::Left(left)) } else { Ok(()) }
    }

    fn end(&self) -> Result<(), ReadError> {
        if self.rest.is_empty() { Ok(()) } else { Err(ReadError::TooLong(self.rest.len())) }
    }
}

fn signed(number: i64) -> Item<'static> {
    u64::try_from(number).map_or(Item::Signed(number), Item::Unsigned)
}

struct Elements<'de> {
    /// What is left, of bytes.
    bytes: &'de [u8],
    left: usize,
}

macro_rules! asked {
    ($($method:ident => $visit:ident($take:ident)),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            visitor.$visit(self.$take()?)
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = ReadError;

    asked! {
        deserialize_bool => visit_bool(bool),
        deserialize_u8 => visit_u64(whole),
        deserialize_u16 => visit_u64(whole),
        deserialize_u32 => visit_u64(whole),
        deserialize_u64 => visit_u64(whole),
        deserialize_i8 => visit_i64(whole_or_below),
        deserialize_i16 => visit_i64(whole_or_below),
        deserialize_i32 => visit_i64(whole_or_below),
        deserialize_i64 => visit_i64(whole_or_below),
        deserialize_f32 => visit_f64(fraction),
        deserialize_f64 => visit_f64(fraction),
        deserialize_char => visit_str(string),
        deserialize_str => visit_str(string),
        deserialize_string => visit_str(string),
        deserialize_identifier => visit_str(string),
        deserialize_bytes => visit_bytes(byte_string),
        deserialize_byte_buf => visit_bytes(byte_string),
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    /// For the few types that take what is there.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let item = self.item()?;
        match item {
            Item::Nil => visitor.visit_unit(),
            Item::Bool(value) => visitor.visit_bool(value),
            Item::Unsigned(number) => visitor.visit_u64(number),
            Item::Signed(number) => visitor.visit_i64(number),
            Item::Float(number) => visitor.visit_f64(number),
            Item::Text(text) => visitor.visit_str(text),
            Item::Bytes(bytes) => visitor.visit_bytes(bytes),
            Item::List(_) => {
                self.next = Some(item);
                self.deserialize_seq(visitor)
            }
            Item::Map(_) => {
                self.next = Some(item);
                self.deserialize_map(visitor)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if self.is_none()? { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.nil()?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, ReadError> {
        let left = self.elements()?.left;
        self.ascend(left)?;
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let mut access = List { elements: self.elements()?, reader: self };
        let value = visitor.visit_seq(&mut access)?;
        access.reader.ascend(access.elements.left)?;
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _name: &'static str, _length: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let mut access = Map { left: self.entries()?, reader: self };
        let value = visitor.visit_map(&mut access)?;
        access.reader.ascend(access.left)?;
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.descend()?;
        let value = visitor.visit_enum(Variant { name_alone: self.variant()?, reader: &mut *self })?;
        self.ascend(0)?;
        Ok(value)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.skip()?;
        visitor.visit_unit()
    }
}

struct List<'a, 'de> {
    reader: &'a mut Reader<'de>,
    elements: Elements<'de>,
}

impl<'de> SeqAccess<'de> for &mut List<'_, 'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        if self.elements.left == 0 {
            return Ok(None);
        }
        self.elements.left -= 1;
        if let [byte, rest @ ..] = self.elements.bytes {
            self.elements.bytes = rest;
            self.reader.next = Some(Item::Unsigned((*byte).into()));
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.elements.left)
    }
}

struct Map<'a, 'de> {
    reader: &'a mut Reader<'de>,
    left: usize,
}

impl<'de> MapAccess<'de> for &mut Map<'_, 'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

struct Variant<'a, 'de> {
    reader: &'a mut Reader<'de>,
    name_alone: bool,
}

impl Variant<'_, '_> {
    fn has_something(&self) -> Result<(), ReadError> {
        if self.name_alone {
            Err(ReadError::Unexpected { expected: "a variant with something in it", found: "its name alone" })
        } else {
            Ok(())
        }
    }
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = ReadError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), ReadError> {
        Ok((seed.deserialize(&mut *self.reader)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        if self.name_alone { Ok(()) } else { self.reader.nil() }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ReadError> {
        self.has_something()?;
        seed.deserialize(self.reader)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.has_something()?;
        self.reader.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], visitor: V) -> Result<V::Value, ReadError> {
        self.has_something()?;
        self.reader.deserialize_map(visitor)
    }
}
