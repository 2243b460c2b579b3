"""Durations: a `timedelta`, or seconds as a number; the host counts whole milliseconds."""

import math
from datetime import UTC, datetime, timedelta

Duration = timedelta | float
"""What functions of this package take as a length of time: a `timedelta`, or seconds. Not negative."""

MAX_MS = 2**64 - 1
"""The longest time that the host knows; longer ones are cut to it."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_LONGEST = timedelta.max // timedelta(milliseconds=1)
_LATEST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)


def to_ms(duration: Duration) -> int:
    """Whole milliseconds, rounded. `ValueError` for a negative time and one that is no number."""
    if isinstance(duration, timedelta):
        exact = duration / timedelta(milliseconds=1)
    elif isinstance(duration, (int, float)) and not isinstance(duration, bool):
        exact = duration * 1000
    else:
        raise TypeError(f"a duration is a `timedelta` or seconds, not {type(duration).__name__}")
    if exact < 0 or math.isnan(exact):
        raise ValueError(f"a duration is not negative and is a number: {duration}")
    return MAX_MS if exact >= MAX_MS else round(exact)


def opt_ms(duration: Duration | None) -> int | None:
    """Like `to_ms`; None for no limit."""
    return None if duration is None else to_ms(duration)


def from_ms(ms: int) -> timedelta:
    """A time that the host gave; longer than `timedelta` knows becomes its longest."""
    return timedelta(milliseconds=min(ms, _LONGEST))


def moment(ms: int) -> datetime:
    """Milliseconds since the Unix epoch as a moment in UTC."""
    return EPOCH + timedelta(milliseconds=min(ms, _LATEST))
