"""`wasi:http` as a blocking call. Only this guest waits: its host goes on with other jobs."""

from typing import Any

from componentize_py_types import Err, Ok
from wit_world.imports import outgoing_handler, streams
from wit_world.imports import wasi_http_types as wit

from gristmill import _url
from gristmill.errors import HttpError
from gristmill.http import Request, StreamedResponse

_WRITE = 4 << 10
"""Bytes that one blocking write takes at most."""
_READ = 64 << 10
"""Bytes to ask for in one read."""

_METHODS: dict[str, Any] = {
    "GET": wit.Method_Get,
    "HEAD": wit.Method_Head,
    "POST": wit.Method_Post,
    "PUT": wit.Method_Put,
    "DELETE": wit.Method_Delete,
    "OPTIONS": wit.Method_Options,
    "PATCH": wit.Method_Patch,
}
_TIMEOUTS = {
    "ConnectionTimeout",
    "ConnectionReadTimeout",
    "ConnectionWriteTimeout",
    "HttpResponseTimeout",
    "DnsTimeout",
}
_WORDS = {
    "DnsError": "there is no such name",
    "DestinationNotFound": "there is no such name",
    "ConnectionRefused": "the connection was refused",
    "DestinationUnavailable": "it cannot be reached",
    "DestinationIpUnroutable": "it cannot be reached",
    "ConnectionTerminated": "the connection was cut",
    "TlsProtocolError": "TLS failed; is its certificate valid?",
    "TlsCertificateError": "TLS failed; is its certificate valid?",
    "TlsAlertReceived": "TLS failed; is its certificate valid?",
    "HttpProtocolError": "it does not speak HTTP",
}


def send(request: Request) -> StreamedResponse:
    """Sends a request and waits until its response begins."""
    url = _url.split(request.url)
    outgoing = wit.OutgoingRequest(_headers(request))
    try:
        outgoing.set_method(
            _METHODS[request.method]() if request.method in _METHODS else wit.Method_Other(request.method)
        )
        outgoing.set_scheme(wit.Scheme_Https() if url.tls else wit.Scheme_Http())
        outgoing.set_authority(url.authority)
        outgoing.set_path_with_query(url.path)
    except Err:
        raise HttpError("url", f"cannot request `{request.url}`: the host does not take it") from None
    body = outgoing.body()
    try:
        pending = outgoing_handler.handle(outgoing, _options(request.timeout_ms))
    except Err as error:
        raise _failed(url.authority, error.value) from None
    with pending:
        _write(body, request.body)
        with pending.subscribe() as ready:
            ready.block()
        answer = pending.get()
    if not isinstance(answer, Ok):
        raise _broken(url.authority, "the response was taken already")
    if not isinstance(answer.value, Ok):
        raise _failed(url.authority, answer.value.value)
    return _streamed(url.authority, answer.value.value)


def _headers(request: Request) -> wit.Fields:
    given = [(name, value.encode()) for name, value in request.headers if name.lower() != "content-length"]
    if request.body:
        given.append(("content-length", str(len(request.body)).encode()))
    try:
        return wit.Fields.from_list(given)
    except Err as error:
        why = type(error.value).__name__.rpartition("_")[2]
        reason = "a name or value has characters that none may have" if why == "InvalidSyntax" else "the host sets it"
        raise HttpError("header", f"a header cannot be sent: {reason}") from None


def _options(timeout_ms: int | None) -> wit.RequestOptions | None:
    if timeout_ms is None:
        return None
    options = wit.RequestOptions()
    nanos = min(timeout_ms * 1_000_000, 2**64 - 1)
    options.set_connect_timeout(nanos)
    options.set_first_byte_timeout(nanos)
    options.set_between_bytes_timeout(nanos)
    return options


def _write(body: wit.OutgoingBody, data: bytes) -> None:
    """Writes as much as the other side takes; the response says why it took no more."""
    try:
        if data:
            with body.write() as out:
                for start in range(0, len(data), _WRITE):
                    out.blocking_write_and_flush(data[start : start + _WRITE])
    except Err as error:
        _drop(error)
    try:
        wit.OutgoingBody.finish(body, None)
    except Err:
        pass


def _drop(error: Any) -> None:
    """Gives back the handle that an error of a stream holds."""
    if isinstance(error.value, streams.StreamError_LastOperationFailed):
        error.value.value.__exit__(None, None, None)


def _streamed(authority: str, response: wit.IncomingResponse) -> StreamedResponse:
    with response.headers() as fields:
        headers = [(name.lower(), bytes(value).decode("utf-8", "replace")) for name, value in fields.entries()]
    return StreamedResponse(response.status(), headers, _Body(authority, response))


class _Body:
    """The body of a response. Handles go back in the order that the host demands: what was made last goes first."""

    def __init__(self, authority: str, response: wit.IncomingResponse) -> None:
        self._authority = authority
        try:
            body = response.consume()
            self._handles: list[Any] = [response, body, body.stream()]
        except Err:
            raise _broken(authority, "the response was read already") from None

    def read(self) -> bytes | None:
        if not self._handles:
            return None
        try:
            return bytes(self._handles[-1].blocking_read(_READ))
        except Err as error:
            if not isinstance(error.value, streams.StreamError_LastOperationFailed):
                self.close()
                return None
            with error.value.value as cause:
                # Further lines, if there are any, are about the inside of the host.
                reason = cause.to_debug_string().partition("\n")[0]
        self.close()
        raise _broken(self._authority, reason)

    def close(self) -> None:
        while self._handles:
            self._handles.pop().__exit__(None, None, None)


def _broken(authority: str, reason: str) -> HttpError:
    return HttpError("failed", f"the request to `{authority}` failed: {reason}")


def _failed(authority: str, code: Any) -> HttpError:
    name = type(code).__name__.rpartition("_")[2]
    if name == "HttpRequestDenied":
        return HttpError(
            "denied", f"the job type does not allow requests to `{authority}`; see `allow.http` and the job's log"
        )
    if name in _TIMEOUTS:
        return HttpError("timeout", f"`{authority}` took too long to answer")
    value = getattr(code, "value", None)
    return _broken(authority, _WORDS.get(name) or (name if value is None else f"{name}({value})"))
