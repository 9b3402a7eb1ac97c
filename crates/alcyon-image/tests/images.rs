//! Images of each kind with everything in them that must not get out; and hostile ones.
#![allow(clippy::unwrap_used)]

use std::io::{Cursor, Read};

use alcyon_image::{ImageError, ImageKind, Look, PLACEHOLDER_LIMIT, Pixels, Preview, THUMBNAIL_EDGE, THUMBNAIL_LIMIT, portrait};
use image::{
    DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat, Rgba, RgbaImage,
    codecs::{gif::GifEncoder, jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder},
};
use proptest::prelude::*;

/// Stands for the place where it was taken.
const SECRET: &[u8] = b"52.5163N 13.3777E";
const WIDTH: u32 = 40;
const HEIGHT: u32 = 20;

fn picture() -> RgbaImage {
    RgbaImage::from_fn(WIDTH, HEIGHT, |x, y| Rgba([u8::try_from(x * 6).unwrap(), u8::try_from(y * 12).unwrap(), 90, 255]))
}

/// A TIFF structure that says: turned by a quarter, and the secret.
fn exif() -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x02\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\x98\x82\x02\0".to_vec();
    tiff.extend(u32::try_from(SECRET.len()).unwrap().to_le_bytes());
    tiff.extend(38_u32.to_le_bytes());
    tiff.extend([0; 4]);
    tiff.extend_from_slice(SECRET);
    tiff
}

fn jpeg_segment(marker: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let mut segment = vec![0xff, marker];
    segment.extend(u16::try_from(content.len() + 2).unwrap().to_be_bytes());
    segment.extend(content);
    segment
}

fn jpeg() -> Vec<u8> {
    let mut plain = Vec::new();
    let rgb = DynamicImage::from(picture()).into_rgb8();
    JpegEncoder::new(&mut plain).write_image(&rgb, WIDTH, HEIGHT, ExtendedColorType::Rgb8).unwrap();
    let mut bytes = plain[..2].to_vec();
    bytes.extend(jpeg_segment(0xe1, &[b"Exif\0\0", &exif()]));
    bytes.extend(jpeg_segment(0xe1, &[b"http://ns.adobe.com/xap/1.0/\0", SECRET]));
    bytes.extend(jpeg_segment(0xe2, &[b"MPF\0", SECRET]));
    bytes.extend(jpeg_segment(0xe2, &[b"ICC_PROFILE\0\x01\x01", b"colours"]));
    bytes.extend(jpeg_segment(0xed, &[b"Photoshop 3.0\0", SECRET]));
    bytes.extend(jpeg_segment(0xfe, &[SECRET]));
    // Padding before a marker is allowed.
    bytes.extend([0xff, 0xff]);
    bytes.extend_from_slice(&plain[2..]);
    // A film behind the picture, as phones put there.
    bytes.extend_from_slice(SECRET);
    bytes
}

fn png_chunk(kind: &[u8; 4], content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let mut chunk = u32::try_from(content.len()).unwrap().to_be_bytes().to_vec();
    chunk.extend_from_slice(kind);
    chunk.extend(content);
    // Nobody checks it: it does not get that far.
    chunk.extend([0; 4]);
    chunk
}

