//! Which hosts a job type may reach.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use http::Method;

use super::address;
use crate::Allow;
use crate::allow::HttpRule;

/// Hosts that may be reached, as written in `allow.http`.
///
/// - `api.example.com` is that name, `*.example.com` every name below it, `*` every name and address.
/// - `203.0.113.7` and `[2001:db8::7]` are that address; `localhost` is this machine.
/// - `:8080` after any of these is that port, `:*` every port; without either it is 80 for http and 443 for https.
/// - A name must resolve to public addresses, and `*` stands for public ones only. `private:` before a name or `*`
///   also allows private and loopback addresses. A literal address and `localhost` are allowed by being listed.
///   Link-local addresses, where clouds serve their credentials, can be listed only as literal addresses.
/// - Methods and a space before it all allow these methods only: `GET,HEAD api.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    /// Empty allows all.
    methods: Vec<Method>,
    host: HostPart,
    port: PortPart,
    private: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostPart {
    Any,
    Below(String),
    Name(String),
    Address(IpAddr),
    Localhost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PortPart {
    Default,
    Any,
    Only(u16),
}

/// The text is not a host pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a host ({reason}); write `api.example.com`, `*.example.com`, `127.0.0.1:8080`, `[::1]:8080` or \
     `localhost:9000`, without scheme or path; `:*` allows every port, `private:` before a name its private addresses, \
     `GET,HEAD ` before all of it these methods only"
)]
pub struct PatternError {
    text: String,
    reason: &'static str,
}

/// Which addresses a permission covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Only public ones.
    Public,
    /// Public, private and loopback ones.
    Private,
    /// Only those of this machine.
    Loopback,
    /// Just this one, whatever it is.
    Exactly(IpAddr),
}

impl Reach {
    pub(crate) fn covers(self, address: IpAddr) -> bool {
        match self {
            Self::Public => address::is_public(address),
            Self::Private => address::is_public(address) || address::is_private(address),
            Self::Loopback => address.to_canonical().is_loopback(),
            Self::Exactly(listed) => listed == address,
        }
    }
}

impl Allow {
    /// The widest permission to reach `host`, a lower-case name or an address without brackets, on `port`.
    pub(crate) fn reach(&self, method: &Method, host: &str, port: u16, default_port: u16) -> Option<Reach> {
        let address = host.parse::<IpAddr>().ok();
        let fitting = self.http.iter().filter(|rule| rule.host.allows(method));
        let reaches = fitting.filter_map(|rule| rule.host.reach(host, address, port, default_port));
        reaches.max_by_key(|reach| match reach {
            Reach::Public => 0,
            Reach::Loopback => 1,
            Reach::Private => 2,
            Reach::Exactly(_) => 3,
        })
    }
}

impl Allow {
    /// What a request to `host` must pass: of every entry that it fits, whichever permits it.
    pub(crate) fn guards(
        &self,
        method: &Method,
        host: &str,
        port: u16,
        default_port: u16,
    ) -> (Vec<String>, Vec<String>) {
        let address = host.parse::<IpAddr>().ok();
        let fits = |rule: &&HttpRule| {
            rule.host.allows(method) && rule.host.reach(host, address, port, default_port).is_some()
        };
        let mut limiters: Vec<_> =
            self.http.iter().filter(fits).filter_map(|rule| rule.limiter.clone()).collect();
        let mut breakers: Vec<_> =
            self.http.iter().filter(fits).filter_map(|rule| rule.breaker.clone()).collect();
        for names in [&mut limiters, &mut breakers] {
            names.sort();
            names.dedup();
        }
        (limiters, breakers)
    }
}

impl HostPattern {
    fn allows(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }

