"""What every renderer of views promises, whatever object it is given.

It never fails, takes no more room and time than it was given, loads no more than is seen, and changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from conftest import System
from wcwidth import clip
from wcwidth import width as width_of

from piety.browser.drawing import drawn
from piety.browser.editor import shown_line
from piety.browser.inspecting import Around, sight_of
from piety.browser.sheet import MOST, Writer
from piety.browser.views import views_of

Renderer = Callable[[Any, str, int, int], str]  # an object, the title of a view, columns, lines



def at_a_desktop(obj: Any, title: str, width: int, lines: int) -> str:
    """What a column shows of it."""
    sight = sight_of(obj, title, width, lines, Writer(), Around())
    shown = [*filter(None, [sight.drawing.above]), *sight.drawing.lines, *filter(None, [sight.drawing.more])]
    if sight.window is not None:
        assert len(sight.window.text) <= 2 * MOST
        characters = [shown_line(line)[0] for line in sight.window.text.split("\n")[:lines]]
        shown = [clip(line, 0, width) for line in characters]  # as the screen cuts it off
    return "\n".join([sight.head, " ".join(sight.titles), "", *shown])


RENDERERS: dict[str, Renderer] = {"lines": drawn, "a desktop": at_a_desktop}
HEAD = 3  # lines above a view: the object, the titles, nothing
WIDTH, LINES = 60, 12

BEGIN = """
from persistent import Persistent
from BTrees.OOBTree import OOBTree
class Note(Persistent):
    def __init__(self, title): self.title = title
class Bad(Persistent):
    how = "raise"
    def __init__(self, how): self.how = how
    def __repr__(self):
        if self.how == "raise": raise ValueError("no\\nrepr")
        if self.how == "hang":
            while True: pass
        if self.how == "hang slowly": return sorted(map(str, iter(int, 1)))
        if self.how == "long": return "x" * 50_000_000
        if self.how == "lines": return "x\\n" * 100_000
        if self.how == "write": self.how = "written"; world.spoiled = True; return "I wrote"
        if self.how == "exit": raise SystemExit(3)
        if self.how == "interrupt": raise GeneratorExit
        if self.how == "deep": return repr([self])
        if self.how == "number": return 3
        if self.how == "escape": return "\\x1b[2J\\x1b[31m\\r\\b red \\u202e \\ud800"
class Plain:
    def __init__(self, how): self.how = how
    __repr__ = Bad.__repr__
class Liar:
    @property
    def __class__(self): raise ZeroDivisionError
    def __getattribute__(self, name): raise ZeroDivisionError(name)
class Meta(type):
    def __getattr__(cls, name): raise ZeroDivisionError(name)
    def __repr__(cls): raise ZeroDivisionError
    def __instancecheck__(cls, obj): raise ZeroDivisionError
class OfMeta(metaclass=Meta): pass
class Endless:
    def __len__(self): raise ZeroDivisionError
    def __iter__(self): return iter(int, 1)
    def __getitem__(self, place): raise ZeroDivisionError
class Views(Persistent):
    @view("Hang")
    def hang(self):
        while True: pass
    @view("Exit")
    def exit(self): raise SystemExit
    @view("Cells")
    def cells(self): return Table(["a"], range(10**9), lambda n: 1 / 0)
    @view("Rows")
    def rows(self): return Table(["a"], iter(int, 1))
    @view("Endless tree")
    def tree(self): return Tree(iter(int, 1), lambda each: iter(int, 1))
    @view("Write")
    def write(self): self.spoiled = True; world.spoiled = True; return str(vars(self))
    @view("Wide")
    def wide(self): return "\\u65e5" * 10_000
    @view("Lines")
    def lines(self): return "\\n" * 1_000_000
    @view("Form")
    def form(self): return Form({str(n): n for n in range(10_000)}.items())
    @view("Plot")
    def plot(self): return Plot({"a": [float("nan"), float("inf"), 1.0], "none": [], "b": range(10**6)})
    @view("Nothing known")
    def other(self): return object
