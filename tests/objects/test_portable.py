"""Portable snapshots: whole or refused, and the same moment wherever they are read."""

from __future__ import annotations

import json
import random
import zipfile
from pathlib import Path

import pytest
from conftest import System

import piety
from piety import boot
from piety.errors import BadSnapshot, PietyError
from piety.objects import portable, transfer
from piety.objects.check import check_image
from piety.objects.portable import Portable, PortableStorage, no_tick
from piety.transport import missing_classes, take_in

SHIPPED = sorted((Path(__file__).resolve().parents[2] / "snapshots").glob("*.piety"))

BEGIN = """
from persistent import Persistent
from BTrees.OOBTree import OOBTree
import collections, datetime
class Note(Persistent):
    def __init__(self, n): self.n = n; self.when = datetime.date(2026, 11, 27)
def double(n): return 2 * n
rows = [1, 2]; same = rows; count = collections.Counter("abca")
world.notes = OOBTree({n: Note(n) for n in range(300)}); texts["t"] = Text("one\\ntwo\\n")
"""
LOOK = "rows, same is rows, count, len(world.notes), world.notes[7].n, world.notes[7].when, double(4), str(texts['t'])"


@pytest.fixture
def begun(system: System) -> System:
    """An image with a snapshot "then", after which all was changed."""
    system.run(BEGIN, "snapshot('then', note='a note')")
    system.image.modules["m"] = "a = 1\n"
    system.run("rows.append(3); world.notes.clear(); del double; texts['t'].insert(0, 0, 'x'); del count")
    return system


def exported(system: System, when: str | None = "then") -> Path:
    """The file of a moment."""
    path = system.home.parent / f"{when}.piety"
    with system.image.look():
        write = transfer.export(system.image, when, str(path))
    write(no_tick)
    return path


def imported(path: Path, place: Path) -> piety.Image:
    take_in(str(path), str(place))
    return piety.open(place)


def test_it_is_the_moment_and_no_other(begun: System, tmp_path: Path) -> None:
    path = exported(begun)
    now = exported(begun, None)
    begun.image.close()
    with imported(path, tmp_path / "other") as image:
        shown = image.show(image.evaluate(LOOK).value)
        assert shown.startswith("([1, 2], True, Counter({'a': 2, 'b': 1, 'c': 1}), 300, 7, datetime.date(2026, 11, 27), 8")
        assert "m" not in image.modules
        assert image.show(image.evaluate("snapshots()").value) == "no snapshots"
        assert list(check_image(image)) == []
        assert image.evaluate("rows.append(9); rows, same").value == ([1, 2, 9], [1, 2, 9])
    with imported(now, tmp_path / "now") as image:
        assert image.evaluate("rows, len(world.notes), str(texts['t'])").value == ([1, 2, 3], 0, "xone\ntwo\n")
        assert image.modules["m"] == "a = 1\n"


def test_the_manifest_tells_what_it_is(begun: System) -> None:
    with Portable(exported(begun)) as snapshot:
        manifest = snapshot.manifest
        assert (manifest["name"], manifest["note"], manifest["format"]) == ("then", "a note", portable.PORTABLE)
        assert manifest["objects"] == len(snapshot) == len(list(snapshot.records()))
        assert {"workspace:Note", "datetime:date", "collections:Counter", "piety.objects.texts:Text"} <= set(manifest["classes"])
        assert begun.run("snapshots['then'].tid") == snapshot.tid
        assert missing_classes(manifest) == []
        assert missing_classes({"classes": ["gone_module.sub:X", "ed:Ed", "datetime:date"], "modules": ["ed"]}) == ["gone_module"]


def test_the_same_moment_makes_the_same_records(begun: System) -> None:
    """Whoever has two can tell by the manifest."""
    first = exported(begun)
    with Portable(first) as snapshot:
        parts = snapshot.manifest["parts"]
    first.unlink()
    begun.run("later = 1")
    with Portable(exported(begun)) as snapshot:
        assert snapshot.manifest["parts"] == parts


