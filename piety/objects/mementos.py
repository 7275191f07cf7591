"""What hangs on the names of a module at one moment, so that it can be put back.

The image restores what is stored.  Modules hold more: a cache in a plain global, the attributes of a class, a list that
is a default argument.  That is remembered as a turn begins, and put back *in place* if it fails: the same list has the
same contents again, whoever else holds it.

A `Memento` is a shallow copy of each thing that can be changed and hangs on the names of one namespace: lists,
dictionaries, sets, bytearrays, deques, closures, the objects of ordinary classes, and the classes and functions that
the image defines.  It leaves alone what it cannot know to be data: the host's modules, classes and functions,
persistent objects (the image has those), and objects of Python's own library, which may belong to other threads.

To make one is a walk.  To see that one is still good is not: whatever its things refer to must be the very objects that
they referred to then, and Python's garbage collector tells that in one call.  So a turn that begins after one that
changed no module's memory pays some 20 ns for each reference, and no module is walked but the one that changed.

Next to no code of the user's runs in all this: nothing is asked for an attribute in the usual way, and only keys may
be hashed, and compared if their hashes are equal.  What fails then is left alone, or told not to have been put back.

`memory.py` keeps the mementos of several namespaces from turn to turn; here one is made, and put back.

    Memento     what hangs on one namespace at one moment
    _Walk       makes a memento
"""

from __future__ import annotations

import contextlib
import functools
import gc
import sys
import types
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from operator import attrgetter, is_
from typing import Any

from persistent import Persistent

from piety.objects.memory import Root
from piety.objects.redefine import Contents, held_by
from piety.objects.variables import SYSTEM_NAMES
from piety.objects.world import PLACE

# A container with more entries is left alone, and what only hangs on it: its copy would take 50 us and more, and what
# is as large belongs into the image.
LARGEST = 10_000
# So many references are followed from one namespace, nearest first: to look at them again takes some 4 ms a turn.
MOST = 200_000

_LEAVES = frozenset(
    map(
        id,
        (
            type(None), bool, int, float, complex, str, bytes, range, type(Ellipsis), type(NotImplemented),
            types.ModuleType, types.BuiltinFunctionType, types.CodeType, types.WrapperDescriptorType,
            types.MethodDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType,
        ),
    )
)  # fmt: skip  # by id, as a metaclass may have a hash of its own, which fails

# They cannot be changed, but hold what can.
_SEEN_THROUGH = (tuple, frozenset, staticmethod, classmethod, property, types.MethodType)

# Plain data of Python's own library; what else comes from there may belong to other threads (a queue, a logger).
_DATA = (types.SimpleNamespace, functools.partial, functools._lru_cache_wrapper)
_NOT_DATA = sys.stdlib_module_names - {"collections"} | {
    "piety", "BTrees", "ZODB", "persistent", "transaction", "zc", "zodbpickle", "zope",
}  # fmt: skip

_END = object()
_BOUNDARY = (_END,)  # after what has any number of references: else one could go from the end of a list into the next

_raw_module: Any = vars(types.ModuleType)["__dict__"]
_raw_mro: Any = vars(type)["__mro__"]
_raw_qualname: Any = vars(type)["__qualname__"]
_raw_bases: Any = vars(type)["__bases__"]
_code_of, _defaults_of = attrgetter("__code__"), attrgetter("__defaults__")
_keyword_defaults_of = attrgetter("__kwdefaults__")


class Memento:
    """What hangs on the names of a namespace at one moment.

    `tell(notice)` is called for each thing that cannot be put back.
    """

    def __init__(self, name: str, root: Root, tell: Callable[[str], object]) -> None:
        self._name = name
        self._root = root
        self._tell = tell
        self._names = [*root.namespace, *root.namespace.values()]
        walk = self._walk = _Walk(name)
        walk.start(root)
        self.code = {id(each) for each in (*walk.functions, *walk.classes)}
        self._watched = (*walk.objects, *walk.empty)
        self._referents = gc.get_referents(*self._watched)
        self._parts = [*walk.parts()]
        self._bytes = [*map(bytearray.copy, walk.arrays)]

    def is_good(self, root: Root | None = None) -> bool:
        """Whether all that is put back is as it was; with a `root`, whether that has the same names, too."""
        if root is not None and not self._is_of(root):
            return False
        walk, now = self._walk, gc.get_referents(*self._watched)
        return (
            len(now) == len(self._referents)
            and all(map(is_, now, self._referents))
            and all(map(is_, walk.parts(), self._parts))
            and (not walk.arrays or [*map(bytearray.copy, walk.arrays)] == self._bytes)
        )

    def _is_of(self, root: Root) -> bool:
        namespace = root.namespace
        if namespace is not self._root.namespace or root.skip != self._root.skip:
            return False
        if root.is_put_back:  # it is looked at with all else
            return True
        names = chain(namespace, namespace.values())
        return 2 * len(namespace) == len(self._names) and all(map(is_, names, self._names))

    def restore(self) -> None:
        """Put everything back, in place."""
        if self.is_good():
            return
        for record in self._walk.records:
            try:
                record.held.restore()
            except BaseException as error:  # a `__hash__` of the user's, say; nothing may stop the undoing
                self._tell(self._not_put_back(record, error))

    def _not_put_back(self, record: _Record, error: BaseException) -> str:
        from piety.objects.tracebacks import in_one_line

        name = f"{self._name}.{record.name}".rstrip(".").removeprefix("workspace.")
        return (
            f"{name}, or what hangs on it, could not be put back when a turn was undone ({in_one_line(error)}), and "
            "may be as that has left it; set it anew, or stop the system and start it again"
        )

    def changed(self) -> Iterator[tuple[str, str]]:
        """Which attributes and default arguments of code are not as they were: its name and their place."""
        if not self.is_good():
            for record in self._walk.records:
                for part in record.held.changed() if record.place else ():
                    yield record.name, f"{record.place}.{part}" if part else record.place


