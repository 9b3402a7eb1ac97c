//! Size classes: what is sealed is padded, so that its length says little.
//!
//! A class is 256 bytes, or above that a Padmé length (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files
//! and Communication with PURBs", 2019): at most 12 % more, and of n bytes only O(log log n) bits leak.

use crate::MlsError;

/// The smallest class, bytes.
pub const SMALLEST_CLASS: usize = 256;

/// The class that holds `length` bytes.
#[must_use]
pub fn size_class(length: usize) -> usize {
    if length <= SMALLEST_CLASS {
        return SMALLEST_CLASS;
    }
    let exponent = length.ilog2();
    let significant = exponent.ilog2() + 1;
    let mask = (1usize << (exponent - significant)) - 1;
    length.checked_add(mask).map_or(length, |sum| sum & !mask)
}

/// Content, a mark, and zeros up to the size class: content with the mark fills it at most.
#[must_use]
pub fn pad(content: &[u8]) -> Vec<u8> {
    pad_to(content, size_class(content.len() + 1))
}

pub(crate) fn pad_to(content: &[u8], class: usize) -> Vec<u8> {
    let mut padded = Vec::with_capacity(class);
    padded.extend_from_slice(content);
    padded.push(MARK);
    padded.resize(class.max(padded.len()), 0);
    padded
}

const MARK: u8 = 0x80;

/// Reads the form of [`pad`], whatever the class.
pub fn unpad(padded: &[u8]) -> Result<&[u8], MlsError> {
    let end = padded.iter().rposition(|byte| *byte != 0).filter(|end| padded[*end] == MARK);
    end.map(|end| &padded[..end]).ok_or(MlsError::Malformed { what: "padding" })
}
