"""The host inside a component: the imports of the world `gristmill:python/component`."""

from collections.abc import Callable
from typing import Any

from componentize_py_types import Err
from wit_world.imports import circuit_breaker as wit_breaker
from wit_world.imports import context, metrics
from wit_world.imports import enqueue as wit_enqueue
from wit_world.imports import log as wit_log
from wit_world.imports import progress as wit_progress
from wit_world.imports import rate_limit as wit_rate_limit
from wit_world.imports import secrets as wit_secrets
from wit_world.imports import state as wit_state

from gristmill._host import EncodedJob
from gristmill._host.component_http import send
from gristmill._host.words import said
from gristmill.circuit_breaker import Outcome
from gristmill.errors import (
    BreakerError,
    EnqueueError,
    LimitError,
    ProgressError,
    SecretError,
    ServiceError,
    StateError,
)
from gristmill.http import Request, StreamedResponse
from gristmill.log import Level

_LEVELS = {level: wit_log.Level(int(level)) for level in Level}
_OUTCOMES = {outcome: wit_breaker.Outcome[outcome.name] for outcome in Outcome}
_KINDS = {
    "Limited": "limited",
    "UnknownLimiter": "unknown-limiter",
    "Open": "open",
    "UnknownBreaker": "unknown-breaker",
    "Denied": "denied",
    "Invalid": "invalid",
    "QuotaExceeded": "quota-exceeded",
    "TooLarge": "too-large",
    "Unavailable": "unavailable",
}


def _ask(error: type[ServiceError], call: Callable[..., Any], *args: Any) -> Any:
    """Calls an import, and raises the host's error as one of this package."""
    try:
        return call(*args)
    except Err as refused:
        case = refused.value
    if isinstance(case, str):
        raise error("failed", case)
    # The bindings name the class of a case after its variant: `StateError_TooLarge`.
    kind = _KINDS[type(case).__name__.rpartition("_")[2]]
    raise said(error, kind, getattr(case, "value", None))


class Permit:
    """Leave to make one call."""

    def __init__(self, permit: wit_breaker.Permit) -> None:
        self._permit = permit

    def complete(self, outcome: Outcome) -> None:
        wit_breaker.Permit.complete(self._permit, _OUTCOMES[outcome])


def _job(job: EncodedJob) -> wit_enqueue.NewJob:
    return wit_enqueue.NewJob(
        name=job.name,
        queue=job.queue,
        data=job.data,
        delay=job.delay_ms,
        unique_key=job.unique_key,
        child=job.child,
        options=job.options,
    )


class Component:
    """The worker that runs this component."""

    enqueued_at = staticmethod(context.enqueued_at)
    scheduled_at = staticmethod(context.scheduled_at)
    deadline = staticmethod(context.deadline)
    remaining = staticmethod(context.remaining)
    cancelled = staticmethod(context.cancelled)
    header = staticmethod(context.header)
    headers = staticmethod(context.headers)
    traceparent = staticmethod(context.traceparent)
    tracestate = staticmethod(context.tracestate)
    digest = staticmethod(context.digest)
    progress_report = staticmethod(wit_progress.report)
    counter_add = staticmethod(metrics.counter_add)
    gauge_set = staticmethod(metrics.gauge_set)
    histogram_record = staticmethod(metrics.histogram_record)

    def log_enabled(self, level: Level) -> bool:
        return bool(wit_log.enabled(_LEVELS[level]))

    def log_write(self, level: Level, message: str, fields: list[tuple[str, str]]) -> None:
        wit_log.write(_LEVELS[level], message, fields)

    def progress_set(self, value: bytes) -> None:
        _ask(ProgressError, wit_progress.set, value)

    def save_checkpoint(self, data: bytes) -> None:
        _ask(ProgressError, wit_progress.save_checkpoint, data)

    def load_checkpoint(self) -> bytes | None:
        answer: bytes | None = _ask(ProgressError, wit_progress.load_checkpoint)
        return answer

    def update_data(self, data: bytes) -> None:
        _ask(ProgressError, wit_progress.update_data, data)

    def submit(self, job: EncodedJob) -> tuple[str, bool]:
        added = _ask(EnqueueError, wit_enqueue.submit, _job(job))
        return added.id, added.existing

    def submit_many(self, jobs: list[EncodedJob]) -> list[tuple[str, bool]]:
        added = _ask(EnqueueError, wit_enqueue.submit_many, [_job(job) for job in jobs])
        return [(one.id, one.existing) for one in added]

    def read_children(self) -> list[tuple[str, bytes]]:
        answer: list[tuple[str, bytes]] = _ask(EnqueueError, wit_enqueue.children)
        return answer

    def read_failed_children(self) -> list[tuple[str, str]]:
        answer: list[tuple[str, str]] = _ask(EnqueueError, wit_enqueue.failed_children)
        return answer

    def state_get(self, key: str) -> bytes | None:
        answer: bytes | None = _ask(StateError, wit_state.get, key)
        return answer

    def state_set(self, key: str, value: bytes, ttl_ms: int | None) -> None:
        _ask(StateError, wit_state.set, key, value, ttl_ms)

    def state_delete(self, key: str) -> bool:
        answer: bool = _ask(StateError, wit_state.delete, key)
        return answer

    def state_increment(self, key: str, delta: int, ttl_ms: int | None) -> int:
        answer: int = _ask(StateError, wit_state.increment, key, delta, ttl_ms)
        return answer

    def state_compare_and_set(self, key: str, expected: bytes | None, value: bytes, ttl_ms: int | None) -> bool:
        answer: bool = _ask(StateError, wit_state.compare_and_set, key, expected, value, ttl_ms)
        return answer

    def secret(self, name: str) -> str:
        answer: str = _ask(SecretError, wit_secrets.get, name)
        return answer

    def try_acquire(self, limiter: str, key: str, cost: int) -> None:
        _ask(LimitError, wit_rate_limit.try_acquire, limiter, key, cost)

    def acquire(self, limiter: str, key: str, cost: int, max_wait_ms: int) -> int:
        answer: int = _ask(LimitError, wit_rate_limit.acquire, limiter, key, cost, max_wait_ms)
        return answer

    def enter(self, breaker: str, key: str) -> Permit:
        return Permit(_ask(BreakerError, wit_breaker.enter, breaker, key))

    def send(self, request: Request) -> StreamedResponse:
        return send(request)
