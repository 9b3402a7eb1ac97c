//! How ids, numbers and enums lie in columns.

use rusqlite::{Row, types::Type};

/// A value that is not what it has to be.
#[derive(Debug, thiserror::Error)]
#[error("a stored value has the wrong form")]
struct WrongForm;

pub(crate) fn wrong(index: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Blob, Box::new(WrongForm))
}

/// An id or hash of fixed length.
pub(crate) fn id<const N: usize, T: From<[u8; N]>>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    <[u8; N]>::try_from(row.get_ref(index)?.as_blob()?).map(T::from).map_err(|_| wrong(index))
}

/// The same, or NULL.
pub(crate) fn maybe_id<const N: usize, T: From<[u8; N]>>(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<T>> {
    row.get_ref(index)?.as_blob_or_null()?.map(|bytes| <[u8; N]>::try_from(bytes).map(T::from).map_err(|_| wrong(index))).transpose()
}

/// Text that parses.
pub(crate) fn parsed<T: std::str::FromStr>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    row.get_ref(index)?.as_str()?.parse().map_err(|_| wrong(index))
}

/// A count, a time or a sequence: never negative, never over 2^63.
pub(crate) fn number(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    u64::try_from(row.get::<_, i64>(index)?).map_err(|_| wrong(index))
}

/// A number for a column; what does not fit can't come from this program and is kept as the largest.
pub(crate) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// An enum with numbers on disk: `stored_enum!{ Name { Variant = 1, .. } }`.
macro_rules! stored_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Every value with its number on disk.
            pub const ALL: &[(Self, i64)] = &[$((Self::$variant, $number)),+];

            /// The number on disk. It never changes.
            #[must_use]
            pub fn number(self) -> i64 {
                match self { $(Self::$variant => $number),+ }
            }

            #[allow(dead_code)] // some are written and asked for, and never read back
            pub(crate) fn column(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<Self> {
                match row.get::<_, i64>(index)? {
                    $($number => Ok(Self::$variant),)+
                    _ => Err($crate::column::wrong(index)),
                }
            }
        }
    };
}
pub(crate) use stored_enum;
