"""How a handler fails, and what the host does then.

Raise one of the `JobError` classes to say how the job goes on. Any other exception is retryable. An uncaught error of
the host's services that would come again in every attempt (not allowed, malformed, too large) is permanent; a limiter
without room and an open breaker send the job back for as long as they say.
"""

from datetime import timedelta

from gristmill._time import Duration, from_ms, to_ms


class JobError(Exception):
    """How a handler ends other than by returning a value. Raise one of its subclasses."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = str(message)
        """For people."""

    def __str__(self) -> str:
        return self.message


class RetryableError(JobError):
    """May work later: retried under the job's policy; uses an attempt."""

    def __init__(self, message: str, code: str | None = None, detail: str | None = None) -> None:
        """`message` becomes BullMQ's `failedReason`, at most 8 KiB are kept; `code` is a stable word of few distinct
        values to group failures by, at most 64 bytes; `detail` becomes an entry of `stacktrace`, at most 64 KiB."""
        super().__init__(message)
        self.code = code
        self.detail = detail


class PermanentError(JobError):
    """Will never work: failed at once."""

    def __init__(self, message: str, code: str | None = None, detail: str | None = None) -> None:
        """The arguments are those of `RetryableError`."""
        super().__init__(message)
        self.code = code
        self.detail = detail


class RateLimitedError(JobError):
    """Something that was called said "slow down": delayed, uses no attempt."""

    def __init__(self, message: str, retry_after: Duration | None = None) -> None:
        """`retry_after`: no sooner than this; None leaves the time to the job's backoff. `message` goes to the job's
        log."""
        super().__init__(message)
        self.retry_after: timedelta | None = None if retry_after is None else from_ms(to_ms(retry_after))


class DeferredError(JobError):
    """Not now: delayed, uses no attempt."""

    def __init__(self, message: str, delay: Duration) -> None:
        """`delay`: how long from now. `message` goes to the job's log."""
        super().__init__(message)
        self.delay: timedelta = from_ms(to_ms(delay))


class WaitForChildren(JobError):
    """To be called again when this job's children have finished; uses no attempt."""

    def __init__(self) -> None:
        super().__init__("waits for its children")


class ServiceError(Exception):
    """What a service of the host refused or could not do."""

    def __init__(self, kind: str, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        """Which of the errors of its class it is, such as `denied`."""
        self.retry_after = retry_after
        """The soonest that it is worth trying again, where the error knows."""

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[type["ServiceError"], tuple[str, str, timedelta | None]]:
        return type(self), (self.kind, str(self), self.retry_after)


class LimitError(ServiceError):
    """Why a limiter charged nothing. `limited`: no room for `retry_after`; `unknown-limiter`; `denied`: not in
    `allow.limiters`; `invalid`: a key over 256 bytes, a cost that no tier ever allows, too many keys; `unavailable`."""


class BreakerError(ServiceError):
    """Why a call is not to be made. `open`: for `retry_after`; `unknown-breaker`; `denied`: not in `allow.breakers`;
    `invalid`: a key over 256 bytes; `unavailable`."""


class EnqueueError(ServiceError):
    """Why nothing was added or read. `denied`: the queue is not in `allow.enqueue`; `invalid`: a job breaks a rule, or
    a child returned something else than was asked for; `quota-exceeded`: the attempt has added as many jobs as it may;
    `unavailable`: whether jobs were added is not known."""


class StateError(ServiceError):
    """Why a call did nothing. `invalid`: a key, a time or a number is not what it must be, or the value is not what was
    asked for; `too-large`: over 64 KiB as JSON; `quota-exceeded`; `unavailable`: whether the change was made is not
    known."""


class SecretError(ServiceError):
    """Why there is no secret. `denied`: not in `allow.secrets`; `unavailable`: it cannot be read now."""


class ProgressError(ServiceError):
    """A value that the host did not take; its kind is always `failed`."""


class HttpError(ServiceError):
    """A request that got no response. `url`: it cannot be requested; `header`: one cannot be sent; `denied`: the job
    type does not allow the host; `timeout`; `too-large`: the body is larger than the request accepts; `failed`:
    anything else."""
