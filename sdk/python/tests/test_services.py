import unittest
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gristmill import (
    BreakerError,
    DeferredError,
    EnqueueError,
    LimitError,
    ProgressError,
    RateLimitedError,
    RetryableError,
    SecretError,
    ServiceError,
    StateError,
    circuit_breaker,
    context,
    enqueue,
    log,
    metrics,
    progress,
    rate_limit,
    secrets,
    state,
    testing,
)
from gristmill.circuit_breaker import Outcome
from gristmill.enqueue import Added, Child, NewJob


@dataclass
class Point:
    x: int
    y: int


class WithHost(unittest.TestCase):
    def setUp(self) -> None:
        self.host = self.enterContext(testing.host())

    def refused(self, error: type[ServiceError], kind: str, call: Callable[[], object]) -> ServiceError:
        with self.assertRaises(error) as caught:
            call()
        self.assertEqual(caught.exception.kind, kind)
        return caught.exception


class Host(unittest.TestCase):
    def test_without_a_host_the_error_says_what_to_do(self) -> None:
        with self.assertRaisesRegex(RuntimeError, r"with gristmill\.testing\.host\(\)"):
            log.info("nobody hears this")

    def test_call_brings_a_host_of_its_own(self) -> None:
        def counts(job: Any, data: Any) -> int:
            return state.increment("n")

        self.assertEqual(testing.call(counts, testing.job()), 1)
        self.assertEqual(testing.call(counts, testing.job()), 1)

    def test_hosts_know_nothing_of_each_other(self) -> None:
        with testing.host() as outer:
            log.info("outer")
            with testing.host() as inner:
                log.info("inner")
            log.info("outer again")
        self.assertEqual([line.message for line in outer.logs], ["outer", "outer again"])
        self.assertEqual([line.message for line in inner.logs], ["inner"])


class Context(WithHost):
    def test_it_says_what_the_test_says(self) -> None:
        self.host.context = testing.Context(
            enqueued_at_ms=1_000,
            scheduled_at_ms=2_000,
            deadline_ms=3_000,
            remaining_ms=1_500,
            cancelled=True,
            headers=[("Tenant", "acme"), ("tenant", "other")],
            traceparent="00-1-2-01",
            tracestate="a=b",
            digest="sha256:00",
        )
        self.assertEqual(context.enqueued_at().timestamp(), 1)
        self.assertEqual(context.scheduled_at().timestamp(), 2)
        deadline = context.deadline()
        assert deadline is not None
        self.assertEqual(deadline.timestamp(), 3)
        self.assertEqual(context.remaining(), timedelta(seconds=1.5))
        self.assertTrue(context.cancelled())
        self.assertEqual(context.header("TENANT"), "acme")
        self.assertIsNone(context.header("other"))
        self.assertEqual(len(context.headers()), 2)
        self.assertEqual((context.traceparent(), context.tracestate()), ("00-1-2-01", "a=b"))
        self.assertEqual(context.digest(), "sha256:00")

    def test_nothing_limits_a_test(self) -> None:
        self.assertIsNone(context.deadline())
        self.assertIsNone(context.remaining())
        self.assertFalse(context.cancelled())


class Progress(WithHost):
    def test_it_is_as_bullmq_shows_it(self) -> None:
        progress.report(1, 3)
        progress.report(5, 0)
        progress.report(9, 3)
        progress.report(1, 3, "reading")
        progress.report(7)
        progress.set({"step": Point(1, 2)})
        self.assertEqual(
            self.host.progress,
            [33, 100, 100, {"done": 1, "total": 3, "message": "reading"}, {"done": 7}, {"step": {"x": 1, "y": 2}}],
        )

    def test_wrong_numbers_and_values_do_not_reach_the_host(self) -> None:
        with self.assertRaisesRegex(ValueError, "`done` is from 0"):
            progress.report(-1)
        with self.assertRaisesRegex(TypeError, "`total` is a whole number, not float"):
            progress.report(1, 2.0)  # type: ignore[arg-type]
        self.refused(ProgressError, "failed", lambda: progress.set({1, 2}))
        self.assertEqual(self.host.progress, [])

    def test_checkpoints_and_data_are_kept(self) -> None:
        self.assertIsNone(progress.load_checkpoint())
        progress.save_checkpoint(Point(1, 2))
        self.assertEqual(progress.load_checkpoint(), {"x": 1, "y": 2})
        self.assertEqual(progress.load_checkpoint(Point), Point(1, 2))
        error = self.refused(ProgressError, "failed", lambda: progress.load_checkpoint(int))
        self.assertIn("the checkpoint holds something else: invalid type: map", str(error))
        progress.update_data([1])
        self.assertEqual(self.host.data, [[1]])


