//! Who asks, where a proxy stands between: else all who sign in through it would be counted as one.

use std::net::IpAddr;

use axum::http::HeaderMap;
use ipnet::IpNet;

/// The address of who asks. Each proxy adds at the end whom it was asked by, so the list is read from there, as far as it
/// was written by proxies of ours: what stands before can be said by anybody.
pub(super) fn behind(proxies: &[IpNet], peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let ours = |address: &IpAddr| proxies.iter().any(|proxy| proxy.contains(&address.to_canonical()));
    let mut nearest = peer;
    let lists: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().filter_map(|list| list.to_str().ok()).collect();
    let mut said = lists.iter().rev().flat_map(|list| list.rsplit(','));
    while ours(&nearest) {
        let Some(Ok(before)) = said.next().map(|address| address.trim().parse()) else { break };
        nearest = before;
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(peer: &str, said: &[&str]) -> String {
        let proxies = ["10.0.0.0/8", "fd00::/8"].map(|proxy| proxy.parse().unwrap());
        let mut headers = HeaderMap::new();
        for list in said {
            headers.append("x-forwarded-for", list.parse().unwrap());
        }
        super::behind(&proxies, peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn what_proxies_of_ours_say_is_believed_and_no_more() {
        assert_eq!(behind("10.0.0.1", &["203.0.113.7"]), "203.0.113.7");
        assert_eq!(behind("::ffff:10.0.0.1", &["203.0.113.7"]), "203.0.113.7");
        assert_eq!(behind("10.0.0.1", &["198.51.100.1, 203.0.113.7"]), "203.0.113.7", "the first is a lie");
        assert_eq!(behind("10.0.0.1", &["203.0.113.7, fd00::2", "10.0.0.3"]), "203.0.113.7");
        assert_eq!(
            behind("203.0.113.9", &["203.0.113.7"]),
            "203.0.113.9",
            "who is no proxy speaks for itself"
        );
        assert_eq!(behind("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(behind("10.0.0.1", &["203.0.113.7, unknown"]), "10.0.0.1");
    }
}
