"""What is different between two worlds, by meaning: variables, code, texts, and objects attribute by attribute.

A world is a connection that reads one moment: of the past, of the last turn, or of a turn that runs.  What changed
between two comes from the log, so a diff costs what changed, whatever the size of the image.

Records are compared, and no code of the objects runs.  A BTree is many records, its nodes: of those that changed, the
keys and values of both moments are compared, wherever they were.  What is new, or gone, is told where it is referred
to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from persistent import Persistent
from ZODB.utils import u64

from piety.objects.broken import is_missing
from piety.objects.codediff import by_definition
from piety.objects.comparing import CLIPPED, brief, compare, is_same, unified
from piety.objects.connection import ImageConnection
from piety.objects.naming import Names
from piety.objects.nodes import State, is_tree, keys, links
from piety.objects.paths import brief as brief_key
from piety.objects.texts import Text
from piety.objects.variables import MISSING, Group
from piety.objects.world import Content, Definition, Module, World

if TYPE_CHECKING:
    from piety.objects.turnlog import TurnLog

LINES = 40  # of one difference that are shown
SHOWN = 100  # differences that are
LONG = 10_000  # characters of a value where everything is shown

class Difference:
    """One thing that is different: `sign` is "+", "-" or "~", `what` its name, `lines` tell how."""

    def __init__(self, sign: str, what: str, lines: list[str]) -> None:
        self.sign, self.what, self.lines = sign, what, lines

    def __repr__(self) -> str:
        return "\n".join(self.told())

    def told(self, most: int = LINES) -> Iterator[str]:
        """In lines."""
        if len(self.lines) == 1 and self.lines[0].startswith((": ", " = ")):
            yield f"{self.sign} {self.what}{self.lines[0]}"
            return
        yield f"{self.sign} {self.what}"
        yield from (f"    {line}" for each in self.lines[:most] for line in each.split("\n"))
        if len(self.lines) > most:
            yield f"    ... and {len(self.lines) - most:,} lines more"


class Diff:
    """All that is different; `full` tells it without leaving anything out, `details` are the single differences."""

    def __init__(self, find: Callable[[int], list[Difference]]) -> None:
        self._find = find
        self.details = find(CLIPPED)

    @property
    def full(self) -> str:
        """The whole of it, as a text; large values too."""
        return "\n".join(line for each in self._find(LONG) for line in each.told(1 << 60)) or "no difference"

    def __len__(self) -> int:
        return len(self.details)

    def __iter__(self) -> Iterator[Difference]:
        return iter(self.details)

    def __repr__(self) -> str:
        lines = [line for each in self.details[:SHOWN] for line in each.told()]
        if len(self) > SHOWN:
            lines.append(f"... and {len(self) - SHOWN:,} things more")
        return "\n".join(lines) or "no difference"


def changed_between(log: TurnLog, one: bytes, other: bytes) -> set[bytes]:
    """The numbers of the objects that turns after the first moment, up to the second, have written."""
    first, last = sorted((one, other))
    found: set[bytes] = set()
    for turn in log.backwards():
        if turn.tid <= first:
            break
        if turn.tid <= last:
            found.update(record.oid for record in turn.records())
    return found


class Worlds:
    """Two worlds to compare.  `longest` is how many characters of a value are told; with `all`, also Piety's own."""

    def __init__(
        self,
        before: ImageConnection,
        after: ImageConnection,
        longest: int = CLIPPED,
        all: bool = False,
    ) -> None:
        self._sides = before, after
        self._longest, self._all = longest, all
        self._names = Names(after)
        self._old_names = Names(before)

    # -- everything that changed

    def differences(self, oids: Iterable[bytes]) -> list[Difference]:
        """What is different, of all objects that may be."""
        before, after = self._sides
        nodes: dict[bytes, tuple[State | None, State | None]] = {}
        names: dict[str, set[str]] = {table: set() for table in _TABLES.values()}
        objects: list[Difference] = []
        for oid in sorted(oids):
            if before.record(oid) == after.record(oid):
                continue
            try:
                pair = before.take(oid), after.take(oid)
            except Exception as error:  # damaged bytes, or code of the object's own that fails while it is unpickled
                objects.append(Difference("~", f"object {u64(oid):#x}", [f": cannot be read ({brief_key(error)})"]))
                continue
            kind = next(each[0] for each in reversed(pair) if each is not None)
            if kind.__module__.startswith("BTrees."):
                nodes[oid] = pair
            elif kind is Group:
                names["variables"].update(key for each in pair if each is not None for key in each[1]["values"])
            elif kind is Module:
                names["modules"].update(each[1]["name"] for each in pair if each is not None)
            elif pair[0] is not None and pair[1] is not None and (self._all or _is_for_people(kind)):
                objects += self.object(oid, pair[0], pair[1])
        objects += self._trees(nodes, names)
        code = [each for name in sorted(names["variables"]) for each in self.variable(name)]
        code += [each for name in sorted(names["definitions"]) for each in self.definition(name)]
        code += [each for name in sorted(names["modules"]) for each in self.module(name)]
        code += [each for name in sorted(names["texts"]) for each in self.text(name)]
        return code + sorted(objects, key=lambda each: each.what)

    # -- what has a name

    def variable(self, key: str) -> Iterator[Difference]:
        """A variable, as "module.name"."""
        module, _, name = key.rpartition(".")
        what = name if module == "workspace" else key
        yield from self._named(what, *(_variable(side, module, name) for side in self._sides))

    def _named(self, what: str, old: Any, new: Any) -> Iterator[Difference]:
        if old is MISSING and new is MISSING:
            return
        if old is MISSING:
            yield Difference("+", what, [f" = {brief(new, self._longest)}"])
        elif new is MISSING:
            yield Difference("-", what, [f" = {brief(old, self._longest)}"])
        elif lines := list(compare(old, new, "", self._longest)):
            yield Difference("~", what, lines[1:] if lines[0] == ":" else lines)  # the lines of a text tell enough

    def definition(self, name: str) -> Iterator[Difference]:
        """A function, class or import of the workspace."""
        before, after = self._sides
        yield from self._code(f"{name} (code)", _definition(before, name), _definition(after, name), unified)

    def module(self, name: str) -> Iterator[Difference]:
        """The source of a module."""
        before, after = self._sides
        yield from self._code(f"module {name}", _module(before, name), _module(after, name), by_definition)

    def text(self, name: str) -> Iterator[Difference]:
        """A text that came under a name, or went from it."""
        before, after = self._sides
        yield from self._code(f"text {name!r}", _text(before, name), _text(after, name), unified)

    def _code(
        self, what: str, old: str | None, new: str | None, tell: Callable[[str, str], Iterator[str]]
    ) -> Iterator[Difference]:
        if old is None or new is None:
            sign, tell = "+" if old is None else "-", unified
        else:
            sign = "~"
        if old != new:
            yield Difference(sign, what, list(tell(_whole(old), _whole(new))))

    # -- objects

    def object(self, oid: bytes, old: State, new: State) -> Iterator[Difference]:
        """An object that both worlds have, attribute by attribute; a text as its lines."""
        kind = new[0]
        what = f"{kind.__qualname__} {u64(oid):#x}"
        name = self._names.get(oid) or self._old_names.get(oid)
        own = new[1].get("name") if type(new[1]) is dict else None
        what = name or (f"{kind.__qualname__} {own!r}" if type(own) is str else what)
        if issubclass(kind, Text) and issubclass(old[0], Text):
            what = f"text {own!r}" if type(own) is str else what
            lines = list(unified(str(_shell(old)), str(_shell(new))))
        else:
            lines = [] if old[0] is kind else [f"class: {old[0].__qualname__} -> {kind.__qualname__}"]
            lines += compare(_attributes(old), _attributes(new), "", self._longest)
        if lines:
            yield Difference("~", what, lines)

    # -- trees

    def tree(self, oids: set[bytes]) -> Iterator[Difference]:
        """A tree of which these are all nodes."""
        before, after = self._sides
        nodes = {oid: (before.take(oid), after.take(oid)) for oid in oids}
        yield from self._trees(nodes, {table: set() for table in _TABLES.values()})

    def _trees(self, nodes: dict[bytes, Any], names: dict[str, set[str]]) -> Iterator[Difference]:
        """The trees of which some nodes changed; what is in the tables of Piety is put into `names`."""
        found: dict[str, tuple[dict[Any, Any], dict[Any, Any]]] = {}
        for group in _linked(nodes):
            what = self._name_of_tree(group, nodes)
            if what is not None:
                old, new = found.setdefault(what, ({}, {}))
                for oid in group:
                    old.update(keys(nodes[oid][0]))
                    new.update(keys(nodes[oid][1]))
        for what, (old, new) in found.items():
            table = _TABLES.get(what)
            if table is not None:
                prefix = "workspace." if table == "variables" else ""
                touched = {key for key in {**old, **new} if not _are_same(old, new, key)}
                names[table] |= {prefix + key for key in touched if type(key) is str}
            elif self._all or not (what.startswith(_OURS) or self._names.is_inner(what)):
                lines = list(compare(old, new, "", self._longest))
                if lines:
                    yield Difference("~", what, lines)

    def _name_of_tree(self, group: set[bytes], nodes: dict[bytes, Any]) -> str | None:
        """What a tree is called that has these nodes; None for one that only one world has, told where it hangs."""
        below = {oid for each in group for state in nodes[each] if state is not None for oid in links(state)}
        roots = [
            oid for oid in group - below
            if is_tree(next(each for each in reversed(nodes[oid]) if each is not None)[0])
        ]  # fmt: skip
        for root in roots:
            if None in nodes[root]:
                return None
            if name := self._names.get(root) or self._old_names.get(root):
                return name
        if any(all(nodes[oid][side] is None for oid in group) for side in (0, 1)):
            return None
        for side, names in enumerate((self._old_names, self._names)):
            for oid in group:
                state = nodes[oid][side]
                if state is not None and not is_tree(state[0]) and (name := names.tree_with(oid, state)):
                    return name
        oid = min(roots or group)
        return f"{next(each for each in reversed(nodes[oid]) if each is not None)[0].__name__} {u64(oid):#x}"


