"""Views: what a class says of how its objects are seen, what every object has, and how that looks at the shell."""

from __future__ import annotations

import pytest
from conftest import System

import piety
from piety.browser.drawing import Drawing, draw
from piety.browser.inspecting import Address, act
from piety.browser.paging import page
from piety.browser.views import Form, Table

BEGIN = """
from persistent import Persistent
from BTrees.OOBTree import OOBTree, OOTreeSet
class Note(Persistent):
    def __init__(self, title): self.title, self.friends = title, []
    @view("Letters", priority=10)
    def letters(self): return Table(["letter", "times"], [(each, self.title.count(each)) for each in self.title])
    @view("Friend")
    def friend(self): return Forward(self.friends[0], "Letters")
    @view("Water")
    def water(self): return Actions({"Water it": self.friend})
    @view("Below", priority=30)
    def below(self): return Tree([self], lambda note: note.friends, lambda note: note.title)
class Short(Note):
    def water(self): return "not marked"
    @view("Letters")
    def letters(self): return "few"
lisp, dear = Note("lisp"), Short("dear"); lisp.friends.append(dear); dear.friends.append(lisp)
"""


@pytest.fixture
def begun(system: System) -> System:
    system.run(BEGIN)
    return system


def shown(system: System, source: str) -> list[str]:
    """What one sees at the shell, line by line."""
    return system.show(source).split("\n")


def test_the_view_of_least_priority_comes_first(begun: System) -> None:
    begun.resume()  # what rests is told by its title
    assert shown(begun, "show(lisp)") == [
        "<Note 'lisp'>",
        "[Letters]  Friend  Water  Below  Attributes  Facts  References  Referred by  History  Class  Raw",
        "",
        "letter  times",
        "'l'     1",
        "'i'     1",
        "'s'     1",
        "'p'     1",
    ]


def test_a_subclass_has_its_own(begun: System) -> None:
    """A method that it has without the mark is no view; the most special of one title counts."""
    assert shown(begun, "show(dear)")[1:4:2] == [
        "[Letters]  Friend  Below  Attributes  Facts  References  Referred by  History  Class  Raw",
        "few",
    ]


def test_a_view_forwards_to_another(begun: System) -> None:
    assert shown(begun, "show(lisp, 'friend')")[3:] == ["few"]


def test_trees_and_actions(begun: System) -> None:
    assert shown(begun, "show(lisp, 'below')")[3:] == ["'lisp'", "  'dear'", "    'lisp'"]
    assert shown(begun, "show(lisp, 'water')")[3:] == ["[Water it]"]


def test_forwards_in_a_circle_end(begun: System) -> None:
    begun.run("class Loop(Persistent):\n    @view('Self')\n    def me(self): return Forward(self, 'Self')\n")
    assert "forwards to itself" in shown(begun, "show(Loop())")[3]


def test_a_view_that_is_changed_is_changed_at_once(begun: System) -> None:
    begun.run("class Short(Note):\n    @view('Letters', priority=1)\n    def letters(self): return 'other'\n")
    assert shown(begun, "show(dear)")[3:] == ["other"]


def test_there_is_no_such_view(begun: System) -> None:
    error = begun.fail("show(lisp, 'nothing')")
    assert isinstance(error, piety.PietyError)
    assert str(error).startswith("there is no view 'nothing'; there are Letters, Friend, ")
    assert isinstance(begun.fail("view(3)"), piety.PietyError)
    assert isinstance(begun.fail("view('x')(3)"), piety.PietyError)


GENERAL = {
    "attributes": ["title    'lisp'", "friends  [<Short 'dear'>]"],
    "facts": ["it was not kept, so it has no facts"],
    "references": ["object", "Short 'dear'"],
    "referred": ["object", "Short 'dear'", "variable lisp"],
    "class": ["class Note(Persistent):"],
}


@pytest.mark.parametrize("title", GENERAL)
def test_what_every_object_has(begun: System, title: str) -> None:
    begun.resume()
    lines = shown(begun, f"show(lisp, {title!r})")[3:]
    assert sorted(lines[: len(GENERAL[title])]) == sorted(GENERAL[title])


