//! As much of URLs as a request needs.

/// The parts of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    /// As it was given.
    pub(crate) text: String,
    /// Whether it is `https`.
    pub(crate) tls: bool,
    /// Host and, if given, port.
    pub(crate) authority: String,
    /// Path and query; at least `/`.
    pub(crate) path: String,
}

impl Url {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let scheme = |scheme: &str| {
            let head = text.get(..scheme.len())?;
            head.eq_ignore_ascii_case(scheme).then(|| &text[scheme.len()..])
        };
        let (tls, rest) = match (scheme("https://"), scheme("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err("it does not begin with `http://` or `https://`"),
        };
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || !c.is_ascii()) {
            return Err("it has characters that must be percent-encoded");
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.is_empty() {
            return Err("it has no host");
        }
        if authority.contains('@') {
            return Err("it has credentials before its host; send them in a header");
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { text: text.to_owned(), tls, authority: authority.to_owned(), path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("https://example.com", true, "example.com", "/")]
    #[case("HTTP://example.com:8080?q=1", false, "example.com:8080", "/?q=1")]
    #[case("http://[::1]:80/a/b?c=d#e", false, "[::1]:80", "/a/b?c=d")]
    fn parts(#[case] text: &str, #[case] tls: bool, #[case] authority: &str, #[case] path: &str) {
        let expected =
            Url { text: text.to_owned(), tls, authority: authority.to_owned(), path: path.to_owned() };
        assert_eq!(Url::parse(text), Ok(expected));
    }

    #[rstest::rstest]
    #[case("ftp://example.com")]
    #[case("example.com")]
    #[case("http://")]
    #[case("https:///path")]
    #[case("http://user:secret@example.com")]
    #[case("http://exa mple.com")]
    #[case("http://bücher.example")]
    #[case("ä")]
    fn refuses(#[case] text: &str) {
        assert!(Url::parse(text).is_err());
    }
}