class _Record:
    """One thing that a memento holds: the name it hangs on, its place in code if it has one, and what puts it back."""

    __slots__ = ("held", "name", "place")

    def __init__(self, name: str, place: str, held: Any) -> None:
        self.name, self.place, self.held = name, place, held


class _Items:
    """The contents of a container."""

    def __init__(self, container: Any, kind: _Container) -> None:
        self._container = container
        self._kind = kind
        self.copy = kind.copy(container)

    def restore(self) -> None:
        if self.changed():
            self._kind.fill(self._container, self.copy)

    def changed(self) -> list[str]:
        marks = self._kind.marks
        return [""] if marks(self._container) != marks(self.copy) else []


class _Cell:
    """What a closure has of a variable."""

    def __init__(self, cell: types.CellType) -> None:
        self._cell = cell
        self.copy = _contents_of_cell(cell)

    def restore(self) -> None:
        if self.copy:
            self._cell.cell_contents = self.copy[0]
        elif _contents_of_cell(self._cell):
            del self._cell.cell_contents

    def changed(self) -> list[str]:
        return [""] if [*map(id, _contents_of_cell(self._cell))] != [*map(id, self.copy)] else []


class _Attributes:
    """The slots of an object, and which dictionary it has; the contents of that are remembered by themselves."""

    def __init__(self, obj: Any, members: list[Any]) -> None:
        self._obj = obj
        self._members = members
        self.copy = [_value_of(member, obj) for member in members]

    def restore(self) -> None:
        for member, value in zip(self._members, self.copy, strict=True):
            now = _value_of(member, self._obj)
            if value is not now:
                member.__delete__(self._obj) if value is _END else member.__set__(self._obj, value)

    def changed(self) -> list[str]:
        return [] if all(map(is_, [_value_of(each, self._obj) for each in self._members], self.copy)) else [""]


class _Container:
    """How the containers of one kind are copied, filled again, and told from their copies by identity alone."""

    def __init__(
        self, base: type, copy: Callable[[Any], Any], fill: Callable[[Any, Any], object], marks: Callable[[Any], Any]
    ) -> None:
        self.base, self.copy, self.fill, self.marks = base, copy, fill, marks


def restore(namespace: dict[str, Any], names: dict[str, Any]) -> None:
    """Make a namespace hold what it held before; it is never empty meanwhile, as other threads may use it."""
    for name in set(namespace) - set(names):
        del namespace[name]
    namespace.update(names)


def _fill_dict(container: Any, copy: Any) -> None:
    dict.clear(container)
    dict.update(container, copy)


def _fill_ordered(container: Any, copy: Any) -> None:
    OrderedDict.clear(container)
    for key, value in copy.items():
        OrderedDict.__setitem__(container, key, value)


def _fill_list(container: Any, copy: Any) -> None:
    list.__setitem__(container, slice(None), copy)


def _fill_set(container: Any, copy: Any) -> None:
    set.clear(container)
    set.update(container, copy)


def _fill_deque(container: Any, copy: Any) -> None:
    deque.clear(container)
    deque.extend(container, copy)


def _fill_array(container: Any, copy: Any) -> None:
    bytearray.__setitem__(container, slice(None), copy)


def _copy_dict(container: Any) -> Any:
    """A plain copy, also of one whose class has a `keys` or `__iter__` of its own; the keys of that are hashed anew."""
    if type(container) is dict:
        return container.copy()
    return dict(zip(dict.keys(container), dict.values(container), strict=True))


