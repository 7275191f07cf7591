"""What savepoints have written: in memory, in a file beyond that, and what of it is there after going back."""

from __future__ import annotations

import tempfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ZODB.POSException import Unsupported
from ZODB.utils import p64, z64

from piety.objects import saved
from piety.objects.saved import Kept, Saved
from tests.conftest import System

CELL = "from persistent import Persistent\nclass Cell(Persistent):\n    def __init__(self, n): self.n = n"
NONE_LITTLE = 0, 30, 1 << 24  # nothing fits into memory; a record or two do; all do


class Committed:
    """A storage in which every object has a record of its own, of turn 1."""

    def __getattr__(self, name: str) -> Any:
        return lambda: name

    def load(self, oid: bytes) -> tuple[bytes, bytes]:
        return b"committed " + oid, p64(1)


@given(
    st.sampled_from(NONE_LITTLE),
    st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=40)) | st.just("savepoint") | st.integers(0, 3)),
)
def test_what_was_kept_last_is_read_also_after_going_back(little: int, steps: list[Any]) -> None:
    """A step keeps a record, makes a savepoint, or goes back to one of those made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved, "LITTLE", little)
        kept = Saved(Committed())
        model: dict[bytes, bytes] = {}
        savepoints: list[tuple[int, dict[bytes, Kept], dict[bytes, bool], dict[bytes, bytes]]] = []
        for step in steps:
            if step == "savepoint":
                savepoints.append((kept.position, kept.index.copy(), kept.creating.copy(), model.copy()))
            elif isinstance(step, tuple):
                oid = p64(step[0])
                assert kept.store(oid, p64(2), step[1], "", None) == p64(2)
                model[oid] = step[1]
            elif step < len(savepoints):
                position, index, creating, model = savepoints[step]
                kept.reset(position, index, creating)
                model = model.copy()
                del savepoints[step + 1 :]
            for oid in map(p64, range(4)):
                assert kept.load(oid) == ((model[oid], p64(2)) if oid in model else (b"committed " + oid, p64(1)))
            for _position, index, _creating, then in savepoints:
                assert {oid: kept.read(place)[0] for oid, place in index.items()} == then
        kept.close()


def test_little_makes_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is what it is for."""
    files: list[Any] = []
    make = tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **kind: files.append(make(**kind)) or files[-1])
    monkeypatch.setattr(saved, "LITTLE", 100)
    kept = Saved(Committed())
    kept.store(p64(1), z64, b"x" * 100, "", None)
    assert not files
    kept.store(p64(2), z64, b"y", "", None)
    assert len(files) == 1
    kept.close()
    assert files[0].closed


@pytest.mark.parametrize("little", NONE_LITTLE)
def test_trials_and_the_turn_around_them_are_kept(system: System, monkeypatch: pytest.MonkeyPatch, little: int) -> None:
    """Whatever fits into memory; and what the difference of a trial shows of the time before it."""
    monkeypatch.setattr(saved, "LITTLE", little)
    system.run(CELL, "world.cells = [Cell(0), Cell(0)]")
    system.run(
        "first, second = world.cells\n"
        "first.n = 1\n"
        "with trial() as one:\n    first.n = 2; second.n = 2; world.new = Cell(3)\n    one.keep()\n"
        "with trial() as two:\n    second.n = 4; shown = repr(two.diff()); two.keep()\n"
        "after = first.n, second.n, world.new.n"
    )
    assert system.run("shown").splitlines() == ["~ world.cells[1]", "    .n: 2 -> 4"]
    assert system.elsewhere("after", "[each.n for each in world.cells], world.new.n") == ["(2, 4, 3)", "([2, 4], 3)"]


def test_a_full_disk_while_a_record_is_put_away_loses_nothing(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """The turn fails; what was before it stands."""
    system.run(CELL, "world.cells = [Cell(0), Cell(0)]")

    def full(**_kind: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(saved, "LITTLE", 0)
        patch.setattr(tempfile, "TemporaryFile", full)
        error = system.fail("world.cells[0].n = 1\nwith trial(): world.cells[1].n = 1")
    assert "No space left" in str(error)
    assert system.run("[each.n for each in world.cells]") == [0, 0]
    system.run("world.cells[1].n = 5")
    assert system.elsewhere("[each.n for each in world.cells]") == ["[0, 5]"]


def test_memory_goes_back_when_what_was_saved_cannot_be_written(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it, also what was to be written after the record that could not be."""
    system.run(CELL, "world.cells = [Cell(0), Cell(0), Cell(0)]")
    written: list[bytes] = []
    instance = type(system.image._connection._normal_storage)
    store = instance.store

    def full(self: Any, oid: bytes, *rest: Any) -> Any:
        written.append(oid)
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        return store(self, oid, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(instance, "store", full)
        system.fail("for each in world.cells:\n    with trial() as t:\n        each.n = 1\n        t.keep()")
    assert len(written) == 2
    assert system.run("[each.n for each in world.cells]") == [0, 0, 0]
    assert system.elsewhere("[each.n for each in world.cells]") == ["[0, 0, 0]"]


def test_a_blob_is_refused_at_the_savepoint(system: System) -> None:
    """As without one: what comes from a savepoint is written as if there were none."""
    error = system.fail("from ZODB.blob import Blob\nwith trial() as t:\n    world.blob = Blob()\n    t.keep()")
    assert isinstance(error, Unsupported)
    assert not hasattr(system.image.world, "blob")
    assert isinstance(system.fail("from ZODB.blob import Blob\nworld.blob = Blob()"), Unsupported)
    assert not hasattr(system.image.world, "blob")