def test_the_words_of_an_object_are_its_text(begun: System) -> None:
    begun.run("class Wordy(Persistent):\n    def __text__(self): return 'some words'\n")
    assert shown(begun, "show(Wordy())")[3:] == ["some words"]


def test_self_is_the_object_whatever_else_is_called_so(begun: System) -> None:
    """In a source that is evaluated about an object; afterwards the name is what it was."""
    begun.run("self = 'a variable'")
    with begun.image.turn("act"):
        assert act(begun.image, Address("lisp"), "self.title") == "lisp"
        assert act(begun.image, Address("lisp"), "[each for each in [1] if self.friends]") == [1]
    assert begun.run("self") == "a variable"


def test_raw_and_history(begun: System) -> None:
    raw = dict(line.split(None, 1) for line in shown(begun, "show(lisp, 'raw')")[3:])
    assert (raw["class"], raw["path"], raw["number"][:2]) == ("workspace.Note", "'lisp'", "0x")
    begun.run("lisp.title = 'new'")
    history = shown(begun, "show(lisp, 'history')")[3:]
    assert (len(history), history[1].endswith("lisp.title = 'new'")) == (3, True)


VALUES = {
    "{'a': 1, 'b': [1, 2]}": ["key  value", "'a'  1", "'b'  [1, 2]"],
    "[7, 'x']": ["   value", "0  7", "1  'x'"],
    "(1,)": ["   value", "0  1"],
    "{3}": ["value", "3"],
    "OOTreeSet([1, 2])": ["value", "1", "2"],
    "OOBTree({1: 2})": ["key  value", "1    2"],
    "'two\\nlines'": ["two", "lines"],
    "b'bytes'": ["bytes"],
    "Text('a text\\n')": ["a text"],
    "3": ["3"],
    "{}": ["nothing"],
    "'日本 and\\x1b[31m'": ["日本 and\ufffd[31m"],
}


@pytest.mark.parametrize("source", VALUES)
def test_values_of_python(begun: System, source: str) -> None:
    assert shown(begun, f"show({source})")[3:][: len(VALUES[source])] == VALUES[source]


def test_plots(begun: System) -> None:
    assert shown(begun, "show([1, 2, 3, 2], 'plot')")[3:] == ["▁▄█▄  1 ... 3"]
    begun.run("class P:\n    @view('P')\n    def p(self): return Plot({'up': [1, 2], 'down': [2, 1]})\n")
    assert shown(begun, "show(P())")[3:] == ["up   ▁█  1 ... 2", "down █▁  1 ... 2"]
    begun.run("class X:\n    @view('X')\n    def p(self): return Plot({'up': [1, 2]}, x=[1990, 2020])\n")
    assert shown(begun, "show(X())")[3:] == ["up ▁█  1 ... 2", "over 1990 ... 2020"]


def test_dataclasses_slots_and_rich_reprs(begun: System) -> None:
    begun.run("import dataclasses\n@dataclasses.dataclass\nclass Point:\n    x: int\n    y: int = 0\n")
    assert shown(begun, "show(Point(1))")[3:] == ["x  1", "y  0"]
    begun.run("class Slots:\n    __slots__ = 'a', 'b'\n    def __init__(self): self.a = 1\n")
    assert shown(begun, "show(Slots())")[3:] == ["a  1"]
    begun.run("class Rich:\n    def __rich_repr__(self):\n        yield 1; yield 'a', 2; yield 'b', 3, 3\n")
    assert shown(begun, "show(Rich())")[3:] == ["   1", "a  2"]
    begun.run("class Png:\n    def _repr_png_(self): return b'1234'\n")
    assert shown(begun, "show(Png())")[3:] == [
        "a picture, image/png, 4 bytes",
        "it cannot be read: it is no picture that is known here",
    ]
    begun.run("class Mime:\n    def _repr_mimebundle_(self, **how): return {'text/plain': 'plain'}, {}\n")
    assert shown(begun, "show(Mime())")[3:] == ["plain"]
    begun.run("class Asked:\n    @property\n    def bad(self): raise SystemExit\n")
    assert shown(begun, "show(Asked())")[3:] == ["nothing"]


