"""Texts against a plain list of characters: random edits by several writers, undo and marks, commits and restarts.

What an undo must do is said without saying how: the characters that a group inserted go, those that it removed are back.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import piety
from piety.objects import rope, texts, undoing
from piety.objects.texts import Text

WRITERS = ("adam", "eve", "task snake")
LETTERS = st.text(st.sampled_from("ab\n\ud800é"), min_size=0, max_size=6)

edits = st.tuples(st.just("edit"), st.sampled_from(WRITERS), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 8), LETTERS), min_size=1, max_size=4), st.booleans())
undos = st.tuples(st.sampled_from(["undo", "redo"]), st.sampled_from(WRITERS))
others = st.tuples(st.sampled_from(["commit", "fail", "resume", "mark", "mark", "snapshot", "back"]), st.integers(0, 200))
STEPS = st.lists(st.one_of(edits, edits, undos, others), max_size=25)


def _changes(size: int, portions: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Parts of a text in order, that do not overlap."""
    at, changes = 0, []
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
        saved: list[tuple[str, list[int]]] = []  # of each snapshot what was there
        for step in steps:
            if step[0] == "resume":
                image.close()
                image = piety.open(home)
            elif step[0] == "fail":
                with contextlib.suppress(ZeroDivisionError), image.turn("fails") as world:
                    world.t.edit([(0, len(world.t), "gone")], by="adam")
                    raise ZeroDivisionError
            elif step[0] == "snapshot":
                assert image.evaluate(f"snapshot('s{len(saved)}')").error is None
                saved.append((expected, list(marks)))
            elif step[0] == "back":
                if saved:
                    number = step[1] % len(saved)
                    image.roll_back(f"s{number}")
                    expected, marks = saved[number][0], list(saved[number][1])
            else:
                with image.turn("a turn") as world:
                    expected = _step(world.t, step, expected, marks)
            with image.turn("look") as world:
                t = world.t
                assert str(t) == expected
                assert len(t) == len(expected)
                assert t.lines[:] == (expected[:-1] if expected.endswith("\n") else expected).split("\n") * bool(expected)
                assert [mark.place for mark in t.marks()] == marks
    finally:
        image.close()


def _step(t: Text, step: Any, expected: str, marks: list[int]) -> str:
    if step[0] == "edit":
        _kind, who, portions, is_burst = step
        changes = _changes(len(expected), portions)
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
        try:
            getattr(t, step[0])(by=step[1])
        except piety.PietyError:
            assert str(t) == before
            return before
        expected = str(t)
        marks[:] = [mark.place for mark in t.marks()]  # which are the right ones: see the next test
    elif step[0] == "mark" and expected:
        place = step[1] % (len(expected) + 1)
        marks.append(place)
        assert t.mark(*t.where(place)).place == place
    return expected


anyones = st.tuples(st.just("group"), st.sampled_from(WRITERS), st.integers(0, 20))
marks_made = st.tuples(st.just("mark"), st.integers(0, 200), st.booleans())


