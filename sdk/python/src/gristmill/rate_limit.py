"""Limiters: named rate limits that all workers share, those in `allow.limiters` of the job type. Every call waits for
Redis.

    # Refused, the uncaught error sends the job back for as long as the limiter says; that uses no attempt.
    rate_limit.try_acquire("resend-api")
"""

from datetime import timedelta

from gristmill import _check, _host
from gristmill._time import Duration, from_ms, to_ms


def try_acquire(limiter: str, key: str = "", cost: int = 1) -> None:
    """Charges `cost` units, at least 1, and never waits for room. `LimitError` says why nothing was charged.

    `key` counts apart, such as a tenant, and has at most 256 bytes; "" counts all together.
    """
    limiter, key = _check.text("a limiter's name", limiter), _check.text("a key", key)
    _host.current().try_acquire(limiter, key, _check.whole("`cost`", cost, 0, _check.U32))


def acquire(limiter: str, key: str = "", cost: int = 1, *, max_wait: Duration) -> timedelta:
    """Waits for room, up to `max_wait`, and answers how long that took; otherwise like `try_acquire`.

    The wait takes neither a thread nor fuel; the attempt's deadline holds all the while.
    """
    limiter, key = _check.text("a limiter's name", limiter), _check.text("a key", key)
    cost = _check.whole("`cost`", cost, 0, _check.U32)
    return from_ms(_host.current().acquire(limiter, key, cost, to_ms(max_wait)))
