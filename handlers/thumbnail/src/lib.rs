//! Makes a small PNG of a PNG, JPEG, GIF or WebP picture, which the job carries or names by its URL.

mod fetch;
mod picture;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gristmill::{Job, JobError, metrics, progress};
use serde::{Deserialize, Serialize};

/// Sides that a thumbnail may be asked to have.
const SIDES: std::ops::RangeInclusive<u32> = 1..=2_048;
/// Bytes of a picture's file.
const MAX_FILE: usize = 16 << 20;

/// A job's data.
#[derive(Deserialize)]
struct Wanted {
    /// The picture's file in base64.
    image: Option<String>,
    /// Where the picture is.
    url: Option<String>,
    /// The thumbnail is at most this wide …
    width: u32,
    /// … and this high.
    height: u32,
}

/// What the job returns.
#[derive(Serialize)]
struct Thumbnail {
    format: &'static str,
    width: u32,
    height: u32,
    /// The thumbnail's file in base64.
    image: String,
}

#[gristmill::handler]
fn thumbnail(job: Job, wanted: Wanted) -> Result<Thumbnail, JobError> {
    // Three copies of a large picture would be one too many.
    drop(job);
    let Wanted { image, url, width, height } = wanted;
    for (name, side) in [("width", width), ("height", height)] {
        if !SIDES.contains(&side) {
            let (least, most) = (SIDES.start(), SIDES.end());
            return Err(bad(format!("`{name}` is {side}; it can be {least} to {most} pixels")));
        }
    }
    let file = file(image, url)?;
    progress::report(1, 4);
    let (small, from) = make(&file, width, height)?;
    metrics::counter("thumbnails", 1, &[("from", from)]);
    progress::report(4, 4);
    Ok(small)
}

/// The picture's file.
fn file(image: Option<String>, url: Option<String>) -> Result<Vec<u8>, JobError> {
    let file = match (image, url) {
        (Some(image), None) => {
            BASE64.decode(image).map_err(|error| bad(format!("`image` is not base64: {error}")))?
        }
        (None, Some(url)) => fetch::fetch(&url, MAX_FILE)?,
        (Some(_), Some(_)) => return Err(bad("the data has both `image` and `url`; leave one out")),
        (None, None) => return Err(bad("the data has neither `image` (base64) nor `url`")),
    };
    if file.len() > MAX_FILE {
        return Err(bad(format!("the picture has {} bytes; at most {MAX_FILE} are taken", file.len())));
    }
    Ok(file)
}

/// The thumbnail, and the name of the format that it was made from.
fn make(file: &[u8], width: u32, height: u32) -> Result<(Thumbnail, &'static str), JobError> {
    let (picture, from) = picture::decode(file)?;
    gristmill::info!(format = from, width = picture.width(), height = picture.height(), "decoded");
    progress::report(2, 4);
    let small = picture::fit(picture, width, height);
    progress::report(3, 4);
    let png = picture::encode(&small)?;
    metrics::histogram("thumbnail_bytes", png.len() as f64, &[]);
    let (width, height) = (small.width(), small.height());
    Ok((Thumbnail { format: "png", width, height, image: BASE64.encode(png) }, from))
}

/// Data that no further attempt will make better.
pub(crate) fn bad(message: impl std::fmt::Display) -> JobError {
    JobError::permanent(message).code("bad-picture")
}

#[cfg(test)]
mod tests {
    use gristmill::http::{HttpError, Response};
    use gristmill::testing;
    use image::{ImageFormat, Rgba, RgbaImage};
    use serde_json::{Value, json};

    use super::*;