world.views = Views()
world.bad = {how: Bad(how) for how in HOWS}
plain = {how: Plain(how) for how in HOWS}
world.many = OOBTree({n: Note(str(n)) for n in range(30_000)})
world.notes = [Note("a"), Note("b")]
circle = []; circle.append(circle); world.circle = circle
deep = []
for n in range(900): deep = [deep]
world.deep = deep
"""
HOWS = ["raise", "hang", "long", "lines", "write", "exit", "interrupt", "deep", "number", "escape"]
OBJECTS = {
    **{f"bad {how}": f"world.bad[{how!r}]" for how in HOWS},
    **{f"plain {how}": f"plain[{how!r}]" for how in HOWS},
    "a liar": "Liar()",
    "of a metaclass": "OfMeta()",
    "a class of a metaclass": "OfMeta",
    "endless": "Endless()",
    "views": "world.views",
    "many": "world.many",
    "in a list": "list(world.bad.values())",
    "in a dict": "{'a' * 1000: world.notes}",
    "circle": "world.circle",
    "deep": "world.deep",
    "a huge number": "10 ** 100_000",
    "huge": "'x' * 10_000_000",
    "bytes": "bytes(10_000_000)",
    "numbers": "[float('nan'), float('inf'), -1.0]",
    "a module": "__import__('os')",
    "a function": "len",
    "the world": "world",
    "None": "None",
    "a generator": "(n for n in iter(int, 1))",
    "a lost lock": "lost",
}


@pytest.fixture
def begun(system: System) -> System:
    system.run(f"HOWS = {HOWS!r}", BEGIN)
    system.image.evaluate("lost = __import__('threading').Lock()")
    system.resume()
    return system


@pytest.mark.parametrize("render", RENDERERS.values(), ids=RENDERERS)
@pytest.mark.parametrize("name", OBJECTS)
def test_it_shows_whatever_it_is_given(begun: System, render: Renderer, name: str) -> None:
    """Every view of it, within its room; and the image is as it was."""
    image = begun.image
    before, source = begun.file(), f"seen = {OBJECTS[name]}"
    titles = ["?"]
    while titles:
        with image.look():
            image.run_source(source)
            obj = image.run_source("seen")
            if titles == ["?"]:
                titles = [each.title for each in views_of(obj)]
                assert len(set(titles)) == len(titles)
            title = titles.pop()
            begin = time.perf_counter()
            lines = render(obj, title, WIDTH, LINES).split("\n")
            assert time.perf_counter() - begin < 30, title  # the limits of a view and its drawing, on a busy machine
        assert len(lines) <= HEAD + LINES + 2, title
        assert all(width_of(line) <= WIDTH for line in (lines[0], *lines[HEAD:])), title
        assert all(line.isprintable() for line in lines), title
    assert begun.file() == before
    assert begun.run("hasattr(world, 'spoiled'), hasattr(world.views, 'spoiled'), world.bad['write'].how") == (
        False,
        False,
        "write",
    )


@pytest.mark.parametrize("render", RENDERERS.values(), ids=RENDERERS)
def test_what_rests_goes_on_resting(begun: System, render: Renderer) -> None:
    """A page of a large table is told without its objects, and without the nodes that are not on it."""
    with begun.image.look() as world:
        cache, many = begun.image.connection._cache, world.many

        def awake() -> list[str]:
            return [type(obj).__name__ for _oid, obj in cache.lru_items()]

        before = awake()
        assert "<Note '0'>" in render(many, "Items", WIDTH, LINES)
        assert awake().count("OOBucket") == before.count("OOBucket") + 2  # a range knows where it ends
        assert "[<Note 'a'>, <Note 'b'>]" in render(world, "Attributes", WIDTH, 40)
        assert "Note" not in awake()
