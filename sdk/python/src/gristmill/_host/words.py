"""The errors of the host's services in words, the same inside components and in tests."""

from datetime import timedelta

from gristmill._time import from_ms
from gristmill.errors import BreakerError, EnqueueError, LimitError, SecretError, ServiceError, StateError

_WORDS: dict[type[ServiceError], dict[str, str]] = {
    LimitError: {
        "limited": "the limiter has no room for {ms} ms",
        "unknown-limiter": "no limiter has this name: define it as `[limiters.NAME]`",
        "denied": "the job type does not allow this limiter: list it in `allow.limiters`",
        "unavailable": "the limiter cannot be asked: {why}",
    },
    BreakerError: {
        "open": "the breaker is open for {ms} ms",
        "unknown-breaker": "no breaker has this name: define it as `[breakers.NAME]`",
        "denied": "the job type does not allow this breaker: list it in `allow.breakers`",
        "unavailable": "the breaker cannot be asked: {why}",
    },
    EnqueueError: {
        "quota-exceeded": "the attempt has added as many jobs as it may",
        "unavailable": "Redis did not answer: {why}",
    },
    StateError: {
        "too-large": "the value is too large",
        "quota-exceeded": "the job type has as many keys, or the attempt has made as many calls, as it may",
        "unavailable": "Redis did not answer: {why}",
    },
    SecretError: {
        "denied": "the job type does not allow this secret: list it in `allow.secrets`",
        "unavailable": "the secret cannot be read: {why}",
    },
}


def said(error: type[ServiceError], kind: str, value: str | int | None = None) -> ServiceError:
    """The error of this kind; `value` is what the host says with it: why, or for how many ms."""
    wait: timedelta | None = from_ms(value) if isinstance(value, int) else None
    words = _WORDS[error].get(kind, "{why}")
    return error(kind, words.format(ms=value, why=value), wait)
