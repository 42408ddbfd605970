//! Whether a POST comes from one of our own pages.

use axum::http::{HeaderMap, Uri, header};

/// Browsers say where a request comes from: every one in `Origin`, newer ones in `Sec-Fetch-Site`. A POST that says
/// neither, or another place than ours in either, is none of our pages'.
pub(super) fn is_ours(headers: &HeaderMap, uri: &Uri, secure: bool) -> bool {
    let text =
        |name| headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?")).collect::<Vec<_>>();
    let (origin, site) = (text(header::ORIGIN), text(header::HeaderName::from_static("sec-fetch-site")));
    let fits_site = site.iter().all(|site| *site == "same-origin");
    let fits_origin = origin.iter().all(|origin| is_host(origin, headers, uri, secure));
    fits_site && fits_origin && origin.len() + site.len() > 0 && origin.len() <= 1 && site.len() <= 1
}

fn is_host(origin: &str, headers: &HeaderMap, uri: &Uri, secure: bool) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // HTTP/2 has it in the URI.
    let Some(host) = uri.authority().map(axum::http::uri::Authority::as_str).or(host) else { return false };
    // Without TLS there may be somebody before us who has it.
    let authority = match origin.strip_prefix("https://") {
        Some(authority) => Some(authority),
        None if secure => None,
        None => origin.strip_prefix("http://"),
    };
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(pairs: &[(&'static str, &str)], secure: bool) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("host", "desk.example:443".parse().unwrap());
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        is_ours(&headers, &Uri::from_static("/desk/login"), secure)
    }

    #[test]
    fn a_post_says_that_it_comes_from_here() {
        let (origin, site) = ("origin", "sec-fetch-site");
        let here = "https://desk.example:443";
        assert!(ours(&[(origin, here)], true));
        assert!(ours(&[(site, "same-origin")], true));
        assert!(ours(&[(origin, here), (site, "same-origin")], true));
        assert!(ours(&[(origin, "http://desk.example:443")], false));
        let wrong: [&[(&'static str, &str)]; 9] = [
            &[],
            &[(origin, "null")],
            &[(origin, "https://desk.example")],
            &[(origin, "https://evil.example:443")],
            &[(origin, "https://desk.example:443.evil.example")],
            &[(origin, "http://desk.example:443")],
            &[(origin, here), (site, "same-site")],
            &[(origin, "https://evil.example"), (site, "same-origin")],
            &[(origin, here), (origin, here)],
        ];
        for pairs in wrong {
            assert!(!ours(pairs, true), "{pairs:?}");
        }
    }
}
