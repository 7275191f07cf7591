"""`piety check`: a sound image has nothing to tell; whatever is broken is named, with the way to it."""

from __future__ import annotations

import os
import re
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from BTrees.OOBTree import OOBTree
from ZODB.FileStorage.format import DATA_HDR_LEN

from piety.objects import check
from piety.objects.check import check_image
from piety.objects.storage import ImageStorage

if TYPE_CHECKING:
    from conftest import System

NOTES = """
from persistent import Persistent
from persistent.mapping import PersistentMapping
from BTrees.OOBTree import OOBTree

class Note(Persistent):
    def __init__(self, text):
        self.text = text

class Plain:
    pass
"""


def problems(system: System) -> list[str]:
    """What the check says, after a resume."""
    system.resume()
    return list(check_image(system.image))


def without_numbers(lines: list[str]) -> list[str]:
    """The lines with the numbers of objects taken out."""
    return [re.sub(r"0x[0-9a-f]+", "#", line) for line in lines]


def hurt(system: System, source: str, *, at: int, data: bytes = b"\xff" * 8, index: bool = True) -> None:
    """Write over bytes of an object's record while the system rests; `at` counts from the begin of its data."""
    oid = system.run(source)._p_oid
    system.image.close()
    file = system.home / "image" / "image.fs"
    storage = ImageStorage(str(file))
    place = storage._index[oid] + DATA_HDR_LEN + at
    storage.close()
    with file.open("r+b") as image:
        image.seek(place)
        image.write(data)
    if not index:
        os.unlink(f"{file}.index")


def test_sound_image_has_nothing_to_tell(system: System) -> None:
    """Objects of all kinds; nothing is written, and nothing is left in memory."""
    system.run(NOTES, "world.notes = OOBTree({str(n): Note(n) for n in range(500)})", "plain = [Plain(), {Plain: len}]")
    system.run("f = lambda: 1", "import math; half = math.sqrt", "world.tree = OOBTree({0: OOBTree({1: Note(1)})})")
    system.image.modules["notes"] = "class Page: pass\npage = Page()"
    before = system.file()
    assert problems(system) == []
    assert system.file() == before
    assert system.run("world.notes['7'].text, type(plain[0]) is Plain") == (7, True)


def test_class_that_is_gone_is_named_wherever_it_is_used(system: System) -> None:
    """Of an object, of plain instances in a list and in a variable, and the class itself held by an object."""
    system.run("from shapes import shape")  # a name of the host, which is there
    source = "from persistent import Persistent\nclass Note(Persistent): pass\nclass Plain: pass\ndef helper(): pass"
    system.image.modules["gone"] = source
    system.run(
        "import gone",
        "world.note = gone.Note()",
        "world.note.first = 1",
        "from persistent.mapping import PersistentMapping",
        "world.shelf = PersistentMapping({'adam': [1, {'deep': gone.Note()}]})",
        "rows = [1, gone.Plain()]",
        "call = gone.helper",
        "del gone",
    )
    del system.image.modules["gone"]
    told = without_numbers(problems(system))
    missing = "cannot be found (ModuleNotFoundError: No module named 'gone')"
    assert sorted(told) == [
        f"Note # at world.note: gone.Note {missing}",
        f"Note # at world.shelf['adam'][1]['deep']: gone.Note {missing}",
        f"variable call: gone.helper {missing}",
        f"variable rows: gone.Plain {missing}",
    ]


def test_workspace_class_whose_definition_fails_is_named(system: System) -> None:
    """The reason says why the definition fails."""
    system.image.modules["base"] = "class Base: pass"
    system.run("from base import Base", "class Child(Base): pass", "child = Child()")
    del system.image.modules["base"]
    (line,) = problems(system)
    assert "variable child: workspace.Child cannot be found" in line
    assert "No module named 'base'" in line


def test_hundred_objects_with_one_fault_are_counted(system: System) -> None:
    """The first are named, the others counted."""
    system.image.modules["gone"] = "from persistent import Persistent\nclass Note(Persistent): pass"
    system.run("import gone", "world.notes = [gone.Note() for _ in range(100)]", "del gone")
    del system.image.modules["gone"]
    *named, rest = problems(system)
    assert len(named) == check.SHOWN
    assert rest.startswith("... and 80 more objects: gone.Note cannot be found")


def test_what_nothing_refers_to_may_be_of_any_class(system: System) -> None:
    """A deleted module's objects lie in the file until it is packed; they hurt nobody."""
    system.image.modules["gone"] = "from persistent import Persistent\nclass Note(Persistent): pass"
    system.run("import gone", "world.note = gone.Note()", "del gone; del world.note")
    del system.image.modules["gone"]
    assert problems(system) == []


def test_damaged_record_is_named(system: System) -> None:
    """With the index, the image opens; the object that is hurt is named by number and way, the others are well."""
    system.run(NOTES, "world.notes = PersistentMapping(adam=Note('a' * 50), eve=Note('e' * 50))")
    hurt(system, "world.notes['adam']", at=2)
    told = problems(system)
    assert len(told) == 1
    assert re.match(r"object 0x\w+ at world.notes\['adam'\]: cannot be read \(", told[0])
    assert system.run("world.notes['eve'].text") == "e" * 50
    assert "piety check" in str(system.fail("world.notes['adam'].text"))


def test_damaged_header_is_told_as_damage_of_the_log(system: System) -> None:
    """The image opens by its index; without that it would not, so that is told first."""
    system.run(NOTES, "world.notes = PersistentMapping(adam=Note('a' * 50))", "world.beside = Note('b')")
    hurt(system, "world.notes['adam']", at=-8, data=struct.pack(">Q", 1 << 40))
    told = problems(system)
    assert "the log is damaged" in told[0]
    assert "world.notes['adam']" in told[1]
    assert system.run("world.beside.text") == "b"


