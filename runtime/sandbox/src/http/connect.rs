//! From a checked host to a connection.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::Error;

use super::{BoxedStream, Target};
use crate::Level;
use crate::log::LogSink;

/// Longest time to resolve, connect and shake hands; the attempt's deadline usually comes first.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

/// Resolves the name once, drops the addresses that the permission does not cover, and connects to one of the others.
pub(super) async fn connect(target: &Target, log: &LogSink) -> Result<BoxedStream, Error> {
    let addresses = resolve(target).await?;
    let Some(covered) = covered(&addresses, target) else {
        let text = format!(
            "http: `{}` is allowed, but its address is private: list it with `private:`, and a link-local one by itself",
            target.host
        );
        log.write(Level::Warn, &text, &[]);
        return Err(Error::HttpRequestDenied);
    };
    let stream = TcpStream::connect(covered.as_slice()).await.map_err(Error::Connect)?;
    // Requests and responses are small; waiting for more to send only delays them.
    let _ = stream.set_nodelay(true);
    if !target.tls {
        return Ok(Box::pin(stream));
    }
    let name = ServerName::try_from(target.host.clone()).map_err(|_| Error::HttpRequestUriInvalid)?;
    let stream = tls()?.connect(name, stream).await.map_err(Error::Tls)?;
    Ok(Box::pin(stream))
}

async fn resolve(target: &Target) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(address) = target.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, target.port)]);
    }
    match tokio::net::lookup_host((target.host.as_str(), target.port)).await {
        Ok(addresses) => Ok(addresses.collect()),
        Err(_) => Err(Error::DnsError { rcode: Some("name not found".to_owned()), info_code: None }),
    }
}

/// The addresses that may be connected to; `None` if there is none.
fn covered(addresses: &[SocketAddr], target: &Target) -> Option<Vec<SocketAddr>> {
    let covered: Vec<_> =
        addresses.iter().filter(|address| target.reach.covers(address.ip())).copied().collect();
    (!covered.is_empty()).then_some(covered)
}

fn tls() -> Result<TlsConnector, Error> {
    static CONFIG: LazyLock<Result<Arc<rustls::ClientConfig>, rustls::Error>> =
        LazyLock::new(|| client_config().map(Arc::new));
    match &*CONFIG {
        Ok(config) => Ok(TlsConnector::from(Arc::clone(config))),
        Err(error) => Err(Error::InternalError(Some(error.to_string()))),
    }
}

fn client_config() -> Result<rustls::ClientConfig, rustls::Error> {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::allow::Reach;

    #[rstest::rstest]
    #[case::rebound(Reach::Public, &["93.184.216.34:80", "127.0.0.1:80"], Some(1))]
    #[case::only_private(Reach::Public, &["10.0.0.1:80", "[::1]:80"], None)]
    #[case::listed_private(Reach::Private, &["10.0.0.1:80", "169.254.169.254:80"], Some(1))]
    #[case::nothing(Reach::Private, &[], None)]
    fn keeps_covered_addresses(
        #[case] reach: Reach,
        #[case] addresses: &[&str],
        #[case] kept: Option<usize>,
    ) {
        let target = Target {
            host: "x".to_owned(),
            port: 80,
            tls: false,
            reach,
            limiters: Vec::new(),
            breakers: Vec::new(),
        };
        let addresses: Vec<_> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        assert_eq!(covered(&addresses, &target).map(|kept| kept.len()), kept);
    }

    #[test]
    fn tls_is_available() {
        assert!(tls().is_ok());
    }
}
