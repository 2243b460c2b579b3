import asyncio
import subprocess
import sys
import textwrap
import unittest
from dataclasses import dataclass
from typing import Any

import gristmill
from gristmill import Job, PermanentError, RetryableError, _handler, log, testing


@dataclass
class Order:
    items: list[float]
    currency: str


def total(job: Job, order: Order) -> str:
    return f"{sum(order.items):.2f} {order.currency}"


def late(job: "Job", value: "Later") -> int:
    return value.count


@dataclass
class Later:
    count: int


def python(code: str) -> "subprocess.CompletedProcess[str]":
    """Runs code in a process of its own, where nothing is registered yet."""
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)


class Calling(unittest.TestCase):
    def test_data_and_value_go_through_json(self) -> None:
        self.assertEqual(testing.call(total, testing.job({"items": [1.5, 2], "currency": "EUR"})), "3.50 EUR")
        self.assertEqual(testing.call(late, testing.job({"count": 4})), 4)

    def test_a_handler_stays_an_ordinary_function(self) -> None:
        def double(job: Job, n: int) -> int:
            return n * 2

        marked = gristmill.handler(double)
        self.assertIs(marked, double)
        self.assertEqual(marked(testing.job(), 4), 8)

    def test_data_without_a_type_is_plain_json(self) -> None:
        def plain(job, data):  # type: ignore[no-untyped-def]
            return data

        def any_data(job: Job, data: Any) -> Any:
            return data

        for handler in (plain, any_data, lambda job, data: data):
            self.assertEqual(testing.call(handler, testing.job({"a": [1, None]})), {"a": [1, None]})

    def test_none_is_no_value(self) -> None:
        def nothing(job: Job, data: Any) -> None:
            return None

        self.assertIsNone(testing.call(nothing, testing.job()))
        self.assertIsNone(_handler.run(nothing, testing.job()))

    def test_data_that_does_not_fit_is_permanent_and_names_the_place(self) -> None:
        with self.assertRaises(PermanentError) as caught:
            testing.call(total, testing.job({"items": [1, "two"], "currency": "EUR"}))
        self.assertEqual(
            caught.exception.message,
            'the job\'s data does not fit this handler: at `items[1]`: invalid type: string "two", expected float',
        )
        self.assertEqual(caught.exception.code, "bad-data")

    def test_data_that_is_no_json_is_permanent(self) -> None:
        broken = Job("1", "test", "test", 1, 3, b'{"items":')
        with self.assertRaisesRegex(PermanentError, "does not fit this handler: Expecting value: line 1 column 10"):
            testing.call(total, broken)

    def test_a_value_without_json_form_is_permanent(self) -> None:
        with self.assertRaises(PermanentError) as caught:
            testing.call(lambda job, data: {"ids": {1}}, testing.job())
        self.assertEqual(caught.exception.code, "bad-return-value")
        self.assertIn("at `ids`: a value of type set has no JSON form", caught.exception.message)

    def test_typed_reads_as_a_handler_does(self) -> None:
        self.assertEqual(gristmill.typed(Order, {"items": [1], "currency": "EUR"}), Order([1.0], "EUR"))
        with self.assertRaises(PermanentError) as caught:
            gristmill.typed(Order, {"items": []})
        self.assertEqual(caught.exception.code, "bad-data")

    def test_the_last_attempt(self) -> None:
        self.assertFalse(testing.job().is_last_attempt)
        self.assertTrue(testing.job(attempt=3, max_attempts=3).is_last_attempt)


class Async(unittest.TestCase):
    def test_tasks_and_timers_run(self) -> None:
        async def both(job: Job, n: int) -> list[int]:
            async def later(value: int) -> int:
                await asyncio.sleep(0.001 * value)
                log.info("woke", value=value)
                return value

            return list(await asyncio.gather(*(later(value) for value in range(n, 0, -1))))

        with testing.host() as host:
            self.assertEqual(testing.call(both, testing.job(3)), [3, 2, 1])
        self.assertEqual([line.fields["value"] for line in host.logs], ["1", "2", "3"])

    def test_an_exception_ends_the_job(self) -> None:
        async def fails(job: Job, data: Any) -> None:
            await asyncio.sleep(0)
            raise LookupError("nobody there")

        with self.assertRaisesRegex(RetryableError, "nobody there") as caught:
            testing.call(fails, testing.job())
        self.assertIn("in Async.test_an_exception_ends_the_job.<locals>.fails", caught.exception.detail or "")

    def test_a_wait_that_can_never_end_is_an_error(self) -> None:
        async def stuck(job: Job, data: Any) -> None:
            await asyncio.get_running_loop().create_future()

        with self.assertRaisesRegex(RetryableError, "can never happen"):
            testing.call(stuck, testing.job())

    def test_there_are_no_threads(self) -> None:
        async def threaded(job: Job, data: Any) -> Any:
            return await asyncio.to_thread(len, "x")

        with self.assertRaisesRegex(RetryableError, "a component has no threads"):
            testing.call(threaded, testing.job())

    def test_tasks_left_behind_are_cancelled(self) -> None:
        ended: list[str] = []

        async def background() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                ended.append("cancelled")

        async def leaves(job: Job, data: Any) -> int:
            task = asyncio.create_task(background())
            await asyncio.sleep(0)
            return 1 if not task.done() else 0

        self.assertEqual(testing.call(leaves, testing.job()), 1)
        self.assertEqual(ended, ["cancelled"])

    def test_a_timeout_works(self) -> None:
        async def slow(job: Job, data: Any) -> str:
            try:
                await asyncio.wait_for(asyncio.sleep(60), 0.001)
            except TimeoutError:
                return "too slow"
            return "fast"

        self.assertEqual(testing.call(slow, testing.job()), "too slow")


class Registering(unittest.TestCase):
    def test_parameters_must_be_a_job_and_its_data(self) -> None:
        with self.assertRaisesRegex(TypeError, "takes two arguments, the job and its data"):
            gristmill.handler(lambda job: None)
        with self.assertRaisesRegex(TypeError, "marks a function"):
            gristmill.handler(Order)

        def swapped(order: Order, job: Job) -> None: ...

        with self.assertRaisesRegex(
            TypeError, "first argument of the handler .*swapped` is a `gristmill.Job`, not Order"
        ):
            _handler.prepare(swapped)

    def test_a_data_type_that_json_cannot_become(self) -> None:
        def reads_bytes(job: Job, data: bytes) -> None: ...

        with self.assertRaisesRegex(TypeError, "JSON cannot become bytes"):
            _handler.prepare(reads_bytes)

    def test_a_second_handler_is_an_error_that_names_both(self) -> None:
        done = python("""
            import gristmill
            @gristmill.handler
            def first(job, data): ...
            @gristmill.handler
            def second(job, data): ...
        """)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("a component has one handler, but `__main__.first` and `__main__.second` are both", done.stderr)

    def test_a_component_has_exactly_one(self) -> None:
        done = python("""
            import gristmill
            from gristmill._handler import the_handler
            try: the_handler()
            except TypeError as error: print(error)
            @gristmill.handler
            def only(job, data): ...
            print(the_handler() is only)
            def other(job, data): ...
            other.__module__ = "elsewhere"
            gristmill.handler(other)
            try: the_handler()
            except TypeError as error: print(error)
        """)
        lines = done.stdout.splitlines()
        self.assertIn("there is no handler", lines[0])
        self.assertEqual(lines[1], "True")
        self.assertIn("`__main__.only` and `elsewhere.other`", lines[2])


if __name__ == "__main__":
    unittest.main()
