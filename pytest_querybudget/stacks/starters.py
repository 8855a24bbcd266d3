"""Who has started the thread or task that runs: whether a function that waits meanwhile did so in a loop."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FrameType
from typing import NamedTuple

from pytest_querybudget.stacks.loops import Loops
from pytest_querybudget.stacks.sites import Mention, Site, Sites, name_of


class Waiting(NamedTuple):
    """The frames of the application's functions on a stack that waits, the outermost first.

    `again` is the index of the innermost one that was there when the same was sent before and waits anew, -1 if none.
    It `is_told` to run by the test or a web client if that is on the stack, too. Where one of those that wait has
    `filled` a queue in a loop, who takes from it in a loop answers nobody else.
    """

    frames: list[FrameType]
    again: int
    is_told: bool
    filled: bool = False

    def function_of(self, index: int) -> int:
        """Return the index of the function that a comprehension, up to Python 3.11 a frame of its own, belongs to."""
        while index > 0 and _is_comprehension(self.frames[index].f_code):
            index -= 1
        return index


class _Link(NamedTuple):
    """That a stack has started what runs: which of its frames names that, and whether in a loop, or only once.

    What is started `in_turn` is waited for in each round of the loop.
    """

    at: int
    repeated: bool
    in_turn: bool
    once: bool


class _Wanted(NamedTuple):
    """By what the source of a function may name another one, and by what its code does: a lambda by the inner code."""

    names: tuple[str, ...]
    keys: frozenset[str | int]


class Starters:
    """Tells by the source of what waits, and by where that stands, whether it starts what runs in a loop."""

    def __init__(self, loops: Loops) -> None:
        self.loops = loops
        self.sites = Sites(loops)

    def are_looping(self, stacks: list[Waiting], frames: list[FrameType]) -> bool:
        """Return whether those of these stacks that have started what runs did so in a loop.

        `frames` are the application's that run, the outermost last. For whom a thread or a task waits may be a future,
        a queue or an event, and nothing tells in public who has started it. So a stack must name the function where it
        starts something. What loops beside it, a heartbeat or a consumer of a queue, has nothing to do with it.
        """
        running = [each.f_code for each in reversed(frames) if not _is_comprehension(each.f_code)]
        runner = ""
        for index, code in enumerate(running):
            links = self._links(stacks, _wanted(code), runner)
            if not links and not runner:
                # What is around a function, as a decorator puts it, has the name of no function that is started.
                continue
            if not links or not self._all_loop(stacks, links):
                return False
            inner = running[index + 1 : index + 2]
            if not inner or self._calls(code, inner[0]):
                return True
            # It runs what it is given: who has given it that, and how often, is the question.
            runner = code.co_name
        return False

    def _calls(self, code: CodeType, inner: CodeType) -> bool:
        """Return whether a function calls by itself the one that it was seen calling."""
        name = inner.co_name
        return (name.startswith("__") and name.endswith("__")) or not _wanted(inner).keys.isdisjoint(
            self.loops.names(code)
        )

    def _all_loop(self, stacks: list[Waiting], links: list[tuple[Waiting, _Link]]) -> bool:
        """Return whether one of the stacks that are linked loops, and none of the others does not."""
        others = [each for each in stacks if all(each is not stack for stack, _ in links)]
        answers = [self._loops(stack, link, others) for stack, link in links]
        return True in answers and False not in answers

    def _loops(self, stack: Waiting, link: _Link, others: list[Waiting]) -> bool | None:
        """Return whether a stack starts what runs in a loop, or was itself started in one by one of the others.

        It is None where it waits in a loop that it has not gone round yet, as several do that run at once.
        """
        if link.repeated and not link.in_turn:
            return True
        if stack.again >= 0 and self._goes_round(stack):
            # It has done so once more: what is started outside of the loop is not, nor is one of several that a helper
            # works off.
            at = stack.function_of(stack.again)
            return link.repeated or at < link.at or (at > link.at and link.once)
        if not (link.repeated or stack.is_told):
            outer = self._links(others, _wanted(stack.frames[0].f_code), "")
            if outer and self._all_loop(others, outer):
                return True
        # One that waits in each round may have been called twice, and have gone round once: polling, for instance.
        waits = link.repeated or (link.once and any(map(self.loops.holds, stack.frames)))
        return None if waits else False

    def _goes_round(self, stack: Waiting) -> bool:
        """Return whether the innermost function that was there before waits in a loop of it, for what it names there.

        One that works off what it has put down line by line, as to undo it, names it elsewhere.
        """
        frame = stack.frames[stack.again]
        if not self.loops.holds(frame):
            return False
        inner = [each.f_code for each in stack.frames[stack.again + 1 :] if not _is_comprehension(each.f_code)]
        code = stack.frames[stack.function_of(stack.again)].f_code
        if not inner or self.loops.names(code).isdisjoint(_wanted(inner[0]).keys):
            return True
        site = self.sites.of(code)
        return site is not None and any(each.repeated for each in site.mentions.get(name_of(inner[0]), ()))

    def _links(self, stacks: list[Waiting], wanted: _Wanted, runner: str) -> list[tuple[Waiting, _Link]]:
        """Return the stacks that start what is wanted; `runner` is the name of a function that is given that to run."""
        found = [(each, self._link(each, wanted, runner)) for each in stacks]
        return [(stack, link) for stack, link in found if link is not None]

    def _link(self, stack: Waiting, wanted: _Wanted, runner: str) -> _Link | None:
        at = -1
        in_turn = named = False
        once = made = 0
        for index, name, mention, helpers in self._mentions(stack, wanted):
            is_given = any(each == runner or each in helpers for each, _ in mention.given)
            if mention.started or is_given or (mention.timed and stack.is_told):
                at = index if at < 0 else at
                same = any(each in helpers and place in helpers[each].repeatedly for each, place in mention.given)
                single = not (mention.repeated or same)
                in_turn = in_turn or (mention.repeated and mention.in_turn)
                named = named or name == wanted.names[0]
            else:
                single = not (mention.repeated or mention.awaited or mention.timed)
            if name == wanted.names[0]:
                once += single
            else:
                made += single
        if at < 0:
            return None
        if not named or made > 1:
            # Several objects may be what a loop goes through, but one that is made once may be called in it again.
            once += made
        return _Link(at, not once, in_turn, once <= 1)

    def _mentions(self, stack: Waiting, wanted: _Wanted) -> Iterator[tuple[int, str, Mention, dict[str, Site]]]:
        """Yield where a stack names what is wanted, by what name, and what further in starts what it is given."""
        helpers: dict[str, Site] = {}
        inside: CodeType | None = None
        for index in range(len(stack.frames) - 1, -1, -1):
            code = stack.frames[index].f_code
            if _is_comprehension(code):
                continue
            names = self.loops.names(code)
            site = None if names.isdisjoint(wanted.keys) else self.sites.of(code)
            if site is not None:
                # What is called by the name of what runs, and is awaited, may be what a decorator has put around it.
                around = inside is not None and inside.co_name in helpers and inside.co_name not in names
                for name, found in _mentions_of(wanted, site):
                    mention = found._replace(repeated=False) if found.answers and not stack.filled else found
                    by_decorator = around and mention.called and mention.awaited
                    yield index, name, mention._replace(started=True) if by_decorator else mention, helpers
            given = self.sites.of(code)
            if given is not None and given.at_all:
                helpers[code.co_name] = given
            inside = code


def _mentions_of(wanted: _Wanted, site: Site) -> Iterator[tuple[str, Mention]]:
    for name in wanted.names:
        for each in site.mentions.get(name, ()):
            yield name, each


def _wanted(code: CodeType) -> _Wanted:
    names = [name_of(code)]
    if code.co_name in ("run", "__call__"):
        names += _class_of(code)
    return _Wanted(tuple(names), frozenset({*names, id(code)}))


def _class_of(code: CodeType) -> list[str]:
    """Return the name of the class that a method is written in, as far as its code tells: from Python 3.11 on.

    The instance would tell its class, too. But whoever reads the locals of a function that runs keeps alive, up to
    Python 3.12, all that they refer to at that time until it returns, and the session asks for less than it would.
    """
    return getattr(code, "co_qualname", "").split(".")[-2:-1]


def _is_comprehension(code: CodeType) -> bool:
    return code.co_name in ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