    /// A picture of two colours, as a file of this format.
    fn painted(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let colour = |x, _| if x < width / 2 { Rgba([200, 30, 30, 255]) } else { Rgba([30, 30, 200, 255]) };
        let picture = image::DynamicImage::from(RgbaImage::from_fn(width, height, colour));
        let picture = if format == ImageFormat::Jpeg { picture.to_rgb8().into() } else { picture };
        let mut file = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut file, format).unwrap();
        file.into_inner()
    }

    fn call(data: Value) -> Result<Value, JobError> {
        testing::call(thumbnail, testing::job(data))
    }

    fn sized(file: &[u8], width: u32, height: u32) -> Result<Value, JobError> {
        call(json!({"image": BASE64.encode(file), "width": width, "height": height}))
    }

    fn returned(value: &Value) -> RgbaImage {
        let file = BASE64.decode(value["image"].as_str().unwrap()).unwrap();
        image::load_from_memory_with_format(&file, ImageFormat::Png).unwrap().to_rgba8()
    }

    #[rstest::rstest]
    #[case(ImageFormat::Png)]
    #[case(ImageFormat::Jpeg)]
    #[case(ImageFormat::Gif)]
    #[case(ImageFormat::WebP)]
    fn makes_small_pictures_of_every_format(#[case] format: ImageFormat) {
        let value = sized(&painted(400, 100, format), 120, 120).unwrap();
        assert_eq!(
            (&value["width"], &value["height"], &value["format"]),
            (&json!(120), &json!(30), &json!("png"))
        );
        let small = returned(&value);
        assert_eq!(small.dimensions(), (120, 30));
        let (left, right) = (small.get_pixel(10, 15), small.get_pixel(110, 15));
        assert!(left[0] > 150 && left[2] < 80, "{left:?}");
        assert!(right[2] > 150 && right[0] < 80, "{right:?}");
    }

    #[rstest::rstest]
    #[case((400, 100), (50, 500), (50, 13))]
    #[case((100, 400), (500, 50), (13, 50))]
    #[case((2_000, 1), (100, 100), (100, 1))]
    #[case((40, 30), (100, 100), (40, 30))]
    fn keeps_the_aspect_ratio_and_enlarges_nothing(
        #[case] from: (u32, u32),
        #[case] into: (u32, u32),
        #[case] expected: (u32, u32),
    ) {
        let value = sized(&painted(from.0, from.1, ImageFormat::Png), into.0, into.1).unwrap();
        assert_eq!(
            (value["width"].as_u64(), value["height"].as_u64()),
            (Some(expected.0.into()), Some(expected.1.into()))
        );
    }

    #[test]
    fn tells_progress_and_metrics() {
        sized(&painted(8, 8, ImageFormat::Gif), 4, 4).unwrap();
        let records = testing::take();
        assert_eq!(records.progress, [25, 50, 75, 100]);
        assert_eq!(records.metrics[1].name, "thumbnails");
        assert_eq!(records.metrics[1].labels, [("from".to_owned(), "gif".to_owned())]);
    }

    #[test]
    fn fetches_what_has_a_url() {
        testing::answer(Ok(Response::new(200, painted(64, 32, ImageFormat::Png))));
        let value = call(json!({"url": "https://example.com/a.png", "width": 32, "height": 32})).unwrap();
        assert_eq!(value["height"], 16);
        assert_eq!(testing::take().requests[0].uri, "https://example.com/a.png");
    }

    #[test]
    fn trouble_of_the_network_is_retryable() {
        let failed = HttpError::Failed { host: "example.com".to_owned(), reason: "refused".to_owned() };
        testing::answer(Err(failed));
        let error = call(json!({"url": "https://example.com", "width": 32, "height": 32})).unwrap_err();
        assert!(matches!(error, JobError::Retryable(_)), "{error:?}");
    }

    #[rstest::rstest]
    #[case(json!({"width": 8, "height": 8}), "neither `image` (base64) nor `url`")]
    #[case(json!({"image": "", "url": "", "width": 8, "height": 8}), "both `image` and `url`")]
    #[case(json!({"image": "", "width": 0, "height": 8}), "`width` is 0; it can be 1 to 2048 pixels")]
    #[case(json!({"image": "", "width": 8, "height": 9_999}), "`height` is 9999")]
    #[case(json!({"image": "", "width": 8}), "missing field `height`")]
    #[case(json!({"image": "ä", "width": 8, "height": 8}), "`image` is not base64")]
    #[case(json!({"image": "bm8gcGljdHVyZQ==", "width": 8, "height": 8}), "not a PNG, JPEG, GIF or WebP picture")]
    #[case(json!({"url": "example.com", "width": 8, "height": 8}), "cannot request `example.com`")]
    fn bad_data_is_permanent(#[case] data: Value, #[case] part: &str) {
        let error = call(data).unwrap_err();
        assert!(matches!(error, JobError::Permanent(_)), "{error:?}");
        assert!(error.message().contains(part), "{error}");
    }
}
