//! The way to one server: what decides how a client for it is set up.

use std::net::IpAddr;

use reqwest::{Certificate, Client, ClientBuilder, Proxy};
use url::{Host, Url};

use super::types::Network;

/// The variables that name a proxy for `http://` servers.
const PROXY_VARIABLES: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

/// Servers with equal ways can share a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Way {
    network: Network,
    /// The environment's proxy could not reach the server in any case.
    loopback: bool,
    /// The server, or a proxy before it, may be spoken to over TLS.
    tls: bool,
}

impl Network {
    /// The way to a server over this network.
    #[must_use]
    pub fn way_to(&self, server: &Url) -> Way {
        let loopback = is_loopback(server);
        let proxy_by_tls = match &self.proxy {
            Some(proxy) => proxy.scheme() == "https",
            None => !loopback && environment_proxy_by_tls(),
        };
        Way {
            tls: server.scheme() == "https" || proxy_by_tls,
            loopback,
            network: self.clone(),
        }
    }
}

impl Way {
    /// Sets a client up for it. Where no TLS can be needed the system's certificates are not read:
    /// that costs milliseconds at every start, a megabyte, and fails on a machine without any.
    ///
    /// # Errors
    /// A proxy or certificate that does not work, or a system without any CA certificates.
    pub fn client(&self, mut builder: ClientBuilder) -> reqwest::Result<Client> {
        if let Some(proxy) = &self.network.proxy {
            builder = builder.proxy(Proxy::all(proxy.clone())?);
        } else if self.loopback {
            builder = builder.no_proxy();
        }
        if let Some(pem) = &self.network.ca {
            builder = builder.tls_certs_merge(Certificate::from_pem_bundle(pem)?);
        } else if !self.tls {
            builder = builder.tls_certs_only([]);
        }
        builder.build()
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::from(ip).is_loopback(),
        None => false,
    }
}

fn environment_proxy_by_tls() -> bool {
    PROXY_VARIABLES
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .any(|proxy| proxy.starts_with("https:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn certificates_are_read_only_where_tls_is_spoken() {
        let by = |proxy: &str| Network {
            proxy: Some(url(proxy)),
            ca: None,
        };
        for (network, server, tls) in [
            (Network::default(), "http://127.0.0.1:8000/v1", false),
            (Network::default(), "https://127.0.0.1:8000/v1", true),
            (by("https://proxy:3128"), "http://ai.example/v1", true),
            (by("socks5://127.0.0.1:1080"), "http://ai.example/v1", false),
        ] {
            assert_eq!(network.way_to(&url(server)).tls, tls, "{server}");
        }
    }

    #[test]
    fn loopback_is_known_in_all_its_forms() {
        for (text, loopback) in [
            ("http://127.0.0.1:1/v1", true),
            ("http://[::1]:1/v1", true),
            ("http://localhost/v1", true),
            ("http://10.0.0.1/v1", false),
            ("http://kimi:8000/v1", false),
        ] {
            assert_eq!(is_loopback(&url(text)), loopback, "{text}");
        }
    }
}
