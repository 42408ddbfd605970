//! The cookies: the session's, and the one that ties the sign-in form to the browser that asked for it.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::ids;

/// Which cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cookie {
    /// A session's id.
    Session,
    /// The token of the sign-in form.
    Form,
}

impl Cookie {
    /// With TLS, browsers keep `__Host-` cookies from being set by other hosts or over plain HTTP.
    fn name(self, secure: bool) -> &'static str {
        match (self, secure) {
            (Self::Session, true) => "__Host-emend",
            (Self::Session, false) => "emend",
            (Self::Form, true) => "__Host-emend-form",
            (Self::Form, false) => "emend-form",
        }
    }

    /// What a request brought. Two of one name are none: somebody tries something.
    pub(super) fn of(self, headers: &HeaderMap, secure: bool) -> Option<String> {
        let name = self.name(secure);
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut found = lines.flat_map(|line| line.split(';')).filter_map(|pair| {
            let (key, value) = pair.trim().split_once('=')?;
            (key == name).then(|| value.to_owned())
        });
        let value = found.next().filter(|value| is_secret(value))?;
        found.next().is_none().then_some(value)
    }

    /// Sets it until the browser closes.
    pub(super) fn set(self, value: &str, secure: bool) -> HeaderValue {
        self.header(value, secure, "")
    }

    /// Takes it away.
    pub(super) fn clear(self, secure: bool) -> HeaderValue {
        self.header("", secure, "; Max-Age=0")
    }

    fn header(self, value: &str, secure: bool, more: &str) -> HeaderValue {
        let lock = if secure { "; Secure" } else { "" };
        let text = format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{lock}{more}", self.name(secure));
        HeaderValue::from_str(&text).expect("hexadecimal digits are no control characters")
    }
}

/// 256 fresh bits, as cookies and forms carry them.
pub(super) fn fresh() -> String {
    ids::secret().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is stored of a session's id.
pub(super) fn hash(id: &str) -> Vec<u8> {
    blake3::hash(id.as_bytes()).as_bytes().to_vec()
}

/// Whether two secrets are the same, in constant time.
pub(super) fn same(one: &str, other: &str) -> bool {
    blake3::hash(one.as_bytes()) == blake3::hash(other.as_bytes())
}

fn is_secret(value: &str) -> bool {
    value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookies: &[String]) -> HeaderMap {
        cookies.iter().map(|text| (header::COOKIE, text.parse().unwrap())).collect()
    }

    #[test]
    fn a_cookie_is_read_as_it_was_set_and_only_once() {
        let value = fresh();
        let set = Cookie::Session.set(&value, true);
        let set = set.to_str().unwrap();
        assert_eq!(set, format!("__Host-emend={value}; Path=/; HttpOnly; SameSite=Strict; Secure"));
        let one = format!("a=b; __Host-emend={value}");
        assert_eq!(Cookie::Session.of(&headers(std::slice::from_ref(&one)), true), Some(value.clone()));
        // A plain one counts for nothing under TLS, and two are one too many.
        assert_eq!(Cookie::Session.of(&headers(&[format!("emend={value}")]), true), None);
        assert_eq!(Cookie::Session.of(&headers(&[one.clone(), one]), true), None);
        assert_eq!(Cookie::Session.of(&headers(&["emend=x".into()]), false), None);
        assert!(Cookie::Session.clear(false).to_str().unwrap().ends_with("Max-Age=0"));
    }
}