def _marks_of_dict(container: Any) -> list[int]:
    return [*map(id, dict.keys(container)), *map(id, dict.values(container))]


def _marks_of_ordered(container: Any) -> list[int]:
    if type(container) is dict:  # the copy
        return _marks_of_dict(container)
    return [*map(id, OrderedDict.keys(container)), *map(id, OrderedDict.values(container))]


_CONTAINERS = (
    _Container(OrderedDict, lambda each: dict(OrderedDict.items(each)), _fill_ordered, _marks_of_ordered),
    _Container(dict, _copy_dict, _fill_dict, _marks_of_dict),
    _Container(list, list.copy, _fill_list, lambda each: [*map(id, list.__iter__(each))]),
    _Container(set, set().union, _fill_set, lambda each: sorted(map(id, set.__iter__(each)))),
    _Container(
        deque, lambda each: deque(deque.__iter__(each)), _fill_deque, lambda each: [*map(id, deque.__iter__(each))]
    ),
    _Container(bytearray, bytearray.copy, _fill_array, bytearray.copy),
)
_NAMESPACE = _Container(dict, _copy_dict, restore, _marks_of_dict)


class _Walk:
    """A walk over what hangs on one namespace, nearest things first."""

    def __init__(self, name: str) -> None:
        self._module = name
        self.records: list[_Record] = []
        self.functions: list[types.FunctionType] = []
        self.keyed: list[types.FunctionType] = []  # those with arguments that are given by keyword only
        self.classes: list[type] = []
        self.objects: list[Any] = []  # what tells, by its references, whether anything has changed
        self.empty: list[dict[str, Any]] = []  # the attributes of the functions that have none
        # Of dictionaries, of which the collector tells the values only.  Of an OrderedDict it tells the keys too, in
        # their order; and whoever goes over them hashes them.
        self.keys: list[Any] = []
        self.arrays: list[bytearray] = []
        self._seen: set[int] = set()
        self._todo: list[tuple[str, str, Any]] = []  # everything met: it must live as long as its id is used
        self._followed = 0  # references

    def parts(self) -> Iterator[Any]:
        """What must be the very same objects at another moment, too, if nothing has changed until then."""
        return chain(
            map(_code_of, self.functions),
            map(_defaults_of, self.functions),
            map(_keyword_defaults_of, self.keyed),
            map(_raw_bases.__get__, self.classes),
            chain.from_iterable(self.keys),
        )

    def start(self, root: Root) -> None:
        self._seen.add(id(root.namespace))
        if root.is_put_back:
            self._keep("", "", root.namespace, _Items(root.namespace, _NAMESPACE))
        for name, value in root.namespace.copy().items():
            if name not in root.skip and name not in SYSTEM_NAMES:
                is_code = type(value) is types.FunctionType or issubclass(type(value), type)
                self._meet(name, name if is_code else "", (value,))
        for name, place, obj in self._todo:  # it grows meanwhile
            if self._followed > MOST:
                return
            # a key's `__hash__` fails, say, or another thread changes what is copied: that thing is left alone
            with contextlib.suppress(Exception):
                self._visit(name, place, obj)

    def _meet(self, name: str, place: str, values: Iterable[Any]) -> None:
        for value in values:
            self._followed += 1
            if id(type(value)) not in _LEAVES and id(value) not in self._seen:
                self._seen.add(id(value))
                self._todo.append((name, place, value))

    def _keep(self, name: str, place: str, obj: Any, held: Any) -> None:
        self.records.append(_Record(name, place, held))
        self.objects += (obj, _BOUNDARY)
        if issubclass(type(obj), dict) and not issubclass(type(obj), OrderedDict):
            self.keys.append(dict.keys(obj))

    def _visit(self, name: str, place: str, obj: Any) -> None:
        kind = type(obj)
        if kind is types.FunctionType:
            self._visit_function(name, place, obj)
        elif issubclass(kind, type):
            self._visit_class(name, place, obj)
        elif kind is types.CellType:
            cell = _Cell(obj)
            self._keep(name, place, obj, cell)
            self._meet(name, place, cell.copy)
        elif any(kind is each for each in _SEEN_THROUGH):
            self._meet(name, place, gc.get_referents(obj))
        elif not issubclass(kind, Persistent):
            self._visit_object(name, place, obj)

    def _visit_function(self, name: str, place: str, function: types.FunctionType) -> None:
        home = function.__globals__
        if not _is_of_image(home) or self._has_home(function, home, home.get("__name__"), function.__qualname__):
            return
        self.functions.append(function)
        if function.__code__.co_kwonlyargcount:
            self.keyed.append(function)
        self.records.append(_Record(name, place, Contents(function)))
        attributes = function.__dict__
        if attributes:
            self.objects += (attributes, _BOUNDARY)
            self.keys.append(attributes.keys())
        else:
            self.empty.append(attributes)
        for attribute, value in attributes.copy().items():
            self._meet(name, place and f"{place}.{attribute}", (value,))
        defaults = function.__defaults__ or ()
        names = function.__code__.co_varnames[: function.__code__.co_argcount]
        for parameter, value in zip(names[len(names) - len(defaults) :], defaults, strict=False):
            self._meet(name, place and f"{place}({parameter})", (value,))
        for parameter, value in (function.__kwdefaults__ or {}).items():
            self._meet(name, place and f"{place}({parameter})", (value,))
        self._meet(name, "", (function.__kwdefaults__, *(function.__closure__ or ())))

    def _visit_class(self, name: str, place: str, cls: type) -> None:
        held = held_by(cls)
        module = held.get("__module__")
        home = _namespace_of(module)
        if home is None or self._has_home(cls, home, module, _raw_qualname.__get__(cls)):
            return
        self.classes.append(cls)
        self.records.append(_Record(name, place, Contents(cls)))
        (attributes,) = gc.get_referents(held)  # the dictionary behind the proxy
        self.objects += (attributes, _BOUNDARY)
        self.keys.append(attributes.keys())
        for attribute, value in attributes.copy().items():
            self._meet(name, place and f"{place}.{attribute}", (value,))
        self._meet(name, place, _raw_bases.__get__(cls))

    def _has_home(self, code: Any, home: dict[str, Any], module: Any, qualname: str) -> bool:
        """Whether another module of the image has this code under its own name: then it is remembered with that."""
        if module == self._module:
            return False
        found: Any = home
        for part in qualname.split("."):
            found = found.get(part) if found is home else held_by(found).get(part)
            if found is code:
                return True
            if not issubclass(type(found), type):
                return False
        return False

    def _visit_object(self, name: str, place: str, obj: Any) -> None:
        kind = type(obj)
        container = next((each for each in _CONTAINERS if issubclass(kind, each.base)), None)
        if container is not None:
            if container.base.__len__(obj) > LARGEST:  # type: ignore[attr-defined]
                return
            items = _Items(obj, container)
            self._keep(name, place, obj, items)
            if container.base is bytearray:
                self.arrays.append(obj)
            else:
                self._meet(name, place, items.copy)
                self._meet(name, place, items.copy.values() if type(items.copy) is dict else ())
        if _is_ordinary(kind):
            if issubclass(kind, tuple):
                self._meet(name, place, tuple.__iter__(obj))
            self._visit_attributes(name, place, obj, container is not None)

    def _visit_attributes(self, name: str, place: str, obj: Any, is_kept: bool) -> None:
        members = _members(type(obj))
        attributes = _Attributes(obj, members)
        self.records.append(_Record(name, place, attributes))
        if not is_kept:
            self.objects += (obj, _BOUNDARY)
        self._meet(name, place, attributes.copy)


