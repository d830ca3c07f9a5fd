//! The stylesheet, the script and the icon, compiled in.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use sha2::{Digest as _, Sha256};

use crate::admin::respond::AdminState;

struct Asset {
    bytes: &'static [u8],
    content_type: &'static str,
    etag: String,
}

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .route("/assets/page.css", get(|headers: HeaderMap| async move { answer(&STYLE, &headers) }))
        .route("/assets/page.js", get(|headers: HeaderMap| async move { answer(&SCRIPT, &headers) }))
        .route("/assets/icon.svg", get(|headers: HeaderMap| async move { answer(&ICON, &headers) }))
}

/// Part of the addresses of the assets, so that a browser that knows those of another version asks again.
pub(super) fn version() -> &'static str {
    &VERSION
}

fn answer(asset: &'static Asset, headers: &HeaderMap) -> Response {
    let caching = [(header::ETAG, asset.etag.as_str()), (header::CACHE_CONTROL, "max-age=31536000")];
    let known = headers.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|known| known.trim() == asset.etag)) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(header::CONTENT_TYPE, asset.content_type)], asset.bytes).into_response()
}

fn asset(bytes: &'static [u8], content_type: &'static str) -> Asset {
    Asset { bytes, content_type, etag: format!("\"{}\"", digest(&[bytes])) }
}

fn digest(parts: &[&[u8]]) -> String {
    let mut sha = Sha256::new();
    parts.iter().for_each(|part| sha.update(part));
    let short = sha.finalize().iter().take(8).fold(0_u64, |short, byte| (short << 8) | u64::from(*byte));
    format!("{short:016x}")
}

static STYLE: LazyLock<Asset> =
    LazyLock::new(|| asset(include_bytes!("assets/page.css"), "text/css; charset=utf-8"));
static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| asset(include_bytes!("assets/page.js"), "text/javascript; charset=utf-8"));
static ICON: LazyLock<Asset> = LazyLock::new(|| asset(include_bytes!("assets/icon.svg"), "image/svg+xml"));
static VERSION: LazyLock<String> = LazyLock::new(|| digest(&[STYLE.bytes, SCRIPT.bytes, ICON.bytes]));
