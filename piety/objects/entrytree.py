"""Which entries there are: the BTree `world.entries`, followed node by node.

The index remembers of each node its children and what lies in it; so a turn that writes a few nodes of a large tree
costs those, and not the tree.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ZODB.utils import p64, u64

from piety.objects.nodes import children, is_tree, items

if TYPE_CHECKING:
    from piety.objects.connection import ImageConnection
    from piety.objects.findindex import FindIndex


class EntryTree:
    """The BTree `world.entries`, as its nodes are written: which pairs of number and record come and go."""

    def __init__(self, index: FindIndex, connection: ImageConnection) -> None:
        self._index, self._db = index, index.db
        self._connection = connection

    def follow(self, oids: set[int], world: bytes | None) -> tuple[set[Any], set[Any]]:
        """What lay in the nodes that a turn has written, or that are gone with it, and what lies there now."""
        before: set[Any] = set()
        after: set[Any] = set()
        roots: set[int] = set()
        if world is not None:
            obj = self._connection.get(world)
            obj._p_invalidate()  # it was read for an earlier turn
            tree = getattr(obj, "entries", None)
            root = 0 if tree is None else u64(tree._p_oid)
            if (old := self._index.get("tree") or 0) != root:
                self._index.set("tree", root)
                if old:
                    self._drop(old, before)
                roots = {root} - {0}
        written = {oid for oid in oids if self._is_known(oid)}
        kids_before: set[int] = set()
        kids_after: set[int] = set()
        for node in written:
            kids, held = self._stored(node)
            kids_before.update(kids)
            before |= held
        todo = written | roots
        while todo:
            node = todo.pop()
            kids, held = self._read(node)
            kids_after |= kids
            after |= held
            todo |= {kid for kid in kids if not self._is_known(kid)}
        for node in kids_before - kids_after:
            self._drop(node, before)
        return before, after

    def _is_known(self, node: int) -> bool:
        return self._db.execute("SELECT 1 FROM nodes WHERE node = ?", (node,)).fetchone() is not None

    def _stored(self, node: int) -> tuple[set[int], set[Any]]:
        row = self._db.execute("SELECT kids, held FROM nodes WHERE node = ?", (node,)).fetchone()
        if row is None:
            return set(), set()
        return set(json.loads(row[0])), {tuple(pair) for pair in json.loads(row[1])}

    def _read(self, node: int) -> tuple[set[int], set[Any]]:
        taken = self._connection.take(p64(node))
        kids: set[int] = set()
        held: set[Any] = set()
        if taken is not None:
            kind, state = taken
            if is_tree(kind) and (below := children(state)):
                kids = {u64(child._p_oid) for child in below}
            else:
                held = {(number, u64(entry._p_oid)) for number, entry in items(kind, state)}
        row = node, json.dumps(sorted(kids)), json.dumps(sorted(held))
        self._db.execute("INSERT OR REPLACE INTO nodes VALUES(?, ?, ?)", row)
        return kids, held

    def _drop(self, node: int, before: set[Any]) -> None:
        """A node, and what is below it, is not in the tree any more."""
        todo = [node]
        for each in todo:
            kids, held = self._stored(each)
            before |= held
            todo += kids
            self._db.execute("DELETE FROM nodes WHERE node = ?", (each,))
