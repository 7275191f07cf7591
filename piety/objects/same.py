"""Whether two states are the same, by value and by shape.

Pickles can differ though nothing changed: a set of strings comes in another order in another process, two equal
strings are one object or two, NaN is not equal to itself.  So when the bytes differ, this walks both graphs side by
side and says whether a program could tell them apart: same types, same values, same order where order counts, and
plain mutable objects shared in the same places.
"""

from __future__ import annotations

import struct
import types
from typing import Any

from persistent import Persistent

from piety.objects.pickling import is_bound, reduce

_ATOMS = (type(None), bool, int, str, bytes, type(Ellipsis), type(NotImplemented), range)
_BY_IDENTITY = (type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType, Persistent)


def same(old: Any, new: Any) -> bool:
    """Whether `new` is what `old` is; both may hold cycles.

    An answer of False may be wrong in one case only: a set of objects that look alike, where finding out which is
    which would be a search.  It costs one needless write.
    """
    return _Walk().same(old, new)


class _Walk:
    def __init__(self) -> None:
        self._partner: dict[int, int] = {}  # id in old -> id in new, one to one
        self._back: dict[int, int] = {}
        self._keep: list[Any] = []  # temporaries, kept so that no id is used twice

    def same(self, old: Any, new: Any) -> bool:
        todo = [(old, new)]  # a stack of its own: states can be deeper than Python's
        while todo:
            old, new = todo.pop()
            if old is new:  # the old graph is freshly loaded: what it shares with the new one is a leaf
                continue
            if not self._step(old, new, todo):
                return False
        return True

    def _step(self, old: Any, new: Any, todo: list[tuple[Any, Any]]) -> bool:
        kind = type(old)
        if kind is not type(new):
            return False
        if kind in _ATOMS:
            return bool(old == new)
        if kind is float:
            return struct.pack("d", old) == struct.pack("d", new)
        if kind is complex:
            return struct.pack("2d", old.real, old.imag) == struct.pack("2d", new.real, new.imag)
        if issubclass(kind, _BY_IDENTITY) and not is_bound(old):
            return False  # it is not the same object, or `same` had not come here
        if kind is tuple:
            return self._pairs(old, new, todo)
        if kind is frozenset:
            return self._sets(old, new, todo)
        seen = self._partner.get(id(old))
        if seen is not None or id(new) in self._back:
            return seen == id(new) and self._back.get(id(new)) == id(old)
        self._partner[id(old)], self._back[id(new)] = id(new), id(old)
        self._keep += (old, new)
        if kind is list:
            return self._pairs(old, new, todo)
        if kind is dict:
            return self._pairs(old.keys(), new.keys(), todo) and self._pairs(old.values(), new.values(), todo)
        if kind is set:
            return self._sets(old, new, todo)
        if kind is bytearray:
            return bool(old == new)
        return self._objects(old, new, todo)

    def _pairs(self, old: Any, new: Any, todo: list[tuple[Any, Any]]) -> bool:
        if len(old) != len(new):
            return False
        todo.extend(zip(old, new, strict=True))
        return True

    def _sets(self, old: Any, new: Any, todo: list[tuple[Any, Any]]) -> bool:
        """Pair the elements that look alike, and then look inside each pair."""
        waiting: dict[Any, list[Any]] = {}
        try:
            for each in new:
                waiting.setdefault(_outline(each), []).append(each)
            for each in old:
                todo.append((each, waiting[_outline(each)].pop()))
        except Exception:  # one that looks like no other, or an object's own code fails
            return False
        return len(old) == len(new)

    def _objects(self, old: Any, new: Any, todo: list[tuple[Any, Any]]) -> bool:
        try:
            reduced = [_reduced(old), _reduced(new)]
        except Exception:  # the object's own code fails: it cannot be shown to be the same
            return False
        self._keep += reduced
        if isinstance(reduced[0], str) or isinstance(reduced[1], str):
            return bool(reduced[0] == reduced[1])
        todo.append((reduced[0], reduced[1]))
        return True


def _reduced(obj: Any) -> Any:
    """An object taken apart by pickle's own rules, with its items in lists."""
    reduced = reduce(obj)
    if isinstance(reduced, str):
        return reduced
    parts = [None if part is None else list(part) if place in (3, 4) else part for place, part in enumerate(reduced)]
    parts += [None] * (6 - len(parts))
    if type(parts[2]) is dict and not parts[2]:  # a dictionary that was not made yet is the same as an empty one
        parts[2] = None
    return tuple(parts)


def _outline(value: Any, depth: int = 4) -> Any:
    """A hashable stand-in for an element of a set: equal for the same values (1 is not True), down to some depth."""
    kind = type(value)
    if kind in _ATOMS:
        return kind, value
    if kind is float:
        return kind, struct.pack("d", value)
    if kind is complex:
        return kind, struct.pack("2d", value.real, value.imag)
    if issubclass(kind, _BY_IDENTITY) and not is_bound(value):
        return kind, id(value)
    if not depth:
        return kind
    if kind is tuple or kind is list:
        return kind, tuple(_outline(each, depth - 1) for each in value)
    if kind is frozenset or kind is set:
        return kind, frozenset(_outline(each, depth - 1) for each in value)
    if kind is dict:
        return kind, tuple((_outline(key, depth - 1), _outline(each, depth - 1)) for key, each in value.items())
    if kind is bytearray:
        return kind, bytes(value)
    reduced = _reduced(value)
    return kind, reduced if isinstance(reduced, str) else tuple(_outline(part, depth - 1) for part in reduced)