def test_reference_to_nothing(system: System) -> None:
    """A record that is not there: taken away by a faulty pack, say."""
    system.run(NOTES, "world.notes = PersistentMapping(adam=[Note('a')])")
    oid = system.run("world.notes['adam'][0]")._p_oid
    del system.image.storage._index[oid]
    told = without_numbers(list(check_image(system.image)))
    assert told[-1] == "object # at world.notes['adam'][0]: is not there, though it is referred to"


@pytest.mark.parametrize("size", [3, 500])
def test_tree_whose_keys_are_out_of_order(system: System, size: int) -> None:
    """Keys that changed their order after they were put in."""
    system.run(
        "class Key:\n    turned = 1\n    def __init__(self, n): self.n = n\n"
        "    def __lt__(self, other): return self.n * self.turned < other.n * self.turned",
        "from BTrees.OOBTree import OOBTree",
        f"world.tree = OOBTree({{Key(n): n for n in range({size})}})",
        "Key.turned = 1",
    )
    assert problems(system) == []
    system.run(
        "class Key:\n    def __init__(self, n): self.n = n\n    def __lt__(self, other): return self.n > other.n"
    )
    (line,) = problems(system)
    assert "at world.tree: the tree is broken (AssertionError: Errors found in OOBTree" in line


def test_tree_whose_buckets_are_linked_past_one(system: System) -> None:
    """Looking a key up goes by the nodes, iterating by the links: they must agree."""
    tree: Any = OOBTree({number: number for number in range(200)})
    with system.image.turn("a tree") as world:
        world.tree = tree
    with system.image.turn("break it") as world:
        first = world.tree.__getstate__()[1]
        data, second = first.__getstate__()
        first.__setstate__((data, second.__getstate__()[1]))
        first._p_changed = True
    (line,) = without_numbers(problems(system))
    assert line == "OOBTree # at world.tree: the tree is broken (its buckets are not linked in the order of its nodes)"


def test_source_that_does_not_compile(system: System) -> None:
    """Of a module and of a definition: written by another Python, or damaged."""
    system.image.modules["notes"] = "x = 1"
    system.run("def f(): return 1")
    with system.image.turn("break them") as world:
        world.modules.table["notes"].source.data = b"x = = 1"
        world.workspace.definitions["f"].source = "def f(: pass"
    told = without_numbers(problems(system))
    assert len(told) == 2
    assert told[0].startswith("Module # at world.modules.table['notes']: its source does not compile (SyntaxError")
    assert told[1].startswith("Definition # at world.workspace.definitions['f']: its source does not compile")


def test_object_that_cannot_be_filled(system: System) -> None:
    """Its own `__setstate__` fails."""
    system.run(
        "from persistent import Persistent\nclass Note(Persistent): pass", "world.note = Note(); world.note.a = 1"
    )
    system.run("class Note(Persistent):\n    def __setstate__(self, state): raise ValueError('too old')")
    (line,) = without_numbers(problems(system))
    assert line == "Note # at world.note: cannot be filled (ValueError: too old)"


def test_module_that_is_gone_is_named(system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held as itself by an object; also after that was written again without it."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "passing.py").write_text("x = 1")
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    system.run("import passing", "world.held = {'module': passing, 'n': 1}")
    assert problems(system) == []
    monkeypatch.undo()
    monkeypatch.delitem(sys.modules, "passing")
    (tmp_path / "lib" / "passing.py").unlink()
    (fault,) = problems(system)
    assert "importlib.import_module cannot be found (ModuleNotFoundError: No module named 'passing')" in fault
    system.run("world.held['n'] = 2")
    (fault,) = problems(system)
    assert "No module named 'passing'" in fault


def test_key_whose_repr_fails_is_told_all_the_same(system: System) -> None:
    """The way to a broken object leads by it."""
    system.run(
        "from persistent import Persistent\nclass Note(Persistent): pass\n"
        "class Key:\n    def __hash__(self): return 1\n    def __eq__(self, other): return True\n"
        "    def __repr__(self): return self.text",
        "class Gone: pass",
        "note = Note(); note.gone = Gone(); world.table = {Key(): (1, [note])}; del note",
    )
    system.run("del Gone")
    (fault,) = [each for each in problems(system) if "Note" in each]
    assert "at world.table[its repr fails with AttributeError][1][0]: workspace.Gone cannot be found" in fault


def test_few_objects_are_in_memory_at_a_time(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, and also within one tree."""
    monkeypatch.setattr(check, "KEPT", 50)
    system.run(
        NOTES,
        "world.notes = OOBTree({n: Note(n) for n in range(3000)})",
        "world.numbers = OOBTree({n: n for n in range(3000)})",
    )
    most = 0
    count = check._Check._count

    def counting(self: Any, *loaded: Any) -> None:
        nonlocal most
        count(self, *loaded)
        most = max(most, self._connection._cache.cache_non_ghost_count)

    monkeypatch.setattr(check._Check, "_count", counting)
    assert problems(system) == []
    assert most < 200


def test_check_reads_what_others_wrote_before(tmp_path: Path, system: System) -> None:
    """A renamed class is found by the table of renames."""
    system.image.modules["old"] = "from persistent import Persistent\nclass Note(Persistent): pass"
    system.run("import old", "world.note = old.Note()", "del old")
    system.image.modules["new"] = "from persistent import Persistent\nclass Page(Persistent): pass"
    del system.image.modules["old"]
    system.run("world.renames['old:Note'] = 'new:Page'")
    assert problems(system) == []
