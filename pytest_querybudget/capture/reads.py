"""Hears of attributes that are read of mapped objects.

One of the places that touch more of SQLAlchemy than its public events: a mapped class whose objects an audited
statement loads gets a `__getattribute__` of its own until the run ends. That is the only way to see `vars(order)`,
pickling and serializers, which go past SQLAlchemy's descriptors.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any, Protocol

_read = object.__getattribute__
STATE = "_sa_instance_state"
# Names that stand for an object as a whole.
_WHOLE = frozenset({"__dict__", "__getstate__", "__reduce__", "__reduce_ex__", "__deepcopy__", "__copy__"})
_SPECIAL = _WHOLE | {STATE, "__class__"}
# Modules of `sqlalchemy.orm` that look at objects for their own ends, and those that do so on behalf of a call which
# makes something of the object (adds it, deletes it, relates it to another): every other module may read anything.
_INTERNAL = frozenset(
    """bulk_persistence collections context descriptor_props evaluator events identity instrumentation loading
    persistence query state strategies sync""".split()
)
_TOUCHING = frozenset("attributes base dependency dynamic mapper relationships session unitofwork writeonly".split())
# Functions of the latter that read what they are not known to need.
_READING = {
    "attributes": frozenset({"get_history", "get_attribute", "get_state_history"}),
    "base": frozenset({"_inspect_mapped_object"}),
    "relationships": frozenset({"merge"}),
    "session": frozenset({"merge", "_merge", "bulk_save_objects", "_bulk_save_mappings"}),
}
_SETTING = frozenset({"__set__", "__delete__"})


class Seen(Protocol):
    """What hears of reads: one for each place of a result that an object came from."""

    def add(self, name: str) -> None:
        """Hear that an attribute was read or written."""

    def touch(self) -> None:
        """Hear that something was done with an object as such."""

    def take_whole(self) -> None:
        """Hear that all of an object may have been read."""


class Reads:
    """The reads of one audit. `key` is the name under which an object's state keeps who hears of them."""

    def __init__(self, loading: Any) -> None:
        self.key = f"_querybudget_reads_{id(self)}"
        self.active = True
        # Who hears of reads of an object that is just being loaded: listeners may look at it before it is known.
        self.loading = loading
        self.hooks: list[tuple[type, Any]] = []
        self.hooked: set[type] = set()
        orm = Path(sys.modules["sqlalchemy.orm"].__file__ or "").parent
        self.descriptor = sys.modules["sqlalchemy.orm.attributes"].InstrumentedAttribute.__get__.__code__
        self.modules = {str(each): each.stem for each in orm.glob("*.py")}
        # Mutable values only look for their parents.
        self.modules[str(orm.parent / "ext" / "mutable.py")] = "loading"

    def seen(self, instance: Any) -> Iterable[Seen]:
        """Return who hears of an object."""
        try:
            found: Iterable[Seen] = _read(instance, STATE).__dict__.get(self.key) or self.loading.stack
        except AttributeError:
            return ()
        return found

    def watch(self, kind: type) -> None:
        """Hear of what is read of the objects of a mapped class."""
        if kind in self.hooked:
            return
        self.hooked.add(kind)
        previous: Any = kind.__getattribute__
        if getattr(previous, "reads", None) is self:
            return
        hook = _hook(self, previous)
        hook.own = kind.__dict__.get("__getattribute__")
        type.__setattr__(kind, "__getattribute__", hook)
        self.hooks.append((kind, hook))

    def remove(self) -> None:
        """Leave the classes as they were; what another audit has laid over them goes when that one ends."""
        self.active = False
        for kind, hook in reversed(self.hooks):
            top = kind.__dict__.get("__getattribute__")
            while top is not None and getattr(top, "reads", None) is not None and not top.reads.active:
                top = top.own
            if top is not kind.__dict__.get("__getattribute__") or top is hook:
                if top is None:
                    type.__delattr__(kind, "__getattribute__")
                else:
                    type.__setattr__(kind, "__getattribute__", top)
        self.hooks.clear()
        self.hooked.clear()

    def note_special(self, instance: Any, name: str, frame: FrameType) -> None:
        """Judge a read of what stands for the object as a whole by who reads it."""
        seen = self.seen(instance)
        if not seen or name == "__class__":
            return
        module = self.modules.get(frame.f_code.co_filename)
        if module == "state" and frame.f_code.co_name == "dict" and frame.f_back is not None:
            # A property that everybody uses: the one who asks for it counts.
            frame = frame.f_back
            module = self.modules.get(frame.f_code.co_filename)
        asks = frame.f_back if frame.f_code.co_name == "<genexpr>" and frame.f_back is not None else frame
        function = asks.f_code.co_name
        if module == "attributes" and function == "__get__":
            self._note_descriptor(seen, frame)
            return
        if module in _INTERNAL:
            return
        if module not in _TOUCHING or function in _READING.get(module, ()) or name not in (STATE, "__dict__"):
            for each in seen:
                each.take_whole()
        elif name == STATE:
            key = frame.f_locals["self"].key if module == "attributes" and function in _SETTING else None
            for each in seen:
                each.touch()
                if key is not None:
                    each.add(key)

    def _note_descriptor(self, seen: Iterable[Seen], frame: FrameType) -> None:
        """Note a read by a descriptor that was asked itself (`Order.note.__get__(order)`), and not by attribute."""
        if frame.f_back is None or frame.f_back.f_code.co_filename != __file__:
            for each in seen:
                each.add(frame.f_locals["self"].key)


def _hook(reads: Reads, previous: Any) -> Any:
    """Return a `__getattribute__` that tells of each read, and then does what the class did before."""
    key = reads.key
    loading = reads.loading
    # What SQLAlchemy itself looks at all the time: while it loads, and in the descriptor of what is read by name.
    quiet = frozenset(path for path, module in reads.modules.items() if module in _INTERNAL and module != "state")
    descriptor = reads.descriptor

    def __getattribute__(self: Any, name: str) -> Any:  # noqa: N807 - it becomes that method
        __tracebackhide__ = True
        if reads.active:
            if name in _SPECIAL:
                frame = sys._getframe(1)  # noqa: SLF001
                code = frame.f_code
                if code.co_filename in quiet:
                    return previous(self, name)
                if code is descriptor and frame.f_back is not None and frame.f_back.f_code.co_filename == __file__:
                    return previous(self, name)
                while frame.f_code.co_filename == __file__ and frame.f_back is not None:
                    frame = frame.f_back
                reads.note_special(self, name, frame)
            else:
                try:
                    seen = _read(self, STATE).__dict__.get(key) or loading.stack
                except AttributeError:
                    seen = ()
                for each in seen:
                    each.add(name)
        return previous(self, name)

    # SQLAlchemy gives a warning to the first line outside of itself: to the one who reads, and not to this function.
    names = {**globals(), "__name__": "sqlalchemy.orm.attributes"}
    hook: Any = FunctionType(__getattribute__.__code__, names, closure=__getattribute__.__closure__)
    hook.reads = reads
    return hook