def test_a_drawing_tells_what_it_leaves_out() -> None:
    """And is not deceived by a text that looks as if it did."""
    assert draw("...").more == ""
    assert (draw("a\nb", lines=1).lines, draw("a\nb", lines=1).more) == (("a",), "...")
    assert (draw(Table(["n"], range(9)), lines=3).rows, draw(Table(["n"], range(3)), lines=3).more) == (3, "")
    assert draw(Form([("a", 1), ("b", 2)]), lines=1) == Drawing(("a  1",), "...", "", 1, ("a",))


def test_a_table_is_shown_page_by_page(begun: System) -> None:
    assert shown(begun, "show(list(range(120)))")[-1] == "... more, from 50 on"
    lines = shown(begun, "show(list(range(120)), after=100)")[3:]
    assert (lines[1].split(), len(lines)) == (["100", "100"], 21)
    assert shown(begun, "show(OOBTree({str(n): n for n in range(999)}), after='5')")[4].split() == ["'5'", "5"]


@pytest.mark.parametrize("source", [[*range(7)], range(7), {n: n for n in range(7)}, {*range(7)}, (n for n in ())])
def test_pages_are_all_of_it(source: object) -> None:
    """Each item comes once, whatever the size of a page."""
    for count in (1, 2, 3, 6, 7, 8):
        items, place = [], None
        while True:
            found, place = page(source, place, count)
            items += found
            assert len(found) <= count
            if place is None:
                break
        assert items == list(source.items() if isinstance(source, dict) else source)  # type: ignore[call-overload]


LIBRARIES = {
    "numpy.arange(6).reshape(2, 3)": ["   0  1  2", "0  0  1  2", "1  3  4  5"],
    "numpy.array([1.5, 2.0])": ["   value", "0  1.5", "1  2.0"],
    "numpy.array(7)": ["7"],
    "numpy.array([])": ["nothing"],
    "pandas.DataFrame({'a': [1, 2], 'b': ['x', 'y']}, index=['one', 'two'])": ["       a  b", "'one'  1  'x'", "'two'  2  'y'"],
    "PIL.Image.new('RGB', (2, 2))": ["a picture, image/png, "],
    "figure": ["a picture, image/png, "],
}  # fmt: skip


@pytest.mark.parametrize("source", LIBRARIES)
def test_objects_of_well_known_libraries(system: System, source: str) -> None:
    """They show well without work."""
    system.run(
        "import numpy, pandas, PIL.Image, matplotlib.figure\n"
        "figure = matplotlib.figure.Figure(); figure.subplots().plot([1, 2])"
    )
    lines = shown(system, f"show({source})")[3:]
    assert [line[: len(wanted)] for line, wanted in zip(lines, LIBRARIES[source], strict=False)] == LIBRARIES[source]
    if source.startswith("numpy.array([1.5"):
        assert shown(system, f"show({source}, 'plot')")[3:] == ["▁█  1.5 ... 2"]


def test_a_picture_is_drawn(system: System) -> None:
    """What there is less of, here the dark below; and nothing is drawn of a bomb."""
    system.run("import PIL.Image; picture = PIL.Image.new('L', (64, 64), 255); picture.paste(0, (0, 48, 64, 64))")
    lines = shown(system, "show(picture)")[3:]
    assert lines[0].startswith("a picture, image/png, ")
    assert len(lines) == 41
    assert set(lines[1]) == {"\u2800"}
    assert set(lines[-1]) == {"\u28ff"}
    system.run("import io; file = io.BytesIO(); PIL.Image.new('1', (9000, 9000)).save(file, 'png'); bomb = file.getvalue()")
    system.run("class Bomb:\n    def _repr_png_(self): return bomb\n")
    assert shown(system, "show(Bomb())")[4:] == ["it cannot be read: it has more than 50,000,000 pixels"]


def test_a_large_frame_is_read_a_page_at_a_time(system: System) -> None:
    system.run("import pandas; frame = pandas.DataFrame({'n': range(100_000)})")
    lines = shown(system, "show(frame, after=99_999)")[3:]
    assert [line.split() for line in lines] == [["n"], ["99999", "99999"]]
