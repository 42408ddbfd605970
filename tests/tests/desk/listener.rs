//! The desk's listener: TLS, certificates, and where it refuses to listen.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use emend_scheduler::Config;
use emend_tests::authority::Authority;
use emend_tests::database::Backend;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::house::House;

fn trusting(authority: &Authority) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// gRPC wants client certificates; browsers have none, and are served by the same papers or by others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_have_tls_and_show_no_certificate() {
    let folder = tempfile::tempdir().unwrap();
    for own in [false, true] {
        let (wire, web) = (Authority::new("wire"), Authority::new("web"));
        let (certificate, key) = wire.scheduler().write(folder.path(), "wire");
        let client_ca = folder.path().join("ca.pem");
        std::fs::write(&client_ca, wire.pem()).unwrap();
        let (web_certificate, web_key) = web.scheduler().write(folder.path(), "web");
        let mut house = House::new(Backend::Sqlite, |config: &mut Config| {
            config.tls.certificate = Some(certificate);
            config.tls.key = Some(key);
            config.tls.client_ca = Some(client_ca);
            if own {
                config.desk.tls.certificate = Some(web_certificate);
                config.desk.tls.key = Some(web_key);
            }
        })
        .await;
        house.trust = Some(trusting(if own { &web } else { &wire }));
        let mut browser = house.browser();
        let page = browser.get("/desk/login").await;
        assert_eq!(page.status, 200);
        assert_eq!(page.header("strict-transport-security"), "max-age=31536000");
        let cookie = page.header("set-cookie");
        assert!(cookie.starts_with("__Host-emend-form=") && cookie.ends_with("; Secure"), "{cookie}");
        let answer = browser.api("lease", &json!({})).await;
        assert_eq!(answer.status, 401);
        let mut plain = crate::browser::Browser::new(house.desk, None);
        let origin = plain.origin();
        // A page over plain HTTP is not ours.
        plain.cookies = browser.cookies.clone();
        let answer = browser.send("POST", "/desk/api/lease", &[("origin", &origin)], "").await;
        assert_eq!((answer.status, answer.reason().as_str()), (403, "CROSS_ORIGIN"));
        house.scheduler.stop().await;
    }
}

/// A desk that others can reach has TLS, or does not start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_address_without_tls_is_refused() {
    let mut config = Config::default();
    config.desk.listen = Some(([0, 0, 0, 0], 0).into());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    config.store = format!("sqlite://{}", folder.path().join("emend.db").display());
    let served = emend_scheduler::serve(config, listener, tokio_util::sync::CancellationToken::new()).await;
    let error = served.unwrap_err().to_string();
    assert!(error.contains("scheduler.desk.listen") && error.contains("--insecure"), "{error}");
}

/// Who says nothing, or says it drop by drop, is gone after a while; others are served meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_and_slow_connections_end() {
    crate::house::on(Backend::Sqlite, async |house: &House| {
        let mut browser = house.browser();
        assert_eq!(browser.get("/desk/login").await.status, 200);
        let since = Instant::now();
        let mut slow = TcpStream::connect(house.desk).await.unwrap();
        slow.write_all(b"GET /desk/login HTTP/1.1\r\nhost: x\r\nx-").await.unwrap();
        let mut silent = Vec::new();
        for _ in 0..300 {
            silent.push(TcpStream::connect(house.desk).await.unwrap());
        }
        assert_eq!(browser.get("/desk/login").await.status, 200);
        let mut said = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(60), slow.read_to_end(&mut said)).await.unwrap();
        assert!(ended.is_err() || !said.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&said));
        for mut stream in silent {
            let ended = tokio::time::timeout(Duration::from_secs(30), stream.read(&mut [0; 16])).await;
            assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
        }
        assert!(since.elapsed() < Duration::from_secs(50), "{:?}", since.elapsed());
        // Headers without end.
        let mut endless = TcpStream::connect(house.desk).await.unwrap();
        endless.write_all(b"GET /desk/login HTTP/1.1\r\nhost: x\r\n").await.unwrap();
        let line = format!("x-a: {}\r\n", "a".repeat(1000));
        let mut refused = false;
        for _ in 0..200 {
            if let Err(error) = endless.write_all(line.as_bytes()).await {
                assert!(
                    [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&error.kind()),
                    "{error}"
                );
                refused = true;
                break;
            }
        }
        let mut answer = [0; 64];
        let read = endless.read(&mut answer).await.unwrap_or(0);
        assert!(
            refused || answer[..read].starts_with(b"HTTP/1.1 431"),
            "{:?}",
            String::from_utf8_lossy(&answer[..read])
        );
    })
    .await;
}
