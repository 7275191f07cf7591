"""Is the image whole?  Every object is read, and what is broken is named.

The walk goes from the root along the references, breadth first, so that each object is met on a short way from the
world, and that way can be told.  Objects are read one by one and let go; what is kept of each is its number and where
it was met, 30 bytes.  What nothing refers to any more (a deleted module, an old list) may be of a class that is
long gone: of such objects only the records are read.
"""

from __future__ import annotations

import warnings
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from BTrees.check import check
from BTrees.LLBTree import LLTreeSet
from persistent import Persistent
from ZODB.POSException import POSKeyError
from ZODB.serialize import referencesf
from ZODB.utils import p64, u64

from piety.objects.broken import is_missing, watching
from piety.objects.compiling import flags_of
from piety.objects.connection import ImageConnection
from piety.objects.nodes import children, is_tree
from piety.objects.paths import brief, step
from piety.objects.portable import Tick, no_tick
from piety.objects.storage import ImageStorage
from piety.objects.variables import Group
from piety.objects.world import Definition, Module

if TYPE_CHECKING:
    from piety.objects.image import Image

SHOWN = 20  # so many objects with the same fault are named, the others counted
KEPT = 5_000  # so many objects are in memory at most


def check_image(image: Image, tick: Tick = no_tick) -> Iterator[str]:
    """What is broken in an image, a line each; nothing is written, and memory is as it was.

    `tick` is told how many objects of how many were read, and may raise to stop it.
    """
    yield from image.storage.check_log()
    with image.reading() as connection:
        yield from _Check(image, connection, tick).run()


