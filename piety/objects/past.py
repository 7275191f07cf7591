"""The past: the whole world as it was at a moment, beside the present.

A past is a view that cannot write.  Its objects are read, as they were then, through a connection of their own; they
are of the classes of today, so an object whose class is gone shows as broken, with its state.  What a person changes
in a plain list there is seen by nobody else, and forgotten.

    past = at("yesterday 18:00")
    past.world.notes; past.texts["letter"]; past.modules["notes"]; past.evaluate("len(world.notes)")
    past.find("kind:note")
"""

from __future__ import annotations

import ast
import time
from pathlib import Path
from typing import Any

from ZODB.POSException import POSKeyError
from ZODB.utils import p64, u64

from piety.errors import PietyError
from piety.objects.changes import never_changes
from piety.objects.connection import ImageConnection, ImageDB, name_of
from piety.objects.image import current
from piety.objects.moments import shown, time_of
from piety.objects.portable import PortableStorage, archived
from piety.objects.storage import ImageStorage
from piety.objects.transactions import Transactions
from piety.objects.variables import MISSING, RestingNames


@never_changes
class Past:
    """The world as it was when the turn of this number was done; a value, which can be kept in a variable."""

    tid: bytes

    def __init__(self, tid: bytes, words: str = "") -> None:
        self.tid = tid
        self.words = words or shown(time_of(tid))

    @property
    def world(self) -> Any:
        """The root of everything, as it was."""
        return current().past(self.tid).root()["world"]

    @property
    def texts(self) -> Any:
        """The texts of then, by name."""
        texts = self.world.texts
        return {} if texts is None else texts

    @property
    def modules(self) -> dict[str, str]:
        """The sources of the modules of then, by name."""
        from importlib.util import decode_source

        return {name: decode_source(record.source.data) for name, record in self.world.modules.table.items()}

    @property
    def source(self) -> str:
        """What was defined in the workspace then."""
        from piety.objects.workspace import source_of

        return source_of(self.world.workspace)

    def __getitem__(self, name: str) -> Any:
        """The value that a variable of the workspace had."""
        value = self._variable(name)
        if value is MISSING:
            raise KeyError(name)
        return value

    def _variable(self, name: str) -> Any:
        group = self.world.workspace.variables.get(name)
        return MISSING if group is None else group.values[f"workspace.{name}"]

    def evaluate(self, source: str) -> Any:
        """The value of a Python source that sees the variables and the world of then; its code is that of now.

        Raises what it raises.
        """
        tree = ast.parse(source, "<past>")
        namespace: dict[str, Any] = {"__name__": "past", "__builtins__": RestingNames(self._bring)}
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "<past>", "exec"), namespace)
        return None if last is None else eval(compile(ast.Expression(last.value), "<past>", "eval"), namespace)  # type: ignore[attr-defined]

    def _bring(self, name: str) -> Any:
        if name == "world":
            return self.world
        value = self._variable(name)
        if value is MISSING and name == "texts":
            return self.texts
        return current().definition(name) if value is MISSING else value

    def find(self, query: str = "", **facts: Any) -> Any:
        """The entries of then that fulfil a query; see `finding.find`."""
        from piety.objects.finding import find

        return find(query, at=self, **facts)

    def get(self, obj: Any) -> Any:
        """A persistent object as it was.  Raises `PietyError` if it was not there."""
        try:
            return current().past(self.tid).get(obj._p_oid)
        except POSKeyError:
            raise PietyError(f"{name_of(obj)} was not there; it was made later") from None

    def __repr__(self) -> str:
        return f"<the world of {self.words}>"


def is_packed(storage: ImageStorage, tid: bytes) -> bool:
    """Whether what was at the moment of this turn was packed away."""
    return u64(tid) + 1 < u64(storage.packed)


def archive_of(storage: ImageStorage, tid: bytes, home: str) -> Path:
    """The portable snapshot of a moment that was packed away.  Raises `PietyError` if there is none."""
    if (path := archived(home, tid)) is None:
        raise PietyError(f"what was before {shown(time_of(storage.packed))} was packed away, but for snapshots")
    return path


def open_past(db: ImageDB, tid: bytes, home: str) -> ImageConnection:
    """A connection to read with what was there at a moment.

    Raises `PietyError` if nothing was, if it was packed away, or has not come.
    """
    when, last = time_of(tid), db.lastTransaction()
    if tid > last and when > time.time() + 1:
        raise PietyError(f"{shown(when)} has not come yet; its world cannot be looked at")
    with db.storage.log() as log:
        first = next(log.forwards())
    if is_packed(db.storage, tid):
        path = archive_of(db.storage, tid, home)
        db, last = ImageDB(PortableStorage(path), class_factory=db.classFactory), tid
    elif tid < first.tid:
        raise PietyError(f"this image begins at {shown(time_of(first.tid))}; there is nothing before that")
    transactions = Transactions()
    connection: ImageConnection = db.open(transactions, before=p64(u64(min(tid, last)) + 1))
    transactions.begin()
    return connection
