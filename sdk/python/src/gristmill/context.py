"""About the attempt that is running. Cheap; never waits."""

from datetime import datetime, timedelta

from gristmill import _check, _host
from gristmill._time import from_ms, moment


def enqueued_at() -> datetime:
    """When the producer added the job, in UTC."""
    return moment(_host.current().enqueued_at())


def scheduled_at() -> datetime:
    """When the job was due: `enqueued_at` plus its delay. For a later start (a retry, a deferral), when that began."""
    return moment(_host.current().scheduled_at())


def deadline() -> datetime | None:
    """When the host stops this attempt; None when nothing limits its time."""
    ms = _host.current().deadline()
    return None if ms is None else moment(ms)


def remaining() -> timedelta | None:
    """Time left until the soft timeout, zero once it has passed; None when nothing limits the attempt's time.

    The hard stop at `deadline` comes later: the time between is for putting things in order.
    """
    ms = _host.current().remaining()
    return None if ms is None else from_ms(ms)


def cancelled() -> bool:
    """True once the attempt's result is no longer wanted: the soft timeout has passed, the job was cancelled, or the
    worker stops."""
    return _host.current().cancelled()


def header(name: str) -> str | None:
    """The value of one of the job's headers; names are compared without regard to case."""
    return _host.current().header(_check.text("the header's name", name))


def headers() -> list[tuple[str, str]]:
    """All headers of the job, in the producer's order; names may repeat."""
    return _host.current().headers()


def traceparent() -> str | None:
    """W3C `traceparent` that the producer put into the job, for calls that belong to its trace."""
    return _host.current().traceparent()


def tracestate() -> str | None:
    """W3C `tracestate` that goes with `traceparent`."""
    return _host.current().tracestate()


def digest() -> str:
    """Digest of the component that runs, `sha256:` and 64 hexadecimal digits: which version serves this attempt."""
    return _host.current().digest()
