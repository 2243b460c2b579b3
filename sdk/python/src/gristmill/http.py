"""Outgoing HTTP, to the hosts that the job type allows.

    response = http.request("POST", "https://api.example.com/mails", json={"to": "ada@example.com"})
    if response.is_success:
        mail = response.json()

A call waits for the whole response; meanwhile the host runs other jobs. `stream` hands the body out piece by piece.
Redirects are not followed. `HttpError` is a request that got no response; a status of 400 and more is a response.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Any, Protocol, TypeVar, overload

from gristmill import _check, _data, _host, _json, _url
from gristmill._time import Duration, opt_ms
from gristmill.errors import HttpError

T = TypeVar("T")

MAX_BODY = 16 << 20
"""Bytes of a response's body that are accepted unless a request says otherwise."""

Headers = Mapping[str, str] | Iterable[tuple[str, str]]
"""Headers of a request: a mapping, or pairs where names repeat. `content-length` and `host` are set without it."""

_METHOD = re.compile(r"[A-Z0-9!#$%&'*+.^_`|~-]+")


@dataclass(frozen=True)
class Request:
    """A request as it is sent, and as tests see it."""

    method: str
    """In capitals."""
    url: str
    """As it was given."""
    headers: list[tuple[str, str]]
    """In the order they were given."""
    body: bytes
    """Empty for none."""
    timeout_ms: int | None
    """Longest time to connect, until the response begins, and between its parts; each by itself."""


@dataclass(frozen=True)
class Response:
    """A response, read to its end."""

    status: int
    """Such as 200."""
    body: bytes = b""
    """All of it."""
    headers: list[tuple[str, str]] = field(default_factory=list)
    """Names in lower case, in the server's order."""

    @property
    def is_success(self) -> bool:
        """Whether the status is from 200 to 299."""
        return 200 <= self.status < 300

    def header(self, name: str) -> str | None:
        """The first header of this name, compared without regard to case."""
        return _header(self.headers, name)

    @property
    def retry_after(self) -> timedelta | None:
        """What the header `retry-after` says in seconds, for `RateLimitedError`; None without one, or with a date."""
        said = (self.header("retry-after") or "").strip()
        return timedelta(seconds=int(said)) if said.isascii() and said.isdigit() and len(said) < 10 else None

    def text(self) -> str:
        """The body as text; what is not UTF-8 in it is replaced."""
        return self.body.decode("utf-8", "replace")

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, kind: type[T]) -> T: ...
    def json(self, kind: Any = Any) -> Any:
        """The body's JSON, read as `kind`; `ValueError` names the place where it is something else."""
        return _data.read(kind, self.body)


class BodyReader(Protocol):
    """Where a body comes from."""

    def read(self) -> bytes | None:
        """The next piece; None at the end. Waits for it."""

    def close(self) -> None:
        """Gives up what is left. May be called again."""


class StreamedResponse:
    """A response whose body is read piece by piece, once. Use it with `with`, which gives up what was not read."""

    def __init__(self, status: int, headers: list[tuple[str, str]], reader: BodyReader) -> None:
        self.status = status
        self.headers = headers
        self._reader = reader

    @property
    def is_success(self) -> bool:
        """Whether the status is from 200 to 299."""
        return 200 <= self.status < 300

    def header(self, name: str) -> str | None:
        """The first header of this name, compared without regard to case."""
        return _header(self.headers, name)

    def __iter__(self) -> Iterator[bytes]:
        """The pieces of the body as they come, none of them empty; `HttpError` if the connection breaks."""
        while (piece := self._reader.read()) is not None:
            if piece:
                yield piece

    def close(self) -> None:
        """Gives up what was not read."""
        self._reader.close()

    def __enter__(self) -> "StreamedResponse":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _header(headers: list[tuple[str, str]], name: str) -> str | None:
    wanted = name.lower()
    return next((value for known, value in headers if known.lower() == wanted), None)


def _request(
    method: str, url: str, headers: Headers | None, body: bytes | str | None, json: object, timeout: Duration | None
) -> Request:
    method = _check.text("the method", method).upper()
    if not _METHOD.fullmatch(method):
        raise HttpError("url", f"cannot request `{url}`: `{method}` is no method")
    # Checked before anything is sent, so that a mistake is told from trouble with the network.
    _url.split(_check.text("the URL", url))
    given = [] if headers is None else list(headers.items() if isinstance(headers, Mapping) else headers)
    pairs = [
        (_check.text("a header's name", name), _check.text(f"the header `{name}`", value)) for name, value in given
    ]
    if json is not None:
        if body is not None:
            raise TypeError("a request has a `body` or `json`, not both")
        try:
            body = _json.write(json)
        except _json.JsonError as error:
            raise TypeError(f"`json`: {error}") from None
        if not any(name.lower() == "content-type" for name, _ in pairs):
            pairs.append(("content-type", "application/json"))
    if isinstance(body, str):
        body = body.encode("utf-8", "replace")
    return Request(method, url, pairs, bytes(body or b""), opt_ms(timeout))


def request(
    method: str,
    url: str,
    *,
    headers: Headers | None = None,
    body: bytes | str | None = None,
    json: object = None,
    timeout: Duration | None = None,
    max_body: int = MAX_BODY,
) -> Response:
    """Sends a request and reads the response.

    `json` is a value whose JSON is the body, with the header that says so. `timeout` is the longest time to connect,
    until the response begins, and between its parts, each by itself; without it, only the attempt's own limit counts.
    `max_body`: bytes of the response's body that are accepted; they must fit the job's memory. `HttpError` if there is
    no response.
    """
    with _host.current().send(_request(method, url, headers, body, json, timeout)) as response:
        pieces, size = [], 0
        for piece in response:
            size += len(piece)
            if size > max_body:
                raise HttpError(
                    "too-large", f"the response has more than the {max_body} bytes that the request accepts"
                )
            pieces.append(piece)
        return Response(response.status, b"".join(pieces), response.headers)


def stream(
    method: str,
    url: str,
    *,
    headers: Headers | None = None,
    body: bytes | str | None = None,
    json: object = None,
    timeout: Duration | None = None,
) -> StreamedResponse:
    """Sends a request and leaves the body of the response to be read piece by piece:

        with http.stream("GET", url) as response:
            for piece in response: ...

    The arguments are those of `request`; the body may have any size.
    """
    return _host.current().send(_request(method, url, headers, body, json, timeout))


def get(
    url: str, *, headers: Headers | None = None, timeout: Duration | None = None, max_body: int = MAX_BODY
) -> Response:
    """A GET request; see `request`."""
    return request("GET", url, headers=headers, timeout=timeout, max_body=max_body)


def post(
    url: str,
    *,
    headers: Headers | None = None,
    body: bytes | str | None = None,
    json: object = None,
    timeout: Duration | None = None,
    max_body: int = MAX_BODY,
) -> Response:
    """A POST request; see `request`."""
    return request("POST", url, headers=headers, body=body, json=json, timeout=timeout, max_body=max_body)
