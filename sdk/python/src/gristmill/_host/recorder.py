"""A host for tests: it remembers what a handler asked of it, and answers what the test says."""

import json
from collections.abc import Callable
from typing import Any

from gristmill import _host, _json, _url
from gristmill._host.records import Context, Enqueued, Guarded, Line, Metric
from gristmill._host.words import said
from gristmill.circuit_breaker import Outcome
from gristmill.errors import (
    BreakerError,
    EnqueueError,
    HttpError,
    LimitError,
    ProgressError,
    SecretError,
    ServiceError,
    StateError,
)
from gristmill.http import Request, Response, StreamedResponse
from gristmill.log import Level

_AWAY = "the test says so; see `services` of the host"
_WAIT_MS = 1000
"""How long a limiter or a breaker without room says to wait."""


class Permit:
    """Writes down how its call ended."""

    def __init__(self, guarded: Guarded) -> None:
        self._guarded = guarded

    def complete(self, outcome: Outcome) -> None:
        self._guarded.outcome = outcome


class Body:
    """A body in pieces, as a network would give it."""

    def __init__(self, body: bytes) -> None:
        self._left = body

    def read(self) -> bytes | None:
        piece, self._left = self._left[:1024], self._left[1024:]
        return piece or None

    def close(self) -> None:
        self._left = b""