class _Check:
    def __init__(self, image: Image, connection: ImageConnection, tick: Tick) -> None:
        self._tick = tick
        self._storage: ImageStorage = image.storage
        self._connection = connection
        self._find_class: Callable[..., Any] = connection.db().classFactory
        self._workspace = image.world.workspace
        self._met = array("Q")  # the numbers of the objects, in the order of the walk
        self._from = array("Q")  # for each of them, the place in `_met` of an object that refers to it
        self._seen = LLTreeSet()
        self._inner: set[int] = set()  # nodes of trees: the tree is checked at its root
        self._faults: Counter[str] = Counter()
        self._loads = 0
        connection.on_load = self._count

    def _count(self, *_loaded: Any) -> None:
        self._loads += 1
        if self._loads % KEPT == 0:
            self._connection.cacheMinimize()

    # -- the walk

    def run(self) -> Iterator[str]:
        self._meet(0, 0)
        place = 0
        while place < len(self._met):
            for fault in self._examine(place):
                yield from self._report(fault, place)
            self._count()
            place += 1
            self._tick(place, len(self._storage))
        for oid in self._storage.oids():
            if u64(oid) not in self._seen:
                yield from self._read_unreachable(oid)
        for fault, count in self._faults.items():
            if count > SHOWN:
                yield f"... and {count - SHOWN} more objects: {fault}"

    def _meet(self, oid: int, place: int) -> None:
        if self._seen.insert(oid):
            self._met.append(oid)
            self._from.append(place)

    def _examine(self, place: int) -> Iterator[str]:
        number = self._met[place]
        try:
            record = self._storage.load(p64(number))[0]
        except POSKeyError:
            yield "is not there, though it is referred to"
            return
        except Exception as error:  # damaged bytes
            yield f"cannot be read ({brief(error)})"
            return
        try:
            references = referencesf(record)
            for oid in references:
                self._meet(u64(oid), place)
            missing: set[Any] = set()
            kind, state = self._connection.take_apart(record, watching(self._find_class, missing))
            for oid in references if missing else ():  # a reference names the class too: told at the object itself
                missing.difference_update(type(self._connection.get(oid)).__mro__)
        except Exception as error:  # damaged bytes, or code of the object's own that fails
            yield f"cannot be read ({brief(error)})"
            return
        for each in missing:
            yield f"{each.__module__}.{each.__name__} cannot be found ({each.reason})"
        kind = kind[0] if type(kind) is tuple else kind
        if not is_missing(kind):
            try:
                yield from self._examine_kind(number, kind, state)
            except Exception as error:  # damage that made another state of it, or of a part of it
                yield f"is not what its class makes ({brief(error)})"

    def _examine_kind(self, number: int, kind: Any, state: Any) -> Iterator[str]:
        if kind is Module:
            yield from self._compile(state["source"].data, 0)
        elif kind is Definition:
            yield from self._compile(state["source"], flags_of(self._workspace.features))
        elif is_tree(kind):
            self._inner.update(u64(child._p_oid) for child in children(state) if type(child) is kind)
            if number not in self._inner:
                yield from self._check_tree(number, kind, state)
        elif kind.__setstate__ is not Persistent.__setstate__:  # its own way to be filled may fail
            try:
                self._connection.get(p64(number))._p_activate()
            except Exception as error:  # whatever the user's code raises
                yield f"cannot be filled ({brief(error)})"

    def _check_tree(self, number: int, kind: Any, state: Any) -> Iterator[str]:
        try:
            check(self._connection.get(p64(number)))  # the keys: in order, and within the bounds of their node
            for leaf, link in zip_longest(self._leaves(kind, state), self._chain(state)):
                if leaf != link:
                    yield "the tree is broken (its buckets are not linked in the order of its nodes)"
                    break
        except Exception as error:  # AssertionError; or a node cannot be read, which is told there too
            yield f"the tree is broken ({brief(error)})"

    def _leaves(self, kind: Any, state: Any) -> Iterator[int]:
        """The buckets of a tree from left to right, by its nodes."""
        for child in children(state):
            number = u64(child._p_oid)
            if type(child) is kind:
                yield from self._leaves(kind, self._take_apart(number)[1])
            else:
                yield number

    def _chain(self, state: Any) -> Iterator[int]:
        """The same by the links from each bucket to the next."""
        bucket = state[1] if children(state) else None
        while bucket is not None:
            yield u64(bucket._p_oid)
            state = self._take_apart(u64(bucket._p_oid))[1]
            bucket = state[1] if len(state) == 2 else None  # (keys and values, next bucket)

    def _compile(self, source: Any, flags: int) -> Iterator[str]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compile(source, "source", "exec", flags, dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            yield f"its source does not compile ({brief(error)})"

    def _read_unreachable(self, oid: bytes) -> Iterator[str]:
        try:
            self._storage.load(oid)
        except POSKeyError:  # it was made in a turn that was taken back
            return
        except Exception as error:  # damaged bytes
            yield f"object {u64(oid):#x}, to which nothing refers: cannot be read ({brief(error)})"

    # -- telling

    def _report(self, fault: str, place: int) -> Iterator[str]:
        self._faults[fault] += 1
        if self._faults[fault] <= SHOWN:
            yield f"{self._name(place)}: {fault}"

    def _name(self, place: int) -> str:
        number, path = self._met[place], self._path(place)
        at = f" at {path}" if path else ""
        try:
            kind, state = self._take_apart(number)
        except Exception:  # that may be the very fault which is told
            return f"object {number:#x}{at}"
        if kind is Group:
            return "variable " + ", ".join(name.removeprefix("workspace.") for name in state["values"])
        return f"{kind.__name__} {number:#x}{at}"

    def _path(self, place: int) -> str:
        """How to come to an object from the world, as a person would write it."""
        path = ""
        while place:
            child, place = self._met[place], self._from[place]
            try:
                kind, state = self._take_apart(self._met[place])
            except Exception:  # it is broken too
                return f"...{path}"
            way = step(kind, state, p64(child))
            if kind is Group:
                return way.removeprefix("workspace.") + path
            path = way + path
        return path

    def _take_apart(self, number: int) -> tuple[Any, Any]:
        kind, state = self._connection.take_apart(self._storage.load(p64(number))[0], self._find_class)
        return (kind[0] if type(kind) is tuple else kind), state
