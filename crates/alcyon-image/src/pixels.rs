use std::io::Cursor;

use image::{ImageReader, Limits};

use crate::{
    ImageError, ImageKind, Look,
    error::guarded,
    preview::{THUMBNAIL_EDGE, THUMBNAIL_LIMIT},
};

/// An image as a screen shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    width: u32,
    height: u32,
    rgba: Vec<u8>,
}

/// A placeholder is at most so wide and high.
const PLACEHOLDER_EDGE: usize = 32;

impl Pixels {
    /// Of red, green, blue and opacity by rows; `None` if they are not as many as said.
    #[must_use]
    pub fn of_rgba(width: u32, height: u32, rgba: Vec<u8>) -> Option<Self> {
        let fits = width > 0 && height > 0 && u64::from(width) * u64::from(height) * 4 == rgba.len() as u64;
        fits.then_some(Self { width, height, rgba })
    }

    pub(crate) fn of(image: image::RgbaImage) -> Self {
        Self { width: image.width(), height: image.height(), rgba: image.into_raw() }
    }

    /// Decodes a thumbnail from outside: a JPEG of no more than [`THUMBNAIL_LIMIT`] bytes and [`THUMBNAIL_EDGE`] pixels an edge.
    pub fn of_thumbnail(jpeg: &[u8]) -> Result<Self, ImageError> {
        if jpeg.len() > THUMBNAIL_LIMIT {
            return Err(ImageError::TooMuch);
        }
        let look = Look::at(Cursor::new(jpeg))?.filter(|look| look.kind == ImageKind::Jpeg);
        let look = look.ok_or(ImageError::Damaged { what: "it is no thumbnail" })?;
        // Passes, so that no few bytes cost many seconds.
        if look.width().max(look.height()) > THUMBNAIL_EDGE || look.passes > 16 {
            return Err(ImageError::TooMuch);
        }
        let mut reader = ImageReader::with_format(Cursor::new(jpeg), look.kind.format());
        let mut limits = Limits::default();
        (limits.max_image_width, limits.max_image_height) = (Some(THUMBNAIL_EDGE), Some(THUMBNAIL_EDGE));
        reader.limits(limits);
        guarded(|| Ok(Self::of(reader.decode().map_err(ImageError::Decode)?.into_rgba8())))
    }

    /// Draws a placeholder (ThumbHash) from outside: at most 32 pixels an edge.
    pub fn of_placeholder(hash: &[u8]) -> Option<Self> {
        if !(5..=crate::PLACEHOLDER_LIMIT).contains(&hash.len()) {
            return None;
        }
        let drawn = guarded(|| thumbhash::thumb_hash_to_rgba(hash).map_err(|()| ImageError::Damaged { what: "it is no placeholder" }));
        let (width, height, rgba) = drawn.ok()?;
        let fits = (1..=PLACEHOLDER_EDGE).contains(&width) && (1..=PLACEHOLDER_EDGE).contains(&height);
        if !fits || rgba.len() != width * height * 4 {
            return None;
        }
        Some(Self { width: u32::try_from(width).ok()?, height: u32::try_from(height).ok()?, rgba })
    }

    /// Pixels from left to right, at least 1.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels from top to bottom, at least 1.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Red, green, blue and opacity of each pixel, by rows.
    #[must_use]
    pub fn rgba(&self) -> &[u8] {
        &self.rgba
    }
}
