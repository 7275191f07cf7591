"""What a turn changed without saying so.

ZODB notices an assignment to an attribute of a persistent object.  It does not notice `note.tags.append("x")` on a
plain list.  So every object whose loaded state holds plain mutables is compared with what was loaded, at the end of
any turn that touched it.

How a touch is noticed: an object with plain mutables is made a ghost when the turn ends, so the next touch loads it,
and loading is what the connection reports.  Nothing is paid for objects that no turn touches.

How it is compared: the record that the object would get now, with the record that was loaded.  Equal bytes: nothing
changed.  Other bytes may still be the same value (see `same.py`), so then the two states are walked side by side.
"""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from persistent import Persistent

from piety.objects.connection import ImageConnection, name_of
from piety.objects.pickling import Rules, is_bound
from piety.objects.same import same

_IMMUTABLE = (
    type(None), bool, int, float, complex, str, bytes, range, type(Ellipsis),
    type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType, Persistent,
)  # fmt: skip
_ATOMIC = frozenset(map(id, _IMMUTABLE))  # by id, as a metaclass may have a hash of its own, which fails
_CONTAINERS = (list, dict, set, bytearray)
_COMMON = _ATOMIC | {id(tuple)}  # nearly all that is in records, and nothing that two of them could share


def is_immutable(value: Any) -> bool:
    """Whether nothing plain that can be changed hangs on this value; in doubt it says no."""
    kind = type(value)
    if id(kind) in _ATOMIC:
        return not is_bound(value)
    if kind is tuple or kind is frozenset or kind is types.MethodType:
        return _is_made_of_immutables(value)
    return issubclass(kind, (Persistent, type)) or type(kind).__module__ == "enum" or id(kind) in _CONSTANT


def _is_made_of_immutables(value: Any) -> bool:
    """The same for a value that may consist of others like it, however deep."""
    todo = [value]
    seen = set()
    while todo:
        each = todo.pop()
        kind = type(each)
        if kind is types.MethodType:
            todo.append(each.__self__)
        elif kind is not tuple and kind is not frozenset:
            if not is_immutable(each):
                return False
        elif id(each) not in seen:
            seen.add(id(each))
            todo += each
    return True


def holds_mutables(state: Any) -> bool:
    """Whether a persistent object's state holds plain mutables, beside the dictionary that is its attributes."""
    if type(state) is dict:
        return not all(map(is_immutable, state.values()))
    return not is_immutable(state)


class Shared:
    """A plain mutable found in two records: it would come back as two."""

    def __init__(self, value: Any, first: Any, second: Any) -> None:
        self.value, self.first, self.second = value, first, second


