"""The connection: what it tells, and the private names of ZODB on which it stands."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ZODB.Connection import Connection
from ZODB.serialize import ObjectReader, ObjectWriter

if TYPE_CHECKING:
    from conftest import System


def test_private_names_are_there(system: System) -> None:
    """The names that the head of `connection.py` lists, each where it says."""
    assert {"_store_objects", "_commit_savepoint"} <= set(dir(Connection))
    assert {"_get_unpickler", "_get_class", "_persistent_load", "setGhostState", "getState"} <= set(dir(ObjectReader))
    assert {"_conn"} <= set(vars(ObjectReader()))
    assert {"_p", "_file", "_stack"} <= set(vars(ObjectWriter()))
    assert {"_dump", "_jar"} <= set(dir(ObjectWriter))
    attributes = {"_reader", "_storage", "_cache", "_db", "_registered_objects", "_added", "before"}
    attributes |= {"_savepoint_storage", "_normal_storage", "_modified", "_creating", "_readCurrent"}
    assert attributes <= set(vars(system.image._connection))
    assert {"_mvcc_storage"} <= set(vars(system.image._connection.db()))


def test_connection_reports_what_it_loads_and_stores(system: System) -> None:
    """`_store_objects` and `_reader`: without them no change within a plain list would be noticed."""
    connection = system.image._connection
    stored, loaded = [], []
    store_hook, load_hook = connection.on_store, connection.on_load

    def on_store(obj: Any, record: bytes, pickler: Any) -> None:
        stored.append(type(obj).__name__)
        store_hook(obj, record, pickler)

    def on_load(obj: Any, state: Any, record: bytes) -> None:
        loaded.append(type(obj).__name__)
        load_hook(obj, state, record)

    system.run("from persistent import Persistent\nclass Note(Persistent): pass")
    connection.on_store, connection.on_load = on_store, on_load
    system.run("world.note = Note(); world.note.tags = [1]")
    assert {"World", "Note"} <= set(stored)
    connection.cacheMinimize()
    system.run("world.note.tags.append(2)")
    assert "Note" in loaded
    assert stored.count("Note") == 2


def test_record_taken_apart_gives_class_and_state(system: System) -> None:
    """`_get_unpickler`: the class first, then the state."""
    system.run("from persistent import Persistent\nclass Note(Persistent): pass", "world.note = Note()")
    connection = system.image._connection
    with system.image.turn("look") as world:
        world.note.tags = [1]
        record = connection.look(world.note)[0]
        kind, state = connection.take_apart(record, connection.db().classFactory)
        assert (kind, state) == (type(world.note), {"tags": [1]})


def test_weak_references_to_stored_objects_are_kept(system: System) -> None:
    """They lead to the same object after a resume, and to None if it is not there any more."""
    system.run("from persistent import Persistent\nclass Note(Persistent): pass", "from persistent.wref import WeakRef")
    system.run("world.note = Note(); world.note.n = 1; world.refs = [WeakRef(world.note)]; ref = WeakRef(world.note)")
    system.resume()
    assert system.run("world.refs[0]() is ref() is world.note, ref().n") == (True, 1)
    assert system.elsewhere("world.refs[0]() is ref() is world.note, ref().n") == ["(True, 1)"]


def test_after_a_large_record_the_next_ones_are_as_small_as_before(system: System) -> None:
    """The room that a pickler has needed for its memo is gone through whenever that is cleared."""
    system.run("n = 0")
    before = sys.getsizeof(system.image._connection._writer._quick)
    system.run("big = [str(i) for i in range(300_000)]")
    system.run("n = 1")
    assert sys.getsizeof(system.image._connection._writer._quick) <= before