fn png() -> Vec<u8> {
    let mut plain = Vec::new();
    PngEncoder::new(&mut plain).write_image(&picture(), WIDTH, HEIGHT, ExtendedColorType::Rgba8).unwrap();
    let header = 8 + 25;
    let mut bytes = plain[..header].to_vec();
    bytes.extend(png_chunk(b"eXIf", &[&exif()]));
    bytes.extend(png_chunk(b"tEXt", &[b"Comment\0", SECRET]));
    bytes.extend(png_chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", SECRET]));
    bytes.extend(png_chunk(b"zTXt", &[b"Comment\0\0", SECRET]));
    bytes.extend(png_chunk(b"tIME", &[&SECRET[..7]]));
    bytes.extend(png_chunk(b"prVt", &[SECRET]));
    bytes.extend_from_slice(&plain[header..]);
    bytes.extend_from_slice(SECRET);
    bytes
}

fn webp_chunk(kind: &[u8; 4], content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let mut chunk = kind.to_vec();
    chunk.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
    chunk.extend(&content);
    chunk.resize(chunk.len() + content.len() % 2, 0);
    chunk
}

fn riff(chunks: &[&[u8]]) -> Vec<u8> {
    let chunks = chunks.concat();
    let mut bytes = b"RIFF".to_vec();
    bytes.extend(u32::try_from(chunks.len() + 4).unwrap().to_le_bytes());
    bytes.extend_from_slice(b"WEBP");
    bytes.extend(chunks);
    bytes
}

fn plain_webp() -> Vec<u8> {
    let mut plain = Vec::new();
    WebPEncoder::new_lossless(&mut plain).write_image(&picture(), WIDTH, HEIGHT, ExtendedColorType::Rgba8).unwrap();
    plain
}

fn webp() -> Vec<u8> {
    let image = plain_webp().split_off(12);
    let extended = webp_chunk(b"VP8X", &[&[0x0c, 0, 0, 0, 39, 0, 0, 19, 0, 0]]);
    let mut bytes =
        riff(&[&extended, &image, &webp_chunk(b"EXIF", &[&exif()]), &webp_chunk(b"XMP ", &[SECRET]), &webp_chunk(b"abcd", &[SECRET])]);
    bytes.extend_from_slice(SECRET);
    bytes
}

fn gif() -> Vec<u8> {
    let mut plain = Vec::new();
    GifEncoder::new(&mut plain).encode(&picture(), WIDTH, HEIGHT, ExtendedColorType::Rgba8).unwrap();
    let trailer = plain.pop().unwrap();
    plain.extend_from_slice(&[0x21, 0xfe, 17]);
    plain.extend_from_slice(SECRET);
    plain.push(0);
    plain.extend_from_slice(b"\x21\xff\x0bXMP DataXMP\x11");
    plain.extend_from_slice(SECRET);
    plain.push(0);
    plain.extend_from_slice(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0");
    plain.push(trailer);
    plain.extend_from_slice(SECRET);
    plain
}

fn all() -> [(ImageKind, Vec<u8>); 4] {
    [(ImageKind::Jpeg, jpeg()), (ImageKind::Png, png()), (ImageKind::Webp, webp()), (ImageKind::Gif, gif())]
}

fn format(kind: ImageKind) -> ImageFormat {
    ImageFormat::from_mime_type(kind.media_type()).unwrap()
}

fn look(bytes: &[u8]) -> Look {
    Look::at(Cursor::new(bytes)).unwrap().unwrap()
}

fn stripped(look: &Look, bytes: &[u8]) -> Vec<u8> {
    let mut left = Vec::new();
    look.stripped().reader(Cursor::new(bytes)).read_to_end(&mut left).unwrap();
    assert_eq!(left.len() as u64, look.stripped().size());
    left
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn metadata_goes_and_every_pixel_stays() {
    for (kind, bytes) in all() {
        assert!(holds(&bytes, SECRET));
        let look = look(&bytes);
        assert_eq!(look.kind(), kind);
        // A GIF says nothing of how it is turned.
        let turned = kind != ImageKind::Gif;
        assert_eq!((look.width(), look.height()), if turned { (HEIGHT, WIDTH) } else { (WIDTH, HEIGHT) }, "{kind:?}");
        let left = stripped(&look, &bytes);
        assert!(!holds(&left, SECRET), "{kind:?}");
        assert!(!holds(&left, &SECRET[..7]), "{kind:?}");
        let pixels = |bytes: &[u8]| image::load_from_memory_with_format(bytes, format(kind)).unwrap().into_rgba8();
        let before = if kind == ImageKind::Png {
            // The encoder's own: the decoder minds checksums that we made up.
            picture()
        } else {
            pixels(&bytes)
        };
        assert!(pixels(&left) == before, "{kind:?}: every pixel is what it was");
        // It goes on being turned, and being stripped again changes nothing.
        let again = self::look(&left);
        assert_eq!((again.width(), again.height()), (look.width(), look.height()));
        assert_eq!(stripped(&again, &left), left, "{kind:?}");
    }
    assert!(holds(&stripped(&look(&jpeg()), &jpeg()), b"ICC_PROFILE\0\x01\x01colours"), "colours are of the image");
    assert!(holds(&stripped(&look(&gif()), &gif()), b"NETSCAPE2.0"), "so is how often it plays");
}

#[test]
fn what_has_no_metadata_stays_byte_for_byte() {
    let mut png = Vec::new();
    PngEncoder::new(&mut png).write_image(&picture(), WIDTH, HEIGHT, ExtendedColorType::Rgba8).unwrap();
    let mut gif = Vec::new();
    GifEncoder::new(&mut gif).encode(&picture(), WIDTH, HEIGHT, ExtendedColorType::Rgba8).unwrap();
    let webp = plain_webp();
    let mut jpeg = Vec::new();
    let rgb = DynamicImage::from(picture()).into_rgb8();
    JpegEncoder::new(&mut jpeg).write_image(&rgb, WIDTH, HEIGHT, ExtendedColorType::Rgb8).unwrap();
    for bytes in [png, gif, webp, jpeg] {
        assert_eq!(stripped(&look(&bytes), &bytes), bytes);
    }
}

#[test]
fn an_animation_keeps_its_frames_and_loses_what_hides_in_them() {
    let image = plain_webp().split_off(12);
    let place = [0, 0, 0, 0, 0, 0, 39, 0, 0, 19, 0, 0, 100, 0, 0, 0];
    let frame = [&place[..], &image, &webp_chunk(b"abcd", &[SECRET])].concat();
    let bytes = riff(&[
        &webp_chunk(b"VP8X", &[&[0x02, 0, 0, 0, 39, 0, 0, 19, 0, 0]]),
        &webp_chunk(b"ANIM", &[&[0; 6]]),
        &webp_chunk(b"ANMF", &[&frame]),
    ]);
    let left = stripped(&look(&bytes), &bytes);
    assert!(!holds(&left, SECRET) && holds(&left, b"ANIM") && holds(&left, &image));
    let pixels = |bytes: &[u8]| image::load_from_memory_with_format(bytes, ImageFormat::WebP).unwrap().into_rgba8();
    assert!(pixels(&left) == pixels(&bytes), "every pixel is what it was");
}

#[test]
fn what_is_no_image_is_none_and_what_we_can_not_open_is_told() {
    for bytes in [&b""[..], b"hello", b"%PDF-1.7", b"\0\0\0\x18ftypmp42........"] {
        assert!(Look::at(Cursor::new(bytes)).unwrap().is_none());
    }
    for bytes in [&b"\0\0\0\x18ftypheic........"[..], b"II*\0........", b"\xff\x0a..........", b"\0\0\0\x18ftypavif...."] {
        assert!(matches!(Look::at(Cursor::new(bytes)), Err(ImageError::Opaque { .. })));
    }
}

#[test]
fn a_cut_image_is_damaged_wherever_it_is_cut() {
    for (kind, bytes) in all() {
        let end = bytes.len() - SECRET.len();
        for length in 12..end {
            match Look::at(Cursor::new(&bytes[..length])) {
                Err(ImageError::Damaged { .. }) => {}
                // In the middle of its lines it is still a picture; and nobody misses the end of what goes anyway.
                Ok(Some(look)) if matches!(kind, ImageKind::Jpeg | ImageKind::Webp) => {
                    assert!(!holds(&stripped(&look, &bytes[..length]), SECRET));
                }
                other => panic!("{kind:?} of {length}: {other:?}"),
            }
        }
    }
}

#[test]
fn previews_are_small_upright_and_can_be_shown() {
    let large = DynamicImage::from(RgbaImage::from_fn(900, 600, |x, y| {
        Rgba([u8::try_from(x * 7 % 256).unwrap(), u8::try_from((x ^ y) % 256).unwrap(), u8::try_from(y * 3 % 256).unwrap(), 255])
    }));
    let mut bytes = Vec::new();
    large.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).unwrap();
    let preview = Preview::of(&look(&bytes), Cursor::new(&bytes)).unwrap();
    assert!(preview.thumbnail.len() <= THUMBNAIL_LIMIT && preview.placeholder.len() <= PLACEHOLDER_LIMIT);
    let shown = Pixels::of_thumbnail(&preview.thumbnail).unwrap();
    assert_eq!((shown.width(), shown.height()), (THUMBNAIL_EDGE, 171));
    let screen = Pixels::of_image(&look(&bytes), Cursor::new(&bytes), 300).unwrap();
    assert_eq!((screen.width(), screen.height(), screen.rgba().len()), (300, 200, 300 * 200 * 4));
    let blurred = Pixels::of_placeholder(&preview.placeholder).unwrap();
    assert!(blurred.width() > blurred.height());
    let face = portrait(&look(&bytes), Cursor::new(&bytes), 64, 4_096).unwrap();
    let face = Pixels::of_thumbnail(&face).unwrap();
    assert_eq!((face.width(), face.height()), (64, 64));

    for (kind, bytes) in all() {
        let look = look(&bytes);
        // The made-up checksums are gone with what they stood for.
        let left = stripped(&look, &bytes);
        let preview = Preview::of(&self::look(&left), Cursor::new(&left)).unwrap();
        let shown = Pixels::of_thumbnail(&preview.thumbnail).unwrap();
        assert_eq!((shown.width(), shown.height()), (look.width(), look.height()), "{kind:?}: upright, and not enlarged");
    }
}

#[test]
fn images_that_are_too_much_work_are_refused_before_they_are_decoded() {
    // A PNG of 60,000 times 60,000 that says so and nothing more.
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend(60_000_u32.to_be_bytes());
    bytes.extend(60_000_u32.to_be_bytes());
    bytes.extend([8, 6, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(b"\0\0\0\0IEND\xae\x42\x60\x82");
    let huge = look(&bytes);
    assert_eq!(huge.width(), 60_000);
    assert!(matches!(Preview::of(&huge, Cursor::new(&bytes)), Err(ImageError::TooMuch)));
    // A JPEG of 7,000 times 7,000 with a scan more than anybody needs, again and again.
    let mut bytes = vec![0xff, 0xd8];
    bytes.extend(jpeg_segment(0xc2, &[&[8, 0x1b, 0x58, 0x1b, 0x58, 1, 1, 0x11, 0]]));
    for _ in 0..100 {
        bytes.extend(jpeg_segment(0xda, &[&[1, 1, 0, 0, 0, 0]]));
    }
    bytes.extend([0xff, 0xd9]);
    assert!(matches!(Preview::of(&look(&bytes), Cursor::new(&bytes)), Err(ImageError::TooMuch)));
    assert!(matches!(Pixels::of_thumbnail(&vec![0xff; THUMBNAIL_LIMIT + 1]), Err(ImageError::TooMuch)));
    let mut large = Vec::new();
    DynamicImage::new_rgb8(THUMBNAIL_EDGE + 1, 8).write_to(&mut Cursor::new(&mut large), ImageFormat::Jpeg).unwrap();
    assert!(matches!(Pixels::of_thumbnail(&large), Err(ImageError::TooMuch)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Some bytes of an image changed: an error, or an image whose stripped form is the same when stripped again.
    #[test]
    fn damaged_images_cost_nothing_but_an_error(
        which in 0_usize..4,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        is_cut: bool,
    ) {
        let mut bytes = all()[which].1.clone();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(Some(look)) = Look::at(Cursor::new(&bytes)) {
            let left = stripped(&look, &bytes);
            if let Ok(Some(again)) = Look::at(Cursor::new(&left)) {
                prop_assert_eq!(stripped(&again, &left), left);
            }
            let _ = Preview::of(&look, Cursor::new(&bytes));
        }
        let _ = Pixels::of_thumbnail(&bytes);
        let _ = Pixels::of_placeholder(&bytes);
    }
}