class Changes:
    """Watches one connection during a turn: `begin`; `find`, or `undo` before an abort; at the end `settle`."""

    def __init__(self, connection: ImageConnection) -> None:
        self._connection = connection
        self._touched: dict[bytes, tuple[Any, int]] = {}  # oid -> the object, and the hash of its record as loaded
        self._stored: dict[bytes, Any] = {}
        self._seen: list[tuple[Any, dict[int, tuple[int, Any]]]] = []  # each record's owner and its pickler's memo
        self._kept: dict[bytes, Any] = {}  # objects that share: touched in every turn, never made ghosts
        # States that are given back when their object is next loaded, so that what hangs on it stays the same objects.
        self._aside: dict[bytes, tuple[Any, Any]] = {}
        self._leaves: dict[bytes, list[Any]] = {}  # the volatile objects in each record, held while it holds them
        self._written_leaves: dict[bytes, list[Any]] = {}  # and in those that this turn writes
        self.volatile: list[tuple[Any, Any]] = []  # owner and volatile object, of the records written in this turn
        self.records: dict[bytes, int] = {}  # oid -> hash of the record written in this turn
        connection.on_load = self._loaded
        connection.on_store = self._wrote

    def begin(self) -> None:
        self.records.clear()

    # -- what the connection reports

    def _loaded(self, obj: Any, state: Any, record: bytes) -> None:
        aside = self._aside.pop(obj._p_oid, None)
        if aside is not None:
            obj.__setstate__(aside[1])
        if type(obj) not in _OWN and (holds_mutables(state) or _makes_own_state(type(obj))):
            self._touched[obj._p_oid] = (obj, hash(record))

    def _wrote(self, obj: Any, record: bytes, pickler: Rules) -> None:
        oid = obj._p_oid
        self._stored[oid] = obj
        self.records[oid] = hash(record)
        if type(obj) not in _MADE_OF_IMMUTABLES:
            self.saw(obj, pickler)
        self._written_leaves[oid] = list(pickler.volatile)
        self.volatile += [(obj, leaf) for leaf in pickler.volatile]

    # -- a turn's end

    def find(self) -> None:
        """Mark as changed every touched object that changed without saying so."""
        for obj, _digest in list(self._touched.values()):
            if obj._p_changed is False and self._changed(obj):  # else it is marked already, or a ghost again
                obj._p_changed = True

    def _changed(self, obj: Any) -> bool:
        record, pickler = self._connection.look(obj)
        self.saw(obj, pickler)
        if hash(record) == self._touched[obj._p_oid][1]:
            return False
        if not same(_detached(self._connection.stored_state(obj)), _detached(obj.__getstate__())):
            return True
        self._touched[obj._p_oid] = (obj, hash(record))
        return False

    def saw(self, owner: Any, pickler: Rules) -> None:
        """Remember which plain objects a record holds, to find those that stand in two."""
        self._seen.append((owner, pickler.memo.copy()))

    def shared(self) -> Iterator[Shared]:
        """The plain mutables that stand in two of the records looked at in this turn."""
        if len(self._seen) < 2 or len({id(owner) for owner, _memo in self._seen}) < 2:
            return
        owners: dict[int, Any] = {}
        reported = set()
        for owner, memo in self._seen:
            found = [entry for entry in memo.values() if id(type(entry[1])) not in _COMMON]
            for _place, value in sorted(found, key=_number):  # what holds others comes before them
                if not _is_plain_mutable(value):
                    continue
                first = owners.setdefault(id(value), owner)
                if first is not owner and (id(first), id(owner)) not in reported:
                    reported.add((id(first), id(owner)))
                    yield Shared(value, first, owner)

    def keep(self, obj: Any) -> None:
        """Look at `obj` in every turn from now on, and leave it in memory."""
        self._kept[obj._p_oid] = obj

    def touched(self) -> list[Any]:
        return [obj for obj, _digest in self._touched.values() if obj._p_changed is not None]

    def held(self) -> list[Any]:
        """What this turn has touched or written, and has plain mutables in memory."""
        found = dict(self._stored) | {oid: obj for oid, (obj, _digest) in self._touched.items()}
        return [obj for obj in found.values() if _may_hold_mutables(obj)]

    def touch(self, objects: Iterable[Any]) -> None:
        """Count `objects`, of which the parts were left in memory by an earlier turn, as touched by this one."""
        for obj in objects:
            obj._p_activate()

    def has(self, obj: Any) -> bool:
        """Whether the parts of `obj` are still those that were in memory."""
        return obj._p_changed is not None or obj._p_oid in self._aside

    def settle(self, leave: Iterable[Any] = ()) -> None:
        """A turn's end: let what was touched go back to rest; the parts of the objects to `leave` stay in memory."""
        left = {obj._p_oid for obj in leave}
        if self._aside:
            self._aside = {oid: aside for oid, aside in self._aside.items() if oid in left}
        objects = list(self._stored.items())
        objects += [(oid, obj) for oid, (obj, _digest) in self._touched.items()]
        for oid, obj in objects:
            if oid not in self._kept and _may_hold_mutables(obj):
                if oid in left:
                    if _makes_own_state(type(obj)):  # it cannot be set aside: look at it in every turn
                        self._kept[oid] = obj
                        continue
                    self._aside[oid] = (obj, obj.__getstate__())
                obj._p_deactivate()
        for oid, leaves in self._written_leaves.items():
            if leaves:
                self._leaves[oid] = leaves
            else:
                self._leaves.pop(oid, None)
        self._touched = {oid: (obj, self.records.get(oid, 0)) for oid, obj in self._kept.items()}
        for each in (self._seen, self._stored, self._written_leaves, self.volatile):
            each.clear()

    def undo(self) -> None:
        """Before an abort, which lets go of what is marked: let go of what else changed, so that it is loaded again."""
        for obj, _digest in list(self._touched.values()):
            try:
                changed = obj._p_changed is not False or self._changed(obj)
            except BaseException:  # an object's own code; nothing may stop the undoing
                changed = True
            if changed:
                self._aside.pop(obj._p_oid, None)
                obj._p_invalidate()
        for each in (self._stored, self._written_leaves, self.records):
            each.clear()

    def let_go(self, oids: Iterable[bytes]) -> None:
        """What these records were given is not written after all: it will be loaded again."""
        for oid in oids:
            for each in (self._aside, self._kept, self._leaves, self._touched):
                each.pop(oid, None)

    def is_volatile(self, oid: bytes) -> bool:
        """Whether the record holds something that cannot be stored."""
        return bool(self._written_leaves.get(oid, self._leaves.get(oid)))

    def forget(self) -> None:
        """The system stops: hold nothing, so that an open file is written out and closed."""
        for obj in [*self._kept.values(), *self.touched()]:
            obj._p_deactivate()
        for each in (self._kept, self._touched, self._leaves):
            each.clear()

    def release(self, oid: bytes) -> None:
        """The record is gone from the image: let its volatile objects go."""
        self._leaves.pop(oid, None)


