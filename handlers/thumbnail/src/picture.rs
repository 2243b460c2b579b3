//! Decoding, making smaller, encoding.

use std::io::Cursor;

use gristmill::JobError;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::error::ImageError;
use image::imageops::FilterType::Triangle;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};

use crate::bad;

/// Pixels of the longer side. A file of a few bytes can claim any size.
const MAX_SIDE: u32 = 16_384;
/// Bytes of the decoded picture, which a job's memory must hold beside its file.
const MAX_DECODED: u64 = 96 << 20;

/// The picture, upright, and the name of its format.
pub(crate) fn decode(file: &[u8]) -> Result<(DynamicImage, &'static str), JobError> {
    let mut reader = ImageReader::new(Cursor::new(file));
    reader.limits(limits());
    let reader = reader.with_guessed_format()?;
    let format = reader.format().and_then(name).ok_or_else(unknown)?;
    let unreadable = |error: ImageError| match error {
        ImageError::Limits(_) => too_large(),
        error => bad(format!("the picture cannot be read: {error}")),
    };
    let mut decoder = reader.into_decoder().map_err(unreadable)?;
    let (width, height) = decoder.dimensions();
    if width.max(height) > MAX_SIDE || decoder.total_bytes() > MAX_DECODED {
        return Err(too_large().detail(format!("it says that it has {width} × {height} pixels")));
    }
    // Cameras turn the picture by a note in its file; one without a note, or with a broken one, is upright.
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    picture.apply_orientation(orientation);
    Ok((picture, format))
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED);
    limits
}

fn too_large() -> JobError {
    let mib = MAX_DECODED >> 20;
    bad(format!("the picture is too large: at most {MAX_SIDE} pixels a side and {mib} MiB decoded are taken"))
}

fn unknown() -> JobError {
    bad("the file is not a PNG, JPEG, GIF or WebP picture")
}

/// The format's name if it is one of ours.
fn name(format: image::ImageFormat) -> Option<&'static str> {
    match format {
        image::ImageFormat::Gif => Some("gif"),
        image::ImageFormat::Jpeg => Some("jpeg"),
        image::ImageFormat::Png => Some("png"),
        image::ImageFormat::WebP => Some("webp"),
        _ => None,
    }
}

/// The picture inside width and height with its aspect ratio; one that fits already stays as it is.
pub(crate) fn fit(picture: DynamicImage, width: u32, height: u32) -> DynamicImage {
    // Of 16 bits a channel nobody would see the lower 8 on a thumbnail.
    let alpha = picture.color().has_alpha();
    let picture: DynamicImage = if alpha { picture.into_rgba8().into() } else { picture.into_rgb8().into() };
    if picture.width() <= width && picture.height() <= height {
        return picture;
    }
    let (width, height) = inside((picture.width(), picture.height()), (width, height));
    // The first step is cheap and leaves twice the size; the second one is what is seen.
    let picture = if picture.width() > 4 * width && picture.height() > 4 * height {
        picture.thumbnail_exact(2 * width, 2 * height)
    } else {
        picture
    };
    picture.resize_exact(width, height, Triangle)
}

/// The largest size of this shape inside the box; no side vanishes.
fn inside((width, height): (u32, u32), (most_width, most_height): (u32, u32)) -> (u32, u32) {
    let other = |side: u32, of: u32, other: u32| {
        let (side, of, other) = (u64::from(side), u64::from(of), u64::from(other));
        // Less than the longest side of a box, so it fits.
        u32::try_from((other * side + of / 2) / of).unwrap_or(u32::MAX).max(1)
    };
    if u64::from(width) * u64::from(most_height) >= u64::from(height) * u64::from(most_width) {
        (most_width, other(most_width, width, height))
    } else {
        (other(most_height, height, width), most_height)
    }
}

pub(crate) fn encode(picture: &DynamicImage) -> Result<Vec<u8>, JobError> {
    let mut file = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut file, CompressionType::Default, FilterType::Adaptive);
    picture.write_with_encoder(encoder)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The head of a PNG that claims a size; nothing follows it.
    fn claiming(width: u32, height: u32) -> Vec<u8> {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        png.extend(width.to_be_bytes());
        png.extend(height.to_be_bytes());
        png.extend([8, 6, 0, 0, 0]);
        png
    }

    /// With the check sum that the head needs to be believed.
    fn with_crc(mut png: Vec<u8>) -> Vec<u8> {
        let mut crc = u32::MAX;
        for byte in &png[12..] {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
            }
        }
        png.extend((!crc).to_be_bytes());
        png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
        png
    }

    #[rstest::rstest]
    #[case(60_000, 60_000)]
    #[case(16_385, 1)]
    #[case(16_000, 16_000)]
    fn a_decompression_bomb_is_refused_by_its_head(#[case] width: u32, #[case] height: u32) {
        let error = decode(&with_crc(claiming(width, height))).unwrap_err();
        assert!(matches!(error, JobError::Permanent(_)), "{error:?}");
        assert!(error.message().contains("too large"), "{error}");
    }

    #[rstest::rstest]
    #[case(b"".to_vec(), "not a PNG")]
    #[case(b"BM, which is a picture, but of no format of ours".to_vec(), "not a PNG")]
    #[case(with_crc(claiming(10, 10)), "cannot be read")]
    #[case(b"GIF89a".to_vec(), "cannot be read")]
    #[case(b"\xff\xd8\xff\xe0 torn".to_vec(), "cannot be read")]
    #[case(b"RIFF\x10\0\0\0WEBPVP8 ".to_vec(), "cannot be read")]
    fn what_is_no_picture_is_permanent(#[case] file: Vec<u8>, #[case] part: &str) {
        let error = decode(&file).unwrap_err();
        assert!(matches!(error, JobError::Permanent(_)), "{error:?}");
        assert!(error.message().contains(part), "{error}");
    }
}