class Recorder:
    """The host of `gristmill.testing.host`: its fields are records of what a handler did and answers that tests set."""

    def __init__(self) -> None:
        self.logs: list[Line] = []
        """Lines of the log, without those of `print`."""
        self.progress: list[Any] = []
        """Progress values as BullMQ would show them."""
        self.metrics: list[Metric] = []
        """Metric records."""
        self.requests: list[Request] = []
        """HTTP requests."""
        self.enqueued: list[Enqueued] = []
        """Jobs added; their ids are `added-1` and so on."""
        self.data: list[Any] = []
        """Values that replaced the job's data."""
        self.guarded: list[Guarded] = []
        """Calls that a breaker let pass, and how they ended."""
        self.state: dict[str, Any] = {}
        """The job type's state, as values; tests may set it."""
        self.checkpoint: Any = None
        """The value that was kept last; tests may set it, None for none."""
        self.context = Context()
        """What `gristmill.context` says."""
        self.secrets: dict[str, str] = {}
        """Secrets that are allowed; others are denied."""
        self.limiters: dict[str, int | ServiceError] = {}
        """Limiters that are allowed, with the units that each has left or the error it gives; others are denied."""
        self.breakers: dict[str, bool | ServiceError] = {}
        """Breakers that are allowed: True for closed, False for open, or the error that it gives; others are denied."""
        self.children: dict[str, Any] = {}
        """Children that completed: BullMQ's key and return value."""
        self.failed_children: dict[str, str] = {}
        """Children that failed: BullMQ's key and reason."""
        self.responses: list[Response | HttpError | Callable[[Request], Response]] = []
        """What HTTP requests get, one each in this order, a function for its request; without one they fail."""
        self.services = True
        """Whether the services that need Redis (`enqueue`, `state`, checkpoints, the job's data) answer."""

    def enqueued_at(self) -> int:
        return self.context.enqueued_at_ms

    def scheduled_at(self) -> int:
        return self.context.scheduled_at_ms

    def deadline(self) -> int | None:
        return self.context.deadline_ms

    def remaining(self) -> int | None:
        return self.context.remaining_ms

    def cancelled(self) -> bool:
        return self.context.cancelled

    def header(self, name: str) -> str | None:
        return next((value for known, value in self.headers() if known.lower() == name.lower()), None)

    def headers(self) -> list[tuple[str, str]]:
        return list(self.context.headers)

    def traceparent(self) -> str | None:
        return self.context.traceparent

    def tracestate(self) -> str | None:
        return self.context.tracestate

    def digest(self) -> str:
        return self.context.digest

    def log_enabled(self, level: Level) -> bool:
        return level >= self.context.log_level

    def log_write(self, level: Level, message: str, fields: list[tuple[str, str]]) -> None:
        self.logs.append(Line(level, message, dict(fields)))

    def progress_report(self, done: int, total: int | None, message: str | None) -> None:
        if total is not None and message is None:
            self.progress.append(min(done * 100 // total, 100) if total else 100)
        else:
            given = {"done": done, "total": total, "message": message}
            self.progress.append({name: value for name, value in given.items() if value is not None})

    def progress_set(self, value: bytes) -> None:
        self.progress.append(json.loads(value))

    def save_checkpoint(self, data: bytes) -> None:
        self._served(ProgressError)
        self.checkpoint = json.loads(data)

    def load_checkpoint(self) -> bytes | None:
        self._served(ProgressError)
        return None if self.checkpoint is None else _json.write(self.checkpoint)

    def update_data(self, data: bytes) -> None:
        self._served(ProgressError)
        self.data.append(json.loads(data))

    def counter_add(self, name: str, value: int, labels: list[tuple[str, str]]) -> None:
        self.metrics.append(Metric("counter", name, value, dict(labels)))

    def gauge_set(self, name: str, value: float, labels: list[tuple[str, str]]) -> None:
        self.metrics.append(Metric("gauge", name, value, dict(labels)))

    def histogram_record(self, name: str, value: float, labels: list[tuple[str, str]]) -> None:
        self.metrics.append(Metric("histogram", name, value, dict(labels)))

    def submit(self, job: _host.EncodedJob) -> tuple[str, bool]:
        self._served(EnqueueError)
        self.enqueued.append(
            Enqueued(
                name=job.name,
                data=json.loads(job.data),
                queue=job.queue,
                delay_ms=job.delay_ms,
                unique_key=job.unique_key,
                child=job.child,
                options={} if job.options is None else json.loads(job.options),
            )
        )
        return f"added-{len(self.enqueued)}", False

    def submit_many(self, jobs: list[_host.EncodedJob]) -> list[tuple[str, bool]]:
        self._served(EnqueueError)
        return [self.submit(job) for job in jobs]

    def read_children(self) -> list[tuple[str, bytes]]:
        self._served(EnqueueError)
        return [(key, _json.write(value)) for key, value in self.children.items()]

    def read_failed_children(self) -> list[tuple[str, str]]:
        self._served(EnqueueError)
        return list(self.failed_children.items())

    def state_get(self, key: str) -> bytes | None:
        self._served(StateError)
        return _json.write(self.state[key]) if key in self.state else None

    def state_set(self, key: str, value: bytes, ttl_ms: int | None) -> None:
        self._served(StateError)
        self.state[key] = json.loads(value)

    def state_delete(self, key: str) -> bool:
        self._served(StateError)
        return self.state.pop(key, self) is not self

    def state_increment(self, key: str, delta: int, ttl_ms: int | None) -> int:
        self._served(StateError)
        present = self.state.get(key, 0)
        if not isinstance(present, int) or isinstance(present, bool) or not -(2**63) <= present + delta < 2**63:
            raise StateError("invalid", f"`{key}` holds no whole number")
        self.state[key] = present + delta
        return present + delta

    def state_compare_and_set(self, key: str, expected: bytes | None, value: bytes, ttl_ms: int | None) -> bool:
        if self.state_get(key) != expected:
            return False
        self.state_set(key, value, ttl_ms)
        return True

    def secret(self, name: str) -> str:
        if name not in self.secrets:
            raise said(SecretError, "denied")
        return self.secrets[name]

    def try_acquire(self, limiter: str, key: str, cost: int) -> None:
        left = self.limiters.get(limiter)
        if isinstance(left, ServiceError):
            raise left
        if left is None:
            raise said(LimitError, "denied")
        if cost == 0:
            raise said(LimitError, "invalid", "a cost is at least 1")
        if cost > left:
            raise said(LimitError, "limited", _WAIT_MS)
        self.limiters[limiter] = left - cost

    def acquire(self, limiter: str, key: str, cost: int, max_wait_ms: int) -> int:
        self.try_acquire(limiter, key, cost)
        return 0

    def enter(self, breaker: str, key: str) -> Permit:
        closed = self.breakers.get(breaker)
        if isinstance(closed, ServiceError):
            raise closed
        if closed is None:
            raise said(BreakerError, "denied")
        if not closed:
            raise said(BreakerError, "open", _WAIT_MS)
        self.guarded.append(Guarded(breaker, key, Outcome.FAILURE))
        return Permit(self.guarded[-1])

    def send(self, request: Request) -> StreamedResponse:
        self.requests.append(request)
        if not self.responses:
            authority = _url.split(request.url).authority
            reason = "the test gave no answer; see `responses` of the host"
            raise HttpError("failed", f"the request to `{authority}` failed: {reason}")
        answer = self.responses.pop(0)
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, HttpError):
            raise answer
        headers = [(name.lower(), value) for name, value in answer.headers]
        return StreamedResponse(answer.status, headers, Body(answer.body))

    def _served(self, error: type[ServiceError]) -> None:
        if not self.services:
            if error is ProgressError:
                raise ProgressError("failed", _AWAY)
            raise said(error, "unavailable", _AWAY)
