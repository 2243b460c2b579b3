import pickle
import sys
import unittest
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from gristmill import (
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
    testing,
)
from gristmill._time import MAX_MS, from_ms, moment, to_ms


class Odd(BaseException):
    """No `Exception`, and it fails to say what it is."""

    def __str__(self) -> str:
        raise ValueError("no text")


class NoText(Exception):
    def __str__(self) -> str:
        return 5  # type: ignore[return-value]


def ending(raising: Callable[[], object]) -> JobError:
    """How a job ends whose handler does this."""

    def handler(job: Any, data: Any) -> object:
        return raising()

    try:
        testing.call(handler, testing.job())
    except JobError as error:
        return error
    raise AssertionError("the handler raised nothing")


def raises(error: BaseException | type[BaseException]) -> Callable[[], object]:
    def act() -> object:
        raise error

    return act


class Ends(unittest.TestCase):
    def test_the_ends_that_a_handler_chooses_stay(self) -> None:
        for error in (
            RetryableError("r", "code", "detail"),
            PermanentError("p", code="code"),
            RateLimitedError("slow", 2.5),
            RateLimitedError("slow"),
            DeferredError("later", timedelta(minutes=1)),
            WaitForChildren(),
        ):
            with self.subTest(error=error):
                self.assertIs(ending(raises(error)), error)
        self.assertIsInstance(ending(raises(WaitForChildren)), WaitForChildren)

    def test_what_they_say(self) -> None:
        self.assertEqual(RateLimitedError("slow", 2.5).retry_after, timedelta(seconds=2.5))
        self.assertIsNone(RateLimitedError("slow").retry_after)
        self.assertEqual(DeferredError("later", 90).delay, timedelta(seconds=90))
        self.assertEqual(str(WaitForChildren()), "waits for its children")
        with self.assertRaisesRegex(ValueError, "not negative"):
            DeferredError("later", -1)

    def test_a_failure_without_detail_tells_its_cause(self) -> None:
        def act() -> None:
            try:
                int("x")
            except ValueError as error:
                raise PermanentError("no amount", code="bad-amount") from error

        end = ending(act)
        assert isinstance(end, PermanentError)
        self.assertEqual(end.code, "bad-amount")
        self.assertRegex(end.detail or "", r'(?s)caused by: .*test_errors\.py", line \d+.*ValueError: invalid literal')
        self.assertIsNone(getattr(ending(raises(PermanentError("no"))), "detail"))


class OtherExceptions(unittest.TestCase):
    def test_they_are_retryable_with_their_text_and_the_frames_of_the_handler(self) -> None:
        def deep(n: int) -> None:
            if n == 0:
                raise LookupError("nobody there")
            deep(n - 1)

        end = ending(lambda: deep(2))
        assert type(end) is RetryableError
        self.assertEqual((end.message, end.code), ("nobody there", None))
        lines = (end.detail or "").splitlines()
        self.assertEqual(lines[0], "Traceback (most recent call last):")
        self.assertEqual(lines[-1], "LookupError: nobody there")
        self.assertRegex(lines[-2], r'^  File ".*test_errors\.py", line \d+, in .*deep$')
        self.assertEqual(sum(line.endswith("deep") for line in lines), 3)
        self.assertNotIn("_handler.py", end.detail or "")

    def test_the_standard_librarys_frames_are_left_out(self) -> None:
        import json

        end = ending(lambda: json.loads("{"))
        self.assertNotIn("json/decoder", getattr(end, "detail"))
        self.assertIn("test_errors.py", getattr(end, "detail"))

    def test_deep_recursion_is_cut(self) -> None:
        def endless(n: int) -> int:
            return endless(n + 1) + 1

        end = ending(lambda: endless(0))
        assert isinstance(end, RetryableError)
        self.assertIn("recursion", end.message)
        self.assertRegex(end.detail or "", r"\.\.\. \d+ more")
        self.assertLess(len((end.detail or "").splitlines()), 60)

    def test_odd_ones(self) -> None:
        cases: list[tuple[BaseException | type[BaseException], str]] = [
            (ValueError(), "ValueError"),
            (ValueError("  "), "ValueError"),
            (KeyError("x"), "'x'"),
            (Odd(), "Odd"),
            (NoText(), "NoText"),
            (KeyboardInterrupt(), "KeyboardInterrupt"),
            (GeneratorExit(), "GeneratorExit"),
            (MemoryError(), "MemoryError"),
            (SystemExit("cannot go on"), "cannot go on"),
            (SystemExit(3), "the handler called sys.exit(3)"),
            (SystemExit(), "the handler called sys.exit()"),
            (ExceptionGroup("two", [ValueError("a"), KeyError("b")]), "two (2 sub-exceptions)"),
            (JobError("bare"), "bare"),
        ]
        for error, message in cases:
            with self.subTest(error=type(error)):
                end = ending(raises(error))
                self.assertIs(type(end), RetryableError)
                self.assertEqual(end.message, message)
                self.assertIn(type(error).__name__, getattr(end, "detail"))

    def test_sys_exit_is_no_trap(self) -> None:
        end = ending(lambda: sys.exit(1))
        self.assertIs(type(end), RetryableError)
        self.assertEqual(end.message, "the handler called sys.exit(1)")

    def test_a_chain_is_told_from_its_start(self) -> None:
        def act() -> None:
            try:
                int("x")
            except ValueError:
                raise LookupError("no amount")

        detail = getattr(ending(act), "detail")
        self.assertLess(detail.index("ValueError: invalid"), detail.index("which led to:"))
        self.assertLess(detail.index("which led to:"), detail.index("LookupError: no amount"))

    def test_a_chain_that_is_a_circle_ends(self) -> None:
        first, second = ValueError("first"), ValueError("second")
        first.__cause__, second.__cause__ = second, first
        detail = getattr(ending(raises(first)), "detail")
        self.assertEqual(detail.count("ValueError: second"), 1)


