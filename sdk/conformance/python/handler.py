"""The guest that every SDK builds; see ../README.md."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn

import gristmill
from gristmill import (
    DeferredError,
    Job,
    PermanentError,
    RateLimitedError,
    RetryableError,
    ServiceError,
    WaitForChildren,
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

Step = dict[str, Any]


@dataclass
class Typed:
    to: str
    count: int


class Odd(BaseException):
    """The oddest thing that Python can raise: no `Exception`, and it fails to say what it is."""

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


def ms(count: int | None) -> timedelta | None:
    return None if count is None else timedelta(milliseconds=count)


def in_ms(time: timedelta | None) -> int | None:
    return None if time is None else time // timedelta(milliseconds=1)


def since_epoch(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)


def level(name: str) -> log.Level:
    return log.Level[name.upper()]


def tell_job(step: Step, job: Job) -> object:
    return {
        "id": job.id,
        "name": job.name,
        "queue": job.queue,
        "attempt": job.attempt,
        "maxAttempts": job.max_attempts,
    }


def tell_context(step: Step, job: Job) -> object:
    return {
        "enqueuedAt": since_epoch(context.enqueued_at()),
        "scheduledAt": since_epoch(context.scheduled_at()),
        "deadline": since_epoch(context.deadline()),
        "remaining": in_ms(context.remaining()),
        "cancelled": context.cancelled(),
        "header": context.header(step.get("name", "none")),
        "headers": dict(context.headers()),
        "traceparent": context.traceparent(),
        "tracestate": context.tracestate(),
        "digest": context.digest(),
    }


def new_job(given: dict[str, Any]) -> enqueue.NewJob:
    return enqueue.NewJob(
        given["name"],
        given.get("data"),
        queue=given.get("queue"),
        delay=ms(given.get("delay")),
        unique_key=given.get("uniqueKey"),
        child=given.get("child", False),
        options=given.get("options", {}),
    )


def enter(step: Step, job: Job) -> None:
    permit = circuit_breaker.enter(step["breaker"], step.get("key", ""))
    permit.complete(circuit_breaker.Outcome(step["outcome"]))


def acquire(step: Step, job: Job) -> bool:
    wait = timedelta(milliseconds=step["maxWait"])
    waited = rate_limit.acquire(step["limiter"], step.get("key", ""), step.get("cost", 1), max_wait=wait)
    return waited >= timedelta(milliseconds=100)


def ask(step: Step, job: Job) -> object:
    response = http.request(step.get("method", "GET"), step["url"], headers=step.get("headers"), body=step.get("body"))
    return {"status": response.status, "body": response.text(), "header": response.header("x-answer")}


def ask_for_pieces(step: Step, job: Job) -> int:
    with http.stream("GET", step["url"]) as response:
        return sum(len(piece) for piece in response)


def fail(step: Step, job: Job) -> NoReturn:
    message, code, detail = step.get("message", ""), step.get("code"), step.get("detail")
    match step["kind"]:
        case "retryable":
            raise RetryableError(message, code, detail)
        case "permanent":
            raise PermanentError(message, code, detail)
        case "rate-limited":
            raise RateLimitedError(message, ms(step.get("retryAfter")))
        case "deferred":
            raise DeferredError(message, timedelta(milliseconds=step["delay"]))
        case "wait-for-children":
            raise WaitForChildren
        case kind:
            raise PermanentError(f"there is no error `{kind}`")


def throw(step: Step, job: Job) -> NoReturn:
    match step["what"]:
        case "error":
            raise ValueError(step.get("message", ""))
        case "empty":
            raise ValueError
        case "odd":
            raise Odd
        case "text":
            sys.exit(step["message"])
        case _:
            os.abort()


def hoard(step: Step, job: Job) -> NoReturn:
    kept = []
    while True:
        kept.append(b"x" * (1 << 20))


def once(step: Step, job: Job) -> object:
    return perform(step["step"], job) if state.increment(step["key"]) == 1 else None


def until_cancelled(step: Step, job: Job) -> str:
    while not context.cancelled():
        time.sleep(0.01)
    return "cancelled"


def repeated(step: Step, job: Job) -> str:
    typed = gristmill.typed(Typed, step["value"])
    return typed.to * typed.count


STEPS: dict[str, Callable[[Step, Job], object]] = {
    "return": lambda step, _: step["value"],
    "job": tell_job,
    "context": tell_context,
    "log": lambda step, _: log.write(level(step["level"]), step["message"], step.get("fields")),
    "logEnabled": lambda step, _: log.enabled(level(step["level"])),
    "print": lambda step, _: print(step["line"]),
    "progress": lambda step, _: progress.report(step["done"], step.get("total"), step.get("message")),
    "progressSet": lambda step, _: progress.set(step["value"]),
    "saveCheckpoint": lambda step, _: progress.save_checkpoint(step["value"]),
    "loadCheckpoint": lambda _, __: progress.load_checkpoint(),
    "updateData": lambda step, _: progress.update_data(step["value"]),
    "counter": lambda step, _: metrics.counter(step["name"], step["value"], step.get("labels")),
    "gauge": lambda step, _: metrics.gauge(step["name"], step["value"], step.get("labels")),
    "histogram": lambda step, _: metrics.histogram(step["name"], step["value"], step.get("labels")),
    "enqueue": lambda step, _: enqueue.submit(new_job(step["job"])),
    "enqueueMany": lambda step, _: enqueue.submit_many(map(new_job, step["jobs"])),
    "children": lambda _, __: sorted(child.value for child in enqueue.children()),
    "failedChildren": lambda _, __: sorted(child.value for child in enqueue.failed_children()),
    "stateGet": lambda step, _: state.get(step["key"]),
    "stateSet": lambda step, _: state.set(step["key"], step["value"], ms(step.get("ttl"))),
    "stateDelete": lambda step, _: state.delete(step["key"]),
    "stateIncrement": lambda step, _: state.increment(step["key"], step["delta"], ms(step.get("ttl"))),
    "stateCompareAndSet": lambda step, _: state.compare_and_set(
        step["key"], step.get("expected"), step["value"], ms(step.get("ttl"))
    ),
    "secret": lambda step, _: len(secrets.get(step["name"])),
    "tryAcquire": lambda step, _: rate_limit.try_acquire(step["limiter"], step.get("key", ""), step.get("cost", 1)),
    "acquire": acquire,
    "enter": enter,
    "http": ask,
    "httpStream": ask_for_pieces,
    "fail": fail,
    "throw": throw,
    "hoard": hoard,
    "never": lambda _, __: time.sleep(60),
    "once": once,
    "clock": lambda _, __: time.time_ns() // 1_000_000,
    "random": lambda _, __: os.urandom(16).hex(),
    "sleep": lambda step, _: time.sleep(step["ms"] / 1000),
    "untilCancelled": until_cancelled,
    "typed": repeated,
}


def perform(step: Step, job: Job) -> object:
    run = STEPS.get(step["op"])
    if run is None:
        raise PermanentError(f"there is no operation `{step['op']}`")
    try:
        return run(step, job)
    except ServiceError as error:
        if not step.get("catch"):
            raise
        wait = in_ms(error.retry_after)
        return {"error": error.kind} if wait is None else {"error": error.kind, "retryAfter": wait}


@gristmill.handler
def conformance(job: Job, data: Any) -> object:
    if isinstance(data, list):
        return [perform(step, job) for step in data]
    return None if data["op"] == "nothing" else perform(data, job)
