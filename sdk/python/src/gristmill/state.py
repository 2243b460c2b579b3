"""Small durable values, private to the job type, shared by all its attempts. Every call waits for Redis.

A key has 1 to 256 bytes, a value as JSON at most 64 KiB, a job type at most 1000 keys. Every call raises `StateError`
if it did nothing.

    state.set("cursor", "page-7", ttl=timedelta(days=1))
    state.get("cursor", str)
    state.increment("sent", 2)
"""

from typing import Any, TypeVar, overload

from gristmill import _check, _data, _host, _json
from gristmill._time import Duration, opt_ms
from gristmill.errors import StateError

T = TypeVar("T")

_LOW, _HIGH = -(2**63), 2**63 - 1


def _key(key: object) -> str:
    return _check.text("a key", key)


def _written(value: object) -> bytes:
    try:
        return _json.write(value)
    except _json.JsonError as error:
        raise StateError("invalid", str(error)) from None


@overload
def get(key: str) -> Any: ...
@overload
def get(key: str, kind: type[T]) -> T | None: ...
def get(key: str, kind: Any = Any) -> Any:
    """The value of a key, read as `kind`; None if there is none."""
    text = _host.current().state_get(_key(key))
    if text is None:
        return None
    try:
        return _data.read(kind, text)
    except _json.JsonError as error:
        raise StateError("invalid", f"`{key}` holds something else: {error}") from None


def set(key: str, value: object, ttl: Duration | None = None) -> None:
    """Sets a value, to be forgotten after `ttl`; without one it stays."""
    _host.current().state_set(_key(key), _written(value), opt_ms(ttl))


def delete(key: str) -> bool:
    """Forgets a value; False if there was none."""
    return _host.current().state_delete(_key(key))


def increment(key: str, delta: int = 1, ttl: Duration | None = None) -> int:
    """Adds to a whole number, 0 if there is none, and answers the sum; both fit 64 bits. The `ttl` is that of a number
    that is made."""
    delta = _check.whole("`delta`", delta, _LOW, _HIGH)
    return _host.current().state_increment(_key(key), delta, opt_ms(ttl))


def compare_and_set(key: str, expected: object, value: object, ttl: Duration | None = None) -> bool:
    """Sets a value if the present one is `expected`; None: if there is none. False: it was another, and stays."""
    present = None if expected is None else _written(expected)
    return _host.current().state_compare_and_set(_key(key), present, _written(value), opt_ms(ttl))