class Metrics(WithHost):
    def test_they_are_recorded(self) -> None:
        metrics.counter("sent", labels={"template": "welcome", "page": 2})
        metrics.gauge("depth", 3)
        metrics.histogram("pages", 1.5)
        self.assertEqual(
            self.host.metrics,
            [
                testing.Metric("counter", "sent", 1, {"template": "welcome", "page": "2"}),
                testing.Metric("gauge", "depth", 3.0),
                testing.Metric("histogram", "pages", 1.5),
            ],
        )

    def test_what_the_host_cannot_take_is_refused_before(self) -> None:
        calls: list[Callable[[], None]] = [
            lambda: metrics.counter("c", -1),
            lambda: metrics.counter("c", 2**64),
            lambda: metrics.gauge("g", 10**400),
        ]
        for call in calls:
            with self.assertRaises(ValueError):
                call()
        with self.assertRaises(TypeError):
            metrics.gauge("g", "1")  # type: ignore[arg-type]
        self.assertEqual(self.host.metrics, [])


class Enqueue(WithHost):
    def test_jobs_are_recorded(self) -> None:
        page = NewJob(
            "page", Point(1, 2), queue="pages", delay=1.5, unique_key="k", child=True, options={"priority": 2}
        )
        self.assertEqual(enqueue.submit(page), Added("added-1", False))
        many = enqueue.submit_many(NewJob("n", number) for number in (1, 2))
        self.assertEqual([added.id for added in many], ["added-2", "added-3"])
        self.assertEqual(
            self.host.enqueued[0],
            testing.Enqueued("page", {"x": 1, "y": 2}, "pages", 1500, "k", True, {"priority": 2}),
        )
        self.assertEqual(self.host.enqueued[1], testing.Enqueued("n", 1))

    def test_a_job_without_json_form_is_not_added(self) -> None:
        jobs = [NewJob("a", 1), NewJob("b", {"ids": {1}})]
        error = self.refused(EnqueueError, "invalid", lambda: enqueue.submit_many(jobs))
        self.assertIn("the job `b`: at `ids`: a value of type set", str(error))
        self.assertEqual(self.host.enqueued, [])
        with self.assertRaisesRegex(TypeError, "a job to add is a `NewJob`, not dict"):
            enqueue.submit({"name": "x"})  # type: ignore[arg-type]

    def test_children(self) -> None:
        self.host.children = {"bull:pages:7": {"x": 1, "y": 2}}
        self.host.failed_children = {"bull:pages:8": "no ink"}
        self.assertEqual(enqueue.children(Point), [Child("bull:pages:7", Point(1, 2))])
        self.assertEqual(enqueue.children()[0].value, {"x": 1, "y": 2})
        self.assertEqual(enqueue.failed_children(), [Child("bull:pages:8", "no ink")])
        error = self.refused(EnqueueError, "invalid", lambda: enqueue.children(str))
        self.assertIn("child `bull:pages:7` returned something else", str(error))


class State(WithHost):
    def test_values_are_kept(self) -> None:
        self.assertIsNone(state.get("k"))
        self.assertTrue(state.compare_and_set("k", None, Point(1, 2)))
        self.assertFalse(state.compare_and_set("k", None, 1))
        self.assertTrue(state.compare_and_set("k", Point(1, 2), Point(3, 4), ttl=60))
        self.assertEqual(state.get("k", Point), Point(3, 4))
        self.assertTrue(state.delete("k"))
        self.assertFalse(state.delete("k"))

    def test_numbers(self) -> None:
        self.assertEqual(state.increment("n"), 1)
        self.assertEqual(state.increment("n", -5, ttl=timedelta(days=1)), -4)
        state.set("text", "x")
        self.refused(StateError, "invalid", lambda: state.increment("text"))
        with self.assertRaises(ValueError):
            state.increment("n", 2**63)

    def test_mistakes(self) -> None:
        state.set("k", 1)
        error = self.refused(StateError, "invalid", lambda: state.get("k", str))
        self.assertIn("`k` holds something else: invalid type: integer `1`", str(error))
        self.refused(StateError, "invalid", lambda: state.set("k", object()))
        with self.assertRaisesRegex(TypeError, "a key is a text, not int"):
            state.get(5)  # type: ignore[call-overload]


