use std::io::{Read, Seek, SeekFrom};

use crate::{
    ImageError, Stripped,
    error::damaged,
    exif::Orientation,
    strip::{gif, jpeg, png, webp},
    walk::Walk,
};

/// Kinds of images that are taken apart and decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImageKind {
    /// JPEG.
    Jpeg,
    /// PNG, animated ones too.
    Png,
    /// WebP, animated ones too.
    Webp,
    /// GIF.
    Gif,
}

impl ImageKind {
    /// The media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Gif => "image/gif",
        }
    }

    #[cfg(feature = "decode")]
    pub(crate) fn format(self) -> image::ImageFormat {
        match self {
            Self::Jpeg => image::ImageFormat::Jpeg,
            Self::Png => image::ImageFormat::Png,
            Self::Webp => image::ImageFormat::WebP,
            Self::Gif => image::ImageFormat::Gif,
        }
    }
}

/// Bytes at the beginning that tell the kind.
const BEGINNING: usize = 12;
/// Brands of ISO base media files that are still images.
const STILLS: [&[u8; 4]; 12] = [b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"avif", b"avis", b"crx "];

/// The kind by the first bytes: whatever a file is called, it is what it begins with.
fn kind_of(bytes: &[u8]) -> Result<Option<ImageKind>, ImageError> {
    let opaque = |kind| Err(ImageError::Opaque { kind });
    Ok(match bytes {
        [0xff, 0xd8, 0xff, ..] => Some(ImageKind::Jpeg),
        [0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => return opaque("JPEG XL"),
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] => return opaque("JPEG 2000"),
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => return opaque("TIFF"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(ImageKind::Webp),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(ImageKind::Gif),
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] if STILLS.iter().any(|still| brand.starts_with(*still)) => return opaque("HEIF"),
        _ if bytes.starts_with(png::SIGNATURE) => Some(ImageKind::Png),
        _ => None,
    })
}

/// What going through a container has found.
pub(crate) struct Found {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) orientation: Orientation,
    /// How often a decoder goes over all pixels.
    pub(crate) passes: u32,
}

/// An image that was looked at: nothing of it is decoded yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    pub(crate) kind: ImageKind,
    width: u32,
    height: u32,
    pub(crate) orientation: Orientation,
    pub(crate) passes: u32,
    stripped: Stripped,
}

impl Look {
    /// Looks at a file from its beginning; `None` if it is no image that we know. Goes through it once, and holds 64 KiB of it.
    pub fn at(mut file: impl Read + Seek) -> Result<Option<Self>, ImageError> {
        file.seek(SeekFrom::Start(0))?;
        let mut beginning = Vec::with_capacity(BEGINNING);
        file.by_ref().take(BEGINNING as u64).read_to_end(&mut beginning)?;
        let Some(kind) = kind_of(&beginning)? else { return Ok(None) };
        file.seek(SeekFrom::Start(0))?;
        let mut walk = Walk::new(file);
        let Found { width, height, orientation, passes } = match kind {
            ImageKind::Jpeg => jpeg::walk(&mut walk)?,
            ImageKind::Png => png::walk(&mut walk)?,
            ImageKind::Webp => webp::walk(&mut walk)?,
            ImageKind::Gif => gif::walk(&mut walk)?,
        };
        if width == 0 || height == 0 {
            return Err(damaged("it has no pixels"));
        }
        // From the fifth on they lie on their side.
        let (width, height) = if orientation > 4 { (height, width) } else { (width, height) };
        Ok(Some(Self { kind, width, height, orientation, passes, stripped: walk.finish()? }))
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> ImageKind {
        self.kind
    }

    /// Pixels from left to right, as it is shown.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels from top to bottom, as it is shown.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The file without its metadata.
    #[must_use]
    pub fn stripped(&self) -> &Stripped {
        &self.stripped
    }
}
