//! The files of the page, which are in the program. Browsers may keep them for ever: their paths hold a digest of all of
//! them, which the HTML is given as it goes out.

use std::sync::OnceLock;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::fault::Fault;

#[derive(rust_embed::Embed)]
#[folder = "desk/"]
struct Files;

/// Where files are asked for.
const ASSETS: &str = "/desk/assets/";
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Asked for without the digest, or with an older one: it may be another file tomorrow.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
/// Hexadecimal digits of the digest in a path.
const DIGEST: usize = 16;

/// A digest of all files: it changes when one of them does.
fn digest() -> &'static str {
    static ALL: OnceLock<String> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut hasher = blake3::Hasher::new();
        for name in Files::iter() {
            let bytes = Files::get(&name).map(|file| file.data).unwrap_or_default();
            for part in [name.as_bytes(), &bytes] {
                hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
            }
        }
        hasher.finalize().to_hex()[..DIGEST].to_owned()
    })
}

/// An HTML page, with the paths of its files and `{{name}}` replaced. The values are hexadecimal digits and the like:
/// nothing here escapes them.
pub(super) fn html(name: &str, values: &[(&str, &str)]) -> Result<Response, Fault> {
    let missing =
        || Fault::new(StatusCode::NOT_FOUND, "NOT_FOUND", "this program was built without that page");
    let file = Files::get(name).ok_or_else(missing)?;
    let mut text = String::from_utf8_lossy(&file.data).replace(ASSETS, &format!("{ASSETS}{}/", digest()));
    for (key, value) in values {
        text = text.replace(&format!("{{{{{key}}}}}"), value);
    }
    Ok(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response())
}

/// A file, by what follows [`ASSETS`].
pub(super) fn asset(path: &str) -> Result<Response, Fault> {
    let not_found = || Fault::new(StatusCode::NOT_FOUND, "NOT_FOUND", "there is no such file");
    let (name, cache) = match path.split_once('/') {
        Some((first, rest)) if first == digest() => (rest, FOR_EVER),
        // A page of the program before this one, or of another scheduler's.
        Some((first, rest))
            if first.len() == DIGEST && first.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            (rest, ASK_AGAIN)
        }
        _ => (path, ASK_AGAIN),
    };
    // Pages are served at their own paths, and tests not at all.
    let kind = kind(name).filter(|_| !name.starts_with("tests/")).ok_or_else(not_found)?;
    let file = Files::get(name).ok_or_else(not_found)?;
    let head = [(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CACHE_CONTROL, cache)];
    Ok((head, file.data.into_owned()).into_response())
}

fn kind(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_of_the_page_is_not_served() {
        for path in
            ["", "/", "no-such.js", "../Cargo.toml", "tests/a.js", "desk.html", ".gitkeep", "a/../desk.js"]
        {
            assert_eq!(asset(path).unwrap_err().status, StatusCode::NOT_FOUND, "{path}");
        }
        assert_eq!(digest().len(), DIGEST);
        assert_eq!(html("no-such.html", &[]).unwrap_err().status, StatusCode::NOT_FOUND);
    }

    #[test]
    fn a_file_is_kept_for_ever_by_its_digest_alone() {
        let Some(name) = Files::iter().find(|name| kind(name).is_some() && !name.starts_with("tests/"))
        else {
            return;
        };
        let cache = |path: &str| asset(path).unwrap().headers()[header::CACHE_CONTROL].clone();
        assert_eq!(cache(&format!("{}/{name}", digest())), FOR_EVER);
        assert_eq!(cache(&format!("{}/{name}", "0".repeat(DIGEST))), ASK_AGAIN);
        assert_eq!(cache(&name), ASK_AGAIN);
    }
}