    fn reach(&self, host: &str, address: Option<IpAddr>, port: u16, default_port: u16) -> Option<Reach> {
        let port_fits = match self.port {
            PortPart::Any => true,
            PortPart::Default => port == default_port,
            PortPart::Only(only) => port == only,
        };
        if !port_fits {
            return None;
        }
        let named = if self.private { Reach::Private } else { Reach::Public };
        match &self.host {
            HostPart::Any => Some(named),
            HostPart::Below(suffix) => {
                let below = host
                    .strip_suffix(suffix.as_str())
                    .is_some_and(|start| start.len() > 1 && start.ends_with('.'));
                (below && address.is_none()).then_some(named)
            }
            HostPart::Name(name) => (name == host).then_some(named),
            HostPart::Address(listed) => (address == Some(*listed)).then_some(Reach::Exactly(*listed)),
            HostPart::Localhost => (host == "localhost").then_some(Reach::Loopback),
        }
    }
}

impl FromStr for HostPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        parse(text).map_err(|reason| PatternError { text: text.to_owned(), reason })
    }
}

fn parse(text: &str) -> Result<HostPattern, &'static str> {
    let text = text.trim();
    let (methods, text) = text.split_once(char::is_whitespace).unwrap_or(("", text));
    let methods = parse_methods(methods)?;
    let lower = text.trim_start().to_ascii_lowercase();
    if lower.contains("://") || lower.contains('/') {
        return Err("it has a scheme or a path");
    }
    let (private, rest) = lower.strip_prefix("private:").map_or((false, lower.as_str()), |rest| (true, rest));
    let (host, port) = split_port(rest)?;
    let host = parse_host(host)?;
    if private && matches!(host, HostPart::Address(_) | HostPart::Localhost) {
        return Err("an address and `localhost` need no `private:`");
    }
    Ok(HostPattern { methods, host, port, private })
}

fn parse_methods(text: &str) -> Result<Vec<Method>, &'static str> {
    let method = |name: &str| {
        let letters = !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase());
        Method::from_bytes(name.as_bytes())
            .ok()
            .filter(|_| letters)
            .ok_or("its methods are not words such as `GET,POST`")
    };
    if text.is_empty() { Ok(Vec::new()) } else { text.split(',').map(method).collect() }
}

/// Host and port; an IPv6 address needs brackets only before a port.
fn split_port(text: &str) -> Result<(&str, PortPart), &'static str> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok((text, PortPart::Default));
    }
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or("there is text after the brackets")?)),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        None => PortPart::Default,
        Some("*") => PortPart::Any,
        Some(port) => match port.parse() {
            Ok(port) if port > 0 => PortPart::Only(port),
            _ => return Err("its port is not a number from 1 to 65535"),
        },
    };
    Ok((host, port))
}