class ServiceErrors(unittest.TestCase):
    def test_what_would_fail_again_is_permanent_and_the_rest_retryable(self) -> None:
        permanent = [
            *(HttpError(kind, "x") for kind in ("denied", "url", "header", "too-large")),
            *(EnqueueError(kind, "x") for kind in ("denied", "invalid", "quota-exceeded")),
            *(StateError(kind, "x") for kind in ("invalid", "too-large")),
            SecretError("denied", "x"),
            *(LimitError(kind, "x") for kind in ("unknown-limiter", "denied", "invalid")),
            *(BreakerError(kind, "x") for kind in ("unknown-breaker", "denied", "invalid")),
        ]
        retryable = [
            *(HttpError(kind, "x") for kind in ("timeout", "failed")),
            EnqueueError("unavailable", "x"),
            *(StateError(kind, "x") for kind in ("unavailable", "quota-exceeded")),
            SecretError("unavailable", "x"),
            LimitError("unavailable", "x"),
            BreakerError("unavailable", "x"),
            ProgressError("failed", "x"),
        ]
        for errors, end in ((permanent, PermanentError), (retryable, RetryableError)):
            for error in errors:
                with self.subTest(error=type(error), kind=error.kind):
                    ended = ending(raises(error))
                    self.assertIs(type(ended), end)
                    self.assertEqual(ended.message, "x")

    def test_a_limiter_and_a_breaker_send_the_job_back(self) -> None:
        limited = ending(raises(LimitError("limited", "no room", timedelta(seconds=3))))
        assert isinstance(limited, RateLimitedError)
        self.assertEqual(limited.retry_after, timedelta(seconds=3))
        opened = ending(raises(BreakerError("open", "is open", timedelta(seconds=4))))
        assert isinstance(opened, DeferredError)
        self.assertEqual((opened.delay, opened.message), (timedelta(seconds=4), "is open"))

    def test_they_can_be_copied(self) -> None:
        error = pickle.loads(pickle.dumps(LimitError("limited", "no room", timedelta(seconds=3))))
        self.assertIsInstance(error, ServiceError)
        self.assertEqual((error.kind, str(error), error.retry_after), ("limited", "no room", timedelta(seconds=3)))


class Durations(unittest.TestCase):
    def test_seconds_and_timedeltas_become_ms(self) -> None:
        cases: list[tuple[Any, int]] = [
            (0, 0),
            (1.5, 1500),
            (0.29, 290),
            (timedelta(days=1), 86_400_000),
            (1e300, MAX_MS),
        ]
        for given, ms in cases:
            with self.subTest(given=given):
                self.assertEqual(to_ms(given), ms)
        wrong_values: list[Any] = [-1, float("nan"), timedelta(seconds=-1)]
        for wrong in wrong_values:
            with self.subTest(wrong=wrong), self.assertRaises(ValueError):
                to_ms(wrong)
        wrong_types: list[Any] = ["1s", None, True]
        for wrong_type in wrong_types:
            with self.subTest(wrong=wrong_type), self.assertRaises(TypeError):
                to_ms(wrong_type)

    def test_times_of_the_host_are_cut_to_what_python_knows(self) -> None:
        self.assertEqual(from_ms(1500), timedelta(seconds=1.5))
        self.assertLessEqual(from_ms(MAX_MS), timedelta.max)
        self.assertEqual(moment(1_000).isoformat(), "1970-01-01T00:00:01+00:00")
        self.assertEqual(moment(MAX_MS).year, 9999)


if __name__ == "__main__":
    unittest.main()
