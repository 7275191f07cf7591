"""The code of the image that tells facts: what was read with it is read again when it is another.

That is the methods `__facts__` and `__text__` of a class, and what `extract` has registered.  A definition of the
workspace gets a new object each time, so the index remembers in which node of their table it has found it:

    code        name, leaf, definition      of the definitions that were used; a module stays the same object
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ZODB.POSException import POSKeyError
from ZODB.utils import u64, z64

from piety.objects.deriving import Extractors, extractors_of
from piety.objects.nodes import items, leaf
from piety.objects.workspace import NAME

if TYPE_CHECKING:
    from piety.objects.connection import ImageConnection
    from piety.objects.findindex import FindIndex
    from piety.objects.world import World


class Code:
    """Follows the code that tells facts, as `connection` reads it."""

    def __init__(self, index: FindIndex, connection: ImageConnection) -> None:
        self._db, self._connection = index.db, connection
        self.extractors: Extractors = ()
        self._found: dict[str, int] = {}  # definitions that were looked up, until something of `_from` is written
        self._from: set[int] = set()
        self._workspace = 0
        if (world := self._world()) is not None:
            self.extractors = world.extractors

    def _world(self) -> World | None:
        try:
            root = self._connection.get(z64)
            root._p_invalidate()  # it was read for an earlier turn
            found: World | None = root.get("world")
        except POSKeyError:  # there was nothing yet
            return None
        if found is not None:
            found._p_invalidate()
        return found

    def follow(self, oids: set[int], world: bytes | None) -> set[int]:
        """The entries that were read with code that a turn has changed, which has written these objects."""
        found: set[int] = set()
        if world is not None or not oids.isdisjoint(self._from):
            self._found.clear()
            self._from.clear()
        if world is not None and (now := self._world()) is not None and now.extractors != self.extractors:
            self.extractors = now.extractors
            found = {row[0] for row in self._db.execute("SELECT number FROM entries")}
        rows = self._db.execute("SELECT name, leaf, definition FROM code").fetchall()
        for name, place, definition in rows:
            if place in oids and self._find(name) != definition:
                found |= {row[0] for row in self._db.execute("SELECT entry FROM depends WHERE oid = ?", (definition,))}
        return found

    def used_for(self, obj: Any) -> set[int]:
        """The numbers of the objects of the image in which the code lies that tells something of an object."""
        functions = list(extractors_of(obj, self.extractors))
        kinds = [each for each in type(obj).__mro__ if "__facts__" in vars(each) or "__text__" in vars(each)]
        found: set[int] = set()
        code: Any
        for code in (*functions, *kinds):
            if code.__module__ == NAME:
                definition = self._find(code.__qualname__.partition(".")[0])
                found |= set() if definition is None else {definition}
            elif (world := self._world()) is not None and (module := world.modules.table.get(code.__module__)):
                found.add(u64(module._p_oid))
        return found

    def _find(self, name: str) -> int | None:
        """The number of a definition of the workspace; the index remembers where it stands."""
        found = self._found.get(name)
        if found is None and (found := self._looked_up(name)) is not None:
            self._found[name] = found
        return found

    def _looked_up(self, name: str) -> int | None:
        world = self._world()
        place = None if world is None else leaf(self._connection.take, self._table(world), name)
        taken = None if place is None else self._connection.take(place)
        held = {} if taken is None else dict(items(*taken))
        if place is None or name not in held:
            return None
        definition = u64(held[name]._p_oid)
        self._from |= {u64(place), self._workspace}
        self._db.execute("INSERT OR REPLACE INTO code VALUES(?, ?, ?)", (name, u64(place), definition))
        return definition

    def _table(self, world: World) -> bytes:
        workspace = world.workspace
        workspace._p_invalidate()
        self._workspace = u64(workspace._p_oid)
        number: bytes = workspace.definitions._p_oid
        return number

