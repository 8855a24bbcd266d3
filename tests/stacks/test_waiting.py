"""Looking at what other threads and tasks do leaves them alone."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from types import FrameType

import pytest

from pytest_querybudget.stacks.alone import LOCK, uncollected
from pytest_querybudget.stacks.waiting import all_waiting_frames, awaiting_frames


@pytest.mark.parametrize("enabled", [True, False])
def test_no_garbage_is_collected_while_frames_are_read(enabled: bool) -> None:
    """Up to Python 3.11 a collection could let a frame go while an object is made of it."""
    seen: list[bool] = []

    @uncollected
    def look(deeper: bool) -> None:
        seen.append(gc.isenabled())
        if deeper:
            look(deeper=False)
            seen.append(gc.isenabled())
            raise LookupError

    if not enabled:
        gc.disable()
    try:
        with pytest.raises(LookupError):
            look(deeper=True)
        assert gc.isenabled() is enabled
    finally:
        gc.enable()
    expected = enabled and sys.version_info >= (3, 12)
    assert seen == [expected] * 3


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="garbage is collected between two instructions only")
def test_an_interrupt_leaves_the_collector_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal, as that of a timeout, may come at any moment."""
    disable = gc.disable

    def interrupted() -> None:
        disable()
        raise KeyboardInterrupt

    monkeypatch.setattr(gc, "disable", interrupted)
    with pytest.raises(KeyboardInterrupt):
        uncollected(list)()
    assert gc.isenabled()
    free: list[bool] = []

    def take() -> None:
        free.append(LOCK.acquire(timeout=5))
        LOCK.release()

    other = threading.Thread(target=take)
    other.start()
    other.join()
    assert free == [True]


class Permissive:
    """Has any attribute, and returns itself; it may say that it is of another class."""

    def __init__(self, future: asyncio.Future[None], kind: type) -> None:
        self.future = future
        self.kind = kind

    @property
    def __class__(self) -> type:
        return self.kind

    @__class__.setter
    def __class__(self, kind: type) -> None:
        self.kind = kind

    def __await__(self) -> Iterator[None]:
        return self  # type: ignore[return-value]

    def __iter__(self) -> Permissive:
        return self

    def __next__(self) -> object:
        if self.future.done():
            raise StopIteration
        self.future._asyncio_future_blocking = True
        return self.future

    def __getattr__(self, name: str) -> Permissive:
        return self


@pytest.mark.parametrize("kind", [object, Generator])
def test_what_is_awaited_may_have_any_attribute(kind: type) -> None:
    """Only the language's own coroutines and generators tell what they await."""

    async def numbers(future: asyncio.Future[None]) -> AsyncIterator[int]:
        await Permissive(future, kind)  # type: ignore[misc]
        yield 1

    async def inner(future: asyncio.Future[None]) -> None:
        async for _ in numbers(future):
            pass
        await Permissive(future, kind)  # type: ignore[misc]

    async def outer(future: asyncio.Future[None]) -> None:
        await Permissive(future, kind)  # type: ignore[misc]

    async def main() -> list[list[str]]:
        future = asyncio.get_running_loop().create_future()
        tasks = [asyncio.create_task(each(future)) for each in (inner, outer)]
        await asyncio.sleep(0)
        found = [[each.f_code.co_name for each in awaiting_frames(task)] for task in tasks]
        future.set_result(None)
        await asyncio.gather(*tasks)
        return found

    assert asyncio.run(main()) == [["inner"], ["outer"]]


def test_the_stacks_of_all_threads() -> None:
    """What waits in a third thread is seen from a second one: the test's thread is the first."""
    begun, done = threading.Event(), threading.Event()
    found: list[list[FrameType]] = []
    names: list[list[str]] = []

    def wait() -> None:
        begun.set()
        done.wait(10)

    def look() -> None:
        begun.wait(10)
        found.extend(all_waiting_frames(threading.main_thread().ident or 0))
        names.extend([each.f_code.co_name for each in stack] for stack in found)
        found.clear()
        done.set()

    threads = [threading.Thread(target=each) for each in (wait, look)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert any("wait" in stack and "run" in stack for stack in names)
    assert any("test_the_stacks_of_all_threads" in stack for stack in names)
    assert not any("look" in stack for stack in names)