_TABLES = {
    "world.workspace.variables": "variables", "world.workspace.definitions": "definitions",
    "world.modules.table": "modules", "world.texts": "texts",
}  # fmt: skip
# Tables of Piety that a person sees in another form, or not at all.
_OURS = (
    "world.workspace", "world.modules", "world.tasks", "world.history", "world.texts", "world.desks", "world.drafts",
    "root",
)  # fmt: skip


def _is_for_people(kind: Any) -> bool:
    """Whether a person has heard of objects of this class."""
    if issubclass(kind, Text):
        return True
    return is_missing(kind) or not kind.__module__.startswith("piety.") or kind.__name__ in ("World", "Handler")


def _linked(nodes: dict[bytes, Any]) -> list[set[bytes]]:
    """The nodes by trees, as far as one leads to another."""
    group = {oid: {oid} for oid in nodes}
    for oid, pair in nodes.items():
        for state in pair:
            for other in links(state) if state is not None else ():
                if other in group and group[other] is not group[oid]:
                    small, large = sorted((group[other], group[oid]), key=len)
                    large |= small
                    group.update(dict.fromkeys(small, large))
    return list({id(each): each for each in group.values()}.values())


def _are_same(old: dict[Any, Any], new: dict[Any, Any], key: Any) -> bool:
    return key in old and key in new and is_same(old[key], new[key])


