"""Texts: reading, editing, undo, marks, the log, and files of the host."""

from __future__ import annotations

import itertools
import os
import random
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import piety
from piety.objects import hostfiles, texts
from piety.objects.differing import changes
from piety.objects.edits import compose, spans_after
from piety.objects.texts import Text
from piety.objects.undoing import Stale
from tests.conftest import System

KEPT_EXACTLY = {
    "empty": "", "no last newline": "adam", "only a newline": "\n", "\\r\\n": "adam\r\neve\r\n", "NUL": "a\0b\n\0",
    "half characters": "\ud800\n\udc80x", "wide": "蛇と林檎\n", "combining": "e\u0301a\u0308\n", "right to left": "תפוח ונחש\n",
    "a long line": "x" * 10_000_000, "other line ends": "a\vb\fc\x1cd\x85e\u2028f\n",
}  # fmt: skip


@pytest.fixture
def t() -> Text:
    return Text("Dear reader,\nan apple and a snake\nand no more\n")


@pytest.mark.parametrize("string", KEPT_EXACTLY.values(), ids=KEPT_EXACTLY)
def test_whatever_is_in_it_is_kept_exactly(system: System, string: str) -> None:
    """Over a restart; and the lines are those between the newlines."""
    with system.image.turn("keep") as world:
        world.text = Text(string)
        world.other = Text()
        world.other.write(string)
    system.resume()
    with system.image.turn("look") as world:
        assert str(world.text) == str(world.other) == string
        assert world.text.lines[:] == string.removesuffix("\n").split("\n") * bool(string)
        assert world.text.ends_with_newline is string.endswith("\n")


def test_it_reads_as_the_issue_says(t: Text) -> None:
    """The first session of a person."""
    print("a line", file=t)
    t.insert(0, 4, "est")
    assert t.replace(r"reader", "friend") == 1
    assert t.lines[0] == "Dearest friend,"
    t.undo()
    assert t.lines[0] == "Dearest reader,"
    t.redo()
    assert str(t) == "Dearest friend,\nan apple and a snake\nand no more\na line\n"
    assert t.lines[1:3] == ["an apple and a snake", "and no more"]
    found = t.find(r"\bsnake\b")
    assert found is not None
    assert (found.start, found.end, found.text) == ((1, 15), (1, 20), "snake")


@pytest.mark.parametrize("where", [(-1, 0), (4, 0), (0, 13), (3, 1), (0, -1)])
def test_a_place_that_is_not_there_is_refused(t: Text, where: tuple[int, int]) -> None:
    """In one line, and nothing is done."""
    with pytest.raises(piety.PietyError, match="line"):
        t.insert(*where, "x")
    assert t.version == 0


LINES: list[Callable[[Any], None]] = [
    lambda lines: lines.__setitem__(0, "new"),
    lambda lines: lines.__setitem__(-1, "new"),
    lambda lines: lines.__setitem__(slice(0, 1), ["new", "newer"]),
    lambda lines: lines.__setitem__(slice(1, 1), ["new"]),
    lambda lines: lines.__setitem__(slice(9, 9), ["new"]),
    lambda lines: lines.__setitem__(slice(None), []),
    lambda lines: lines.__delitem__(0),
    lambda lines: lines.__delitem__(-1),
    lambda lines: lines.__delitem__(slice(1, None)),
]


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("string", ["a", "a\nb", "a\n\nc"])
@pytest.mark.parametrize("change", LINES, ids=range(len(LINES)))
def test_lines_are_a_list_of_strings(string: str, end: str, change: Callable[[Any], None]) -> None:
    """To assign to them is to edit the text; a text whose last line has no end stays such a text."""
    t, plain = Text(string + end), string.split("\n")
    change(t.lines)
    change(plain)
    assert t.lines[:] == plain
    assert list(t.lines) == plain
    assert str(t) == "\n".join(plain) + (end if plain and plain[-1] else "\n" * bool(plain))


def test_a_line_has_no_line_end(t: Text) -> None:
    """It would be two."""
    with pytest.raises(piety.PietyError, match="no line end"):
        t.lines[0] = "a\nb"
    with pytest.raises(piety.PietyError, match="no line end"):
        t.lines[0:1] = ["a\n"]
    with pytest.raises(IndexError, match="no line 3"):
        t.lines[3]