def test_many_chunks_are_read_in_any_order(begun: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "CHUNK", 1000)
    path = exported(begun)
    storage = PortableStorage(path)
    with Portable(path) as snapshot:
        snapshot.verify()
        records = list(snapshot.records())
        assert len(snapshot.manifest["parts"]) > 10
        random.Random(1).shuffle(records)
        assert all(storage.load(oid) == (record, tid) for oid, tid, record in records)
    with pytest.raises(KeyError):
        storage.load(b"\xff" * 8)
    storage.close()


def test_every_damage_is_seen_and_nothing_is_made(begun: System, tmp_path: Path) -> None:
    """Each byte that is changed is seen, or makes no difference to what is imported; so is what is cut off or added."""
    path = exported(begun)
    begun.image.close()
    whole = path.read_bytes()
    with Portable(path) as snapshot:
        records = list(snapshot.records())
    chance = random.Random(5)
    damaged = tmp_path / "damaged.piety"
    refused = 0
    for place in sorted(chance.sample(range(len(whole)), 300)):
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << chance.randrange(8))]) + whole[place + 1 :])
        try:
            with Portable(damaged) as snapshot:
                snapshot.verify()
                assert list(snapshot.records()) == records
        except BadSnapshot:
            refused += 1
    assert refused > 270  # the others are times and the like, of which nobody reads anything
    for cut in (0, 1, 21, 22, len(whole) // 2, len(whole) - 1):
        damaged.write_bytes(whole[:cut])
        with pytest.raises(BadSnapshot):
            take_in(str(damaged), str(tmp_path / "none"))
    damaged.write_bytes(whole + b"more")
    with pytest.raises(BadSnapshot):
        take_in(str(damaged), str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_another_zip_and_a_newer_format_are_told(begun: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("manifest.json", json.dumps({}))
    with pytest.raises(BadSnapshot, match="is no portable snapshot"):
        Portable(other)
    with pytest.raises(BadSnapshot, match="there is no file"):
        Portable(tmp_path / "nowhere")
    monkeypatch.setattr(portable, "PORTABLE", 2)
    path = exported(begun)
    monkeypatch.undo()
    with pytest.raises(BadSnapshot, match="has format 2, and this Piety reads up to 1; use a newer Piety"):
        Portable(path)


def test_a_place_that_is_taken_is_left_alone(begun: System, tmp_path: Path) -> None:
    path = exported(begun)
    with pytest.raises(PietyError, match="is there already; choose another name"):
        exported(begun)
    begun.image.close()
    with pytest.raises(PietyError, match="there is a home"):
        take_in(str(path), str(begun.home))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").touch()
    with pytest.raises(PietyError, match="needs a folder of its own"):
        take_in(str(path), str(tmp_path / "full"))


def test_one_that_is_stopped_leaves_nothing(begun: System, tmp_path: Path) -> None:
    def stop(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with begun.image.look():
        write = transfer.export(begun.image, "then", str(tmp_path / "stopped.piety"))
    with pytest.raises(KeyboardInterrupt):
        write(stop)
    path = exported(begun)
    begun.image.close()
    with Portable(path) as snapshot, pytest.raises(KeyboardInterrupt):
        boot.found(str(tmp_path / "new"), transfer.fill_from(snapshot, "me", stop))
    left = {each.name for each in tmp_path.iterdir()}
    assert left == {"home", "then.piety"}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_what_the_project_ships_can_be_resumed(path: Path, tmp_path: Path) -> None:
    """One of each format, for ever."""
    with imported(path, tmp_path / "home") as image:
        assert list(check_image(image)) == []
        assert image.show(image.evaluate("greeting, [str(each) for each in notes], double(21)").value) == (
            "('hello from the past', ['milk', 'bread'], 42)"
        )
        assert image.evaluate("str(texts['letter'])").value == "Dear reader,\nthis was written in 2026.\n"
        assert image.evaluate("import kept; kept.rows.append(1); len(kept.rows), sorted(world.tree)[:3]").value == (3, [0, 1, 2])


def test_there_is_one_of_each_format() -> None:
    assert [path.name for path in SHIPPED] == [f"format-{number}.piety" for number in range(1, portable.PORTABLE + 1)]