def _number(entry: tuple[int, Any]) -> int:
    return entry[0]


# A path of more steps than twice this is told without its middle.
_STEPS = 10


def find_path(owner: Any, value: Any) -> str:
    """How `value` hangs on a persistent object, as a person would write it: `Note 0x1f.tags[2]`; "" if it does not."""
    todo: deque[tuple[Any, Any]]
    if type(owner).__module__.startswith("BTrees."):
        todo = deque((((), f"[{key!r}]"), each) for key, each in owner.items())
    else:
        todo = deque((((), f".{name}"), each) for name, each in getattr(owner, "__dict__", {}).items())
    seen = set()
    while todo:
        path, each = todo.popleft()
        if each is value:
            return name_of(owner) + _steps(path)
        if id(each) in seen or issubclass(type(each), _IMMUTABLE):
            continue
        seen.add(id(each))
        if type(each) is dict:
            todo += [((path, f"[{key!r}]"), inner) for key, inner in each.items()]
        elif type(each) in (list, tuple):
            todo += [((path, f"[{place}]"), inner) for place, inner in enumerate(each)]
        elif hasattr(each, "__dict__"):
            todo += [((path, f".{name}"), inner) for name, inner in vars(each).items()]
    return ""


def _steps(path: Any) -> str:
    steps = []
    while path:
        path, step = path
        steps.append(step)
    steps.reverse()
    if len(steps) > 2 * _STEPS:
        steps[_STEPS:-_STEPS] = [f" ... {len(steps) - 2 * _STEPS} more ... "]
    return "".join(steps)


def _detached(state: Any) -> Any:
    """A state whose outermost dictionary is a copy, so that walking it may not meet the object's own."""
    return dict(state) if type(state) is dict else state


def _is_plain_mutable(value: Any) -> bool:
    """Whether two records would tell that they no longer share this: it can be changed, or is equal to itself only."""
    kind = type(value)
    if any(kind is each for each in _CONTAINERS):
        return True
    if id(kind) in _ATOMIC or kind is tuple or issubclass(kind, _IMMUTABLE) or type(kind).__module__ == "enum":
        return False
    if id(kind) in _CONSTANT:
        return False
    by_identity: Any = (None, object.__hash__)
    return kind.__dictoffset__ != 0 or kind.__hash__ in by_identity


def _may_hold_mutables(obj: Any) -> bool:
    kind = type(obj)
    if obj._p_changed is None or kind in _OWN:
        return False
    if _makes_own_state(kind):
        return True
    return holds_mutables(vars(obj) if hasattr(obj, "__dict__") else obj.__getstate__())


def _makes_own_state(kind: type) -> bool:
    """Whether a class makes the state of its objects itself, which then does not tell what hangs on them."""
    return kind.__getstate__ is not Persistent.__getstate__ and not kind.__module__.startswith("BTrees.")


_CONSTANT: dict[int, type] = {}  # classes whose instances never change, by id as above


def never_changes(kind: type) -> type:
    """Class decorator: instances are values, so whatever holds one need not be compared for its sake.

    Several records may hold the same one: that it comes back as two, nobody can tell.
    """
    _CONSTANT[id(kind)] = kind
    kind.__getstate__ = _copy_of_state  # type: ignore[assignment]
    return kind


def _copy_of_state(value: Any) -> dict[str, Any]:
    return vars(value).copy()  # the dictionary itself would be found in two records


_OWN: set[type] = set()  # classes that look after their plain values themselves (see `variables.Group`)


def watches_itself(kind: type) -> type:
    """Class decorator: instances are not compared, because their keeper does it."""
    _OWN.add(kind)
    return kind


_MADE_OF_IMMUTABLES: set[type] = set()


def made_of_immutables(kind: type) -> type:
    """Class decorator: nothing plain that can be changed hangs on an instance, so there is nothing to compare."""
    _MADE_OF_IMMUTABLES.add(kind)
    return watches_itself(kind)
