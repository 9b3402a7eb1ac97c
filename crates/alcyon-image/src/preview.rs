use std::io::{BufRead, Seek, SeekFrom};

use image::{
    DynamicImage, ImageDecoder as _, ImageReader, Limits, Rgb, RgbImage, codecs::jpeg::JpegEncoder, imageops::FilterType,
    metadata::Orientation,
};

use crate::{ImageError, Look, Pixels, error::guarded};

/// Longest edge of a thumbnail, pixels.
pub const THUMBNAIL_EDGE: u32 = 256;
/// Most bytes of a thumbnail.
pub const THUMBNAIL_LIMIT: usize = 16 * 1024;
/// Most bytes of a placeholder.
pub const PLACEHOLDER_LIMIT: usize = 25;
/// Images of more pixels get no preview: decoding one takes about a second and four bytes a pixel.
pub const PREVIEW_PIXELS: u64 = 50_000_000;

/// Passes over pixels, in all: a progressive JPEG may have thousands of scans, each over all of it.
const WORK: u64 = 600_000_000;
/// Memory that a decoder may take, bytes.
const MEMORY: u64 = 512 * 1024 * 1024;
/// Longest edge of what placeholders are made of.
const PLACEHOLDER_EDGE: u32 = 100;
/// Qualities of JPEG that are tried until it is small enough.
const QUALITIES: [u8; 5] = [80, 65, 50, 35, 20];
/// Behind what is transparent.
const PAPER: u8 = 255;

/// What a message carries of an image, so that something can be seen before it is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// A JPEG of at most [`THUMBNAIL_LIMIT`] bytes and [`THUMBNAIL_EDGE`] pixels an edge, upright, on white.
    pub thumbnail: Vec<u8>,
    /// A ThumbHash: colours without contours, at most [`PLACEHOLDER_LIMIT`] bytes.
    pub placeholder: Vec<u8>,
}

impl Preview {
    /// Decodes the image that was looked at: the first picture of an animated one. Takes about a second and 512 MiB at most.
    pub fn of(look: &Look, file: impl BufRead + Seek) -> Result<Self, ImageError> {
        let image = decode(look, file)?;
        let small = image.thumbnail(PLACEHOLDER_EDGE, PLACEHOLDER_EDGE).into_rgba8();
        let edge = |edge: u32| usize::try_from(edge).unwrap_or_default();
        let placeholder = thumbhash::rgba_to_thumb_hash(edge(small.width()), edge(small.height()), small.as_raw());
        let small =
            if image.width().max(image.height()) > THUMBNAIL_EDGE { image.thumbnail(THUMBNAIL_EDGE, THUMBNAIL_EDGE) } else { image };
        Ok(Self { thumbnail: encode(&on_paper(&small), THUMBNAIL_LIMIT)?, placeholder })
    }
}

impl Pixels {
    /// Decodes an image to be shown, scaled down to at most so many pixels an edge. The cost is that of [`Preview::of`].
    pub fn of_image(look: &Look, file: impl BufRead + Seek, edge: u32) -> Result<Self, ImageError> {
        let image = decode(look, file)?;
        let fits = image.width().max(image.height()) <= edge;
        Ok(Self::of(if fits { image.into_rgba8() } else { image.thumbnail(edge, edge).into_rgba8() }))
    }
}

/// The middle of an image as a square JPEG of at most so many pixels an edge and so many bytes: a picture of a person or a group.
pub fn portrait(look: &Look, file: impl BufRead + Seek, edge: u32, limit: usize) -> Result<Vec<u8>, ImageError> {
    let image = decode(look, file)?;
    let edge = image.width().min(image.height()).min(edge).max(1);
    encode(&on_paper(&image.resize_to_fill(edge, edge, FilterType::Triangle)), limit)
}

fn decode(look: &Look, mut file: impl BufRead + Seek) -> Result<DynamicImage, ImageError> {
    let pixels = u64::from(look.width()) * u64::from(look.height());
    if pixels > PREVIEW_PIXELS || pixels * u64::from(look.passes) > WORK {
        return Err(ImageError::TooMuch);
    }
    file.seek(SeekFrom::Start(0))?;
    let mut reader = ImageReader::with_format(file, look.kind.format());
    let mut limits = Limits::default();
    let longest = look.width().max(look.height());
    (limits.max_image_width, limits.max_image_height, limits.max_alloc) = (Some(longest), Some(longest), Some(MEMORY));
    reader.limits(limits);
    guarded(|| decoded(look, reader, pixels))
}

fn decoded(look: &Look, reader: ImageReader<impl BufRead + Seek>, pixels: u64) -> Result<DynamicImage, ImageError> {
    let decoder = reader.into_decoder().map_err(ImageError::Decode)?;
    let (width, height) = decoder.dimensions();
    // The decoder reads the container by itself, and may see another image in it.
    if u64::from(width) * u64::from(height) > pixels {
        return Err(ImageError::Damaged { what: "it is larger than it says" });
    }
    let mut image = DynamicImage::from_decoder(decoder).map_err(ImageError::Decode)?;
    if let Some(orientation) = Orientation::from_exif(look.orientation) {
        image.apply_orientation(orientation);
    }
    Ok(image)
}

fn on_paper(image: &DynamicImage) -> RgbImage {
    let image = image.to_rgba8();
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let [red, green, blue, opacity] = image.get_pixel(x, y).0;
        let mix = |colour: u8| {
            let (colour, opacity) = (u32::from(colour), u32::from(opacity));
            u8::try_from((colour * opacity + u32::from(PAPER) * (255 - opacity)) / 255).unwrap_or(PAPER)
        };
        Rgb([mix(red), mix(green), mix(blue)])
    })
}

/// As good as it can be within the limit.
fn encode(image: &RgbImage, limit: usize) -> Result<Vec<u8>, ImageError> {
    for quality in QUALITIES {
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, quality).encode_image(image).map_err(ImageError::Decode)?;
        if jpeg.len() <= limit {
            return Ok(jpeg);
        }
    }
    Err(ImageError::TooMuch)
}
