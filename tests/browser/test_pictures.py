"""The pictures of the desktop in `docs/pictures`: made by these tests, and of the desktop as it is.

With `PIETY_PICTURES=1 tools/test tests/browser/test_pictures.py` they are made anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from desktops import DOWN, END, ENTER, F3, F4, F5, F6, F7, F8, F9, LEFT, TAB, UP, Desk, ctrl
from pictures import svg, words_of
from served import Served

FOLDER = Path(__file__).resolve().parent.parent.parent / "docs" / "pictures"

BEGIN = """
from persistent import Persistent
class Plant(Persistent):
    '''It grows.'''
    def __init__(self, name, bed): self.name, self.bed, self.heights = name, bed, [1, 2, 4, 7, 9, 12, 11, 14]
    def grow(self):
        '''One step.'''
        self.heights = [*self.heights, self.heights[-1] + 1]
    @view("Growth", priority=10)
    def growth(self): return Plot({self.name: self.heights})
    @view("What to do", priority=12)
    def doing(self): return Actions({"Water": self.grow, "Harvest": self.heights.clear})
garden = {"tomatoes": Plant("tomatoes", "sunny"), "basil": Plant("basil", "sunny"), "mint": Plant("mint", "shady")}
def water(day):
    for plant in garden.values():
        plant.grow()
    print(f"watered on day {day}")
def weed(bed):
    share = 10 / beds[bed]
    print("weeded", bed, share)
beds = {"sunny": 2, "shady": 0}
gardener = spawn(message, water, name="gardener", out="transcript")
weeder = spawn(message, weed, name="weeder", out="transcript")
winter = spawn(every(3600), print, name="look at the sky")
for day in (1, 2, 3): send(gardener, day)
send(weeder, "sunny")
send(weeder, "shady")
for name, plant in garden.items(): keep(plant, bed=plant.bed, tags={"herb"} if name != "tomatoes" else {"fruit"})
texts.new("letter.md", "# Dear gardener\\n\\nThe *basil* grows. Please:\\n\\n- water it\\n- talk to it\\n")
"""
WORKSPACE = "garden['basil'].heights\n[plant.bed for plant in garden.values()]\nmax(garden['mint'].heights)"


@pytest.fixture
def growing(served: Served) -> Served:
    served.start()
    served.evaluate(BEGIN)
    return served


def is_of(desk: Desk, name: str) -> None:
    """Compare what is shown with its picture, or make that."""
    path = FOLDER / f"{name}.svg"
    if os.environ.get("PIETY_PICTURES"):
        FOLDER.mkdir(exist_ok=True)
        path.write_text(svg(desk.screen), encoding="utf-8")
    wanted = words_of(path.read_text(encoding="utf-8"))
    desk.until(lambda _text: words_of(svg(desk.screen)) == wanted)  # the last line is told a moment later


@pytest.fixture
def desk(growing: Served) -> Iterator[Desk]:
    shown = Desk(growing, "garden", columns=100, rows=24, colours="truecolor", name="pictures")
    shown.sees("'basil'")
    yield shown
    shown.talk.close()


def test_the_inspector(desk: Desk) -> None:
    desk.types(DOWN, ENTER)
    desk.sees("▁")
    desk.types(TAB, TAB)
    desk.sees("heights  [1, 2")
    desk.types(DOWN, DOWN)
    desk.settled()
    is_of(desk, "inspector")


def test_the_code_browser(desk: Desk) -> None:
    desk.types(F3)
    desk.sees("workspace ")
    desk.types(ENTER)
    desk.sees("Plant ", "grow ")
    desk.types(DOWN, DOWN, ENTER)
    desk.sees("One step.")
    desk.types(DOWN, END)
    desk.settled()
    is_of(desk, "code")


def test_the_workspace(desk: Desk) -> None:
    desk.types(F4)
    desk.sees("<text 'workspace'")
    for line in WORKSPACE.splitlines():
        desk.types(line, ENTER)
    desk.types(UP, ctrl("p"))
    desk.sees("max(garden['mint'].heights) 17")
    desk.types(UP, ctrl("o"))
    desk.sees("'sunny'", "'shady'")
    desk.settled()
    is_of(desk, "workspace")


def test_a_text(desk: Desk) -> None:
    desk.types(ctrl("g"), "letter", ENTER)
    desk.sees("# Dear gardener")
    desk.types(DOWN, DOWN, "\x1b[1;2F")
    desk.settled()
    is_of(desk, "text")


def test_the_transcript_and_the_tasks(desk: Desk) -> None:
    desk.types(F5)
    desk.sees("watered on day 3", "weeded sunny 5.0")
    desk.types(ctrl("w"), "s", F6)
    desk.sees("weeder", "failed", "look at the sky")
    desk.types("a")
    desk.sees("[Suspend]")
    desk.settled()
    is_of(desk, "tasks")


def test_a_failure(desk: Desk) -> None:
    desk.types(F7)
    desk.sees("ZeroDivisionError")
    desk.types(ENTER)
    desk.sees("share = 10 /")
    desk.types(ENTER)
    desk.sees("def weed(bed):")
    desk.settled()
    is_of(desk, "failure")


def test_the_history(desk: Desk, growing: Served) -> None:
    growing.evaluate("snapshot('before the frost', note='all is green')")
    growing.evaluate("del garden['mint']")
    desk.sees("'basil'")
    desk.types(F8)
    desk.sees("del garden['mint']")
    desk.types(TAB)
    desk.sees("before the frost ")
    desk.types(ENTER, TAB)
    desk.sees("mint")
    desk.settled()
    is_of(desk, "history")


def test_what_was_found(desk: Desk) -> None:
    desk.types(F9, "bed:sunny", ENTER)
    desk.sees("<Plant 'basil'>", "<Plant 'tomatoes'>")
    desk.types(TAB)
    desk.sees("fact  ")
    desk.settled()
    is_of(desk, "found")


def test_anything(desk: Desk) -> None:
    desk.types(ctrl("g"), "wat")
    desk.sees("function   water")
    is_of(desk, "anything")


def test_several_panes(desk: Desk) -> None:
    desk.types(ctrl("w"), "v", DOWN, ENTER)
    desk.until(lambda text: "▁" in text)
    desk.types(ctrl("w"), LEFT, ctrl("w"), "s", F6)
    desk.sees("gardener")
    desk.types(ctrl("w"), UP)
    desk.settled()
    is_of(desk, "panes")


def test_each_picture_is_in_the_docs() -> None:
    docs = (FOLDER.parent / "desktop.md").read_text(encoding="utf-8")
    pictures = {path.name for path in FOLDER.glob("*.svg")}
    assert pictures
    assert {name for name in pictures if f"pictures/{name}" not in docs} == set()
