"""Texts against a plain list of characters: random edits by several writers, undo and marks, commits and restarts.

Each character of the model has a life of its own: a number, who inserted it, and whether it is there.  So the model
knows what an undo must do without knowing how: the characters that a group inserted go, those that it removed are back.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import piety
from piety.objects import rope, texts, undoing
from piety.objects.edits import moved
from piety.objects.texts import Text
from piety.objects.undoing import Stale

WRITERS = ("adam", "eve", "task snake")
LETTERS = st.text(st.sampled_from("ab\n\ud800é"), min_size=0, max_size=6)

edits = st.tuples(st.just("edit"), st.sampled_from(WRITERS), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 8), LETTERS), min_size=1, max_size=4), st.booleans())
undos = st.tuples(st.sampled_from(["undo", "redo"]), st.sampled_from(WRITERS))
others = st.tuples(st.sampled_from(["commit", "fail", "resume", "mark"]), st.integers(0, 200))
STEPS = st.lists(st.one_of(edits, edits, undos, others), max_size=25)


class Model:
    """The text as a list of characters, and what each group did to it."""

    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []  # every character that ever was, in the order of the text
        self.groups: list[dict[str, Any]] = []

    def text(self) -> str:
        return "".join(each["char"] for each in self.all if each["there"])

    def edit(self, who: str, changes: list[tuple[int, int, str]]) -> None:
        there = [each for each in self.all if each["there"]]
        group: dict[str, Any] = {"who": who, "in": [], "out": []}
        for start, end, string in reversed(changes):
            for each in there[start:end]:
                each["there"] = False
                group["out"].append(each)
            at = self._place(there[start]) if start < len(there) else len(self.all)
            new = [{"char": char, "there": True} for char in string]
            self.all[at:at] = new
            group["in"] += new
        self.groups.append(group)

    def _place(self, char: dict[str, Any]) -> int:
        return next(place for place, each in enumerate(self.all) if each is char)


def _changes(model: Model, portions: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Parts of the text in order, that do not overlap."""
    size, at, changes = len(model.text()), 0, []
    for gap, count, string in portions:
        start = min(at + gap, size)
        end = min(start + count, size)
        if (start < end or string) and (not changes or start > at):
            changes.append((start, end, string))
            at = end
    return changes


@pytest.fixture(params=["small", "as it is"])
def _sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "small":
        monkeypatch.setattr(rope, "BLOCK", 8)
        monkeypatch.setattr(rope, "SHORT", 3)
        monkeypatch.setattr(texts, "TYPED", 5)
        monkeypatch.setattr(texts, "APART", 1)
        monkeypatch.setattr(undoing, "APART", 1)


@pytest.mark.usefixtures("_sizes")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=int(os.environ.get("TEXT_EXAMPLES", "60")))
@given(STEPS)
def test_edits_commits_failures_and_restarts_are_those_of_a_list(steps: list[Any]) -> None:
    """What is in the text, where its marks are, and that undo and redo of the last group give back what was."""
    with tempfile.TemporaryDirectory() as folder:
        _play(Path(folder) / "home", steps)


def _play(home: Path, steps: list[Any]) -> None:
    image = piety.open(home, create=True)
    try:
        with image.turn("begin") as world:
            world.t = Text("adam\nand eve\n")
        expected, marks = "adam\nand eve\n", []
        pasts: list[str] = []
        for step in steps:
            if step[0] == "resume":
                image.close()
                image = piety.open(home)
            elif step[0] == "fail":
                with contextlib.suppress(ZeroDivisionError), image.turn("fails") as world:
                    world.t.edit([(0, len(world.t), "gone")], by="adam")
                    raise ZeroDivisionError
            else:
                with image.turn("a turn") as world:
                    expected = _step(world.t, step, expected, marks)
            with image.turn("look") as world:
                t = world.t
                assert str(t) == expected
                assert len(t) == len(expected)
                assert t.lines[:] == (expected[:-1] if expected.endswith("\n") else expected).split("\n") * bool(expected)
                assert [mark.place for mark in t.marks()] == marks
                pasts.append(expected)
    finally:
        image.close()


def _step(t: Text, step: Any, expected: str, marks: list[int]) -> str:
    if step[0] == "edit":
        _kind, who, portions, is_burst = step
        model = Model()
        model.all = [{"char": char, "there": True} for char in expected]
        changes = _changes(model, portions)
        for start, end, string in reversed(changes):
            expected = expected[:start] + string + expected[end:]
            for number, mark in enumerate(marks):
                if mark >= end and mark > start:
                    marks[number] += len(string) - (end - start)
                elif start < mark < end:
                    marks[number] = start
        t.edit(changes, by=who, is_burst=is_burst)
    elif step[0] in ("undo", "redo"):
        before = str(t)
        version, places = t.version, [mark.place for mark in t.marks()]
        try:
            getattr(t, step[0])(by=step[1])
        except piety.PietyError:
            assert str(t) == before
            return before
        (first,) = [t.edits_since(version)[0]]
        expected = str(t)
        assert [mark.place for mark in t.marks()] == [moved(place, first) for place in places]
        marks[:] = [mark.place for mark in t.marks()]
    elif step[0] == "mark" and expected:
        place = step[1] % (len(expected) + 1)
        marks.append(place)
        assert t.mark(*t.where(place)).place == place
    return expected


@settings(deadline=None, max_examples=int(os.environ.get("TEXT_EXAMPLES", "60")) * 3)
@given(st.lists(st.one_of(edits, undos), max_size=20))
def test_each_undo_takes_back_what_its_writer_did_and_nothing_else(steps: list[Any]) -> None:
    """Checked against characters that each have a life of their own."""
    t, model = Text("adam and eve"), Model()
    model.all = [{"char": char, "there": True} for char in "adam and eve"]
    for step in steps:
        if step[0] == "edit":
            changes = _changes(model, step[2])
            if changes:
                t.edit(changes, by=step[1])
                model.edit(step[1], changes)
        else:
            newest = t._newest
            try:
                getattr(t, step[0])(by=step[1])
            except Stale:
                assert t._newest is newest
                continue
            except piety.PietyError:
                assert t._newest is newest
                continue
            group = t._newest
            assert group is not None
            assert group is not newest
            done = model.groups[group.undoes - 1]
            for each in done["in"]:
                assert each["there"], "an undo took what was not there"
                each["there"] = False
            for each in done["out"]:
                assert not each["there"]
                each["there"] = True
            model.groups.append({"who": step[1], "in": done["out"], "out": done["in"]})
        assert str(t) == model.text()


@given(st.lists(edits, max_size=12))
@settings(deadline=None)
def test_all_can_be_undone_and_done_again(steps: list[Any]) -> None:
    """By one writer: back to the first text, step by step through each that was, and forth again."""
    t, model = Text("adam and eve"), Model()
    model.all = [{"char": char, "there": True} for char in "adam and eve"]
    states = [str(t)]
    for step in steps:
        changes = _changes(model, step[2])
        if changes:
            t.edit(changes, by="adam")
            model.edit("adam", changes)
            states.append(str(t))
    assert str(t) == states[-1]
    for state in reversed(states[:-1]):
        t.undo(by="adam")
        assert str(t) == state
    with pytest.raises(piety.PietyError, match="nothing to undo"):
        t.undo(by="adam")
    for state in states[1:]:
        t.redo(by="adam")
        assert str(t) == state
    with pytest.raises(piety.PietyError, match="nothing to redo"):
        t.redo(by="adam")
    if len(states) > 1:
        t.undo(by="adam")
        assert str(t) == states[-2]
