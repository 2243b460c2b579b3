//! `/`: the dashboard. Its files are built from `runtime/dashboard` by `cargo xtask dashboard` and embedded.
//!
//! They hold no data and need no token; what they show comes from the API.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::LazyLock;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use include_dir::{Dir, include_dir};

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/assets");

/// Names under `assets/` change with their content, all others stay.
const HASHED: &str = "assets/";
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// Nothing from elsewhere, no script and no style in the page, in no frame: whatever text a job holds, it stays text.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
const SECURITY: [(HeaderName, HeaderValue); 3] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// A file as it is sent.
struct File {
    kind: &'static str,
    plain: &'static [u8],
    gzip: Bytes,
}

/// Compressed once, when the first of them is asked for.
static SERVED: LazyLock<BTreeMap<String, File>> = LazyLock::new(|| {
    let mut served = BTreeMap::new();
    let mut folders = vec![&FILES];
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs());
        for file in folder.files() {
            let (path, plain) = (file.path().to_string_lossy().into_owned(), file.contents());
            let kind = content_type(&path);
            served.insert(path, File { kind, plain, gzip: compressed(plain) });
        }
    }
    served
});

/// The dashboard's routes. The client finds its pages behind `#`, so that there are no others.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(async |headers: HeaderMap| answer("index.html", &headers)))
        .route("/icon.svg", get(async |headers: HeaderMap| answer("icon.svg", &headers)))
        .route("/assets/{name}", get(asset))
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    answer(&format!("{HASHED}{name}"), &headers)
}

fn answer(path: &str, headers: &HeaderMap) -> Response {
    let Some(file) = SERVED.get(path) else {
        return (StatusCode::NOT_FOUND, SECURITY, "there is no such file\n").into_response();
    };
    let cache = if path.starts_with(HASHED) { FOREVER } else { ASK_AGAIN };
    let told = [
        (header::CONTENT_TYPE, HeaderValue::from_static(file.kind)),
        (header::CACHE_CONTROL, cache),
        (header::VARY, HeaderValue::from_static("accept-encoding")),
    ];
    if takes_gzip(headers) {
        let encoding = [(header::CONTENT_ENCODING, "gzip")];
        return (SECURITY, told, encoding, file.gzip.clone()).into_response();
    }
    (SECURITY, told, Bytes::from_static(file.plain)).into_response()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, end)| end) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

fn compressed(plain: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(plain).and_then(|()| encoder.finish());
    Bytes::from(written.expect("a vector takes every byte"))
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let given = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    given.unwrap_or_default().split(',').any(|one| {
        let (name, weight) = one.split_once(';').unwrap_or((one, ""));
        let never = weight.trim().strip_prefix("q=").is_some_and(|q| q.trim().parse() == Ok(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !never
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// Bytes of a first visit, compressed.
    const MAX_FIRST_LOAD: usize = 80_000;

    fn accepting(encoding: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, encoding.parse().unwrap())])
    }

    fn index() -> &'static str {
        std::str::from_utf8(SERVED["index.html"].plain).unwrap()
    }

    #[test]
    fn the_page_names_files_that_are_there_and_holds_no_code() {
        let names: Vec<_> = index()
            .split(['"', '\''])
            .filter_map(|text| text.strip_prefix("./"))
            .inspect(|name| assert!(SERVED.contains_key(*name), "{name}"))
            .collect();
        assert!(names.len() >= 3, "{names:?}");
        for banned in ["<style", "style=", "onload=", "javascript:", "http://", "https://"] {
            assert!(!index().contains(banned), "{banned}");
        }
        assert_eq!(
            index().matches("<script").count(),
            index().matches("<script type=\"module\" crossorigin src=").count()
        );
    }

    #[test]
    fn a_first_visit_is_small() {
        let bytes: usize = SERVED.values().map(|file| file.gzip.len()).sum();
        assert!(bytes < MAX_FIRST_LOAD, "{bytes}");
    }

    #[test]
    fn what_is_compressed_is_the_same() {
        for (path, file) in &*SERVED {
            let mut read = Vec::new();
            flate2::read::GzDecoder::new(&file.gzip[..]).read_to_end(&mut read).unwrap();
            assert_eq!(read, file.plain, "{path}");
        }
    }

    #[test]
    fn hashed_files_are_kept_and_the_page_is_not() {
        let (script, _) = SERVED.iter().find(|(_, file)| file.kind.starts_with("text/javascript")).unwrap();
        for (path, cache, kind) in [
            ("index.html", ASK_AGAIN, "text/html; charset=utf-8"),
            (script, FOREVER, "text/javascript; charset=utf-8"),
        ] {
            let response = answer(path, &HeaderMap::new());
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.headers()[header::CACHE_CONTROL], cache);
            assert_eq!(response.headers()[header::CONTENT_TYPE], kind);
            assert_eq!(response.headers()[header::CONTENT_SECURITY_POLICY], POLICY);
            assert!(!response.headers().contains_key(header::CONTENT_ENCODING));
        }
    }

    #[test]
    fn other_files_are_missing() {
        for path in ["assets/../index.html", "assets/none.js", "", "../Cargo.toml"] {
            assert_eq!(answer(path, &HeaderMap::new()).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[rstest::rstest]
    #[case("gzip, deflate, br", true)]
    #[case("br;q=1.0, GZIP;q=0.5", true)]
    #[case("gzip;q=0", false)]
    #[case("br", false)]
    fn whether_gzip_is_taken(#[case] encoding: &str, #[case] taken: bool) {
        assert_eq!(takes_gzip(&accepting(encoding)), taken);
        let encoded =
            answer("index.html", &accepting(encoding)).headers().contains_key(header::CONTENT_ENCODING);
        assert_eq!(encoded, taken);
    }
}
