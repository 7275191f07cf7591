"""Variables that persist, and how a turn's changes to them are found.

Each variable has a record of its own in the image, except that variables which share a plain object (`b = a`) share a
record: a *group*, so that they still share it after a resume.

Between turns all variables *rest*: they are not in the namespace in which code runs.  The namespace's builtins are a
dictionary whose `__missing__` brings a variable in when a turn first touches it, from whatever function the touch
comes.  So a turn pays for what it touches, and nothing for a 100 MB list that it leaves alone.

At the end of a turn the variables are gathered again.  Those that were touched are compared with the image (see
`changes.py`); those that share objects are put into one group, those that no longer do into groups of their own.

    Space       the namespace of one module, with the table of its variables
    Group       the record of one or more variables
    _Live       a group that was loaded or made in this process: it keeps the values, so that they stay the same
                objects from turn to turn
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable
from typing import Any

from BTrees.OOBTree import OOBTree
from persistent import Persistent

from piety.objects.changes import Changes, is_immutable, watches_itself
from piety.objects.connection import ImageConnection
from piety.objects.same import same
from piety.objects.threads import is_apart

MISSING: Any = object()

# Names that Python itself keeps in a module; they belong to the process.
SYSTEM_NAMES = frozenset(
    "__name__ __doc__ __package__ __loader__ __spec__ __file__ __path__ __cached__ __builtins__ __annotations__ "
    "__annotate__ __conditional_annotations__ __warningregistry__ __state__ __piety__".split()
)


@watches_itself
class Group(Persistent):
    """The values of one variable, or of several that share plain objects: {"module.name": value}."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<variable {', '.join(name.removeprefix('workspace.') for name in self.values)}>"


class _Live:
    """A group in memory.  `values` are the objects themselves; `digest` is the hash of the record that they equal."""

    __slots__ = ("digest", "group", "linked", "values")

    def __init__(self, group: Group, values: dict[str, Any], digest: int | None) -> None:
        self.group = group
        self.values = values
        self.digest = digest
        # Other groups and objects that a volatile value here may reach: a closure holds what the image cannot see.
        self.linked: set[_Live] = set()


class Space:
    """The namespace of one module whose variables persist, and the table of their groups.

    `names` lists the variables of a module that declares them; where it is None, every name that code puts into the
    namespace is a variable, and the namespace is empty between turns.
    """

    def __init__(
        self,
        module: str,
        namespace: dict[str, Any],
        table: OOBTree,
        names: frozenset[str] | None,
        variables: Variables,
    ) -> None:
        self.module = module
        self.namespace = namespace
        self.table = table
        self.names = names
        self._variables = variables

    def fetch(self, name: str) -> Any:
        """Bring a resting variable into the namespace; `MISSING` if there is none of this name."""
        return self._variables.fetch(self, name)

    def key(self, name: str) -> str:
        return f"{self.module}.{name}"

    def present(self) -> dict[str, Any]:
        """The variables that are in the namespace now: touched or assigned in this turn."""
        if self.names is None:
            return {name: value for name, value in self.namespace.items() if name not in SYSTEM_NAMES}
        return {name: self.namespace[name] for name in self.names if name in self.namespace}

    def is_assigned(self) -> bool:
        """Whether a declared variable is in the namespace now."""
        return not (self.names or frozenset()).isdisjoint(self.namespace)

    def brought(self) -> set[str]:
        """The variables that this turn has touched or assigned so far."""
        return self._variables.names(self)

    def holds(self, name: str) -> bool:
        """Whether this variable is in the namespace now."""
        return name in self.namespace and (self.names is None or name in self.names)

    def rest(self) -> None:
        """Empty the namespace of variables."""
        for name in self.present():
            del self.namespace[name]