def _attributes(state: State) -> Any:
    """What to compare of an object: an instance without a class, if it has attributes."""
    kind, held = state
    if type(held) is not dict:
        return held
    if kind.__name__ == "Handler":  # a task: its queues are Piety's affair
        held = {name: value for name, value in held.items() if not _is_ours(value)}
    return _Attributes({name: value for name, value in held.items() if kind is not World or name not in _OF_WORLD})


def _is_ours(value: Any) -> bool:
    return isinstance(value, Persistent) and type(value).__module__.startswith("piety.")


# What the world has that is Piety's own.
_OF_WORLD = ("workspace", "modules", "history", "texts", "tasks", "desks", "drafts")


class _Attributes:
    def __init__(self, held: dict[str, Any]) -> None:
        self.__dict__.update({name: value for name, value in held.items() if type(name) is str})


def _shell(state: State) -> Any:
    """A text that has this state, and is in no image."""
    text = state[0].__new__(state[0])
    text.__setstate__(state[1])
    return text


# -- what a world has under a name


def _variable(side: ImageConnection, module: str, name: str) -> Any:
    """The value of a variable, or `MISSING`."""
    world = side.root()["world"]
    if module == "workspace":
        table = world.workspace.variables
    else:
        record = world.modules.table.get(module)
        table = None if record is None else record.variables
    group = None if table is None else table.get(name)
    if group is None or (state := side.record(group._p_oid)) is None:
        return MISSING
    return side.take_apart(state, side.db().classFactory)[1]["values"].get(f"{module}.{name}", MISSING)


def _definition(side: ImageConnection, name: str) -> str | None:
    found: Definition | None = side.root()["world"].workspace.definitions.get(name)
    return None if found is None else found.source


def _module(side: ImageConnection, name: str) -> str | None:
    from importlib.util import decode_source

    record: Module | None = side.root()["world"].modules.table.get(name)
    if record is None:
        return None
    content: Content = record.source
    try:
        return decode_source(content.data)
    except (SyntaxError, UnicodeDecodeError):  # it was kept as it came
        return content.data.decode("utf-8", "backslashreplace")


def _text(side: ImageConnection, name: str) -> str | None:
    found = (side.root()["world"].texts or {}).get(name)
    return None if found is None else str(found)


def _whole(source: str | None) -> str:
    return "" if not source else source if source.endswith("\n") else source + "\n"
