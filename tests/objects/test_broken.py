"""Classes that cannot be found: their objects show as broken, keep all they had, and come back whole."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import System

LIBRARY = """
from collections import Counter
from enum import Enum
from persistent import Persistent

class Note(Persistent):
    def __init__(self, text):
        self.text = text

class Plain:
    def __init__(self, text):
        self.text = text

    class Inner:
        text = "inner"

    @classmethod
    def remade(cls, text):
        return cls(text)

class Remade(Plain):
    def __reduce__(self):
        return Remade.remade, (self.text,)

class Bag(list):
    pass

class Tally(Counter):
    pass

class Colour(Enum):
    RED = 1

class Frozen:
    __slots__ = ("text",)
    def __init__(self, text):
        self.text = text
    def __getstate__(self):
        return [self.text]
    def __setstate__(self, state):
        self.text, = state

def helper(text):
    return text.upper()
"""

SHELF = """
import library
shelf = {
    "plain": library.Plain("adam"),
    "inner": library.Plain.Inner(),
    "remade": library.Remade("eve"),
    "bag": library.Bag([1, 2, library.Plain("in a bag")]),
    "tally": library.Tally("piety"),
    "colour": library.Colour.RED,
    "frozen": library.Frozen("ice"),
    "function": library.helper,
    "class": library.Plain,
    "module": library,
    "note": library.Note("kept"),
}
"""

WHOLE = """
shelf["bag"].append(library.Plain("more"))
(shelf["plain"].text, shelf["inner"].text, type(shelf["remade"]).__name__, shelf["remade"].text,
 shelf["bag"][:2], [each.text for each in shelf["bag"][2:]], type(shelf["bag"]).__name__,
 sorted(shelf["tally"].items()), shelf["colour"] is library.Colour.RED, shelf["frozen"].text,
 shelf["function"]("up"), shelf["class"] is library.Plain, shelf["module"] is library, shelf["note"].text)
"""

AS_IT_WAS = (
    *("adam", "inner", "Remade", "eve", [1, 2], ["in a bag", "more"], "Bag"),
    *([("e", 1), ("i", 1), ("p", 1), ("t", 1), ("y", 1)], True, "ice", "UP", True, True, "kept"),
)


class Library:
    """A module of the host that comes and goes."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "library.py"
        self.install()

    def install(self, source: str = LIBRARY) -> None:
        self._file.write_text(source)
        sys.modules.pop("library", None)

    def remove(self) -> None:
        self.install("raise RuntimeError('this library is out of order')")


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    """The module, installed."""
    folder = tmp_path / "lib"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two sources of the same second and size look the same
    yield Library(folder)
    sys.modules.pop("library", None)


@pytest.mark.parametrize("place", ["shelf", "world.shelf"])
def test_state_survives_a_write_beside_it(system: System, library: Library, place: str) -> None:
    """What cannot be found is read, written again because its neighbour changed, and is whole when it can be found."""
    system.run(SHELF)
    if place == "world.shelf":
        system.run("from persistent.mapping import PersistentMapping as Shelf")
        system.run("world.shelf = Shelf(shelf)", "del shelf")
    library.remove()
    system.resume()
    assert system.show(f"{place}['plain']") == "<broken library.Plain>"
    assert "broken library.Note" in system.show(f"{place}['note']")
    assert system.show(f"{place}['function']") == "<missing library.helper>"
    assert system.show(f"{place}['inner']") == "<broken library.Plain.Inner>"
    system.run(f"{place}['beside'] = 1")
    system.resume()
    system.run(f"{place}['beside'] = 2")
    library.install()
    system.resume()
    assert system.run(WHOLE.replace("shelf", place)) == AS_IT_WAS
    assert system.run(f"{place}['beside']") == 2


def test_reading_broken_objects_writes_nothing(system: System, library: Library) -> None:
    """Looking at them, and at what holds them, leaves the file as it is."""
    system.run(SHELF, "world.note = shelf['note']")
    library.remove()
    system.resume()
    before = system.file()
    system.show("shelf, world.note")
    system.run("[repr(each) for each in shelf.values()]")
    assert system.file() == before


def test_broken_objects_cannot_be_changed(system: System, library: Library) -> None:
    """An assignment is refused, so that nothing is lost when the class is back."""
    system.run(SHELF)
    library.remove()
    system.resume()
    assert "Can't change broken objects" in str(system.fail("shelf['plain'].text = 'other'"))
    assert "Can't change broken objects" in str(system.fail("shelf['note'].text = 'other'"))


@pytest.mark.parametrize("base", ["", "(Persistent)"])
def test_workspace_class_whose_definition_fails(system: System, library: Library, base: str) -> None:
    """A class typed at the shell that needs a library which is gone."""
    system.run(
        "from persistent import Persistent",
        "from library import helper",
        f"class Note{base}:\n    word = helper('note')\n    def __init__(self, text):\n        self.text = text",
        "notes = [Note('adam'), Note('eve')]",
    )
    library.remove()
    system.resume()
    assert "broken workspace.Note" in system.show("notes[0]")
    system.run("notes.append(3)")
    library.install()
    system.resume()
    assert system.run("[each.text for each in notes[:2]], notes[0].word") == (["adam", "eve"], "NOTE")


def test_renamed_class_is_found_for_what_was_written_broken(system: System, library: Library) -> None:
    """The table of renames holds for records that were written while the old name was missing, too."""
    system.run("import library", "kept = [library.Plain('adam')]")
    library.install(LIBRARY.replace("Plain", "Simple"))
    system.resume()
    system.run("kept.append(1)", "world.renames['library:Plain'] = 'library:Simple'")
    system.resume()
    assert system.run("kept[0].text, type(kept[0]).__name__") == ("adam", "Simple")
