"""As much of URLs as a request needs."""

from dataclasses import dataclass

from gristmill.errors import HttpError


@dataclass(frozen=True)
class Url:
    """The parts of a URL."""

    text: str
    """As it was given."""
    tls: bool
    """Whether it is `https`."""
    authority: str
    """Host and, if given, port."""
    path: str
    """Path and query; at least `/`."""


def split(text: str) -> Url:
    """The parts of a URL that can be requested; `HttpError` says what is wrong with another."""

    def refuse(why: str) -> HttpError:
        return HttpError("url", f"cannot request `{text}`: {why}")

    scheme, found, rest = text.partition("://")
    if not found or scheme.lower() not in ("http", "https"):
        raise refuse("it does not begin with `http://` or `https://`")
    if not text.isascii() or any(c.isspace() or not c.isprintable() for c in text):
        raise refuse("it has characters that must be percent-encoded")
    rest = rest.partition("#")[0]
    end = min(at for at in (rest.find("/"), rest.find("?"), len(rest)) if at >= 0)
    authority, path = rest[:end], rest[end:]
    if not authority:
        raise refuse("it has no host")
    if "@" in authority:
        raise refuse("it has credentials before its host; send them in a header")
    return Url(text, scheme.lower() == "https", authority, path if path.startswith("/") else f"/{path}")
