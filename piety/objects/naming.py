"""How a person is told of an object, and tells of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from persistent import Persistent
from ZODB.utils import u64

from piety.errors import PietyError
from piety.objects.connection import ImageConnection
from piety.objects.nodes import State, children, is_tree, items, leaf
from piety.objects.paths import step
from piety.objects.variables import MISSING, Group
from piety.objects.world import Definition, World

if TYPE_CHECKING:
    from piety.objects.image import Image

LOOKED = 2_000  # objects that are looked at to find out what the others are called


def described(image: Image, oid: bytes, record: bytes) -> str:
    """The kind of an object and its name, if it has one; else its number.  Nothing of it is loaded."""
    number = f"{u64(oid):#x}"
    try:
        kind, state = image.connection.take_apart(record, image.find_class)
    except Exception:  # damaged bytes, or code of the object's own that fails
        return f"object {number}"
    kind = kind[0] if type(kind) is tuple else kind
    if kind is Group:
        return "variable " + ", ".join(name.removeprefix("workspace.") for name in state["values"])
    if kind is Definition:
        return f"definition {state['source'].strip().partition(chr(10))[0][:60]!r}"
    names = [state.get("name"), state.get("title")] if type(state) is dict else []
    name = next((each for each in names if type(each) is str), None)
    return f"{kind.__name__} {name!r}" if type(name) is str else f"{kind.__name__} {number}"


def number_of(image: Image, ref: str) -> bytes:
    """The number of the object that a person means: 0x1f, the name of a variable, or an expression that gives it.

    Called in a turn.  Raises `PietyError` if there is no such object, or it is plain.
    """
    if ref.startswith("0x"):
        try:
            oid = int(ref, 16).to_bytes(8, "big")
        except (ValueError, OverflowError):
            oid = b""
        if not image.storage.has(oid):
            raise PietyError(f"there is no object {ref}")
        return oid
    if (group := image.world.workspace.variables.get(ref)) is not None:
        oid = group._p_oid
        value = image.peek(ref)
        value = group.values.get(f"workspace.{ref}") if value is MISSING else value
    else:
        try:
            value = image.run_source(ref)
        except Exception as error:
            raise PietyError(f"{ref!r} gives no object ({type(error).__name__}: {error})") from error
        oid = b""
    found: Any = getattr(value, "_p_oid", None)
    oid = found if type(found) is bytes else oid
    if not oid:
        raise PietyError(f"{ref!r} is a plain {type(value).__qualname__}, which has no history of its own")
    return bytes(oid)


class Names:
    """What objects are called: the way from the world, found by looking at so many of them."""

    def __init__(self, connection: ImageConnection) -> None:
        self._connection = connection
        self._found: dict[bytes, str] | None = None
        self._inner: set[str] = set()  # the names of what hangs on objects of Piety's own classes
        self._trees: dict[bytes, tuple[str, str]] = {}  # those of several nodes: their class, and what they are called

    def get(self, oid: bytes) -> str | None:
        return self._all().get(oid)

    def is_inner(self, name: str) -> bool:
        """Whether this is a part of something of Piety's own, such as the queue of a task."""
        return name in self._inner

    def _all(self) -> dict[bytes, str]:
        if self._found is None:
            self._found = {}
            self._walk()
        return self._found

    def _walk(self) -> None:
        found = self._found
        assert found is not None
        root = self._connection.root()._p_oid
        todo: list[bytes] = []
        world = self._connection.root()["world"]
        for name, each in (("world", world), ("world.workspace", world.workspace), ("world.modules", world.modules)):
            found[each._p_oid] = name
            todo.append(each._p_oid)
        found[root] = "root"
        for key, group in _first(world.workspace.variables, LOOKED):
            found[group._p_oid] = key
            todo.append(group._p_oid)
        for oid in todo:
            if len(found) > 2 * LOOKED:
                return
            try:
                taken = self._connection.take(oid)
            except Exception:  # it cannot be read; then it leads nowhere
                continue
            if taken is None:
                continue
            kind, state = taken
            if kind.__module__.startswith("BTrees."):
                if is_tree(kind) and children(state):
                    self._trees[oid] = kind.__name__, found[oid]
                    continue
                values = [value for _key, value in items(kind, state)]
            else:
                values = list(_held(state))
            for each in values:
                if isinstance(each, Persistent) and each._p_oid not in found:
                    way = step(kind, state, each._p_oid)
                    name = way.removeprefix("workspace.") if kind is Group else found[oid] + way
                    if kind.__module__.startswith("piety.") and kind not in (Group, World):
                        self._inner.add(name)
                    found[each._p_oid] = name
                    todo.append(each._p_oid)

    def tree_with(self, oid: bytes, state: State) -> str | None:
        """The tree that has this bucket."""
        held = items(*state)
        family = state[0].__name__.removesuffix("Bucket").removesuffix("Set")
        self._all()
        for root, (kind, name) in self._trees.items():
            if held and kind.startswith(family) and leaf(self._connection.take, root, held[0][0]) == oid:
                return name
        return None


def _first(table: Any, most: int) -> Iterator[tuple[str, Any]]:
    for place, item in enumerate(table.items()):
        if place >= most:
            return
        yield item


def _held(state: Any) -> Iterator[Any]:
    """The persistent objects to which a state refers."""
    todo: list[Any] = [state]
    seen = set()
    for each in todo:
        if isinstance(each, Persistent):
            yield each
        elif id(each) not in seen:
            seen.add(id(each))
            if isinstance(each, dict):
                todo += each.values()
            elif isinstance(each, (list, tuple, set, frozenset)):
                todo += each
            elif isinstance(getattr(each, "__dict__", None), dict) and not isinstance(each, type):
                todo += vars(each).values()