class WithoutServices(WithHost):
    def test_what_needs_redis_is_unavailable_and_the_job_retried(self) -> None:
        self.host.services = False
        self.refused(StateError, "unavailable", lambda: state.get("k"))
        self.refused(StateError, "unavailable", lambda: state.compare_and_set("k", None, 1))
        self.refused(EnqueueError, "unavailable", lambda: enqueue.submit_many([NewJob("n")]))
        self.refused(EnqueueError, "unavailable", enqueue.children)
        self.refused(ProgressError, "failed", progress.load_checkpoint)
        with self.assertRaisesRegex(RetryableError, "Redis did not answer"):
            testing.call(lambda job, data: state.set("k", 1), testing.job())


class Secrets(WithHost):
    def test_only_those_that_are_allowed(self) -> None:
        self.host.secrets["API_KEY"] = "s3cr3t"
        self.assertEqual(secrets.get("API_KEY"), "s3cr3t")
        error = self.refused(SecretError, "denied", lambda: secrets.get("OTHER"))
        self.assertIn("`allow.secrets`", str(error))


class RateLimit(WithHost):
    def test_units_run_out(self) -> None:
        self.host.limiters["api"] = 3
        rate_limit.try_acquire("api", cost=2)
        self.assertEqual(rate_limit.acquire("api", "tenant", max_wait=5), timedelta(0))
        error = self.refused(LimitError, "limited", lambda: rate_limit.try_acquire("api"))
        self.assertEqual((str(error), error.retry_after), ("the limiter has no room for 1000 ms", timedelta(seconds=1)))
        with self.assertRaises(RateLimitedError) as caught:
            testing.call(lambda job, data: rate_limit.try_acquire("api"), testing.job())
        self.assertEqual(caught.exception.retry_after, timedelta(seconds=1))

    def test_answers_of_the_test(self) -> None:
        self.refused(LimitError, "denied", lambda: rate_limit.try_acquire("other"))
        self.host.limiters["other"] = LimitError("unknown-limiter", "no such limiter")
        self.refused(LimitError, "unknown-limiter", lambda: rate_limit.try_acquire("other"))
        self.host.limiters["other"] = 1
        self.refused(LimitError, "invalid", lambda: rate_limit.try_acquire("other", cost=0))
        with self.assertRaises(ValueError):
            rate_limit.try_acquire("other", cost=-1)


class Breaker(WithHost):
    def outcomes(self) -> list[Outcome]:
        return [guarded.outcome for guarded in self.host.guarded]

    def test_with_says_how_the_call_ended(self) -> None:
        self.host.breakers["stripe"] = True
        with circuit_breaker.enter("stripe"):
            pass
        with self.assertRaises(LookupError), circuit_breaker.enter("stripe", "eu"):
            raise LookupError
        with circuit_breaker.enter("stripe") as permit:
            permit.complete(Outcome.IGNORE)
        circuit_breaker.enter("stripe")
        self.assertEqual(self.outcomes(), [Outcome.SUCCESS, Outcome.FAILURE, Outcome.IGNORE, Outcome.FAILURE])
        self.assertEqual(self.host.guarded[1].key, "eu")

    def test_a_permit_is_for_one_call(self) -> None:
        self.host.breakers["stripe"] = True
        permit = circuit_breaker.enter("stripe")
        permit.complete(Outcome.SUCCESS)
        with self.assertRaisesRegex(ValueError, "completed already"):
            permit.complete(Outcome.FAILURE)
        self.assertEqual(self.outcomes(), [Outcome.SUCCESS])

    def test_an_open_breaker_defers_the_job(self) -> None:
        self.host.breakers["stripe"] = False
        with self.assertRaises(DeferredError) as caught:
            testing.call(lambda job, data: circuit_breaker.enter("stripe"), testing.job())
        self.assertEqual(caught.exception.delay, timedelta(seconds=1))
        self.refused(BreakerError, "denied", lambda: circuit_breaker.enter("other"))


if __name__ == "__main__":
    unittest.main()
