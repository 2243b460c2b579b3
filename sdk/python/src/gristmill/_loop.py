"""An event loop for `async` handlers that needs no sockets, which a component has none of."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Sleeper:
    """In the place of a selector: nothing but time ever wakes the loop."""

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise RuntimeError(
                "the handler waits for something that can never happen: no task is left that could go on"
            )
        if timeout > 0:
            time.sleep(timeout)
        return []

    def close(self) -> None:
        pass


class Loop(asyncio.BaseEventLoop):
    """Runs tasks and timers. Calls to the host wait by themselves, outside the loop."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Sleeper()

    def _process_events(self, events: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        # Called from other threads to wake the selector; a component has no threads.
        pass

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        raise RuntimeError("a component has no threads: call the function itself")

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        pass


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end, then cancels the tasks that it left behind. Raises what it raises."""
    loop = Loop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(coroutine)
    finally:
        try:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            loop.close()