# -- finding


@pytest.mark.parametrize("pattern", [r"a", r"^a", r"e$", r"\s+", r"[^x]+", r"a.*e", r"^$", r"x*", r"\Aa", r"e\Z", r"a(?!p)", r"\w+", r"n\n?a"])
@given(st.lists(st.text("ae pnx", max_size=6), max_size=6), st.booleans())
def test_a_pattern_is_found_in_each_line_by_itself(pattern: str, lines: list[str], ends: bool) -> None:
    """Just as if each line were searched alone."""
    import regex

    whole = "\n".join(lines) + "\n" * ends
    t = Text(whole)
    expected = [
        (number, match.start(), match[0])
        for number, line in enumerate(t.lines)
        for match in regex.finditer(pattern, line, regex.MULTILINE)
    ]
    assert [(*found.start, found.text) for found in t.find_all(pattern)] == expected


def test_a_pattern_that_is_none_or_takes_for_ever_is_refused(t: Text, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the place where it is wrong; and nothing is changed."""
    with pytest.raises(piety.PietyError, match=r"no regular expression.*column 1"):
        t.find("(")
    with pytest.raises(piety.PietyError, match="no template"):
        t.replace("a", r"\2")
    monkeypatch.setattr("piety.objects.searching.PATIENCE", 0.01)
    with pytest.raises(piety.PietyError, match=r"takes more than 0\.01 s"):
        Text("a" * 60 + "b\n").replace(r"(a|aa)+$", "x")
    assert t.version == 0


def test_replace_takes_templates_functions_and_counts(t: Text) -> None:
    """As `re.sub` does."""
    assert t.replace(r"(\w)pple", r"\1PPLE") == 1
    assert t.replace(r"an\b|and\b", lambda found: found.text.upper(), count=2) == 2
    assert t.lines[1:] == ["AN aPPLE AND a snake", "and no more"]
    assert t.replace("zebra", "") == 0
    assert len(t.history()) == 2


# -- undo


def test_the_edits_of_a_turn_are_undone_together(system: System) -> None:
    """And each turn by itself, also over a restart."""
    system.run("t = texts.new('letter')", "print('one', file=t); print('two', file=t); t.insert(0, 0, 'x')", "print('three', file=t)")
    system.resume()
    assert system.run("t.undo(); str(t)") == "xone\ntwo\n"
    assert system.run("t.undo(); str(t)") == ""
    system.resume()
    assert system.run("t.redo(); str(t)") == "xone\ntwo\n"
    assert system.run("t.redo(); str(t)") == "xone\ntwo\nthree\n"


def test_what_was_undone_is_never_lost() -> None:
    """Emacs's rule: after another edit, undo goes back over the undoing too."""
    t = Text()
    for word in ("a", "b", "c"):
        t.write(word)
    t.undo()
    t.undo()
    assert str(t) == "a"
    t.write("x")
    t.undo()
    assert str(t) == "a"
    t.undo()
    assert str(t) == "ab"
    t.undo()
    assert str(t) == "abc"


def test_each_undoes_what_is_its_own(t: Text) -> None:
    """What others have done stays; where they have changed the same place, it says so."""
    t.edit([(0, 4, "Dearest")], by="adam")
    t.edit([(8, 14, "friend")], by="eve")
    t.undo(by="adam")
    assert t.lines[0] == "Dear friend,"
    t.edit([(5, 5, "old ")], by="adam")
    t.edit([(6, 8, "LD")], by="eve")
    with pytest.raises(Stale, match="eve has changed the same place since"):
        t.undo(by="adam")
    t.undo(by="eve")
    t.undo(by="adam")
    assert t.lines[0] == "Dear friend,"
    with pytest.raises(piety.PietyError, match="nothing to undo: snake"):
        t.undo(by="snake")


def test_a_long_statement_is_named_by_its_beginning(system: System) -> None:
    """In the message that its group cannot be undone."""
    system.run(f"t = Text('adam'); t.edit([(0, 0, '12')], by='adam')  # {'x' * 200}")
    system.run("t.edit([(1, 1, 'X')], by='eve')")
    message = str(system.fail("t.undo(by='adam')"))
    assert message == (
        "group 1 (t = Text('adam'); t.edit([(0, 0, '12')], ...) cannot be undone: eve has changed the same place since, "
        "with group 2 (t.edit([(1, 1, 'X')], by='eve')); undo that first"
    )


def test_a_group_can_be_undone_by_its_number(t: Text) -> None:
    """Whoever did it."""
    t.edit([(0, 4, "Dearest")], by="adam")
    t.write("more\n")
    assert [(group.number, group.who) for group in t.history()] == [(2, "somebody"), (1, "adam")]
    t.undo(group=1)
    assert str(t) == "Dear reader,\nan apple and a snake\nand no more\nmore\n"
    with pytest.raises(piety.PietyError, match="undone already"):
        t.undo(group=1)
    with pytest.raises(piety.PietyError, match="no group 7"):
        t.undo(group=7)


def test_two_lines_that_two_deleted_come_back_in_their_order() -> None:
    """Whoever undoes first."""
    for first, second in (("adam", "eve"), ("eve", "adam")):
        t = Text("1\n2\n3\n4\n")
        t.edit([(2, 4, "")], by="adam")
        t.edit([(2, 4, "")], by="eve")
        t.undo(by=first)
        t.undo(by=second)
        assert str(t) == "1\n2\n3\n4\n"


def test_the_log_is_bounded_and_says_what_it_has_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks are where they belong all the same."""
    monkeypatch.setattr(texts, "KEPT", 10)
    monkeypatch.setattr(texts, "SETTLE", 5)
    t = Text("x\n")
    mark = t.mark(0, 1)
    for _ in range(45):
        t.edit([(0, 0, "a")])
    history = t.history()
    assert 10 <= len(history) <= 30
    assert repr(history).endswith(f"the {45 - len(history)} before were dropped")
    assert mark.place == 46
    with pytest.raises(piety.PietyError, match="no group 1 in the log, which has dropped"):
        t.undo(group=1)
    with pytest.raises(piety.PietyError, match="before the log of this text begins"):
        t.at("2001-01-01")
    for _ in range(len(history) // 2):
        t.undo()
    assert len(t) == 2 + 45 - len(history) // 2


def test_a_turn_of_two_thousand_edits_is_undone_at_once(system: System) -> None:
    """And done again."""
    system.run("t = texts.new('t', 'adam and eve\\n' * 100)", "before = str(t)")
    system.run("for n in range(2000): t.edit([(n % 700, n % 700 + n % 3, 'x' * (n % 4))])", "after = str(t)")
    assert system.run("t.undo(); str(t) == before")
    system.resume()
    assert system.run("t.redo(); str(t) == after")


def test_tasks_and_terminals_undo_each_their_own(system: System) -> None:
    """Tasks of the same name too."""
    from piety.scheduler.system import System as Running

    system.run(
        "t = texts.new('t')",
        "def edit(what): t.undo() if what == 'undo' else t.write(what)",
        "one, two = spawn(message, edit), spawn(message, edit)",
    )
    running = Running(system.image)
    for source in "send(one, '1')", "send(two, '2')", "send(one, 'undo')":
        system.run(source)
        running.loop.run(until_idle=True)
    assert system.run("str(t)") == "2"
    for source, session in ("t.write('a')", "left"), ("t.write('b')", "right"), ("t.undo()", "left"):
        future = running.evaluate(source, session=session)
        running.loop.run(until_idle=True)
        assert future.result(0).error is None
    assert system.run("str(t)") == "2b"
    assert {group.who.split(" at ")[-1] for group in system.run("t").history()} >= {"task 1 edit", "task 2 edit", "left"}


# -- typing


def test_a_burst_of_typing_is_undone_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to twenty seconds of it; another edit ends it."""
    t = Text()
    now = [1000.0]
    monkeypatch.setattr("piety.objects.authors.time.time", lambda: now[0])
    for place in range(30):
        now[0] += 1
        t.type(place, place, "x")
    t.undo()
    assert str(t) == "x" * 20
    t.undo()
    assert str(t) == ""


def growth(system: System, *sources: str) -> int:
    """By how much the file grows."""
    file = system.home / "image" / "image.fs"
    before = file.stat().st_size
    for source in sources:
        system.run(source)
    return file.stat().st_size - before


@pytest.mark.parametrize("lines", [0, 1_000_000])
def test_a_thousand_typed_characters_take_200_kb_at_most(system: System, lines: int) -> None:
    """Five at a time, as somebody types in a second; in an empty text, and in the middle of a large one."""
    system.run(f"t = texts.new('t', 'a line of no great length\\n' * {lines})", "at = len(t) // 2", "t.type(at, at, 'x')")
    with system.image.turn("place") as _world:
        at = system.image._turns.evaluator.own("at") + 1
    grown = growth(system, *(f"t.type({place}, {place}, 'fives')" for place in range(at, at + 1000, 5)))
    assert system.run("t.part(at, at + 11)") == "xfivesfives"
    assert grown <= 200_000


def test_one_line_of_a_million_is_edited_with_4_kb_at_most(system: System) -> None:
    """Insert, delete and undo: whatever was done before."""
    system.run("t = texts.new('t', 'a line of no great length\\n' * 1_000_000)")
    for source in ("t.lines[500_000] = 'new'", "del t.lines[300_000]", "t.insert(7, 3, 'x')", "t.undo()", "t.lines[999_998] = 'x'", "t.undo()"):
        assert growth(system, source) <= 4096, source


# -- marks and selections


def test_marks_move_with_what_anybody_does(t: Text) -> None:
    """One stands before what is inserted there, or behind it."""
    before, after, snake = t.mark(0, 4), t.mark(0, 4, after=True), t.mark(1, 15)
    t.edit([(4, 4, "est")], by="adam")
    t.edit([(0, 0, "1\n2\n")], by="eve")
    assert (before.line, before.column) == (2, 4)
    assert (after.line, after.column) == (2, 7)
    assert (snake.line, snake.column, snake.is_gone) == (3, 15, False)
    del t.lines[3]
    assert (snake.line, snake.column, snake.is_gone) == (3, 0, True)
    assert len(t.marks()) == 3
    snake.forget()
    assert len(t.marks()) == 2


def test_marks_come_back_with_what_they_were_in(t: Text) -> None:
    """When it is undone, also by another way than it went; and a selection does."""
    mark, after = t.mark(1, 5), t.mark(1, 15, after=True)
    t.select((1, 3), (1, 8), by="eve")
    selected = t.selection(by="eve")
    before = [mark.place, after.place]
    del t.lines[1]
    assert (mark.column, after.column, mark.is_gone, after.is_gone) == (0, 0, True, True)
    t.edit([(0, 0, "**")], by="adam")
    t.undo()
    assert [mark.place - 2, after.place - 2, mark.is_gone, after.is_gone] == [*before, False, False]
    assert selected is not None
    assert t.selection(by="eve") == (selected[0] + 2, selected[1] + 2)
    t.redo()
    assert mark.is_gone
    t.undo(by="adam", group=t.history()[0].number)
    assert [mark.place - 2, after.place - 2, mark.is_gone, after.is_gone] == [*before, False, False]


@pytest.mark.parametrize(("cut", "other"), [((0, 1), (0, 0, "X")), ((0, 1), (0, 1, "")), ((1, 2), (0, 1, "Y"))])
def test_what_another_one_did_beside_what_was_away_is_not_lost(cut: tuple[int, int], other: Any) -> None:
    """A part of what is to be undone was away then, and is back."""
    t = Text("adam")
    t.edit([(0, 0, "12")], by="adam")
    t.edit([(*cut, "")], by="adam")
    t.edit([other], by="eve")
    t.undo(by="adam")
    before = str(t)
    with pytest.raises(Stale, match="eve has changed the same place"):
        t.undo(by="adam")
    assert str(t) == before


def test_undo_selects_what_was_selected(t: Text) -> None:
    """And a selection moves with what others do."""
    t.select((1, 3), (1, 8), by="adam")
    t.edit([(16, 21, "pear")], by="adam", selection=(20, 20))
    assert t.selection(by="adam") == (20, 20)
    t.edit([(0, 0, "**")], by="eve")
    assert t.selection(by="adam") == (22, 22)
    t.undo(by="adam")
    assert t.selection(by="eve") is None
    assert t.part(*t.selection(by="adam") or (0, 0)) == "apple"


def test_undo_selects_what_was_selected_also_if_what_was_between_is_gone() -> None:
    """Then two parts come back as one."""
    t = Text("aXbc")
    t.select((0, 0), (0, 3), by="adam")
    t.edit([(0, 1, ""), (2, 3, "")], by="adam")
    t.edit([(0, 1, "")], by="eve")
    t.undo(by="adam")
    assert str(t) == "abc"
    assert t.selection(by="adam") == (0, 2)


def test_what_a_dropped_edit_was_undone_by_is_known_after_a_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two undos of it, each by another group that is not there any more: the second has taken back the first."""
    monkeypatch.setattr(texts, "KEPT", 4)
    t = Text("adam")
    t.edit([(0, 0, "x")], by="adam")
    for group in (1, 2):
        t.undo(by="adam", group=group)
    t.edit([(5, 5, "y")], by="eve")
    for group in (3, 2):
        t.undo(by="adam", group=group)
    t.edit([(6, 6, "z")], by="eve")
    t.edit([(7, 7, "z")], by="eve")
    assert [group.number for group in t.groups()] == [8, 7, 6, 5, 4]
    del t._v_log
    with pytest.raises(piety.PietyError, match="undone already"):
        t.undo(by="adam", group=5)
    assert str(t) == "xadamyzz"


def test_redo_selects_what_was_selected_after_it(t: Text) -> None:
    """So undo and redo lead the eye to where something happens."""
    t.select((1, 3), (1, 8), by="adam")
    t.edit([(16, 21, "pear")], by="adam", selection=(20, 20))
    assert (t.history()[0].selection, t.history()[0].selected) == ((16, 21), (20, 20))
    t.undo(by="adam")
    t.redo(by="adam")
    assert t.selection(by="adam") == (20, 20)


def test_marks_and_selections_move_within_a_turn(system: System) -> None:
    """Though what is written in one go is one edit."""
    system.run("t = texts.new('t', 'snake')")
    system.run("t.edit([(0, 0, 'a')], selection=(6, 6)); m = t.mark(0, 3); t.edit([(1, 1, 'b')]); t.edit([(2, 2, 'c')])")
    assert system.run("m.place, t.selection(), str(t)") == (5, (8, 8), "abcsnake")
    system.run("t.edit([(0, 0, 'x')], selection=(9, 9)); t.edit([(1, 1, 'y')])")
    assert system.run("m.place, t.selection()") == (7, (10, 10))


@pytest.mark.parametrize("count", [999, 1001, 1500])
@pytest.mark.parametrize("seed", range(5))
def test_many_edits_are_one(count: int, seed: int) -> None:
    """Which gives the new text from the old one, however many they were, and wherever."""
    before = now = "adam and eve\n" * 20
    edits, chance = [], random.Random(seed)
    for _ in range(count):
        start = chance.randrange(len(now) + 1)
        end = min(start + chance.randrange(4), len(now))
        new = "x" * chance.randrange(4)
        now = now[:start] + new + now[end:]
        edits.append(((start, end, len(new)),))
    spans = compose(edits)
    assert len(spans) == 1 or count < 1000
    rebuilt, at = "", 0
    for (first, last), (start, end, _size) in zip(spans_after(spans), spans, strict=True):
        rebuilt += before[at:start] + now[first:last]
        at = end
    assert rebuilt + before[at:] == now


# -- what others look at


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9), st.text("ab\n", max_size=5)), max_size=5))
def test_what_changed_since_is_enough_to_keep_a_copy(edits: list[tuple[int, int, str]]) -> None:
    """Nobody has to compare texts: the lines that are told, put in place of those that were there, give the new ones."""
    t = Text("adam\nand\neve\nand a snake\n")
    copy, version = str(t).split("\n"), t.version
    for start, size, string in edits:
        begin = min(start, len(t))
        t.edit([(begin, min(begin + size, len(t)), string)])
    now = str(t).split("\n")
    for change in t.since(version):
        assert change.removed is not None
        copy[change.line : change.line + change.removed] = now[change.line : change.line + change.added]
    assert copy == now


def test_changed_is_an_event_for_tasks(system: System) -> None:
    """Whoever edits; and the task asks what it was."""
    from piety.scheduler.system import System as Running

    system.run(
        "t = texts.new('t', 'a\\nb\\n')",
        "class Watcher:\n    def __init__(self): self.version, self.seen = t.version, []\n"
        "    def __call__(self, text):\n        self.seen += [(c.line, c.removed, c.added) for c in text.since(self.version)]\n        self.version = text.version",
        "watcher = Watcher()",
        "task = spawn(changed(t), watcher)",
    )
    running = Running(system.image)
    system.run("t.lines[1] = 'x'")
    running.loop.run(until_idle=True)
    system.run("t.type(0, 0, 'y')")
    running.loop.run(until_idle=True)
    assert system.run("watcher.seen") == [(1, 1, 1), (0, 1, 1)]


# -- the past


def test_the_past_can_be_read(t: Text, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a time, also in words; it cannot be changed."""
    now = 1_000_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    t.write("one\n")
    now += 3600
    t.write("two\n")
    assert str(t.at(now - 1)).endswith("no more\none\n")
    assert str(t.at(now)).endswith("one\ntwo\n")
    assert str(t.at(0)) == "Dear reader,\nan apple and a snake\nand no more\n"
    past = t.at(now - 1)
    assert past.find("one") is not None
    with pytest.raises(piety.PietyError, match="cannot be changed"):
        past.lines[0] = "x"
    with pytest.raises(piety.PietyError, match="no time"):
        t.at("when the snake came")


def test_yesterday_is_a_time(t: Text) -> None:
    """A library knows how people say it."""
    t.write("today")
    assert "today" not in str(t.at("yesterday"))
    assert "today" in str(t.at("in 1 hour"))


def test_blame_tells_who_has_changed_each_line() -> None:
    """And what nobody has changed since the log began."""
    t = Text("1\n2\n3\n4\n")
    t.edit([(2, 3, "two")], by="adam")
    t.edit([(0, 0, "0\n")], by="eve")
    t.edit([(len(t), len(t), "5\n6\n")], by="snake")
    t.edit([(len(t) - 4, len(t) - 2, "")], by="adam")
    t.lines[3:4] = ["three", "and more"]
    assert [group and group.who for group in t.blame()] == ["eve", None, "adam", "somebody", "somebody", None, "snake"]
    assert "eve" in repr(t.blame()).splitlines()[0]
    t.undo(by="eve")
    assert [group and group.who for group in t.blame()] == [None, "adam", "somebody", "somebody", None, "snake"]


# -- the host


@given(st.text(), st.text())
def test_what_differs_is_found(old: str, new: str) -> None:
    """Doing the changes to the one gives the other."""
    for start, end, string in reversed(found := changes(old, new)):
        assert old[start:end] != string
        old = old[:start] + string + old[end:]
    assert old == new
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(found))


