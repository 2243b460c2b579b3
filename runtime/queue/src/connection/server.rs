//! Where Redis is: one server, a Cluster, or a master that Sentinels know.

use std::fmt;

use redis::{ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisError, RedisResult};

/// How Redis is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Server {
    /// `redis://`, `rediss://` or `redis+unix://`: the server, any node of a Cluster, or, with `master`, a Sentinel. User,
    /// password and database are those of the servers; Sentinels are asked without.
    pub url: String,
    /// Further nodes of the Cluster, or Sentinels, as `HOST:PORT`, for when that of `url` is away.
    pub nodes: Vec<String>,
    /// The name under which Sentinels know the master.
    pub master: Option<String>,
}

impl Server {
    /// One server, or a Cluster that this one is part of.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned(), ..Self::default() }
    }

    /// The url's connection, and the same with every further node's address.
    pub(super) fn infos(&self) -> RedisResult<Vec<ConnectionInfo>> {
        let first = self.url.as_str().into_connection_info()?;
        let mut infos = vec![first.clone()];
        for node in &self.nodes {
            let wrong = || {
                RedisError::from((ErrorKind::InvalidClientConfig, "a node is not `HOST:PORT`", node.clone()))
            };
            let (host, port) = node.rsplit_once(':').ok_or_else(wrong)?;
            let port = port.parse().map_err(|_| wrong())?;
            infos.push(first.clone().set_addr(moved(first.addr(), host, port)));
        }
        Ok(infos)
    }
}

/// The same kind of address elsewhere.
fn moved(addr: &ConnectionAddr, host: &str, port: u16) -> ConnectionAddr {
    match addr {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
            host: host.to_owned(),
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host.to_owned(), port),
    }
}

/// For messages, without the password.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(master) = &self.master {
            write!(f, "master `{master}` of the Sentinel ")?;
        }
        f.write_str(&address_of(&self.url))
    }
}

/// `redis://:secret@host:1/0` as `host:1/0`.
fn address_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    // A unix socket's address carries user and password in its query.
    let rest = rest.split_once('?').map_or(rest, |(path, _)| path);
    rest.rsplit_once('@').map_or(rest, |(_, host)| host).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hide_passwords() {
        assert_eq!(Server::at("redis://user:p@ss@host:1/0").to_string(), "host:1/0");
        assert_eq!(Server::at("redis+unix:///r.sock?user=a&pass=b").to_string(), "/r.sock");
        let sentinel = Server { master: Some("m".to_owned()), ..Server::at("redis://host:1") };
        assert_eq!(sentinel.to_string(), "master `m` of the Sentinel host:1");
    }

    #[test]
    fn further_nodes_are_reached_as_the_first() {
        let nodes = vec!["other:7001".to_owned()];
        let infos = Server { nodes, ..Server::at("rediss://user:secret@host:1") }.infos().unwrap();
        assert_eq!(infos[1].redis_settings().password(), Some("secret"));
        assert!(
            matches!(infos[1].addr(), ConnectionAddr::TcpTls { host, port: 7001, .. } if host == "other")
        );
        assert!(Server { nodes: vec!["other".to_owned()], ..Server::at("redis://host:1") }.infos().is_err());
    }
}
