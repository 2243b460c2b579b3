package host

import "strings"

// ParseURL makes a request of as much of URLs as one needs.
func ParseURL(url string) (*Request, error) {
	wrong := func(why string) (*Request, error) { return nil, HTTP(KindURL, strings.ToValidUTF8(url, "\uFFFD"), why) }
	made := Request{URL: url}
	rest := url
	if after, found := cutFold(url, "https://"); found {
		made.TLS, rest = true, after
	} else if after, found := cutFold(url, "http://"); found {
		rest = after
	} else {
		return wrong("it does not begin with `http://` or `https://`")
	}
	if strings.ContainsFunc(url, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return wrong("it has characters that must be percent-encoded")
	}
	rest, _, _ = strings.Cut(rest, "#")
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	made.Authority, made.Path = rest[:end], rest[end:]
	if made.Authority == "" {
		return wrong("it has no host")
	}
	if strings.Contains(made.Authority, "@") {
		return wrong("it has credentials before its host; send them in a header")
	}
	if !strings.HasPrefix(made.Path, "/") {
		made.Path = "/" + made.Path
	}
	return &made, nil
}

func cutFold(text, prefix string) (string, bool) {
	if len(text) < len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return "", false
	}
	return text[len(prefix):], true
}