def test_only_the_lines_that_differ_are_set() -> None:
    """So marks elsewhere stay, and so does what others have done."""
    t = Text("1\n2\n3\n4\n5\n6\n")
    mark = t.mark(3)
    t.set("1\ntwo\n3\n4\n5\n6\nseven\n")
    assert mark.line == 3
    assert not mark.is_gone
    assert [change.line for change in t.since(0)] == [1, 6]


@pytest.fixture
def folder(tmp_path: Path, system: System) -> Iterator[Path]:
    """Files beside a home; what is done to texts is done in one turn."""
    with system.image.turn("edit"):
        yield tmp_path


BYTES = [b"", b"adam", b"\xff\xfe\n\x80", "é蛇\r\n".encode(), b"\xed\xa0\x80\xc3", b"a\0b", b"\xc3" + b"x" * (1 << 20) + b"\xa9"]


@pytest.mark.parametrize("data", BYTES)
def test_bytes_come_back_as_they_were(folder: Path, data: bytes) -> None:
    """Also those that are no UTF-8, and a character that lies across two portions."""
    file, other = folder / "notes", folder / "other"
    file.write_bytes(data)
    t = piety.open_file(file)
    assert t.save(str(other)) == len(data)
    assert other.read_bytes() == data
    t.write("more")
    t.save()
    assert other.read_bytes() == data + b"more"
    assert file.read_bytes() == data