fn parse_host(host: &str) -> Result<HostPart, &'static str> {
    if let Ok(address) = host.parse() {
        return Ok(HostPart::Address(address));
    }
    match host {
        "*" => return Ok(HostPart::Any),
        "localhost" => return Ok(HostPart::Localhost),
        _ => {}
    }
    let (wild, name) = host.strip_prefix("*.").map_or((false, host), |name| (true, name));
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.is_empty() || name.len() > 253 || !name.split('.').all(label) {
        return Err(if name.contains('*') {
            "`*` can only be its first label"
        } else {
            "it is not a name or an address"
        });
    }
    if name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit())) {
        return Err("it looks like an address but is none");
    }
    Ok(if wild { HostPart::Below(name.to_owned()) } else { HostPart::Name(name.to_owned()) })
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.methods.is_empty() {
            let methods: Vec<_> = self.methods.iter().map(Method::as_str).collect();
            write!(f, "{} ", methods.join(","))?;
        }
        if self.private {
            f.write_str("private:")?;
        }
        match &self.host {
            HostPart::Any => f.write_str("*")?,
            HostPart::Below(name) => write!(f, "*.{name}")?,
            HostPart::Name(name) => f.write_str(name)?,
            HostPart::Address(IpAddr::V4(address)) => write!(f, "{address}")?,
            HostPart::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            HostPart::Localhost => f.write_str("localhost")?,
        }
        match self.port {
            PortPart::Default => Ok(()),
            PortPart::Any => f.write_str(":*"),
            PortPart::Only(port) => write!(f, ":{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[rstest::rstest]
    #[case("api.example.com", "api.example.com", 443, Some(Reach::Public))]
    #[case("API.Example.com", "api.example.com", 443, Some(Reach::Public))]
    #[case("api.example.com", "api.example.com", 8443, None)]
    #[case("api.example.com:*", "api.example.com", 8443, Some(Reach::Public))]
    #[case("api.example.com", "example.com", 443, None)]
    #[case("*.example.com", "a.b.example.com", 443, Some(Reach::Public))]
    #[case("*.example.com", "example.com", 443, None)]
    #[case("*.example.com", "evilexample.com", 443, None)]
    #[case("*.example.com", ".example.com", 443, None)]
    #[case("*", "10.0.0.1", 443, Some(Reach::Public))]
    #[case("private:*.corp", "db.corp", 443, Some(Reach::Private))]
    #[case("127.0.0.1:8080", "127.0.0.1", 8080, Some(Reach::Exactly(IpAddr::V4(Ipv4Addr::LOCALHOST))))]
    #[case("127.0.0.1:8080", "127.0.0.1", 8081, None)]
    #[case("[::1]:8080", "::1", 8080, Some(Reach::Exactly(IpAddr::V6(Ipv6Addr::LOCALHOST))))]
    #[case("localhost:9000", "localhost", 9000, Some(Reach::Loopback))]
    #[case("localhost:9000", "127.0.0.1", 9000, None)]
    fn matches(#[case] pattern: &str, #[case] host: &str, #[case] port: u16, #[case] reach: Option<Reach>) {
        let allow = Allow::http([pattern]).unwrap();
        assert_eq!(allow.reach(&Method::GET, host, port, 443), reach);
    }

    #[rstest::rstest]
    #[case("https://api.example.com")]
    #[case("api.example.com/path")]
    #[case("")]
    #[case("a..b")]
    #[case("a.*.com")]
    #[case("api.example.com:0")]
    #[case("api.example.com:http")]
    #[case("[::1]8080")]
    #[case("300.1.1.1")]
    #[case("127.1")]
    #[case("user@host")]
    #[case("private:10.0.0.1")]
    #[case("get api.example.com")]
    #[case("GET, POST api.example.com")]
    fn refuses(#[case] pattern: &str) {
        let error = pattern.parse::<HostPattern>().unwrap_err().to_string();
        assert!(error.contains("`*.example.com`"), "{error}");
    }

    #[rstest::rstest]
    #[case("*")]
    #[case("private:*.corp:*")]
    #[case("[2001:db8::7]:8080")]
    #[case("127.0.0.1")]
    #[case("localhost:9000")]
    #[case("GET,POST private:*.corp:*")]
    fn shows_what_was_written(#[case] pattern: &str) {
        assert_eq!(pattern.parse::<HostPattern>().unwrap().to_string(), pattern);
    }

    #[rstest::rstest]
    #[case("GET,HEAD api.example.com", Method::GET, true)]
    #[case("GET,HEAD api.example.com", Method::POST, false)]
    #[case("api.example.com", Method::DELETE, true)]
    fn methods(#[case] pattern: &str, #[case] method: Method, #[case] allowed: bool) {
        let allow = Allow::http([pattern]).unwrap();
        assert_eq!(allow.reach(&method, "api.example.com", 443, 443).is_some(), allowed);
    }

    #[test]
    fn the_widest_permission_counts() {
        let allow = Allow::http(["*", "10.0.0.1"]).unwrap();
        let reach = allow.reach(&Method::GET, "10.0.0.1", 80, 80).unwrap();
        assert!(reach.covers("10.0.0.1".parse().unwrap()));
        assert!(!reach.covers("10.0.0.2".parse().unwrap()));
    }
}