class Characters:
    """A text in which no character is twice, so that each is known wherever it is, with what each group did to it."""

    def __init__(self, count: int) -> None:
        self._next = 0x100
        self.t = Text(self.new(count))
        self.groups: list[tuple[set[str], set[str]]] = []  # what each has put in, and what it has taken out
        self.seen: list[str] = [str(self.t)]
        self.held: list[tuple[Any, str, bool]] = []  # a mark, the character that it holds on to, which is behind it

    def new(self, count: int) -> str:
        """As many characters that never were."""
        self._next += count
        return "".join(map(chr, range(self._next - count, self._next)))

    def edit(self, who: str, portions: list[tuple[int, int, str]], is_burst: bool) -> None:
        before = str(self.t)
        if changes := [(start, end, self.new(len(new))) for start, end, new in _changes(len(before), portions)]:
            self.t.edit(changes, by=who, is_burst=is_burst)
            after = str(self.t)
            came, went = set(after) - set(before), set(before) - set(after)
            if self.t.history()[0].number == len(self.groups):
                into, out = self.groups.pop()
                came, went = into - went | came, out | went - into
            self.groups.append((came, went))

    def take_back(self, what: str, who: str, number: int | None = None) -> None:
        """An undo takes all that its group has put in, and nothing else, and brings back all that it took."""
        before, newest = str(self.t), self.t._newest
        try:
            if number is None:
                getattr(self.t, what)(by=who)
            else:
                self.t.undo(by=who, group=number % (len(self.groups) + 1) + 1)
        except piety.PietyError:  # `Stale` too
            assert self.t._newest is newest
            assert str(self.t) == before
            return
        group = self.t._newest
        assert group is not None
        assert group is not newest
        into, out = self.groups[group.undoes - 1]
        assert into <= set(before)
        assert not out & set(before)
        assert set(str(self.t)) == set(before) - into | out
        self.groups.append((out, into))

    def mark(self, place: int, after: bool) -> None:
        now = str(self.t)
        place %= len(now) + 1
        mark = self.t.mark(*self.t.where(place), after=after)
        assert mark.place == place
        if beside := now[place : place + 1] if after else now[max(place - 1, 0) : place]:
            self.held.append((mark, beside, after))

    def check(self) -> None:
        """Which characters were before others they still are; a mark is beside its own as long and as often as it is there."""
        now = str(self.t)
        assert len(set(now)) == len(now)
        if self.t._dropped:  # then it is not known any more between which ones those were that are away since long ago
            self.seen.clear()
        for each in self.seen:
            both = set(each) & set(now)
            assert [char for char in each if char in both] == [char for char in now if char in both]
        self.seen.append(now)
        for mark, char, after in self.held:
            assert 0 <= mark.place <= len(now)
            if char in now:
                assert mark.place == now.index(char) + (not after)
                assert not (after and mark.is_gone)


@pytest.mark.parametrize(("settle", "kept"), [(100, 500), (3, 500), (1, 500), (2, 6)])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=int(os.environ.get("TEXT_EXAMPLES", "60")) * 2)
@given(steps=st.lists(st.one_of(edits, edits, undos, undos, anyones, marks_made), max_size=20))
@example(  # three side by side, all of them away, that come back in another order
    steps=[
        ("edit", "eve", [(21, 0, "xyz")], False),
        ("edit", "adam", [(20, 0, "xy")], False),
        ("edit", "eve", [(21, 0, "xyz")], False),
        ("undo", "adam"), ("undo", "eve"), ("undo", "eve"), ("redo", "adam"), ("redo", "eve"), ("redo", "eve"),
    ]
)  # fmt: skip
@example(  # what had come before a letter that was typed over comes back, and then the letter
    steps=[
        ("edit", "eve", [(1, 0, "x")], False), ("undo", "eve"),
        ("edit", "eve", [(0, 1, "")], True), ("edit", "eve", [(0, 0, "x")], True), ("group", "adam", 1), ("undo", "eve"),
    ]
)  # fmt: skip
@example(  # something within is put in, taken back, and put in again
    steps=[
        ("edit", "adam", [(8, 0, "xx")], False), ("edit", "adam", [(9, 0, "x")], False), ("undo", "adam"),
        ("edit", "adam", [(0, 0, "x")], False), ("group", "adam", 17), ("group", "adam", 0),
    ]
)  # fmt: skip
def test_each_undo_takes_back_what_its_writer_did_and_nothing_else(
    steps: list[Any], settle: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever others did in between; marks come back with what they were in.  Also when the log has dropped the rest."""
    monkeypatch.setattr(texts, "SETTLE", settle)
    monkeypatch.setattr(texts, "KEPT", kept)
    model = Characters(8)
    for step in steps:
        if step[0] == "edit":
            model.edit(step[1], step[2], step[3])
        elif step[0] == "mark":
            model.mark(step[1], step[2])
        else:
            model.take_back(*step)
        model.check()
        if kept < 500 and len(model.groups) % 5 == 0 and hasattr(model.t, "_v_log"):
            del model.t._v_log  # as if it were read from the image again


@given(st.lists(edits, max_size=12))
@settings(deadline=None)
def test_all_can_be_undone_and_done_again(steps: list[Any]) -> None:
    """By one writer: back to the first text, step by step through each that was, and forth again."""
    t = Text("adam and eve")
    states = [str(t)]
    for step in steps:
        if changes := _changes(len(t), step[2]):
            t.edit(changes, by="adam")
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