def _is_of_image(namespace: dict[str, Any]) -> bool:
    file = namespace.get("__file__")
    return type(file) is str and file.startswith(PLACE)


def _namespace_of(module: Any) -> dict[str, Any] | None:
    """The namespace of a module of the image; None if there is none of this name."""
    found = sys.modules.get(module) if type(module) is str else None
    if found is None or not issubclass(type(found), types.ModuleType):
        return None
    namespace: dict[str, Any] = _raw_module.__get__(found)
    return namespace if _is_of_image(namespace) else None


def _is_ordinary(kind: type) -> bool:
    """Whether the attributes of this class's objects are data."""
    if any(kind is each for each in _DATA):
        return True
    module = held_by(kind).get("__module__")
    return type(module) is str and (_namespace_of(module) is not None or module.partition(".")[0] not in _NOT_DATA)


def _members(kind: type) -> list[Any]:
    """What gives the slots and the dictionary of a class's objects, whatever the class says that they are."""
    found: list[Any] = []
    for base in _raw_mro.__get__(kind):
        held = held_by(base)
        found += [each for each in held.values() if type(each) is types.MemberDescriptorType and _is_ordinary(base)]
        attributes = held.get("__dict__")
        if type(attributes) in (types.GetSetDescriptorType, types.MemberDescriptorType):
            found.append(attributes)
    return found


def _value_of(member: Any, obj: Any) -> Any:
    try:
        return member.__get__(obj)
    except (AttributeError, TypeError):  # a slot that is empty, or one of another class
        return _END


def _contents_of_cell(cell: types.CellType) -> list[Any]:
    try:
        return [cell.cell_contents]
    except ValueError:  # it is empty
        return []