class RestingNames(dict[str, Any]):
    """The `__builtins__` of a space: Python's own, and behind them, at first touch, what rests.

    CPython asks `__builtins__` for a global name that is not in the namespace, and honours `__missing__` there.
    """

    def __init__(self, bring: Callable[[str], Any]) -> None:
        super().__init__(vars(builtins))
        self._bring = bring

    def __missing__(self, name: str) -> Any:
        if is_apart() and not hasattr(builtins, name):
            raise LookupError(f"{name} rests in the image, where work on the host cannot wake it; hand it over")
        try:
            value = self._bring(name)
        except KeyError as error:  # of a definition that fails, say; Python would take it for "no such name"
            raise LookupError(f"{name} cannot be used: {type(error).__name__}: {error}") from error
        if value is not MISSING:
            return value
        if hasattr(builtins, name):  # put there after this space was made
            return getattr(builtins, name)
        raise KeyError(name)


class Variables:
    """The variables of all spaces of one open image.

    In a turn: `begin`, any number of `fetch`, `gather`, and after the commit `settle`; or `undo` in place of the last
    two, before the abort.
    """

    def __init__(self, connection: ImageConnection, changes: Changes) -> None:
        self._connection = connection
        self._changes = changes
        self._spaces: dict[str, Space] = {}
        self._declared: dict[str, Space] = {}  # those of modules that declare them
        self._lives: dict[bytes, _Live] = {}  # oid of the group -> what is in memory of it
        self._touched: dict[bytes, _Live] = {}
        self._fetched: set[tuple[Space, str]] = set()
        self._filled: list[tuple[_Live, dict[str, Any]]] = []  # what `gather` gave to the groups
        self._kept: list[_Live] = []  # those that share plain objects with other records: touched by every turn
        self._dropped: list[_Live] = []
        self.find_space: Callable[[str], Space]  # the space of a module that is not loaded; the importer knows

    # -- spaces

    def add(self, space: Space) -> None:
        self._spaces[space.module] = space
        if space.names is not None:
            self._declared[space.module] = space

    def remove(self, module: str) -> None:
        self._spaces.pop(module, None)
        self._declared.pop(module, None)

    # -- during a turn

    def begin(self) -> None:
        self.touch(self._kept)

    def is_touched(self) -> bool:
        """Whether this turn has touched or assigned a variable; one of the workspace, only if it was there before."""
        if self._touched or self._fetched:
            return True
        return bool(self._declared) and any(space.is_assigned() for space in self._declared.values())

    def names(self, space: Space) -> set[str]:
        """The variables of a space that this turn has touched or assigned so far."""
        return {name for place, name in self._fetched if place is space} | set(space.present())

    def fetch(self, space: Space, name: str) -> Any:
        """Bring a resting variable into its namespace; `MISSING` if there is none of this name."""
        group = space.table.get(name)
        if group is None or (space, name) in self._fetched:  # fetched and not in the namespace: this turn deleted it
            return MISSING
        live = self._live(group)
        self.touch((live,))
        value = live.values[space.key(name)]
        self._fetched.add((space, name))
        space.namespace[name] = value
        return value

    def assign(self, space: Space, name: str, value: Any) -> None:
        """Give a variable a value, or (`MISSING`) take it away, as code of the space would."""
        self._fetched.add((space, name))
        if value is MISSING:
            space.namespace.pop(name, None)
        else:
            space.namespace[name] = value

    def touch(self, lives: Iterable[_Live]) -> None:
        """Count `lives`, and what their volatile values may reach, as touched by this turn."""
        for live in lives:
            if self.has(live) and live.group._p_oid not in self._touched:
                self._touched[live.group._p_oid] = live
                self.touch(live.linked)

    def has(self, live: _Live) -> bool:
        """Whether this is what is in memory of its group: it may be gone, or have been loaded anew."""
        return self._lives.get(live.group._p_oid) is live

    def now(self, live: _Live) -> _Live | None:
        """What is in memory now of the same group; None if no variable has it."""
        if self.has(live):
            return live
        places = [self._place(key) for key in live.values]
        kept = any(space.table.get(name) is live.group for space, name in places)
        return self._live(live.group) if kept else None

    def value(self, key: str) -> Any:
        """The value of a variable, without touching it."""
        space, name = self._place(key)
        group = space.table.get(name)
        return MISSING if group is None else self._live(group).values.get(key, MISSING)

    def keep(self, group: Group) -> None:
        """Look at this group in every turn from now on."""
        if (live := self._lives.get(group._p_oid)) is not None:
            self._kept = [*(each for each in self._kept if self.has(each) and each is not live), live]

    def touched(self) -> list[_Live]:
        return list(self._touched.values())

    def peek(self, space: Space, name: str) -> Any:
        """The value of a variable if it is in memory, without touching it; else `MISSING`."""
        group = space.table.get(name)
        live = None if group is None else self._lives.get(group._p_oid)
        return MISSING if live is None else live.values.get(space.key(name), MISSING)

    def _live(self, group: Group) -> _Live:
        live = self._lives.get(group._p_oid)
        if live is None:
            live = _Live(group, dict(group.values), hash(self._connection.stored(group)))
            self._lives[group._p_oid] = live
        return live

    # -- a turn's end

    def gather(self) -> None:
        """Find what the turn changed and give it to the groups, ready for the commit."""
        now, rebound = self._bindings()
        if not now and not rebound:
            return
        free = dict(self._touched)
        home = {key: live for live in free.values() for key in live.values}
        for keys in self._parts(now, rebound):
            homes = (home[key] for key in keys if key in home)
            live = next((live for live in homes if free.pop(live.group._p_oid, None)), None)
            if live is None or set(live.values) != keys or keys & rebound:
                self._fill(live, {key: now[key] for key in now if key in keys})
            elif self._changed(live):
                self._fill(live, live.values)
        self._dropped += free.values()  # all that these held is gone or went elsewhere
        for key in rebound - set(now):
            space, name = self._place(key)
            if name in space.table:
                del space.table[name]

    def _bindings(self) -> tuple[dict[str, Any], set[str]]:
        """The variables that this turn is about, and which of them got another value or none."""
        present: dict[str, Any] = {}
        for space in self._spaces.values():
            for name, value in space.present().items():
                present[space.key(name)] = value
                if (group := space.table.get(name)) is not None:
                    self.touch((self._live(group),))
        deleted = {space.key(name) for space, name in self._fetched if not space.holds(name)}
        before = {key: value for live in self._touched.values() for key, value in live.values.items()}
        now = {key: present.get(key, value) for key, value in before.items() if key not in deleted}
        now.update((key, value) for key, value in present.items() if key not in before)
        rebound = deleted | {key for key, value in now.items() if before.get(key, MISSING) is not value}
        return now, rebound

    def _parts(self, now: dict[str, Any], rebound: set[str]) -> list[set[str]]:
        """The variables of this turn by the records they belong into: together if they share plain objects."""
        parts: list[set[str]] = []
        for live in self._touched.values():
            keys = set(live.values)
            parts += [{key} for key in keys if key in now] if keys & rebound else [keys]
        known = {key for keys in parts for key in keys}
        parts += [{key} for key in now if key not in known]
        mutable = [keys for keys in parts if not all(is_immutable(now[key]) for key in keys)]
        if len(mutable) < 2:
            return parts
        owner: dict[int, set[str]] = {}
        alive = []  # an id means something only while its object lives
        for keys in mutable:
            reached = self._reach({key: now[key] for key in keys})
            alive.append(reached)
            for place in reached:
                other = owner.setdefault(place, keys)
                if other is not keys:
                    keys.update(other)
                    for each in [at for at, of in owner.items() if of is other]:
                        owner[each] = keys
                    parts.remove(other)
        return parts

    def _reach(self, values: dict[str, Any]) -> dict[int, Any]:
        """The objects that these values hold and could share, by id."""
        _record, pickler = self._connection.look_as(Group, {"values": values})
        memo = pickler.memo.copy()
        reached = {
            place: value
            for place, (_number, value) in memo.items()
            if type(value) is not tuple and type(value) is not frozenset  # these share what they hold, if anything
            if not is_immutable(value)
        }
        reached.update((id(value), value) for value in values.values())  # volatile ones are in no memo
        return reached

    def _changed(self, live: _Live) -> bool:
        """Whether a group's values are no longer what the image has."""
        record, pickler = self._connection.look_as(Group, {"values": live.values})
        self._changes.saw(live.group, pickler)
        if hash(record) == live.digest:
            return False
        if not same(self._connection.stored_state(live.group)["values"], live.values):
            return True
        live.digest = hash(record)
        return False

    def _fill(self, live: _Live | None, values: dict[str, Any]) -> None:
        if live is None:
            group = Group()
            self._connection.add(group)
            live = _Live(group, {}, None)
        live.group.values = values
        self._filled.append((live, values))
        for key in values:
            space, name = self._place(key)
            if space.table.get(name) is not live.group:
                space.table[name] = live.group

    def _place(self, key: str) -> tuple[Space, str]:
        module, _, name = key.rpartition(".")
        if module not in self._spaces:  # a module that is not loaded in this process, and shares an object with others
            self.add(self.find_space(module))
        return self._spaces[module], name

    def settle(self) -> None:
        """After the commit: remember what the image has now, and put the variables to rest."""
        for live, values in self._filled:
            live.values = values
            live.digest = self._changes.records.get(live.group._p_oid)
            self._lives[live.group._p_oid] = live
            self._touched[live.group._p_oid] = live
        for live in self._dropped:
            self._lives.pop(live.group._p_oid, None)
            self._touched.pop(live.group._p_oid, None)
            self._changes.release(live.group._p_oid)
            live.linked.clear()
            live.group._p_deactivate()  # so that a file is closed when its variable goes
        for oid, live in self._touched.items():
            live.linked = {each for each in live.linked if self.has(each)}
            if self._changes.is_volatile(oid):
                live.linked |= set(self._touched.values()) - {live}

    def undo(self) -> None:
        """Before the abort: let go of every value that the turn changed, so that the image's is loaded again."""
        for oid, live in self._touched.items():
            try:
                changed = self._changed(live)
            except BaseException:  # a `__reduce__` that raises SystemExit, say; nothing may stop the undoing
                changed = True
            if changed:
                self._let_go(live.group, oid)
        for shared in self._changes.shared():  # all is equal to what the image has, but one thing where it has two
            for group in (shared.first, shared.second):
                if isinstance(group, Group):
                    self._let_go(group, group._p_oid)

    def let_go(self, oids: Iterable[bytes]) -> None:
        """What these records were given is not written after all: it will be loaded again."""
        for oid in oids:
            self._lives.pop(oid, None)

    def _let_go(self, group: Group, oid: bytes) -> None:
        self._lives.pop(oid, None)
        group._p_invalidate()

    def rest(self) -> None:
        """Empty all namespaces of variables, and hold nothing that this turn let go."""
        for space in self._spaces.values():
            space.rest()
        for each in (self._touched, self._fetched, self._filled, self._dropped):
            each.clear()

    def forget(self) -> None:
        """The system stops: hold nothing, so that an open file is written out and closed."""
        for live in self._lives.values():
            live.linked.clear()
            live.group._p_deactivate()
        self._lives.clear()
        self._kept.clear()

    def owners(self, value: Any) -> list[str]:
        """Which variables, among those of the last turn, hold this object."""
        found = []
        for live in self._touched.values():
            for key, each in live.values.items():
                _record, pickler = self._connection.look_as(Group, {"values": {key: each}})
                held = pickler.memo.copy()
                if each is value or id(value) in held or any(leaf is value for leaf in pickler.volatile):
                    found.append(key.removeprefix("workspace."))
        return found
