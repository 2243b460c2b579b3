"""Circuit breakers, shared by all workers: calls to a service that fails are not made for a while. A job type may ask
those in `allow.breakers`. HTTP requests pass the breaker of their entry in `allow.http` by themselves.

    # Open, the uncaught error sends the job back until a probe may pass; that uses no attempt.
    with circuit_breaker.enter("stripe"):
        call_the_service()
"""

from enum import Enum
from types import TracebackType

from gristmill import _check, _host


class Outcome(Enum):
    """How a guarded call ended."""

    SUCCESS = "success"
    """The service works."""
    FAILURE = "failure"
    """It does not."""
    IGNORE = "ignore"
    """The call says nothing of it."""


class Permit:
    """Leave to make one call. Used with `with`, an exception is a failure and anything else a success, unless
    `complete` has said otherwise; dropped without either, it counts as a failure."""

    def __init__(self, given: _host.HostPermit) -> None:
        self._given: _host.HostPermit | None = given

    def complete(self, outcome: Outcome) -> None:
        """Says how the call ended. `ValueError` when that was said already."""
        outcome = Outcome(outcome)
        if self._given is None:
            raise ValueError("the permit was completed already; enter the breaker for each call")
        given, self._given = self._given, None
        given.complete(outcome)

    def __enter__(self) -> "Permit":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._given is not None:
            self.complete(Outcome.SUCCESS if kind is None else Outcome.FAILURE)


def enter(breaker: str, key: str = "") -> Permit:
    """Asks for leave to make one call; `BreakerError` says why it is not to be made.

    `key` has a state of its own, such as a region, and at most 256 bytes; "" is the one that all share.
    """
    return Permit(_host.current().enter(_check.text("a breaker's name", breaker), _check.text("a key", key)))
