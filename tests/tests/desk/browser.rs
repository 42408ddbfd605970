//! A browser, as far as the desk is concerned: it keeps cookies, says where a request comes from, and follows nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use emend_tests::process::eventually;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Of the JSON API: why it was refused.
    pub(crate) fn reason(&self) -> String {
        self.json()["reason"].as_str().unwrap_or_default().to_owned()
    }
}

/// One browser.
#[derive(Clone)]
pub(crate) struct Browser {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    pub(crate) cookies: BTreeMap<String, String>,
    /// Of the session, as the page keeps it.
    pub(crate) csrf: String,
}

impl Browser {
    pub(crate) fn new(address: SocketAddr, tls: Option<Arc<ClientConfig>>) -> Self {
        Self { address, tls, cookies: BTreeMap::new(), csrf: String::new() }
    }

    pub(crate) fn origin(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// A form that our own page sends.
    pub(crate) async fn form(&mut self, path: &str, body: &str) -> Answer {
        let origin = self.origin();
        let headers = [
            ("origin", origin.as_str()),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        self.send("POST", path, &headers, body).await
    }

    /// A call that our own page makes.
    pub(crate) async fn api(&mut self, method: &str, body: &Value) -> Answer {
        let (origin, csrf) = (self.origin(), self.csrf.clone());
        let headers = [
            ("origin", origin.as_str()),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/json"),
            ("x-emend-csrf", csrf.as_str()),
        ];
        self.send("POST", &format!("/desk/api/{method}"), &headers, &body.to_string()).await
    }

    /// Signs in by the form, and asks for the session's token when that went well.
    pub(crate) async fn sign_in(&mut self, account: &str, password: &str) -> Answer {
        let token = self.form_token().await;
        let answer =
            self.form("/desk/login", &format!("csrf={token}&account={account}&password={password}")).await;
        if answer.status == 303 {
            let session = self.get("/desk/api/session").await.json();
            self.csrf = session["csrf"].as_str().unwrap().to_owned();
        }
        answer
    }

    /// The token in the form, which must be the cookie's.
    pub(crate) async fn form_token(&mut self) -> String {
        let page = self.get("/desk/login").await;
        assert_eq!(page.status, 200, "{page:?}");
        let token =
            page.body.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        assert_eq!(
            Some(&token),
            self.cookies.iter().find(|(name, _)| name.ends_with("emend-form")).map(|(_, v)| v)
        );
        token
    }

    /// Sends anything at all.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header(header::HOST, self.address.to_string());
        }
        if !self.cookies.is_empty() {
            let cookies: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.exchange(request.body(Full::from(body.to_owned())).unwrap()).await;
        let (head, body) = response.into_parts();
        for cookie in head.headers.get_all(header::SET_COOKIE) {
            self.keep(cookie.to_str().unwrap());
        }
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    fn keep(&mut self, cookie: &str) {
        let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
        if cookie.contains("Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Response<Bytes> {
        // The scheduler may not listen yet.
        let connect = async || TcpStream::connect(self.address).await.ok();
        let stream = eventually("the desk listens", Duration::from_secs(20), connect).await.unwrap();
        match &self.tls {
            None => exchange(stream, request).await,
            Some(config) => {
                let name = ServerName::try_from("localhost").unwrap();
                let stream = TlsConnector::from(config.clone()).connect(name, stream).await.unwrap();
                exchange(stream, request).await
            }
        }
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Response<Bytes> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = tokio::time::timeout(Duration::from_secs(60), body.collect()).await.unwrap().unwrap();
    Response::from_parts(head, body.to_bytes())
}