def test_a_file_that_was_changed_outside_is_not_overwritten(folder: Path) -> None:
    """It says so, and what to do."""
    file = folder / "notes.txt"
    file.write_text("1\n2\n")
    t = piety.open_file(file)
    assert piety.open_file(file) is t is piety.texts["notes.txt"]
    t.write("3\n")
    file.write_text("one\n2\n")
    with pytest.raises(piety.PietyError, match=r"was changed outside.*t\.reload"):
        t.save()
    t.undo()
    t.reload()
    assert str(t) == "one\n2\n"
    t.write("3\n")
    t.save()
    assert file.read_text() == "one\n2\n3\n"
    file.unlink()
    with pytest.raises(piety.PietyError, match="is gone outside"):
        t.save()
    t.save(force=True)
    assert file.read_text() == str(t)


def test_a_file_is_replaced_whole_or_not_at_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its permissions, and through a link; when the disk is full the old one is as it was."""
    file, link = folder / "notes", folder / "link"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    t = piety.open_file(link)
    t.write(" and new")
    t.save()
    assert link.is_symlink()
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("old and new", 0o640)
    monkeypatch.setattr("os.fsync", _full)
    with pytest.raises(piety.PietyError, match=r"cannot be written: No space left"):
        t.save()
    assert file.read_text() == "old and new"
    assert sorted(each.name for each in folder.iterdir() if each.is_file()) == ["link", "notes"]


def _full(_file: int) -> None:
    raise OSError(28, os.strerror(28))


def test_what_no_file_can_hold_is_told(folder: Path) -> None:
    """Half a character that stands for no byte; the old file stays."""
    with pytest.raises(piety.PietyError, match="half character"):
        Text("\ud800").save(str(folder / "notes"))
    with pytest.raises(piety.PietyError, match="cannot be read: Is a directory"):
        piety.open_file(folder)
    with pytest.raises(piety.PietyError, match="has no file"):
        Text().save()
    assert not (folder / "notes").exists()


def test_a_long_file_takes_little_memory(tmp_path: Path) -> None:
    """It is never in memory a second time, neither when it is read nor when it is written."""
    file = tmp_path / "log"
    file.write_bytes(b"2026-11-26 a line of a log that nobody reads\n" * 1_000_000)
    tracemalloc.start()
    try:
        t = Text()
        hostfiles.load(t, str(file))
        assert len(t.lines) == 1_000_000
        t.lines[500_000] = "somebody does"
        assert t.find("somebody does") is not None
        t.save(str(tmp_path / "copy"))
        assert 45_000_000 < tracemalloc.get_traced_memory()[1] < 1.5 * 45_000_000
    finally:
        tracemalloc.stop()


# -- names


def test_texts_have_names(system: System) -> None:
    """A name is for one text, and a text has one name."""
    system.run("t = texts['letter'] = Text('Dear reader,\\n')")
    assert system.show("texts") == "<texts: letter>"
    assert system.show("texts()").startswith("letter                            1 lines             13 characters")
    assert system.show("t") == "<text 'letter', 1 line: 'Dear reader,'>"
    assert "is called 'letter' already" in str(system.fail("texts['other'] = t"))
    assert "there is a text 'letter' already" in str(system.fail("texts.new('letter')"))
    assert "no text 'other'" in str(system.fail("texts['other']"))
    system.run("texts['letter'] = Text('new')")
    assert system.run("t.name, 'letter' in texts, len(texts)") == (None, True, 1)
    assert system.run("texts.get('other'), texts.pop('other', 5), image.modules.get('other')") == (None, 5, None)
    system.run("del texts['letter']", "texts['other'] = t")
    system.resume()
    assert system.run("list(texts), t is texts['other']") == (["other"], True)
