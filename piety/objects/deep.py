"""The pickler for what is nested deeper than Python's stack.

A linked list of a thousand plain nodes is more than the standard library's pickler can do: it calls itself for each
object within another.  This one keeps a stack of its own, and is asked only when the other has given up: it takes 8 us
a node, some ten times as long.  It writes the same bytes.

Each object that has parts becomes a generator, which writes what it has to and yields each part in the moment when
that has to be written.
"""

from __future__ import annotations

import gc
import pickle
import types
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any

from piety.objects.pickling import Rules, reduce

# The pickler written in Python: it knows how to write numbers, texts, names, and the numbers of what it has seen.
_Pickler: Any = pickle._Pickler

# So many generators inside each other; a list of 200,000 nodes takes 400,000.  Only an object that is taken apart into
# ever new objects comes here: it is told to have failed after 2 s, before it has eaten the memory (200 MB).
DEEPEST = 500_000
_BATCH = 1000  # so many items are given to a list or dictionary at once, as by every pickler of Python's


class DeepPickler(Rules, _Pickler):
    """Pickles one record after another into `file`, however deep."""

    has_own_stack = True

    def dump(self, obj: Any) -> None:
        """Write a whole pickle."""
        collects = gc.isenabled()
        gc.disable()  # all that is made here is held by the stack or the memo: to look for garbage takes half the time
        try:
            super().dump(obj)
        finally:
            if collects:
                gc.enable()

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        """Write an object with all that it holds; called for the outermost one, and for the parts of a name."""
        steps: Iterator[Any] = iter((obj,))
        outer: list[Iterator[Any]] = []
        while True:
            for part in steps:
                inner = self._begin(part)
                if inner is not None:
                    outer.append(steps)
                    steps = inner
                    break
            else:
                if not outer:
                    return
                steps = outer.pop()
            if len(outer) > DEEPEST:
                outer.clear()  # the error may be held for a while, and with it what stands here
                raise RecursionError("nested too deep")

    def _begin(self, obj: Any) -> Iterator[Any] | None:
        """Write an object that has no parts, or what refers to it; else its generator."""
        kind = type(obj)
        leaf = _LEAVES.get(id(kind))
        if leaf is None and (reference := self.persistent_id(obj)) is not None:
            return self._reference(reference)
        seen = self.memo.get(id(obj))
        if seen is not None:
            self.write(self.get(seen[0]))
            return None
        if leaf is not None:
            leaf(self, obj)
            return None
        built_in = _BUILT_IN.get(id(kind))
        if built_in is not None:
            return built_in(self, obj)
        reduced = self.reducer_override(obj)
        if reduced is not NotImplemented:
            return self._reduced(obj, *reduced)
        if issubclass(kind, type):
            self.save_type(obj)
        else:
            self.save_global(obj, None if kind is types.FunctionType else reduce(obj))
        return None

    def _reference(self, reference: Any) -> Iterator[Any]:
        yield reference
        self.write(pickle.BINPERSID)

    def _tuple(self, obj: tuple[Any, ...]) -> Iterator[Any]:
        if not obj:
            self.write(pickle.EMPTY_TUPLE)
            return
        count = len(obj)
        if count > 3:
            self.write(pickle.MARK)
        yield from obj
        if id(obj) in self.memo:  # one of its parts holds it, and has written it
            self.write((pickle.POP_MARK if count > 3 else pickle.POP * count) + self.get(self.memo[id(obj)][0]))
        else:
            self.write((pickle.EMPTY_TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3, pickle.TUPLE)[min(count, 4)])
            self.memoize(obj)

    def _list(self, obj: list[Any]) -> Iterator[Any]:
        self.write(pickle.EMPTY_LIST)
        self.memoize(obj)
        return self._fill(zip(obj), pickle.APPEND, pickle.APPENDS)

    def _dict(self, obj: dict[Any, Any]) -> Iterator[Any]:
        self.write(pickle.EMPTY_DICT)
        self.memoize(obj)
        return self._fill(obj.items(), pickle.SETITEM, pickle.SETITEMS)

    def _set(self, obj: set[Any] | frozenset[Any]) -> Iterator[Any]:
        return self._reduced(obj, type(obj), (list(obj),))

    def _bytearray(self, obj: bytearray) -> Iterator[Any]:
        return self._reduced(obj, bytearray, (bytes(obj),) if obj else ())

    def _fill(self, items: Iterable[tuple[Any, ...]], one: bytes, many: bytes) -> Iterator[Any]:
        """Give a list or dictionary its items, each a tuple of what it consists of."""
        rest = iter(items)
        while batch := list(islice(rest, _BATCH)):
            if len(batch) > 1:
                self.write(pickle.MARK)
            for item in batch:
                yield from item
            self.write(many if len(batch) > 1 else one)

    def _reduced(
        self,
        obj: Any,
        function: Any,
        args: Any,
        state: Any = None,
        items: Any = None,
        pairs: Any = None,
        setter: Any = None,
    ) -> Iterator[Any]:
        """Write an object as what it is made with, and what it is given then."""
        parts, code = _making(obj, function, args)
        yield from parts
        self.write(code)
        if id(obj) in self.memo:  # one of the arguments holds it, and has written it
            self.write(pickle.POP + self.get(self.memo[id(obj)][0]))
        else:
            self.memoize(obj)
        if items is not None:
            yield from self._fill(zip(items), pickle.APPEND, pickle.APPENDS)
        if pairs is not None:
            yield from self._fill(((key, value) for key, value in pairs), pickle.SETITEM, pickle.SETITEMS)
        if state is None:
            return
        if setter is None:
            yield state
            self.write(pickle.BUILD)
        else:
            yield from (setter, obj, state)
            self.write(pickle.TUPLE2 + pickle.REDUCE + pickle.POP)


def _making(obj: Any, function: Any, args: Any) -> tuple[tuple[Any, Any], bytes]:
    """What has to be written to make an object, and the code that makes it then."""
    if not isinstance(args, tuple):
        raise pickle.PicklingError("an object is not made with a tuple of arguments")
    name = getattr(function, "__name__", "")
    if name == "__newobj__":
        if args[0] is not obj.__class__:
            raise pickle.PicklingError("an object is made of another class than its own")
        return (args[0], args[1:]), pickle.NEWOBJ
    if name == "__newobj_ex__":
        kind, positional, named = args
        return (partial(kind.__new__, kind, *positional, **named), ()), pickle.REDUCE
    return (function, args), pickle.REDUCE


_BUILT_IN: dict[int, Any] = {
    id(tuple): DeepPickler._tuple,
    id(list): DeepPickler._list,
    id(dict): DeepPickler._dict,
    id(set): DeepPickler._set,
    id(frozenset): DeepPickler._set,
    id(bytearray): DeepPickler._bytearray,
}  # by id, as a metaclass may have a hash of its own, which fails
_LEAVES: dict[int, Any] = {id(kind): _Pickler.dispatch[kind] for kind in (type(None), bool, int, float, bytes, str)}
