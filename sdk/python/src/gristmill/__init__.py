"""Handlers for Gristmill, the worker for BullMQ queues that runs every job in its own WebAssembly sandbox.

A handler is a function from a job and its data to the job's return value:

    @gristmill.handler
    def total(job: Job, order: Order) -> str: ...

The modules `context`, `log`, `progress`, `metrics`, `enqueue`, `state`, `secrets`, `rate_limit`, `circuit_breaker` and
`http` are what a handler has of its host; `testing` runs handlers on your machine.
"""

from gristmill import (
    circuit_breaker,
    context,
    enqueue,
    http,
    log,
    metrics,
    progress,
    rate_limit,
    secrets,
    state,
)
from gristmill._handler import handler, typed
from gristmill.errors import (
    BreakerError,
    DeferredError,
    EnqueueError,
    HttpError,
    JobError,
    LimitError,
    PermanentError,
    ProgressError,
    RateLimitedError,
    RetryableError,
    SecretError,
    ServiceError,
    StateError,
    WaitForChildren,
)
from gristmill.job import Job

__all__ = [
    "BreakerError",
    "DeferredError",
    "EnqueueError",
    "HttpError",
    "Job",
    "JobError",
    "LimitError",
    "PermanentError",
    "ProgressError",
    "RateLimitedError",
    "RetryableError",
    "SecretError",
    "ServiceError",
    "StateError",
    "WaitForChildren",
    "circuit_breaker",
    "context",
    "enqueue",
    "handler",
    "http",
    "log",
    "metrics",
    "progress",
    "rate_limit",
    "secrets",
    "state",
    "typed",
]
