//! The one thing in EXIF that an image needs: how it is turned.

/// Orientations run from 1, as it is, to 8.
pub(crate) type Orientation = u8;

/// What stands for "as it is".
pub(crate) const UPRIGHT: Orientation = 1;

/// Tag and type (EXIF 2.32, 4.6.4): one SHORT.
const TAG: u16 = 0x0112;
const SHORT: u16 = 3;

/// Reads the orientation out of a TIFF structure; what can't be read is upright.
pub(crate) fn orientation(tiff: &[u8]) -> Orientation {
    find(tiff).filter(|found| (1..=8).contains(found)).unwrap_or(UPRIGHT)
}

fn find(tiff: &[u8]) -> Option<Orientation> {
    let little = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let two = |at: usize| {
        let bytes: [u8; 2] = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let four: [u8; 4] = tiff.get(4..8)?.try_into().ok()?;
    let first = usize::try_from(if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) }).ok()?;
    (0..usize::from(two(first)?))
        .find_map(|entry| {
            let at = first.checked_add(2 + entry * 12)?;
            (two(at)? == TAG && two(at + 2)? == SHORT).then(|| two(at + 8)).flatten()
        })?
        .try_into()
        .ok()
}

/// A TIFF structure that says how an image is turned and nothing else.
pub(crate) fn of_orientation(orientation: Orientation) -> Vec<u8> {
    let mut tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    tiff.extend([orientation, 0, 0, 0, 0, 0, 0]);
    tiff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orientation_comes_back_in_either_byte_order() {
        for wanted in 1..=8 {
            assert_eq!(orientation(&of_orientation(wanted)), wanted);
        }
        assert_eq!(orientation(b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"), 6);
    }

    #[test]
    fn what_can_not_be_read_is_upright() {
        let whole = of_orientation(6);
        for length in 0..whole.len() - 7 {
            assert_eq!(orientation(&whole[..length]), UPRIGHT, "{length}");
        }
        assert_eq!(orientation(&of_orientation(0)), UPRIGHT);
        assert_eq!(orientation(&of_orientation(9)), UPRIGHT);
        assert_eq!(orientation(b"MM\0*\xff\xff\xff\xff"), UPRIGHT);
    }
}
